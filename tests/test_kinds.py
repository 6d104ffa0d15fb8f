"""Which images of a document are taken: kinds, content, and the main image."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import pytest

from imgfetch import InputError, find_images
from imgfetch.markup.same_picture import picture_name
from imgfetch.model.markup import Candidate, SourceKind, SourceSet
from imgfetch.rules.image.kinds import ALL, CONTENT, MOST_CARDS, LeftOut, Sieve, counted, kinds_of, taking
from imgfetch.rules.image.main_image import main_image


def taken(page: str, kinds: str = "content") -> list[str]:
    found = find_images(page, base_url="https://h.example/p/")
    judged = Sieve(kinds_of(kinds)).judge_all(found)
    return [each.candidates[0].url.removeprefix("https://h.example") for each, why in judged if why is None]


def left_out(page: str, kinds: str = "content") -> list[LeftOut]:
    found = find_images(page, base_url="https://h.example/p/")
    return [why for _, why in Sieve(kinds_of(kinds)).judge_all(found) if why is not None]


def main_of(page: str) -> str | None:
    found = find_images(page, base_url="https://h.example/p/")
    image = main_image(Sieve(CONTENT).judge_all(found))
    return image and image.candidates[0].url.removeprefix("https://h.example")


PAGE = """<link rel=icon href=/favicon.ico><meta property=og:image content=/u/hero-1200x630.jpg>
<meta name=twitter:image content=/u/hero-1200x630.jpg><meta property=og:image content=/other.jpg>
<img src=/u/hero-800x600.jpg><video poster=/still.jpg></video>
<noscript><img src=https://t.example/tr?id=1 width=1 height=1></noscript>"""


def test_content_is_what_a_reader_calls_the_pictures() -> None:
    assert taken(PAGE) == ["/u/hero-800x600.jpg", "/still.jpg", "/other.jpg"]
    assert sorted(left_out(PAGE)) == sorted((LeftOut.ICON, LeftOut.CARD, LeftOut.CARD, LeftOut.PIXEL))


@pytest.mark.parametrize(
    ("kinds", "urls"),
    [
        ("+icon", ["/favicon.ico", "/u/hero-800x600.jpg", "/still.jpg", "/other.jpg"]),
        ("-poster", ["/u/hero-800x600.jpg", "/other.jpg"]),
        ("content-meta", ["/u/hero-800x600.jpg", "/still.jpg"]),
        ("img,poster", ["/u/hero-800x600.jpg", "/still.jpg"]),
        ("img + icon", ["/favicon.ico", "/u/hero-800x600.jpg"]),
        ("IMG,", ["/u/hero-800x600.jpg"]),
        ("content,+icon", ["/favicon.ico", "/u/hero-800x600.jpg", "/still.jpg", "/other.jpg"]),
        ("+icon, -poster,-meta", ["/favicon.ico", "/u/hero-800x600.jpg"]),
        ("meta", ["/u/hero-1200x630.jpg", "/u/hero-1200x630.jpg", "/other.jpg"]),
    ],
)
def test_kinds_are_added_and_taken_away(kinds: str, urls: list[str]) -> None:
    assert taken(PAGE, kinds) == urls


@pytest.mark.parametrize("kinds", ["", ",", "img picture", "img;picture", "img++icon", "img,,icon"])
def test_what_is_no_list_of_kinds_is_said_as_it_was_written(kinds: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"{kinds!r} is not a list of kinds")):
        kinds_of(kinds)


def test_all_is_every_image_and_a_collection_does_as_well() -> None:
    assert len(taken(PAGE, "all")) == 7
    assert kinds_of(["img", "picture"]) == kinds_of("picture,img")
    assert kinds_of("all") == ALL
    assert kinds_of("content") == CONTENT


@pytest.mark.parametrize("text", ["icons", "", "img;icon", "+", "img,,icon", "all-"])
def test_what_is_not_a_kind_is_refused_with_those_that_are(text: str) -> None:
    with pytest.raises(InputError):
        kinds_of(text)


