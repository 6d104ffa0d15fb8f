"""Decide what a private cache does with any request that passes through it, and with the response (RFC 9111).

    before_request ─▶ UseStored | Send | Unavailable
    after_response ─▶ Store | NotModified | SendAgain | StaleIfError | PassThrough    once the head has come

`fetch_policy` requests images: it follows redirects, rejects and retries. Here the caller may request
anything, and gets the response that it would get without a cache, only sooner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from imgfetch.model.image import Format, VerifyLevel
from imgfetch.model.request import NO_SECRETS, NO_SOURCE_ORIGIN, Secrets, Settings
from imgfetch.model.result import CacheStatus
from imgfetch.redaction import redacted_repr
from imgfetch.rules.http import credentials, freshness, stored_headers, urls
from imgfetch.rules.http.cache_control import control, request_control
from imgfetch.rules.http.content_coding import coding_of
from imgfetch.rules.policy import stored_response
from imgfetch.rules.policy.request_fields import conditions

if TYPE_CHECKING:
    from imgfetch.model.image import Entry
    from imgfetch.model.request import Head
    from imgfetch.model.values import Key
    from imgfetch.rules.http.cache_control import Control

Fields: TypeAlias = "tuple[tuple[str, str], ...]"


class Request(NamedTuple):
    """The request of a caller of httpx."""

    method: str
    url: str
    headers: Fields
    """Names in lower case."""
    key_ignore: tuple[str, ...] = ()
    """Shell patterns for the query parameters that are left out of the key."""
    ignore_signatures: bool = False
    """Whether URLs that differ only in a known signature share a key."""

    def __repr__(self) -> str:
        return redacted_repr(self, (name for name in self._fields if name != "headers"))

    @property
    def key(self) -> Key | None:
        """The key of the response; None if it must not be stored.

        That is so for methods other than GET and HEAD, and if the caller sends its own conditions: then it
        has a cache of its own.
        """
        address = urls.read(self.url)
        if self.method not in ("GET", "HEAD") or not isinstance(address, urls.Address):
            return None
        if any(name in _CONDITIONS for name, _ in self.headers):
            return None
        return address.key(self.key_ignore, signed=not self.ignore_signatures)

    @property
    def resource(self) -> str:
        """The URL without the parameters that its key leaves out."""
        address = urls.read(self.url)
        if not isinstance(address, urls.Address):
            return self.url
        return address.resource(self.key_ignore, signed=not self.ignore_signatures)

    @property
    def secrets(self) -> Secrets:
        """The fields, and the URL's userinfo, by which the stored response is selected.

        Every field of a caller of httpx counts, except a Host field that agrees with the URL.
        """
        address = urls.read(self.url)
        if not isinstance(address, urls.Address):
            return NO_SECRETS
        userinfo = credentials.given(address, _DEFAULT_SETTINGS, NO_SOURCE_ORIGIN)
        host = ("host", address.authority)
        # httpx has already turned the userinfo into a field.
        given = (*(field for field in userinfo if field not in self.headers), *self.headers)
        sent = credentials.selecting(field for field in given if field != host)
        return Secrets(sent) if sent else NO_SECRETS

    @property
    def selectable(self) -> Fields:
        """The fields that are left for `Vary` to select by."""
        return credentials.unselecting(self.headers, self.secrets)

    @property
    def range(self) -> str | None:
        """The value of the Range field; None if the whole is requested."""
        return next((value for name, value in self.headers if name == "range"), None)

    @property
    def control(self) -> Control:
        """The caching directives of the request."""
        return request_control(self.headers)


class UseStored(NamedTuple):
    """Answer with the stored response and these fields."""

    entry: Entry
    fields: Fields
    origin: CacheStatus
    refresh: bool = False
    """Whether to revalidate it in the background."""
    span: tuple[int, int] | None = None
    """The byte offsets of the requested part, the end exclusive; None for the whole."""


class Send(NamedTuple):
    """Send the request with these fields; they revalidate `entry` if it is set."""

    headers: Fields
    entry: Entry | None = None

    def __repr__(self) -> str:
        return redacted_repr(self, (name for name in self._fields if name != "headers"))


class Unavailable:
    """Fail: the caller wants a stored response only, and none is usable (RFC 9111 §5.2.1.7)."""


class Store(NamedTuple):
    """Give the response to the caller, and store it once its body is complete."""

    length: int | None
    """Bytes of the body by Content-Length."""


class NotModified(NamedTuple):
    """The stored response is still valid (304)."""

    entry: Entry


class SendAgain(NamedTuple):
    """The 304 is about another response than the stored one: send the request without a condition."""

    forward: Send


class StaleIfError(NamedTuple):
    """The origin failed, and a stale response may be used instead."""

    entry: Entry


class PassThrough:
    """Give the response to the caller, and store nothing."""


AfterResponse: TypeAlias = Store | NotModified | SendAgain | StaleIfError | PassThrough


def before_request(
    request: Request, entry: Entry | None, *, level: VerifyLevel, now: float
) -> UseStored | Send | Unavailable:
    """Decide whether the stored response of the request's key answers the request."""
    entry = _usable(entry, level)
    if entry is not None:
        standing = freshness.standing(entry, now=now, heuristic=freshness.OF_ANYTHING)
        reuse, _ = freshness.may_reuse(entry, standing, request.control)
        if request.range is not None:
            return _use_part(request, request.range, entry, reuse, now)
        if reuse is freshness.Reuse.FRESH:
            return UseStored(entry, answer_fields(entry, now=now), CacheStatus.CACHED)
        if reuse is freshness.Reuse.STALE:
            return UseStored(entry, answer_fields(entry, now=now), CacheStatus.STALE, refresh=True)
    if "only-if-cached" in request.control:
        return Unavailable()
    return forward(request, entry)


