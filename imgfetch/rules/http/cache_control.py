"""Cache-Control: the directives of requests and responses (RFC 9111 §5.2)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LONGEST = 2**31
"""Seconds that mean "as long as possible" (RFC 9111 §1.2.2)."""


class Control:
    """The directives of Cache-Control fields: names in lower case, the first of each name."""

    __slots__ = ("directives",)

    def __init__(self, directives: Mapping[str, str | None]) -> None:
        self.directives = directives
        """The argument of each directive without its quotes; None without an argument."""

    def __contains__(self, name: str) -> bool:
        return name in self.directives

    def seconds(self, name: str) -> int | None:
        """Return a delta-seconds argument (RFC 9111 §1.2.2); None if it is absent or not a number."""
        return delta_seconds(self.directives.get(name))

    @property
    def unconditional_no_cache(self) -> bool:
        """Whether every reuse needs revalidation: `no-cache` without field names, or with an empty list."""
        return "no-cache" in self.directives and not self.private_fields

    @property
    def private_fields(self) -> frozenset[str]:
        """The fields that need revalidation: `no-cache="set-cookie"` (RFC 9111 §5.2.2.4)."""
        names = (self.directives.get("no-cache") or "").lower().split(",")
        return frozenset(name.strip() for name in names) - {""}


NOTHING = Control({})
"""No directives."""


def control(value: str | None) -> Control:
    """Parse the value of Cache-Control. Skip members that are not directives."""
    if not value:
        return NOTHING
    return _remembered(value) if len(value) < 200 else _control(value)


def request_control(headers: Iterable[tuple[str, str]]) -> Control:
    """Parse a request's directives. Without Cache-Control, `Pragma: no-cache` counts (RFC 9111 §5.4)."""
    fields = [(name.lower(), value) for name, value in headers]
    stated = ", ".join(value for name, value in fields if name == "cache-control")
    if not stated and any(name == "pragma" and "no-cache" in value.lower() for name, value in fields):
        stated = "no-cache"
    return control(stated)


def members(value: str) -> list[str]:
    """Split a comma-separated list (RFC 9110 §5.6.1). Commas in quoted strings do not separate."""
    if '"' not in value:
        return [part for member in value.split(",") if (part := member.strip(" \t"))]
    members, begin, quoted, escaped = [], 0, False, False
    for index, character in enumerate(value):
        if escaped:
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            members.append(value[begin:index])
            begin = index + 1
    members.append(value[begin:])
    return [part for member in members if (part := member.strip(" \t"))]


def delta_seconds(argument: str | None) -> int | None:
    """Parse delta-seconds, at most `LONGEST` (RFC 9111 §1.2.2); None if it is not a number."""
    if argument is None or not (argument.isascii() and argument.isdigit()):
        return None
    digits = argument.lstrip("0") or "0"
    return min(int(digits), LONGEST) if len(digits) < 11 else LONGEST


def _control(value: str) -> Control:
    directives: dict[str, str | None] = {}
    for part in members(value):
        name, equals, argument = part.partition("=")
        # A space beside the sign violates the grammar. The name counts, so that a restriction is not lost;
        # the argument does not.
        malformed = name != name.rstrip() or argument != argument.lstrip()
        directives.setdefault(name.strip().lower(), None if malformed or not equals else _unquoted(argument))
    return Control(directives)


_remembered = lru_cache(maxsize=512)(_control)  # most origins send a few values again and again


def _unquoted(argument: str) -> str:
    if len(argument) > 1 and argument[0] == argument[-1] == '"':
        return argument[1:-1].replace("\\", "")
    return argument
