"""What a caller gives for an origin: which request carries it, and which stored response it selects.

    headers, cookies, userinfo ─▶ given: the fields for one address, sent to the caller's own origin alone
                                    └─▶ Secrets ─▶ selector: a hash, by which a stored response is found again

A response that was fetched with some credentials never answers a request without them, or with others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from imgfetch.model.markup import SourceKind
from imgfetch.model.request import NO_SECRETS, NO_SOURCE_ORIGIN, Secrets, SourceOrigin
from imgfetch.rules.http import urls

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgfetch.model.markup import Candidate, SourceSet
    from imgfetch.model.request import Settings

Fields: TypeAlias = "tuple[tuple[str, str], ...]"


def source_origin_of(url: str) -> SourceOrigin:
    """Return the origin of a URL that a caller wrote, with the userinfo that it names."""
    address = urls.read(url)
    return (
        SourceOrigin(address.origin, address.userinfo)
        if isinstance(address, urls.Address)
        else NO_SOURCE_ORIGIN
    )


def at(address: urls.Address, source_origin: SourceOrigin) -> SourceOrigin:
    """Return `source_origin` for a request to that origin, and none for a request to another.

    What a request loses, the redirects that follow do not bring back.
    """
    return source_origin if address.origin == source_origin.origin else NO_SOURCE_ORIGIN


def given(address: urls.Address, settings: Settings, source_origin: SourceOrigin) -> Fields:
    """Return the fields that the caller gives for a request to `address`, one of each name, in lower case.

    Those of no origin in particular, and the userinfo, belong to the source's own origin; the others to the
    origin that they were given for.
    """
    if not (settings.headers or settings.headers_for or address.userinfo or source_origin.userinfo):
        return ()  # as it nearly always is
    own = at(address, source_origin)
    headers = settings.headers if own.origin else ()
    if settings.headers_for:
        headers += for_origin(address.origin, settings)
    userinfo = address.userinfo or own.userinfo
    if userinfo:
        headers += (("authorization", _basic(userinfo)),)
    return tuple({name.lower(): value for name, value in headers}.items())


def for_origin(origin: str, settings: Settings) -> Fields:
    """Return the fields that the caller gives for an origin by its name, however a request comes there."""
    return tuple(field for named, fields in settings.headers_for if named == origin for field in fields)


def secrets(address: urls.Address, settings: Settings, source_origin: SourceOrigin) -> Secrets:
    """Return what of the caller's fields selects the response to a request for `address`."""
    fields = given(address, settings, source_origin)
    sent = selecting(fields) if fields else ()
    if not settings.headers_for:
        return Secrets(sent) if sent else NO_SECRETS
    redirected = tuple(
        (f"{origin} {name}", value)
        for origin, fields in sorted(settings.headers_for)
        for name, value in selecting(fields)
    )
    return Secrets(sent, redirected)


def selecting(headers: Iterable[tuple[str, str]]) -> Fields:
    """Return the fields that select a stored response, in the order of their names.

    All do but those that say what the caller prefers, what it is and where it comes from, those that ask
    something of caches, and those that concern the connection. Several of one name are one (RFC 9110 §5.3).
    """
    found: dict[str, str] = {}
    for field_name, value in headers:
        name, value = field_name.lower(), value.strip(" \t")
        if selects(name):
            found[name] = f"{found[name]}, {value}" if name in found else value
    return tuple(sorted(found.items()))


def selects(name: str) -> bool:
    """Whether a field of this name, in lower case, selects a stored response where a caller gives it."""
    return name not in _SELECTS_NOTHING and not name.startswith("accept")


def unselecting(headers: Fields, secrets: Secrets) -> Fields:
    """Return the fields that are left for `Vary` to select by, once `secrets` have selected."""
    if secrets == NO_SECRETS:
        return headers
    names = {name.rpartition(" ")[2] for name, _ in secrets.sent + secrets.redirected}
    return tuple(field for field in headers if field[0] not in names)


def selector(secrets: Secrets, salt: bytes, *, redirected: bool) -> str:
    """Return the hash by which a response is found again; empty where the caller gave nothing.

    A response to which redirects led depends also on what the caller gave for the origins on the way.
    """
    fields = secrets.sent + secrets.redirected if redirected else secrets.sent
    if not fields:
        return ""
    from hashlib import blake2b  # it loads OpenSSL, and few callers give credentials

    text = "\n".join(f"{name}:{value}" for name, value in fields)
    return blake2b(text.encode("utf-8", "surrogatepass"), key=salt[:64], digest_size=16).hexdigest()


def without_userinfo(source_set: SourceSet) -> SourceSet:
    """Return the same source set without the userinfo of any URL in it."""
    offered = (source_set.candidates, *(source.candidates for source in source_set.sources))
    if not any("@" in candidate.url for candidates in offered for candidate in candidates):
        return source_set

    def bare(candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
        return tuple(replace(each, url=urls.without_userinfo(each.url)) for each in candidates)

    sources = tuple(replace(source, candidates=bare(source.candidates)) for source in source_set.sources)
    return replace(source_set, candidates=bare(source_set.candidates), sources=sources)


def is_written_by_caller(source_set: SourceSet) -> bool:
    """Whether a source set is a URL or a srcset by itself, rather than what a page or a style sheet says."""
    return source_set.kind in (SourceKind.URL, SourceKind.TEXT)


def origin_of_all(found: Iterable[SourceSet]) -> SourceOrigin:
    """Return the one origin that all URLs and srcsets name; none where they name several, or a page does."""
    origins = set()
    for source_set in found:
        if not is_written_by_caller(source_set):
            return NO_SOURCE_ORIGIN
        origins |= {urls.origin(candidate.url) for candidate in source_set.candidates}
    return SourceOrigin(*origins) if len(origins) == 1 else NO_SOURCE_ORIGIN


def _basic(userinfo: str) -> str:
    """Return the credentials of a URL as RFC 7617 §2 sends them."""
    from base64 import b64encode
    from urllib.parse import unquote_to_bytes

    user, _, password = userinfo.partition(":")
    return "Basic " + b64encode(unquote_to_bytes(user) + b":" + unquote_to_bytes(password)).decode("ascii")


_SELECTS_NOTHING = frozenset(
    {
        "user-agent",
        "referer",
        # RFC 9111 and RFC 9110 §13, §14: asked of the cache itself, which obeys them.
        "cache-control",
        "pragma",
        "range",
        "if-match",
        "if-none-match",
        "if-modified-since",
        "if-unmodified-since",
        "if-range",
        # RFC 9110 §7.6.1: of the connection, not of the request.
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "proxy-authorization",
        "proxy-connection",
    }
)
