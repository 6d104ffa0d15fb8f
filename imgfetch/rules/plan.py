"""The first two questions of a download: have we got it, and what did they say?

    consider ─▶ Serve | Ask | Refuse          before a request
    hear     ─▶ Receive | Follow | Refresh | Refuse    when a response's head is in

The third, whether the bytes are what we want, is `rules.verify`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from imgfetch.model import Ask, Defect, Failed, Level, Reason, Scratch, Verified
from imgfetch.rules import manners, urls, verify

if TYPE_CHECKING:
    from imgfetch.model import Entry, Head, Limits, Settings, Wanted


@dataclass(frozen=True, slots=True)
class Serve:
    """We have it: no request is needed."""

    entry: Entry
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refuse:
    """It cannot be had this way; `failed` says whether asking again may help."""

    failed: Failed


@dataclass(frozen=True, slots=True)
class Receive:
    """The body is the image, or says it is: take it in."""

    length: int | None
    """Bytes promised by Content-Length, None where nothing was promised."""
    coding: str
    """The content coding to undo: `gzip`, `deflate`, or the empty string."""


@dataclass(frozen=True, slots=True)
class Follow:
    """The image is elsewhere: ask there, in a turn of its own."""

    ask: Ask


@dataclass(frozen=True, slots=True)
class Refresh:
    """What we hold is still what the origin has."""

    entry: Entry


Heard: TypeAlias = Receive | Follow | Refresh | Refuse


def consider(url: str, entry: Entry | None, wanted: Wanted, settings: Settings) -> Serve | Ask | Refuse:
    """Decide whether a kept rendition answers for `url`, or what to ask for.

    `entry` is what the store holds under the URL's key. What is held and proved as far as is wanted is
    served until the caller asks to refresh; then the origin is asked whether it has changed.
    """
    held = _still_wanted(entry, wanted)
    if entry is not None and held is not None and (settings.offline or not settings.refresh):
        return Serve(entry, held.warnings)
    address = urls.read(url)
    if isinstance(address, Defect):
        return Refuse(Failed(address.reason, address.message, urls.redact(url)))
    if settings.offline:
        hint = "run again without --offline"
        return Refuse(Failed(Reason.OFFLINE, "not in the cache, and offline", address.shown, hint=hint))
    # A kept rendition that is not what is wanted now must come again whole: no 304 could mend it.
    condition = None if held is None else entry
    headers = _own_headers(settings) + settings.headers + _conditions(condition)
    if address.userinfo:
        headers += (("authorization", _basic(address.userinfo)),)
    return Ask(address.key, address.url, _last_of_each(headers), condition)


def again(ask: Ask, failed: Failed) -> Ask:
    """The request to make after `ask` failed so.

    After damage it goes past every cache on the way, and has no condition that could bring a 304.
    """
    if failed.reason not in _DAMAGED:
        return ask
    kept = tuple(h for h in ask.headers if h[0] not in ("if-none-match", "if-modified-since"))
    return replace(ask, headers=_last_of_each((*kept, ("cache-control", "no-cache"))), entry=None)


def hear(ask: Ask, head: Head, settings: Settings, *, now: float) -> Heard:
    """Decide what to do with a response by its status and fields alone (RFC 9110 §15)."""
    match head.status:
        case 200:
            return _receive(ask, head, settings.limits)
        case 206 if _is_whole(head):
            # Nothing was asked in part; some servers answer so all the same, and mean everything.
            return _receive(ask, head, settings.limits)
        case 204 | 205:
            return _refuse(ask, Reason.EMPTY, f"HTTP {head.status} has no body", head)
        case 301 | 302 | 303 | 307 | 308:
            return _follow(ask, head, settings)
        case 304 if ask.entry is not None:
            return Refresh(ask.entry)
        case 206 | 304 | 416:
            return _refuse(
                ask, Reason.PROTOCOL, f"HTTP {head.status} answers a question we did not ask", head
            )
        case 429 | 503:
            wait = manners.retry_after(head, now=now)
            return _refuse(
                ask, Reason.RATE_LIMITED, f"HTTP {head.status}", head, retryable=True, retry_after=wait
            )
        case status:
            return _refuse(ask, Reason.HTTP_STATUS, f"HTTP {status}", head, retryable=status in _PASSING)


def may_fall_through(failed: Failed, url: str, other: str) -> bool:
    """Whether, after `url` failed so, the candidate at `other` is worth a try.

    A dead, damaged or refused file says nothing about its neighbour. A host that cannot be reached is
    just as far away for every candidate it has; and no candidate helps when the cache cannot be written.
    """
    if failed.reason in _OF_THE_HOST:
        return urls.origin(url) != urls.origin(other)
    return failed.reason not in _OF_OURS


_NOTHING_NEW = Scratch("")
"""The ticket of a rendition that lies in the store already."""

_DAMAGED = frozenset({Reason.CORRUPT, Reason.TRUNCATED, Reason.BAD_ENCODING, Reason.INTEGRITY})

_PROOF = {Level.NONE: None, Level.STRUCTURE: "structure", Level.FULL: "decode"}
"""What must have been checked for each level."""

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504, *range(520, 525)})
"""Statuses that may have passed by the next request; 520 to 524 are a CDN's, of an origin that failed it."""