def forward(request: Request, entry: Entry | None) -> Send:
    """Return the request to the origin; it revalidates `entry` if that may be used afterwards."""
    whole = request.method == "GET" and request.range is None
    if entry is None or not whole or not freshness.may_be_confirmed(entry.head):
        return Send(request.headers)
    return Send(request.headers + conditions(entry), entry)


def _use_part(
    request: Request, byte_range: str, entry: Entry, reuse: freshness.Reuse, now: float
) -> UseStored | Send:
    """Use a part of a fresh stored response if one range is requested (RFC 9110 §14.2).

    Otherwise send the request as it is. A part is never stored.
    """
    size = entry.facts.bytes
    span = _span(byte_range, size)
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


def _span(byte_range: str, size: int) -> tuple[int, int] | None:
    """Return the offsets of a single byte range (RFC 9110 §14.1.2); None if malformed or unsatisfiable."""
    unit, _, spec = byte_range.partition("=")
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
    """Return the stored response if it is verified and came without redirects.

    A client that speaks HTTP itself must see the redirects.
    """
    if entry is None or entry.redirect_lifetime is not None or not stored_response.is_verified(entry, level):
        return None
    if entry.head.status == 206:  # its Content-Range covers the whole, but this caller requested no range
        return None
    return entry


def after_response(
    request: Request, forward: Send, head: Head, *, level: VerifyLevel, now: float
) -> AfterResponse:
    """Decide what to do with a response by its status and fields alone."""
    if head.status == 304 and forward.entry is not None:
        same = freshness.confirms(forward.entry.head, head)
        return NotModified(forward.entry) if same else SendAgain(Send(request.headers))
    if head.status >= 500 and _may_use_stale(request, forward.entry, head.status, now):
        assert forward.entry is not None  # noqa: S101 (`_may_use_stale` has seen it)
        return StaleIfError(forward.entry)
    whole = request.method == "GET" and request.range is None
    if not whole or request.key is None or not freshness.may_keep(head, request.control):
        return PassThrough()
    coded = coding_of(head.get("content-encoding")) != ""
    # The bytes are stored as they come, without decoding their content coding. Coded ones cannot be verified.
    if level is not VerifyLevel.NONE and (coded or not 200 <= head.status < 300):
        return PassThrough()
    return Store(stored_headers.content_length(head))


def unreached(request: Request, forward: Send, *, now: float) -> StaleIfError | None:
    """Decide what to do if no response came; None if the failure goes to the caller."""
    may = _may_use_stale(request, forward.entry, None, now)
    return StaleIfError(forward.entry) if may and forward.entry is not None else None


def invalidated(request: Request, head: Head) -> tuple[Key, ...]:
    """Return the keys to remove after an unsafe request that did not fail (RFC 9111 §4.4)."""
    if request.method in _SAFE or not 200 <= head.status < 400:
        return ()
    target = urls.read(request.url)
    if not isinstance(target, urls.Address):
        return ()
    locations = (head.get("location"), head.get("content-location"))
    others = (urls.read(urls.resolve_location(url, request.url)) for url in locations if url is not None)
    here = (target, *(o for o in others if isinstance(o, urls.Address) and o.origin == target.origin))
    # Other programs that share the cache may use the key without its signature.
    keys = [address.key(request.key_ignore, signed=signed) for address in here for signed in (True, False)]
    return tuple(dict.fromkeys(keys))


def answer_fields(entry: Entry, *, now: float, confirmed: bool = False) -> Fields:
    """Return the fields of an answer with the stored response: with Age (RFC 9111 §5.1), for stored bytes.

    Fields that `private` or `no-cache` names are left out, unless the origin has just `confirmed` them.
    """
    stated = control(entry.head.get("cache-control"))
    left_out = {"age", "content-length"} | (frozenset() if confirmed else stated.private_fields)
    if entry.facts.format is not Format.OTHER:
        left_out.add("content-encoding")  # an image is stored decoded
    age = freshness.standing(entry, now=now, heuristic=freshness.OF_ANYTHING).age
    stored = tuple(field for field in entry.head.headers if field[0] not in left_out)
    length = () if entry.head.status == 204 else (("content-length", str(entry.facts.bytes)),)
    return (*stored, *length, ("age", str(int(age))))


def _may_use_stale(request: Request, entry: Entry | None, answered: int | None, now: float) -> bool:
    if entry is None:
        return False
    standing = freshness.standing(entry, now=now, heuristic=freshness.OF_ANYTHING)
    return freshness.may_stand_in(entry, standing, answered=answered, request=request.control)


_DEFAULT_SETTINGS = Settings()

_CONDITIONS = frozenset({"if-none-match", "if-modified-since", "if-match", "if-unmodified-since", "if-range"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "SEARCH", "REPORT", "QUERY"})
"""Methods that change nothing by definition (RFC 9110 §9.2.1 and the registry); any other may."""
