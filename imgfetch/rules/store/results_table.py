"""The table of a run: a row for each image, for a spreadsheet.

members of a result, as `get --json` prints them ─▶ cells ─▶ a line of CSV or TSV

RFC 4180, in UTF-8, with a line feed at the end of each row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

COLUMNS = (
    *("source", "place", "page", "status", "url", "path", "width", "height", "format", "bytes", "sha256"),
    *("origin", "alt", "error"),
)


def header(delimiter: str) -> str:
    """Return the first line."""
    return line(COLUMNS, delimiter)


def row(members: Mapping[str, Any], alt: str, delimiter: str) -> str:
    """Return the line of an image; `alt` is its alternative text."""
    error = members["error"]
    message = members["skipped"] or (f"{error['kind']}: {error['message']}" if error else "")
    named = {**members, "alt": alt, "error": message}
    return line((named[name] for name in COLUMNS), delimiter)


def line(cells: Iterable[object], delimiter: str) -> str:
    """Return a line of cells. None is an empty cell."""
    return delimiter.join(_cell("" if cell is None else str(cell), delimiter) for cell in cells) + "\n"


def _cell(text: str, delimiter: str) -> str:
    if text[:1] in _FORMULA:
        text = f"'{text}"  # a spreadsheet would run what a page wrote
    if delimiter == "\t":
        return " ".join(text.split())
    if any(sign in text for sign in (delimiter, '"', "\n", "\r")):
        return '"' + text.replace('"', '""') + '"'
    return text


_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def may_be_table(first: bytes) -> bool:
    """Return whether a file that begins with this line may be such a table."""
    return first in (b"", header(",").encode(), header("\t").encode())