def test_a_page_whose_only_picture_is_its_card_gives_it_once() -> None:
    page = """<meta property=og:image content=/a.jpg><meta name=twitter:image content=/a.jpg?w=600>
    <script type=application/ld+json>{"image": "https://h.example/a.jpg"}</script><p>Text"""
    assert taken(page) == ["/a.jpg"]


@pytest.mark.parametrize(
    "image",
    [
        "<img src=/t width=1 height=1>",
        "<img src=/t width=0 height='1px'>",
        "<img src=/t style='height:1px;width:1px'>",
        "<img src=/t width=1 height=1 style='display:none'>",
        "<noscript><div><img src=https://mc.example/watch/1 style='left: -9999px;'></div></noscript>",
        "<noscript><img src=/t style='DISPLAY : none'></noscript>",
        "<img src=/p.gif?id=1 width=1 height=1><noscript><img src=/p.gif?id=1 width=1 height=1></noscript>",
    ],
)
def test_a_tracking_pixel_is_told_by_its_markup(image: str) -> None:
    assert left_out(image) == [LeftOut.PIXEL]


def test_two_trackers_with_one_name_are_two_pixels() -> None:
    page = "<img src=/p.gif?id=1 width=1 height=1><noscript><img src=/p.gif?id=2 width=1 height=1></noscript>"
    assert left_out(page) == [LeftOut.PIXEL, LeftOut.PIXEL]


@pytest.mark.parametrize(
    "image",
    [
        "<img src=/t.gif>",
        "<img src=/t width=1>",
        "<img src=/t width=100% height=1>",
        "<img src=/t width=1 height=1 style='width:100%;height:auto'>",
        "<img src=/t width=1 height=1 srcset='/t 400w, /u 800w'>",
        "<amp-img src=/t width=1 height=1 layout=responsive></amp-img>",
        "<img src=/t style='display:none'>",
        "<img src=/t width=10 height=10>",
    ],
)
def test_what_may_be_seen_is_no_tracking_pixel(image: str) -> None:
    assert left_out(image) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://h/u/hero-1024x683.jpg", "https://h/u/hero.jpg"),
        ("https://h/u/hero-scaled.jpg", "https://h/u/hero-300x200.jpg?x=1"),
        ("https://i0.wp.com/h/u/hero.jpg?resize=600", "https://h/u/hero.jpg"),
        ("https://h/_next/image?url=%2Fu%2Fhero.jpg&w=640", "https://h/u/hero.jpg"),
        ("https://h/cdn-cgi/image/width=800,quality=75/https://h/u/hero.jpg", "https://h/u/hero@2x.jpg"),
        ("https://c/image/upload/w_1200,h_630,c_fill/v1/hero.jpg", "https://c/image/upload/v1/hero.webp"),
        ("https://h/i.php?id=1&w=800&q=75", "https://h/i.php?id=1"),
        ("https://h/u/hero-1200.jpg", "https://h/u/hero-640.jpg"),
        ("https://s/image/fetch/w_1456,c_limit/https%3A%2F%2Fb%2Fu%2Fhero.png", "https://b/u/hero.png"),
    ],
)
def test_renditions_of_a_picture_share_a_name(one: str, other: str) -> None:
    assert picture_name(one) == picture_name(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://h/u/IMG_1200.jpg", "https://h/u/IMG_1201.jpg"),
        ("https://h/a/hero.jpg", "https://h/b/hero.jpg"),
        ("https://h/image?id=1", "https://h/image?id=2"),
        ("https://h/a-1.jpg", "https://h/a-2.jpg"),
        ("https://h/800.jpg", "https://h/900.jpg"),
        ("https://h/i.php?id=1", "https://h/i.php?id=2"),
        ("https://h/report-2024.jpg", "https://h/report-2023.jpg"),
        ("https://h/room-201.jpg", "https://h/room-202.jpg"),
    ],
)
def test_different_pictures_have_different_names(one: str, other: str) -> None:
    assert picture_name(one) != picture_name(other)


