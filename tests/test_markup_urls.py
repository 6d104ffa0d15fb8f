"""URLs as a browser reads them."""

from __future__ import annotations

import ada_url
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgfetch.markup.urls import base_url, current_src, resolve, resolve_plain

PAGE = "http://p.test/d/i.html"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("a.png", "http://p.test/d/a.png"),
        ("  a.png\n", "http://p.test/d/a.png"),
        ("//CDN.test:80/x/../y", "http://cdn.test/y"),
        ("http:a", "http://p.test/d/a"),
        ("http:\\\\p.test\\x", "http://p.test/x"),
        ("\tht\ntp://p.test/x", "http://p.test/x"),
        ("?q#f", "http://p.test/d/i.html?q#f"),
        (".%2e/x", "http://p.test/x"),
        ("é?é#é", "http://p.test/d/%C3%A9?%C3%A9#%C3%A9"),
        ("http://bücher.test/", "http://xn--bcher-kva.test/"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("x\0y", "http://p.test/d/x%00y"),
        ("x\ud800y", "http://p.test/d/x%EF%BF%BDy"),
        ("http://x:99999/", None),
        ("//[", None),
    ],
)
def test_a_url_is_resolved_as_the_standard_says(url: str, expected: str | None) -> None:
    assert resolve(url, PAGE) == expected


@pytest.mark.parametrize(
    ("url", "base", "expected"),
    [
        ("a.png", "", "a.png"),
        ("../a.png", "/x/y/", "/x/a.png"),
        ("HTTP://A.test", "", "http://a.test/"),
        ("http://[", "", None),
        ("//[", "/x/", None),
    ],
)
def test_without_an_absolute_base_a_relative_url_stays_relative(
    url: str, base: str, expected: str | None
) -> None:
    assert resolve(url, base) == expected


@pytest.mark.parametrize(
    ("url", "encoding", "expected"),
    [
        ("é?é", "windows-1252", "http://p.test/d/%C3%A9?%E9"),
        ("?✓é", "windows-1252", "http://p.test/d/i.html?%26%2310003%3B%E9"),
        ("?日#日", "cp932", "http://p.test/d/i.html?%93%FA#%E6%97%A5"),
        ("foo:?é", "windows-1252", "foo:?%C3%A9"),
    ],
)
def test_a_query_is_written_in_the_encoding_of_its_document(url: str, encoding: str, expected: str) -> None:
    assert resolve(url, PAGE, encoding=encoding) == expected


@pytest.mark.parametrize(
    ("href", "standard", "chromium"),
    [
        (None, PAGE, PAGE),
        ("", PAGE, PAGE),
        ("/x/", "http://p.test/x/", "http://p.test/x/"),
        ("about:blank", "about:blank", "about:blank"),
        ("data:text/plain,x", PAGE, PAGE),
        ("javascript:1", PAGE, PAGE),
        ("http://x:99999/", PAGE, None),
    ],
)
def test_a_base_element_moves_the_base_unless_it_may_not(
    href: str | None, standard: str, chromium: str | None
) -> None:
    assert base_url(href, PAGE) == standard
    assert base_url(href, PAGE, browser="chromium") == chromium


@pytest.mark.parametrize(
    ("url", "base", "expected"),
    [
        ("", PAGE, None),
        (" \n", PAGE, None),
        ("#", PAGE, "http://p.test/d/i.html#"),
        ("  http://x:99999/ \n", PAGE, "  http://x:99999/ \n"),
        ("//[", PAGE, "//["),
        ("a.png", "about:blank", None),
        ("#", "about:blank", "about:blank#"),
        ("a.png", None, None),
        ("http://p.test/x", None, "http://p.test/x"),
        ("a|b?a|b", PAGE, "http://p.test/d/a%7Cb?a|b"),
        ("data:,a b #c d", PAGE, "data:,a b #c%20d"),
        (" DATA:x,a\n\tb ", PAGE, "data:x,a%0A%09b"),
        ("\u00a0", PAGE, "http://p.test/d/%C2%A0"),
    ],
)
def test_chromium_shows_urls_in_its_own_hand(url: str, base: str | None, expected: str | None) -> None:
    assert current_src(url, base) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("a|b?a|b#|", "http://p.test/d/a%7Cb?a|b#|"),
        ("http://h/a|b", "http://h/a%7Cb"),
        ("x:a|b", "x:a|b"),
    ],
)
def test_a_pipe_is_spelled_as_a_browser_requests_it(url: str, expected: str) -> None:
    assert resolve(url, PAGE) == current_src(url, PAGE) == expected
    assert current_src("a|b", PAGE, browser="firefox") == "http://p.test/d/a|b"


