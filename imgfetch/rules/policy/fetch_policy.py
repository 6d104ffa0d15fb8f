"""The first two questions of a download: have we got it, and what did they say?

    consider ─▶ Serve | Ask | Refuse          before a request
    hear     ─▶ Receive | Follow | Refresh | Refuse    when a response's head is in

The third, whether the bytes are what we want, is `rules.image.verify`'s.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from imgfetch.errors import KINDS, CacheError, NetworkError, limit_hint
from imgfetch.model.image import Defect, Format, Requirements, Verified, VerifyLevel
from imgfetch.model.request import NO_SOURCE_ORIGIN, Fetch, Request, Settings
from imgfetch.model.result import CacheStatus, ErrorKind, Failure
from imgfetch.model.values import StagingId
from imgfetch.rules.crawl import host_limits, opt_out
from imgfetch.rules.http import credentials, freshness, resume, urls
from imgfetch.rules.http.stored_headers import content_length
from imgfetch.rules.http.vary import varying
from imgfetch.rules.image import placeholders, verify
from imgfetch.rules.policy import retry
from imgfetch.rules.policy.request_fields import conditional, last_of_each, request_fields

if TYPE_CHECKING:
    from imgfetch.model.image import Entry
    from imgfetch.model.markup import Choice, Rendition
    from imgfetch.model.request import Head, Limits, Partial, SourceOrigin
    from imgfetch.model.values import Key, LimitName


class UseStored(NamedTuple):
    """We have it: no request is needed."""

    entry: Entry
    warnings: tuple[str, ...] = ()
    origin: CacheStatus = CacheStatus.CACHED


class Reject(NamedTuple):
    """It cannot be had this way; `failed` says whether asking again may help."""

    failed: Failure
    spoilt: bool = False
    """Whether what has come before cannot be gone on with."""


class ReadBody(NamedTuple):
    """The body is the image, or says it is: take it in."""

    length: int | None
    """Bytes promised by Content-Length, None where nothing was promised."""
    coding: str
    """The content coding to undo: `gzip`, `deflate`, or the empty string."""
    onto: Partial | None = None
    """What it is the rest of; `length` is that of the whole."""


class Redirect(NamedTuple):
    """The image is elsewhere: ask there, in a turn of its own."""

    fetch: Fetch


class NotModified(NamedTuple):
    """What we hold is still what the origin has."""

    entry: Entry


AfterResponse: TypeAlias = ReadBody | Redirect | NotModified | Reject


def before_request(
    url: str,
    entry: Entry | None,
    wanted: Requirements,
    settings: Settings,
    *,
    now: float,
    sharing: tuple[Key, ...] = (),
    page: str = "",
    offered: tuple[Rendition, ...] = (),
    source_origin: SourceOrigin = NO_SOURCE_ORIGIN,
) -> UseStored | Fetch | Reject:
    """Decide whether a kept rendition answers for `url` at `now`, or what to ask for.

    `entry` is what the store holds under the URL's key for a request with these `fields`, those of a request
    on behalf of `page` by a caller of this `source_origin`, and `sharing` are keys that stand for the same
    bytes; `offered` is the list that the URL was chosen from. What is held, fresh and proved as far as is
    wanted is served, unless the caller asks to refresh; what is not fresh is asked about. Offline, whatever
    is held is served.
    """
    held = _still_wanted(entry, wanted, settings, sharing)
    if entry is not None and held is not None:
        reuse, _ = freshness.may_reuse(entry, freshness.standing(entry, now=now))
        if reuse is freshness.Reuse.FRESH and (settings.offline or not settings.refresh):
            return UseStored(entry, held.warnings)
        if settings.offline or (reuse is freshness.Reuse.STALE and not settings.refresh):
            return UseStored(entry, held.warnings, CacheStatus.STALE)
    address = urls.read(url)
    if isinstance(address, Defect):
        hint = "say with --base what it is relative to" if urls.is_relative(url) else None
        return Reject(Failure(address.kind, address.message, urls.redact(url), hint=hint))
    if settings.offline:
        hint = "run again without --offline"
        return Reject(Failure(ErrorKind.OFFLINE, "not in the cache, and offline", address.shown, hint=hint))
    # A kept rendition that is not what is wanted now must come again whole: no 304 could mend it.
    sound = entry is not None and held is not None and freshness.may_be_confirmed(entry.head)
    condition = entry if sound else None
    key, resource = address.key(settings.key_ignore), address.resource(settings.key_ignore)
    headers = conditional(request_fields(address, settings, page, source_origin), resource, condition)
    return Fetch(
        key,
        Request(address.url, headers),
        condition,
        page=page,
        renditions=offered,
        unsigned=resource,
        source_origin=credentials.at(address, source_origin),
        secrets=credentials.secrets(address, settings, source_origin),
    )


def before_request_for_bytes(entry: Entry, wanted: Requirements, settings: Settings) -> UseStored | None:
    """Decide whether kept bytes will do whatever they were asked for by, and however old they are."""
    held = _still_wanted(entry, wanted, settings, ())
    return None if held is None else UseStored(entry, held.warnings)


def may_substitute(serve: UseStored, choice: Choice) -> bool:
    """Whether another rendition than the chosen one may be served: fresh, and in a format that is wanted."""
    fresh = serve.origin is CacheStatus.CACHED
    return fresh and (not choice.formats or serve.entry.facts.format in choice.formats)


def fresh_until(entry: Entry) -> float | None:
    """Until when a kept rendition answers for its key, used as a URL, whatever it is asked with.

    From `response_time` up to then `before_request` serves it and has nothing to add, if no more than usual
    is wanted of it; None where there is no such time, or where it depends on the request.
    """
    address = urls.read(entry.key)
    if isinstance(address, Defect) or address.key() != entry.key:
        return None
    held = _still_wanted(entry, _USUALLY_WANTED, _USUAL, ())
    if held is None or held.warnings or entry.vary_values or varying(entry.head):
        return None
    return freshness.fresh_until(entry)


def is_usual(settings: Settings) -> bool:
    """Whether what is served unasked is served by these settings too, and a key as a URL has no other key."""
    more = settings.refresh or settings.robots or settings.key_ignore or settings.expect_width is not None
    selects = settings.headers_for or credentials.selecting(settings.headers)
    return not more and not selects and settings.level is not VerifyLevel.THOROUGH


def stale_if_error(
    failed: Failure,
    entry: Entry | None,
    wanted: Requirements,
    settings: Settings,
    *,
    now: float,
    sharing: tuple[Key, ...] = (),
) -> UseStored | Failure:
    """What is held in the place of what could not be had, where RFC 9111 §4.2.4 or RFC 5861 §4 lets it.

    Who asked to refresh does not want it.
    """
    held = _still_wanted(entry, wanted, settings, sharing)
    if entry is None or held is None or settings.refresh or failed.kind not in _OUT_OF_REACH:
        return failed
    standing = freshness.standing(entry, now=now)
    if not freshness.may_stand_in(entry, standing, answered=failed.http_status):
        return failed
    return UseStored(entry, (f"stale: {failed.message}", *held.warnings), CacheStatus.STALE)


def next_attempt(fetch: Fetch, failed: Failure) -> Fetch:
    """The request to make after `fetch` failed so.

    After damage it goes past every cache on the way, and has no condition that could bring a 304.
    """
    if failed.kind not in retry.DAMAGED:
        return fetch
    bare = _without_conditions(fetch)
    headers = last_of_each((*bare.request.headers, ("cache-control", "no-cache")))
    return bare._replace(request=bare.request._replace(headers=headers), bypass_caches=True)


def after_response(fetch: Fetch, head: Head, settings: Settings, *, now: float) -> AfterResponse:
    """Decide what to do with a response by its status and fields alone (RFC 9110 §15)."""
    heard = _hear(fetch, head, settings, now=now)
    if settings.robots and isinstance(heard, ReadBody | NotModified):
        said = opt_out.said_by_head(head, settings.robots)
        if said is not None:
            return Reject(retry.opted_out(said, fetch.request.url))
    return heard


def _hear(fetch: Fetch, head: Head, settings: Settings, *, now: float) -> AfterResponse:
    partial = resume.asked_for(fetch)
    match head.status:
        case 200:
            return _receive(fetch, head, settings.limits)
        case 206 if partial is not None:
            return _go_on(fetch, partial, head, settings.limits)
        case 206 if _is_whole(head):
            # Nothing was asked in part; some servers answer so all the same, and mean everything.
            return _receive(fetch, head, settings.limits)
        case 204 | 205:
            return _refuse(fetch, ErrorKind.EMPTY, f"HTTP {head.status} has no body", head)
        case 301 | 302 | 303 | 307 | 308:
            return _follow(fetch, head, settings, now=now)
        case 304 if fetch.entry is not None and fetch.entry.head.url == fetch.resource:
            if not freshness.confirms(fetch.entry.head, head):
                return Redirect(
                    _without_conditions(fetch)
                )  # it has no condition now, so this can come only once
            return NotModified(fetch.entry._replace(redirect_lifetime=fetch.redirect_lifetime))
        case 416 if partial is not None:
            return _start_again(fetch, f"nothing follows byte {partial.length:,}", head)
        case 206 | 304 | 416:
            return _refuse(
                fetch, ErrorKind.PROTOCOL, f"HTTP {head.status} answers a question we did not ask", head
            )
        case 429 | 503:
            wait = host_limits.retry_after(head, now=now)
            return _refuse(
                fetch, ErrorKind.RATE_LIMITED, f"HTTP {head.status}", head, retryable=True, retry_after=wait
            )
        case status:
            return _refuse(fetch, ErrorKind.HTTP_STATUS, f"HTTP {status}", head, retryable=status in _PASSING)


def may_fall_through(failed: Failure, url: str, other: str) -> bool:
    """Whether, after `url` failed so, the candidate at `other` is worth a try.

    A dead, damaged or refused file says nothing about its neighbour. A host that cannot be reached is
    just as far away for every candidate it has; and no candidate helps when the cache cannot be written.
    What an owner says against one rendition is said against the image.
    """
    if failed.kind in _OF_THE_WHOLE_HOST:
        return urls.origin(url) != urls.origin(other)
    return failed.kind not in _OF_THE_WHOLE_IMAGE


_USUALLY_WANTED, _USUAL = Requirements(), Settings()

_ALLOW_DOWNGRADE = "--allow-downgrade follows it"

_NOTHING_NEW = StagingId("")
"""The ticket of a rendition that lies in the store already."""

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504, *range(520, 525)})
"""Statuses that may have passed by the next request; 520 to 524 are a CDN's, of an origin that failed it."""

