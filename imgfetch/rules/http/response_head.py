"""Parse a plain response head, as nearly all are, with one regular expression.

Any other head is left to h11, whether it is valid or not; `well_formed` takes out the lines that h11 would
refuse and browsers pass over.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from imgfetch.model.values import Buffer


class Plain(NamedTuple):
    """A response head, and the place of its body."""

    status: int
    fields: tuple[tuple[str, str], ...]
    """Names in lower case and values, in the order received."""
    length: int
    """Bytes of the body."""
    end: int
    """Offset of the body in the data."""


def plain(data: Buffer) -> Plain | None:
    """Parse the final HTTP/1.1 response head at the start of `data`, for a GET; None if it is not plain.

    It is plain if it is complete and follows RFC 9112 §2 to §5 to the letter, if the length of the body is
    known from one Content-Length or from the status (§6.3), and if the connection stays open (§9.3).
    """
    match = _HEAD.match(data)
    if match is None:
        return None
    fields: list[tuple[str, str]] = []
    length: int | None = None
    for line in match[2].decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        if not colon:
            break  # after the last field
        name, value = name.lower(), value.strip(" \t")
        if name in _FRAMING:
            if name == "connection":
                if value.lower() != "keep-alive":
                    return None
            elif name == "content-length" and length is None and _is_length(value):
                length = int(value)
            else:
                return None
        fields.append((name, value))
    status = int(match[1])
    if status in _WITHOUT_BODY:
        length = 0
    return None if length is None else Plain(status, tuple(fields), length, match.end())


def well_formed(head: bytes) -> bytes:
    """Return a response head without the lines that are not fields, and without white space before a colon.

    Chromium passes over a line without a colon, or with a name that is not a token, and RFC 9112 §5.1 removes
    the white space. A folded line goes with its field (§5.2). The status line stays as it is.
    """
    status, *lines = head.split(b"\n")
    kept, is_field = [status], True
    for line in lines:
        name, colon, value = line.partition(b":")
        if line[:1] not in (b" ", b"\t"):
            name = name.rstrip(b" \t") if colon else name
            is_field = line in (b"", b"\r") or (bool(colon) and _TOKEN.fullmatch(name) is not None)
        if is_field:
            kept.append(name + colon + value)
    return b"\n".join(kept)


def _is_length(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) < 20


_HEAD = re.compile(
    rb"HTTP/1\.1 ([2-5][0-9][0-9])(?: [\t\x20-\x7e]*+)?+\r\n"
    rb"((?:[-!#$%&'*+.^_`|~0-9A-Za-z]++:[\t\x20-\x7e\x80-\xff]*+\r\n)*+)\r\n"
)
_TOKEN = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]++")
_FRAMING = frozenset({"connection", "content-length", "transfer-encoding"})
_WITHOUT_BODY = (204, 304)
