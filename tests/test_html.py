"""The elements of a page that ask for images, as the HTML parser makes them."""

# ruff: noqa: E501 (vectors, one a line)

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgfetch.markup.page.html import Page, read_page
from imgfetch.markup.page.links import parse_link_header, read_link_header
from measuring import cpu_seconds


def sources_of(page: Page) -> list[tuple[str | None, list[str | None]]]:
    """Each image's src, and the srcset of the sources that can stand for it."""
    return [
        (image.attr("src"), [attr("srcset") for attr in image.sources[: image.before]])
        for image in page.images
    ]


def check(markup: str, *expected: tuple[str | None, list[str | None]], scripting: bool = True) -> None:
    assert sources_of(read_page(markup, scripting=scripting)) == list(expected)


def test_images_are_found_in_document_order() -> None:
    check("<img src=a><p><IMG SRC=b></p><image src=c>", ("a", []), ("b", []), ("c", []))


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<picture><source srcset=s><img src=i></picture>", [("i", ["s"])]),
        ("<picture>text<!-- c --><source srcset=s></source><img src=i></picture>", [("i", ["s"])]),
        ("<picture><img src=i><source srcset=s></picture>", [("i", [])]),
        ("<picture><source srcset=s><img src=i><source srcset=t><img src=j></picture>", [("i", ["s"]), ("j", ["s", "t"])]),
        ("<picture><div><source srcset=s></div><img src=i></picture>", [("i", [])]),
        ("<picture><source srcset=s><span><img src=i></span></picture>", [("i", [])]),
        ("<picture><source srcset=s><picture><source srcset=t><img src=i></picture></picture>", [("i", ["t"])]),
        ("<picture><video><source srcset=s></video><source srcset=t><img src=i></picture>", [("i", ["t"])]),
        ("<picture><template><source srcset=s></template><img src=i></picture>", [("i", [])]),
        ("<picture><noscript><source srcset=s></noscript><img src=i></picture>", [("i", [])]),
        ("<picture><svg><source srcset=s></svg><img src=i></picture>", [("i", [])]),
        ("<svg><picture><source srcset=s><img src=i></picture></svg>", [("i", [])]),
        ("<table><picture><source srcset=s><img src=i></picture></table>", [("i", ["s"])]),
        ("<table><tr><picture><source srcset=s><td><img src=i></table>", [("i", [])]),
        ("<a href=1><picture><source srcset=s><a href=2><img src=i></a></picture></a>", [("i", [])]),
        ("<x-picture><source srcset=s><img src=i></x-picture>", [("i", [])]),
        ("<source srcset=s><img src=i>", [("i", [])]),
    ],
)  # fmt: skip
def test_a_picture_has_the_children_of_the_parsed_tree(
    markup: str, expected: list[tuple[str | None, list[str | None]]]
) -> None:
    check(markup, *expected)


def test_noscript_is_text_unless_scripts_are_off() -> None:
    markup = "<body><noscript><img src=a></noscript><img src=b>"
    check(markup, ("b", []))
    check(markup, ("a", []), ("b", []), scripting=False)


def test_the_contents_of_a_template_are_not_part_of_the_page() -> None:
    check("<template><img src=a><template><img src=b></template></template><img src=c>", ("c", []))
    check("<svg><template><g></g></template></svg><img src=c>", ("c", []))
    check("<div><template shadowrootmode=open><img src=a></template></div><img src=b>", ("b", []))


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<img src=a>", None),
        ("<base><base href=a><base href=b>", "a"),
        ("<base href=''>", ""),
        ("<body><p><base href=a>", "a"),
        ("<svg><base href=a /></svg><base href=b>", "b"),
        ("<template><base href=a></template><base href=b>", "b"),
        ("<noscript><base href=a></noscript><base href=b>", "b"),
    ],
)
def test_the_first_base_with_an_href_counts(markup: str, expected: str | None) -> None:
    assert read_page(markup).base == expected


def test_attributes_are_returned_as_written() -> None:
    page = read_page(
        '<img src="a\ud800&amp;\0b" srcset srcset=twice SIZES="1px" loading=lazy width=5 style="x:y">'
    )
    (image,) = page.images
    assert [*map(image.attr, ("src", "srcset", "sizes"))] == ["a\ud800&\ufffdb", "", "1px"]
    assert [*map(image.attr, ("loading", "width", "style", "alt"))] == ["lazy", "5", "x:y", None]


