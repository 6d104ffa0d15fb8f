# ruff: noqa: E501 (markup, as it stands in pages)
"""XHTML and SVG: pages in the syntax of XML."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest

from imgfetch import find_images
from imgfetch.readers import documents

if TYPE_CHECKING:
    from imgfetch.model.markup import SourceSet

XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'
SVG = 'xmlns="http://www.w3.org/2000/svg"'
XLINK = 'xmlns:xlink="http://www.w3.org/1999/xlink"'
BASE = "https://a.test/d/page.xhtml"


def written(image: SourceSet) -> str:
    return f"{image.kind}: " + ", ".join(
        each.url.removeprefix("https://a.test/d/") for each in image.candidates
    )


def check(
    text: str | bytes, *expected: str, media_type: str = "application/xhtml+xml"
) -> tuple[SourceSet, ...]:
    found = find_images(text, base_url=BASE, media_type=media_type)
    assert [written(image) for image in found if image.candidates] == [*expected]
    return found


def page(inside: str, head: str = "<title/>") -> str:
    return f'<?xml version="1.0" encoding="utf-8"?>\n<html {XHTML}><head>{head}</head>\n<body>{inside}</body></html>'


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ('<img src="a.png"/>', ["img: a.png"]),
        ('<script/><p><img src="a.png"/></p>', ["img: a.png"]),
        ('<style/><textarea/><iframe/><img src="a.png"/>', ["img: a.png"]),
        (f'<svg {SVG} {XLINK}><image xlink:href="a.png"/></svg>', ["svg: a.png"]),
        (f'<s:svg {SVG.replace("xmlns", "xmlns:s")}><s:image href="a.png"/></s:svg>', ["svg: a.png"]),
        ('<style>a &gt; b { background: url("a.png") }</style>', ["css: a.png"]),
        ("<style><![CDATA[a > b { background: url(a.png) }]]></style>", ["css: a.png"]),
        ('<p>&nbsp;&eacute;<img src="a.png?b=1&amp;c=2" alt="&lt;"/></p>', ["img: a.png?b=1&c=2"]),
        ('<picture><source srcset="b.webp"/><img src="a.png"/></picture>', ["picture: a.png"]),
        ('<noscript><img src="a.png"/></noscript>', ["noscript: a.png"]),
        ('<x:img xmlns:x="urn:x" src="a.png"/>', []),
        ('<![CDATA[<img src="a.png"/>]]>', []),
        ('<table><img src="a.png"/></table>', ["img: a.png"]),
        ('<xmp/><plaintext/><img src="a.png"/>', ["img: a.png"]),
    ],
)  # fmt: skip
def test_xhtml_is_read_as_xml(inside: str, expected: list[str]) -> None:
    check(page(inside), *expected)
    check(page(inside), *expected, media_type="")
    check(page(inside).encode(), *expected, media_type="application/xml")


def test_a_doctype_is_read_past_and_its_entities_are_known() -> None:
    doctype = '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.1//EN" "http://www.w3.org/TR/xhtml11/DTD/xhtml11.dtd" [<!ENTITY pic "a.png">]>'
    check(page('<img src="&pic;" alt="&nbsp;"/>').replace("<html", doctype + "<html"), "img: a.png")


def test_the_declared_encoding_is_that_of_queries() -> None:
    text = page('<img src="a?q=\u0436"/>').replace("utf-8", "windows-1251")
    check(text.encode("cp1251"), "img: a?q=%E6")


def test_base_counts_and_xml_base_does_not() -> None:
    check(page('<p xml:base="c/"><img src="a.png"/></p>', '<title/><base href="b/"/>'), "img: b/a.png")


def test_what_stands_behind_an_error_is_read_as_html() -> None:
    broken = page(
        '<img src="a.png"/><br>\n<title/><img src="b.png"/><a href=x><img srcset="c.png 4q, d.png 2x">'
    )
    found = check(broken, "img: a.png", "img: b.png", "img: d.png")
    (first, second) = (problem for image in found for problem in image.problems)
    assert "invalid token" in first.reason
    assert "read from there as HTML" in first.reason
    assert first.line == 4
    assert second.found == "c.png 4q"


def test_a_bare_ampersand_loses_nothing() -> None:
    check(
        page('<img src="a.png"/><img src="b.png?c&d"/><title/><img src="e.png"/>'),
        "img: a.png",
        "img: b.png?c&d",
        "img: e.png",
    )


def test_a_problem_has_the_line_of_its_element_in_the_xml() -> None:
    (image,) = find_images(
        page('\n<p>é</p>\n<img srcset="a.png 4q, b.png 2x"/>'), media_type="application/xhtml+xml"
    )
    assert (image.problems[0].line, image.problems[0].column) == (5, 1)


def test_svg_has_images_styles_and_filters() -> None:
    text = f"""<?xml version="1.0"?><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
    <svg {SVG} {XLINK}><style>.a {{ mask: url(a.png) }}</style><image xlink:href="b.png"/><image href="c.png"/>
    <filter><feImage href="d.png"/></filter><rect style="background: url(e.png)" fill="url(#f)"/>
    <foreignObject><img {XHTML} src="g.png"/></foreignObject><svg><image href="h.png"/></svg></svg>"""
    expected = [
        "css: a.png",
        "svg: b.png",
        "svg: c.png",
        "svg: d.png",
        "css: e.png",
        "img: g.png",
        "svg: h.png",
    ]
    check(text, *expected, media_type="image/svg+xml")
    check(text, *expected, media_type="")


def test_text_html_is_html_although_it_holds_svg_and_an_xml_declaration() -> None:
    text = f"<!-- a --><!DOCTYPE html><svg {SVG}><path/></svg><img src=a.png>"
    check(text, "img: a.png", media_type="text/html")
    check(text, "img: a.png", media_type="")
    check(
        page("<title/><img src=b.png></title><img src=a.png>", "<title></title>"),
        "img: a.png",
        media_type="text/html",
    )


@pytest.mark.parametrize("element", ["<i/>", '<path d="M0 0h1"/>', "<p>a</p>"])
def test_elements_that_name_no_image_take_little_memory(element: str) -> None:
    text = page(element * (1_000_000 // len(element)) + '<img src="a.png"/>')
    tracemalloc.start()
    try:
        check(text, "img: a.png")
        assert tracemalloc.get_traced_memory()[1] < 10 * len(text)
    finally:
        tracemalloc.stop()


def test_a_page_of_too_many_tags_is_read_up_to_the_last_of_them() -> None:
    text = "<img src=a.png>" + "<i>" * documents.MAX_TAGS + "<img src=b.png>"
    (image, cut) = find_images(text, media_type="text/html")
    assert [each.url for each in image.candidates] == ["a.png"]
    assert cut.problems[0].reason.startswith("more than 1,000,000 tags")
    assert cut.problems[0].column == len(text) - len("<i><img src=b.png>") + 1


def test_the_elements_around_an_image_and_its_style_sheets_are_kept() -> None:
    found = check(
        page('<i/><main><p>text<b/></p><p><a href="b.png"><img src="a.png"/></a></p></main>'),
        "img: a.png, b.png",
    )
    assert found[0].layout.section == "main"
    check(page("<p><style>p { background: url(a.png) }</style></p><p style='color:red'/>"), "css: a.png")
