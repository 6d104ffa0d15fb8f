"""What a private cache does with any request that passes through it, and with the answer (RFC 9111).

    consider ─▶ Give | Forward | Unavailable               before a request
    hear     ─▶ Keep | Refresh | Again | StandIn | Pass    when a response's head is in

`fetch_policy` asks for images, and follows, refuses and retries; here a caller asks for anything, and gets
what it would have got without a cache, only sooner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from imgfetch.model.image import Format, VerifyLevel
from imgfetch.model.request import NO_SECRETS, NO_SOURCE_ORIGIN, Secrets, Settings
from imgfetch.model.result import CacheStatus
from imgfetch.redaction import redacted_repr
from imgfetch.rules.http import credentials, freshness, stored_headers, urls
from imgfetch.rules.http.cache_control import control, request_control
from imgfetch.rules.policy import fetch_policy
from imgfetch.rules.policy.request_fields import conditions

if TYPE_CHECKING:
    from imgfetch.model.image import Entry
    from imgfetch.model.request import Head
    from imgfetch.model.values import Key
    from imgfetch.rules.http.cache_control import Control

Fields: TypeAlias = "tuple[tuple[str, str], ...]"


class Request(NamedTuple):
    """What a caller asks for."""

    method: str
    url: str
    headers: Fields
    """Names in lower case."""
    key_ignore: tuple[str, ...] = ()
    """Shell patterns for the query parameters that do not tell one answer from another."""
    ignore_signatures: bool = False
    """Whether two URLs that differ in nothing but a known signature have one answer."""

    def __repr__(self) -> str:
        return redacted_repr(self, (name for name in self._fields if name != "headers"))

    @property
    def key(self) -> Key | None:
        """What the answer is filed under; None where it cannot be, or is none of ours to file.

        A caller that makes its own conditions is between itself and the origin.
        """
        address = urls.read(self.url)
        if self.method not in ("GET", "HEAD") or not isinstance(address, urls.Address):
            return None
        if any(name in _ITS_OWN for name, _ in self.headers):
            return None
        return address.key(self.key_ignore, signed=not self.ignore_signatures)

    @property
    def resource(self) -> str:
        """The URL without what its key leaves out."""
        address = urls.read(self.url)
        if not isinstance(address, urls.Address):
            return self.url
        return address.resource(self.key_ignore, signed=not self.ignore_signatures)

    @property
    def secrets(self) -> Secrets:
        """What of the fields, and of the URL's userinfo, selects the stored response.

        A caller of httpx gives every field, but for the Host field of the URL itself.
        """
        address = urls.read(self.url)
        if not isinstance(address, urls.Address):
            return NO_SECRETS
        userinfo = credentials.given(address, _NOTHING_GIVEN, NO_SOURCE_ORIGIN)
        host = ("host", address.authority)
        # httpx has made a field of the userinfo already.
        given = (*(field for field in userinfo if field not in self.headers), *self.headers)
        sent = credentials.selecting(field for field in given if field != host)
        return Secrets(sent) if sent else NO_SECRETS

    @property
    def selectable(self) -> Fields:
        """The fields that are left for `Vary` to select by."""
        return credentials.unselecting(self.headers, self.secrets)

    @property
    def range(self) -> str | None:
        """The part that is asked for, None where it is the whole."""
        return next((value for name, value in self.headers if name == "range"), None)

    @property
    def control(self) -> Control:
        """What it says of caching."""
        return request_control(self.headers)


class UseStored(NamedTuple):
    """Answer from what is held, with these fields."""

    entry: Entry
    fields: Fields
    origin: CacheStatus
    refresh: bool = False
    """Whether to ask the origin about it in the background."""
    span: tuple[int, int] | None = None
    """The offsets of the part to give, from and up to; None for the whole."""


class Send(NamedTuple):
    """Ask the origin, with these fields; about `entry`, where one is held."""

    headers: Fields
    entry: Entry | None = None

    def __repr__(self) -> str:
        return redacted_repr(self, (name for name in self._fields if name != "headers"))


class Unavailable:
    """Nothing that is held will do, and the caller wants nothing else (RFC 9111 §5.2.1.7)."""


class Store(NamedTuple):
    """UseStored the answer to the caller, and keep it when it is whole."""

    length: int | None
    """Bytes promised by Content-Length."""


class NotModified(NamedTuple):
    """What is held is still what the origin has."""

    entry: Entry


class SendAgain(NamedTuple):
    """The answer was about something else than what is held: ask without a condition."""

    forward: Send


class StaleIfError(NamedTuple):
    """The origin failed, and what is held may be given instead."""

    entry: Entry


class PassThrough:
    """UseStored the answer to the caller, and keep nothing."""


AfterResponse: TypeAlias = Store | NotModified | SendAgain | StaleIfError | PassThrough


def before_request(
    request: Request, entry: Entry | None, *, level: VerifyLevel, now: float
) -> UseStored | Send | Unavailable:
    """Decide whether what is held under the request's key answers it."""
    entry = _usable(entry, level)
    if entry is not None:
        standing = freshness.standing(entry, now=now, heuristic=freshness.OF_ANYTHING)
        reuse, _ = freshness.may_reuse(entry, standing, request.control)
        if request.range is not None:
            return _consider_part(request, request.range, entry, reuse, now)
        if reuse is freshness.Reuse.FRESH:
            return UseStored(entry, answer_fields(entry, now=now), CacheStatus.CACHED)
        if reuse is freshness.Reuse.STALE:
            return UseStored(entry, answer_fields(entry, now=now), CacheStatus.STALE, refresh=True)
    if "only-if-cached" in request.control:
        return Unavailable()
    return forward(request, entry)


