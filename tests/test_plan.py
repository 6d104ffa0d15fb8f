"""The first two questions: have we got it, and what did they say?"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgfetch.model.image import Entry, Facts, Format, Requirements, VerifyLevel
from imgfetch.model.request import Fetch, Head, Limits, Settings
from imgfetch.model.result import ErrorKind, Failure
from imgfetch.model.values import Digest, Key
from imgfetch.rules.http.credentials import source_origin_of
from imgfetch.rules.policy import fetch_policy

URL = "http://h.example/a.webp"
SETTINGS = Settings(limits=Limits(max_bytes=1000, max_redirects=3), headers=(("X-Api-Key", "secret"),))
FACTS = Facts(Format.WEBP, 640, 360, 1, 999, Digest("a" * 64), ("length", "structure", "decode"))
NOW = 3.0
HELD = Entry(
    Key(URL),
    FACTS,
    Head(URL, 200, (("etag", '"v1"'), ("last-modified", "Tue, 01 Jul 2025 10:00:00 GMT"))),
    1.0,
    2.0,
)


def ask_for(url: str = URL, entry: Entry | None = None, **changes: bool) -> Fetch:
    settings = SETTINGS._replace(**changes)  # type: ignore[arg-type]
    source_origin = source_origin_of(url)
    considered = fetch_policy.before_request(
        url, entry, Requirements(), settings, now=NOW, source_origin=source_origin
    )
    assert isinstance(considered, Fetch)
    return considered


def hear(status: int, fetch: Fetch | None = None, **fields: str) -> fetch_policy.AfterResponse:
    headers = tuple((name.replace("_", "-"), value) for name, value in fields.items())
    return fetch_policy.after_response(
        fetch or ask_for(), Head(URL, status, headers), SETTINGS, now=1_700_000_000
    )


def refusal(status: int, fetch: Fetch | None = None, **fields: str) -> Failure:
    heard = hear(status, fetch, **fields)
    assert isinstance(heard, fetch_policy.Reject)
    assert heard.failed.http_status == status
    return heard.failed


# Have we got it?


def test_what_is_held_is_served_without_a_request() -> None:
    assert fetch_policy.before_request(
        URL, HELD, Requirements(), SETTINGS, now=NOW
    ) == fetch_policy.UseStored(HELD)


def test_what_is_not_held_is_asked_for_with_our_headers_and_the_callers() -> None:
    headers = dict(ask_for().request.headers)
    assert headers["accept-encoding"] == "identity"
    assert headers["user-agent"] == "imgfetch"
    assert headers["x-api-key"] == "secret"
    assert "if-none-match" not in headers


def test_a_refresh_asks_only_whether_it_has_changed() -> None:
    fetch = ask_for(entry=HELD, refresh=True)
    headers = dict(fetch.request.headers)
    assert headers["if-none-match"] == '"v1"'
    assert headers["if-modified-since"] == "Tue, 01 Jul 2025 10:00:00 GMT"
    assert fetch.entry == HELD


@settings(deadline=None)
@given(
    st.sampled_from([URL, f"{URL}#x", "HTTP://h.example/a.webp", f"{URL}|", "a.webp"]),
    st.sampled_from([Format.WEBP, Format.OTHER]),
    st.sampled_from([("decode",), ("structure",), ()]),
    st.sampled_from([200, 203, 404]),
    st.lists(st.sampled_from(["max-age=10", "no-cache", "no-store", "stale-while-revalidate=50"])),
    st.sampled_from(["", "accept", "user-agent", "*"]),
    st.sampled_from([None, 3.0]),
    st.floats(0, 100),
)
def test_what_is_served_unasked_is_served_up_to_its_time(
    url: str,
    form: Format,
    verified: tuple[str, ...],
    status: int,
    stated: list[str],
    vary: str,
    bound: float | None,
    later: float,
) -> None:
    facts = replace(FACTS, format=form, verified=verified)
    head = Head(url, status, (("cache-control", ", ".join(stated)), ("vary", vary)))
    entry = Entry(Key(url), facts, head, 1.0, 2.0, redirect_lifetime=bound)
    until = fetch_policy.fresh_until(entry)
    considered = fetch_policy.before_request(url, entry, Requirements(), Settings(), now=2.0 + later)
    if until is not None and 2.0 + later < until:
        assert (url, vary, considered) == (URL, "", fetch_policy.UseStored(entry))
    elif (url, vary) == (URL, ""):
        assert considered != fetch_policy.UseStored(entry)


def test_offline_serves_what_is_held_and_refuses_the_rest() -> None:
    offline = SETTINGS._replace(offline=True, refresh=True)
    assert fetch_policy.before_request(URL, HELD, Requirements(), offline, now=NOW) == fetch_policy.UseStored(
        HELD
    )
    refused = fetch_policy.before_request(URL, None, Requirements(), offline, now=NOW)
    assert isinstance(refused, fetch_policy.Reject)
    assert refused.failed.kind is ErrorKind.OFFLINE


def test_a_held_file_that_is_not_what_is_wanted_now_is_asked_for_whole() -> None:
    for wanted in (Requirements(sha256=Digest("b" * 64)), Requirements(width=100, strict_width=True)):
        considered = fetch_policy.before_request(URL, HELD, wanted, SETTINGS, now=NOW)
        assert isinstance(considered, Fetch)
        assert considered.entry is None


def test_only_a_webp_is_proved_further_by_a_thorough_look() -> None:
    def considered(form: Format, *verified: str) -> object:
        held = HELD._replace(facts=replace(FACTS, format=form, verified=verified))
        return type(
            fetch_policy.before_request(URL, held, Requirements(VerifyLevel.THOROUGH), SETTINGS, now=NOW)
        )

    assert considered(Format.WEBP, "structure", "decode") is Fetch
    assert considered(Format.WEBP, "structure", "decode", "thorough") is fetch_policy.UseStored
    assert considered(Format.JPEG, "structure", "decode") is fetch_policy.UseStored
    assert considered(Format.JPEG, "structure") is Fetch


def test_a_held_file_proved_less_far_than_is_wanted_is_asked_for_again() -> None:
    glanced_at = HELD._replace(facts=replace(FACTS, verified=("length", "structure")))
    assert isinstance(
        fetch_policy.before_request(URL, glanced_at, Requirements(VerifyLevel.FULL), SETTINGS, now=NOW),
        Fetch,
    )
    assert isinstance(
        fetch_policy.before_request(URL, glanced_at, Requirements(VerifyLevel.STRUCTURE), SETTINGS, now=NOW),
        fetch_policy.UseStored,
    )


def test_a_held_file_of_another_width_than_promised_is_served_with_a_warning() -> None:
    served = fetch_policy.before_request(URL, HELD, Requirements(width=1280), SETTINGS, now=NOW)
    assert isinstance(served, fetch_policy.UseStored)
    assert served.warnings == ("width_mismatch: promised 1280, real 640",)


def test_a_bad_url_is_refused_before_anything_is_done() -> None:
    refused = fetch_policy.before_request("ftp://h/a", None, Requirements(), SETTINGS, now=NOW)
    assert isinstance(refused, fetch_policy.Reject)
    assert refused.failed.kind is ErrorKind.BAD_URL


def test_credentials_in_a_url_become_basic_authentication_and_stay_out_of_the_key() -> None:
    fetch = ask_for("http://user:pa%3Ass@h.example/a.webp")
    assert dict(fetch.request.headers)["authorization"] == "Basic dXNlcjpwYTpzcw=="
    assert "user" not in fetch.request.url + fetch.key


# What did they say?


def test_200_is_received_with_the_length_it_promises() -> None:
    assert hear(200, content_length="999") == fetch_policy.ReadBody(999, "")
    assert hear(200) == fetch_policy.ReadBody(None, "")
    assert hear(200, content_length="-1") == fetch_policy.ReadBody(None, "")
    assert hear(200, content_encoding="GZIP", content_length="5") == fetch_policy.ReadBody(5, "gzip")


def test_a_body_that_is_too_large_is_refused_by_its_header_alone() -> None:
    failed = refusal(200, content_length="10000000000000")
    assert failed.kind is ErrorKind.TOO_LARGE
    assert failed.message == "10,000,000,000,000 bytes, the limit is 1,000"
    assert not failed.retryable


def test_a_coding_that_was_not_asked_for_is_refused_unless_it_can_be_undone() -> None:
    assert refusal(200, content_encoding="br").kind is ErrorKind.BAD_ENCODING


def test_206_is_taken_only_where_it_covers_everything() -> None:
    assert hear(206, content_range="bytes 0-99/100") == fetch_policy.ReadBody(None, "")
    for wrong in ("bytes 0-98/100", "bytes 1-99/100", "bytes 0-99/*", "items 0-99/100", "bytes 0-1/\xb2", ""):
        assert refusal(206, content_range=wrong).kind is ErrorKind.PROTOCOL


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451, 505, 999])
def test_a_permanent_error_is_final(status: int) -> None:
    failed = refusal(status)
    assert (failed.kind, failed.message, failed.retryable) == (ErrorKind.HTTP_STATUS, f"HTTP {status}", False)


@pytest.mark.parametrize("status", [408, 425, 500, 502, 504, 520, 524])
def test_a_passing_error_may_be_asked_again(status: int) -> None:
    assert refusal(status).retryable


@pytest.mark.parametrize("status", [429, 503])
def test_being_asked_to_wait_is_heard(status: int) -> None:
    failed = refusal(status, retry_after="30")
    assert (failed.kind, failed.retryable, failed.retry_after) == (ErrorKind.RATE_LIMITED, True, 30)
    assert refusal(status, retry_after="soon").retry_after is None


def test_204_is_empty_and_unasked_304_and_416_are_no_answers() -> None:
    assert refusal(204).kind is ErrorKind.EMPTY
    assert refusal(304).kind is ErrorKind.PROTOCOL
    assert refusal(416).kind is ErrorKind.PROTOCOL


def test_304_to_a_refresh_confirms_what_is_held() -> None:
    assert hear(304, ask_for(entry=HELD, refresh=True)) == fetch_policy.NotModified(HELD)


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_under_the_key_first_asked_for(status: int) -> None:
    heard = hear(status, location="/b.webp")
    assert isinstance(heard, fetch_policy.Redirect)
    assert heard.fetch.request.url == "http://h.example/b.webp"
    assert heard.fetch.key == Key(URL)
    assert dict(heard.fetch.request.headers)["x-api-key"] == "secret"


@pytest.mark.parametrize("there", ["http://other.example/", "https://h.example/", "http://h.example:81/"])
def test_another_origin_gets_none_of_the_callers_headers(there: str) -> None:
    heard = hear(302, ask_for("http://u:p@h.example/a.webp"), location=there)
    assert isinstance(heard, fetch_policy.Redirect)
    assert set(dict(heard.fetch.request.headers)) == {"user-agent", "accept", "accept-encoding"}


def test_a_redirect_back_does_not_bring_the_callers_headers_back() -> None:
    away = hear(302, location="http://other.example/")
    assert isinstance(away, fetch_policy.Redirect)
    back = hear(302, away.fetch, location=URL)
    assert isinstance(back, fetch_policy.Redirect)
    assert "x-api-key" not in dict(back.fetch.request.headers)


def test_a_validator_goes_only_to_the_url_that_gave_it() -> None:
    there = HELD._replace(head=HELD.head._replace(url="http://h.example/now.webp"))
    fetch = ask_for(entry=there, refresh=True)
    assert "if-none-match" not in dict(fetch.request.headers)
    same = hear(302, fetch, location="/now.webp")
    other = hear(302, fetch, location="/new.webp")
    assert isinstance(same, fetch_policy.Redirect)
    assert isinstance(other, fetch_policy.Redirect)
    assert dict(same.fetch.request.headers)["if-none-match"] == '"v1"'
    assert isinstance(hear(304, same.fetch), fetch_policy.NotModified)
    assert "if-none-match" not in dict(other.fetch.request.headers)
    assert refusal(304, other.fetch).kind is ErrorKind.PROTOCOL


def test_a_redirect_to_another_host_in_backslashes_takes_nothing_of_the_callers_along() -> None:
    given = SETTINGS._replace(headers=(("authorization", "secret"),))
    considered = fetch_policy.before_request(
        URL, None, Requirements(), given, now=NOW, source_origin=source_origin_of(URL)
    )
    assert isinstance(considered, Fetch)
    assert "secret" in dict(considered.request.headers).values()
    heard = fetch_policy.after_response(
        considered, Head(URL, 302, (("location", "\\\\evil.example\\a"),)), given, now=NOW
    )
    assert isinstance(heard, fetch_policy.Redirect)
    assert heard.fetch.request.url.partition(":")[2] == "//evil.example/a"
    assert "secret" not in dict(heard.fetch.request.headers).values()


def test_redirects_are_counted() -> None:
    fetch = ask_for()
    for _ in range(3):
        heard = hear(302, fetch, location="/again")
        assert isinstance(heard, fetch_policy.Redirect)
        fetch = heard.fetch
    failed = refusal(302, fetch, location="/again")
    assert (failed.kind, failed.message) == (ErrorKind.TOO_MANY_REDIRECTS, "more than 3 redirects")


@pytest.mark.parametrize(
    ("location", "word"),
    [
        ("", "without a Location"),
        ("file:///etc/passwd", "file:"),
        ("ftp://h/a", "ftp:"),
        ("data:image/png;base64,AAAA", "data:"),
        ("http://", "host is missing"),
        ("http://u:p@other.example/", "carries credentials"),
        ("/" + "a" * 200_000, "too long"),
    ],
)
def test_an_unusable_location_is_a_bad_redirect_that_is_named(location: str, word: str) -> None:
    failed = refusal(302, location=location)
    assert failed.kind is ErrorKind.BAD_REDIRECT
    assert word in failed.message
    assert "u:p" not in failed.message
    assert not failed.retryable


def test_a_location_with_a_port_that_browsers_block_is_a_bad_url() -> None:
    for location in ("http://h.example:25/a", "//other.example:6667/a", "\\\\other.example:6667\\a"):
        failed = refusal(302, location=location)
        assert failed.kind is ErrorKind.BAD_URL
        assert "is blocked, as browsers block it" in failed.message
        assert not failed.retryable


# Falling through, and asking anew


def falls(reason: ErrorKind, other: str = "http://h.example/b.webp") -> bool:
    return fetch_policy.may_fall_through(Failure(reason, "", ""), URL, other)


def test_a_dead_or_damaged_file_says_nothing_about_its_neighbour() -> None:
    for reason in (
        ErrorKind.HTTP_STATUS,
        ErrorKind.NOT_IMAGE,
        ErrorKind.CORRUPT,
        ErrorKind.TOO_LARGE,
        ErrorKind.BAD_REDIRECT,
    ):
        assert falls(reason)


def test_a_host_out_of_reach_is_as_far_away_for_each_of_its_candidates() -> None:
    for reason in (
        ErrorKind.DNS,
        ErrorKind.CONNECT,
        ErrorKind.TIMEOUT,
        ErrorKind.TLS,
        ErrorKind.RATE_LIMITED,
        ErrorKind.BLOCKED,
    ):
        assert not falls(reason)
        assert falls(reason, "http://mirror.example/b.webp")


def test_no_candidate_helps_where_the_cache_cannot_be_written() -> None:
    assert not falls(ErrorKind.DISK_FULL, "http://mirror.example/b.webp")


def test_after_damage_the_request_goes_past_every_cache_and_has_no_condition() -> None:
    fetch = ask_for(entry=HELD, refresh=True)
    fresh = fetch_policy.next_attempt(fetch, Failure(ErrorKind.CORRUPT, "", ""))
    assert dict(fresh.request.headers)["cache-control"] == "no-cache"
    assert "if-none-match" not in dict(fresh.request.headers)
    assert fresh.entry is None
    assert fetch_policy.next_attempt(fetch, Failure(ErrorKind.RESET, "", "")) == fetch
