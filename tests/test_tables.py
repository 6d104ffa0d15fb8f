"""Tables as people have them: dialects, cells with several images, JSON, Parquet and Arrow."""

from __future__ import annotations

import gzip
import io
import json
import time
import tracemalloc
import zipfile
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import ipc, parquet

from imgfetch import InputError
from imgfetch.markup import data_urls
from imgfetch.model.markup import RowFormat
from imgfetch.readers.input_rows import rows
from imgfetch.readers.rows.cells import images_of
from imgfetch.readers.rows.columns import Wanted, source_columns
from imgfetch.readers.rows.row import other_columns, row_of
from pictures import encoded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.readers.rows.row import Row

A, B, C = "https://h.example/a.jpg", "https://h.example/b.png", "https://h.example/c.webp"


def read(data: str | bytes, form: RowFormat | None = RowFormat.CSV, column: str | None = None) -> list[Row]:
    raw = data.encode() if isinstance(data, str) else data
    return [*rows(io.BytesIO(raw), form, columns=() if column is None else (column,))]


def images(data: str | bytes, form: RowFormat | None = RowFormat.CSV) -> list[tuple[str, ...]]:
    return [row.images for row in read(data, form)]


# The images in a cell


@pytest.mark.parametrize(
    "cell",
    [
        f"{A}, {B}",
        f"{A},{B}",
        f"{A} , {B}",
        f"{A}\n{B}",
        f"{A}\r\n{B}\r\n",
        f"{A}|{B}",
        f"{A} | {B}",
        f"{A};{B}",
        f"{A}; {B};",
        f"{A} {B}",
        f"{A}, {B}, {A}",
        f'["{A}", "{B}"]',
        f"['{A}', '{B}']",
        f"['{A}' '{B}']",
    ],
)
def test_each_image_of_a_cell_is_an_image_of_its_own(cell: str) -> None:
    assert images_of(cell) == (A, B)


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("a.jpg, b.png", ("a.jpg", "b.png")),
        ("a.jpg,b.png", ("a.jpg", "b.png")),
        ("a.jpg|b.png", ("a.jpg", "b.png")),
        ("a b.jpg; c.png?v=1", ("a b.jpg", "c.png?v=1")),
        ("/i/a.jpg\n/i/b.png", ("/i/a.jpg", "/i/b.png")),
        (f"{A}, b.png", (A, "b.png")),
        (f"{A}|b.png", (A, "b.png")),
        ("//h.example/a.jpg, //h.example/b.jpg", ("//h.example/a.jpg", "//h.example/b.jpg")),
    ],
)
def test_relative_images_of_a_cell_are_parted_where_each_names_an_image(
    cell: str, found: tuple[str, ...]
) -> None:
    assert images_of(cell) == found


@pytest.mark.parametrize(
    "cell",
    [
        "https://h.example/123_High_Street,_London.jpg",
        "https://h.example/123 High Street, London.jpg",
        "https://h.example/w_1,h_2;v=3/a.jpg?x=1,2|3",
        "https://h.example/fetch/w_1,c_limit/https://b.example/a.jpg",
        "https://h.example/?url=https://b.example/a.jpg",
        "data:image/png;base64,iVBORw0KGgo=",
        "Doe, John.jpg",
        f"prose, then {A} 480w.",
        f"see {A}, {B}",
        f"{A} and {B}",
        "a.jpg",
        f"{A} 480w, {B} 800w",
        f"{A} 1x, {B} 2x",
        f"{A},\n{B} 2x",
        f"{A} 480w,\n  {B} 800w",
        f"{A}\n480w,\n{B}\n800w",
        f'<img src="{A}"> <img src="{B}">',
    ],
)
def test_a_url_a_srcset_and_markup_stay_whole(cell: str) -> None:
    (found,) = images_of(f" {cell} ")
    assert " ".join(found.split()) == " ".join(cell.split())


def test_a_comma_behind_a_backslash_belongs_to_the_url() -> None:
    assert images_of(r"https://h.example/High_Street\,_London.jpg, https://h.example/b.png") == (
        "https://h.example/High_Street,_London.jpg",
        "https://h.example/b.png",
    )
    assert images_of(r"a.jpg\, b.jpg") == ("a.jpg, b.jpg",)


