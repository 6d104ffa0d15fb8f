"""`rules.http.urls`: the parts of a URL, its key, and where a Location leads."""

from __future__ import annotations

import re

import ada_url
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgfetch.model.image import Defect
from imgfetch.model.result import ErrorKind
from imgfetch.rules.http import urls


def address(url: str) -> urls.Address:
    read = urls.read(url)
    assert isinstance(read, urls.Address), read
    return read


def same_key(*spellings: str) -> None:
    assert len({address(url).key() for url in spellings} | {urls.key(url) for url in spellings}) == 1


def refused(url: str, *words: str) -> None:
    read = urls.read(url)
    assert isinstance(read, Defect)
    assert read.kind is ErrorKind.BAD_URL
    for word in words:
        assert word in read.message


def test_spellings_that_rfc_3986_equates_have_one_key() -> None:
    same_key("http://Example.ORG/a/b", "HTTP://example.org:80/a/b", "http://example.org/x/../a/./b#top")
    same_key("http://h/%7Euser/%c3%a9", "http://h/~user/%C3%A9", "http://u:p@h/~user/%C3%a9")
    same_key("https://h", "https://h/", "https://h:443/", "https://h/#")
    same_key("http://h/..", "http://h/.", "http://h/a/..", "http://h/")


def test_an_apostrophe_in_a_query_is_the_escape_that_browsers_send() -> None:
    same_key("http://h/a?it's&b='c'", "http://h/a?it%27s&b=%27c%27")
    assert address("http://h/it's?it's").key(("b",)) == "http://h/it's?it%27s"
    for url, plain in (
        ("?it's", False),
        ("?it%27s", True),
        ("/it's", True),
        ("/it's?b", True),
        ("?b#it's", True),
    ):
        assert urls.is_plain(f"http://h/a{url}") is plain, url
    assert urls.is_plain("http://h/" + "?" * 100_000)


def test_ignored_parameters_are_not_in_a_key_and_only_a_url_has_one() -> None:
    url = "http://h/a?w=480&utm_x=1"
    assert urls.key(url, ("utm_*",)) == address(url).key(("utm_*",)) == "http://h/a?w=480"
    assert urls.key(url) == url
    assert urls.key("a.webp") is urls.key("ftp://h/a") is None


def test_another_resource_has_another_key() -> None:
    keys = [
        address(url).key()
        for url in (
            "http://h/a",
            "http://h/A",
            "http://h/a?",
            "http://h/a?b",
            "https://h/a",
            "http://h/'",
            "http://h/%27",
        )
    ]
    keys += [address(url).key() for url in ("http://h/a/", "http://h/%2F", "http://h/a%2Fb", "http://h:81/a")]
    assert len(set(keys)) == len(keys)


def test_the_fragment_and_the_credentials_are_never_sent() -> None:
    assert address("http://user:secret@h:8080/a?b=c#d").url == "http://h:8080/a?b=c"
    assert address("http://user:secret@h/").userinfo == "user:secret"


def test_a_url_is_shown_without_secrets() -> None:
    shown = address("https://u:p@h/a.webp?w=480&X-Amz-Signature=abc123def&t=1234567").shown
    assert shown == "https://h/a.webp?w=480&X-Amz-Signature=…&t=…"
    assert urls.redact("ftp://user:secret@h/a?sig=1") == "ftp://h/a"
    assert "secret" not in urls.redact("https://user:secret@bad host/?token=secret")


def test_a_string_that_is_not_an_http_url_is_refused_with_the_reason() -> None:
    refused("", "not a URL")
    refused("a.webp", "does not begin with http:// or https://")
    refused("ftp://h/a", "ftp:", "not fetched")
    refused("file:///etc/passwd", "file:")
    refused("http:///a", "host is missing")
    refused("http://h:99999/", "99999")
    refused("http://h/a b")
    refused("http://h/\n")
    refused("http://h\\@evil/")
    refused("http://" + "a" * 64 + ".org/", "63")
    refused("http://a..b/", "label")
    refused("http://h/" + "a" * 20_000, "16,384")


BLOCKED_PORTS = (
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103,
    104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513,
    514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719,
    1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679,
    6697, 10080,
)  # fmt: skip
"""As web-platform-tests has them, fetch/api/request/request-bad-port.any.js; 0 is no port at all."""


