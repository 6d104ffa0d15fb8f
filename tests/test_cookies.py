"""The caller's cookies: read as curl and wget read them, sent where they belong, and never shown."""

from __future__ import annotations

from http.cookiejar import CookieJar, MozillaCookieJar
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from command import LOCAL, Ran
from imgfetch import Cache, Client, InputError
from imgfetch.api.secret_files import cookies_of
from imgfetch.model.request import NO_SECRETS, Cookie, Settings, SourceOrigin
from imgfetch.readers.cookie_file import read_cookies
from imgfetch.rules.http import credentials, urls
from origin import head, redirect, status, whole
from pictures import encoded

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable
    from pathlib import Path

    from origin import Origin, Request

PIXEL = encoded("png", 9, 9)
SECRET = "s3cr3tc00kie"
NOW = 1_700_000_000.0


_PIECES = ("h.example", "\t", "TRUE", "/", "0", "a", "#HttpOnly_", "\n", "\r", "é", "\x1f", "9" * 400)


def line(
    domain: str, name: str = "sid", value: str = SECRET, *, path: str = "/", secure: bool = False, at: int = 0
) -> str:
    """Return a line of a cookie file; a domain with a dot before it includes its subdomains."""
    flags = ["FALSE", "TRUE"]
    return "\t".join([domain, flags[domain[0] == "."], path, flags[secure], str(at), name, value]) + "\n"


def jar(home: Path, *lines: str) -> str:
    """Write a cookie file; return the option that names it."""
    (home / "cookies.txt").write_text("# Netscape HTTP Cookie File\n\n" + "".join(lines))
    return "--cookies=cookies.txt"


def sent(
    lines: Iterable[str],
    url: str,
    *,
    source: str = "",
    headers: dict[str, str] | None = None,
    now: float = NOW,
) -> str | None:
    """Return the Cookie field of a request for `url`, which a `source` names."""
    by_site, _ = _by_site(lines, now)
    settings = Settings(cookies=by_site, headers=tuple((headers or {}).items()))
    address = urls.read(url)
    assert isinstance(address, urls.Address)
    given = credentials.given(address, settings, credentials.source_origin_of(source or url))
    return dict(given).get("cookie")


def _by_site(lines: Iterable[str], now: float) -> Any:  # noqa: ANN401 (as the function gives it)
    from tempfile import NamedTemporaryFile

    with NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("".join(lines))
        file.flush()
        return cookies_of(file.name, now=now)


# ---------------------------------------------------------------------------------------------------
# The file


def test_reads_the_format_of_curl_and_wget() -> None:
    text = (
        "\ufeff# Netscape HTTP Cookie File\r\n# a comment\r\n\r\n"
        ".example.org\tTRUE\t/\tTRUE\t1893456000\tsid\tabc=def\r\n"
        "#HttpOnly_www.example.org\tFALSE\t/dir\tFALSE\t0\thidden\tx y\n"
        "example.org\tfalse\t/\tfalse\t-1\tempty"
        "\n"
        "example.org\tFALSE\t/\tFALSE\t1893456000.5\tempty2\t\n"
        "#HttpOnly_ is a comment only here"
    )
    found, problems = read_cookies(text.encode())
    assert found == (
        Cookie("example.org", "/", "sid", "abc=def", is_host_only=False, is_secure=True, expires=1893456000),
        Cookie("www.example.org", "/dir", "hidden", "x y"),
        Cookie("example.org", "/", "empty", ""),
        Cookie("example.org", "/", "empty2", "", expires=1893456000.5),
    )
    assert [number for number, _ in problems] == [8]


@pytest.mark.parametrize(
    "text",
    [
        "example.org TRUE / FALSE 0 sid secret",
        "example.org\tTRUE\t/\tFALSE\t0\tsid\tsecret\tmore",
        "\tTRUE\t/\tFALSE\t0\tsid\tsecret",
        "example.org\tYES\t/\tFALSE\t0\tsid\tsecret",
        "example.org\tTRUE\t/\tFALSE\tsoon\tsid\tsecret",
        "example.org\tTRUE\t/\tFALSE\tnan\tsid\tsecret",
        "example.org\tTRUE\t/\tFALSE\t0\t\tsecret",
        "example.org\tTRUE\t/\tFALSE\t0\tsid\tse;cret",
        "example.org\tTRUE\t/\tFALSE\t0\tsid\tse\x00cret",
        '[{"domain": "example.org", "name": "sid", "value": "secret"}]',
    ],
)
def test_a_line_that_is_not_a_cookie_is_named_without_its_text(text: str) -> None:
    found, problems = read_cookies(f"a.example\tFALSE\t/\tFALSE\t0\ta\tb\n{text}\n".encode())
    assert len(found) == 1
    ((number, why),) = problems
    assert number == 2
    assert "secret" not in why