@pytest.mark.parametrize(
    ("encoding", "query", "expected"),
    [
        ("windows-1251", "имя=дом", "%E8%EC%FF=%E4%EE%EC"),
        ("gbk", "图€✓", "%CD%BC%80%26%2310003%3B"),
        ("cp932", "日¥‾", "%93%FA\\~"),
        ("iso2022_jp", "日本", "%1B$BF|K\\%1B(B"),
    ],
)
def test_a_query_is_written_in_the_encoding_of_the_page(encoding: str, query: str, expected: str) -> None:
    assert resolve(f"/é?{query}", PAGE, encoding=encoding) == f"http://p.test/%C3%A9?{expected}"
    assert (resolve(f"é?{query}", "", encoding=encoding) or "").endswith(f"?{expected}")
    assert resolve(f"mailto:x?{query}", PAGE, encoding=encoding) == resolve(f"mailto:x?{query}", PAGE)


@settings(deadline=None)
@given(st.text(), st.text(), st.sampled_from(["utf-8", "windows-1252", "cp932", "gbk"]))
def test_no_text_is_too_odd_to_resolve(url: str, base: str, encoding: str) -> None:
    for against in (base, PAGE, "about:blank"):
        resolved = resolve(url, against, encoding=encoding)
        assert resolved is None or isinstance(resolved, str)
        current_src(url, against, encoding=encoding)
        base_url(url, against)


@settings(deadline=None)
@given(st.text(alphabet="ab/.:?#%[]@\\ é|{}"))
def test_resolving_twice_is_resolving_once(url: str) -> None:
    resolved = resolve(url, PAGE)
    assert resolved is None or resolve(resolved, PAGE) == resolved


# URLs that need no parser --------------------------------------------------------------------------------

HOSTS = (
    *("a.test", "news.test", "x-.b", "ab--c.d", "-a.b-", "1.a", "a.1x", "a.0x1", "0x1.y", "1.2.3.4"),
    *("xn--a.b", "a.xn--b", "a..b", "a.b.", "A.b", "a_b.c", "a.b:80", "u:p@a.b"),
)
PIECES = (*"aB0./%~-_!$&'()*+,;=:@?#|\\ ^<{\t\u00e9\ud800", *("..", "//", "%2e", "%zz", "a.webp", "/img/"))
SCHEMES = ("http://", "https://", "HTTP://", "ftp://", "file://", "//")

paths = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
roots = st.tuples(st.sampled_from(SCHEMES), st.sampled_from(HOSTS)).map("".join)
bases = st.tuples(roots, st.just("/"), paths).map("".join) | roots | st.just("")
urls = paths | paths.map("/{}".format) | st.tuples(roots, st.just("/"), paths).map("".join)


@settings(deadline=None, max_examples=1000)
@given(urls, bases)
def test_resolving_without_the_parser_gives_the_result_of_the_parser(url: str, base: str) -> None:
    plainly = resolve_plain(url, base)
    if plainly is not None:
        assert plainly == (ada_url.join_url(base, url) if base else ada_url.normalize_url(url))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/a/b.webp?w=1&h=2", "https://a.test/a/b.webp?w=1&h=2"),
        ("b%20c.webp", "https://a.test/d/b%20c.webp"),
        ("b/c,w_1.webp", "https://a.test/d/b/c,w_1.webp"),
        ("https://b.test//c", "https://b.test//c"),
        ("b/../c", None),
        ("b/%2e", None),
        ("//b.test/c", None),
        ("a:b", None),
        ("https://b.test", None),
        ("https://0x1/", None),
        ("/a|b", None),
        ("?q", None),
        ("", None),
    ],
)
def test_plain_urls_need_no_parser(url: str, expected: str | None) -> None:
    assert resolve_plain(url, "https://a.test/d/e?x/y") == expected
