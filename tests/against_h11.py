"""Compare what `http.plain` reads and writes with what h11 reads and writes: for tests and fuzzing."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from imgfetch.errors import ImgfetchError
from imgfetch.http import h11_fallback, plain
from imgfetch.http.connection import read_response
from imgfetch.rules.http import urls

if TYPE_CHECKING:
    from imgfetch.http.connection import Incoming


def message(url: str, *fields: tuple[str, str]) -> plain.Message:
    """Return a GET as the pool sends it."""
    address = urls.read(url)
    assert isinstance(address, urls.Address)
    return plain.Message(
        (address.scheme, address.host, address.port),
        address.target.encode(),
        ((b"Host", address.authority.encode()), *plain.encoded(fields)),
    )


def encode(message: plain.Message) -> bytes | None:
    """Encode a GET without h11; return None where it has to be h11's."""
    fields = plain.encode_fields(message.fields)
    return None if fields is None else plain.encode_get(message.target, fields)


def by_h11(data: bytes) -> h11_fallback.H11Exchange:
    """Return h11's reading of a response to a plain GET."""
    _, exchange = h11_fallback.encode(message("https://h.example/a.webp?w=480"))
    exchange.feed(data)
    return exchange


def contents(incoming: Incoming) -> object:
    """Return all of a response: head and body, or their error; whether it ends, and with the message."""
    body = b""
    head = None
    try:
        head = incoming.head()
        if head is None:
            return "no head yet"
        while piece := incoming.piece():
            body += piece
    except ImgfetchError as error:
        return head, body, str(error)
    return head, body, piece is None, incoming.is_complete()


def check_response(data: bytes) -> None:
    """Check that we read what h11 reads, in one piece or two, and whether or not the body is read."""
    for cut in (len(data), 1 + crc32(data) % len(data)):
        ours = [read_response(data[:cut]) for _ in range(2)]
        for one in ours:
            if cut < len(data):
                one.feed(data[cut:])
        assert contents(ours[0]) == contents(by_h11(data))
        unread = by_h11(data)
        if contents(by_h11(data)) != "no head yet" and _has_head(ours[1]) and _has_head(unread):
            assert ours[1].is_complete() == unread.is_complete()


def check_request(message: plain.Message) -> bytes | None:
    """Check that what we write, if we write it, is what h11 writes; return it."""
    ours = encode(message)
    if ours is not None:
        assert ours == h11_fallback.encode(message)[0]
    return ours


def _has_head(incoming: Incoming) -> bool:
    try:
        return incoming.head() is not None
    except ImgfetchError:
        return False
