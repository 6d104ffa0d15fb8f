"""What is told of the page, by the cases of the web platform's own suite (referrer-policy)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deciding import decide
from imgfetch.model.image import Requirements
from imgfetch.model.markup import ReferrerPolicy
from imgfetch.model.request import Fetch, Head, Limits, ReferringPage, Settings
from imgfetch.rules.http import urls
from imgfetch.rules.http.referrer import referrer
from imgfetch.rules.policy import response_policy
from imgfetch.rules.policy.response_policy import Redirect

FULL = "the page's URL"
ORIGIN = "its origin"
TOLD: dict[str, tuple[str | None, ...]] = {
    "no-referrer": (None,) * 6,
    "same-origin": (FULL, None, None, FULL, None, None),
    "strict-origin": (ORIGIN, ORIGIN, ORIGIN, ORIGIN, ORIGIN, None),
    "strict-origin-when-cross-origin": (FULL, ORIGIN, ORIGIN, FULL, ORIGIN, None),
    "no-referrer-when-downgrade": (FULL, FULL, FULL, FULL, FULL, None),
    "origin": (ORIGIN,) * 6,
    "origin-when-cross-origin": (FULL, ORIGIN, ORIGIN, FULL, ORIGIN, ORIGIN),
    "unsafe-url": (FULL,) * 6,
}
"""In the order of URLS."""
URLS = {
    "http to the same": ("http://h.example/page?q", "http://h.example/a.webp"),
    "http to another": ("http://h.example/page?q", "http://cdn.example/a.webp"),
    "http to https": ("http://h.example/page?q", "https://h.example/a.webp"),
    "https to the same": ("https://h.example/page?q", "https://h.example/a.webp"),
    "https to another": ("https://h.example/page?q", "https://cdn.example/a.webp"),
    "https to http": ("https://h.example/page?q", "http://h.example/a.webp"),
}


@pytest.mark.parametrize("policy", ReferrerPolicy)
def test_each_policy_sends_its_referrer(policy: ReferrerPolicy) -> None:
    for where, told in zip(URLS, TOLD[policy], strict=True):
        page, url = URLS[where]
        expected = {FULL: page, ORIGIN: page.removesuffix("page?q"), None: None}[told]
        assert referrer(policy, page, url) == expected, where


def test_never_sends_credentials_or_fragments() -> None:
    for policy in ReferrerPolicy:
        page = "https://user:pass@h.example:8443/page#secret"
        told = referrer(policy, page, "https://h.example:8443/a.webp")
        assert told in (None, "https://h.example:8443/", "https://h.example:8443/page")


def test_sends_the_origin_of_a_url_of_more_than_4096_characters() -> None:
    page = "https://h.example/" + "a" * 4078
    assert referrer(ReferrerPolicy.UNSAFE_URL, page, "https://h.example/a.webp") == page
    assert referrer(ReferrerPolicy.UNSAFE_URL, page + "a", "https://h.example/a.webp") == "https://h.example/"


def test_sends_no_referrer_for_other_sources_than_web_pages() -> None:
    for page in ("", "file:///etc/passwd", "data:text/html,x", "page.html", "about:blank"):
        assert referrer(ReferrerPolicy.UNSAFE_URL, page, "https://h.example/a.webp") is None


_URLS = st.from_regex(r"https?://(u:p@)?[ab]\.example(:8\d)?/[a-z?]{0,5}(#x)?", fullmatch=True)


@settings(deadline=None)
@given(st.sampled_from(ReferrerPolicy), _URLS, _URLS)
def test_a_strict_policy_sends_no_https_page_to_an_http_origin(
    policy: ReferrerPolicy, page: str, url: str
) -> None:
    told = referrer(policy, page, url)
    if told is not None:
        assert "@" not in told
        assert "#" not in told
        assert urls.origin(told) == urls.origin(page)
        downgrade = page.startswith("https:") and url.startswith("http:")
        assert not (downgrade and ("strict" in policy or "downgrade" in policy))


def test_a_redirect_to_another_origin_gets_the_referrer_for_that_origin() -> None:
    policy = ReferrerPolicy.STRICT_ORIGIN_WHEN_CROSS_ORIGIN
    run = Settings(Limits(), referrer_policy=policy, allow_downgrade=True)
    page = "https://h.example/page"

    def sent(fetch: object) -> str | None:
        assert isinstance(fetch, Fetch)
        return dict(fetch.request.headers).get("referer")

    fetch = decide("https://h.example/a.webp", None, Requirements(), run, now=0, page=ReferringPage(page))
    assert isinstance(fetch, Fetch)
    assert sent(fetch) == page
    for location, told in (
        ("/b.webp", page),
        ("https://cdn.example/a.webp", "https://h.example/"),
        ("http://h.example/a.webp", None),
    ):
        followed = response_policy.after_response(
            fetch, Head(fetch.request.url, 302, (("location", location),)), run, now=0
        )
        assert isinstance(followed, Redirect)
        assert sent(followed.fetch) == told
