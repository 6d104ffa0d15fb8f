"""`markup.plain_text`: lists of renditions are found in crawled text, and nothing else is."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgfetch.markup.plain_text import find_source_sets
from imgfetch.markup.srcset import parse_srcset
from imgfetch.model.markup import SourceKind
from measuring import cpu_seconds

FOLDER = (
    "https://s3-minsk.becloud.by/media-assets/news-by/bd9040db-77f4-4a9d-b29f-ecd6a784f46c"
    "/conversions/b4a0fe5d-2c2d-4f1b-a5ae-3ac601866998"
)
LIST = (
    f"{FOLDER}-sm-___webp_480.webp 480w, {FOLDER}-md-___webp_768.webp 768w, "
    f"{FOLDER}-lg-___webp_1280.webp 1280w, {FOLDER}-xl-___webp_1920.webp 1920w"
)
PROSE = """

In a telephone conversation the previous day, both sides “discussed” trade — which grew 2x, or 1.5x
in a year — and, as he said, 'closer ties'. See https://news.by/en/politics, https://www.reuters.com/world,
or the site news.by. The shops are open 24h; a 4x4 and an 8x zoom cost 100, 200 and 300w (and/or less).
"""
CRAWLED = f" date 2025-05-26 news.by {LIST}{PROSE}"


def check(text: str, *expected: str, base_url: str = "") -> None:
    """The text holds exactly these lists, each given as the srcset it reads as."""
    found = [*find_source_sets(text, base_url=base_url)]
    assert [source_set.candidates for source_set in found] == [parse_srcset(each) for each in expected]


def test_the_renditions_of_a_crawled_page_are_found() -> None:
    (source_set,) = find_source_sets(CRAWLED)
    assert [candidate.width for candidate in source_set.candidates] == [480, 768, 1280, 1920]
    assert [candidate.url for candidate in source_set.candidates] == [
        f"{FOLDER}-{size}-___webp_{width}.webp"
        for size, width in (("sm", 480), ("md", 768), ("lg", 1280), ("xl", 1920))
    ]
    assert (source_set.kind, source_set.problems) == (SourceKind.TEXT, ())
    assert CRAWLED[source_set.position :].startswith(FOLDER)


def test_each_list_is_found_also_where_one_follows_another() -> None:
    other = "https://a.example/1.webp 1x, https://a.example/2.webp 2x"
    check(CRAWLED + CRAWLED, LIST, LIST)
    check(f"{LIST}\n{other}", LIST, other)
    check(f"{LIST} {other}", LIST, other)
    check(f"first {LIST}; then {other}. And {LIST}", LIST, other, LIST)


def test_prose_holds_no_list() -> None:
    check(PROSE)
    check("")
    check("Hello, world")
    check("An image of 480w, or of 960w, was 2x better.")
    check("We saw https://a.example/x.webp, which is 480w wide, and https://b.example/y.webp too.")
    check("https://a.example/x.webp")
    check("photo.webp")
    check("a 3/4 2x beam, w/o 3x and, or 5x , 6x")


def test_a_text_that_is_a_srcset_is_read_as_one() -> None:
    for text in (
        LIST,
        f"  {LIST}\n",
        "a.webp 480w, b.webp 960w",
        "small 1x, big 2x",
        "image.php?id=7 480w",
        "a.webp, b.webp 2x",
        "a.webp, b.webp",
        "a,b.webp 480w,\nc.webp 960w 10h",
        ",, a.webp 1x ,",
    ):
        check(text, text)
    assert next(find_source_sets(",\n a.webp 1x")).position == 3


@pytest.mark.parametrize("ampersand", ["&amp;", "&#38;", "&#038;", "&#x26;", "&amp;amp;"])
def test_an_ampersand_that_html_escapes_is_undone(ampersand: str) -> None:
    check("a?w=1&h=2 1x, b?w=3&h=4&c 2x".replace("&", ampersand), "a?w=1&h=2 1x, b?w=3&h=4&c 2x")
    listed = "https://x.test/a?w=1&h=2 480w, https://x.test/b 960w"
    check(f"&lt;img srcset=&quot;{listed.replace('&', ampersand)}&quot;&gt;", listed)


def test_an_ampersand_is_left_where_not_all_are_escaped() -> None:
    check("a?w=1&amp;h=2 1x, b?w=3&h=4 2x", "a?w=1&amp;h=2 1x, b?w=3&h=4 2x")


def test_a_list_may_be_broken_over_lines_after_a_comma() -> None:
    check(f"See:\n{LIST.replace(', ', ',' + chr(10) + '    ')}\nThat is all.", LIST)
    check(f"See: {LIST.replace(', ', ',')} and so on, and on.", LIST)
    check(f"See:\u00a0{LIST.replace(' ', chr(0xA0))}\u00a0and so on, and on.", LIST)


@pytest.mark.parametrize(
    "closing", [".", ")", '"', "'", ";", "!", "…", "”", "]", "}", "».", '" alt="1, 2x"', "<br>"]
)
def test_punctuation_ends_a_list(closing: str) -> None:
    check(f"It was {LIST}{closing} More, and more.", LIST)


@pytest.mark.parametrize(
    "opening", ['srcset="', "data-srcset='", "(", "“", '"srcset":"', "[x](", "<", "srcset=", "«"]
)
def test_text_before_the_first_url_is_not_part_of_it(opening: str) -> None:
    check(f"It was {opening}{LIST} … More, and more.", LIST)
    check(f"It was {opening}/a/x.webp 1x, /a/y.webp 2x … More, and more.", "/a/x.webp 1x, /a/y.webp 2x")


def test_a_descriptor_that_goes_on_is_none() -> None:
    for text in ("480wide", "480w.webp", "2x2", "2x/3x", "100%w", "2x-3x", "1.5x2"):
        check(f"about https://a.example/x.webp {text} it")


def test_urls_joined_by_commas_belong_to_the_list() -> None:
    check(
        "see https://a.example/1, https://a.example/2 2x here", "https://a.example/1, https://a.example/2 2x"
    )
    check(
        "see https://a.example/1 2x, https://a.example/2.\nMore",
        "https://a.example/1 2x, https://a.example/2",
    )
    check('see "/a/1.png 2x, /a/2.png"', "/a/1.png 2x, /a/2.png")
    check("see https://a.example/1 2x, https://a.example/2 is nice", "https://a.example/1 2x")
    check("see https://a.example/1 2x, nice", "https://a.example/1 2x")


def test_commas_inside_urls_belong_to_them() -> None:
    text = "https://a.example/w_480,h_270/x.jpg 480w, https://a.example/w_960,h_540/x.jpg 960w"
    check(f"the list {text} was long", text)


def test_relative_urls_count_where_they_look_like_paths_or_images() -> None:
    paths = "//cdn.example/a 1x, /b 2x, ./c 3x, ../d 4x, e/f.JPEG?w=9#x 5x"
    check(f"so: {paths}, other 6x.", paths)
    check("so: e/f 1x, g 2x.")
    check(
        f"so: {paths}, https://h.example 6x",
        "https://cdn.example/a 1x, https://i.example/b 2x, https://i.example/j/c 3x, https://i.example/d 4x, "
        "https://i.example/j/e/f.JPEG?w=9#x 5x, https://h.example 6x",
        base_url="https://i.example/j/k.html",
    )
    check("so: //[ 1x, /a 2x", "//[ 1x, https://i.example/a 2x", base_url="https://i.example/")


def test_an_unreadable_part_of_a_list_is_reported() -> None:
    text = (
        "A list: https://a.example/1 480w, https://a.example/2 huge, https://a.example/3 960w 2x, /4 1w. Bye."
    )
    (source_set,) = find_source_sets(text)
    assert [candidate.url[-2:] for candidate in source_set.candidates] == ["/1", "/4"]
    assert [text[problem.position :].startswith(problem.found) for problem in source_set.problems] == [
        True,
        True,
    ]
    assert [problem.found[-7:] for problem in source_set.problems] == ["/2 huge", "960w 2x"]
    check("open https://a.example/ 24h a day")


# Lists between prose -------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    re.split(
        r"\s+",
        "a the day, said “so”, — 'it' it's (or) 2025-05-26 news.by 3/4 1,000 … e.g. : https://x.example/y "
        "2x, 480w",
    )
)


def prose_of(words: list[str]) -> str:
    """Words as a sentence, in which no descriptor follows a URL, and no URL comes last."""
    text = " ".join(words).replace("/y 2x,", "/y is 2x,").replace("/y 480w", "/y is 480w")
    return f"So {text} then."


PROSES = st.lists(WORDS, max_size=12).map(prose_of)
URLS = st.from_regex(
    r"(https?://[a-z]+\.example|//cdn\.example|\.{0,2})/[a-z0-9_,()=&?-]*[a-z0-9]", fullmatch=True
)
DESCRIPTORS = st.integers(1, 9999).map("{}w".format) | st.sampled_from(["1x", "1.5x", "2x", "480w 270h"])
LISTS = st.lists(st.tuples(URLS, DESCRIPTORS).map(" ".join), min_size=1, max_size=5).map(", ".join)


@settings(deadline=None)
@given(st.lists(st.tuples(PROSES, LISTS)), PROSES, st.sampled_from([" ", "\n", "\n\n", "\t"]))
def test_exactly_the_lists_between_prose_are_found(
    parts: list[tuple[str, str]], last: str, joint: str
) -> None:
    text = joint.join([piece for part in parts for piece in part] + [last])
    check(text, *(listed for _, listed in parts))
    for source_set, (_, listed) in zip(find_source_sets(text), parts, strict=True):
        assert text.startswith(listed, source_set.position)
        assert source_set.problems == ()


@given(PROSES)
def test_the_prose_alone_holds_nothing(prose: str) -> None:
    check(prose)


PIECES = st.sampled_from(
    [*' ,"<(=\n\0\ud800\xa0', "https://", "http", "//", "a.webp", "480w", " 2x", ", ", "9", "."]
)


@settings(deadline=None)
@given(st.lists(PIECES).map("".join) | st.text(), st.sampled_from(["", "https://a.example/b", "//[", ":"]))
def test_no_text_is_too_odd(text: str, base_url: str) -> None:
    for source_set in find_source_sets(text, base_url=base_url):
        assert source_set.candidates
        assert 0 <= source_set.position < len(text)


@pytest.mark.parametrize(
    "piece", [*'./, 1"', "http", "http ", "https://", "a, ", " 2x", " 1", "\xa02x", ".webp,"]
)
@pytest.mark.parametrize(
    "before", ["", '" 2x', '"https://a 1w ', "https://a 1w, https://b o p, ", "https://a "]
)
def test_the_time_is_linear_in_the_text(before: str, piece: str) -> None:
    def seconds(size: int) -> float:
        text = "x y " + (before + piece) * (size // len(before + piece)) + " 2x."
        return cpu_seconds(lambda: [*find_source_sets(text)])

    # A quadratic search would need 400 times as long for 20 times the text.
    assert seconds(60_000) < 100 * seconds(3_000) + 0.2
