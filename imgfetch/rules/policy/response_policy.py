"""Decide what a response head means, by its status and fields alone (RFC 9110 §15).

    after_response ─▶ ReadBody | Redirect | NotModified | Reject
    next_attempt: what to fetch after a failure that calls for a retry

`fetch_policy` decides about the request, `rules.image.verify` whether the body is the wanted image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from imgfetch.errors import limit_hint
from imgfetch.markup import referrer_policy
from imgfetch.model.image import Defect
from imgfetch.model.request import Request
from imgfetch.model.result import ErrorKind, Failure
from imgfetch.rules.crawl import host_limits, opt_out
from imgfetch.rules.http import credentials, freshness, resume, urls
from imgfetch.rules.http.content_coding import coding_of
from imgfetch.rules.http.stored_headers import content_length
from imgfetch.rules.policy import retry
from imgfetch.rules.policy.fetch_policy import Reject
from imgfetch.rules.policy.request_fields import conditional, last_of_each, request_fields

if TYPE_CHECKING:
    from imgfetch.model.image import Entry
    from imgfetch.model.request import Fetch, Head, Limits, Partial, Settings
    from imgfetch.model.values import LimitName


class ReadBody(NamedTuple):
    """Read the body: it may be the image."""

    length: int | None
    """Bytes of the body by Content-Length; None if unknown. Of the whole body if this one is a part."""
    coding: str
    """The content coding to decode: `gzip`, `deflate`, or the empty string."""
    first_part: Partial | None = None
    """The stored first part that this body completes."""


class Redirect(NamedTuple):
    """Follow a redirect: send this request, once its host has a free slot."""

    fetch: Fetch


class NotModified(NamedTuple):
    """The stored response is still valid (304)."""

    entry: Entry


AfterResponse: TypeAlias = ReadBody | Redirect | NotModified | Reject


def after_response(fetch: Fetch, head: Head, settings: Settings, *, now: float) -> AfterResponse:
    """Decide what to do with a response by its status and fields alone (RFC 9110 §15)."""
    action = _by_status(fetch, head, settings, now=now)
    if settings.robots and isinstance(action, ReadBody | NotModified):
        directive = opt_out.in_head(head, settings.robots)
        if directive is not None:
            return Reject(retry.opted_out(directive, fetch.request.url))
    return action


def _by_status(fetch: Fetch, head: Head, settings: Settings, *, now: float) -> AfterResponse:
    partial = resume.requested_part(fetch)
    match head.status:
        case 200 | 203:  # 203: a proxy has changed the body (RFC 9110 §15.3.4)
            return _read_body(fetch, head, settings.limits)
        case 206 if partial is not None:
            return _read_rest(fetch, partial, head, settings.limits)
        case 206 if _is_whole(head):
            # No range was requested. Some servers answer 206 all the same, and send everything.
            return _read_body(fetch, head, settings.limits)
        case 204 | 205:
            return _reject(fetch, ErrorKind.EMPTY, f"HTTP {head.status} has no body", head)
        case 301 | 302 | 303 | 307 | 308:
            return _follow(fetch, head, settings, now=now)
        case 304 if fetch.entry is not None and fetch.entry.head.url == fetch.resource:
            if not freshness.confirms(fetch.entry.head, head):
                # The 304 is about another response. Without a condition no second one can come.
                return Redirect(_without_conditions(fetch))
            return NotModified(fetch.entry._replace(redirect_lifetime=fetch.redirect_lifetime))
        case 416 if partial is not None:
            return _start_over(fetch, f"nothing follows byte {partial.length:,}", head)
        case 206 | 304 | 416:
            message = f"unexpected HTTP {head.status}: {_NOT_REQUESTED[head.status]}"
            return _reject(fetch, ErrorKind.PROTOCOL, message, head)
        case 401:
            rejected = _reject(fetch, ErrorKind.HTTP_STATUS, f"HTTP {head.status}", head)
            return rejected._replace(failed=rejected.failed._replace(hint=_hint_for_password(fetch, head)))
        case 429 | 503:
            wait = host_limits.retry_after(head, now=now)
            return _reject(
                fetch, ErrorKind.RATE_LIMITED, f"HTTP {head.status}", head, retryable=True, retry_after=wait
            )
        case status:
            retryable = status in _TRANSIENT
            return _reject(fetch, ErrorKind.HTTP_STATUS, f"HTTP {status}", head, retryable=retryable)


def _hint_for_password(fetch: Fetch, head: Head) -> str | None:
    """Return the hint where an origin asks for user and password (RFC 7617), or refuses those sent."""
    if any(name == "authorization" for name, _ in fetch.request.headers):
        return retry.PASSWORD_REFUSED
    challenge = (head.fields.get("www-authenticate") or "").lower()
    return retry.NEEDS_PASSWORD if "basic" in challenge else None


def next_attempt(fetch: Fetch, failed: Failure) -> Fetch:
    """Return what to fetch after `fetch` failed.

    After damaged bytes the request bypasses every cache on the way, and has no condition that could bring a
    304.
    """
    if failed.kind not in retry.DAMAGED:
        return fetch
    bare = _without_conditions(fetch)
    headers = last_of_each((*bare.request.headers, *_PAST_CACHES))
    return bare._replace(request=bare.request._replace(headers=headers), bypass_caches=True)


_PAST_CACHES = (("cache-control", "no-cache"),)

_NOT_REQUESTED = {206: "no range was requested", 304: "no condition was sent", 416: "no range was requested"}

_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504, *range(520, 525)})
"""Statuses after which a retry may succeed; a CDN answers 520 to 524 if its origin failed."""


def _without_conditions(fetch: Fetch) -> Fetch:
    headers = conditional(fetch.request.headers, fetch.resource, None)
    return fetch._replace(request=fetch.request._replace(headers=headers), entry=None)


def _read_body(fetch: Fetch, head: Head, limits: Limits) -> ReadBody | Reject:
    field = head.fields.get("content-encoding")
    coding = coding_of(field)
    if coding is None:
        message = f"content coding {(field or '').strip().lower()[:40]!r} was not requested"
        return _reject(fetch, ErrorKind.BAD_ENCODING, message, head)
    length = content_length(head)
    if length is not None and length > limits.max_bytes:
        return _too_large(fetch, length, head, limits)
    return ReadBody(length, coding)


def _read_rest(fetch: Fetch, partial: Partial, head: Head, limits: Limits) -> ReadBody | Reject:
    length = content_length(partial.head)
    if length is not None and length > limits.max_bytes:
        return _too_large(fetch, length, head, limits)
    mismatch = resume.mismatch(partial, head)
    return ReadBody(length, "", partial) if mismatch is None else _start_over(fetch, mismatch, head)


def _start_over(fetch: Fetch, why: str, head: Head) -> Reject:
    message = f"HTTP {head.status} does not continue the download: {why}"
    return _reject(fetch, ErrorKind.PROTOCOL, message, head, retryable=True)._replace(must_restart=True)


def _too_large(fetch: Fetch, length: int, head: Head, limits: Limits) -> Reject:
    message = f"{length:,} bytes, the limit is {limits.max_bytes:,}"
    return _reject(fetch, ErrorKind.TOO_LARGE, message, head, limit="max_bytes")


def _is_whole(head: Head) -> bool:
    """Return True if Content-Range covers the whole body: `bytes 0-99/100` (RFC 9110 §14.4)."""
    unit, _, spec = (head.fields.get("content-range") or "").strip().partition(" ")
    span, _, total = spec.partition("/")
    if not (total.isascii() and total.isdigit() and len(total) < 20):
        return False
    return unit.lower() == "bytes" and span == f"0-{int(total) - 1}"


def _follow(fetch: Fetch, head: Head, settings: Settings, *, now: float) -> Redirect | Reject:
    location = head.fields.get("location")
    if not location:
        return _reject(fetch, ErrorKind.BAD_REDIRECT, f"HTTP {head.status} without a Location", head)
    there = urls.read(urls.resolve_location(location, fetch.request.url))
    if fetch.hops >= settings.limits.max_redirects:
        return _too_many_redirects(fetch, head, there, settings.limits)
    if isinstance(there, Defect):
        kind = there.kind if isinstance(there, urls.BlockedPort) else ErrorKind.BAD_REDIRECT
        return _reject(fetch, kind, f"redirect to {urls.redact(location)}: {there.message}", head)
    if there.userinfo:
        return _reject(fetch, ErrorKind.BAD_REDIRECT, f"redirect to {there.shown} carries credentials", head)
    here = urls.read(fetch.request.url)
    if not settings.allow_downgrade and fetch.request.url.startswith("https:") and there.scheme == "http":
        message = f"redirect from https: to {there.shown}, which anyone on the way can read and change"
        rejected = _reject(fetch, ErrorKind.BAD_REDIRECT, message, head)
        return rejected._replace(failed=rejected.failed._replace(hint=retry.ALLOW_DOWNGRADE))
    same_origin = isinstance(here, urls.Address) and here.origin == there.origin
    # The caller's fields and credentials belong to the source's own origin. Another origin gets our own
    # fields, those that the caller named for it, and cookies within the site of the source.
    source_origin = credentials.at(there, fetch.source_origin, settings)
    stated = referrer_policy.of_field(head.fields.get("referrer-policy") or "")  # Referrer Policy, §8.2
    page = fetch.page._replace(policy=stated) if stated else fetch.page
    plain = fetch.request.headers
    if not same_origin or page != fetch.page or settings.cookies:  # a cookie may belong to another path
        plain = request_fields(there, settings, page, source_origin, accept=fetch.accept)
        plain = last_of_each((*plain, *_PAST_CACHES)) if fetch.bypass_caches else plain
    resource = there.resource(settings.key_ignore)
    headers = conditional(plain, resource, fetch.entry)
    lifetime = freshness.redirect_lifetime_of(head, fetch.redirect_lifetime, response_time=now)
    if fetch.key.startswith("https:") and fetch.request.url.startswith("http:"):
        lifetime = 0.0  # over http:, anyone on the way may have sent this redirect
    return Redirect(
        fetch._replace(
            request=Request(there.url, headers),
            unsigned=resource,
            hops=fetch.hops + 1,
            redirect_lifetime=lifetime,
            source_origin=source_origin,
            page=page,
        )
    )


def _too_many_redirects(fetch: Fetch, head: Head, there: urls.Address | Defect, limits: Limits) -> Reject:
    """Reject the last redirect; one to the same URL would not end with a higher limit."""
    message, kind = f"more than {limits.max_redirects} redirects", ErrorKind.TOO_MANY_REDIRECTS
    if isinstance(there, Defect) or there.url != fetch.request.url:
        cookies = ", and the last sets a cookie" if head.get("set-cookie") else ""
        return _reject(fetch, kind, f"{message}{cookies}", head, limit="max_redirects")
    cookies = ", and sets a cookie each time" if head.get("set-cookie") else ""
    rejected = _reject(fetch, kind, f"{message}: it redirects to itself{cookies}", head)
    if any(name == "cookie" for name, _ in fetch.request.headers):  # the caller's
        return rejected
    return rejected._replace(failed=rejected.failed._replace(hint=retry.NEEDS_COOKIES))


def _reject(
    fetch: Fetch,
    kind: ErrorKind,
    message: str,
    head: Head,
    *,
    retryable: bool = False,
    retry_after: float | None = None,
    limit: LimitName | None = None,
) -> Reject:
    return Reject(
        Failure(
            kind,
            message,
            urls.redact(fetch.request.url),
            http_status=head.status,
            retryable=retryable,
            retry_after=retry_after,
            hint=limit_hint(limit),
            limit=limit,
        )
    )
