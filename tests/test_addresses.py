"""`rules.urls` and `rules.guard`: which URL names what, and which address may be dialled."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgfetch.model import Defect, Reason
from imgfetch.rules import guard, urls


def address(url: str) -> urls.Address:
    read = urls.read(url)
    assert isinstance(read, urls.Address), read
    return read


def same_key(*spellings: str) -> None:
    assert len({address(url).key() for url in spellings} | {urls.key(url) for url in spellings}) == 1


def refused(url: str, *words: str) -> None:
    read = urls.read(url)
    assert isinstance(read, Defect)
    assert read.reason is Reason.BAD_URL
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
    assert urls.follow("http://h/a", "/it's?it's") == "http://h/it's?it%27s"
    assert urls.is_plain("http://h/" + "?" * 100_000)


def test_what_is_ignored_is_no_part_of_a_key_and_what_is_no_url_has_none() -> None:
    url = "http://h/a?w=480&utm_x=1"
    assert urls.key(url, ("utm_*",)) == address(url).key(("utm_*",)) == "http://h/a?w=480"
    assert urls.key(url) == url
    assert urls.key("a.webp") is urls.key("ftp://h/a") is None


def test_what_may_be_another_resource_has_another_key() -> None:
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


def test_what_is_no_http_url_is_refused_with_the_reason() -> None:
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


def test_a_letter_that_only_folds_to_one_of_ascii_is_none() -> None:
    for url in ("http\u017f://h/", "http://\u212a.example/", "http://\u212a@h/", "http://h/\u017f"):
        refused(url, "not a URL")


@given(st.text())
def test_reading_never_raises_and_what_is_read_reads_the_same_again(text: str) -> None:
    for url in (text, "http://" + text, "https://h/" + text):
        read = urls.read(url)
        if isinstance(read, urls.Address):
            assert address(read.url).key() == read.key() == address(read.key()).key()
            assert re.fullmatch("/[!-~]*", read.target)
        urls.redact(url)


def test_a_location_is_resolved_against_the_url_that_sent_it() -> None:
    assert urls.follow("http://h/a/b", "c?d") == "http://h/a/c?d"
    assert urls.follow("http://h/a/b", "//other/c") == "http://other/c"
    assert urls.follow("http://h/a", "/caf\xc3\xa9 1") == "http://h/caf%C3%A9%201"
    assert urls.follow("http://h/a", "/%C3%A9") == "http://h/%C3%A9"
    assert isinstance(urls.read(urls.follow("http://h/a", "//h[/b")), Defect)


INTERNAL = [
    "127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1", "169.254.169.254",
    "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "192.0.2.1", "198.18.0.1", "240.0.0.1",
    "::", "::1", "fc00::1", "fd12::1", "fe80::1", "fe80::1%eth0", "ff02::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "2002:7f00:1::", "2002:c0a8:1::", "64:ff9b::a00:1",
    "64:ff9b:1::7f00:1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "1.1.1.1", "172.32.0.1", "192.169.0.1", "2606:4700::1111", "64:ff9b::808:808"]


@pytest.mark.parametrize("ip", INTERNAL)
def test_an_internal_address_is_refused_in_every_dress(ip: str) -> None:
    defect = guard.judge("name.example", [ip])
    assert defect is not None
    assert defect.reason is Reason.BLOCKED
    assert defect.message == (
        f"name.example is at {ip}, an internal address; allow it with --allow-host name.example"
    )


@pytest.mark.parametrize("ip", PUBLIC)
def test_a_public_address_may_be_dialled(ip: str) -> None:
    assert guard.judge("name.example", [ip]) is None


def test_one_internal_address_among_public_ones_refuses_the_host() -> None:
    assert guard.judge("name.example", ["8.8.8.8", "127.0.0.1"]) is not None


def test_what_the_caller_allows_may_be_dialled_and_nothing_else() -> None:
    def allowed(host: str, ip: str, *names: str) -> bool:
        return guard.judge(host, [ip], allowed=names) is None

    assert allowed("intranet.example", "10.0.0.1", "Intranet.Example")
    assert allowed("127.0.0.1", "127.0.0.1", "127.0.0.1")
    assert allowed("::1", "::1", "[::1]")
    assert allowed("any.example", "10.9.8.7", "10.0.0.0/8")
    assert not allowed("other.example", "10.0.0.1", "intranet.example")
    assert not allowed("any.example", "192.168.0.1", "10.0.0.0/8", "intranet.example")