_OUT_OF_REACH = frozenset({*KINDS[NetworkError], ErrorKind.HTTP_STATUS, ErrorKind.RATE_LIMITED})
"""What an origin fails of. Not what it says on purpose, and not what we will not do or cannot keep."""

_OF_THE_WHOLE_HOST = frozenset(
    {
        ErrorKind.DNS,
        ErrorKind.CONNECT,
        ErrorKind.TIMEOUT,
        ErrorKind.TLS,
        ErrorKind.RATE_LIMITED,
        ErrorKind.BLOCKED,
    }
)

_OF_THE_WHOLE_IMAGE = frozenset({*KINDS[CacheError], ErrorKind.CANCELLED, ErrorKind.OPTED_OUT})

_CODINGS = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate", "identity": "", "": ""}


def proved(entry: Entry, level: VerifyLevel) -> bool:
    """Whether what is held was proved as far as `level`."""
    return set(entry.facts.verified).issuperset(verify.checks_of(entry.facts.format, level))


def _without_conditions(fetch: Fetch) -> Fetch:
    headers = conditional(fetch.request.headers, fetch.resource, None)
    return fetch._replace(request=fetch.request._replace(headers=headers), entry=None)


def _still_wanted(
    entry: Entry | None, wanted: Requirements, settings: Settings, sharing: tuple[Key, ...]
) -> Verified | None:
    """What is held, judged anew by what is wanted now; None where it does not do."""
    if entry is None or not proved(entry, wanted.level):
        return None
    if settings.robots and opt_out.said_by_head(entry.head, settings.robots):
        return None  # kept when nobody looked; the origin may think otherwise by now
    if not settings.allow_downgrade and _is_downgraded(entry):
        return None  # a caller that allowed it has kept it
    if not 200 <= entry.head.status < 300 or entry.facts.format is Format.OTHER:
        return None  # kept by `CachingTransport` for somebody else: an error's picture, or no picture
    judged = verify.check(entry.facts, _NOTHING_NEW, wanted)
    if isinstance(judged, Verified):
        signs = placeholders.detect(
            entry.facts, wanted.width, asked=entry.key, found=entry.head.url, sharing=sharing
        )
        judged = verify.apply_placeholder_policy(judged, wanted, signs)
    return judged if isinstance(judged, Verified) else None


