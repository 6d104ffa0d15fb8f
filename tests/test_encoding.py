"""Which encoding a page is in, and its text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import imgfetch
from imgfetch.markup.encoding import decode, find_encoding, output_encoding, read_text


@pytest.mark.parametrize(
    ("data", "content_type", "expected"),
    [
        (b"\xef\xbb\xbf<meta charset=koi8-r>", "text/html;charset=koi8-r", "utf-8"),
        (b"\xff\xfea\0", "text/html;charset=utf-8", "utf-16-le"),
        (b"\xfe\xff\0a", None, "utf-16-be"),
        (b"<meta charset=utf-8>", 'text/html; charset="KOI8-R"', "koi8-r"),
        (b"<meta charset=utf-8>", "text/html; charset=nonsense", "utf-8"),
        (b"<meta charset=latin1>", None, "windows-1252"),
        (b"<META CHARSET='iso-8859-2'>", None, "iso-8859-2"),
        (b"<meta http-equiv=Content-Type content='text/html; charset=x-sjis'>", "text/html", "cp932"),
        (b"<meta content='text/html; charset=x-sjis'>", None, "utf-8"),
        (b"<!-- <meta charset=koi8-r> --><meta charset=gbk>", None, "gbk"),
        (b"<title a='<meta charset=koi8-r>'><meta charset=gbk>", None, "gbk"),
        (b"<metadata charset=koi8-r>", None, "utf-8"),
        (b"<meta charset=utf-16>", None, "utf-8"),
        (b"<meta charset=x-user-defined>", None, "windows-1252"),
        (b"<body><meta charset=koi8-r>", None, "utf-8"),
        (b"<?xml version='1.0' encoding='koi8-r'?>", None, "koi8-r"),
        ("é".encode(), None, "utf-8"),
        (b"\xe9", None, "windows-1252"),
        (b"", None, "utf-8"),
    ],
)
def test_the_encoding_is_found_where_a_browser_finds_it(
    data: bytes, content_type: str | None, expected: str
) -> None:
    assert find_encoding(data, content_type) == expected


@pytest.mark.parametrize(
    ("data", "content_type", "expected"),
    [
        (b"\xef\xbb\xbf\xc3\xa9", None, "é"),
        (b"\xff\xfe\xe9\0", None, "é"),
        (b"\x80\x81", "text/html;charset=latin1", "€\x81"),
        (b"a\xff", "text/html;charset=utf-8", "a\ufffd"),
        (b"x\0", "text/html;charset=utf-16be", "砀"),
        (b"\x8160\x814", "text/html;charset=hz-gb-2312", "\ufffd"),
        ("中𠀀".encode("gb18030"), "text/html;charset=gbk", "中𠀀"),
    ],
)
def test_bytes_become_text(data: bytes, content_type: str | None, expected: str) -> None:
    assert decode(data, content_type) == expected


def test_a_document_in_utf_16_writes_its_urls_in_utf_8() -> None:
    assert [output_encoding(name) for name in ("utf-16-le", "replacement", "koi8-r")] == [
        "utf-8",
        "utf-8",
        "koi8-r",
    ]


@settings(deadline=None)
@given(st.binary(), st.none() | st.text())
def test_any_bytes_are_some_text(data: bytes, content_type: str | None) -> None:
    assert isinstance(decode(b"<meta " + data, content_type), str)
    assert isinstance(decode(data, content_type), str)


@pytest.mark.parametrize(
    "piece",
    [b"<", b"<meta ", b"<!--", b"<meta charset", b"<a '", b'<meta a="', b"charset=", b"</", b"<?xml "],
)
def test_a_hostile_head_is_read_once(piece: bytes) -> None:
    assert isinstance(decode(piece * (3_000_000 // len(piece))), str)


@pytest.mark.parametrize(
    ("text", "content_type", "expected"),
    [
        ("<meta charset=gb2312>", None, "gbk"),
        ("<meta charset=gb2312>", "text/html; charset=koi8-r", "koi8-r"),
        ("<meta charset=utf-16>", None, "utf-8"),
        ("<p>charset=koi8-r", None, "utf-8"),
        ("", None, "utf-8"),
    ],
)
def test_a_decoded_page_has_the_encoding_that_it_declares(
    text: str, content_type: str | None, expected: str
) -> None:
    assert read_text(text, content_type) == (text, expected)


@pytest.mark.parametrize("buffer", [bytearray, memoryview])
def test_a_page_may_be_in_any_buffer(buffer: type[bytearray | memoryview]) -> None:
    page = "<meta charset=windows-1251><img src='/\u043c.jpg'>".encode("cp1251")
    assert imgfetch.find_images(buffer(page)) == imgfetch.find_images(page)
    screen, base = imgfetch.Viewport(800, 600), "https://h.example/"
    shown = imgfetch.current_sources(buffer(page), base_url=base, viewport=screen)
    assert shown == imgfetch.current_sources(page, base_url=base, viewport=screen)


@pytest.mark.parametrize("wrong", [None, 123, ["<img src=a.jpg>"]])
def test_what_is_not_a_page_is_refused_in_one_line(wrong: object) -> None:
    with pytest.raises(imgfetch.InputError, match="where a document was expected"):
        imgfetch.find_images(wrong)  # type: ignore[arg-type] # as a caller without types may
