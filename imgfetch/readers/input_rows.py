"""Read the rows of an input, as they are needed; a bad row does not stop the others.

    lines │ CSV and its dialects │ JSON lines or array │ Parquet │ Arrow ─▶ Row

A row has URLs or srcsets, never the name of a file: its author may be someone else than its reader.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, cast

from imgfetch.errors import InputError
from imgfetch.formats import sniff
from imgfetch.formats.other_types import name_of_data, name_of_image
from imgfetch.model.markup import RowFormat
from imgfetch.model.result import ErrorKind
from imgfetch.readers.lines import bare_line, too_long
from imgfetch.readers.rows import delimited, json_rows
from imgfetch.readers.rows.columns import Wanted, source_columns
from imgfetch.readers.rows.row import Row, row_of_text
from imgfetch.readers.rows.text_lines import beginning_of, peekable, text_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO


def form_of(name: str) -> RowFormat | None:
    """Return the form that the extension of a file name tells; None if it tells none."""
    suffix = name.lower().removesuffix(".gz").rpartition(".")[2]
    return _FORMS.get(suffix)


def rows(
    file: BinaryIO, form: RowFormat | None = None, *, columns: Sequence[str] = (), absolute: bool = False
) -> Iterator[Row]:
    """Yield each row that is not blank, in its order.

    `columns` are the names of the columns with the source, instead of `SOURCE_COLUMNS`. With `absolute`, a
    column of relative URLs is passed over where another has absolute ones. Without a `form`, the beginning of
    the file tells it: `lines`, if nothing else. Raises `InputError` if no row can be read.
    """
    file = peekable(file)
    head = beginning_of(file)
    if head.startswith(b"\x1f\x8b"):
        import gzip

        unpacked = cast("BinaryIO", gzip.GzipFile(fileobj=file))  # it is read like a file
        return rows(unpacked, form, columns=columns, absolute=absolute)
    wanted = Wanted(tuple(columns), is_absolute=absolute)
    form = _form_by_bytes(head, form, wanted) or form or RowFormat.LINES
    if form not in (RowFormat.PARQUET, RowFormat.ARROW):
        _check_text(file, head)
    match form:
        case RowFormat.LINES:
            return _of_lines(file)
        case RowFormat.JSONL:
            return json_rows.rows_of_lines(file, wanted)
        case RowFormat.JSON:
            return json_rows.rows_of_array(file, wanted)
        case RowFormat.CSV | RowFormat.TSV:
            return delimited.rows(file, wanted, "," if form is RowFormat.CSV else "\t")
        case RowFormat.PARQUET:
            from imgfetch.readers.rows.arrow import rows_of_parquet

            return rows_of_parquet(file, wanted)
        case RowFormat.ARROW:
            from imgfetch.readers.rows.arrow import rows_of_arrow

            return rows_of_arrow(file, wanted)


def _form_by_bytes(head: bytes, form: RowFormat | None, wanted: Wanted) -> RowFormat | None:
    """Return the form that the first bytes of a file tell; None where they agree with `form`."""
    if head.startswith(b"PAR1"):
        return RowFormat.PARQUET
    if head.startswith(b"ARROW1"):
        return RowFormat.ARROW
    encoding = "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    text = head[:_HEADER].decode(encoding, "replace").lstrip()
    if form in (None, RowFormat.JSON):
        if re.match(r"\[\s*[\[{\"\]]", text):
            return RowFormat.JSON
        if re.match(r'\{\s*"', text):
            return RowFormat.JSONL if _is_row(text.partition("\n")[0], wanted) else RowFormat.JSON
    header = text.lstrip(delimited.BLANK).partition("\n")[0].partition("\r")[0].strip()
    if form is None and "://" not in header and len(header) < _HEADER // 2:
        delimiter = delimited.delimiter_of(header, wanted)
        if source_columns(tuple(each.strip('" ') for each in header.split(delimiter)), wanted).groups:
            return RowFormat.CSV
    return None


def _is_row(line: str, wanted: Wanted) -> bool:
    """Return whether the first line of a file is a JSON object that is a row, and not one around an array."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return False
    holds_rows = any(isinstance(each, list) and each and isinstance(each[0], dict) for each in found.values())
    return not holds_rows or bool(source_columns(tuple(found), wanted).groups)


def _check_text(file: BinaryIO, head: bytes) -> None:
    """Raise `InputError` where a file is data or a page, and not rows of text."""
    what = name_of_data(head)
    if what is not None and what.endswith("ZIP archive") and file.seekable():
        file.seek(max(0, file.seek(0, 2) - _LIST_OF_PARTS))
        what = name_of_data(head + file.read(_LIST_OF_PARTS))
        file.seek(0)
    form = sniff(head[:4096]) if what is None else None
    what = what or (f"{'an' if form == 'avif' else 'a'} {form.upper()} image" if form else None)
    if what is None and b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        what = name_of_image(head[:64]) or "binary data"
    if what is not None:
        is_table = any(word in what for word in ("workbook", "spreadsheet", "database", "Office"))
        hint = "save it as CSV" if is_table else "a table or a list of URLs was expected"
        raise InputError(ErrorKind.BAD_INPUT, f"this is {what}, and not a table in text", hint=hint)
    document = re.match(rb"(?i)(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|\?xml|rss|feed|urlset)\b", head)
    if document is not None:
        what = "an HTML page" if b"html" in head[:1000].lower() else "an XML document"
        hint = "imgfetch get reads documents"
        raise InputError(ErrorKind.BAD_INPUT, f"this is {what}, and not a table or a list", hint=hint)


def _of_lines(file: BinaryIO) -> Iterator[Row]:
    for number, line in enumerate(text_lines(file), 1):
        if line is None:
            yield Row((), error=too_long(number))
        elif source := bare_line(line):
            yield row_of_text(source, f"line {number}")


_FORMS = {
    "csv": RowFormat.CSV,
    "psv": RowFormat.CSV,
    "tsv": RowFormat.TSV,
    "tab": RowFormat.TSV,
    "json": RowFormat.JSON,
    "jsonl": RowFormat.JSONL,
    "ndjson": RowFormat.JSONL,
    "parquet": RowFormat.PARQUET,
    "pq": RowFormat.PARQUET,
    "arrow": RowFormat.ARROW,
    "arrows": RowFormat.ARROW,
    "feather": RowFormat.ARROW,
    "ipc": RowFormat.ARROW,
    "lst": RowFormat.LINES,
}

_HEADER = 16_384
"""Bytes of a header that is looked at."""

_LIST_OF_PARTS = 1 << 20
"""Bytes at the end of a ZIP archive with the names of its parts."""
