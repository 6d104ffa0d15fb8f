"""Read the lines of an input up to a bounded length, so that an endless line cannot exhaust the memory.

file ─▶ read until a line end, LONGEST bytes at most ─▶ the line │ None, and the rest of it is skipped
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgfetch.errors import InputError
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

LONGEST = 1_000_000
"""Bytes of a line at most, with its end."""


def bounded_lines(file: BinaryIO) -> Iterator[bytes | None]:
    """Yield each line with its end; None for one that is too long, before its rest is read."""
    read = file.readline
    while line := read(LONGEST + 1):
        if len(line) <= LONGEST:
            yield line
            continue
        yield None
        while not line.endswith(b"\n"):
            line = read(LONGEST)
            if not line:
                return


def too_long(number: int) -> InputError:
    """Return the failure of a line that is too long."""
    return InputError(ErrorKind.BAD_INPUT, f"more than {LONGEST:,} bytes in a line", f"line {number}")


def bare_line(line: str) -> str:
    """Return a line of a list of sources without its comment, and without what lists write around URLs.

    A comment begins with `#` at the start of a line or behind white space: a URL has no raw space before its
    fragment. Of `- "https://…"`, `1. <https://…>` and a URL with other columns behind a tab, the URL is left.
    """
    line = line.strip()
    if "#" in line:
        line = _COMMENT.split(line, 1)[0].rstrip()
    if "://" in line and (found := _LISTED.fullmatch(line)):
        return found["quoted"] or found["bare"]
    return line


_URL = r"[A-Za-z][A-Za-z0-9+.-]*://"
_LISTED = re.compile(
    rf"""(?:(?:[-*+\u2022]|[0-9]{{1,9}}[.)])\s+)?+
    (?:[<"'](?P<quoted>{_URL}[^"'<>]*+)[>"'],?
      |(?P<bare>{_URL}[^\s"'<>]++(?:[ ][^\s"'<>]++)*+)(?:\t(?!\s*[0-9.]+[wxh]\b)(?!.*://).*+)?)""",
    re.VERBOSE,
)
"""A URL with a bullet or a number before it, within quotes or angle brackets, or before other columns."""

_COMMENT = re.compile(r"(?:\A|\s)#")