def test_a_port_that_browsers_block_is_refused() -> None:
    for port in BLOCKED_PORTS:
        for url in (f"http://h.example:{port}/a", f"https://h.example:{port:05}/a"):
            refused(url, f"port {port} is blocked")
    asked = [port for port in range(1, 65536) if isinstance(urls.read(f"http://h:{port}/"), urls.Address)]
    assert len(asked) == 65535 - len(BLOCKED_PORTS)
    refused("http://h.example:0/", "port 0")


def test_a_letter_that_only_folds_to_one_of_ascii_is_none() -> None:
    for url in ("http\u017f://h/", "http://\u212a.example/", "http://\u212a@h/", "http://h/\u017f"):
        refused(url, "not a URL")


@given(st.text())
def test_reading_never_raises_and_reading_the_result_changes_nothing(text: str) -> None:
    for url in (text, "http://" + text, "https://h/" + text):
        read = urls.read(url)
        if isinstance(read, urls.Address):
            assert address(read.url).key() == read.key() == address(read.key()).key()
            assert re.fullmatch("/[!-~]*", read.target)
        urls.redact(url)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("c?d", "https://h.test/a/c?d"),
        ("//other.test/c", "https://other.test/c"),
        ("/caf\xc3\xa9 1", "https://h.test/caf%C3%A9%201"),
        ("/caf\xe9", "https://h.test/caf%E9"),
        ("/%C3%A9", "https://h.test/%C3%A9"),
        ("/it's?it's", "https://h.test/it's?it%27s"),
        # Where browsers go, and a reader of RFC 3986 does not:
        ("\\\\evil.test\\a", "https://evil.test/a"),
        ("/\\evil.test", "https://evil.test/"),
        ("///evil.test/a", "https://evil.test/a"),
        ("\t//evil.test/a", "https://evil.test/a"),
        ("/\t/evil.test/a", "https://evil.test/a"),
        ("https:/a.webp", "https://h.test/a.webp"),
        ("https:c", "https://h.test/a/c"),
        ("http:/evil.test/a", "http://evil.test/a"),
        ("/a/%2e%2E/b", "https://h.test/b"),
        ("/a\\..\\b", "https://h.test/b"),
        ("//b\xc3\xbccher.test/a", "https://xn--bcher-kva.test/a"),
        ("//0x7f.1/a", "https://127.0.0.1/a"),
        ("//[0:0::ffff:7f00:1]/a", "https://[::ffff:7f00:1]/a"),
        ("/a|b{c}", "https://h.test/a%7Cb%7Bc%7D"),
    ],
)
def test_a_location_leads_where_a_browser_goes(location: str, expected: str) -> None:
    base = "https://h.test/a/b?c"
    assert urls.resolve_location(location, base) == expected
    assert address(expected).url == expected
    if location.isascii():
        assert ada_url.join_url(base, location).replace("|", "%7C") == expected  # as Chromium requests it


def test_a_location_that_is_not_a_url_is_refused_with_the_reason() -> None:
    for location in ("//h[/b", "http://1.2.3.4.5/", "http://h:99999/", "//:80/"):
        refused(urls.resolve_location(location, "http://h/a"))


HOSTS = st.sampled_from(
    [
        "h", "a.test", "A.Test", "a_b.test", "-a-.test", "a.test.", "a..test", "1.a", "a.1", "a.1x", "a.0x1",
        "a" * 64, "1.2.3.4", "1.2.3.4.", "0x7f.1", "127.1", "08.1.1.1", "999", "256.1.1.1", "1.2.3.4.5",
        "[::1]", "[0:0::1]", "[:::]", "[::1.2.3.4]", "xn--bcher-kva.test", "xn--a.test", "a.xn--a",
    ]
)  # fmt: skip
PIECES = st.sampled_from([*"/.a?&='\"|\\^{;,~#[", "..", "%2e", "%7E", "%c3", "%zz", "//"])


@settings(max_examples=500)
@given(st.sampled_from(["http", "https", "HTTPS"]), HOSTS, st.lists(PIECES, max_size=8).map("".join))
def test_the_requested_url_is_that_of_the_url_parser(scheme: str, host: str, rest: str) -> None:
    url = f"{scheme}://{host}/{rest}"
    read = urls.read(url)
    try:
        parsed = ada_url.normalize_url(url).partition("#")[0]
    except ValueError:
        assert isinstance(read, Defect)
        return
    if isinstance(read, Defect):  # the URL parser knows no bounds of names
        assert "label" in read.message
        return
    path, mark, query = parsed.partition("?")
    requested = path.replace("|", "%7C") + mark + query  # as Chromium requests it
    assert read.url == requested
    assert read.key() == urls.normal_escapes(requested)
