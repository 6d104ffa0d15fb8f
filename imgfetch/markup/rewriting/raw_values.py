"""The raw value of an attribute: what it says, and how to write another in its place (HTML §13.2.5).

"a.png?x=1&amp;y=2" ─▶ RawValue: the text, and where each character is written
new text, quotes ─▶ quoted ─▶ the text with character references
"""

from __future__ import annotations

import re
from bisect import bisect_right
from html import unescape
from html.entities import html5
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPACE = r"[ \t\n\f\r]"
_REFERENCE = re.compile(
    r"&(?:#(?:[0-9]+|[xX][0-9A-Fa-f]+);?|(?P<name>[A-Za-z][A-Za-z0-9]*+(?:;|(?!=))))|\r\n?|\0"
)
_ATTRIBUTE = re.compile(
    rf"""(?:{_SPACE}|/)*+(?P<name>[^ \t\n\f\r/>][^ \t\n\f\r/>=]*+)
         (?:{_SPACE}*+={_SPACE}*+(?:"[^"]*+"|'[^']*+'|(?!["'])[^ \t\n\f\r>]*+))?+""",
    re.VERBOSE,
)
_TAG_NAME = re.compile(r"<([A-Za-z][^ \t\n\f\r/>]*+)")
_ESCAPED = {
    '"': re.compile('[&"]'),
    "'": re.compile("[&']"),
    "": re.compile("[&\"'=<>` \t\n\f\r]"),
}
"""What cannot stand in a value with such quotes (§13.1.2.3)."""


class RawValue:
    """The text of a raw value, in which character references are undone as the parser does."""

    def __init__(self, raw: str) -> None:
        self._starts: list[int] = []
        self._shifts: list[int] = []
        parts, done, size = [], 0, 0
        for found in _REFERENCE.finditer(raw):
            said = _said(found)
            if said is None:
                continue
            parts += [raw[done : found.start()], said]
            size += found.start() - done + len(said)
            done = found.end()
            self._starts.append(size)
            self._shifts.append(done - size)
        self.text = "".join((*parts, raw[done:]))

    def offset(self, at: int) -> int:
        """Return the offset in the raw value of an offset in the text."""
        before = bisect_right(self._starts, at)
        return at + self._shifts[before - 1] if before else at


def _said(found: re.Match[str]) -> str | None:
    """Return what a character reference stands for in an attribute (§13.2.5.73); None if it is text."""
    written = found[0]
    if written[0] == "\r":
        return "\n"
    if written == "\0":
        return "\ufffd"
    name = found["name"]
    return unescape(written) if name is None else html5.get(name)


def quoted(text: str, quote: str) -> str:
    """Return a text as it is written in these quotes, or without any."""
    return _ESCAPED[quote].sub(lambda found: _NAMED.get(found[0]) or f"&#{ord(found[0])};", text)


_NAMED = {"&": "&amp;", '"': "&quot;"}


class Attribute(NamedTuple):
    """An attribute of a start tag: its name in lower case, and the offsets of all that belongs to it."""

    name: str
    start: int
    end: int


def tag_at(page: str, start: int) -> str:
    """Return the name of the start tag at an offset, in lower case; empty if there is none."""
    found = _TAG_NAME.match(page, start)
    return found[1].lower() if found else ""


def attributes_at(page: str, start: int) -> Iterator[Attribute]:
    """Yield the attributes of the start tag at an offset, also those that repeat an earlier one."""
    found = _TAG_NAME.match(page, start)
    while found is not None:
        found = _ATTRIBUTE.match(page, found.end())
        if found is not None:
            yield Attribute(found["name"].lower(), found.start("name"), found.end())
