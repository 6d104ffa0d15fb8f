"""What an origin can do to a client, each fault with a name, a story, and how it must end.

`test_faults.py` holds imgfetch to it; `python tests/origin.py` serves it to any other client;
`python tests/faults.py` writes the table in docs/faults.md.
"""

from __future__ import annotations

import gzip as gzip_module
import hashlib
import struct
import zlib
from base64 import b64encode
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from origin import (
    busy_until,
    chunked,
    cut,
    drip,
    endless,
    gzip,
    head,
    ranged,
    raw,
    redirect,
    reset,
    slowly,
    stall,
    status,
    trickle,
    unless_cookie,
    until_close,
    whole,
)
from pictures import encoded

if TYPE_CHECKING:
    from origin import Answer

IMAGE = encoded("webp", 96, 54)
OTHER = encoded("webp", 96, 54, seed=7)
PNG = encoded("png", 20, 20)
JPEG = encoded("jpeg", 96, 54)
GIF = encoded("gif", 40, 30, mode="P")
AVIF = encoded("avif", 96, 54)
LENGTH = len(IMAGE)


@dataclass(frozen=True)
class Fault:
    """One thing that can go wrong, and what a user gets."""

    section: str
    """Of the list of behaviours: network, http, framing, resume, integrity, image."""
    name: str
    story: str
    answers: tuple[Answer, ...]
    kind: str | None
    """The kind of the error; None where the image arrives whole all the same."""
    words: str
    """What the message must say; of an image that arrives, what the warning must."""
    requests: int
    body: bytes
    """The image that arrives, where one does."""
    limits: dict[str, Any] = field(default_factory=dict)
    ranges: tuple[str, ...] | None = None
    """The Range of each request, where it matters."""
    leaves: bool = False
    """Whether a beginning stays in scratch, to be gone on with."""

    @property
    def path(self) -> str:
        return f"/{self.name}"


FAULTS: list[Fault] = []


def add(
    section: str,
    name: str,
    story: str,
    *answers: Answer,
    kind: str | None = None,
    words: str = "",
    requests: int = 0,
    body: bytes = IMAGE,
    ranges: tuple[str, ...] | None = None,
    leaves: bool = False,
    **limits: float,
) -> None:
    """Put a fault on the list. `requests` are as many as there are answers, unless it says otherwise."""
    FAULTS.append(
        Fault(
            section,
            name,
            story,
            answers,
            kind,
            words,
            requests or len(answers),
            body,
            limits,
            ranges,
            leaves,
        )
    )


OK = head(content_length=LENGTH)
GOOD = whole(IMAGE)


# ---------------------------------------------------------------------------------------------------
# The network

net = partial(add, "network")

