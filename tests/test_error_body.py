"""What an origin says with a refusal reaches the user, with the option that helps, and without secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from command import LOCAL, Ran
from imgfetch.model.request import Head, Request
from imgfetch.model.result import ErrorKind, Failure
from imgfetch.rules.policy import error_body
from origin import endless, head, raw, stall, whole
from pictures import encoded

if TYPE_CHECKING:
    from pathlib import Path

    from origin import Origin

WIKIMEDIA = "Please set a user-agent and respect our robot policy https://w.example/4wJS. See also T400119."
POLICY = "Please comply with the User-Agent policy: https://meta.example.org/wiki/User-Agent_policy"
ASKED = Request("https://h.example/a.png?w=320&sig=5ecre7value", (("user-agent", "imgfetch/1"),))
CONTACT = "--contact URL adds a way to reach you to the User-Agent"


def said(text: str, request: Request = ASKED, *, status: int = 403, kind: str = "text/plain") -> Failure:
    failed = Failure(ErrorKind.HTTP_STATUS, f"HTTP {status}", "https://h.example/a.png", http_status=status)
    response = Head(request.url, status, (("content-type", kind),))
    return error_body.explained(failed, response, text.encode(), request)


@pytest.mark.parametrize("code", [403, 429])
def test_a_refusal_that_asks_for_a_contact_names_the_option(
    code: int, home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = origin.route("/a.png", whole(POLICY.encode(), code, content_type="text/plain"))
    ran = Ran(capsys, "get", url, *LOCAL, "--retries", "0")
    assert ran.err == f"imgfetch: {url}: HTTP {code}: “{POLICY}”; {CONTACT}\n"


def test_a_page_that_is_refused_names_it_too(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = whole(f"<title>Error</title><p>{WIKIMEDIA}</p>".encode(), 403, content_type="text/html")
    url = origin.route("/page", answer)
    for command in ("get", "pick"):
        assert Ran(capsys, command, url, *LOCAL).err == f"imgfetch: {url}: HTTP 403; {CONTACT}\n"


def test_an_error_of_the_library_names_the_keyword() -> None:
    assert said(POLICY).hint == "contact=… adds a way to reach you to the User-Agent"


def test_an_origin_that_asks_for_a_login_names_the_option_for_it(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = origin.route("/a.png", whole(b"<html>Please log in</html>", 403, content_type="text/html"))
    ran = Ran(capsys, "get", url, *LOCAL)
    assert (
        ran.err == f"imgfetch: {url}: HTTP 403; --cookies FILE sends those of a browser that is logged in\n"
    )
    assert said("Sign-in required", ASKED._replace(headers=(("cookie", "a=1"),))).hint is None


def test_an_origin_that_asks_for_a_password_names_the_option_for_it(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = origin.route("/a.png", whole(b"", 401, www_authenticate='Basic realm="x"'))
    ran = Ran(capsys, "get", url, *LOCAL)
    hint = "--netrc sends user and password; so does a URL that has them"
    assert ran.err == f"imgfetch: {url}: HTTP 401; {hint}\n"
    for given in ((url, "-H", "Authorization: x"), (url.replace("//", "//u:p@"),)):
        refused = "check the user and the password, or the Authorization field, that were sent"
        assert Ran(capsys, "get", *given, *LOCAL).err == f"imgfetch: {url}: HTTP 401; {refused}\n"


def test_an_option_that_was_given_is_not_asked_for_again(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = origin.route("/a.png", whole(b"", 401, www_authenticate='Basic realm="x"'))
    page = origin.route("/b.png", whole(b"<html>Please log in</html>", 403, content_type="text/html"))
    (home / "netrc").write_text("machine other.example login u password p\n")
    (home / "netrc").chmod(0o600)
    (home / "cookies").write_text("other.example\tFALSE\t/\tFALSE\t0\ta\tb\n")
    (home / "cookies").chmod(0o600)
    for option, name, asked in (("--netrc-file", "netrc", url), ("--cookies", "cookies", page)):
        ran = Ran(capsys, "get", asked, option, str(home / name), *LOCAL)
        assert f"nothing of {option} was sent: it has nothing for this host, or the source is a" in ran.err


@pytest.mark.parametrize("agent", ["imgfetch/1 (+https://example.org/bot)", "bot (me@example.org)"])
def test_a_caller_that_gave_a_contact_is_not_asked_for_one(agent: str) -> None:
    assert said(POLICY, ASKED._replace(headers=(("user-agent", agent),))).hint is None


@pytest.mark.parametrize("text", ["No hotlinking, please.", "Hot-link denied", "Bad Referer", "bad referrer"])
def test_a_host_that_judges_by_the_referrer_names_the_option_for_it(text: str) -> None:
    assert said(text).hint == "referer=… names the page of the image"
    told = ASKED._replace(headers=(*ASKED.headers, ("referer", "https://page.example/")))
    assert said(text, told).hint == 'referrer_policy="no-referrer" sends no Referer'


def test_a_host_that_wants_the_whole_url_of_its_own_page_gets_the_other_hint() -> None:
    own = ASKED._replace(headers=(*ASKED.headers, ("referer", "https://h.example/")))
    hint = said("bad referrer", own).hint or ""
    assert hint.startswith(
        'referrer_policy="strict-origin-when-cross-origin" sends the whole URL of the page'
    )
    named = ASKED._replace(headers=(*ASKED.headers, ("referer", "https://h.example/page.html")))
    assert said("bad referrer", named).hint == 'referrer_policy="no-referrer" sends no Referer'


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Forbidden", "text/plain"),
        ("403 Forbidden\n", "text/plain"),
        ("Too Many Requests", "text/plain"),
        ("no", "text/plain"),
        ("", "text/plain"),
        ("a" * 200, "text/plain"),
        ("<html>Blocked by our firewall</html>", "text/html"),
        ("the signature 5ecre7value is wrong", "text/plain"),
        ("the signature 5ecre7value is wrong", "application/json"),
    ],
)
def test_a_text_that_says_nothing_more_or_repeats_a_secret_is_left_out(text: str, kind: str) -> None:
    assert said(text, kind=kind).message == "HTTP 403"


@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        ('{"error":{"code":403,"message":"URL signature expired!"}}', "text/json", "URL signature expired!"),
        ('{"errors":[{"detail":"token has expired"}]}', "application/json", "token has expired"),
        ('{"title":"Forbidden","detail":"Plan exceeded"}', "application/problem+json", "Plan exceeded"),
        ('{"error":"quota exceeded"}', "text/json; charset=utf-8", "quota exceeded"),
        (
            "<?xml version='1.0'?><Error><Code>Denied</Code><Message>Request has expired</Message></Error>",
            "application/xml",
            "Request has expired",
        ),
        ("<title>403 Forbidden</title><h1>Hot &amp; <i>cold</i></h1>", "text/html", "Hot & cold"),
        ("<TITLE>Request blocked</TITLE><h1>403 ERROR</h1>", "text/html; charset=x", "Request blocked"),
    ],
)  # fmt: skip
def test_a_reason_in_json_xml_or_html_is_told(body: str, kind: str, reason: str) -> None:
    assert said(body, kind=kind).message == f"HTTP 403: “{reason}”"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("<title>403 Forbidden</title><h1>Forbidden</h1>", "text/html"),
        ("<h1>Unauthorized</h1>", "text/html"),
        ("<h1" * 5000, "text/html"),
        ('{"message":"Forbidden"}', "application/json"),
        ('{"message":"the signature 5ecre7value is wrong"}', "application/json"),
        ('{"message":', "application/json"),
        ('{"error":' * 3000, "application/json"),
        ("[" * 9000 + "]" * 7000, "application/json"),
        ("[]", "application/json"),
        ("<Message></Message>", "application/xml"),
        ("<Message>" * 1700, "application/xml"),
    ],
)
def test_a_structured_body_without_a_reason_adds_nothing(body: str, kind: str) -> None:
    assert said(body, kind=kind).message == "HTTP 403"


def test_a_check_for_browsers_is_named() -> None:
    failed = Failure(ErrorKind.HTTP_STATUS, "HTTP 403", "https://h.example/a.png", http_status=403)
    response = Head(ASKED.url, 403, (("content-type", "text/html"), ("cf-mitigated", "challenge")))
    told = error_body.explained(failed, response, b"<title>Just a moment...</title>", ASKED)
    assert told.message == "HTTP 403: Cloudflare first checks that a browser asks"
    assert told.hint == "cookies=… and user_agent=… of a browser that passed the check may help"


def test_no_secret_of_the_caller_is_repeated() -> None:
    fields = (("authorization", "Bearer s3cr3ttoken"), ("cookie", "sid=0pensesame; x=1"))
    asked = ASKED._replace(headers=(*ASKED.headers, *fields))
    pin = ASKED._replace(headers=(("x-pin", "4711"),))
    assert said("wrong PIN 4711", pin).message == "HTTP 403"
    for text in ("no such token: s3cr3ttoken", "session 0pensesame expired", "cookie: sid=0pensesame"):
        assert said(text, asked).message == "HTTP 403"
    assert said("session expired", asked).message == "HTTP 403: “session expired”"


def test_a_url_in_the_reason_is_redacted_and_odd_characters_are_escaped() -> None:
    shown = said("see https://user:pass@x.example/log?token=abcdef \x1b[31m now").message
    assert shown == "HTTP 403: “see https://x.example/log?token=… \\x1b[31m now”"


@pytest.mark.parametrize("code", [404, 410, 500, 503])
def test_other_errors_are_not_read(code: int) -> None:
    assert not error_body.may_explain(Head("https://h.example/", code, (("content-type", "text/plain"),)))


@pytest.mark.parametrize("kind", ["image/png", "application/octet-stream", "video/mp4", "application/pdf"])
def test_a_body_that_is_not_a_text_is_not_read(kind: str) -> None:
    assert not error_body.may_explain(Head("https://h.example/", 403, (("content-type", kind),)))


def test_an_error_body_that_never_ends_or_never_comes_is_not_waited_for(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    urls = [
        origin.route("/endless", endless(head(403, content_type="text/plain"), b"go away " * 512)),
        origin.route("/stalls", stall(head(403, content_type="text/plain", content_length=99))),
        origin.route(
            "/cut", raw(head(403, content_type="text/plain", content_length=99) + b"Set a user agent")
        ),
    ]
    ran = Ran(capsys, "get", *urls, *LOCAL, "--total-timeout", "20s")
    assert sorted(line for line in ran.err.splitlines() if "HTTP" in line) == [
        f"imgfetch: {urls[2]}: HTTP 403: “Set a user agent”; {CONTACT}",
        f"imgfetch: {urls[0]}: HTTP 403",
        f"imgfetch: {urls[1]}: HTTP 403",
    ]


def test_a_warning_names_the_url_and_no_path_of_the_cache(
    home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = origin.route("/a.png?token=abcdef", whole(encoded("png", 9, 9)))
    ran = Ran(capsys, "get", f"{url} 12w", *LOCAL)
    assert ran.err == f"imgfetch: {origin.url}/a.png?token=…: width_mismatch: promised 12, real 9\n"


@pytest.mark.parametrize(("form", "missing"), [("jpeg", 2), ("gif", 1)])
def test_a_file_without_its_end_is_refused_with_the_way_out(
    form: str, missing: int, home: Path, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    data = encoded(form, 64, 48)[:-missing]
    url = origin.route(f"/a.{form}", whole(data))
    ran = Ran(capsys, "get", url, *LOCAL)
    assert ran.code == 1
    assert "; --verify none would accept it" in ran.err
    assert origin.asked() == 2  # once more, past every cache: it may have been cut on the way
    assert Ran(capsys, "get", url, *LOCAL, "--verify", "none").images == [data]
