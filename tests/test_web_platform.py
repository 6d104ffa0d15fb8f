# ruff: noqa: E501 (vectors, one a line)
"""The public test vectors of the web platform for choosing an image, in our own words.

Where Chromium does not do what a vector asks, that is said beside it and we do as Chromium.
"""

from __future__ import annotations

import pytest

from imgfetch.api.pages import current_sources, preload_sources, source_set
from imgfetch.model import Viewport

SCREEN = Viewport(800, 600)
PAGE = "https://wpt.test/p"


def check(markup: str, *expected: str | None) -> None:
    """`a`, `b` and `c` in the markup are URLs of nothing but that letter."""
    shown = current_sources(f"<div>{markup}</div>", base_url=PAGE, viewport=SCREEN)
    assert [url and url.rpartition("/")[2] for url in shown] == list(expected)


# update-the-source-set


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("", None),
        ("src", None),
        ("src=a", "a"),
        ("srcset src=a", "a"),
        ("srcset=b src=a", "b"),
        ("src=a srcset=b", "b"),
        ("src=a srcset='b 1x'", "b"),
        ("src=a srcset='b 1.0x'", "b"),
        ("src=a srcset='b 1e0x'", "b"),
        ("src=a srcset='b 10000w' sizes=1px", "b"),
        ("src=a srcset='b 10000w, c 10000x' sizes=1px", "b"),
        ("src=a srcset='b 10000x, c 10000w' sizes=1px", "b"),
        ("src=a srcset='b 1w' sizes=10000px", "b"),
        ("src=a srcset='b 1w, c 0.0001x' sizes=10000px", "b"),
        ("src=a srcset='b 0.0001x, c 1w' sizes=10000px", "b"),
        ("srcset=a", "a"),
    ],
)
def test_the_source_set_of_an_img(attributes: str, expected: str | None) -> None:
    check(f"<img {attributes}>", expected)


@pytest.mark.parametrize(
    "before",
    [
        "foo", "<!--foo-->", "<br>", "<p></p>", "<video><source srcset=b></video>", "<span><source srcset=b></span>",
        "<svg><source srcset=b /></svg>", "<svg><font/><source srcset=b /></svg>",
        "<source>", "<source src=b>", "<source srcset>", "<source srcset=', ,'>", "<source srcset='b 1x 1x'>",
    ],
)  # fmt: skip
def test_what_is_no_source_changes_nothing(before: str) -> None:
    check(f"<picture>{before}<img src=a></picture>", "a")


@pytest.mark.parametrize(
    "before",
    ["<svg/><source srcset=b />", "<svg><font face></font><source srcset=b /></svg>", "<source srcset=b>"],
)
def test_what_the_parser_makes_a_source_is_one(before: str) -> None:
    check(f"<picture>{before}<img src=a></picture>", "b")
    check(f"<picture>{before}<img></picture>", "b")


@pytest.mark.parametrize(
    ("media", "holds"),
    [
        ("", True),
        ("all", True),
        ("all and (min-width:0)", True),
        ("all and !", False),
        ("all and (!)", False),
        ("not all", False),
        ("not all and (min-width:0)", False),
        ("not all and (max-width:0)", True),
        ("not all and !", False),
        ("not all and (!)", False),
        ("all, !", True),
        (",", False),  # the vector says it holds; to Chromium 156 these are two queries that cannot be read
    ],
)
def test_media_of_a_source(media: str, holds: bool) -> None:
    check(f"<picture><source srcset=b media='{media}'><img src=a></picture>", "b" if holds else "a")


@pytest.mark.parametrize(
    "media_type",
    [
        "", " ", "image/gif", " image/gif", "image/gif ", "image/gif;", "image/gif;encodings", "image/gif;encodings=",
        "image/gif;encodings=foobar", "image/png", "image/jpeg", "image/svg+xml", "image/x-icon",
    ],
)  # fmt: skip
def test_types_that_are_taken(media_type: str) -> None:
    check(f"<picture><source srcset=b type='{media_type}'><img src=a></picture>", "b")


@pytest.mark.parametrize(
    "media_type",
    [
        "text/xml", "text/html", "text/plain", "text/css", "video/mp4", "video/ogg", "video/webm", "unknown/unknown",
        "application/octet-stream", "application/x-shockwave-flash", "image\\gif", "gif", ".gif", "*", "*/*", "image/*", ",",
        "image/gif, image/png", "image/gif image/png", "image/foobarbaz",
    ],
)  # fmt: skip
def test_types_that_are_not_taken(media_type: str) -> None:
    check(f"<picture><source srcset=b type='{media_type}'><img src=a></picture>", "a")


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<picture><img src=a><img src=b></picture>", ["a", "b"]),
        ("<picture><img src=a>foo</picture>", ["a"]),
        ("<picture><img src=a><br><!--foo--></picture>", ["a"]),
        ("<picture><img><img src=b></picture>", [None, "b"]),
        ("<picture><img src=a><source srcset=b></picture>", ["a"]),
        ("<picture><img><source srcset=b></picture>", [None]),
        ("<picture><span><source srcset=b><img></span></picture>", [None]),
        ("<picture><span><source srcset=b><img src=a></span></picture>", ["a"]),
        ("<picture><source srcset=b><span><img src=a></span></picture>", ["a"]),
    ],
)
def test_only_sources_before_it_in_its_own_picture_stand_for_an_image(
    markup: str, expected: list[str | None]
) -> None:
    check(markup, *expected)