def test_each_line_of_a_cell_may_be_a_srcset() -> None:
    one, two = f"{A} 480w, {B} 800w", f"{C} 1x, {B} 2x"
    assert images_of(f"{one}\n{two}\n{A}") == (one, two, A)


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        (f'=IMAGE("{A}")', (A,)),
        (f'=image("{A}"; 4; 50; 50)', (A,)),
        (f'=HYPERLINK("{A}","the cup")', (A,)),
        (f"![a cup]({A})", (A,)),
        (f'![a]({A} "title"), ![b](<{B}>)', (A, B)),
        (f"[![a]({A})](https://h.example/page)", (A,)),
        (f'["{A}", "{B}"]', (A, B)),
    ],
)
def test_a_formula_and_markdown_name_images(cell: str, found: tuple[str, ...]) -> None:
    assert images_of(f" {cell} ") == found


@given(st.text(alphabet='ahtps:/.jg ,;|\n[]"20wx<', max_size=60))
def test_any_cell_can_be_read(cell: str) -> None:
    found = images_of(cell)
    assert bool(found) == bool(cell.strip().strip(" ,;|\n")) or "[" in cell
    assert all(each == each.strip() and each for each in found)


@pytest.mark.parametrize(
    "unit",
    [
        " ",
        ",",
        ", ",
        "//",
        "https://",
        "https://h/a, ",
        "a.jpg|",
        "[",
        "\n",
        "1w ",
        '"',
        "\n,",
        "\nx,",
        " 2x,",
        "![",
        "![a](",
        '=IMAGE("',
    ],
)
def test_a_cell_is_read_in_linear_time(unit: str) -> None:
    def took(size: int) -> float:
        cell = "a" + unit * (size // len(unit)) + "b"
        begin = time.process_time()
        images_of(cell)
        return time.process_time() - begin

    small = took(30_000)
    assert took(300_000) < 60 * small + 1


# Columns


@pytest.mark.parametrize(
    ("header", "column"),
    [
        ("ID,SKU,Name,Images", "Images"),
        ("Handle,Title,Image Src,Image Position", "Image Src"),
        ("id,IMAGE_URL,url", "IMAGE_URL"),
        ('ID,"Image URLs (x,y,z...)"', "Image URLs (x,y,z...)"),
        ("id,image_link,link", "image_link"),
        ("photo,caption", "photo"),
        ("src,alt", "src"),
        ("URL,TEXT,WIDTH", "URL"),
        (" url ,x", "url"),
    ],
)
def test_the_usual_names_of_columns_are_known(header: str, column: str) -> None:
    cells = ["x"] * 6
    (row,) = read(f"{header}\n{','.join(cells)}\n")
    assert row.images == ("x",)
    assert source_columns(tuple(row.columns), Wanted()).groups[0] == (column,)


def test_a_srcset_goes_before_another_column_of_its_row() -> None:
    table = f'url,srcset\n{A},\n{A},"{B} 1x, {C} 2x"\n'
    assert images(table) == [(A,), (f"{B} 1x, {C} 2x",)]


def test_another_column_counts_where_the_first_has_no_text() -> None:
    found = [
        {"image": {"bytes": "…", "path": None}, "url": A},
        {"image": 42, "url": B},
        {"image": "", "url": "https://h.example/page"},
        {"image": "cup.jpg", "url": C},
    ]
    text = json.dumps(found).encode()
    got = rows(io.BytesIO(text), RowFormat.JSON, absolute=True)
    assert [row.images for row in got] == [(A,), (B,), (), (C,)]
    got = rows(io.BytesIO(text), RowFormat.JSON)
    assert [row.images for row in got] == [(A,), (B,), (), ("cup.jpg",)]
    got = rows(io.BytesIO(b"image,id\ncup.jpg,1\n"), RowFormat.CSV, absolute=True)
    assert [row.images for row in got] == [("cup.jpg",)]


@pytest.mark.parametrize(
    ("header", "cells", "found"),
    [
        ("Image 1,Image 2", [A, B], (A, B)),
        ("name,image_url_1,image_url_2,image_url_3", ["x", A, B, A], (A, B)),
        ("url,url", [A, B], (A, B)),
        ("Image Src,Variant Image", [A, B], (A, B)),
        ("Image Src,Variant Image", ["", B], (B,)),
        ("base_image,small_image,additional_images", [A, C, f"{B},{A}"], (A, B)),
        ("link,image_link,additional_image_link", ["https://h.example/page", A, f"{B},{C}"], (A, B, C)),
        ("url,gallery", ["https://h.example/page", f"{A}|{B}"], (A, B)),
        ("image_512,image_1024,url", [B, C, A], (A,)),  # sizes, and not numbers
    ],
)
def test_columns_with_further_images_of_a_row_are_taken_too(
    header: str, cells: list[str], found: tuple[str, ...]
) -> None:
    assert images(f"{header}\n" + ",".join(f'"{each}"' for each in cells)) == [found]


def test_columns_with_images_that_are_not_taken_are_named() -> None:
    (row,) = read(f"image,thumb,page,copy\n{A},{B},https://h.example/page,{A}")
    assert other_columns(row) == ("thumb",)
    (row,) = read("base_image,small_image\n/w/a.jpg,/w/a-small.jpg\n")
    assert other_columns(row) == ("small_image",)


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (("bild url",), (A,)),
        (("BILD_URL", "Other"), (A, B)),
        (("Bild URL,Other",), (A, B)),
        (("Other, Bild URL",), (B, A)),
        (("Shots (x,y)",), (C,)),
    ],
)
def test_the_caller_names_one_column_or_several(columns: tuple[str, ...], found: tuple[str, ...]) -> None:
    table = f'Bild URL;Other;"Shots (x,y)";image\n{A};{B};{C};no\n'
    record = {"Bild URL": A, "Other": B, "Shots (x,y)": C, "image": "no"}
    for data, form in ((table, RowFormat.CSV), (json.dumps([record, {}]), RowFormat.JSON)):
        got = [*rows(io.BytesIO(data.encode()), form, columns=columns)]
        assert [row.images for row in got] == [found, ()][: len(got)]


