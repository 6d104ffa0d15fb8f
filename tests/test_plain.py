"""The plain grammar of HTTP/1.1: what we write and read ourselves is what h11 would write and read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from against_h11 import by_h11, check_request, check_response, contents, message
from imgfetch.errors import PolicyError
from imgfetch.http import h11_fallback, plain
from imgfetch.http.connection import read_response
from imgfetch.rules.http.content_coding import coding_of
from imgfetch.rules.http.response_head import well_formed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# ---------------------------------------------------------------------------------------------------
# Responses


STATUS_LINES = st.sampled_from(
    [
        *(b"HTTP/1.1 200 OK", b"HTTP/1.1 206 ", b"HTTP/1.1 304 Not Modified", b"HTTP/1.1 204"),
        *(b"HTTP/1.1 404 \xff", b"HTTP/1.1 301 a\tb", b"HTTP/1.0 200 OK", b"HTTP/1.1  200 OK"),
        *(b"HTTP/1.1 100 Continue", b"HTTP/1.1 600 x", b"http/1.1 200 OK", b"HTTP/1.1 200OK"),
        *(b"HTTP/1.1 099 x", b"\r\nHTTP/1.1 200 OK", b"HTTP/1.1 101 x"),
    ]
)
NAMES = st.binary(max_size=4) | st.sampled_from(
    [
        *(b"Content-Length", b"content-length", b"Transfer-Encoding", b"Connection", b"ETag", b"X-A"),
        *(b"Upgrade", b"Content-Length ", b"", b" X", b"a\xff", b"a(b", b"Trailer"),
    ]
)
VALUES = st.binary(max_size=6) | st.sampled_from(
    [
        *(
            b"5",
            b" 5",
            b"\t5 ",
            b"05",
            b"+5",
            b"5, 5",
            b"5, 6",
            b"-1",
            b"",
            b"0",
            b"\xb2",
            b"9" * 19,
            b"9" * 21,
        ),
        *(
            b"close",
            b"Keep-Alive",
            b"keep-alive, close",
            b"upgrade",
            b"chunked",
            b"gzip, chunked",
            b"identity",
        ),
        *(b"a b", b"\x01", b"\x7f", b"a\x00b", b"\xe9", b"a\r\n b", b"a\x0bb", b"5\r"),
    ]
)
LINES = st.lists(
    st.tuples(NAMES, st.sampled_from([b": ", b":", b" :"]), VALUES, st.sampled_from([b"\r\n"] * 9 + [b"\n"])),
    max_size=5,
)
BODIES = st.sampled_from(
    [b"", b"image", b"imag", b"image!", b"5\r\nimage\r\n0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]
)


@settings(deadline=None, max_examples=500)
@given(STATUS_LINES, LINES, BODIES)
def test_a_response_is_read_as_h11_reads_it(
    status: bytes, lines: list[tuple[bytes, bytes, bytes, bytes]], body: bytes
) -> None:
    check_response(status + b"\r\n" + b"".join(b"".join(line) for line in lines) + b"\r\n" + body)


@settings(deadline=None, max_examples=500)
@given(LINES, BODIES)
def test_a_response_that_is_plain_but_for_some_lines_is_read_as_h11_reads_it(
    lines: list[tuple[bytes, bytes, bytes, bytes]], body: bytes
) -> None:
    others = b"".join(b"".join(line) for line in lines)
    check_response(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" + others + b"\r\n" + body)


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", b"image"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length:5\r\nConnection: Keep-Alive\r\nX:\r\nY: \t a, b \t\r\n",
            b"image",
        ),
        (b"HTTP/1.1 206\r\nContent-Length: 5\r\nX: caf\xe9\r\n", b"image"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n", b""),
        (b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\nContent-Length: 5\r\n', b""),
        (b"HTTP/1.1 204 No Content\r\n", b""),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5_000 + b"Content-Length: 5\r\n", b"image"),
    ],
)
def test_a_plain_response_needs_no_h11(head: bytes, body: bytes) -> None:
    incoming = read_response(head + b"\r\n" + body)
    assert isinstance(incoming, plain.PlainBody)
    assert contents(incoming) == contents(by_h11(head + b"\r\n" + body))
    assert incoming.is_complete()
    check_response(head + b"\r\n" + body + b"!")
    check_response(head + b"\r\n" + body[:-1])


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 5\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 20 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive, close\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: a\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: a\r\n b\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: a\x00b\r\n",
        b"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n",
        b"HTTP/1.1 600 ?\r\nContent-Length: 5\r\n",
    ],
)
def test_a_response_that_is_not_plain_is_left_to_h11(head: bytes) -> None:
    assert isinstance(read_response(head + b"\r\nimage"), h11_fallback.H11Exchange)
    check_response(head + b"\r\nimage")


# ---------------------------------------------------------------------------------------------------
# Requests


FIELD_NAMES = st.text(max_size=4) | st.sampled_from(
    ["accept", "User-Agent", "Host", "Connection", "a b", "a: b", "", "é"]
)
FIELD_VALUES = st.text(max_size=4) | st.sampled_from(
    ["image/webp,*/*;q=0.5", "close", "Keep-Alive", "", " a", "a ", "a\r\nb: c", "ü", "a\tb", "\x7f"]
)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(FIELD_NAMES, FIELD_VALUES), max_size=4))
def test_a_request_is_written_as_h11_writes_it(fields: list[tuple[str, str]]) -> None:
    check_request(message("https://h.example:8443/a%20b.webp?w=480", *fields))


def test_a_plain_request_needs_no_h11() -> None:
    assert check_request(
        message(
            "http://h.example:80/a%20b.webp?x=1#c", ("user-agent", "imgfetch/1 (…)"), ("Range", "bytes=5-")
        )
    ) == (
        b"GET /a%20b.webp?x=1 HTTP/1.1\r\nHost: h.example\r\n"
        b"user-agent: imgfetch/1 (\xe2\x80\xa6)\r\nRange: bytes=5-\r\n\r\n"
    )
    assert check_request(message("http://h.example/", ("Connection", "Keep-Alive"))) is not None


@pytest.mark.parametrize(
    "field",
    [
        *(("connection", "close"), ("Upgrade", "h2c"), ("HOST", "other.example"), ("content-length", "0")),
        *(("Transfer-Encoding", "chunked"), ("expect", "100-continue"), ("a", "b\r\nc: d"), ("a", "b\0")),
        *(("a:", "b"), ("a: b", "c"), ("a", " b"), ("a", "")),
    ],
)
def test_a_request_that_is_not_plain_is_left_to_h11(field: tuple[str, str]) -> None:
    assert check_request(message("https://h.example/a", ("accept", "*/*"), field)) is None


@pytest.mark.parametrize("target", [b"/a b", b"/\xe9", b"", b"/\r\nhost: other.example"])
def test_a_target_that_is_not_plain_is_left_to_h11(target: bytes) -> None:
    plain_message = message("https://h.example/a")
    assert check_request(plain_message._replace(target=target)) is None


def test_a_host_field_that_is_absent_or_not_first_or_odd_is_left_to_h11() -> None:
    for fields in (((b"a", b"b"),), ((b"a", b"b"), (b"Host", b"h")), ((b"Host", b""),), ((b"Host", b"a b"),)):
        assert plain.encode_fields(fields) is None


@pytest.mark.parametrize("field", [("a", "b\r\nc: d"), ("host", "other.example")])
def test_a_request_that_http_cannot_express_is_not_sent(field: tuple[str, str]) -> None:
    with pytest.raises(PolicyError, match="not a valid request"):
        h11_fallback.encode(message("https://h.example/a", field))


def test_a_body_is_as_long_as_its_length_says() -> None:
    fields = ((b"Host", b"h.example"), (b"Content-Length", b"5"))
    post = message("https://h.example/a")._replace(method="POST", fields=fields, body=nothing())
    _, exchange = h11_fallback.encode(post)
    with pytest.raises(PolicyError, match="Too much data"):
        exchange.encode_piece(b"images")
    _, exchange = h11_fallback.encode(post)
    with pytest.raises(PolicyError, match="Too little data"):
        exchange.encode_end()
    with pytest.raises(PolicyError, match="a tunnel"):
        h11_fallback.encode(post._replace(method="CONNECT"))


async def nothing() -> AsyncIterator[bytes]:
    pieces: tuple[bytes, ...] = ()
    for piece in pieces:
        yield piece


@pytest.mark.parametrize(
    ("head", "taken"),
    [
        (b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nX Bad: y\r\nA: b\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nA \t: b\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"),
        (b"HTTP/1.1 200 OK\nnonsense\n more: of it\nA: b\n c\n\n", b"HTTP/1.1 200 OK\nA: b\n c\n\n"),
        (b"HTTP/1.1 200 OK\r\n: b\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"),
        (b"HTTP/1.1 200: OK\r\nA: b: c\r\n\r\n", b"HTTP/1.1 200: OK\r\nA: b: c\r\n\r\n"),
    ],
)
def test_a_line_that_is_not_a_field_is_passed_over(head: bytes, taken: bytes) -> None:
    assert well_formed(head) == taken


@given(st.binary(max_size=200), st.integers(0, 200))
def test_a_head_that_comes_in_two_parts_is_read_as_one(lines: bytes, cut: int) -> None:
    data = b"HTTP/1.1 103 x\r\n?\r\n\r\nHTTP/1.1 200 OK\r\n" + lines + b"\r\nContent-Length : 1\r\n\r\na"
    cut = 1 + cut % (len(data) - 1)
    whole, parts = by_h11(data), by_h11(data[:cut])
    parts.feed(data[cut:])
    assert contents(parts) == contents(whole)


@pytest.mark.parametrize(
    ("field", "coding"),
    [
        (None, ""), ("", ""), ("identity", ""), ("utf-8", ""), ("none", ""), ("image/jpeg", ""),
        ("binary, UTF-8", ""),
        ("GZIP", "gzip"), (" x-gzip ", "gzip"), ("deflate", "deflate"), ("gzip, identity", "gzip"),
        ("none,gzip", "gzip"),
        ("br", None), ("zstd", None), ("gzip, gzip", None), ("gzip, br", None),
    ],
)  # fmt: skip
def test_only_the_names_of_codings_are_content_codings(field: str | None, coding: str | None) -> None:
    assert coding_of(field) == coding
