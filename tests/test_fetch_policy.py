"""`rules.policy.fetch_policy`: what to request, and what to do with the response."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deciding import decide
from imgfetch.model.image import Entry, Facts, Format, Requirements, VerifyLevel
from imgfetch.model.request import Fetch, Head, Limits, Settings
from imgfetch.model.result import ErrorKind, Failure
from imgfetch.model.values import Digest, Key
from imgfetch.rules.http.credentials import source_origin_of
from imgfetch.rules.policy import fetch_policy, response_policy, stored_response

URL = "http://h.example/a.webp"
SETTINGS = Settings(limits=Limits(max_bytes=1000, max_redirects=3), headers=(("X-Api-Key", "secret"),))
FACTS = Facts(Format.WEBP, 640, 360, 1, 999, Digest("a" * 64), ("length", "structure", "decode"))
NOW = 3.0
STORED = Entry(
    Key(URL),
    FACTS,
    Head(URL, 200, (("etag", '"v1"'), ("last-modified", "Tue, 01 Jul 2025 10:00:00 GMT"))),
    1.0,
    2.0,
)


def fetch_of(url: str = URL, entry: Entry | None = None, **changes: bool) -> Fetch:
    settings = SETTINGS._replace(**changes)  # type: ignore[arg-type]
    source_origin = source_origin_of(url)
    decision = decide(url, entry, Requirements(), settings, now=NOW, source_origin=source_origin)
    assert isinstance(decision, Fetch)
    return decision


def action_for(status: int, fetch: Fetch | None = None, **fields: str) -> response_policy.AfterResponse:
    headers = tuple((name.replace("_", "-"), value) for name, value in fields.items())
    return response_policy.after_response(
        fetch or fetch_of(), Head(URL, status, headers), SETTINGS, now=1_700_000_000
    )


def failure_for(status: int, fetch: Fetch | None = None, **fields: str) -> Failure:
    action = action_for(status, fetch, **fields)
    assert isinstance(action, fetch_policy.Reject)
    assert action.failed.http_status == status
    return action.failed


# Before a request


def test_uses_a_fresh_stored_response_without_a_request() -> None:
    assert decide(URL, STORED, Requirements(), SETTINGS, now=NOW) == fetch_policy.UseStored(STORED)


def test_requests_an_image_with_our_headers_and_the_callers() -> None:
    headers = dict(fetch_of().request.headers)
    assert headers["accept-encoding"] == "identity"
    assert headers["user-agent"] == "imgfetch"
    assert headers["x-api-key"] == "secret"
    assert "if-none-match" not in headers


def test_refresh_revalidates_the_stored_response() -> None:
    fetch = fetch_of(entry=STORED, refresh=True)
    headers = dict(fetch.request.headers)
    assert headers["if-none-match"] == '"v1"'
    assert headers["if-modified-since"] == "Tue, 01 Jul 2025 10:00:00 GMT"
    assert fetch.entry == STORED


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
def test_uses_a_stored_response_until_fresh_until(
    url: str,
    form: Format,
    verified: tuple[str, ...],
    status: int,
    stated: list[str],
    vary: str,
    bound: float | None,
    later: float,
) -> None:
    facts = FACTS._replace(format=form, verified=verified)
    head = Head(url, status, (("cache-control", ", ".join(stated)), ("vary", vary)))
    entry = Entry(Key(url), facts, head, 1.0, 2.0, redirect_lifetime=bound)
    until = stored_response.fresh_until(entry)
    decision = decide(url, entry, Requirements(), Settings(), now=2.0 + later)
    if until is not None and 2.0 + later < until:
        assert (url, vary, decision) == (URL, "", fetch_policy.UseStored(entry))
    elif (url, vary) == (URL, ""):
        assert decision != fetch_policy.UseStored(entry)


def test_offline_uses_the_stored_response_or_fails() -> None:
    offline = SETTINGS._replace(offline=True, refresh=True)
    assert decide(URL, STORED, Requirements(), offline, now=NOW) == fetch_policy.UseStored(STORED)
    rejected = decide(URL, None, Requirements(), offline, now=NOW)
    assert isinstance(rejected, fetch_policy.Reject)
    assert rejected.failed.kind is ErrorKind.OFFLINE


def test_requests_the_whole_image_if_the_stored_one_does_not_meet_the_requirements() -> None:
    for wanted in (Requirements(sha256=Digest("b" * 64)), Requirements(width=100, strict_width=True)):
        decision = decide(URL, STORED, wanted, SETTINGS, now=NOW)
        assert isinstance(decision, Fetch)
        assert decision.entry is None


def test_thorough_verification_differs_for_webp_alone() -> None:
    def decision(form: Format, *verified: str) -> object:
        stored = STORED._replace(facts=FACTS._replace(format=form, verified=verified))
        return type(decide(URL, stored, Requirements(VerifyLevel.THOROUGH), SETTINGS, now=NOW))

    assert decision(Format.WEBP, "structure", "decode") is Fetch
    assert decision(Format.WEBP, "structure", "decode", "thorough") is fetch_policy.UseStored
    assert decision(Format.JPEG, "structure", "decode") is fetch_policy.UseStored
    assert decision(Format.JPEG, "structure") is Fetch


def test_requests_an_image_again_that_was_verified_less_than_required() -> None:
    structure_only = STORED._replace(facts=FACTS._replace(verified=("length", "structure")))
    assert isinstance(
        decide(URL, structure_only, Requirements(VerifyLevel.FULL), SETTINGS, now=NOW),
        Fetch,
    )
    assert isinstance(
        decide(URL, structure_only, Requirements(VerifyLevel.STRUCTURE), SETTINGS, now=NOW),
        fetch_policy.UseStored,
    )


def test_warns_of_a_stored_image_of_another_width_than_promised() -> None:
    served = decide(URL, STORED, Requirements(width=1280), SETTINGS, now=NOW)
    assert isinstance(served, fetch_policy.UseStored)
    assert served.warnings == ("width_mismatch: promised 1280, real 640",)


def test_rejects_a_bad_url_before_any_request() -> None:
    rejected = decide("ftp://h/a", None, Requirements(), SETTINGS, now=NOW)
    assert isinstance(rejected, fetch_policy.Reject)
    assert rejected.failed.kind is ErrorKind.BAD_URL


def test_userinfo_becomes_basic_authentication_and_stays_out_of_the_key() -> None:
    fetch = fetch_of("http://user:pa%3Ass@h.example/a.webp")
    assert dict(fetch.request.headers)["authorization"] == "Basic dXNlcjpwYTpzcw=="
    assert "user" not in fetch.request.url + fetch.key


# After the response head


def test_reads_the_body_of_a_200_with_its_promised_length() -> None:
    assert action_for(200, content_length="999") == response_policy.ReadBody(999, "")
    assert action_for(200) == response_policy.ReadBody(None, "")
    assert action_for(200, content_length="-1") == response_policy.ReadBody(None, "")
    assert action_for(200, content_encoding="GZIP", content_length="5") == response_policy.ReadBody(5, "gzip")


def test_rejects_a_body_that_is_too_large_by_its_head() -> None:
    failed = failure_for(200, content_length="10000000000000")
    assert failed.kind is ErrorKind.TOO_LARGE
    assert failed.message == "10,000,000,000,000 bytes, the limit is 1,000"
    assert not failed.retryable


def test_rejects_a_content_coding_that_cannot_be_decoded() -> None:
    assert failure_for(200, content_encoding="br").kind is ErrorKind.BAD_ENCODING


def test_accepts_an_unrequested_206_only_if_it_covers_the_whole() -> None:
    assert action_for(206, content_range="bytes 0-99/100") == response_policy.ReadBody(None, "")
    for wrong in ("bytes 0-98/100", "bytes 1-99/100", "bytes 0-99/*", "items 0-99/100", "bytes 0-1/\xb2", ""):
        assert failure_for(206, content_range=wrong).kind is ErrorKind.PROTOCOL


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451, 505, 999])
def test_does_not_retry_a_permanent_error(status: int) -> None:
    failed = failure_for(status)
    assert (failed.kind, failed.message, failed.retryable) == (ErrorKind.HTTP_STATUS, f"HTTP {status}", False)


@pytest.mark.parametrize("status", [408, 425, 500, 502, 504, 520, 524])
def test_may_retry_a_transient_error(status: int) -> None:
    assert failure_for(status).retryable


@pytest.mark.parametrize("status", [429, 503])
def test_reads_retry_after_of_429_and_503(status: int) -> None:
    failed = failure_for(status, retry_after="30")
    assert (failed.kind, failed.retryable, failed.retry_after) == (ErrorKind.RATE_LIMITED, True, 30)
    assert failure_for(status, retry_after="soon").retry_after is None


def test_rejects_204_and_an_unexpected_304_or_416() -> None:
    assert failure_for(204).kind is ErrorKind.EMPTY
    assert failure_for(304).kind is ErrorKind.PROTOCOL
    assert failure_for(416).kind is ErrorKind.PROTOCOL


def test_a_304_confirms_the_stored_response() -> None:
    assert action_for(304, fetch_of(entry=STORED, refresh=True)) == response_policy.NotModified(STORED)


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_follows_a_redirect_under_the_original_key(status: int) -> None:
    action = action_for(status, location="/b.webp")
    assert isinstance(action, response_policy.Redirect)
    assert action.fetch.request.url == "http://h.example/b.webp"
    assert action.fetch.key == Key(URL)
    assert dict(action.fetch.request.headers)["x-api-key"] == "secret"


@pytest.mark.parametrize("there", ["http://other.example/", "https://h.example/", "http://h.example:81/"])
def test_sends_the_callers_headers_to_no_other_origin(there: str) -> None:
    action = action_for(302, fetch_of("http://u:p@h.example/a.webp"), location=there)
    assert isinstance(action, response_policy.Redirect)
    assert set(dict(action.fetch.request.headers)) == {"user-agent", "accept", "accept-encoding"}


def test_a_redirect_back_does_not_restore_the_callers_headers() -> None:
    away = action_for(302, location="http://other.example/")
    assert isinstance(away, response_policy.Redirect)
    back = action_for(302, away.fetch, location=URL)
    assert isinstance(back, response_policy.Redirect)
    assert "x-api-key" not in dict(back.fetch.request.headers)


def test_sends_a_validator_only_to_its_own_url() -> None:
    there = STORED._replace(head=STORED.head._replace(url="http://h.example/now.webp"))
    fetch = fetch_of(entry=there, refresh=True)
    assert "if-none-match" not in dict(fetch.request.headers)
    same = action_for(302, fetch, location="/now.webp")
    other = action_for(302, fetch, location="/new.webp")
    assert isinstance(same, response_policy.Redirect)
    assert isinstance(other, response_policy.Redirect)
    assert dict(same.fetch.request.headers)["if-none-match"] == '"v1"'
    assert isinstance(action_for(304, same.fetch), response_policy.NotModified)
    assert "if-none-match" not in dict(other.fetch.request.headers)
    assert failure_for(304, other.fetch).kind is ErrorKind.PROTOCOL


def test_a_redirect_with_backslashes_leads_to_another_host_without_the_callers_headers() -> None:
    given = SETTINGS._replace(headers=(("authorization", "secret"),))
    decision = decide(URL, None, Requirements(), given, now=NOW, source_origin=source_origin_of(URL))
    assert isinstance(decision, Fetch)
    assert "secret" in dict(decision.request.headers).values()
    action = response_policy.after_response(
        decision, Head(URL, 302, (("location", "\\\\evil.example\\a"),)), given, now=NOW
    )
    assert isinstance(action, response_policy.Redirect)
    assert action.fetch.request.url.partition(":")[2] == "//evil.example/a"
    assert "secret" not in dict(action.fetch.request.headers).values()


def test_limits_the_number_of_redirects() -> None:
    fetch = fetch_of()
    for _ in range(3):
        action = action_for(302, fetch, location="/again")
        assert isinstance(action, response_policy.Redirect)
        fetch = action.fetch
    failed = failure_for(302, fetch, location="/again")
    assert (failed.kind, failed.message) == (
        ErrorKind.TOO_MANY_REDIRECTS,
        "more than 3 redirects: it redirects to itself",
    )


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
def test_names_the_fault_of_an_unusable_location(location: str, word: str) -> None:
    failed = failure_for(302, location=location)
    assert failed.kind is ErrorKind.BAD_REDIRECT
    assert word in failed.message
    assert "u:p" not in failed.message
    assert not failed.retryable


def test_a_location_with_a_blocked_port_is_a_bad_url() -> None:
    for location in ("http://h.example:25/a", "//other.example:6667/a", "\\\\other.example:6667\\a"):
        failed = failure_for(302, location=location)
        assert failed.kind is ErrorKind.BAD_URL
        assert "is blocked, as browsers block it" in failed.message
        assert not failed.retryable


# The next candidate, and the next attempt


def falls_through(reason: ErrorKind, other: str = "http://h.example/b.webp") -> bool:
    return fetch_policy.may_fall_through(Failure(reason, "", ""), URL, other)


def test_tries_the_next_candidate_after_a_dead_or_damaged_file() -> None:
    for reason in (
        ErrorKind.HTTP_STATUS,
        ErrorKind.NOT_IMAGE,
        ErrorKind.CORRUPT,
        ErrorKind.TOO_LARGE,
        ErrorKind.BAD_REDIRECT,
    ):
        assert falls_through(reason)


def test_tries_candidates_of_other_hosts_only_after_a_host_cannot_be_reached() -> None:
    for reason in (
        ErrorKind.DNS,
        ErrorKind.CONNECT,
        ErrorKind.TIMEOUT,
        ErrorKind.TLS,
        ErrorKind.RATE_LIMITED,
        ErrorKind.BLOCKED,
    ):
        assert not falls_through(reason)
        assert falls_through(reason, "http://mirror.example/b.webp")


def test_tries_no_candidate_if_the_cache_cannot_be_written() -> None:
    assert not falls_through(ErrorKind.DISK_FULL, "http://mirror.example/b.webp")


def test_bypasses_caches_without_conditions_after_damage() -> None:
    fetch = fetch_of(entry=STORED, refresh=True)
    fresh = response_policy.next_attempt(fetch, Failure(ErrorKind.CORRUPT, "", ""))
    assert dict(fresh.request.headers)["cache-control"] == "no-cache"
    assert "if-none-match" not in dict(fresh.request.headers)
    assert fresh.entry is None
    assert response_policy.next_attempt(fetch, Failure(ErrorKind.RESET, "", "")) == fetch