def test_a_link_header_is_read_like_a_link() -> None:
    first, second, third = parse_link_header(
        '</a,b;c.png>; rel="preload x"; as=image; imagesrcset="a 1x, \\"b\\" 2x" ; imagesizes = 50vw,'
        "<c>;rel=preload;REL=other;as = image;nopush, junk, <d>"
    )
    assert (first.href, first.rel, first.as_) == ("/a,b;c.png", "preload x", "image")
    assert (first.imagesrcset, first.imagesizes) == ('a 1x, "b" 2x', "50vw")
    assert (second.href, second.rel, second.as_) == ("c", "preload", "image")
    assert (third.href, third.rel) == ("d", None)


@pytest.mark.parametrize("odd", ["anchor=x", "title", "title=", 'title="', "b@d", "a b", 'x=1 2"3"'])
def test_a_link_of_which_not_all_can_be_read_is_passed_over(odd: str) -> None:
    assert parse_link_header(f"<a>; rel=preload; {odd}") == ()
    assert [link.href for link in parse_link_header(f"<a>; {odd.replace(chr(34), '')}, <b>; rel=x")][-1:] == [
        "b"
    ]


def test_an_invalid_link_is_reported() -> None:
    links, problems = read_link_header('<a>; rel=icon, junk; x="y, z", , c>; rel=icon,<d>')
    assert [link.href for link in links] == ["a", "d"]
    assert [problem.found for problem in problems] == ['junk; x="y, z"', "c>; rel=icon"]
    assert all("angle brackets" in problem.reason for problem in problems)
    (problem,) = read_link_header("<a>; title, <b>; anchor=c")[1]
    assert (problem.found, problem.reason) == ("<a>; title", "not all parameters of this link can be read")


@settings(deadline=None)
@given(st.text(alphabet='<>;=", a\\'))
def test_any_link_header_is_read(value: str) -> None:
    for link in parse_link_header(value):
        assert link.href is not None


HOSTILE = {
    "nested elements": ("<div>", 100_000),
    "nested formatting": ("<b><p>", 50_000),
    "nested tables": ("<table><tr><td>", 30_000),
    "nested lists": ("<ul><li>", 50_000),
    "nested pictures": ("<picture><source srcset=s>", 50_000),
    "nested templates": ("<template>", 50_000),
    "nested links": ("<a><p>", 50_000),
    "less-than signs": ("<", 5_000_000),
    "comments": ("<!--", 500_000),
    "images": ("<img src=a srcset='b 2x'>", 200_000),
    "sources and images": ("<source srcset=s><img src=i>", 50_000),
    "ampersands": ("<img src='&notit;&amp;'>", 100_000),
    "doctypes": ("<!doctype html>", 200_000),
    "processing instructions": ("<?", 500_000),
}


@pytest.mark.parametrize("name", [*HOSTILE])
def test_a_hostile_page_is_read_whole(name: str) -> None:
    piece, times = HOSTILE[name]
    page = read_page("<picture>" + piece * times + "<img src=last>")
    assert not page.images or page.images[-1].attr("src") in ("last", "a", "i", "&notit;&")


@pytest.mark.parametrize(
    "markup",
    [
        '<img src="' + "x" * 10_000_000 + '">',
        "<img " + " ".join(f"a{n}=1" for n in range(100_000)) + " src=a>",
    ],
    ids=["a long attribute", "many attributes"],
)
def test_a_hostile_element_is_read_whole(markup: str) -> None:
    (image,) = read_page(markup).images
    assert image.attr("src")


def test_time_is_linear_in_the_images_of_one_picture() -> None:
    def seconds(times: int) -> float:
        markup = "<picture>" + "<source srcset=s><img src=i>" * times
        return cpu_seconds(lambda: read_page(markup))

    seconds(1000)
    assert seconds(40_000) < 60 * max(seconds(4_000), 0.005)  # quadratic would be 100 times as long


@settings(deadline=None)
@given(st.lists(st.sampled_from(["<picture>", "</picture>", "<source srcset=s>", "<img src=i>", "<p>", "</p>", "<table>", "<td>", "<svg>", "</svg>", "<template>", "</template>", "<noscript>", "<!--", "-->", "x", "\0", "\ud800", "<base href=b>"])))  # fmt: skip
def test_any_page_is_read(pieces: list[str]) -> None:
    page = read_page("".join(pieces))
    for image in page.images:
        assert 0 <= image.before <= len(image.sources)
