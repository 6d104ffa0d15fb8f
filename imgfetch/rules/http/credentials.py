"""The caller's credentials: which request carries them, and which stored response they select.

    headers, userinfo, netrc ─▶ given: the fields for one address, sent to the source's own origin alone
    cookies of a file ─▶ given: those of this address, within the site of the source
                                    └─▶ Secrets ─▶ selector: a hash that selects the stored response

A response that was fetched with credentials never answers a request without them, or with others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from imgfetch.model.markup import SourceKind
from imgfetch.model.request import NO_SECRETS, NO_SOURCE_ORIGIN, Secrets, SourceOrigin
from imgfetch.rules.http import urls

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgfetch.model.markup import Candidate, SourceSet
    from imgfetch.model.request import Cookie, Settings

Fields: TypeAlias = "tuple[tuple[str, str], ...]"


def source_origin_of(url: str) -> SourceOrigin:
    """Return the origin of a URL that a caller wrote, with the userinfo that it names."""
    address = urls.read(url)
    return (
        SourceOrigin(address.origin, address.userinfo, address.host)
        if isinstance(address, urls.Address)
        else NO_SOURCE_ORIGIN
    )


def at(address: urls.Address, source_origin: SourceOrigin, settings: Settings) -> SourceOrigin:
    """Return `source_origin` for a request to that origin; for any other, what is left of it.

    Credentials that a redirect has removed stay removed for the redirects that follow. Of cookies, each has
    its own hosts: for them the host of the source is kept, if the caller gave any.
    """
    if address.origin == source_origin.origin:
        return source_origin
    return SourceOrigin(host=source_origin.host) if settings.cookies else NO_SOURCE_ORIGIN


def given(address: urls.Address, settings: Settings, source_origin: SourceOrigin) -> Fields:
    """Return the caller's fields for a request to `address`, one of each name, in lower case.

    Fields without an origin, the userinfo, and that of a netrc, are sent to the source's own origin. Fields
    with an origin are sent to that one, and cookies to their hosts within the site of the source.
    """
    any_field = settings.headers or settings.headers_for or settings.cookies or settings.netrc
    if not (any_field or address.userinfo or source_origin.userinfo):
        return ()  # the usual case
    own = at(address, source_origin, settings)
    headers = settings.headers if own.origin else ()
    if settings.headers_for:
        headers += for_origin(address.origin, settings)
    fields = {name.lower(): value for name, value in headers}
    userinfo = address.userinfo or own.userinfo
    if not userinfo and own.origin and "authorization" not in fields:
        userinfo = settings.netrc.get(address.host) or settings.netrc.get("", "")
    if userinfo:
        fields["authorization"] = _basic(userinfo)
    cookies = _cookies_at(address, own, settings)
    if cookies:
        from imgfetch.rules.http.cookies import cookie_field, joined  # few runs have cookies

        found = cookie_field(cookies, address.url)
        if found:
            fields["cookie"] = joined(found, fields.get("cookie", ""))
    return tuple(fields.items())


def _cookies_at(address: urls.Address, source_origin: SourceOrigin, settings: Settings) -> tuple[Cookie, ...]:
    """Return the caller's cookies for the site of an address, if it is the site of the source."""
    found = _cookies_of(source_origin, settings)
    if not found:
        return ()
    from imgfetch.rules.http.sites import site_of

    return found if site_of(address.host) == site_of(source_origin.host) else ()


def _cookies_of(source_origin: SourceOrigin, settings: Settings) -> tuple[Cookie, ...]:
    """Return the caller's cookies for the site of the source, to which redirects may lead too."""
    if not (settings.cookies and source_origin.host):
        return ()
    from imgfetch.rules.http.sites import site_of

    return settings.cookies.get(site_of(source_origin.host), ())


def for_origin(origin: str, settings: Settings) -> Fields:
    """Return the caller's fields for an origin by its name, also if a redirect leads there."""
    return tuple(field for named, fields in settings.headers_for if named == origin for field in fields)


