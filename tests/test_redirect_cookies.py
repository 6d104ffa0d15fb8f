"""Cookies live along one chain of redirects, go where they belong, and are forgotten after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from command import LOCAL, Ran
from engine_world import H, World, reply
from imgfetch.engine.redirect_cookies import RedirectCookies
from imgfetch.model.request import Head, Request
from imgfetch.model.result import ErrorKind
from imgfetch.rules.http.cookies import joined
from imgfetch.rules.http.sites import is_public_suffix, site_of
from origin import head, raw, redirect, status, whole
from pictures import encoded

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    from origin import Answer, Origin
    from origin import Request as Received

PIXEL = encoded("png", 9, 9)
SETS = {"set_cookie": "seen=1; Path=/"}


def to(location: str, **fields: str) -> Answer:
    return whole(b"", 302, location=location, **fields)


def sent(url: str, *set_cookie: str, by: str = "https://www.example.co.uk/dir/a.png") -> str | None:
    """Return the Cookie field of a request for `url`, after `by` has redirected with these fields."""
    cookies = RedirectCookies()
    cookies.take(Head(by, 302, tuple(("set-cookie", value) for value in set_cookie)), by)
    return dict(cookies.add_to(Request(url)).headers).get("cookie")


# ---------------------------------------------------------------------------------------------------
# Over the network


def wall(origin: Origin, path: str, **fields: str | int) -> str:
    """Serve an image to requests with the cookie, and a redirect to the same URL to all others."""

    async def answer(writer: asyncio.StreamWriter, request: Received) -> bool:
        if "seen=1" in request.headers.get("cookie", ""):
            writer.write(head(200, content_length=len(PIXEL), **fields) + PIXEL)
        else:
            writer.write(head(302, location=path, content_length=0, set_cookie="seen=1; Path=/"))
        return True

    return origin.route(path, answer)


def test_a_redirect_to_the_same_url_with_a_cookie_leads_to_the_image(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = Ran(capsys, "get", wall(origin, "/a.png"), *LOCAL)
    assert ran.images == [PIXEL]
    assert [request.headers.get("cookie") for request in origin.requests] == [None, "seen=1"]


def test_the_cookie_is_forgotten_after_the_chain(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    Ran(capsys, "get", wall(origin, "/a.png"), wall(origin, "/b.png"), *LOCAL, "-j", "1")
    cookies = {
        path: [r.headers.get("cookie") for r in origin.requests if r.path == path]
        for path in ("/a.png", "/b.png")
    }
    assert cookies == {"/a.png": [None, "seen=1"], "/b.png": [None, "seen=1"]}
    assert b"seen=1" not in b"".join(file.read_bytes() for file in home.rglob("*") if file.is_file())


@pytest.mark.parametrize("vary", ["cookie", "accept, cookie"])
def test_a_response_that_varies_by_the_cookie_of_the_chain_is_found_again(
    vary: str, home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = wall(origin, "/a.png", vary=vary, etag='"1"')
    for options in ((), ("--offline",), ()):
        assert Ran(capsys, "get", url, *LOCAL, *options).images == [PIXEL]
    assert origin.asked() == 2
    assert Ran(capsys, "get", url, *LOCAL, "--refresh").images == [PIXEL]
    assert origin.requests[-1].headers.get("if-none-match") == '"1"'


def test_a_cookie_of_the_caller_goes_along_with_one_of_the_chain(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    Ran(capsys, "get", wall(origin, "/a.png"), *LOCAL, "-H", "Cookie: sid=abc; seen=0")
    assert [r.headers.get("cookie") for r in origin.requests] == ["sid=abc; seen=0", "sid=abc; seen=1"]


def test_a_retry_begins_without_the_cookies_of_the_attempt_before(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = origin.route("/a.png", to("/b.png", **SETS))
    origin.route("/b.png", status(500), whole(PIXEL))
    ran = Ran(capsys, "get", url, *LOCAL, "--backoff-base", "10ms")
    assert ran.images == [PIXEL]
    assert [(r.path, r.headers.get("cookie")) for r in origin.requests] == [
        ("/a.png", None),
        ("/b.png", "seen=1"),
    ] * 2


def test_a_robots_txt_behind_a_cookie_is_read(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    async def robots(writer: asyncio.StreamWriter, request: Received) -> bool:
        if request.headers.get("cookie") == "seen=1":
            body = b"User-agent: *\nDisallow: /secret\n"
            writer.write(head(content_length=len(body), content_type="text/plain") + body)
        else:
            writer.write(head(302, location="/robots.txt", content_length=0, set_cookie="seen=1"))
        return True

    origin.route("/robots.txt", robots)
    origin.route("/a.png", whole(PIXEL))
    origin.route("/secret/a.png", whole(PIXEL))
    urls = [f"{origin.url}/a.png", f"{origin.url}/secret/a.png"]
    ran = Ran(capsys, "get", *urls, "--robots", "respect", *LOCAL)
    assert ran.images == [PIXEL]
    assert "robots.txt disallows" in ran.err


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"set_cookie": "n=1"}, "it redirects to itself, and sets a cookie each time"),
        ({}, "it redirects to itself"),
    ],
)
def test_an_endless_redirect_to_itself_is_called_one(
    fields: dict[str, str], why: str, home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = origin.route("/a.png", to("/a.png", **fields))
    ran = Ran(capsys, "get", url, *LOCAL)
    assert ran.code == 1
    hint = "--cookies FILE sends those of your browser, which it may expect"
    assert ran.err == f"imgfetch: {url}: more than 10 redirects: {why}; {hint}\n"
    ran = Ran(capsys, "get", url, *LOCAL, "-H", "Cookie: a=1")
    assert ran.err == f"imgfetch: {url}: more than 10 redirects: {why}\n"
    assert origin.asked() == 22


def test_a_chain_of_different_urls_names_the_option_of_its_limit(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = origin.route("/a.png", redirect("/b.png"))
    origin.route("/b.png", redirect("/a.png"))
    ran = Ran(capsys, "get", url, *LOCAL)
    assert "more than 10 redirects; --max-redirects sets the limit" in ran.err
    for path, other in (("/a.png", "/b.png"), ("/b.png", "/a.png")):
        origin.route(path, to(other, set_cookie="n=1; Path=/"))
    ran = Ran(capsys, "get", url, *LOCAL)
    assert "more than 10 redirects, and the last sets a cookie; --max-redirects sets the limit" in ran.err


@pytest.mark.anyio
async def test_a_failure_behind_redirects_names_the_last_url() -> None:
    world = World()
    moved = reply(status=302, location="/b", set_cookie="a=1")
    world.transport.answer(f"{H}/a", moved)
    world.transport.answer(f"{H}/b", (404, b""))
    failed = await world.failed("/a")
    assert failed.kind is ErrorKind.HTTP_STATUS
    assert failed.message == f"redirected to {H}/b: HTTP 404"


# ---------------------------------------------------------------------------------------------------
# Where a cookie goes


@pytest.mark.parametrize(
    ("cookie", "goes_to", "not_to"),
    [
        ("a=1", "https://www.example.co.uk/dir/b.png", "https://img.example.co.uk/dir/b.png"),
        ("a=1", "https://www.example.co.uk/dir/sub/b.png", "https://www.example.co.uk/b.png"),
        ("a=1; Path=/", "https://www.example.co.uk/", "https://x.www.example.co.uk/"),
        ("a=1; Path=/d", "https://www.example.co.uk/d/x", "https://www.example.co.uk/dx"),
        ("a=1; Domain=example.co.uk; Path=/", "https://img.example.co.uk/", "https://example.com/"),
        ("a=1; Domain=.example.co.uk; Path=/", "https://example.co.uk/", "https://notexample.co.uk/"),
        ("a=1; Secure; Path=/", "https://www.example.co.uk/", "http://www.example.co.uk/"),
    ],
)
def test_a_cookie_goes_where_it_belongs(cookie: str, goes_to: str, not_to: str) -> None:
    assert sent(goes_to, cookie) == "a=1"
    assert sent(not_to, cookie) is None


@pytest.mark.parametrize(
    ("cookie", "by"),
    [
        ("a=1; Domain=co.uk", "https://www.example.co.uk/"),
        ("a=1; Domain=uk", "https://www.example.co.uk/"),
        ("a=1; Domain=github.io", "https://someone.github.io/"),
        ("a=1; Domain=other.co.uk", "https://www.example.co.uk/"),
        ("a=1; Domain=img.example.co.uk", "https://www.example.co.uk/"),
        ("a=1; Domain=0.0.1", "http://127.0.0.1/"),
        ("a=1; Domain=localhost", "http://a.localhost/"),
        ("a=1; Domain=local", "http://intranet/"),
        ("a=1; Secure", "http://www.example.co.uk/"),
        ("a=1; Max-Age=0", "https://www.example.co.uk/"),
        ("a=1; Max-Age=-1", "https://www.example.co.uk/"),
        ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "https://www.example.co.uk/"),
        ("a=" + "1" * 5000, "https://www.example.co.uk/"),
        ("", "https://www.example.co.uk/"),
        (";;;=", "https://www.example.co.uk/"),
    ],
)
def test_a_cookie_that_an_origin_may_not_set_is_not_kept(cookie: str, by: str) -> None:
    hosts = ("https://www.example.co.uk", "https://x.co.uk", "https://evil.github.io", "http://10.0.0.1")
    others = ("http://b.localhost", "http://localhost", "http://other.local", "https://other.co.uk")
    for host in (by, *hosts, *others):
        assert sent(host.rstrip("/") + "/", cookie, by=by) is None, host


@pytest.mark.parametrize(
    "by", ["http://localhost:8080/", "http://127.0.0.1:8080/", "http://[::1]:8080/", "https://example.com/"]
)
def test_a_cookie_returns_to_any_kind_of_host(by: str) -> None:
    assert sent(by, "a=1; Path=/", by=by) == "a=1"
    assert sent(by, "a=1; Path=/", "b=2; Max-Age=60", "a=3; Path=/", by=by) in ("a=3; b=2", "b=2; a=3")


def test_a_later_response_takes_a_cookie_back() -> None:
    cookies, url = RedirectCookies(), "https://example.com/a"
    for value in ("a=1", "a=1; Max-Age=0"):
        cookies.take(Head(url, 302, (("set-cookie", value),)), url)
    assert cookies.add_to(Request(url)) == Request(url)


def test_so_many_cookies_are_kept_as_a_request_may_carry() -> None:
    url = "https://example.com/"
    field = sent(url, *(f"c{number}={'x' * 1000}" for number in range(100)), by=url)
    assert field is not None
    assert 10_000 < len(field) < 20_000


@pytest.mark.parametrize(
    ("own", "others", "expected"),
    [
        ("", "a=1", "a=1"),
        ("b=2", "a=1", "b=2; a=1"),
        ("a=0; b=2", "a=1", "b=2; a=1"),
        ("flag;b=2; ", "flag", "b=2; flag"),
        ("x=1", "a=1; a=2", "x=1; a=1; a=2"),
    ],
)
def test_two_cookie_fields_become_one(own: str, others: str, expected: str) -> None:
    assert joined(own, others) == expected


def test_a_site_is_what_one_owner_has_registered() -> None:
    sites = {
        "www.example.co.uk": "example.co.uk",
        "example.com": "example.com",
        "a.b.github.io": "b.github.io",
        "co.uk": "co.uk",
        "localhost": "localhost",
        "127.0.0.1": "127.0.0.1",
        "::1": "::1",
    }
    assert {host: site_of(host) for host in sites} == sites
    assert [is_public_suffix(name) for name in ("co.uk", "com", "example.com", "127.0.0.1")] == [
        True,
        False,  # a single label is left to the library
        False,
        False,
    ]


def test_a_redirect_of_unreadable_cookies_is_followed(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = b"location: /b.png\r\nset-cookie: \xff=\xfe; Expires=never; Path\r\nset-cookie: =\r\n"
    url = origin.route(
        "/a.png", raw(b"HTTP/1.1 302 x\r\ncontent-length: 0\r\n" + fields + b"\r\n", more=True)
    )
    origin.route("/b.png", whole(PIXEL))
    assert Ran(capsys, "get", url, *LOCAL).images == [PIXEL]


@pytest.mark.parametrize(
    "attribute",
    [
        "Max-Age",
        "Max-Age=",
        "Max-Age=soon",
        "Max-Age=" + "9" * 500,
        "Expires",
        "Version=x",
        "Port=9",
        "Path",
        "",
    ],
)
def test_an_attribute_that_cannot_be_read_is_left_out(attribute: str) -> None:
    assert (
        sent("https://www.example.com/", f"a=1; {attribute}; Path=/", by="https://www.example.com/") == "a=1"
    )


_PIECES = (
    "a",
    "=",
    ";",
    " ",
    ",",
    '"',
    "Domain",
    "Max-Age",
    "Expires",
    "Path",
    "Secure",
    "-1",
    "\x00",
    "é",
    "9" * 99,
)


@given(st.lists(st.sampled_from(_PIECES), max_size=12).map("".join))
def test_no_set_cookie_field_is_an_error(field: str) -> None:
    value = sent("https://www.example.com/", field, by="https://www.example.com/")
    assert value is None or value.isprintable()
