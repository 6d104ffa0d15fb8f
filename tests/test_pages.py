# ruff: noqa: E501 (markup, as it stands in pages)
"""What a browser would show of a page."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgfetch.api.selection.current_src import current_sources, preload_sources, source_set
from imgfetch.errors import InputError
from imgfetch.model.markup import Viewport
from measuring import cpu_seconds

URL = "http://p.test/d/i.html"
RECORDED = Path(__file__).parent / "browser" / "recorded" / "chromium-156.jsonl.gz"
SCREEN = Viewport(1000, 700, dpr=2.0)


def check(
    markup: str | bytes,
    *expected: str | None,
    viewport: Viewport = SCREEN,
    browser: str = "chromium",
    scripting: bool = True,
    content_type: str | None = None,
    memory_cache: bool = False,
) -> None:
    """What is shown of each image, relative to the page."""
    shown = current_sources(
        markup,
        base_url=URL,
        viewport=viewport,
        browser=browser,
        scripting=scripting,
        content_type=content_type,
        memory_cache=memory_cache,
    )
    assert [url and url.removeprefix("http://p.test/d/") for url in shown] == list(expected)


def recorded() -> list[dict[str, Any]]:
    with gzip.open(RECORDED, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def test_a_browser_that_nobody_knows_is_named() -> None:
    for read in (current_sources, preload_sources):
        with pytest.raises(InputError, match="'ie' is not one of chromium, firefox"):
            read("<img src=a>", base_url=URL, viewport=SCREEN, browser="ie")


@pytest.mark.parametrize("feature", sorted({case["feature"] for case in recorded()}))
def test_the_choice_is_that_of_chromium(feature: str) -> None:
    for case in recorded():
        if case["feature"] == feature:
            viewport = Viewport(
                case["width"], case["height"], dpr=case["dpr"], color_scheme=case["color_scheme"]
            )
            shown = current_sources(case["page"], base_url=case["base_url"], viewport=viewport)
            assert list(shown) == case["current_sources"], case["id"]


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<img src=a>", ["a"]),
        ("<img><img src=''><img src=' '><img srcset><img srcset=' , '>", [None] * 5),
        ("<img srcset='a, b 2x' src=c>", ["b"]),
        ("<img srcset='a 3x' src=c>", ["a"]),
        ("<img srcset='a 0.5x' src=c>", ["c"]),
        ("<img srcset='a 9q' src=c>", ["c"]),
        ("<img srcset='a 500w, b 2000w' sizes=500px src=c>", ["b"]),
        ("<img srcset='a 500w, b 2000w' sizes=100px src=c>", ["a"]),
        ("<img srcset='a 500w' src=c>", ["a"]),
        ("<img srcset='a 1w, b 2w' sizes=0px>", ["a"]),
        ("<img srcset='a 2x' src=' '>", ["a"]),
        ("<img srcset='a 0.5x' src=' '>", [None]),
    ],
)  # fmt: skip
def test_an_image_is_chosen_by_density(markup: str, expected: list[str | None]) -> None:
    check(markup, *expected)


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<source srcset=a><img src=i>", "a"),
        ("<source media=print srcset=a><source srcset=b><img src=i>", "b"),
        ("<source type=image/foo srcset=a><source type='image/webp; q=1' srcset=b><img src=i>", "b"),
        ("<source><source srcset><source srcset=', ,'><source srcset='a 9q'><img src=i>", "i"),
        ("<source srcset='a 0.1x'><img src=i>", "a"),
        ("<source media='(width < 1000px)' srcset=a><source media='' srcset=b><img src=i>", "b"),
        ("<source srcset='a 100w, b 3000w' sizes=1px><img src=i sizes=900px>", "a"),
    ],
)
def test_the_first_source_that_holds_stands_for_the_image(markup: str, expected: str) -> None:
    check(f"<picture>{markup}</picture>", expected)


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<img src=b><img srcset='a 1x, b 3x'>", ["b", "b"]),
        ("<img src=b#f><img srcset='a 1x, ./b#g 3x'>", ["b#f", "b#g"]),
        ("<img srcset='a 1x, b 3x'><img src=b>", ["a", "b"]),
        ("<img loading=lazy src=b><img srcset='a 1x, b 3x'>", ["b", "a"]),
        ("<img srcset='a, data:,x 3x, b 4x'>", ["data:,x"]),
        ("<img srcset='a, data:,x .5x'>", ["a"]),
        ("<img src='b c'><img srcset='a 1x, b%20c 3x'>", ["b%20c", "b%20c"]),
        ("<img src=é><img srcset='a 1x, é 3x'>", ["%C3%A9", "%C3%A9"]),
        ("<picture><source srcset='a 1x, b 3x'><img><img></picture>", ["a", "a"]),
        ("<picture><source srcset='a 1x, b 3x'><img><p><img src=b></p><img></picture>", ["a", "b", "b"]),
    ],
)
def test_a_denser_image_that_is_at_hand_is_taken(markup: str, expected: list[str]) -> None:
    check(markup, *expected, viewport=Viewport(1000, 700), memory_cache=True)


def test_what_the_page_has_loaded_does_not_decide_unless_it_is_asked_for() -> None:
    check("<img src=b><img srcset='a 1x, b 3x'>", "b", "a", viewport=Viewport(1000, 700))
    check("<img srcset='a 1x, data:,b 3x'>", "data:,b", viewport=Viewport(1000, 700))


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("sizes=auto", 1000.0),
        ("sizes=auto loading=lazy", 300.0),
        ("sizes=auto loading=LAZY width=213", 213.0),
        ("sizes='auto, 50px' loading=lazy width=50%", 492.0),
        ("sizes=auto loading=lazy width=-5", 300.0),
        ("sizes='auto 5px' loading=lazy width=8", 8.0),
        ("sizes=auto loading=lazy width='40abc'", 40.0),
        ("sizes=auto loading=lazy width=99 style='Width : 30VW !important'", 300.0),
        ("sizes=auto loading=lazy width=400 style='max-width:120px'", 120.0),
        ("sizes=auto loading=lazy style='min-width:calc(10vw + 344px)'", 444.0),
        ("sizes=auto loading=lazy width=99 style='width:foo'", 99.0),
        ("sizes=100px loading=lazy width=5", 100.0),
    ],
)
def test_auto_is_how_wide_a_lazy_image_is_laid_out(attributes: str, expected: float) -> None:
    ladder = ", ".join(f"{width} {width}w" for width in range(1, 1001))
    check(f"<img {attributes} srcset='{ladder}'>", f"{expected:g}", viewport=Viewport(1000, 700))


def test_auto_of_a_source_is_the_width_of_its_image() -> None:
    ladder = ", ".join(f"{width} {width}w" for width in range(1, 400))
    one = Viewport(1000, 700)
    check(
        f"<picture><source sizes=auto srcset='{ladder}'><img loading=lazy width=123></picture>",
        "123",
        viewport=one,
    )
    check(
        f"<picture><source sizes=auto width=222 srcset='{ladder}'><img loading=lazy width=9></picture>",
        "222",
        viewport=one,
    )


def test_urls_are_those_of_the_base() -> None:
    check("<base href=/b/><img src=a>", "http://p.test/b/a")
    check("<base href='http://['><img src=a><img src=http://q.test/>", None, "http://q.test/")
    check("<base href='http://['><img src=a>", "a", browser="firefox")
    check("<img src=http://x:99999/>", "http://x:99999/")


def test_noscript_counts_only_where_scripts_are_off() -> None:
    markup = "<body><noscript><img src=a></noscript><img src=b>"
    check(markup, "b")
    check(markup, "a", "b", scripting=False)


def test_bytes_are_decoded_as_a_browser_does() -> None:
    check("<meta charset=latin1><img src='é?é'>".encode("latin-1"), "%C3%A9?%E9")
    check("<img src='é?é'>".encode("utf-16"), "%C3%A9?%C3%A9")
    check(
        "<img src='é?é'>".encode("koi8-r", "xmlcharrefreplace"),
        "%C3%A9?%26%23233%3B",
        content_type="text/html; charset=koi8-r",
    )


def test_firefox_differs_where_it_does() -> None:
    markup = "<picture><source type=image/jxl srcset=a><img src=i></picture>"
    check(markup, "a")
    check(markup, "i", browser="firefox")
    unparsed = "<img src=http://x:99999/ srcset='a 9x'>"
    check(unparsed, "http://x:99999/", viewport=Viewport(1000, 700))
    check(unparsed, "a", viewport=Viewport(1000, 700), browser="firefox")
    check("<img src=' '>", None)
    check("<img src=' '>", "i.html", browser="firefox")
    sizes = "<img sizes='round(333px, 50px), 10px' srcset='a 100w, b 700w, c 2000w'>"
    check(sizes, "a")
    check(sizes, "b", browser="firefox")


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<link rel=preload as=image href=a>", ["a"]),
        ("<link rel='x PRELOAD' as=IMAGE href=f imagesrcset='a, b 2x'>", ["b"]),
        ("<link rel=preload as=image href=f imagesrcset='a 100w, b 900w' imagesizes=300px>", ["b"]),
        ("<link rel=preload as=image href=f imagesrcset>", ["f"]),
        ("<link rel=preload as=image><link rel=preload as=image href=a type=image/foo><link rel=preload as=image href=a media=print>", [None] * 3),
        ("<link rel=preload as=font href=a><link rel=prefetch as=image href=a><link rel=preload href=a>", []),
        ("<template><link rel=preload as=image href=a></template><body><link rel=preload as=image href=b>", ["b"]),
        ("<base href=/b/><link rel=preload as=image href=a>", ["http://p.test/b/a"]),
    ],
)  # fmt: skip
def test_a_preload_loads_what_an_image_would(markup: str, expected: list[str | None]) -> None:
    loads = preload_sources(markup, base_url=URL, viewport=SCREEN)
    assert [url and url.removeprefix("http://p.test/d/") for url in loads] == expected


def test_preloads_of_the_header_come_first_and_know_no_base() -> None:
    headers = [
        "<a>; rel=preload; as=image, <b>;rel=stylesheet",
        '<f>;rel=preload;as=image;imagesrcset="c, d 2x"',
    ]
    markup = "<base href=/b/><link rel=preload as=image href=e>"
    loads = preload_sources(markup, base_url=URL, viewport=SCREEN, link_headers=headers)
    assert loads == ("http://p.test/d/a", "http://p.test/d/d", "http://p.test/b/e")


def test_a_source_set_is_normalised() -> None:
    one = Viewport(500, 500)
    assert source_set("a 1000w, b 500w, c 1000w", src="s", viewport=one) == (("a", 2.0), ("b", 1.0))
    assert source_set("a 2x, b 1.5x", src=" s ", viewport=one) == (("a", 2.0), ("b", 1.5), ("s", 1.0))
    assert source_set("a 100w", sizes="(min-width: 1px) 50px, 1px", viewport=one) == (("a", 2.0),)
    assert source_set("", viewport=one) == ()


@pytest.mark.parametrize(
    "markup",
    [
        "<picture>" + "<source media='(a)' srcset=s>" * 20_000 + "<img src=i>" * 20_000,
        "<picture><source srcset='" + "s 1x," * 20_000 + "'>" + "<img src=i>" * 20_000,
        "<picture>" + "<source media=print srcset=s><img src=i>" * 20_000,
        "<picture><source srcset='" + ",".join(f"s {n}w" for n in range(20_000, 0, -1)) + "'>" + "<img src=i>" * 20_000,
        "<img srcset='" + "a 1w," * 200_000 + "'>",
        "<img loading=lazy sizes=auto style='" + "width:" * 200_000 + "' width='" + "9" * 200_000 + "' srcset='a 1w'>",
        "<img src=a>" * 50_000,
    ],
    ids=range(7),
)  # fmt: skip
def test_a_hostile_page_is_chosen_from_whole(markup: str) -> None:
    assert current_sources(markup, base_url=URL, viewport=SCREEN)


def test_of_a_long_ladder_what_is_at_hand_and_of_equals_the_first_written_is_shown() -> None:
    ladder = ", ".join(f"{width} {width}w" for width in (200, *range(400, 0, -1)))
    widths = (0, 123, 350, 351, 500)
    lazy = "".join(f"<img loading=lazy sizes=auto width={width}>" for width in widths)
    markup = f"<img src=300><img src=350><img src=5><picture><source sizes=auto srcset='{ladder}'>{lazy}"
    check(
        markup,
        *("300", "350", "5", "200", "350", "350", "351", "400"),
        viewport=Viewport(1000, 700),
        memory_cache=True,
    )
    check(
        markup,
        *("300", "350", "5", "200", "123", "350", "351", "400"),
        viewport=Viewport(1000, 700),
        browser="firefox",
    )


LADDER = ", ".join(f"{width} {width}w" for width in (60, 100, 150, 200, 300, 400, 600, 800, 1000, 1600, 2600))
TWICE = Viewport(800, 600, dpr=2.0)


@pytest.mark.parametrize(
    ("source", "image", "chromium", "firefox"),
    [
        (None, "auto", "400", "400"),
        (None, "AUTO", "400", "400"),
        (None, "automobile", "400", "1600"),
        (None, "auto ,5px", "400", "1600"),
        (None, " auto", "1600", "1600"),
        ("auto", "auto", "400", "400"),
        ("auto, 100px", "auto, 100px", "400", "400"),
        ("300px", "auto", "600", "400"),
        ("", "auto", "1600", "400"),
        ("foo, auto", "auto", "400", "400"),
        ("auto", "300px", "400", "1600"),
        ("auto,100px", None, "400", "200"),
        ("300px", None, "600", "600"),
    ],
)
def test_auto_of_a_lazy_image_counts_for_its_source_as_each_browser_has_it(
    source: str | None, image: str | None, chromium: str, firefox: str
) -> None:
    of_source = "" if source is None else f'sizes="{source}"'
    of_image = "" if image is None else f'sizes="{image}"'
    markup = f'<picture><source {of_source} srcset="{LADDER}"><img loading=lazy width=200 {of_image} src=x></picture>'
    check(markup, chromium, viewport=TWICE)
    check(markup, firefox, viewport=TWICE, browser="firefox")


@pytest.mark.parametrize(
    ("sizes", "firefox"),
    [
        ("auto", "400"),
        ("AUTO,300px", "400"),
        (" auto, 300px", "600"),
        ("auto , 300px", "600"),
        ("auto ", "1600"),
        ("au\\74o", "1600"),
        ("auto/**/, 50px", "100"),
    ],
)
def test_firefox_takes_auto_only_as_it_is_written(sizes: str, firefox: str) -> None:
    markup = f'<img loading=lazy width=200 sizes="{sizes}" srcset="{LADDER}">'
    check(markup, "400", viewport=TWICE)
    check(markup, firefox, viewport=TWICE, browser="firefox")


@pytest.mark.parametrize(
    ("media", "chromium", "firefox"),
    [
        ("(max-width: 799.99px)", "y", "n"),
        ("(max-width: 799.99999px)", "y", "y"),
        ("(min-width: 800.004px)", "y", "n"),
        ("(width: 50em)", "y", "y"),
        ("(min-resolution: 75.6dpcm)", "y", "n"),
        ("(resolution: 75.59055dpcm)", "y", "y"),
        ("(aspect-ratio: 1.6/1.2)", "y", "n"),
        ("(min-aspect-ratio: 4/3)", "y", "y"),
    ],
)
def test_firefox_compares_media_features_exactly(media: str, chromium: str, firefox: str) -> None:
    markup = f'<picture><source media="{media}" srcset=y><img src=n></picture>'
    check(markup, chromium, viewport=TWICE)
    check(markup, firefox, viewport=TWICE, browser="firefox")


@pytest.mark.parametrize(
    ("markup", "chromium", "firefox"),
    [
        ("<img sizes=600px srcset='a 0640w, b 100w'>", "a", "b"),
        ("<img sizes=600px srcset='a 640w 0480h, b 100w'>", "a", "b"),
        ("<img srcset='a 01x, b 3x'>", "b", "b"),
        ("<img srcset='a 1.99999999x, b 3x'>", "a", "b"),
        ("<img sizes=300.004px srcset='a 600w, b 800w'>", "b", "a"),
        ("<img sizes=300.0085px srcset='a 600w, b 800w'>", "b", "b"),
    ],
)
def test_firefox_counts_widths_in_its_own_way(markup: str, chromium: str, firefox: str) -> None:
    check(markup, chromium, viewport=TWICE)
    check(markup, firefox, viewport=TWICE, browser="firefox")


def test_a_pixel_of_firefox_is_a_whole_number_of_sixtieths_of_a_css_pixel() -> None:
    densities = ", ".join(f"{number} {number / 100}x" for number in range(90, 300))
    for dpr, chromium, firefox in (
        (1.1, "110", "110"),
        (1.7, "170", "172"),
        (2.625, "263", "261"),
        (1, "100", "100"),
    ):
        check(f"<img srcset='{densities}'>", chromium, viewport=Viewport(800, 600, dpr=dpr))
        check(f"<img srcset='{densities}'>", firefox, viewport=Viewport(800, 600, dpr=dpr), browser="firefox")


@pytest.mark.parametrize(
    "host",
    ["a*b.test", 'a"b.test', "xn--a.test", "xn--.test", "xn--0.test", "xn--bcher-kva8.test", "é*.test"],
)
def test_firefox_shows_nothing_of_a_host_that_is_no_name(host: str) -> None:
    check(f"<img src='http://{host}/x'>", None, browser="firefox")


@pytest.mark.parametrize(
    "host", ["a!b.test", "a{b.test", "xn--bcher-kva.test", "a.xn--ls8h.test", "xn--zca.test"]
)
def test_firefox_shows_what_is_a_name_to_it(host: str) -> None:
    check(f"<img src='http://{host}/x'>", f"http://{host}/x", browser="firefox")


def test_firefox_drops_the_spaces_of_base64_and_the_host_of_a_file() -> None:
    check(
        "<img src='data:image/png ; BASE64 , a b%20c#f g'>",
        "data:image/png;BASE64,ab%20c#fg",
        browser="firefox",
    )
    check("<img src='data:image/png;base64;x=y,a b'>", "data:image/png;base64;x=y,a b", browser="firefox")
    check("<img src='file://host/x'>", "file:///x", browser="firefox")


def test_a_base_moves_no_image_before_it_but_a_lazy_one_of_chromium() -> None:
    markup = "<img src=a><base><base href=/b/><img src=c>"
    check(markup, "a", "http://p.test/b/c")
    check(markup, "a", "http://p.test/b/c", browser="firefox")
    check("<img loading=lazy src=a><base href=/b/>", "http://p.test/b/a")
    check("<img loading=lazy src=a><base href=/b/>", "a", browser="firefox")


@pytest.mark.parametrize(
    ("markup", "shown"),
    [
        ("<img src=http://a.test/x>", "https://a.test/x"),
        ("<img src=http://a.test:8080/x>", "https://a.test:8080/x"),
        ("<img loading=lazy src=HTTP://a.test/x>", "https://a.test/x"),
        ("<img srcset='' src=http://a.test/x>", "http://a.test/x"),
        ("<picture><img src=http://a.test/x></picture>", "http://a.test/x"),
        ("<picture><p><img src=http://a.test/x></picture>", "https://a.test/x"),
        ("<img src=http://8.8.8.8/x>", "http://8.8.8.8/x"),
        ("<img src=http://[::1]/x>", "http://[::1]/x"),
        ("<img src=http://x.localhost:1/x>", "http://x.localhost:1/x"),
        ("<img src=http://u:p@a.test/x>", "http://u:p@a.test/x"),
    ],
)
def test_chromium_upgrades_an_image_of_a_secure_page(markup: str, shown: str) -> None:
    assert current_sources(markup, base_url="https://p.test/", viewport=SCREEN) == (shown,)
    unchanged = current_sources(markup, base_url="http://p.test/", viewport=SCREEN)[0]
    assert unchanged == shown.replace("https:", "http:")


def test_an_empty_preload_of_firefox_is_the_page() -> None:
    markup = "<link rel=preload as=image href=''><link rel=preload as=image imagesrcset=''>"
    found = preload_sources(markup, base_url=URL, viewport=SCREEN, browser="firefox")
    assert found == (URL, None)
    assert preload_sources(markup, base_url=URL, viewport=SCREEN) == (None, None)


@pytest.mark.parametrize(
    ("candidate", "size"), [("", "(width: 1px) 1px, "), ("u {}w, ", ""), ("u {}w, u {}x, ", "")]
)
def test_time_is_linear_in_the_lazy_images_of_one_picture(candidate: str, size: str) -> None:
    def seconds(times: int) -> float:
        ladder = "".join(candidate.format(*(number, number)) for number in range(3, times + 3))
        images = "".join(f"<img loading=lazy width={width}>" for width in range(1, times + 1))
        markup = f"<picture><source srcset='{ladder}a 1w, b 2w' sizes='{size * times}auto'>{images}"
        return cpu_seconds(lambda: current_sources(markup, base_url=URL, viewport=SCREEN))

    seconds(30)
    assert seconds(800) < 20 * max(seconds(80), 0.005)  # quadratic would be 100 times as long


@settings(deadline=None)
@given(st.lists(st.sampled_from(["<picture>", "</picture>", "<source srcset='a 1w' sizes='(", "<img src=i ", "srcset='a 1x, b 2w'", ">", "'", "sizes=auto loading=lazy", "<base href='http://[", "<base href=about:blank>", "media='(width", "\ud800", "\0"])), st.sampled_from(["", URL, "about:blank", "http://["]))  # fmt: skip
def test_any_page_is_chosen_from(pieces: list[str], base_url: str) -> None:
    markup = "".join(pieces)
    for browser in ("chromium", "firefox"):
        current_sources(markup, base_url=base_url, viewport=SCREEN, browser=browser)
        preload_sources(markup, base_url=base_url, viewport=SCREEN, browser=browser, link_headers=[markup])