def secrets(address: urls.Address, settings: Settings, source_origin: SourceOrigin) -> Secrets:
    """Return those of the caller's fields that select the response to a request for `address`."""
    fields = given(address, settings, source_origin)
    sent = selecting(fields) if fields else ()
    if not (settings.headers_for or settings.cookies):
        return Secrets(sent) if sent else NO_SECRETS
    redirected = tuple(
        (f"{origin} {name}", value)
        for origin, fields in sorted(settings.headers_for)
        for name, value in selecting(fields)
    )
    redirected += tuple(
        (f"{cookie.domain}{cookie.path} cookie", f"{cookie.name}={cookie.value}")
        for cookie in sorted(_cookies_of(source_origin, settings))
    )
    return Secrets(sent, redirected) if sent or redirected else NO_SECRETS


def selecting(headers: Iterable[tuple[str, str]]) -> Fields:
    """Return the fields that select a stored response, in the order of their names.

    All fields do, except `Accept-*`, User-Agent and Referer, those that are addressed to caches, and those of
    the connection. Several fields of one name become one (RFC 9110 §5.3).
    """
    found: dict[str, str] = {}
    for field_name, value in headers:
        name, value = field_name.lower(), value.strip(" \t")
        if selects(name):
            found[name] = f"{found[name]}, {value}" if name in found else value
    return tuple(sorted(found.items()))


def selects(name: str) -> bool:
    """Return True if a caller's field of this name, in lower case, selects a stored response."""
    return name not in _SELECTS_NOTHING and not name.startswith("accept")


def unselecting(headers: Fields, secrets: Secrets) -> Fields:
    """Return the fields that are left for `Vary` to select by, once `secrets` have selected."""
    if secrets == NO_SECRETS:
        return headers
    names = {name.rpartition(" ")[2] for name, _ in secrets.sent + secrets.redirected}
    return tuple(field for field in headers if field[0] not in names)


def selector(secrets: Secrets, salt: bytes, *, redirected: bool) -> str:
    """Return the hash that selects a stored response; an empty string if the caller gave no credentials.

    A response after redirects also depends on the caller's fields for the origins on the way.
    """
    fields = secrets.sent + secrets.redirected if redirected else secrets.sent
    if not fields:
        return ""
    from hashlib import blake2b  # loads OpenSSL; few callers give credentials

    text = "\n".join(f"{name}:{value}" for name, value in fields)
    return blake2b(text.encode("utf-8", "surrogatepass"), key=salt[:64], digest_size=16).hexdigest()


def without_userinfo(source_set: SourceSet) -> SourceSet:
    """Return the same source set without the userinfo of any URL in it."""
    offered = (source_set.candidates, *(source.candidates for source in source_set.sources))
    if not any("@" in candidate.url for candidates in offered for candidate in candidates):
        return source_set

    def bare(candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
        return tuple(each._replace(url=urls.without_userinfo(each.url)) for each in candidates)

    sources = tuple(source._replace(candidates=bare(source.candidates)) for source in source_set.sources)
    embedded = tuple(body._replace(url=urls.without_userinfo(body.url)) for body in source_set.embedded)
    return source_set._replace(candidates=bare(source_set.candidates), sources=sources, embedded=embedded)


def is_written_by_caller(source_set: SourceSet) -> bool:
    """Return True if the caller wrote the source set: a URL or a srcset, not a page or a style sheet."""
    return source_set.kind in (SourceKind.URL, SourceKind.TEXT)


def origin_of_all(found: Iterable[SourceSet]) -> SourceOrigin:
    """Return the one origin of all URLs and srcsets; `NO_SOURCE_ORIGIN` for several, or for a page's."""
    origins = set()
    for source_set in found:
        if not is_written_by_caller(source_set):
            return NO_SOURCE_ORIGIN
        origins |= {urls.origin(candidate.url) for candidate in source_set.candidates}
    return source_origin_of(*origins) if len(origins) == 1 else NO_SOURCE_ORIGIN


def _basic(userinfo: str) -> str:
    """Return the credentials of a URL in the form of RFC 7617 §2."""
    from base64 import b64encode
    from urllib.parse import unquote_to_bytes

    user, _, password = userinfo.partition(":")
    return "Basic " + b64encode(unquote_to_bytes(user) + b":" + unquote_to_bytes(password)).decode("ascii")


_SELECTS_NOTHING = frozenset(
    {
        "user-agent",
        "referer",
        # RFC 9111 and RFC 9110 §13, §14: addressed to the cache itself, which obeys them.
        "cache-control",
        "pragma",
        "range",
        "if-match",
        "if-none-match",
        "if-modified-since",
        "if-unmodified-since",
        "if-range",
        # RFC 9110 §7.6.1: fields of the connection, not of the request.
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