net(
    "hang-up",
    "closes without a word",
    trickle([]),
    kind="reset",
    words="closed before a response",
    requests=3,
)
net("hang-up-once", "closes without a word, then answers", trickle([]), GOOD)
net("reset", "resets instead of answering", reset(), kind="reset", words="before a response", requests=3)
net("reset-once", "resets, then answers", reset(), GOOD)
net("reset-in-head", "resets in the middle of the head", reset(OK[:20]), kind="reset", requests=3)
net("end-in-head", "closes in the middle of the head", raw(OK[:20]), kind="reset", requests=3)
net(
    "end-in-status-line",
    "closes in the middle of the status line",
    raw(b"HTTP/1.1 2"),
    kind="reset",
    requests=3,
)
net(
    "end-after-head",
    "closes where the body should begin",
    cut(IMAGE, at=0),
    kind="incomplete",
    words=f"got 0 of {LENGTH:,} bytes",
    requests=3,
)
net(
    "end-in-body",
    "closes in the middle of the body",
    cut(IMAGE, at=LENGTH // 2),
    kind="incomplete",
    words=f"got {LENGTH // 2:,} of {LENGTH:,} bytes",
    requests=3,
)
net(
    "end-one-byte-early",
    "closes one byte before the end",
    cut(IMAGE, at=LENGTH - 1),
    kind="incomplete",
    words=f"got {LENGTH - 1:,} of {LENGTH:,} bytes",
    requests=3,
)
net("end-in-body-once", "closes in the middle of the body, then sends it all", cut(IMAGE, at=500), GOOD)
net("end-in-body-twice", "closes in the middle twice, then sends it all", *[cut(IMAGE, at=500)] * 2, GOOD)
net(
    "reset-in-body",
    "resets in the middle of the body",
    reset(OK + IMAGE[:600]),
    kind="incomplete",
    requests=3,
)
net(
    "reset-in-body-once", "resets in the middle of the body, then sends it all", reset(OK + IMAGE[:600]), GOOD
)
net(
    "silence",
    "takes the request and says nothing",
    stall(),
    kind="timeout",
    words="no response within",
    requests=3,
)
net("silence-once", "says nothing, then answers", stall(), GOOD)
net(
    "silence-in-head",
    "stops in the middle of the head",
    stall(OK[:20]),
    kind="timeout",
    words="no response within",
    requests=3,
)
net(
    "silence-in-body",
    "stops in the middle of the body",
    stall(OK + IMAGE[:600]),
    kind="timeout",
    words="got 600",
    requests=3,
)
net(
    "silence-in-body-once",
    "stops in the middle of the body, then sends it all",
    stall(OK + IMAGE[:600]),
    GOOD,
)
net(
    "silence-before-last-byte",
    "sends all but one byte, and waits",
    stall(OK + IMAGE[:-1]),
    kind="timeout",
    words="then silence",
    requests=3,
)
net(
    "drip",
    "sends a byte at a time, so that no read ever waits long",
    drip(IMAGE, pause=0.1),
    kind="timeout",
    words="too slow",
    requests=1,
    retries=0,
    read_timeout=3,
)
net(
    "drip-to-the-end",
    "drips until the time for the image is over",
    drip(IMAGE, pause=0.1),
    kind="timeout",
    words="within the time limit",
    requests=1,
    total_timeout=0.8,
    read_timeout=3,
    lowest_speed_time=30,
)
net(
    "drip-in-head",
    "sends the head a byte at a time",
    trickle([bytes([b]) for b in OK], pause=0.3),
    kind="timeout",
    words="no complete response head",
    requests=1,
    retries=0,
    read_timeout=3,
)
net(
    "endless-head",
    "a head of one field after another, slowly, without end",
    endless(OK[:-2], b"a: b\r\n", pause=0.1),
    kind="timeout",
    words="within the time limit",
    requests=1,
    total_timeout=1,
    read_timeout=3,
)
net("slow-but-healthy", "waits before the body", slowly(IMAGE, pause=0.2))
net(
    "slow-steady",
    "sends the body in ten parts with pauses",
    trickle([OK, *(IMAGE[i : i + LENGTH // 9] for i in range(0, LENGTH, LENGTH // 9))], pause=0.05),
)
net(
    "plain-text-banner",
    "is a mail server",
    raw(b"220 mail.example ESMTP\r\n"),
    kind="protocol",
    words="invalid HTTP response",
    requests=3,
)
net("ssh-banner", "is an SSH server", raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), kind="protocol", requests=3)
net(
    "tls-alert",
    "is a TLS port, and answers plain HTTP with an alert",
    raw(b"\x15\x03\x01\0\x02\x02\x0a"),
    kind="protocol",
    requests=3,
)
net(
    "http2-frame",
    "speaks HTTP/2 unasked",
    raw(b"\0\0\x12\x04\0\0\0\0\0" + bytes(18)),
    kind="protocol",
    requests=3,
)
net("noise", "answers with noise", raw(bytes(range(256)) * 4), kind="protocol", requests=3)
net("blank-lines", "answers with blank lines only", raw(b"\r\n" * 50), kind="protocol", requests=3)


# ---------------------------------------------------------------------------------------------------
# HTTP

http = partial(add, "http")

for _code in (400, 401, 402, 403, 404, 405, 406, 410, 418, 451, 501, 505):
    http(f"status-{_code}", f"answers {_code}", status(_code), kind="http_status", words=f"HTTP {_code}")
for _code in (403, 404, 410):
    http(
        f"status-{_code}-image",
        f"answers {_code} with an image as its body",
        whole(IMAGE, _code),
        kind="http_status",
        words=f"HTTP {_code}",
    )
for _code in (408, 425, 500, 502, 504, 520, 524):
    http(
        f"status-{_code}",
        f"answers {_code}, which may pass",
        status(_code),
        kind="http_status",
        words=f"HTTP {_code}",
        requests=3,
    )
for _code in (429, 503):
    http(
        f"status-{_code}",
        f"answers {_code} to the end",
        status(_code),
        kind="rate_limited",
        words=f"HTTP {_code}",
        requests=3,
    )
    http(f"status-{_code}-once", f"answers {_code} once", status(_code), GOOD)
    http(
        f"retry-after-{_code}",
        f"answers {_code}, and asks to wait a second",
        status(_code, retry_after=1),
        GOOD,
    )
    http(
        f"retry-after-a-day-{_code}",
        f"answers {_code}, and asks to wait a day",
        status(_code, retry_after=86400),
        kind="rate_limited",
        words="Retry-After of 86400 s (24 h) is beyond the time limit",
    )
http("bad-gateway-twice", "answers 502 twice, then the image", status(502), status(502), GOOD)
http(
    "retry-after-past",
    "asks to wait until a date that is past",
    status(503, retry_after="Wed, 21 Oct 2015 07:28:00 GMT"),
    GOOD,
)
http("retry-after-date", "asks to wait until a date two seconds ahead", busy_until(2), GOOD)
http(
    "retry-after-far-date",
    "asks to wait until a date in a hundred years",
    status(503, retry_after="Fri, 01 Jan 2126 00:00:00 GMT"),
    kind="rate_limited",
    words="beyond the time limit",
)
http("retry-after-garbage", "asks to wait for `soon`", status(503, retry_after="soon"), GOOD)
http("retry-after-negative", "asks to wait for -5", status(503, retry_after="-5"), GOOD)
http(
    "retry-after-400-digits",
    "asks to wait for a number of 400 digits",
    status(503, retry_after="9" * 400),
    kind="rate_limited",
    words="Retry-After of inf s is beyond",
)
http("no-content", "answers 204", raw(head(204)), kind="empty", words="HTTP 204")
http("reset-content", "answers 205", whole(b"", 205), kind="empty", words="HTTP 205")
http("empty", "answers 200 with nothing", whole(b""), kind="empty")
http("empty-chunked", "answers 200 with nothing, in chunks", chunked(b""), kind="empty")
for _name, _body, _words in (
    ("html", b"<!doctype html><title>gone</title><p>gone", "HTML"),
    ("html-bom", b"\xef\xbb\xbf  <HTML><body>gone", "HTML"),
    ("json", b'{"error": "gone"}', "JSON"),
    ("text", b"the image you asked for is gone\n", ""),
    ("pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "PDF"),
    ("zip", b"PK\x03\x04" + bytes(40), "ZIP"),
):
    for _type in ("text/html", "image/jpeg"):
        _label = "" if _type == "text/html" else "-as-image"
        http(
            f"{_name}{_label}",
            f"answers 200 with {_name} of type {_type}",
            whole(_body, content_type=_type),
            kind="not_image",
            words=_words,
        )
http(
    "unasked-304",
    "answers 304 to a question without a condition",
    raw(head(304)),
    kind="protocol",
    words="unexpected HTTP 304: no condition was sent",
)
http(
    "unasked-416",
    "answers 416 to a question without a range",
    whole(b"", 416),
    kind="protocol",
    words="unexpected HTTP 416: no range was requested",
)
http(
    "unasked-206",
    "answers 206 with the first half",
    whole(IMAGE[: LENGTH // 2], 206, content_range=f"bytes 0-{LENGTH // 2 - 1}/{LENGTH}"),
    kind="protocol",
    words="HTTP 206",
)
http(
    "unasked-206-tail",
    "answers 206 with the second half",
    whole(IMAGE[LENGTH // 2 :], 206, content_range=f"bytes {LENGTH // 2}-{LENGTH - 1}/{LENGTH}"),
    kind="protocol",
    words="HTTP 206",
)
http(
    "206-without-range",
    "answers 206 without a Content-Range",
    whole(IMAGE, 206),
    kind="protocol",
    words="HTTP 206",
)
http(
    "206-star",
    "answers 206 of a total it does not know",
    whole(IMAGE, 206, content_range=f"bytes 0-{LENGTH - 1}/*"),
    kind="protocol",
    words="HTTP 206",
)
http(
    "206-multipart",
    "answers 206 with multipart/byteranges",
    whole(b"--x\r\n\r\n" + IMAGE, 206, content_type="multipart/byteranges; boundary=x"),
    kind="protocol",
)
http(
    "206-whole",
    "answers 206 with all there is",
    whole(IMAGE, 206, content_range=f"bytes 0-{LENGTH - 1}/{LENGTH}"),
)
http(
    "redirect-nowhere",
    "redirects without a Location",
    whole(b"", 302),
    kind="bad_redirect",
    words="without a Location",
)
http("redirect-empty", "redirects to an empty Location", whole(b"", 302, location=""), kind="bad_redirect")
for _name, _location, _kind, _words in (
    ("file", "file:///etc/passwd", "bad_redirect", "file:"),
    ("ftp", "ftp://h.example/a.webp", "bad_redirect", "ftp:"),
    ("data", "data:image/gif;base64,R0lGODlhAQABAAAAACw=", "bad_redirect", "data:"),
    ("javascript", "javascript:alert(1)", "bad_redirect", "javascript:"),
    ("gopher", "gopher://127.0.0.1:25/", "bad_redirect", "gopher:"),
    ("no-host", "http://", "bad_redirect", "host is missing"),
    ("bad-port", "http://h.example:99999/", "bad_redirect", "port 99999"),
    ("smtp-port", "http://127.0.0.1:25/", "bad_url", "port 25 is blocked"),
    ("long-label", f"http://{'a' * 64}.example/", "bad_redirect", "label"),
    ("empty-label", "http://a..example/", "bad_redirect", "label"),
    ("credentials", "http://user:pw@h.example/", "bad_redirect", "carries credentials"),
    ("spaces", "http://h.ex ample/a", "bad_redirect", ""),
    ("20-kb", "/" + "a" * 20_000, "bad_redirect", "too long"),
    ("bad-ipv6", "http://[::1/", "bad_redirect", ""),
    ("bracket", "//h.ex[ample/a", "bad_redirect", "not a URL"),
    ("internal", "http://127.0.0.2/a", "blocked", "127.0.0.2 is an internal address"),
    ("metadata", "http://169.254.169.254/latest/", "blocked", "169.254.169.254 is an internal address"),
    ("private", "http://10.0.0.1/", "blocked", "internal address"),
    ("carrier-nat", "http://100.64.0.1/", "blocked", "internal address"),
    ("decimal", "http://2130706434/", "blocked", "internal address"),
    ("hex", "http://0x7f000002/", "blocked", "internal address"),
    ("octal", "http://0177.0.0.2/", "blocked", "internal address"),
    ("short", "http://127.2/", "blocked", "internal address"),
    ("backslashes", "\\\\127.0.0.2\\a", "blocked", "127.0.0.2 is an internal address"),
    ("not-an-address", "http://1.2.3.4.5/", "bad_redirect", "neither a name nor an address"),
    ("ipv6-loopback", "http://[::1]/", "blocked", "internal address"),
    ("mapped", "http://[::ffff:127.0.0.2]/", "blocked", "internal address"),
    ("nat64", "http://[64:ff9b::7f00:2]/", "blocked", "internal address"),
    ("6to4", "http://[2002:7f00:2::]/", "blocked", "internal address"),
    ("unique-local", "http://[fd00::1]/", "blocked", "internal address"),
    ("zero", "http://0.0.0.0/", "blocked", "internal address"),
    ("multicast", "http://224.0.0.1/", "blocked", "internal address"),
    ("broadcast", "http://255.255.255.255/", "blocked", "internal address"),
):  # fmt: skip
    http(f"redirect-{_name}", f"redirects to {_location[:60]}", redirect(_location), kind=_kind, words=_words)
http(
    "redirect-loop",
    "redirects to itself",
    redirect("/redirect-loop"),
    kind="too_many_redirects",
    words="more than 10 redirects",
    requests=11,
)
http(
    "redirect-cookie",
    "sets a cookie, and redirects to itself until the cookie comes back",
    unless_cookie("seen=1", whole(b"", 302, location="/redirect-cookie", set_cookie="seen=1; Path=/"), GOOD),
    requests=2,
)
http(
    "redirect-cookie-loop",
    "sets a cookie, and redirects to itself all the same",
    whole(b"", 302, location="/redirect-cookie-loop", set_cookie="seen=1; Path=/"),
    kind="too_many_redirects",
    words="it redirects to itself, and sets a cookie each time",
    requests=11,
)
for _code in (301, 302, 303, 307, 308):
    http(
        f"redirect-{_code}",
        f"redirects to itself once, with {_code}",
        redirect(f"redirect-{_code}", _code),
        GOOD,
    )
http("redirect-300", "offers a choice (300)", redirect("/x", 300), kind="http_status", words="HTTP 300")
http(
    "redirect-305",
    "names a proxy to use (305)",
    redirect("http://127.0.0.2/", 305),
    kind="http_status",
    words="HTTP 305",
)
http(
    "status-101",
    "switches protocols unasked",
    raw(head(101, upgrade="x", connection="upgrade")),
    kind="protocol",
    requests=3,
)
http("status-999", "answers 999", status(999), kind="http_status", words="HTTP 999")
http("status-099", "answers 099", raw(b"HTTP/1.1 099 x\r\n\r\n"), kind="protocol", requests=3)
http("status-two-digits", "answers 20", raw(b"HTTP/1.1 20 OK\r\n\r\n"), kind="protocol", requests=3)
http("status-letters", "answers OK", raw(b"HTTP/1.1 OK\r\n\r\n"), kind="protocol", requests=3)
http("http-10", "speaks HTTP/1.0", raw(b"HTTP/1.0 200 OK\r\n\r\n" + IMAGE))
http("http-12", "speaks HTTP/1.2", raw(OK.replace(b"1.1", b"1.2") + IMAGE))
http("early-hints", "sends 103 before the answer", raw(head(103, link="</a.css>; rel=preload") + OK + IMAGE))
http("continue", "sends 100 before the answer", raw(head(100) + OK + IMAGE))
http("interims", "sends twenty interim answers before the answer", raw(head(102) * 20 + OK + IMAGE))
http(
    "interims-without-end",
    "sends interim answers without end",
    endless(b"", head(102) * 50),
    kind="protocol",
    words="interim responses",
    requests=3,
)
http(
    "odd-case",
    "writes field names in odd case",
    raw(b"HTTP/1.1 200 OK\r\ncOnTeNt-LeNgTh: %d\r\n\r\n" % LENGTH + IMAGE),
)
http("no-reason", "leaves the reason phrase out", raw(OK.replace(b" x", b" ") + IMAGE))
http(
    "cookies",
    "sets cookies, says no-store, varies on everything",
    whole(IMAGE, set_cookie="a=b", cache_control="no-store", vary="*"),
)


# ---------------------------------------------------------------------------------------------------
# Framing, encoding, size

framing = partial(add, "framing")
CHUNKED = head(transfer_encoding="chunked")

framing("http-09", "answers with a bare body, as HTTP/0.9", raw(IMAGE), kind="protocol", requests=3)
framing(
    "length-too-long",
    "promises a byte more than it sends",
    raw(head(content_length=LENGTH + 1) + IMAGE),
    kind="incomplete",
    words=f"got {LENGTH:,} of {LENGTH + 1:,} bytes",
    requests=3,
)
framing(
    "length-too-short",
    "promises fewer bytes than it sends",
    raw(head(content_length=LENGTH - 9) + IMAGE),
    kind="truncated",
    requests=2,
)
framing(
    "two-lengths",
    "promises two different lengths",
    raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Length: 9\r\n\r\n" % LENGTH + IMAGE),
    kind="protocol",
    requests=3,
)
framing(
    "two-lengths-in-one",
    "promises two different lengths in one field",
    raw(head(content_length=f"{LENGTH}, 9") + IMAGE),
    kind="protocol",
    requests=3,
)
framing(
    "same-length-twice",
    "promises one length twice",
    raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Length: %d\r\n\r\n" % (LENGTH, LENGTH) + IMAGE),
)
for _name, _value in (
    ("negative", "-1"),
    ("plus", "+5"),
    ("hex", "0x10"),
    ("letters", "many"),
    ("float", "1e3"),
    ("blank", ""),
):
    framing(
        f"length-{_name}",
        f"promises {_value or 'nothing'} bytes",
        raw(head(content_length=_value) + IMAGE),
        kind="protocol",
        requests=3,
    )
framing(
    "length-10-tb",
    "promises ten terabytes",
    raw(head(content_length=10**13) + IMAGE),
    kind="too_large",
    words="10,000,000,000,000 bytes, the limit is ",
)
framing(
    "length-5000-digits",
    "promises a number of 5,000 digits",
    raw(head(content_length="9" * 5000) + IMAGE),
    kind="protocol",
    requests=3,
)
framing(
    "length-over-limit",
    "promises a byte more than is taken",
    whole(bytes(200_001)),
    kind="too_large",
    words="200,001 bytes",
    max_bytes=200_000,
)
framing(
    "length-and-chunked",
    "promises a length and sends chunks",
    raw(head(content_length=9, transfer_encoding="chunked") + b"%x\r\n%b\r\n0\r\n\r\n" % (LENGTH, IMAGE)),
)
framing("chunked-whole", "sends chunks", chunked(IMAGE))
framing(
    "chunk-extensions",
    "sends chunks with extensions and a trailer",
    raw(CHUNKED + b"%x;a=b\r\n%b\r\n0;c\r\nX-T: 1\r\n\r\n" % (LENGTH, IMAGE)),
)
framing(
    "chunk-cut",
    "closes in the middle of a chunk",
    raw(CHUNKED + b"%x\r\n%b" % (LENGTH, IMAGE[:100])),
    kind="incomplete",
    words="got 100 bytes",
    requests=3,
)
framing(
    "chunk-no-last", "leaves the last chunk out", chunked(IMAGE, last=False), kind="incomplete", requests=3
)
framing("chunk-cut-once", "leaves the last chunk out, once", chunked(IMAGE, last=False), GOOD)
framing(
    "chunk-size-letters",
    "sends a chunk of size `zz`",
    raw(CHUNKED + b"zz\r\n" + IMAGE),
    kind="protocol",
    requests=3,
)
framing(
    "chunk-size-negative",
    "sends a chunk of size -1",
    raw(CHUNKED + b"-1\r\n" + IMAGE),
    kind="protocol",
    requests=3,
)
framing(
    "chunk-size-2-64",
    "sends a chunk of 2^64-1 bytes",
    raw(CHUNKED + b"ffffffffffffffff\r\n" + IMAGE),
    kind="incomplete",
    requests=3,
)
framing(
    "chunk-size-20-digits",
    "sends a chunk with a size of 30 digits",
    raw(CHUNKED + b"f" * 30 + b"\r\n" + IMAGE),
    kind="protocol",
    requests=3,
)
framing(
    "chunk-size-blank",
    "sends a chunk without a size",
    raw(CHUNKED + b"\r\n" + IMAGE),
    kind="protocol",
    requests=3,
)
framing(
    "chunk-no-crlf",
    "leaves out the end of a chunk",
    raw(CHUNKED + b"5\r\n%b" % IMAGE),
    kind="protocol",
    requests=3,
)
framing(
    "chunk-extension-endless",
    "sends a chunk extension without end",
    endless(CHUNKED + b"5;", b"a" * 5000),
    kind="protocol",
    requests=3,
)
framing(
    "chunk-trailer-endless",
    "sends trailers without end",
    endless(CHUNKED + b"%x\r\n%b\r\n0\r\n" % (LENGTH, IMAGE), b"x-t: 1\r\n" * 500),
    kind="protocol",
    requests=3,
)
framing(
    "chunk-one-byte",
    "sends chunks of one byte",
    raw(CHUNKED + b"".join(b"1\r\n%b\r\n" % bytes([b]) for b in IMAGE) + b"0\r\n\r\n"),
)
framing(
    "transfer-gzip",
    "applies a transfer coding we did not offer",
    raw(head(transfer_encoding="gzip, chunked") + b"0\r\n\r\n"),
    kind="protocol",
    requests=3,
)
framing(
    "transfer-unknown",
    "applies a transfer coding nobody knows",
    raw(head(transfer_encoding="zebra") + IMAGE),
    kind="protocol",
    requests=3,
)
framing("until-close", "promises nothing, and closes at the end", until_close(IMAGE))
framing(
    "until-close-cut",
    "promises nothing, and closes before the end",
    until_close(IMAGE[:-40]),
    kind="truncated",
    requests=2,
)
framing("until-close-cut-once", "promises nothing and closes too early, once", until_close(IMAGE[:-40]), GOOD)
framing(
    "header-1-mb",
    "sends a field of a megabyte",
    raw(head(content_length=LENGTH, x="a" * 1_000_000) + IMAGE),
    kind="protocol",
    requests=3,
)
framing(
    "headers-10000",
    "sends ten thousand fields",
    raw(OK[:-2] + b"x-filler: abcdefgh\r\n" * 10_000 + b"\r\n" + IMAGE),
    kind="protocol",
    requests=3,
)
framing(
    "headers-endless",
    "sends fields without end",
    endless(OK[:-2], b"x-filler: a\r\n" * 400),
    kind="protocol",
    requests=3,
)
framing("headers-40-kb", "sends 40 KB of fields", whole(IMAGE, x="a" * 40_000))
framing(
    "location-200-kb",
    "redirects to a Location of 200 KB",
    redirect("/" + "a" * 200_000),
    kind="bad_redirect",
    words="more than 100 KB",
)
framing("header-nul", "sends a field with a NUL in it", whole(IMAGE, x="a\0b"), kind="protocol", requests=3)
framing("header-latin-1", "sends a field in Latin-1", whole(IMAGE, x="caf\xe9"))
framing("header-escape", "sends a field with an escape sequence for terminals", whole(IMAGE, x="\x1b[2J"))
framing("header-folded", "folds a field over two lines", raw(OK[:-2] + b"X: a\r\n  b\r\n\r\n" + IMAGE))
framing(
    "header-fold-first",
    "begins with a folded line",
    raw(b"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n" + IMAGE),
    kind="protocol",
    requests=3,
)
framing(
    "header-no-colon",
    "sends a field without a colon",
    raw(OK[:-2] + b"nonsense\r\n\r\n" + IMAGE),
)
framing(
    "header-space-colon",
    "sends a blank before a colon",
    raw(OK[:-2] + b"x : y\r\n\r\n" + IMAGE),
)
framing(
    "header-name-space",
    "sends a field with a blank in its name, folded",
    raw(OK[:-2] + b"x y: 1\r\n  and more\r\n\r\n" + IMAGE),
)
framing(
    "header-length-space-colon",
    "sends a blank before the colon of its only length",
    raw(b"HTTP/1.1 200 OK\r\nContent-Length : %d\r\n\r\n%b" % (LENGTH, IMAGE), more=True),
)
framing(
    "interim-nonsense",
    "sends nonsense in an interim response",
    raw(b"HTTP/1.1 103 x\r\n?\r\n\r\n" + OK + IMAGE),
)
framing("transformed", "answers 203, from a proxy", whole(IMAGE, 203))
framing("coding-charset", "calls a charset a content coding", whole(IMAGE, content_encoding="utf-8"))
framing("coding-none", "names `none` as the content coding", whole(IMAGE, content_encoding="none"))
framing(
    "coding-gzip-none",
    "codes with gzip, and names `none` too",
    whole(gzip_module.compress(IMAGE), content_encoding="gzip, none"),
)
framing("header-bare-lf", "ends its lines with a line feed only", raw(OK.replace(b"\r\n", b"\n") + IMAGE))
framing(
    "desync-200",
    "sends a second answer behind the first",
    raw(OK + IMAGE + head(200, content_length=5) + b"wrong", more=True),
)
framing(
    "desync-503",
    "sends an image behind a 503, unasked",
    raw(head(503, content_length=2) + b"no" + head(content_length=len(OTHER)) + OTHER, more=True),
    GOOD,
)
framing(
    "desync-404",
    "sends an image behind a 404, unasked",
    raw(head(404, content_length=0) + OK + IMAGE, more=True),
    kind="http_status",
    words="HTTP 404",
)
framing("gzip", "codes with gzip, unasked", gzip(IMAGE))
framing(
    "x-gzip",
    "codes with gzip, under its old name",
    whole(gzip_module.compress(IMAGE), content_encoding="x-gzip"),
)
framing("deflate", "codes with deflate, unasked", whole(zlib.compress(IMAGE), content_encoding="deflate"))
framing(
    "gzip-cut",
    "codes with gzip, and cuts it",
    gzip(IMAGE, cut=-9),
    kind="bad_encoding",
    words="cut short",
    requests=2,
)
framing("gzip-cut-once", "codes with gzip, and cuts it once", gzip(IMAGE, cut=-9), GOOD)
framing(
    "gzip-garbage",
    "calls noise gzip",
    whole(b"noise", content_encoding="gzip"),
    kind="bad_encoding",
    words="damaged",
    requests=2,
)
framing(
    "gzip-not",
    "calls a plain image gzip",
    whole(IMAGE, content_encoding="gzip"),
    kind="bad_encoding",
    requests=2,
)
framing(
    "gzip-trailing",
    "adds bytes behind the gzip",
    whole(gzip_module.compress(IMAGE) + b"x", content_encoding="gzip"),
    kind="bad_encoding",
    requests=2,
)
framing(
    "gzip-bomb",
    "sends 20 MB of zeros in 20 KB of gzip",
    gzip(bytes(20_000_000)),
    kind="too_large",
    words="more than 200,000 bytes",
    max_bytes=200_000,
)
framing(
    "br", "codes with br, unasked", whole(IMAGE, content_encoding="br"), kind="bad_encoding", words="'br'"
)
framing(
    "coding-unknown",
    "names a content coding that does not exist",
    whole(IMAGE, content_encoding="zebra"),
)
framing(
    "coding-twice",
    "codes with gzip twice",
    whole(gzip_module.compress(gzip_module.compress(IMAGE)), content_encoding="gzip, gzip"),
    kind="bad_encoding",
)
framing(
    "endless-body",
    "sends a body without end",
    endless(head(), b"x" * 9000),
    kind="too_large",
    words="more than ",
)
framing(
    "endless-chunks",
    "sends chunks without end",
    endless(CHUNKED, b"3e8\r\n" + b"x" * 1000 + b"\r\n"),
    kind="too_large",
)
for _name, _type in (
    ("octet-stream", "application/octet-stream"),
    ("as-html", "text/html"),
    ("as-svg", "image/svg+xml"),
    ("nonsense", ";;;"),
):
    framing(f"type-{_name}", f"calls the image {_type}", whole(IMAGE, content_type=_type))
framing("extension.exe", "calls a PNG .exe", whole(PNG), body=PNG)
framing(
    "disposition",
    "asks to be kept as ../../evil.sh",
    whole(IMAGE, content_disposition='attachment; filename="../../evil.sh"'),
)


# ---------------------------------------------------------------------------------------------------
# Images

image = partial(add, "image")

HTML = b"<!doctype html><script>alert(1)</script>"


def riff(chunks: bytes) -> bytes:
    """The file of a WebP with these chunks."""
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


for _one, _file in (("a jpeg", JPEG), ("a png", PNG), ("a gif", GIF), ("a webp", IMAGE), ("an avif", AVIF)):
    _form = _one.split()[1]
    image(
        f"{_form}-cut",
        f"sends {_one} without its last 40 bytes",
        whole(_file[:-40]),
        kind="truncated",
        requests=2,
    )
    image(
        f"{_form}-half",
        f"sends half {_one}",
        whole(_file[: len(_file) // 2]),
        kind="truncated",
        requests=2,
    )
    image(
        f"{_form}-cut-once",
        f"sends {_one} without its last 40 bytes, once",
        whole(_file[:-40]),
        whole(_file),
        body=_file,
    )
image(
    "png-flipped",
    "flips a bit of a PNG",
    whole(PNG[:-30] + bytes([PNG[-30] ^ 1]) + PNG[-29:]),
    kind="corrupt",
    requests=2,
)
image(
    "png-65535",
    "a PNG that says it is 65535 x 65535 pixels",
    whole(
        PNG[:16]
        + struct.pack(">II", 65535, 65535)
        + PNG[24:29]
        + struct.pack(">I", zlib.crc32(b"IHDR" + struct.pack(">II", 65535, 65535) + PNG[24:29]))
        + PNG[33:]
    ),
    kind="too_many_pixels",
    words="65535 x 65535 pixels",
)
image(
    "svg-without-namespace",
    "sends an SVG without the namespace of SVG",
    whole(b"<svg width='3' height='4'/>", content_type="image/svg+xml"),
    kind="unsupported_format",
    words="without the namespace",
)
image(
    "svg-cut",
    "sends half an SVG",
    whole(b"<svg xmlns='http://www.w3.org/2000/svg'><g>", content_type="image/svg+xml"),
    kind="truncated",
    requests=2,
)
image(
    "svg-bomb",
    "sends an SVG with an entity bomb",
    whole(
        b"<!DOCTYPE svg [<!ENTITY a0 'lol'>"
        + b"".join(b"<!ENTITY a%d '%s'>" % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 10))
        + b"]><svg xmlns='http://www.w3.org/2000/svg'>&a9;</svg>"
    ),
    kind="corrupt",
    words="expand to more than 1,000,000 characters",
    requests=2,
)
image(
    "xml-bomb",
    "sends an entity bomb",
    whole(b'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY a "aa">]><svg>&a;</svg>'),
    kind="unsupported_format",
)
image(
    "postscript",
    "sends PostScript",
    whole(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
    kind="unsupported_format",
)
image(
    "magic-only",
    "sends the first bytes of a WebP, then noise",
    whole(IMAGE[:12] + b"noise" * 40),
    kind="corrupt",
    requests=2,
)
image(
    "riff-4-gb",
    "a WebP that says it is 4 GB long",
    whole(IMAGE[:4] + b"\xff\xff\xff\xff" + IMAGE[8:]),
    kind="truncated",
    requests=2,
)
image(
    "two-jpegs-spliced",
    "half a JPEG with another behind it",
    whole(JPEG[: len(JPEG) // 2] + JPEG),
    kind="corrupt",
    requests=2,
)
image(
    "webp-16384",
    "a WebP that says it is 16384 x 16384 pixels",
    whole(riff(b"VP8L" + struct.pack("<IBI", 5, 0x2F, 16383 << 14 | 16383) + b"\0")),
    kind="too_many_pixels",
    words="16384 x 16384 pixels",
)
image(
    "gif-1001-frames",
    "a GIF of 1,001 frames",
    whole(b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff" + b",\0\0\0\0\1\0\1\0\0\2\2D\1\0" * 1001 + b";"),
    kind="too_many_frames",
    words="1,001 frames, the limit is 1,000",
)
image(
    "jpeg-then-html",
    "sends HTML behind a JPEG, and calls it HTML",
    whole(JPEG + HTML, content_type="text/html"),
    words="trailing_data: 40 bytes",
    body=JPEG + HTML,
)
image(
    "gif-with-script",
    "sends a GIF with a script in its comment, and calls it HTML",
    whole(encoded("gif", 40, 30, mode="P", comment=HTML), content_type="text/html"),
    body=encoded("gif", 40, 30, mode="P", comment=HTML),
)


# ---------------------------------------------------------------------------------------------------
# Resume


def again(name: str, story: str, *answers: Answer, **ends: Any) -> None:  # noqa: ANN401 (as `add` takes them)
    """A fault of a file that breaks off."""
    add("resume", f"resume-{name}", story, *answers, **ends)


BROKEN = cut(IMAGE, at=500, etag='"1"')
"""500 bytes of a file that could be gone on with."""


def rest(body: bytes = IMAGE, start: int = 500, total: int = LENGTH, **headers: str | int) -> Answer:
    """A 206 that says what it likes."""
    fields = {"etag": '"1"', "content_range": f"bytes {start}-{total - 1}/{total}", **headers}
    return whole(body[start:], 206, **{name: value for name, value in fields.items() if value})


for _at in (1, 12, 500, LENGTH // 2, LENGTH - 1):
    again(
        f"cut-at-{_at}",
        f"breaks off after {_at} bytes, and serves ranges",
        cut(IMAGE, at=_at, etag='"1"'),
        ranged(IMAGE),
        ranges=("", f"bytes={_at}-"),
    )
again(
    "cut-in-three",
    "breaks off twice, and serves ranges",
    ranged(IMAGE, at=600),
    ranged(IMAGE, at=600),
    ranged(IMAGE),
    ranges=("", "bytes=600-", "bytes=1200-"),
)
again(
    "stalled",
    "stops half-way, and serves ranges",
    stall(head(content_length=LENGTH, etag='"1"') + IMAGE[:500]),
    ranged(IMAGE),
    ranges=("", "bytes=500-"),
)
again(
    "reset",
    "resets half-way, and serves ranges",
    reset(head(content_length=LENGTH, etag='"1"') + IMAGE[:500]),
    ranged(IMAGE),
    ranges=("", "bytes=500-"),
)
again(
    "busy-between",
    "breaks off, is busy, then serves the rest",
    BROKEN,
    status(503),
    ranged(IMAGE),
    ranges=("", "bytes=500-", "bytes=500-"),
)
again(
    "changed",
    "breaks off, and has another file then",
    BROKEN,
    ranged(OTHER, etag='"2"'),
    body=OTHER,
    ranges=("", "bytes=500-"),
)
again(
    "range-ignored",
    "breaks off, and sends all again",
    BROKEN,
    whole(IMAGE, etag='"1"'),
    ranges=("", "bytes=500-"),
)
again(
    "gone-between",
    "breaks off, and is gone then",
    BROKEN,
    status(404),
    kind="http_status",
    words="HTTP 404",
    leaves=True,
)
again(
    "cut-for-ever",
    "breaks off each time, and knows no ranges",
    BROKEN,
    kind="incomplete",
    requests=3,
    leaves=True,
    ranges=("", "bytes=500-", "bytes=500-"),
)
for _name, _story, _lie in (
    ("other-tag", "of another ETag", rest(OTHER, etag='"2"')),
    ("no-tag", "without an ETag", rest(etag="")),
    ("weak-tag", "with the same ETag, but weak", rest(etag='W/"1"')),
    ("other-start", "of another range", rest(start=400)),
    ("later-start", "of a later range", rest(start=600)),
    ("other-total", "of another total", rest(IMAGE + b"more", total=LENGTH + 4)),
    ("unknown-total", "of a total it does not know", rest(content_range=f"bytes 500-{LENGTH - 1}/*")),
    (
        "shorter",
        "that ends too early",
        whole(IMAGE[500:700], 206, etag='"1"', content_range=f"bytes 500-699/{LENGTH}"),
    ),
    ("no-range", "without a Content-Range", rest(content_range="")),
    ("range-garbage", "with a Content-Range that is none", rest(content_range="bytes 500-")),
    ("other-unit", "of another unit", rest(content_range=f"pixels 500-{LENGTH - 1}/{LENGTH}")),
    (
        "multipart",
        "in several parts",
        rest(content_range="", content_type="multipart/byteranges; boundary=x"),
    ),
    ("coded", "that is coded", rest(content_encoding="gzip")),
    (
        "other-length",
        "of another length than its range",
        whole(IMAGE[600:], 206, etag='"1"', content_range=f"bytes 500-{LENGTH - 1}/{LENGTH}"),
    ),
    (
        "whole-range",
        "of the whole",
        whole(IMAGE, 206, etag='"1"', content_range=f"bytes 0-{LENGTH - 1}/{LENGTH}"),
    ),
):
    again(
        f"lies-{_name}",
        f"breaks off, and sends a 206 {_story}",
        BROKEN,
        _lie,
        GOOD,
        ranges=("", "bytes=500-", ""),
    )
again(
    "416",
    "breaks off, and then has no such range",
    BROKEN,
    whole(b"", 416, content_range="bytes */400"),
    GOOD,
    ranges=("", "bytes=500-", ""),
)
again(
    "spliced",
    "breaks off, and goes on with another file under the same ETag",
    cut(PNG, at=200, etag='"1"'),
    rest(PNG[:200] + bytes(b ^ 1 for b in PNG[200:]), 200, len(PNG)),
    whole(PNG),
    body=PNG,
    ranges=("", "bytes=200-", ""),
)
for _name, _story, _fields in (
    ("weak", "with a weak ETag", {"etag": 'W/"1"'}),
    ("none", "with no validator", {}),
    ("date", "with a date only", {"last_modified": "Wed, 21 Oct 2015 07:28:00 GMT"}),
    ("unquoted", "with an ETag without quotes", {"etag": "1"}),
    ("empty-tag", "with an empty ETag", {"etag": '""'}),
    ("no-store", "that must not be stored", {"etag": '"1"', "cache_control": "private, no-store"}),
    ("no-ranges", "that is served whole only", {"etag": '"1"', "accept_ranges": "none"}),
):
    again(f"not-{_name}", f"breaks off a file {_story}", cut(IMAGE, at=500, **_fields), GOOD, ranges=("", ""))
again(
    "not-chunked",
    "breaks off chunks, whose total nobody knows",
    raw(head(transfer_encoding="chunked", etag='"1"') + b"1f4\r\n" + IMAGE[:500]),
    GOOD,
    ranges=("", ""),
)
again(
    "not-gzip",
    "breaks off a file that is coded",
    raw(head(content_length=2000, content_encoding="gzip", etag='"1"') + gzip_module.compress(IMAGE)[:900]),
    GOOD,
    ranges=("", ""),
)


# ---------------------------------------------------------------------------------------------------
# Digests that the origin offers

integrity = partial(add, "integrity")


def sha(body: bytes, name: str = "sha256") -> str:
    return b64encode(hashlib.new(name, body).digest()).decode()


_RIGHT = {
    "repr-digest-256": {"repr_digest": f"sha-256=:{sha(IMAGE)}:"},
    "repr-digest-512": {"repr_digest": f"sha-512=:{sha(IMAGE, 'sha512')}:"},
    "content-digest": {"content_digest": f"sha-512=:{sha(IMAGE, 'sha512')}:, sha-256=:{sha(IMAGE)}:"},
    "content-md5": {"content_md5": sha(IMAGE, "md5")},
    "x-goog-hash": {"x_goog_hash": f"crc32c=AAAAAA==,md5={sha(IMAGE, 'md5')}"},
    "x-amz-checksum": {"x_amz_checksum_sha256": sha(IMAGE)},
    "etag": {"etag": f'"{hashlib.md5(IMAGE).hexdigest()}"'},
}
_WRONG = {
    "repr-digest-256": ("repr-digest", {"repr_digest": f"sha-256=:{sha(OTHER)}:"}),
    "repr-digest-512": ("repr-digest", {"repr_digest": f"sha-512=:{sha(OTHER, 'sha512')}:"}),
    "repr-digest-second": (
        "repr-digest",
        {"repr_digest": f"sha-256=:{sha(IMAGE)}:, sha-512=:{sha(OTHER, 'sha512')}:"},
    ),
    "content-digest": ("content-digest", {"content_digest": f"sha-256=:{sha(OTHER)}:"}),
    "content-md5": ("content-md5", {"content_md5": sha(OTHER, "md5")}),
    "x-goog-hash": ("x-goog-hash", {"x_goog_hash": f"md5={sha(OTHER, 'md5')}"}),
    "x-amz-checksum": ("x-amz-checksum-sha256", {"x_amz_checksum_sha256": sha(OTHER)}),
}
_NO_DIGEST = {
    "etag-wrong": {"etag": f'"{hashlib.md5(OTHER).hexdigest()}"'},
    "etag-multipart": {"etag": f'"{hashlib.md5(OTHER).hexdigest()}-12"'},
    "amz-composite": {"x_amz_checksum_sha256": f"{sha(OTHER)}-3"},
    "amz-composite-typed": {"x_amz_checksum_sha256": sha(OTHER), "x_amz_checksum_type": "COMPOSITE"},
    "goog-transcoded": {"x_goog_hash": f"md5={sha(OTHER, 'md5')}", "x_goog_stored_content_encoding": "gzip"},
    "repr-digest-nonsense": {"repr_digest": "sha-256=:not base64:"},
    "repr-digest-short": {"repr_digest": "sha-256=:AAAA:"},
    "repr-digest-unknown": {"repr_digest": f"md5=:{sha(OTHER, 'md5')}:, unixsum=:AAAA:"},
    "repr-digest-string": {"repr_digest": f'sha-256="{sha(OTHER)}"'},
    "content-md5-hex": {"content_md5": hashlib.md5(OTHER).hexdigest()},
}
for _name, _fields in _RIGHT.items():
    integrity(f"right-{_name}", f"sends the right digest ({_name})", whole(IMAGE, **_fields))
for _name, (_field, _fields) in _WRONG.items():
    integrity(
        f"wrong-{_name}",
        f"sends a wrong digest ({_name})",
        whole(IMAGE, **_fields),
        kind="integrity",
        words=f"{_field} promised",
        requests=2,
    )
integrity(
    "wrong-once",
    "sends a wrong digest once",
    whole(OTHER, repr_digest=f"sha-256=:{sha(IMAGE)}:"),
    whole(IMAGE, repr_digest=f"sha-256=:{sha(IMAGE)}:"),
)
for _name, _fields in _NO_DIGEST.items():
    integrity(f"none-{_name}", f"sends what is no digest ({_name})", whole(IMAGE, **_fields))
integrity(
    "gzip-digest",
    "sends the digest of the coded bytes",
    whole(gzip_module.compress(IMAGE), content_encoding="gzip", repr_digest=f"sha-256=:{sha(OTHER)}:"),
)
integrity(
    "flipped-bit",
    "flips a bit that no decoder sees",
    whole(IMAGE[:-90] + bytes([IMAGE[-90] ^ 1]) + IMAGE[-89:], repr_digest=f"sha-256=:{sha(IMAGE)}:"),
    whole(IMAGE, repr_digest=f"sha-256=:{sha(IMAGE)}:"),
)
integrity(
    "spliced-resume",
    "goes on with another file under the same ETag, and sends the digest of the first",
    cut(IMAGE, at=500, etag='"1"', repr_digest=f"sha-256=:{sha(IMAGE)}:"),
    rest(IMAGE[:500] + bytes(b ^ 1 for b in IMAGE[500:])),
    whole(IMAGE),
    ranges=("", "bytes=500-", ""),
)


# ---------------------------------------------------------------------------------------------------
# The table


def table() -> str:
    """All faults in Markdown, with what a user gets of each."""
    lines = [INTRODUCTION]
    for section in dict.fromkeys(fault.section for fault in FAULTS):
        lines += [f"## {TITLES[section]}", "", "| the origin … | you get | requests |", "|---|---|---|"]
        lines += [
            f"| {_cell(fault.story)} | {_end(fault)} | {fault.requests} |"
            for fault in FAULTS
            if fault.section == section
        ]
        lines.append("")
    return "\n".join(lines)


def _end(fault: Fault) -> str:
    return "the image" if fault.kind is None else f"`{fault.kind}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


INTRODUCTION = """\
# What an origin can do, and what you get

Each line is a test. Two retries are allowed. After a transient failure the image is requested three times,
after damaged bytes twice, and after a permanent failure once. A failed download is never visible in the
cache.

`python tests/origin.py` serves all of this on the loopback interface, to try any client on.
"""

TITLES = {
    "network": "Connections",
    "http": "Answers",
    "framing": "Framing, coding, size",
    "image": "Images",
    "resume": "Resumed downloads",
    "integrity": "Digests",
}

DOCUMENT = Path(__file__).parents[1] / "docs" / "faults.md"
COSTS = "<!-- what follows is written by tests/costs.py -->\n"
PEERS = "<!-- what follows is written by tests/peers.py -->\n"

if __name__ == "__main__":
    behind = DOCUMENT.read_text(encoding="utf-8").partition(COSTS)[1:]
    DOCUMENT.write_text(table() + "".join(behind), encoding="utf-8")
