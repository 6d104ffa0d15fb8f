"""`rules.policy.retry`, `rules.crawl.host_limits` and `rules.http.content_coding`."""

from __future__ import annotations

import gzip
import zlib
from email.utils import formatdate

from hypothesis import given
from hypothesis import strategies as st

from imgfetch.model.image import Defect
from imgfetch.model.request import Head, Limits
from imgfetch.model.result import ErrorKind, Failure
from imgfetch.rules.crawl import host_limits
from imgfetch.rules.http.content_coding import Decoder
from imgfetch.rules.policy import retry

LIMITS = Limits(retries=3, backoff_base=0.5, backoff_cap=30, total_timeout=120)


def waits(
    reason: ErrorKind = ErrorKind.RESET,
    *,
    attempts: int = 1,
    spent: float = 0,
    chance: float = 1,
    retry_after: float | None = None,
    retryable: bool = True,
    fresh: bool = False,
) -> float | str:
    """The wait that is advised, or the message with which it is given up."""
    failed = Failure(
        reason, "it broke", "http://h/", attempts=attempts, retryable=retryable, retry_after=retry_after
    )
    advice = retry.decide(failed, spent=spent, limits=LIMITS, chance=chance, fresh=fresh)
    return advice.seconds if isinstance(advice, retry.Wait) else advice.message


def test_backoff_doubles_up_to_its_cap_and_gives_up_after_the_last_retry() -> None:
    assert [waits(attempts=n) for n in (1, 2, 3)] == [0.5, 1.0, 2.0]
    assert waits(attempts=4) == "it broke"
    many = Limits(retries=5000, backoff_base=0.5, backoff_cap=30)
    failed = Failure(ErrorKind.RESET, "", "", attempts=4000, retryable=True)
    assert retry.decide(failed, spent=0, limits=many, chance=1) == retry.Wait(30)


def test_jitter_is_full() -> None:
    assert waits(chance=0) == 0
    assert waits(attempts=3, chance=0.25) == 0.5


def test_what_cannot_help_is_not_tried_again() -> None:
    assert waits(ErrorKind.HTTP_STATUS, retryable=False) == "it broke"
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


def test_damaged_bytes_are_asked_for_once_more() -> None:
    assert waits(ErrorKind.CORRUPT, attempts=1) == 0.5
    assert waits(ErrorKind.CORRUPT, attempts=2) == 1.0
    assert waits(ErrorKind.CORRUPT, attempts=2, fresh=True) == "it broke"
    assert waits(ErrorKind.RESET, attempts=2, fresh=True) == 1.0


def test_retry_after_is_waited_out_in_full_and_not_shortened_by_chance() -> None:
    assert waits(retry_after=7, chance=0) == 7
    assert waits(retry_after=0.1, chance=1) == 0.5


def test_a_retry_after_beyond_the_time_limit_ends_it_at_once_and_is_named() -> None:
    assert waits(retry_after=86400) == "it broke: Retry-After of 86400 s is beyond the time limit"
    assert waits(retry_after=10, spent=111) == "it broke: Retry-After of 10 s is beyond the time limit"
    assert waits(retry_after=float("inf")) == "it broke: Retry-After of inf s is beyond the time limit"


def test_no_wait_is_begun_that_the_time_limit_would_cut() -> None:
    assert waits(spent=119.6) == "it broke"
    assert waits(spent=119.4) == 0.5


def after(value: str, now: float = 1_700_000_000) -> float | None:
    return host_limits.retry_after(Head("http://h/", 503, (("retry-after", value),)), now=now)


def test_retry_after_is_a_number_of_seconds_or_an_http_date() -> None:
    assert after("120") == 120
    assert after(formatdate(1_700_000_060, usegmt=True)) == 60
    assert after("Sunday, 06-Nov-94 08:49:37 GMT", now=784_111_700) == 77
    assert after("Sun Nov  6 08:49:37 1994", now=784_111_700) == 77


def test_retry_after_in_the_past_asks_for_no_wait_and_garbage_for_nothing() -> None:
    assert after(formatdate(1_600_000_000, usegmt=True)) == 0
    for garbage in ("", "soon", "-5", "1.5", "٣", "Mon, 99 Foo 2020 99:99:99 GMT"):
        assert after(garbage) is None, garbage
    assert host_limits.retry_after(Head("http://h/", 503), now=0) is None


def test_a_retry_after_of_400_digits_is_a_wait_without_end() -> None:
    assert after("9" * 400) == float("inf")
    assert after("9" * 5000) == float("inf")


@given(st.text())
def test_no_field_makes_it_raise(value: str) -> None:
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
def test_every_coding_is_undone_in_pieces_of_any_size(body: bytes, step: int) -> None:
    assert undone("", body, step=step) == body
    assert undone("gzip", gzip.compress(body), step=step) == body
    assert undone("deflate", zlib.compress(body), step=step) == body


def test_a_damaged_coding_is_named() -> None:
    def reason(result: bytes | Defect) -> ErrorKind:
        assert isinstance(result, Defect)
        return result.kind

    coded = gzip.compress(b"x" * 1000)
    assert reason(undone("gzip", coded[:-4])) is ErrorKind.BAD_ENCODING
    assert reason(undone("gzip", b"")) is ErrorKind.BAD_ENCODING
    assert reason(undone("gzip", b"not gzip at all")) is ErrorKind.BAD_ENCODING
    assert reason(undone("gzip", coded + b"more")) is ErrorKind.BAD_ENCODING


def test_a_bomb_is_stopped_at_the_limit_and_never_inflated_beyond_it() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    undo = Decoder("gzip", limit=1000)
    assert undo.feed(bomb) == Defect(ErrorKind.TOO_LARGE, "more than 1,000 bytes")
    assert undone("gzip", gzip.compress(b"x" * 1000), limit=10**30) == b"x" * 1000
    assert undone("", b"x" * 1001, limit=1000) == Defect(ErrorKind.TOO_LARGE, "more than 1,000 bytes")
    assert undone("", b"x" * 1000, limit=1000) == b"x" * 1000