@given(st.binary() | st.lists(st.sampled_from(_PIECES)).map(lambda pieces: "".join(pieces).encode()))
def test_any_bytes_are_read(data: bytes) -> None:
    found, problems = read_cookies(data)
    assert len(found) + len(problems) <= data.count(b"\n") + 1
    assert all((cookie.name + cookie.value).isprintable() or not data.isascii() for cookie in found)


def test_a_bad_line_costs_no_other_cookie(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = origin.route("/a.png", whole(PIXEL))
    ran = Ran(capsys, "get", url, *LOCAL, jar(home, f"nonsense {SECRET}\n", line("127.0.0.1")))
    assert origin.requests[0].headers["cookie"] == f"sid={SECRET}"
    assert ran.err == (
        "imgfetch: cookies.txt: line 3 is not a cookie: 1 fields, where 7 are expected, "
        "with a tab between them\n"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("example.org TRUE / FALSE 0 sid x", "line 1: 1 fields, where 7 are expected"),
        ("[]", "no cookie in it; line 1"),
        (None, "no such file"),
    ],
)
def test_a_file_without_cookies_is_refused(
    text: str | None, words: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (home / "cookies.txt").write_text(text)
    ran = Ran(capsys, "get", "https://h.example/a.png", "--cookies", "cookies.txt")
    assert ran.code == 2
    assert words in ran.err
    with pytest.raises(InputError, match="cookies.txt"):
        Client(cookies="cookies.txt")


def test_an_expired_cookie_is_left_out_and_a_file_of_such_is_named(home: Path) -> None:
    by_site, notices = _by_site([line("h.example", at=int(NOW) - 1)], NOW)
    assert not by_site
    assert "all cookies in it have expired" in notices[0]
    assert sent([line("h.example", at=int(NOW) + 9)], "https://h.example/") == f"sid={SECRET}"


def test_takes_a_jar_of_the_standard_library(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text(
        "# Netscape HTTP Cookie File\n" + line(".h.example") + line("h.example", "b")
    )
    cookies = MozillaCookieJar(tmp_path / "c.txt")
    cookies.load(ignore_discard=True, ignore_expires=True)
    by_site, notices = cookies_of(cookies, now=NOW)
    assert notices == ()
    assert by_site["h.example"] == (
        Cookie("h.example", "/", "sid", SECRET, is_host_only=False),
        Cookie("h.example", "/", "b", SECRET),
    )
    assert cookies_of(CookieJar(), now=NOW) == ({}, ())


# ---------------------------------------------------------------------------------------------------
# Where a cookie goes


@pytest.mark.parametrize(
    ("cookie", "goes_to", "not_to"),
    [
        (line("h.example"), "http://h.example/a", "http://www.h.example/a"),
        (line(".h.example"), "http://h.example/a", "http://noth.example/a"),
        (line(".h.example"), "https://img.h.example:8443/a", "https://h.example.org/a"),
        (line("h.example", secure=True), "https://h.example/a", "http://h.example/a"),
        (line("h.example", path="/dir"), "http://h.example/dir/a", "http://h.example/directory/a"),
        (line("h.example", path="/dir/"), "http://h.example/dir/a", "http://h.example/dir"),
        (line("127.0.0.1"), "http://127.0.0.1:8080/a", "http://127.0.0.2/a"),
        (line(".0.0.1"), None, "http://127.0.0.1/a"),
        (line(".co.uk"), None, "http://h.co.uk/a"),
        (line(".github.io"), None, "http://h.github.io/a"),
        (line("localhost"), "http://localhost/a", "http://h.localhost/a"),
    ],
)
def test_a_cookie_goes_to_its_domain_and_path_alone(cookie: str, goes_to: str | None, not_to: str) -> None:
    if goes_to is not None:
        assert sent([cookie], goes_to) == f"sid={SECRET}"
    assert sent([cookie], not_to) is None


def test_a_longer_path_comes_first_and_a_later_line_replaces_an_earlier_one() -> None:
    lines = [
        line("h.example", "a", "0"),
        line("h.example", "b", "2", path="/dir"),
        line("h.example", "a", "1"),
    ]
    assert sent(lines, "http://h.example/dir/x") == "b=2; a=1"


def test_a_cookie_of_a_header_is_sent_beside_those_of_the_file_and_wins() -> None:
    lines = [line("h.example", "a", "1"), line("h.example", "b", "2")]
    assert sent(lines, "http://h.example/", headers={"Cookie": "b=3; c=4"}) == "a=1; b=3; c=4"


@pytest.mark.parametrize(
    ("source", "url", "goes"),
    [
        ("https://www.h.example/page", "https://img.h.example/a.png", True),
        ("https://www.h.example/page", "https://bank.example/logo.png", False),
        ("https://www.h.co.uk/page", "https://bank.co.uk/logo.png", False),
        ("https://me.github.io/page", "https://you.github.io/logo.png", False),
    ],
)
def test_no_page_has_cookies_sent_to_another_site(source: str, url: str, goes: bool) -> None:
    host = url.split("/")[2]
    assert (sent([line(host)], url, source=source) is not None) is goes


def test_a_page_of_the_network_and_a_redirect_have_none_sent_to_another_site(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    other = origin.door(host="127.0.0.2")
    origin.route("/own.png", whole(PIXEL))
    origin.route("/other.png", whole(encoded("png", 8, 8)))
    origin.route("/moved.png", redirect(f"{other}/there.png"))
    origin.route("/there.png", whole(encoded("png", 7, 7)))
    markup = f"<img src=/own.png><img src={other}/other.png><img src=/moved.png>"
    page = origin.route("/page", whole(markup.encode(), content_type="text/html"))
    option = jar(home, line("127.0.0.1"), line("127.0.0.2"))
    ran = Ran(capsys, "get", page, option, "--allow-host", "127.0.0.0/8")
    assert len(ran.images) == 3
    told = {request.path: request.headers.get("cookie") for request in origin.requests}
    own = f"sid={SECRET}"
    assert told == {"/page": own, "/own.png": own, "/other.png": None, "/moved.png": own, "/there.png": None}


def test_a_file_without_a_base_url_belongs_to_no_site(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = origin.route("/a.png", whole(PIXEL))
    (home / "page.html").write_text(f"<img src={url}>")
    option = jar(home, line("127.0.0.1"))
    for base in ((), ("--base", f"{origin.url}/")):
        Ran(capsys, "get", "page.html", option, *base, "--refresh", *LOCAL)
    assert [r.headers.get("cookie") for r in origin.requests] == [None, f"sid={SECRET}"]


def test_a_redirect_gets_the_cookies_of_its_own_path(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = origin.route("/a/x.png", redirect("/b/x.png"))
    origin.route("/b/x.png", whole(PIXEL))
    option = jar(home, line("127.0.0.1", "a", "1", path="/a"), line("127.0.0.1", "b", "2", path="/b"))
    assert Ran(capsys, "get", url, option, *LOCAL).images == [PIXEL]
    assert [request.headers["cookie"] for request in origin.requests] == ["a=1", "b=2"]


def test_a_cookie_that_a_redirect_sets_replaces_that_of_the_file_for_the_chain(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = whole(b"", 302, location="/b.png", set_cookie="sid=new; Path=/")
    origin.route("/b.png", whole(PIXEL))
    url = origin.route("/a.png", moved)
    option = jar(home, line("127.0.0.1"), line("127.0.0.1", "other", "1"))
    Ran(capsys, "get", url, option, *LOCAL)
    assert [r.headers["cookie"] for r in origin.requests] == [f"sid={SECRET}; other=1", "other=1; sid=new"]


# ---------------------------------------------------------------------------------------------------
# Stored responses, and secrecy


def member_page(origin: Origin) -> str:
    """Serve another image to requests with the cookie than to those without it, and do not say so."""

    async def answer(writer: asyncio.StreamWriter, request: Request) -> bool:
        body = PIXEL if SECRET in request.headers.get("cookie", "") else encoded("png", 5, 5)
        writer.write(head(200, content_length=len(body), cache_control="max-age=600") + body)
        return True

    return origin.route("/a.png", answer)


def test_a_response_to_cookies_answers_no_request_without_them_or_with_others(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = member_page(origin)
    mine, others = jar(home, line("127.0.0.1")), line("127.0.0.1", "sid", "somebody")
    assert Ran(capsys, "get", url, mine, *LOCAL).images == [PIXEL]
    assert Ran(capsys, "get", url, *LOCAL).images == [encoded("png", 5, 5)]
    assert Ran(capsys, "get", url, mine, *LOCAL).images == [PIXEL]
    assert origin.asked() == 2
    assert Ran(capsys, "get", url, jar(home, others), *LOCAL).images == [encoded("png", 5, 5)]
    assert origin.asked() == 3


def test_cookies_of_other_sites_select_nothing(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = member_page(origin)
    Ran(capsys, "get", url, *LOCAL)
    Ran(capsys, "get", url, jar(home, line(".h.example")), *LOCAL)
    assert origin.asked() == 1
    by_site, _ = _by_site([line(".h.example")], NOW)
    address = urls.read(url)
    assert isinstance(address, urls.Address)
    source = credentials.source_origin_of(url)
    assert credentials.secrets(address, Settings(cookies=by_site), source) == NO_SECRETS


def test_no_cookie_is_shown_or_written_down(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = origin.route("/a.png", whole(PIXEL, vary="cookie"))
    gone = origin.route("/gone.png", whole(f"no session {SECRET}".encode(), 403, content_type="text/plain"))
    busy = origin.route("/busy.png", status(500))
    option = jar(home, line("127.0.0.1"))
    told = ""
    for command in (
        (
            "get",
            url,
            gone,
            busy,
            "-v",
            "--report",
            "report.jsonl",
            "--lock",
            "lock",
            "--retries",
            "0",
            *LOCAL,
        ),
        ("get", url, "--json", *LOCAL),
        ("retry", "report.jsonl", "--all", "--retries", "0", *LOCAL),
        ("explain", f"{url}?new"),
        ("explain", url, "--json"),
        ("pick", f"{origin.url}/page", *LOCAL),
    ):
        ran = Ran(capsys, *command, option)
        told += ran.out + ran.err
    (home / "cookies.txt").unlink()
    told += "".join(file.read_bytes().decode("latin-1") for file in home.rglob("*") if file.is_file())
    assert SECRET not in told
    assert "cookie: …" in told
    assert all(SECRET in request.headers["cookie"] for request in origin.requests)
    assert SECRET not in repr(_by_site([line("h.example")], NOW))


def test_a_retry_sends_the_cookies_to_the_site_of_the_source(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = origin.route("/a.png", status(500), whole(PIXEL))
    page = origin.route("/page", whole(f"<img src={url}>".encode(), content_type="text/html"))
    option = jar(home, line("127.0.0.1"))
    Ran(capsys, "get", page, option, "--report", "report.jsonl", "--retries", "0", *LOCAL)
    assert Ran(capsys, "retry", "report.jsonl", option, *LOCAL).images == [PIXEL]
    assert all(request.headers.get("cookie") for request in origin.requests)


def test_explain_says_what_a_get_with_cookies_would_find(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = member_page(origin)
    option = jar(home, line("127.0.0.1"))
    Ran(capsys, "get", url, option, *LOCAL)
    assert "get would serve it without a request" in Ran(capsys, "explain", url, option).out
    assert "the stored response is for requests with other credentials" in Ran(capsys, "explain", url).out
    assert Cache(home / "cache").explain(url, cookies=home / "cookies.txt").action == "serve"


def test_a_source_origin_without_cookies_is_the_same_for_all_sources() -> None:
    address = urls.read("https://cdn.example/a.png")
    assert isinstance(address, urls.Address)
    source = credentials.source_origin_of("https://h.example/page")
    assert credentials.at(address, source, Settings()) == SourceOrigin()
