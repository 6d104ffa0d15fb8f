"""The rows of an input: lines, CSV, TSV and JSONL, in bounded memory."""

from __future__ import annotations

import io
import tracemalloc
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgfetch import InputError
from imgfetch.model.markup import RowFormat
from imgfetch.readers.input_rows import form_of, rows
from imgfetch.readers.lines import LONGEST

if TYPE_CHECKING:
    from imgfetch.readers.rows.row import Row


def rows_in(text: str | bytes, form: RowFormat | None = None, column: str | None = None) -> list[Row]:
    data = text.encode() if isinstance(text, str) else text
    return [*rows(io.BytesIO(data), form, columns=() if column is None else (column,))]


def read(text: str | bytes, form: RowFormat | None = None, column: str | None = None) -> list[str]:
    """The sources in each row of an input, or what is wrong with it; nothing for a row without an image."""
    found = rows_in(text, form, column)
    return [f"!{row.error}" if row.error else " + ".join(row.images) for row in found]


def test_rows_are_read_from_each_input_format() -> None:
    assert read("a.webp\n\n  b.webp 1x, c.webp 2x \r\n", RowFormat.LINES) == [
        "a.webp",
        "b.webp 1x, c.webp 2x",
    ]
    assert read("\ufeffa.webp", RowFormat.LINES) == ["a.webp"]
    assert read("id,url\n1,a.webp\n\n2,b.webp\n", RowFormat.CSV) == ["a.webp", "b.webp"]
    assert read('URL,caption\n"a,1.webp","two\nlines"\nb.webp,\n', RowFormat.CSV) == ["a,1.webp", "b.webp"]
    assert read("\ufeffcaption\turl\nx, y\ta.webp\n", RowFormat.TSV) == ["a.webp"]
    assert read('{"url": "a.webp"}\n\n{"srcset": "b.webp 1x", "url": "c"}\n', RowFormat.JSONL) == [
        "a.webp",
        "b.webp 1x",
    ]
    assert read('url,srcset\na.webp,\nb.webp,"c 1x, d 2x"\n', RowFormat.CSV) == ["a.webp", "c 1x, d 2x"]
    assert read("image,url\na.webp,b.webp\n", RowFormat.CSV, "image") == ["a.webp"]
    assert read('{"image": "a.webp", "url": "b"}', RowFormat.JSONL, "image") == ["a.webp"]


def test_the_file_name_decides_the_input_format() -> None:
    for name, form in (
        ("a.csv", RowFormat.CSV),
        ("b.CSV.gz", RowFormat.CSV),
        ("c.tsv", RowFormat.TSV),
        ("d.jsonl", RowFormat.JSONL),
        ("e.ndjson.gz", RowFormat.JSONL),
        ("f.tab", RowFormat.TSV),
        ("g.json", RowFormat.JSON),
        ("h.parquet", RowFormat.PARQUET),
        ("i.feather", RowFormat.ARROW),
        ("j.txt", None),
        ("-", None),
        ("k.gz", None),
    ):  # fmt: skip
        assert form_of(name) == form


def test_a_row_that_cannot_be_read_is_one_error() -> None:
    assert read('{"url": "a"}\n{"url"\n[]\n{"url": 5}\n{}\n{"url": "b"}', RowFormat.JSONL) == [
        "a",
        "!line 2: not JSON: Expecting ':' delimiter: line 2 column 1 (char 7)",
        "!line 3: not a JSON object",
        "!line 4: no image under url",
        "",
        "b",
    ]
    assert read("id,url\n1\n2,a\n3,\n", RowFormat.CSV) == [
        "",
        "a",
        "",
    ]
    with pytest.raises(InputError, match="no header in the first line: field larger"):
        read("x" * 200_000, RowFormat.CSV)
    assert read("\u00fc" * LONGEST + "\na", RowFormat.LINES)[1:] == ["a"]
    assert read("\u00fc" * LONGEST, RowFormat.LINES)[0].startswith("!line 1: more than")
    long = "x" * (3 * LONGEST)
    assert [row[:30] for row in read(f"{long}\na\n", RowFormat.LINES)] == [
        "!line 1: more than 1,000,000 b",
        "a",
    ]
    assert read(f"url\n{long}\na\n", RowFormat.CSV) == ["!line 2: more than 1,000,000 bytes in a row", "a"]
    assert read(f"{long}\n" + '{"url": "a"}', RowFormat.JSONL) == [
        "!line 1: more than 1,000,000 bytes in a line",
        "a",
    ]
    assert read("[" * 100_000, RowFormat.JSONL)[0].startswith("!line 1: not JSON")
    with pytest.raises(InputError, match="no column image; it has id, url; name the column with --column"):
        read("id,url\n1,a", RowFormat.CSV, "image")


def test_a_quote_without_an_end_takes_bounded_memory() -> None:
    found = read('url\n"' + "a.webp\n" * 100_000 + "\n", RowFormat.CSV)
    assert found[0].startswith("!line ")
    assert "field larger than field limit" in found[0]
    assert found[-1] == "a.webp"


def test_a_row_of_quoted_lines_without_an_end_takes_bounded_memory() -> None:
    # each line closes the field that the line before has opened, so that no field is long
    found = read("url\n" + '"' + 'a","b\n' * 400_000, RowFormat.CSV)
    assert found[0].endswith("more than 1,000,000 bytes in a row")


class Endless(io.RawIOBase):
    """A stream of one line: so many bytes that it could as well never end, and a line behind it."""

    def __init__(self, head: bytes, length: int, tail: bytes) -> None:
        self._head, self._left, self._tail = head, length, tail

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 (whatever can be written to)
        if self._head:
            given, self._head = self._head[: len(buffer)], self._head[len(buffer) :]
        elif self._left:
            given = b"x" * min(self._left, len(buffer))
            self._left -= len(given)
        else:
            given, self._tail = self._tail[: len(buffer)], self._tail[len(buffer) :]
        buffer[: len(given)] = given
        return len(given)


@pytest.mark.parametrize(
    ("form", "head", "row"),
    [
        (RowFormat.LINES, b"", b"a"),
        (RowFormat.CSV, b"url\n", b"a"),
        (RowFormat.TSV, b"url\n", b"a"),
        (RowFormat.JSONL, b"", b'{"url": "a"}'),
    ],
)
def test_a_line_without_an_end_is_one_failure_in_bounded_memory(
    form: RowFormat, head: bytes, row: bytes
) -> None:
    stream = io.BufferedReader(Endless(head + b'"', 60_000_000, b"\n" + row + b"\n"))
    tracemalloc.start()
    try:
        found = rows(stream, form)
        first = next(found)  # before the end of the line is there
        assert first.error is not None
        assert "more than 1,000,000 bytes" in first.error.message
        assert [row.images for row in found] == [("a",)]
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from([*RowFormat, None]))
def test_any_bytes_can_be_read_as_rows(data: bytes, form: RowFormat | None) -> None:
    for text in (data, b"url\n" + data, b"[" + data):
        with suppress(InputError, OSError, EOFError):  # the last two of gzip, for the caller to translate
            assert all(isinstance(each, str) for each in read(text, form))