def forward(request: Request, entry: Entry | None) -> Send:
    """The request to the origin: about `entry`, where that may be given back."""
    whole = request.method == "GET" and request.range is None
    if entry is None or not whole or not freshness.may_be_confirmed(entry.head):
        return Send(request.headers)
    return Send(request.headers + conditions(entry), entry)


def _consider_part(
    request: Request, wanted: str, entry: Entry, reuse: freshness.Reuse, now: float
) -> UseStored | Send:
    """A part of what is held and fresh, where it is one span (RFC 9110 §14.2); no part is ever kept."""
    size = entry.facts.bytes
    span = _span(wanted, size)
    if (
        reuse is not freshness.Reuse.FRESH
        or span is None
        or (request.method, entry.head.status) != ("GET", 200)
    ):
        return Send(request.headers)
    fields = tuple(field for field in answer_fields(entry, now=now) if field[0] != "content-length")
    of_part = (
        ("content-length", str(span[1] - span[0])),
        ("content-range", f"bytes {span[0]}-{span[1] - 1}/{size}"),
    )
    return UseStored(entry, fields + of_part, CacheStatus.CACHED, span=span)


def _span(wanted: str, size: int) -> tuple[int, int] | None:
    """The offsets of a single byte range (RFC 9110 §14.1.2); None where it is none, or not satisfiable."""
    unit, _, spec = wanted.partition("=")
    first, dash, last = (part.strip() for part in spec.partition("-"))
    numbers = [part for part in (first, last) if part]
    if unit.strip().lower() != "bytes" or not dash or not numbers:
        return None
    if not all(part.isascii() and part.isdigit() and len(part) < 16 for part in numbers):
        return None
    start = int(first) if first else max(0, size - int(last))
    stop = min(int(last) + 1, size) if first and last else size
    return (start, stop) if start < stop else None


def _usable(entry: Entry | None, level: VerifyLevel) -> Entry | None:
    """What is held and proved, unless redirects led to it: whoever speaks HTTP itself wants to see those."""
    if entry is None or entry.redirect_lifetime is not None or not fetch_policy.proved(entry, level):
        return None
    if entry.head.status == 206:  # the whole by its Content-Range; but that is not what was asked for here
        return None
    return entry


def after_response(
    request: Request, forward: Send, head: Head, *, level: VerifyLevel, now: float
) -> AfterResponse:
    """Decide what to do with an answer by its status and fields alone."""
    if head.status == 304 and forward.entry is not None:
        same = freshness.confirms(forward.entry.head, head)
        return NotModified(forward.entry) if same else SendAgain(Send(request.headers))
    if head.status >= 500 and _may_stand_in(request, forward.entry, head.status, now):
        assert forward.entry is not None  # noqa: S101 (it may stand in)
        return StaleIfError(forward.entry)
    whole = request.method == "GET" and request.range is None
    if not whole or request.key is None or not freshness.may_keep(head, request.control):
        return PassThrough()
    coded = (head.get("content-encoding") or "identity").strip().lower() not in ("identity", "")
    # Proof is of the bytes that are kept, and these are kept as they came.
    if level is not VerifyLevel.NONE and (coded or not 200 <= head.status < 300):
        return PassThrough()
    return Store(stored_headers.content_length(head))


def unreached(request: Request, forward: Send, *, now: float) -> StaleIfError | None:
    """What to do where no answer came: None where the failure is the caller's to hear of."""
    may = _may_stand_in(request, forward.entry, None, now)
    return StaleIfError(forward.entry) if may and forward.entry is not None else None


def invalidated(request: Request, head: Head) -> tuple[Key, ...]:
    """What may have changed by an unsafe request that did not fail, to be forgotten (RFC 9111 §4.4)."""
    if request.method in _SAFE or not 200 <= head.status < 400:
        return ()
    target = urls.read(request.url)
    if not isinstance(target, urls.Address):
        return ()
    named = (head.get("location"), head.get("content-location"))
    others = (urls.read(urls.resolve_location(url, request.url)) for url in named if url is not None)
    here = (target, *(o for o in others if isinstance(o, urls.Address) and o.origin == target.origin))
    # Others who share the cache may have kept it under the key without its signature.
    keys = [address.key(request.key_ignore, signed=signed) for address in here for signed in (True, False)]
    return tuple(dict.fromkeys(keys))


def answer_fields(entry: Entry, *, now: float, confirmed: bool = False) -> Fields:
    """The fields of an answer from what is held: with its Age (RFC 9111 §5.1), and of the bytes as kept.

    Fields that may not be reused unasked are left out until they are `confirmed` by the origin.
    """
    stated = control(entry.head.get("cache-control"))
    left_out = {"age", "content-length"} | (frozenset() if confirmed else stated.private_fields)
    if entry.facts.format is not Format.OTHER:
        left_out.add("content-encoding")  # an image is kept with its coding undone
    age = freshness.standing(entry, now=now, heuristic=freshness.OF_ANYTHING).age
    kept = tuple(field for field in entry.head.headers if field[0] not in left_out)
    length = () if entry.head.status == 204 else (("content-length", str(entry.facts.bytes)),)
    return (*kept, *length, ("age", str(int(age))))


def _may_stand_in(request: Request, entry: Entry | None, answered: int | None, now: float) -> bool:
    if entry is None:
        return False
    standing = freshness.standing(entry, now=now, heuristic=freshness.OF_ANYTHING)
    return freshness.may_stand_in(entry, standing, answered=answered, request=request.control)


_NOTHING_GIVEN = Settings()

_ITS_OWN = frozenset({"if-none-match", "if-modified-since", "if-match", "if-unmodified-since", "if-range"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "SEARCH", "REPORT", "QUERY"})
"""Methods that change nothing by definition (RFC 9110 §9.2.1 and the registry); any other may."""
