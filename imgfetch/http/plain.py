"""HTTP/1.1 as it is written and read, without a connection: requests to bytes, bytes to answers.

    written ─▶ bytes of a request
    answer ─▶ Counted   a plain head, and a body of so many bytes
           ─▶ Judged    anything else that comes

What is plain is written and read here, in a tenth of the time that h11 takes; on all the rest h11 has the
say (`judged`, which most runs never import), and of what is plain it would say the same.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, TypeAlias

from imgfetch.errors import NetworkError
from imgfetch.model.result import ErrorKind
from imgfetch.rules.http import response_head

if TYPE_CHECKING:
    from imgfetch.http.h11_fallback import H11Body
    from imgfetch.model.values import Buffer
    from imgfetch.rules.http.urls import Address

Fields: TypeAlias = "tuple[tuple[str, str], ...]"


class Malformed(NetworkError):
    """What comes is no HTTP, or none that was asked for."""

    def __init__(self, what: str) -> None:
        super().__init__(ErrorKind.PROTOCOL, f"not HTTP as it should be: {what}")


# ---------------------------------------------------------------------------------------------------
# Requests


def fields_of(host: str, fields: Fields) -> bytes | None:
    """What follows the first line of a GET, where it is plain; None where `judged` has to write it."""
    lines = [b"Host: %b\r\n" % host.encode()]
    for name, value in encoded(fields):
        if not (_NAME.fullmatch(name) and _VALUE.fullmatch(value)) or name.lower() in _NOT_PLAIN:
            return None
        lines.append(b"%b: %b\r\n" % (name, value))
    return b"".join([*lines, b"\r\n"])


def written(address: Address, fields: bytes) -> bytes:
    """A GET with `fields` as `fields_of` gives them."""
    return b"GET %b HTTP/1.1\r\n%b" % (address.target.encode("ascii"), fields)


def encoded(headers: Fields) -> list[tuple[bytes, bytes]]:
    """Fields as they are sent: what a caller writes beyond ASCII goes as UTF-8 (RFC 9110 §5.5)."""
    return [(name.encode("ascii", "replace"), value.encode("utf-8", "replace")) for name, value in headers]


_NAME = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(rb"[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?")
_NOT_PLAIN = frozenset(
    {b"connection", b"content-length", b"expect", b"host", b"transfer-encoding", b"upgrade"}
)
"""Names of fields that change what a request is, or how its answer is read."""


# ---------------------------------------------------------------------------------------------------
# Answers


def answer(data: Buffer) -> PlainBody | H11Body:
    """How the answer to a plain GET is read that begins with these bytes. What is kept of them is copied."""
    head = response_head.plain(data)
    if head is not None:
        return PlainBody(head, data)
    from imgfetch.http import h11_fallback

    return h11_fallback.answer(data)


class PlainBody:
    """A plain answer: its head is in, and of its body we know how much there is of it."""

    def __init__(self, head: response_head.Plain, data: Buffer) -> None:
        """`data` has the head, and may have some of the body."""
        self._head = head
        self._left = head.length
        """Bytes of the body that nobody has taken yet, here or not."""
        self._pieces = deque([bytes(data[head.end :])] if head.end < len(data) else ())

    def feed(self, data: Buffer) -> None:
        """Take bytes in."""
        self._pieces.append(bytes(data))

    def head(self) -> tuple[int, Fields]:
        """Status and fields."""
        return self._head.status, self._head.fields

    def piece(self) -> bytes | None:
        """More of the body: nothing where it must come first, None at its end."""
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
        """Take note that nothing more will come; whether that may be the end of the body."""
        return False

    def is_all(self) -> bool:
        """Whether the whole answer is in, and nothing else, so that another may follow it."""
        return sum(map(len, self._pieces)) == self._left
