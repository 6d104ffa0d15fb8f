"""The head of an answer that is as nearly all are, read in one go.

Of any other nothing is said: not that it is wrong, nor what it means.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from imgfetch.model.values import Buffer


class Plain(NamedTuple):
    """A head, and how much follows it."""

    status: int
    fields: tuple[tuple[str, str], ...]
    """In the order received; names in lower case."""
    length: int
    """Bytes of the body."""
    end: int
    """Where the body begins."""


def plain(data: Buffer) -> Plain | None:
    """The final head of HTTP/1.1 that `data`, an answer to a GET, begins with; None where it is not plain.

    It is plain if it is here as a whole and to the letter of RFC 9112 §2 to §5, if the length of the body is
    known from one Content-Length, or from the status (§6.3), and if the connection outlasts it (§9.3).
    """
    match = _HEAD.match(data)
    if match is None:
        return None
    fields: list[tuple[str, str]] = []
    length: int | None = None
    for line in match[2].decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        if not colon:
            break  # behind the last
        name, value = name.lower(), value.strip(" \t")
        if name in _OF_THE_FRAME:
            if name == "connection":
                if value.lower() != "keep-alive":
                    return None
            elif name == "content-length" and length is None and _is_length(value):
                length = int(value)
            else:
                return None
        fields.append((name, value))
    status = int(match[1])
    if status in _BODILESS:
        length = 0
    return None if length is None else Plain(status, tuple(fields), length, match.end())


def _is_length(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) < 20


_HEAD = re.compile(
    rb"HTTP/1\.1 ([2-5][0-9][0-9])(?: [\t\x20-\x7e]*+)?+\r\n"
    rb"((?:[-!#$%&'*+.^_`|~0-9A-Za-z]++:[\t\x20-\x7e\x80-\xff]*+\r\n)*+)\r\n"
)
_OF_THE_FRAME = frozenset({"connection", "content-length", "transfer-encoding"})
_BODILESS = (204, 304)
