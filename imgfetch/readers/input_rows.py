"""Read the rows of an input, one source each, as they are needed; a bad row does not stop the others.

    lines │ CSV │ TSV │ JSON lines ─▶ row ─▶ str │ InputError

A row is a URL or a srcset, never the name of a file: its author may be someone else than its reader.
"""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any, Self

from imgfetch.errors import InputError, one_line
from imgfetch.model.markup import RowFormat
from imgfetch.model.result import ErrorKind
from imgfetch.readers.lines import LONGEST, bare_line, bounded_lines, too_long

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

COLUMNS = ("srcset", "url")
"""The names of the column with the source, in any case; the second one is used if the first is empty."""


def form_of(name: str) -> RowFormat:
    """Return the form that the extension of a file name tells; lines if it tells none."""
    suffix = name.lower().removesuffix(".gz").rpartition(".")[2]
    return {
        "csv": RowFormat.CSV,
        "tsv": RowFormat.TSV,
        "jsonl": RowFormat.JSONL,
        "ndjson": RowFormat.JSONL,
    }.get(suffix, RowFormat.LINES)


def rows(file: BinaryIO, form: RowFormat, *, column: str | None = None) -> Iterator[str | InputError]:
    """Yield the source of each row that is not blank, or the error of the row.

    `column` is the name of the column with the source, instead of `COLUMNS`. Raises `InputError` if no row
    can be read.
    """
    match form:
        case RowFormat.LINES:
            yield from _of_lines(file)
        case RowFormat.JSONL:
            yield from _of_objects(file, column)
        case RowFormat.CSV | RowFormat.TSV:
            yield from _of_table(file, column, "," if form is RowFormat.CSV else "\t")


def _of_lines(file: BinaryIO) -> Iterator[str | InputError]:
    for number, line in enumerate(_lines(file), 1):
        if line is None:
            yield too_long(number)
        elif source := bare_line(line):
            yield source


def _of_objects(file: BinaryIO, column: str | None) -> Iterator[str | InputError]:
    for number, line in enumerate(_lines(file), 1):
        if line is None:
            yield too_long(number)
            continue
        if not line.strip():
            continue
        try:
            members = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield _unusable(number, f"not JSON: {error}")
            continue
        if not isinstance(members, dict):
            yield _unusable(number, "not a JSON object")
            continue
        names = _columns(list(members), column)
        found = next((members[name] for name in names if members[name]), None)
        yield _source(found, number, names or (column or "url",))


def _of_table(file: BinaryIO, column: str | None, delimiter: str) -> Iterator[str | InputError]:
    lines = _LinesOfRow(file)
    table = csv.reader(lines, delimiter=delimiter)
    try:
        header = next(table, [])
    except csv.Error as error:
        raise InputError(ErrorKind.BAD_INPUT, f"no header in the first line: {error}") from error
    names = _columns(header, column)
    if not names:
        has = one_line("", ", ".join(header), limit=100)
        hint = "name the column with --column"
        wanted = column or " or ".join(COLUMNS)
        raise InputError(ErrorKind.BAD_INPUT, f"no column {wanted}; it has {has or 'none'}", hint=hint)
    positions = [header.index(name) for name in names]
    while True:
        lines.begin_row()
        try:
            row = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            yield _unusable(lines.number, str(error))
            continue
        if row:
            found = next((row[at] for at in positions if at < len(row) and row[at].strip()), None)
            yield _source(found, lines.number, names)


def _columns(names: Sequence[str], column: str | None) -> tuple[str, ...]:
    """Return those of the names that are columns with a source, in order of preference."""
    if column is not None:
        return (column,) if column in names else ()
    return tuple(name for wanted in COLUMNS for name in names if name.strip().lower() == wanted)


def _source(found: Any, number: int, names: Sequence[str]) -> str | InputError:  # noqa: ANN401 (as read)
    if isinstance(found, str) and found.strip():
        return found.strip()
    return _unusable(number, f"no text under {' or '.join(names)}")


def _unusable(number: int, why: str) -> InputError:
    return InputError(ErrorKind.BAD_INPUT, why, f"line {number}")


def _lines(file: BinaryIO) -> Iterator[str | None]:
    """Yield the lines of a file, each with its end; None for one that is too long."""
    for number, line in enumerate(bounded_lines(file)):
        text = None if line is None else line.decode("utf-8", "replace")
        yield text if number or text is None else text.removeprefix("\ufeff")


class _LinesOfRow:
    """The lines of a table. A row of several lines, in a quoted field, has the same limit as a line."""

    def __init__(self, file: BinaryIO) -> None:
        self._lines = _lines(file)
        self._size = 0
        self.number = 0
        """Number of the last line read."""

    def begin_row(self) -> None:
        """Restart the count of the row's size."""
        self._size = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        """Raise `csv.Error` if a row is too long; the reader then continues with the next line."""
        line = next(self._lines)
        self.number += 1
        self._size += 0 if line is None else len(line)
        if line is None or self._size > LONGEST:
            raise csv.Error(f"more than {LONGEST:,} bytes in a row")
        return line
