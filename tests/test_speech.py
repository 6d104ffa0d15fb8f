"""HTTP/1.1 without a connection: what we write and read ourselves is what h11 would write and read."""

from __future__ import annotations

from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgfetch.errors import ImgfetchError, PolicyError
from imgfetch.http import h11_fallback, plain
from imgfetch.rules.http import urls

ADDRESS = urls.read("https://h.example/a.webp?w=480")
assert isinstance(ADDRESS, urls.Address)


# ---------------------------------------------------------------------------------------------------
# Answers


def by_h11(data: bytes) -> h11_fallback.H11Body:
    assert isinstance(ADDRESS, urls.Address)
    _, answer = h11_fallback.written(ADDRESS, ())
    answer.feed(data)
    return answer


def told(answer: plain.PlainBody | h11_fallback.H11Body) -> object:
    """All that an answer says: its head and body or what is wrong with them, whether it ends, and in time."""
    body = b""
    head = None
    try:
        head = answer.head()
        if head is None:
            return "no head yet"
        while piece := answer.piece():
            body += piece
    except ImgfetchError as error:
        return head, body, str(error)
    return head, body, piece is None, answer.is_all()


def check_answer(data: bytes) -> None:
    """Ours says what h11 says, whether it comes in one piece or in two, and whether it is read or not."""
    for cut in (len(data), 1 + crc32(data) % len(data)):
        ours = [plain.answer(data[:cut]) for _ in range(2)]
        for one in ours:
            if cut < len(data):
                one.feed(data[cut:])
        assert told(ours[0]) == told(by_h11(data))
        unread = by_h11(data)
        if told(by_h11(data)) != "no head yet" and _has_head(ours[1]) and _has_head(unread):
            assert ours[1].is_all() == unread.is_all()


def _has_head(answer: plain.PlainBody | h11_fallback.H11Body) -> bool:
    try:
        return answer.head() is not None
    except ImgfetchError:
        return False


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
def test_an_answer_is_read_as_h11_reads_it(
    status: bytes, lines: list[tuple[bytes, bytes, bytes, bytes]], body: bytes
) -> None:
    check_answer(status + b"\r\n" + b"".join(b"".join(line) for line in lines) + b"\r\n" + body)


@settings(deadline=None, max_examples=500)
@given(LINES, BODIES)
def test_an_answer_that_is_plain_but_for_some_lines_is_read_as_h11_reads_it(
    lines: list[tuple[bytes, bytes, bytes, bytes]], body: bytes
) -> None:
    others = b"".join(b"".join(line) for line in lines)
    check_answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" + others + b"\r\n" + body)


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
def test_an_ordinary_answer_needs_no_h11(head: bytes, body: bytes) -> None:
    answer = plain.answer(head + b"\r\n" + body)
    assert isinstance(answer, plain.PlainBody)
    assert told(answer) == told(by_h11(head + b"\r\n" + body))
    assert answer.is_all()
    check_answer(head + b"\r\n" + body + b"!")
    check_answer(head + b"\r\n" + body[:-1])


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
def test_what_is_out_of_the_ordinary_is_left_to_h11(head: bytes) -> None:
    assert isinstance(plain.answer(head + b"\r\nimage"), h11_fallback.H11Body)
    check_answer(head + b"\r\nimage")


# ---------------------------------------------------------------------------------------------------
# Requests


def check_request(url: str, *fields: tuple[str, str]) -> bytes | None:
    """What we write, if we write it: it is what h11 writes."""
    address = urls.read(url)
    assert isinstance(address, urls.Address)
    written_fields = plain.fields_of(address.authority, fields)
    ours = None if written_fields is None else plain.written(address, written_fields)
    if ours is not None:
        assert ours == h11_fallback.written(address, fields)[0]
    return ours


FIELD_NAMES = st.text(max_size=4) | st.sampled_from(
    ["accept", "User-Agent", "Host", "Connection", "a b", "a: b", "", "é"]
)
FIELD_VALUES = st.text(max_size=4) | st.sampled_from(
    ["image/webp,*/*;q=0.5", "close", "", " a", "a ", "a\r\nb: c", "ü", "a\tb", "\x7f"]
)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(FIELD_NAMES, FIELD_VALUES), max_size=4))
def test_a_request_is_written_as_h11_writes_it(fields: list[tuple[str, str]]) -> None:
    check_request("https://h.example:8443/a%20b.webp?w=480", *fields)


def test_an_ordinary_request_needs_no_h11() -> None:
    assert check_request(
        "http://h.example:80/a%20b.webp?x=1#c", ("user-agent", "imgfetch/1 (…)"), ("Range", "bytes=5-")
    ) == (
        b"GET /a%20b.webp?x=1 HTTP/1.1\r\nHost: h.example\r\n"
        b"user-agent: imgfetch/1 (\xe2\x80\xa6)\r\nRange: bytes=5-\r\n\r\n"
    )


@pytest.mark.parametrize(
    "field",
    [
        *(("connection", "close"), ("Upgrade", "h2c"), ("HOST", "other.example"), ("content-length", "0")),
        *(("Transfer-Encoding", "chunked"), ("expect", "100-continue"), ("a", "b\r\nc: d"), ("a", "b\0")),
        *(("a:", "b"), ("a: b", "c"), ("a", " b"), ("a", "")),
    ],
)
def test_what_is_asked_out_of_the_ordinary_is_left_to_h11(field: tuple[str, str]) -> None:
    assert check_request("https://h.example/a", ("accept", "*/*"), field) is None


@pytest.mark.parametrize("field", [("a", "b\r\nc: d"), ("content-length", "5"), ("host", "other.example")])
def test_what_can_be_no_request_is_not_sent(field: tuple[str, str]) -> None:
    assert isinstance(ADDRESS, urls.Address)
    with pytest.raises(PolicyError, match="not a request that can be made"):
        h11_fallback.written(ADDRESS, (field,))