def test_a_column_that_is_missing_is_named_with_those_that_are_there() -> None:
    with pytest.raises(InputError, match="no column c; it has a, b"):
        [*rows(io.BytesIO(b"a,b\n1,2\n"), RowFormat.CSV, columns=("a,c",))]


@pytest.mark.parametrize(
    "value",
    [None, "", " ", "n/a", "NULL", "-", "#N/A", [], {}, [None, ""], "[]", float("nan"), {"src": None}],
)
def test_a_row_may_have_no_image(value: Any) -> None:  # noqa: ANN401 (as JSON has it)
    row = row_of({"id": 1, "image": value, "url": "https://h.example/page"}, "row 1", Wanted())
    assert (row.images, row.error) == ((), None)


def test_a_column_with_another_thing_is_an_error_and_names_it() -> None:
    (row,) = read('[{"image": 5, "url": null}]', RowFormat.JSON)
    assert str(row.error) == "element 1: no image under image"


def test_a_cell_may_have_an_object_in_json() -> None:
    cells = [json.dumps({"id": 1, "src": A}), json.dumps([{"src": A}, {"src": B}]), '{"no json', "{}"]
    table = "image\n" + "".join('"' + cell.replace('"', '""') + '"\n' for cell in cells)
    assert images(table) == [(A,), (A, B), ('{"no json',), ()]
    assert str(row_of({"image": '{"a":' * 100_000}, "row 1", Wanted()).error) == "row 1: nested too deeply"


def test_all_columns_are_kept() -> None:
    table = f"sku,url,sku,\n1,{A},2,x,more\n\n,,,\n2,{B}\n"
    first, second = read(table)
    assert first.columns == {"sku": "1", "url": A, "sku_2": "2", "": "x", "column_5": "more"}
    assert second.columns == {"sku": "2", "url": B}


def test_columns_have_no_user_and_no_password() -> None:
    (row,) = read("url,note\nhttps://me:word@h.example/a.jpg,see https://me:word@h.example/\n")
    assert row.images == ("https://me:word@h.example/a.jpg",)
    assert "word" not in json.dumps(row.columns)


def test_a_row_has_a_width_a_name_and_a_page_of_its_own() -> None:
    table = f"url,Width,File Name,Referer\n{A},800,cup.jpg,https://h.example/page\n"
    table += f"{B},30 cm,,page 4\n{C},64.0px,,\n"
    first, second, third = read(table)
    assert (first.width, first.name, first.referer) == (800, "cup.jpg", "https://h.example/page")
    assert (second.width, second.name, second.referer) == (None, "", "")
    assert third.width == 64


