"""`rules.policy.retry`, `rules.crawl.host_limits` and `rules.http.content_coding`."""

from __future__ import annotations

import gzip
import zlib
from email.utils import formatdate

from hypothesis import given
from hypothesis import strategies as st

from imgfetch.model.image import Defect
from imgfetch.model.request import Head
from imgfetch.model.result import ErrorKind
from imgfetch.rules.crawl import host_limits
from imgfetch.rules.http.content_coding import Decoder
from imgfetch.rules.policy import retry


def test_does_not_retry_a_permanent_failure() -> None:
    for reason in (
        ErrorKind.DNS,
        ErrorKind.TLS,
        ErrorKind.NOT_IMAGE,
        ErrorKind.TOO_LARGE,
        ErrorKind.BLOCKED,
        ErrorKind.EMPTY,
    ):
        assert not retry.failure(reason, "", "http://h/").retryable
    for reason in (
        ErrorKind.CONNECT,
        ErrorKind.TIMEOUT,
        ErrorKind.RESET,
        ErrorKind.INCOMPLETE,
        ErrorKind.CORRUPT,
    ):
        assert retry.failure(reason, "", "http://h/").retryable


def after(value: str, now: float = 1_700_000_000) -> float | None:
    return host_limits.retry_after(Head("http://h/", 503, (("retry-after", value),)), now=now)


def test_retry_after_is_a_number_of_seconds_or_an_http_date() -> None:
    assert after("120") == 120
    assert after(formatdate(1_700_000_060, usegmt=True)) == 60
    assert after("Sunday, 06-Nov-94 08:49:37 GMT", now=784_111_700) == 77
    assert after("Sun Nov  6 08:49:37 1994", now=784_111_700) == 77


def test_retry_after_in_the_past_is_no_wait_and_garbage_is_ignored() -> None:
    assert after(formatdate(1_600_000_000, usegmt=True)) == 0
    for garbage in ("", "soon", "-5", "1.5", "٣", "Mon, 99 Foo 2020 99:99:99 GMT"):
        assert after(garbage) is None, garbage
    assert host_limits.retry_after(Head("http://h/", 503), now=0) is None


def test_a_retry_after_of_400_digits_is_an_endless_wait() -> None:
    assert after("9" * 400) == float("inf")
    assert after("9" * 5000) == float("inf")


@given(st.text())
def test_retry_after_never_raises(value: str) -> None:
    seconds = after(value)
    assert seconds is None or seconds >= 0


def undone(coding: str, data: bytes, *, limit: int = 10_000, step: int = 100) -> bytes | Defect:
    undo = Decoder(coding, limit=limit)
    plain = b""
    for start in range(0, len(data), step):
        piece = undo.feed(data[start : start + step])
        if isinstance(piece, Defect):
            return piece
        plain += piece
    return undo.end() or plain


@given(st.binary(max_size=2000), st.integers(1, 500))
def test_decodes_every_coding_in_chunks_of_any_size(body: bytes, step: int) -> None:
    assert undone("", body, step=step) == body
    assert undone("gzip", gzip.compress(body), step=step) == body
    assert undone("deflate", zlib.compress(body), step=step) == body


def test_names_a_damaged_coding() -> None:
    def reason(result: bytes | Defect) -> ErrorKind:
        assert isinstance(result, Defect)
        return result.kind

    coded = gzip.compress(b"x" * 1000)
    assert reason(undone("gzip", coded[:-4])) is ErrorKind.BAD_ENCODING
    assert reason(undone("gzip", b"")) is ErrorKind.BAD_ENCODING
    assert reason(undone("gzip", b"not gzip at all")) is ErrorKind.BAD_ENCODING
    assert reason(undone("gzip", coded + b"more")) is ErrorKind.BAD_ENCODING


def test_stops_a_bomb_at_the_limit() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    too_large = Defect(ErrorKind.TOO_LARGE, "more than 1,000 bytes", "max_bytes")
    undo = Decoder("gzip", limit=1000)
    assert undo.feed(bomb) == too_large
    assert undone("gzip", gzip.compress(b"x" * 1000), limit=10**30) == b"x" * 1000
    assert undone("", b"x" * 1001, limit=1000) == too_large
    assert undone("", b"x" * 1000, limit=1000) == b"x" * 1000
