# ruff: noqa: E501 (markup, as it stands in pages)
"""Every image that a page offers."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgfetch.markup.page.discovery import find_page_images
from imgfetch.model.markup import SourceKind
from measuring import cpu_seconds
from offered import BASE, DRAWN_SVG, EMPTY_SVG, PIXEL, check


def test_an_img_is_its_srcset_and_its_src_where_no_width_is_given() -> None:
    check("<img src=a>", "img: a")
    check("<img src=a srcset='b 2x'>", "img: b 2x, a")
    check("<img src=a srcset='a, b 2x'>", "img: a, b 2x")
    check("<img src=a srcset='b 100w, c 200w'>", "img: b 100w, c 200w ~ a")
    check("<img><img src=''><img srcset=' , '>")


def test_sizes_and_alt_of_an_img_are_returned() -> None:
    (image,) = find_page_images("<img srcset='a 1w' sizes='(x) 1px, 2px' alt=' A &amp; B '>")
    assert (image.sizes, image.alt) == ("(x) 1px, 2px", " A & B ")


def test_a_picture_keeps_its_sources_apart() -> None:
    check(
        "<picture><source media='(a)' type=image/webp srcset='s 1x, t 2x'><source srcset='u 9w' sizes=3px><img src=i></picture>",
        "picture: i [(a) image/webp s 1x, t 2x] [ u 9w]",
    )


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        (f"<img src='{PIXEL}' data-src=a>", "lazy: a ~ data:imag"),
        (f"<img src='{PIXEL}' data-srcset='a 1w, b 2w' data-sizes=auto>", "lazy: a 1w, b 2w ~ data:imag"),
        (f"<img src=\"{EMPTY_SVG}\" data-lazy-src=a data-lazy-srcset='b 2x'>", "lazy: b 2x, a ~ data:imag"),
        ("<img src=small.jpg data-original=a>", "lazy: a, small.jpg ~ small.jpg"),
        ("<img src=blank.gif data-cfsrc=a>", "lazy: a, blank.gif ~ blank.gif"),
        ("<img nitro-lazy-src=a>", "lazy: a"),
        ("<img src=a data-src=a>", "img: a"),
        ("<img src=logo-transparent.png srcset='a 1x, b 2x'>", "img: a 1x, b 2x, logo-transparent.png"),
        ("<img src=a srcset='b 100w' data-srcset='c 200w'>", "lazy: c 200w, b 100w ~ a"),
        ("<img src=a srcset='b 20w' data-src=c>", "lazy: c, b ~ a"),
        ("<img src=a srcset='a 1x, b 2x' data-src=a>", "img: a 1x, b 2x"),
        (f"<img src='{PIXEL}' data-src='a_{{width}}x.jpg' data-widths='[180, 360]'>", "lazy: a_180x.jpg 180w, a_360x.jpg 360w ~ data:imag"),
        (f"<picture><source data-srcset='s 2x' media='(m)'><img src='{PIXEL}' data-src=a></picture>", "lazy: a [(m) s 2x] ~ data:imag"),
        (f"<img src='{PIXEL}' srcset='a 1w, b 2w'>", "img: a 1w, b 2w ~ data:imag"),
        (f"<img src='{PIXEL}' srcset='b 2x'>", "img: b 2x ~ data:imag"),
        ("<img src=a style='background-image:url(data:image/jpeg;base64,blur)'>", "img: a ~ data:imag"),
    ],
)  # fmt: skip
def test_a_placeholder_is_distinguished_from_its_image(markup: str, expected: str) -> None:
    check(markup, expected)


def test_a_placeholder_alone_is_not_an_image_unless_it_shows_something() -> None:
    check(f"<img src='{PIXEL}'><img src=\"{EMPTY_SVG}\">")
    check(f'<img src="{DRAWN_SVG}">', "img: data:imag")
    check("<img src=spacer.gif>", "img: spacer.gif")


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        (f"<p><img src='{PIXEL}' data-src=a><noscript><img src=a></noscript>", ["lazy: a ~ data:imag"]),
        (f"<p><img src='{PIXEL}' data-srcset='u/b-300.jpg 300w'> <noscript><img src=u/b.jpg></noscript>", ["lazy: u/b-300.jpg 300w, u/b.jpg ~ data:imag"]),
        (f"<p><img src='{PIXEL}' data-srcset='b 1w'> <noscript><img src=a></noscript>", ["lazy: b 1w ~ data:imag", "noscript: a"]),
        (f"<p><img src='{PIXEL}' data-src=a><img data-src=b><noscript><img src=a></noscript><noscript><img src=b></noscript>", ["lazy: a ~ data:imag", "lazy: b"]),
        ("<p><img src=blank.gif><noscript><img src=a></noscript>", ["lazy: a, blank.gif ~ blank.gif"]),
        ("<p><img src=/spacer.gif></p><div><noscript><img src=b></noscript><img data-src=b></div>", ["img: https://x.test/spacer.gif", "lazy: b"]),
        (f"<div><img src='{PIXEL}' data-image=/1/one.jpg></div><div><noscript><img src=/2/two.jpg></noscript><img data-src=/2/two.jpg></div>", ["lazy: https://x.test/1/one.jpg ~ data:imag", "lazy: https://x.test/2/two.jpg"]),
        (f"<p><img src='{PIXEL}'><noscript><img src=a></noscript><img src='{PIXEL}'><noscript><img src=b></noscript>", ["noscript: a", "noscript: b"]),
        (f"<p><img src='{PIXEL}'><noscript><img srcset='a 1x, b 2x' src=b></noscript>", ["noscript: a 1x, b 2x ~ data:imag"]),
        (f"<p><noscript><img src=a></noscript><img src='{PIXEL}' data-src=a>", ["lazy: a ~ data:imag"]),
        ("<p><img src=a><noscript><img src=b></noscript>", ["img: a", "noscript: b"]),
        (f"<p><img src='{PIXEL}' data-src=a><p>x</p><noscript><img src=track></noscript>", ["lazy: a ~ data:imag", "noscript: track"]),
        (f"<p><img src='{PIXEL}'><p>x</p><noscript><img src=track></noscript>", ["noscript: track"]),
        ("<amp-img src=a srcset='a 1x, b 2x'><noscript><img src=a></noscript></amp-img>", ["amp: a 1x, b 2x"]),
        ("<noscript><noscript><img src=a></noscript>", ["noscript: a"]),
        ("<img src='i.php?id=1'><noscript><img src='i.php?id=2'></noscript>", ["img: i.php?id=1", "noscript: i.php?id=2"]),
        ("<img src='i.php?id=1&amp;w=300'><noscript><img src='i.php?id=1'></noscript>", ["img: i.php?id=1&w=300, i.php?id=1"]),
        ("<p><img src=room-201.jpg><noscript><img src=room-202.jpg></noscript><img data-src=room-202.jpg>", ["img: room-201.jpg", "lazy: room-202.jpg"]),
        ("<p><img src=room-200.jpg><noscript><img src=room-210.jpg></noscript>", ["img: room-200.jpg", "noscript: room-210.jpg"]),
        (f"<p><img src='{PIXEL}'><noscript><img src=b></noscript><img data-src=b>", ["lazy: b"]),
        ("<p><img src=a-300x200.jpg><noscript><img src=a.jpg></noscript><noscript><img src=a-300x200.jpg></noscript>", ["img: a-300x200.jpg", "noscript: a.jpg"]),
        ("<p><img src=a-300x200.jpg alt=x><noscript><img src=a.jpg alt=y></noscript>", ["img: a-300x200.jpg", "noscript: a.jpg"]),
    ],
)  # fmt: skip
def test_a_noscript_is_joined_with_the_image_it_stands_for(markup: str, expected: list[str]) -> None:
    check(markup, *expected)


def test_the_alternative_text_is_that_of_the_picture() -> None:
    noscript = "<noscript><img src=a alt=Harbour></noscript>"
    (image,) = find_page_images(f"<p><img src='{PIXEL}' alt=Wait>{noscript}")
    assert (image.candidates[0].url, image.alt) == ("a", "Harbour")
    check(f"<p><img src=0.png alt=Zero>{noscript}", "img: 0.png", "noscript: a")


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<link rel=preload as=image href=a imagesrcset='b 1w, c 2w' imagesizes=9px>", ["preload: b 1w, c 2w"]),
        ("<link rel='x PRELOAD' as=IMAGE href=a><link rel=preload as=font href=b>", ["preload: a"]),
        ("<link rel='shortcut icon' href=a sizes=32x32><link rel=apple-touch-icon href=b><link rel=icon href='data:,'>", ["icon: a 32w", "icon: b"]),
        ("<meta property=og:image content=a><meta name=twitter:image content=b><meta name=x content=c><link rel=image_src href=d>", ["meta: a", "meta: b", "meta: d"]),
        ("<video poster=a></video><video poster></video>", ["poster: a"]),
        ("<svg><image href=a /><image xlink:href=b /><use href=c /></svg>", ["svg: a", "svg: b"]),
        ("<input type=IMAGE src=a><input src=b>", ["img: a"]),
        ("<style>.a{background:url(a)}</style><p style='mask:image-set(\"b\" 1x, \"c\" 2x)'>", ["css: a", "css: b 1x, c 2x"]),
        ("<body background=a><td background=b><table><td background=c>", ["img: a", "img: c"]),
        ("<div data-bg=a.jpg><div data-bg='url(b)'><div data-background-image=red><div data-bgset='c.jpg 1w, d.jpg 2w | e.jpg [(m)]'>", ["lazy: a.jpg", "lazy: b", "lazy: c.jpg 1w, d.jpg 2w, e.jpg"]),
        ("<template><img src=a></template><script>'<img src=b>'</script><!-- <img src=c> --><textarea><img src=d></textarea>", []),
        ("<base href=/q/><img src=a><base href=/r/>", ["img: https://x.test/q/a"]),
    ],
)  # fmt: skip
def test_images_are_found_wherever_a_page_names_them(markup: str, expected: list[str]) -> None:
    check(markup, *expected)


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<img src=a>", "img: {at_once}a"),
        ("<img src=a loading=LAZY>", "img: {later}a"),
        ("<picture><source srcset='a 2x'><img src=b></picture>", "picture: {at_once}b [ {at_once}a 2x]"),
        ("<input type=image src=a>", "img: {at_once}a"),
        ("<video poster=a></video>", "poster: {at_once}a"),
        ("<svg><image href=a /></svg>", "svg: {at_once}a"),
        ("<p style='background:url(a)'>", "css: {at_once}a"),
        ("<style>p{background:url(a)}</style>", "css: {at_once}a"),
        ("<link rel=preload as=image href=a>", "preload: {at_once}a"),
        ("<table background=a></table>", "img: {later}a"),
        ("<object data=a.png></object>", "object: {later}a.png"),
        ("<img data-src=a>", "lazy: {later}a"),
    ],
)
def test_a_base_does_not_move_what_a_browser_has_requested_before_it(markup: str, expected: str) -> None:
    later = "https://x.test/q/"
    base = "<base href=/q/>"
    check(markup + base, expected.format(at_once="", later=later))
    check(base + markup, expected.format(at_once=later, later=later))


def test_json_ld_names_images() -> None:
    check(
        """<script type="application/ld+json">{"@graph": [
            {"@type": "Article", "image": ["a", {"@type": "ImageObject", "url": "b", "width": "1200px"}]},
            {"@type": ["ImageObject"], "contentUrl": "c", "width": 640},
            {"publisher": {"logo": {"@id": "d"}}, "thumbnailUrl": "e", "image": null}
        ]}</script>""",
        *("json-ld: a", "json-ld: b 1200w", "json-ld: c 640w", "json-ld: e"),
    )


@pytest.mark.parametrize(
    ("markup", "found", "reason"),
    [
        ("<img srcset='a 1x, b 9q'>", "b 9q", "in srcset"),
        ("<img data-srcset='a 9q, b 1x'>", "a 9q", "in data-srcset"),
        ("<img src='http://['>", "http://[", "not a URL"),
        ("<img data-src='a_{width}'>", "a_{width}", "data-widths"),
        ("<script type='application/ld+json'>{bad</script>", "{bad", "not JSON"),
        ("<style>a{b:image-set(c 1x, 'd')}</style>", "c 1x", "image-set()"),
        ("<style>a{b:url(c d)}</style>", "url(c d)", "quotes"),
        ("<p style='b:url(c d)'>", "url(c d)", "quotes"),
        ("<noscript><img srcset='a 9q'></noscript>", "a 9q", "in srcset"),
        ("<img srcset='a 1w' sizes='(width) 50%, 9px'>", "(width) 50%", "a length such as 50vw or 300px"),
        ("<img srcset='a 1w' sizes='9px, width > 1px 3px'>", "width > 1px 3px", "not a media condition"),
        ("<img srcset='a 1w' sizes='((bogus) or (width)) 3px'>", "((bogus) or (width)) 3px", "not known"),
        ("<img data-srcset='a 1w' data-sizes='-1px'>", "-1px", "in sizes"),
        ("<link rel=preload as=image href=a imagesizes='1%'>", "1%", "in sizes"),
        ("<link rel=preload as=image href=a media='(min-width: 600)'>", "(min-width: 600)", "in media"),
        ("<link rel=preload as=image href=a type=webp>", "webp", "in type"),
        ("<base href='http://['><img src=a>", "http://[", "in base href"),
        ("<base href='data:,x'><img src=a>", "data:,x", "in base href"),
    ],
)
def test_an_unreadable_part_is_reported(markup: str, found: str, reason: str) -> None:
    before = "é\r\n<p>\r😀\n "
    (image,) = find_page_images(before + markup, base_url=BASE)
    (problem,) = image.problems
    assert problem.found == found
    assert reason in problem.reason
    assert problem.position == len(before)
    assert (problem.line, problem.column) == (4, 2)


@pytest.mark.parametrize(
    ("attributes", "found", "reason"),
    [
        ("srcset='a 1x, b 3q'", "b 3q", "descriptor"),
        ("srcset='a 1x' media='min-width: 3px'", "min-width: 3px", "not a media query"),
        ("srcset='a 1x' media='print, not (foo: 1)'", "not (foo: 1)", "not known"),
        ("srcset='a 1x' type=webp", "webp", "not a MIME type"),
        ("srcset='a 1w' sizes='50%, 9px'", "50%", "a length"),
    ],
)
def test_an_error_in_a_source_is_a_problem_of_its_image(attributes: str, found: str, reason: str) -> None:
    (image,) = find_page_images(f"<picture><source {attributes}>\n<img src=x></picture>")
    (problem,) = image.problems
    assert problem.found == found
    assert reason in problem.reason
    assert problem.reason.endswith("(in a source)")
    assert problem.position == len(f"<picture><source {attributes}>\n")


@pytest.mark.parametrize(
    "markup",
    [
        "<img srcset='a 1w' sizes='auto, (max-width: 30em) calc(100vw - 2rem), min(50vw, 300px)'>",
        "<img srcset='a 1w' sizes=' , '>",
        "<picture><source srcset=a media='' type=''><img src=b></picture>",
        "<picture><source srcset=a media='not all and (monochrome)' type=' Image/SVG+xml ; q=1'><img src=b></picture>",
        "<picture><source srcset=a media='print and (orientation: portrait), (400px <= width < 50em)'><img src=b></picture>",
        "<link rel=preload as=image href=a media='only screen' type=image/webp imagesizes=100vw>",
        "<base href=''><img src=a>",
        f"<base href='{BASE}'><img src=a>",
        "<base target=_blank><img src=a>",
    ],
    ids=range(9),
)  # fmt: skip
def test_a_readable_part_is_not_a_problem(markup: str) -> None:
    (image,) = find_page_images(markup, base_url=BASE)
    assert image.problems == ()


def test_a_problem_of_no_single_image_belongs_to_the_next() -> None:
    page = "<base href='http://['><img src=a><img src=b>"
    first, second, third = find_page_images(
        page, base_url=BASE, link_headers=["</c>; rel=icon, d>; rel=preload"]
    )
    assert [problem.found for problem in first.problems] == ["http://[", "d>; rel=preload"]
    assert first.problems[1].reason.endswith("(in a Link field)")
    assert [(problem.line, problem.column) for problem in first.problems] == [(1, 1), (0, 0)]
    assert (second.problems, third.problems) == ((), ())
    assert [*find_page_images("<base href='http://['>", base_url=BASE)] == []


def test_a_problem_behind_the_last_image_belongs_to_it() -> None:
    broken = "<style>a{b:image-set(url(x y) 1x)}</style>"
    first, second, third = find_page_images(f"<img src=a>{broken}<img src=b><img src=c>{broken}")
    assert [len(each.problems) for each in (first, second, third)] == [0, 1, 1]


def test_an_image_is_read_at_its_turn() -> None:
    page = "<script type=application/ld+json>" + '{"image": [' + '"a",' * 50_000 + '"a"]}' + "</script>"
    tracemalloc.start()
    try:
        for _ in find_page_images(page, base_url=BASE):
            pass
        assert tracemalloc.get_traced_memory()[1] < 10_000_000  # all of them are 20 MB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "image", ["<img srcset='b 1x, c 3q'>", "<picture><source srcset='c 3q'><img src=b></picture>"]
)
def test_an_error_in_a_noscript_is_reported_at_its_start(image: str) -> None:
    before = "<p>\n<img src=a><p>\n"
    (_, plain) = find_page_images(f"{before}<noscript>\n\n{image}</noscript>")
    (problem,) = plain.problems
    assert (plain.kind, problem.found) == (SourceKind.NOSCRIPT, "c 3q")
    assert (problem.position, problem.line, problem.column) == (len(before), 3, 1)


def test_broken_css_and_json_add_no_image() -> None:
    broken = "<p style='b:url(c d)'><script type='application/ld+json'>{</script>"
    (image,) = find_page_images(f"{broken}<img src=a>")
    assert [problem.found for problem in image.problems] == ["url(c d)", "{"]
    assert [problem.position for problem in image.problems] == [0, broken.index("<script")]
    assert [len(each.problems) for each in find_page_images(broken)] == [1, 1]


def test_without_a_base_urls_stay_as_they_are() -> None:
    (image,) = find_page_images("<base href=b/><img srcset='a, /c 2x, https://y.test 3x'>")
    assert [each.url for each in image.candidates] == ["b/a", "/c", "https://y.test/"]


@pytest.mark.parametrize(
    "markup",
    [
        "<noscript>" * 100_000 + "<img src=a>",
        "<noscript><img src=a></noscript>" * 5_000,
        "<script type='application/ld+json'>" + "[" * 300_000,
        "<script type='application/ld+json'>" + '{"image":' * 100_000,
        "<script type='application/ld+json'>{\"width\":" + "9" * 5000 + ',"image":"a"}',
        "<img data-src=a>" * 30_000,
        "<p style='b:url(a)'>" * 10_000,
        "<style>" + "url(" * 300_000,
        "<picture>" + "<source srcset=s>" * 2_000 + "<img src=i>" * 2_000,
        "<img srcset='a 9q'>\n" * 20_000,
        "<img srcset='a 1w' sizes='" + "(" * 100_000 + "'>",
        "<img srcset='a 1w' sizes='" + "(a) b," * 100_000 + "'>",
        "<img data-src='" + "{width}" * 100_000 + "' data-widths='" + "9 " * 2 + "'>",
    ],
    ids=range(13),
)  # fmt: skip
def test_a_hostile_page_is_searched_whole(markup: str) -> None:
    assert all(find_page_images(markup, base_url=BASE))


PIECES = (
    *(
        "<img src=a>",
        f"<img src='{PIXEL}' data-src=b>",
        "<noscript>",
        "</noscript>",
        "<picture>",
        "</picture>",
    ),
    *(
        "<source srcset='s 1x' data-srcset='u 2x'>",
        "<amp-img src=c>",
        "</amp-img>",
        "<p style='a:url(d)'>",
        "x",
    ),
    *(
        "<svg>",
        "<image href=e>",
        "<template>",
        "<template shadowrootmode=open>",
        "</template>",
        "<style>",
        "</style>",
    ),
    *(
        "<script type=application/ld+json>",
        "<script>",
        "</script>",
        '{"image":"f","@id":"#a"}',
        "'/a.jpg'",
        "\ud800",
    ),
    *(
        "<base href='http://['>",
        "<a href=f.jpg data-full=/g.jpg>",
        "</a>",
        "<iframe srcdoc='<img src=q>",
        "'>",
        "\0",
    ),
    *(
        "<object data=a.png>",
        "<table>",
        "<div>",
        "</div>",
        "<!--",
        "-->",
        "<img src=a",
        " srcset=b>",
        "\r\n",
        "\r",
    ),
    *(
        "<img\r\nsrc\r\n=\r\n'v'\r\ndata-x=\"/b.jpg\">",
        "é😀",
        "<noscript><img src='k'>",
        "<select>",
        "<frameset>",
    ),
)


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES)))
def test_any_page_is_searched(pieces: list[str]) -> None:
    page = "".join(pieces)
    for image in find_page_images(page, base_url=BASE):
        assert image.kind in SourceKind
        assert image.candidates or image.sources or image.problems
        assert 0 <= image.position <= len(page)
        assert all(0 <= each.position <= each.position + each.length <= len(page) for each in image.places)


def test_an_element_with_many_attributes_is_read_in_linear_time() -> None:
    def cost(count: int) -> float:
        page = (
            "<img "
            + " ".join(f"data-src{number}=a.jpg data-x{number}=b/c.jpg" for number in range(count))
            + ">"
        )
        return cpu_seconds(lambda: [*find_page_images(page)])

    assert cost(40_000) < 30 * cost(4_000) + 0.5


def test_a_name_with_a_lone_surrogate_costs_only_itself() -> None:
    (image,) = find_page_images("<img s\ud800=x src=a.png>")
    assert [each.url for each in image.candidates] == ["a.png"]