# select-an-image-source


@pytest.mark.parametrize(
    ("srcset", "sizes"),
    [
        ("a 1x, b 1x", ""), ("a , b 1x", ""), ("a 1x, b", ""), ("a 1w, b 1w", ""), ("a 1w 1h, b 1w", ""), ("a 1w, b 1w 1h", ""),
        ("a 1w 1h, b 1w 2h", ""), ("a 1w 2h, b 1w 1h", ""), ("a , b", ""), ("a 1w, b 1x", "1px"), ("a 1x, b 1w", "1px"),
        ("a 1w, b 2x", "0.5px"), ("a 2x, b 1w", "0.5px"),
    ],
)  # fmt: skip
def test_of_two_with_one_density_the_first_is_kept(srcset: str, sizes: str) -> None:
    check(f"<img srcset='{srcset}' sizes='{sizes}'>", "a")
    check(f"<picture><source srcset='{srcset}' sizes='{sizes}'><img></picture>", "a")
    assert len(source_set(srcset, sizes=sizes, viewport=SCREEN)) == 1


# current-pixel-density


@pytest.mark.parametrize(
    ("srcset", "sizes", "density"),
    [
        ("a 1x", "", 1.0),
        ("a 1.6x", "", 1.6),
        ("a 2x", "", 2.0),
        ("a 10000x", "", 10000.0),
        ("a 9e99999999999999999999999x", "", None),
        ("a 256w", "256px", 1.0),
        ("a 512w", "256px", 2.0),
        ("a 256w", "512px", 0.5),
        ("a 256w", "1px", 256.0),
        ("a 256w", "0px", float("inf")),
    ],
)
def test_the_density_of_a_candidate(srcset: str, sizes: str, density: float | None) -> None:
    found = [density for _, density in source_set(srcset, sizes=sizes, viewport=SCREEN)]
    assert found == ([] if density is None else [pytest.approx(density)])


# sizes-auto: 1 where the image is laid out small, 2 where it is the viewport


@pytest.mark.parametrize(
    ("attributes", "sizes", "expected"),
    [
        ("", "1px", "a"),
        ("", "", "b"),
        ("loading=lazy width=10", "auto", "a"),
        ("loading=lazy width=10", "AUTO", "a"),
        ("loading=lazy width=500", "auto", "b"),
        ("loading=lazy width=10 style='visibility: hidden'", "auto", "a"),
        ("loading=lazy width=10 style='display: inline' hidden", "auto", "a"),
        ("loading=lazy", "100vw, auto", "b"),
        ("loading=eager width=10", "auto", "b"),
        # The newest vectors let sizes of a lazy image that says nothing be auto; Chromium 156 takes 100vw.
        ("loading=lazy width=10", "", "b"),
        # And a width of 0 be no width; Chromium 156 takes the smallest for it.
        ("loading=lazy width=0", "auto", "a"),
    ],
)
def test_auto_asks_the_layout(attributes: str, sizes: str, expected: str) -> None:
    check(f"<img {attributes} srcset='a 50w, b 51w' sizes='{sizes}'>", expected)
    check(f"<picture><source srcset='a 50w, b 51w' sizes='{sizes}'><img {attributes}></picture>", expected)


# preload with imagesrcset


@pytest.mark.parametrize(
    ("attributes", "dpr", "expected"),
    [
        ("href=h imagesrcset='a 200w, b 400w, c 800w' imagesizes=400px", 1, "b"),
        ("href=h imagesrcset='a 200w, b 400w, c 800w' imagesizes=400px", 2, "c"),
        ("href=h imagesrcset='a 1x, b 2x'", 1, "a"),
        ("href=h imagesrcset='a 1x, b 2x'", 2, "b"),
        ("imagesrcset='a 1x, b 2x'", 1, "a"),
        ("href=h imagesrcset", 1, "h"),
        ("href=h media='(max-width: 1px)'", 1, None),
        ("href=h type=image/png", 1, "h"),
        ("href=h type=image/foobar", 1, None),
    ],
)
def test_a_preload_of_an_image(attributes: str, dpr: float, expected: str | None) -> None:
    screen = Viewport(800, 600, dpr=dpr)
    (in_page,) = preload_sources(f"<link rel=preload as=image {attributes}>", base_url=PAGE, viewport=screen)
    assert (in_page and in_page.rpartition("/")[2]) == expected