_OF_THE_HOST = frozenset(
    {Reason.DNS, Reason.CONNECT, Reason.TIMEOUT, Reason.TLS, Reason.RATE_LIMITED, Reason.BLOCKED}
)

_OF_OURS = frozenset(
    {
        Reason.DISK_FULL,
        Reason.PERMISSION,
        Reason.CACHE_LOCKED,
        Reason.CACHE_CORRUPT,
        Reason.CACHE_VERSION,
        Reason.NOT_A_CACHE,
        Reason.IO,
        Reason.CANCELLED,
    }
)

_CODINGS = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate", "identity": "", "": ""}


def _still_wanted(entry: Entry | None, wanted: Wanted) -> Verified | None:
    """What is held, judged anew by what is wanted now; None where it does not do."""
    if entry is None or _PROOF[wanted.level] not in (None, *entry.facts.verified):
        return None
    judged = verify.judge(entry.facts, _NOTHING_NEW, wanted)
    return judged if isinstance(judged, Verified) else None


def _receive(ask: Ask, head: Head, limits: Limits) -> Receive | Refuse:
    coding = (head.get("content-encoding") or "").strip().lower()
    if coding not in _CODINGS:
        return _refuse(ask, Reason.BAD_ENCODING, f"content coding {coding[:40]!r} was not asked for", head)
    length = content_length(head)
    if length is not None and length > limits.max_bytes:
        return _refuse(ask, Reason.TOO_LARGE, f"{length:,} bytes, the limit is {limits.max_bytes:,}", head)
    return Receive(length, _CODINGS[coding])


def content_length(head: Head) -> int | None:
    """What Content-Length promises, in bytes; None where it is absent or no number (RFC 9110 §8.6)."""
    value = head.get("content-length") or ""
    return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else None


def _is_whole(head: Head) -> bool:
    """Whether a Content-Range covers all there is: `bytes 0-99/100` (RFC 9110 §14.4)."""
    unit, _, spec = (head.get("content-range") or "").strip().partition(" ")
    span, _, total = spec.partition("/")
    return unit.lower() == "bytes" and total.isdigit() and span == f"0-{int(total[:19]) - 1}"


def _follow(ask: Ask, head: Head, settings: Settings) -> Follow | Refuse:
    location = head.get("location")
    if not location:
        return _refuse(ask, Reason.BAD_REDIRECT, f"HTTP {head.status} without a Location", head)
    if ask.hops >= settings.limits.max_redirects:
        many = f"more than {settings.limits.max_redirects} redirects"
        return _refuse(ask, Reason.TOO_MANY_REDIRECTS, many, head)
    there = urls.read(urls.follow(ask.url, location))
    if isinstance(there, Defect):
        return _refuse(
            ask, Reason.BAD_REDIRECT, f"redirect to {urls.redact(location)}: {there.message}", head
        )
    if there.userinfo:
        return _refuse(ask, Reason.BAD_REDIRECT, f"redirect to {there.shown} carries credentials", head)
    here = urls.read(ask.url)
    same = isinstance(here, urls.Address) and here.origin == there.origin
    # What the caller set was meant for the origin it named: another one gets only what we say to anybody.
    headers = ask.headers if same else _own_headers(settings) + _conditions(ask.entry)
    return Follow(replace(ask, url=there.url, headers=headers, hops=ask.hops + 1))


def _refuse(
    ask: Ask,
    reason: Reason,
    message: str,
    head: Head,
    *,
    retryable: bool = False,
    retry_after: float | None = None,
) -> Refuse:
    return Refuse(
        Failed(
            reason,
            message,
            urls.redact(ask.url),
            http_status=head.status,
            retryable=retryable,
            retry_after=retry_after,
        )
    )


def _own_headers(settings: Settings) -> tuple[tuple[str, str], ...]:
    return (
        ("user-agent", settings.user_agent),
        ("accept", "image/avif,image/webp,image/png,image/jpeg,image/gif,image/*;q=0.8,*/*;q=0.5"),
        # An image is compressed already; a coding on top could only hide how long it is.
        ("accept-encoding", "identity"),
    )


def _conditions(entry: Entry | None) -> tuple[tuple[str, str], ...]:
    """Ask only for what differs from what we hold (RFC 9110 §13.1.2 and §13.1.3)."""
    if entry is None:
        return ()
    fields = (
        ("if-none-match", entry.head.get("etag")),
        ("if-modified-since", entry.head.get("last-modified")),
    )
    return tuple((name, value) for name, value in fields if value)


def _last_of_each(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """The last of each name: a caller's field replaces ours."""
    return tuple({name.lower(): value for name, value in headers}.items())


def _basic(userinfo: str) -> str:
    """The credentials of a URL as RFC 7617 §2 sends them."""
    from base64 import b64encode
    from urllib.parse import unquote_to_bytes

    user, _, password = userinfo.partition(":")
    return "Basic " + b64encode(unquote_to_bytes(user) + b":" + unquote_to_bytes(password)).decode("ascii")