# Dialects


@pytest.mark.parametrize("delimiter", list(",;\t|"))
@pytest.mark.parametrize("form", [RowFormat.CSV, RowFormat.TSV, None])
def test_the_header_tells_the_delimiter(delimiter: str, form: RowFormat | None) -> None:
    table = f'id,url,b\n1,{A},"x\ny"\n2,{B},'.replace(",", delimiter)
    assert images(table, form) == [(A,), (B,)]
    assert images(f"sep={delimiter}\n{table}") == [(A,), (B,)]


def test_the_delimiter_is_the_one_that_gives_a_column_with_the_source() -> None:
    assert images(f"a|b|c;url\nx|y|z;{A}") == [(A,)]
    (row,) = read(f"first,second;photo of it\nx;{A}", column="photo of it")
    assert row.images == (A,)
    with pytest.raises(InputError, match="no column url, srcset or image; it has a, b; name the column"):
        read("a;b\n1;2")


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom", "utf-16-be-bom", "cp1252"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_tables_come_in_the_encodings_and_line_ends_of_their_programs(encoding: str, end: str) -> None:
    table = end.join(["Größe;url", f"Fuß;{A}", "“x”;https://h.example/café.jpg", ""])
    if encoding.endswith("-bom"):
        data = ("\ufeff" + table).encode(encoding.removesuffix("-bom"))
    else:
        data = table.encode(encoding)
    first, second = read(data)
    assert first.columns == {"Größe": "Fuß", "url": A}
    assert second.images == ("https://h.example/café.jpg",)
    assert second.columns["Größe"] == "“x”"


def test_lists_and_json_lines_come_in_utf_16_too() -> None:
    assert images(f"{A}\r\n{B}\r\n".encode("utf-16"), None) == [(A,), (B,)]
    assert images(f'{{"url": "{A}"}}\n'.encode("utf-16"), RowFormat.JSONL) == [(A,)]
    assert images(f"{A}\r{B}".encode(), None) == [(A,), (B,)]


def test_a_table_without_a_header_says_so() -> None:
    with pytest.raises(
        InputError, match="the first line has URLs, and is not a header; --input-format lines"
    ):
        read(f"{A},1\n{B},2\n")
    assert images(f"{A}, {B}\n{C}\n", RowFormat.LINES) == [(A, B), (C,)]


@pytest.mark.parametrize("blank", ["\n", "\r\n\r\n", ";;;\n \n", "sep=;\n\n"])
def test_blank_lines_before_a_header_are_passed_over(blank: str) -> None:
    (row,) = read(f"{blank}sku;url\nA1;{A}\n")
    assert (row.images, dict(row.columns)) == ((A,), {"sku": "A1", "url": A})
    if "sep=" not in blank:
        assert images(f"{blank}sku;url\nA1;{A}\n", None) == [(A,)]


def test_a_quote_that_is_not_closed_is_named_by_the_line_that_opens_it() -> None:
    found = read(f'sku,url\nA1,{A}\n"B\n2",{B}\n"C,{C}\nD,{A}\n')
    assert [row.images for row in found] == [(A,), (B,), ()]
    assert str(found[2].error) == "line 5: a quote is not closed; all behind it is in that cell"
    assert images(f'sku,url\nA1,"{A}"') == [(A,)]


def test_a_line_of_separators_is_one_failure() -> None:
    assert [str(row.error) for row in read(f"{A}\n|\n", RowFormat.LINES)] == ["None", "line 2: no URL"]
    assert [str(row.error) for row in read('[" ; "]', RowFormat.JSON)] == ["element 1: no URL"]


def test_a_compressed_input_is_unpacked_whatever_its_name() -> None:
    assert images(gzip.compress(f"url\n{A}\n".encode()), None) == [(A,)]


# JSON