def _is_downgraded(entry: Entry) -> bool:
    """Whether redirects led from https: to http:, where anybody on the way could answer."""
    return entry.key.startswith("https:") and entry.head.url.startswith("http:")


def _receive(fetch: Fetch, head: Head, limits: Limits) -> ReadBody | Reject:
    coding = (head.get("content-encoding") or "").strip().lower()
    if coding not in _CODINGS:
        return _refuse(
            fetch, ErrorKind.BAD_ENCODING, f"content coding {coding[:40]!r} was not asked for", head
        )
    length = content_length(head)
    if length is not None and length > limits.max_bytes:
        return _too_large(fetch, length, head, limits)
    return ReadBody(length, _CODINGS[coding])


def _go_on(fetch: Fetch, partial: Partial, head: Head, limits: Limits) -> ReadBody | Reject:
    length = content_length(partial.head)
    if length is not None and length > limits.max_bytes:
        return _too_large(fetch, length, head, limits)
    mismatch = resume.mismatch(partial, head)
    return ReadBody(length, "", partial) if mismatch is None else _start_again(fetch, mismatch, head)


def _start_again(fetch: Fetch, why: str, head: Head) -> Reject:
    message = f"HTTP {head.status} is not the rest that was asked for: {why}"
    return _refuse(fetch, ErrorKind.PROTOCOL, message, head, retryable=True)._replace(spoilt=True)


