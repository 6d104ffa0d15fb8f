"""Tables of text: CSV and its dialects, as spreadsheets, shops and databases write them.

lines ─▶ header ─▶ delimiter ─▶ rows, each of bounded size
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Self

from imgfetch.errors import InputError
from imgfetch.model.result import ErrorKind
from imgfetch.readers.lines import LONGEST
from imgfetch.readers.rows.columns import check_columns, source_columns
from imgfetch.readers.rows.row import row_of, unusable
from imgfetch.readers.rows.text_lines import text_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from imgfetch.readers.rows.columns import Wanted
    from imgfetch.readers.rows.row import Row

DELIMITERS = ",;\t|"
BLANK = f"{DELIMITERS} \r\n"
"""Characters of a line without a cell."""


def rows(file: BinaryIO, wanted: Wanted, delimiter: str) -> Iterator[Row]:
    """Yield the rows of a table; `delimiter` is the one that its name tells.

    The delimiter is the one that gives the header a column with a source, else the one that it has most
    often; `delimiter` goes first. A first line `sep=;`, as Excel writes it, names it. Raises `InputError`
    where no column has the source.
    """
    lines = _LinesOfRow(file)
    try:
        first = lines.next_not_blank()
        said = _said(first)
        if said:
            first = lines.next_not_blank()
        delimiter = said or delimiter_of(first, wanted, delimiter)
        table = csv.reader(lines.after(first), delimiter=delimiter)
        header = _distinct(next(table, []))
    except csv.Error as error:
        raise InputError(ErrorKind.BAD_INPUT, f"no header in the first line: {error}") from error
    _check_header(header, wanted)
    while True:
        lines.begin_row()
        try:
            cells = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            yield unusable(f"line {lines.number}", str(error))
            continue
        if lines.have_ended:
            yield unusable(f"line {lines.first}", "a quote is not closed; all behind it is in that cell")
        elif any(cells):
            header += [f"column_{number + 1}" for number in range(len(header), len(cells))]
            members = dict(zip(header, cells, strict=False))
            yield row_of(members, f"line {lines.number}", wanted)


def delimiter_of(header: str, wanted: Wanted, first: str = ",") -> str:
    """Return the delimiter of a table by its header line."""
    order = sorted(DELIMITERS, key=lambda each: each != first)
    split = {each: next(csv.reader([header], delimiter=each), []) for each in order}
    known = [each for each in order if source_columns(tuple(split[each]), wanted).groups]
    return known[0] if known else max(order, key=lambda each: len(split[each]))


def _said(line: str) -> str:
    bare = line.rstrip("\r\n").strip('"')
    return bare[4:] if bare[:4].lower() == "sep=" and len(bare) == 5 else ""


def _distinct(header: Sequence[str]) -> list[str]:
    """Return the names of columns without white space around them; a name that comes again has a number."""
    seen: dict[str, int] = {}
    names = []
    for each in header:
        name = each.strip()
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return names


def _check_header(header: Sequence[str], wanted: Wanted) -> None:
    """Raise `InputError` where the first line is not a header, or has no column with a source."""
    try:
        check_columns(header, wanted)
    except InputError:
        if any("://" in each for each in header):
            why = "the first line has URLs, and is not a header"
            hint = "--input-format lines reads a URL a line"
            raise InputError(ErrorKind.BAD_INPUT, why, hint=hint) from None
        raise


class _LinesOfRow:
    """The lines of a table. A row of several lines, in a quoted field, has the same limit as a line."""

    def __init__(self, file: BinaryIO) -> None:
        self._lines = text_lines(file)
        self._given: list[str] = []
        self._size = 0
        self.number = 0
        """Number of the last line read."""
        self.first = 1
        """Number of the first line of the row."""
        self.have_ended = False
        """True if a row goes on at the end of the file."""

    def begin_row(self) -> None:
        """Restart the count of the row's size."""
        self._size = 0
        self.first = self.number + 1

    def after(self, line: str) -> Self:
        """Give a line once more."""
        self._given = [line]
        return self

    def next_not_blank(self) -> str:
        """Return the next line that has more than separators; nothing at the end."""
        return next((line for line in self if line.strip(BLANK)), "")

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        """Raise `csv.Error` if a row is too long; the reader then continues with the next line."""
        if self._given:
            return self._given.pop()
        try:
            line = next(self._lines)
        except StopIteration:
            self.have_ended = True
            raise
        self.number += 1
        self._size += 0 if line is None else len(line)
        if line is None or self._size > LONGEST:
            raise csv.Error(f"more than {LONGEST:,} bytes in a row")
        return line