def test_an_array_of_objects_is_read_as_rows() -> None:
    found: list[Any] = [
        {"url": A, "n": 1.5, "tags": ["x", {"y": None}]},
        {"images": [A, B]},
        {"images": [{"id": 1, "src": A}, {"id": 2, "src": B}]},
        {"image": {"url": C, "width": 10}},
        A,
        f"{A}, {B}",
        5,
        {"x": 1},
        {"url": "https://h.example/é.jpg"},
    ]
    for text in (
        json.dumps(found),
        json.dumps(found, indent=2, ensure_ascii=False),
        "\ufeff" + json.dumps(found),
    ):
        for form in (RowFormat.JSON, None):
            got = read(text, form)
            assert [row.images for row in got] == [
                (A,), (A, B), (A, B), (C,), (A,), (A, B), (), (), ("https://h.example/é.jpg",),
            ]  # fmt: skip
            assert got[0].columns == found[0]
            assert [str(row.error) for row in got if row.error] == [
                "element 7: not a JSON object",
            ]
    assert read("[]", RowFormat.JSON) == read(" [ ] ", RowFormat.JSON) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f'[{{"url": "{A}"}}', "not JSON behind element 1: the end where ',' was expected"),
        (f'[{{"url": "{A}"}} 5]', "not JSON behind element 1: '5' where ','"),
        (f'["{A}",]', "not JSON behind element 1"),
        (f'["{A}", nul]', "not JSON behind element 1: Expecting value"),
        (f'["{A}", {"[" * 100_000}', "not JSON behind element 1: nested too deeply"),
        (f'["{A}", "{"x" * 2_000_000}"]', "no end of an element within 1,000,000 characters"),
        ('{"rows": 5,\n"a": ["x"]}', "one JSON object; an array of objects, or an object on each line"),
    ],
)
def test_a_broken_array_keeps_what_came_before(text: str, words: str) -> None:
    got: list[tuple[str, ...]] = []
    with pytest.raises(InputError, match=words.replace("[", "\\[")):
        got.extend(row.images for row in rows(io.BytesIO(text.encode()), RowFormat.JSON))
    assert got == [(A,)] * (text[0] == "[")


@pytest.mark.parametrize("form", [RowFormat.JSON, None])
def test_the_first_array_of_objects_in_an_object_is_the_rows(form: RowFormat | None) -> None:
    products = [{"id": 1, "images": [{"src": A}, {"src": B}]}, {"id": 2, "images": [{"src": C}]}]
    found = {"count": 2, "next": None, "tags": ["x", []], "none": [], "products": products, "more": [1]}
    for text in (json.dumps(found), json.dumps(found, indent=1)):
        assert images(text, form) == [(A, B), (C,)]
    assert images(json.dumps({"url": A, "sizes": [{"w": 1}]}), form) == [(A,)]


def test_a_table_in_utf_16_is_known_by_its_header() -> None:
    assert images(f"id\tImage Src\r\n1\t{A}\r\n".encode("utf-16"), None) == [(A,)]


def test_json_lines_under_the_name_of_json_are_lines() -> None:
    assert images(f'{{"url": "{A}"}}\n{{"url": "{B}"}}\n', RowFormat.JSON) == [(A,), (B,)]


class Elements(io.RawIOBase):
    """An array of rows that is made as it is read."""

    def __init__(self, count: int) -> None:
        self._left, self._rest = count, b"["

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 (whatever can be written to)
        while self._left and len(self._rest) < len(buffer):
            self._left -= 1
            end = b"," if self._left else b"]"
            self._rest += b'{"url": "https://h.example/%d.jpg", "note": "some words"}' % self._left + end
        given, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(given)] = given
        return len(given)


def test_memory_does_not_grow_with_the_rows_of_an_array() -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            assert sum(1 for _ in rows(io.BufferedReader(Elements(count)), RowFormat.JSON)) == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(40_000) < peak(4_000) + 1_000_000


def test_a_deeply_nested_row_is_one_failure() -> None:
    deep: Any = A
    for _ in range(5_000):
        deep = [deep]
    assert str(row_of({"url": A, "x": deep}, "row 1", Wanted()).error) == "row 1: nested too deeply"


# Parquet and Arrow


def table() -> pa.Table:
    return pa.table(
        {
            "url": [A, f"{A}, {B}", None],
            "images_of_it": [[A], [A, B], []],
            "day": [date(2024, 1, 2)] * 3,
            "score": [1.5, float("nan"), None],
            "bytes": [b"abc"] * 3,
        }
    )


def as_parquet(found: pa.Table) -> bytes:
    out = io.BytesIO()
    parquet.write_table(found, out, row_group_size=2)
    return out.getvalue()


def as_arrow(found: pa.Table, *, stream: bool) -> bytes:
    out = io.BytesIO()
    with (ipc.new_stream if stream else ipc.new_file)(out, found.schema) as writer:
        writer.write_table(found)
    return out.getvalue()


