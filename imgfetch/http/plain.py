"""The plain grammar of HTTP/1.1, without a connection: requests to bytes, bytes to responses.

    encode_fields ─▶ the bytes of the header section ─▶ encode_get ─▶ the bytes of a GET
    rules.http.response_head.plain ─▶ PlainBody: a plain head, and a body of known length

This takes a tenth of the time that h11 takes. All the rest is left to h11 (`h11_fallback`, which most runs
never import), and what is plain means the same to h11. `connection` and `pool` choose between the two.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from imgfetch.errors import NetworkError, PolicyError
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    from imgfetch.model.values import Buffer
    from imgfetch.rules.http.response_head import Plain

Fields: TypeAlias = "tuple[tuple[str, str], ...]"
EncodedFields: TypeAlias = "tuple[tuple[bytes, bytes], ...]"

Endpoint: TypeAlias = "tuple[str, str, int]"
"""Scheme, host and port; an IPv6 address without its brackets."""

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""Methods of which two requests have the same effect as one (RFC 9110 §9.2.2)."""


class Malformed(NetworkError):
    """The bytes received are not HTTP, or not a response to the request."""

    def __init__(self, what: str) -> None:
        super().__init__(ErrorKind.PROTOCOL, f"invalid HTTP response: {what}")


class Unsendable(PolicyError):
    """The request cannot be written in HTTP/1.1."""

    def __init__(self, what: object) -> None:
        super().__init__(ErrorKind.BAD_URL, f"not a valid request: {what}")


# ---------------------------------------------------------------------------------------------------
# Requests


class Message(NamedTuple):
    """A request as it is sent to an endpoint."""

    endpoint: Endpoint
    target: bytes
    """Path and query, or another form of RFC 9112 §3.2."""
    fields: EncodedFields
    """The header section, Host first."""
    method: str = "GET"
    body: AsyncIterable[bytes] | None = None
    """None unless `fields` frame a body."""
    replayable: bool = True
    """True if `body` can be iterated again from its beginning."""

    @property
    def may_repeat(self) -> bool:
        """Return whether to send it again if a connection closed without a response (RFC 9110 §9.2.2)."""
        return self.replayable and self.method in IDEMPOTENT


def encode_fields(fields: EncodedFields) -> bytes | None:
    """Encode the header section of a GET and the blank line after it; return None where h11 has to do so."""
    (first, host), *others = fields
    if first.lower() != b"host" or not _HOST.fullmatch(host):
        return None
    lines = [b"%b: %b\r\n" % (first, host)]
    for name, value in others:
        if not (_NAME.fullmatch(name) and _VALUE.fullmatch(value)):
            return None
        if name.lower() in _NOT_PLAIN and (name.lower(), value.lower()) != (b"connection", b"keep-alive"):
            return None
        lines.append(b"%b: %b\r\n" % (name, value))
    return b"".join([*lines, b"\r\n"])


def encode_get(target: bytes, fields: bytes) -> bytes | None:
    """Encode a GET with `fields` as `encode_fields` returns them; return None where h11 has to do so."""
    return b"GET %b HTTP/1.1\r\n%b" % (target, fields) if _TARGET.fullmatch(target) else None


def encoded(headers: Fields) -> EncodedFields:
    """Encode the fields of a caller; what is not ASCII is sent as UTF-8 (RFC 9110 §5.5)."""
    return tuple(
        (name.encode("ascii", "replace"), value.encode("utf-8", "replace")) for name, value in headers
    )


_TARGET = re.compile(rb"[\x21-\x7e]+")
_HOST = re.compile(rb"[-A-Za-z0-9._~:\[\]]+")
_NAME = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(rb"[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?")
_NOT_PLAIN = frozenset(
    {b"connection", b"content-length", b"expect", b"host", b"transfer-encoding", b"upgrade"}
)
"""Fields that change what a request means, or how its response is read."""


# ---------------------------------------------------------------------------------------------------
# Responses


class PlainBody:
    """A response with a plain head: the head is in, and the length of the body is known."""

    def __init__(self, head: Plain, data: Buffer) -> None:
        """Copy from `data`, which holds the head, what it holds of the body."""
        self._head = head
        self._left = head.length
        """Bytes of the body that `piece` has not returned, received or not."""
        self._pieces = deque([bytes(data[head.end :])] if head.end < len(data) else ())

    def feed(self, data: Buffer) -> None:
        """Copy bytes that were received."""
        self._pieces.append(bytes(data))

    def head(self) -> tuple[int, Fields]:
        """Return status and fields."""
        return self._head.status, self._head.fields

    def piece(self) -> bytes | None:
        """Return more of the body: nothing until more is received, None at its end."""
        if not self._left:
            return None
        if not self._pieces:
            return b""
        data = self._pieces.popleft()
        if len(data) > self._left:
            self._pieces.appendleft(data[self._left :])
            data = data[: self._left]
        self._left -= len(data)
        return data

    def end(self) -> bool:
        """Return whether the body may end because the connection does."""
        return False

    def is_complete(self) -> bool:
        """Return whether exactly one response was received, so that another may follow it."""
        return sum(map(len, self._pieces)) == self._left