def _too_large(fetch: Fetch, length: int, head: Head, limits: Limits) -> Reject:
    message = f"{length:,} bytes, the limit is {limits.max_bytes:,}"
    return _refuse(fetch, ErrorKind.TOO_LARGE, message, head, limit="max_bytes")


def _is_whole(head: Head) -> bool:
    """Whether a Content-Range covers all there is: `bytes 0-99/100` (RFC 9110 §14.4)."""
    unit, _, spec = (head.get("content-range") or "").strip().partition(" ")
    span, _, total = spec.partition("/")
    if not (total.isascii() and total.isdigit() and len(total) < 20):
        return False
    return unit.lower() == "bytes" and span == f"0-{int(total) - 1}"


def _follow(fetch: Fetch, head: Head, settings: Settings, *, now: float) -> Redirect | Reject:
    location = head.get("location")
    if not location:
        return _refuse(fetch, ErrorKind.BAD_REDIRECT, f"HTTP {head.status} without a Location", head)
    if fetch.hops >= settings.limits.max_redirects:
        many = f"more than {settings.limits.max_redirects} redirects"
        return _refuse(fetch, ErrorKind.TOO_MANY_REDIRECTS, many, head, limit="max_redirects")
    there = urls.read(urls.resolve_location(location, fetch.request.url))
    if isinstance(there, Defect):
        reason = there.kind if isinstance(there, urls.BlockedPort) else ErrorKind.BAD_REDIRECT
        return _refuse(fetch, reason, f"redirect to {urls.redact(location)}: {there.message}", head)
    if there.userinfo:
        return _refuse(fetch, ErrorKind.BAD_REDIRECT, f"redirect to {there.shown} carries credentials", head)
    here = urls.read(fetch.request.url)
    if not settings.allow_downgrade and fetch.request.url.startswith("https:") and there.scheme == "http":
        message = f"redirect from https: to {there.shown}, which anybody on the way can read and change"
        refused = _refuse(fetch, ErrorKind.BAD_REDIRECT, message, head)
        return refused._replace(failed=replace(refused.failed, hint=_ALLOW_DOWNGRADE))
    same = isinstance(here, urls.Address) and here.origin == there.origin
    # What the caller gave belongs to the source's own origin: another one gets what we send to all, and what
    # the caller gave for it by its name.
    resource = there.resource(settings.key_ignore)
    plain = fetch.request.headers if same else request_fields(there, settings, fetch.page)
    headers = conditional(plain, resource, fetch.entry)
    bound = freshness.redirect_lifetime_of(head, fetch.redirect_lifetime, response_time=now)
    if fetch.key.startswith("https:") and fetch.request.url.startswith("http:"):
        bound = 0.0  # what answered here may have been anybody
    return Redirect(
        fetch._replace(
            request=Request(there.url, headers),
            unsigned=resource,
            hops=fetch.hops + 1,
            redirect_lifetime=bound,
            source_origin=fetch.source_origin if same else NO_SOURCE_ORIGIN,
        )
    )


def _refuse(
    fetch: Fetch,
    reason: ErrorKind,
    message: str,
    head: Head,
    *,
    retryable: bool = False,
    retry_after: float | None = None,
    limit: LimitName | None = None,
) -> Reject:
    return Reject(
        Failure(
            reason,
            message,
            urls.redact(fetch.request.url),
            http_status=head.status,
            retryable=retryable,
            retry_after=retry_after,
            hint=limit_hint(limit),
            limit=limit,
        )
    )