def forms() -> Iterator[tuple[bytes, RowFormat | None]]:
    yield as_parquet(table()), RowFormat.PARQUET
    yield as_parquet(table()), None
    yield as_parquet(table()), RowFormat.CSV
    yield as_arrow(table(), stream=False), RowFormat.ARROW
    yield as_arrow(table(), stream=False), None
    yield as_arrow(table(), stream=True), RowFormat.ARROW


@pytest.mark.parametrize(("data", "form"), list(forms()))
def test_a_table_of_arrow_is_read_as_rows(data: bytes, form: RowFormat | None) -> None:
    first, second, third = read(data, form)
    assert first.images == (A,)
    assert first.columns == {
        "url": A, "images_of_it": [A], "day": "2024-01-02", "score": 1.5, "bytes": "3 bytes",
    }  # fmt: skip
    assert second.images == (A, B)
    assert second.columns["score"] is None
    assert (third.images, third.error) == ((), None)
    assert [row.images for row in read(data, form, "images_of_it")] == [(A,), (A, B), ()]


def test_the_bytes_of_an_image_are_the_image() -> None:
    data = encoded("png", 9, 9)
    found = pa.table(
        {
            "image": [
                {"bytes": data, "path": "cats/cat 1.png"},
                {"bytes": None, "path": A},
                {"bytes": None, "path": None},
                {"bytes": b"no image", "path": "x.txt"},
            ],
            "id": [1, 2, 3, 4],
        }
    )
    first, second, third, fourth = read(as_parquet(found), None)
    (url,) = first.images
    assert data_urls.read(url) == ("image/png", data)
    assert first.name == "cat 1.png"
    assert first.columns == {"image": {"bytes": f"{len(data):,} bytes", "path": "cats/cat 1.png"}, "id": 1}
    assert (second.images, third.images, third.error) == ((A,), (), None)
    assert str(fourth.error) == "row 4: no image under image"
    plain = pa.table({"image": [data, None], "more": [[data], []]})
    for column in ("image", "more"):
        row, empty = read(as_arrow(plain, stream=True), RowFormat.ARROW, column)
        assert (row.images, empty.images, empty.error) == ((url,), (), None)


def test_a_damaged_table_of_arrow_is_one_line() -> None:
    whole = as_parquet(table())
    for data, form in (
        (whole[:-20], RowFormat.PARQUET),
        (b"PAR1" + b"x" * 100, None),
        (b"ARROW1\0\0" + b"x" * 100, None),
        (b"\xff\xff\xff\xff" * 20, RowFormat.ARROW),
        (as_arrow(table(), stream=False)[:200], None),
    ):
        with pytest.raises(InputError, match="cannot be read: ") as caught:
            read(data, form)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="no column img; it has url, images_of_it, day"):
        read(whole, None, "img")


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    for data in (as_parquet, lambda found: as_arrow(found, stream=False)):
        made = data(table())
        with pytest.raises(
            InputError, match=r"needs the extra: pip install 'imgfetch\[tables\]'; or save it"
        ):
            read(made, None)


# What is no table


def archive(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name in names:
            file.writestr(name, "x" * 5_000)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (archive("a.txt"), "this is a ZIP archive, and not a table"),
        (
            archive("[Content_Types].xml", "docProps/app.xml", "xl/workbook.xml"),
            "an Excel workbook.*; save it as CSV",
        ),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "an old Microsoft Office.*; save it as CSV"),
        (b"SQLite format 3\0" + bytes(100), "an SQLite database.*; save it as CSV"),
        (b"%PDF-1.7\n", "this is a PDF document"),
        (b"\x7fELF" + bytes(100), "this is a program"),
        (bytes(100), "this is binary data"),
        (encoded("png", 9, 9), "this is PNG image|this is a PNG image"),
        (b"<!DOCTYPE html>\n<img src=a.jpg>", "this is an HTML page, .*; imgfetch get reads documents"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><rss/>", "this is an XML document"),
    ],
)
@pytest.mark.parametrize("form", [None, RowFormat.CSV, RowFormat.LINES])
def test_what_is_no_table_is_named_in_one_line(data: bytes, words: str, form: RowFormat | None) -> None:
    with pytest.raises(InputError, match=words) as caught:
        read(data, form)
    assert "\n" not in str(caught.value)