def test_a_name_of_any_url_is_found_in_linear_time() -> None:
    assert picture_name("data:image/png;base64,AAAA") == ""
    for url in ("https://h/" + "w_1," * 50_000, "/https://" * 20_000, "https://h/" + "-100x100" * 20_000):
        picture_name(url)


@pytest.mark.parametrize(
    ("page", "main"),
    [
        ("<img src=/1.jpg><main><img src=/2.jpg><img src=/3.jpg></main>", "/2.jpg"),
        (
            "<meta property=og:image content=/3-1200x630.jpg><main><img src=/2.jpg><img src=/3.jpg></main>",
            "/3.jpg",
        ),
        ("<header><img src=/banner.jpg></header><p><img src=/1.jpg>", "/1.jpg"),
        ("<article><header><img src=/hero.jpg></header><img src=/2.jpg></article>", "/hero.jpg"),
        ("<div role=main><aside><img src=/ad.jpg></aside><img src=/2.jpg></div>", "/2.jpg"),
        ("<main><img src=/face.jpg width=48 height=48><img src=/2.jpg></main>", "/2.jpg"),
        ("<img src=/logo.svg><img src=/i/photo.jpg>", "/i/photo.jpg"),
        ("<link rel=icon href=/f.ico><img src=/img/logo.png><img src=/b.jpg>", "/b.jpg"),
        ("<meta property=og:image content=/card.jpg><nav><img src=/n.jpg></nav><p>Text", "/card.jpg"),
        ("<meta property=og:image content=/site.jpg><article><img src=/a.jpg></article>", "/a.jpg"),
        ("<div style='background:url(/bg.jpg)'></div><img src=/a.jpg>", "/a.jpg"),
        ("<aside><article><img src=/teaser.jpg></article></aside><div><img src=/a.jpg></div>", "/a.jpg"),
        ("<main><article><aside><img src=/ad.jpg></aside><img src=/a.jpg></article></main>", "/a.jpg"),
        ("<nav><img src=/n.jpg></nav>", "/n.jpg"),
        ("<link rel=icon href=/f.ico>", None),
    ],
)
def test_the_main_image_is_the_one_that_a_page_is_about(page: str, main: str | None) -> None:
    assert main_of(page) == main


def test_deeply_nested_pages_take_linear_time() -> None:
    assert len(taken("<div>" * 3_000 + "<img src=/a.jpg>" * 3_000)) == 3_000


def test_the_documentation_lists_every_kind() -> None:
    text = (Path(__file__).parents[1] / "docs/images.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([\w-]+)` \|", text, re.MULTILINE)) == set(SourceKind)


def test_a_million_cards_are_not_held() -> None:
    cards = (SourceSet((Candidate(f"/{number}.jpg"),), SourceKind.META) for number in range(3 * MOST_CARDS))
    judged = Sieve(CONTENT).judge_all(chain(cards, [SourceSet((Candidate("/1.jpg"),), SourceKind.IMG)]))
    assert next(judged)[0].candidates[0].url == f"/{MOST_CARDS}.jpg"  # the first that was not held
    assert [image.candidates[0].url for image, why in judged if why is LeftOut.CARD] == ["/1.jpg"]


def test_counts_are_said_in_words_with_the_way_to_take_the_images() -> None:
    assert (
        counted({LeftOut.ICON: 1, LeftOut.CARD: 2})
        == "2 social cards and preloads that repeat an image, 1 icon"
    )
    assert taking({LeftOut.ICON, LeftOut.SCRIPT}) == "+icon+script"
    assert taking({LeftOut.ICON, LeftOut.PIXEL}) == "all"
    assert set(SourceKind) == CONTENT.content | {SourceKind.ICON, SourceKind.SCRIPT}
