"""Cookies: which of them a request carries (RFC 6265), by the standard library's `http.cookiejar`.

The library follows Netscape's specification where browsers follow RFC 6265. `CookieRules` closes the gaps.
"""

from __future__ import annotations

import re
from functools import lru_cache
from http.cookiejar import Cookie as LibraryCookie
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING

from imgfetch.rules.http import urls
from imgfetch.rules.http.sites import is_public_suffix, site_of

if TYPE_CHECKING:
    from urllib.request import Request

    from imgfetch.model.request import Cookie


def standard(field: str) -> str:
    """Return a Set-Cookie field with the attributes of RFC 6265 §5.2 alone, where they have a valid value.

    `http.cookiejar` knows older attributes too, and reports a `Max-Age` that is not a number as its own bug.
    """
    pair, *attributes = field.split(";")
    kept = [f"; {attribute.strip()}" for attribute in attributes if _ATTRIBUTE.fullmatch(attribute)]
    return "".join((pair.strip(), *kept))


_ATTRIBUTE = re.compile(
    r"(?i)\s*(?:(?:domain|path|expires)\s*=[^\x00-\x1f\x7f]*|max-age\s*=\s*-?[0-9]{1,10}\s*|secure\s*(?:=.*)?)"
)


class CookieRules(DefaultCookiePolicy):
    """Decides which cookies are accepted, and where they go.

    A cookie without Domain goes to its own host alone. One with Domain goes to that domain, which is never an
    address or a public suffix. One with Secure comes and goes over https: alone.
    """

    def __init__(self) -> None:
        super().__init__(
            rfc2965=False, hide_cookie2=True, strict_ns_domain=DefaultCookiePolicy.DomainStrictNonDomain
        )

    def set_ok(self, cookie: LibraryCookie, request: Request) -> bool:
        """Return True if a response to `request` may set this cookie (RFC 6265 §5.3)."""
        is_safe = not cookie.secure or request.type == "https"
        return is_safe and bool(super().set_ok(cookie, request)) and _has_domain(cookie, request)

    def return_ok(self, cookie: LibraryCookie, request: Request) -> bool:
        """Return True if `request` carries this cookie (RFC 6265 §5.4); its path is judged elsewhere."""
        return bool(super().return_ok(cookie, request)) and _has_domain(cookie, request)


@lru_cache(64)  # several steps of a fetch ask about one URL
def cookie_field(cookies: tuple[Cookie, ...], url: str) -> str:
    """Return the value of Cookie for a request, of cookies that have not expired; empty without one.

    Cookies with a longer path come first (RFC 6265 §5.4).
    """
    from urllib.request import Request

    request = Request(url)  # noqa: S310 (http or https)
    sent = [cookie for cookie in cookies if _goes_to(cookie, request)]
    sent.sort(key=lambda cookie: -len(cookie.path))
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in sent)


def _goes_to(cookie: Cookie, request: Request) -> bool:
    """Return True if a request carries a cookie."""
    if not _STORED_RULES.path_return_ok(cookie.path, request):
        return False
    return _STORED_RULES.return_ok(_of_library(cookie), request)


@lru_cache(1024)
def _of_library(cookie: Cookie) -> LibraryCookie:
    """Return a cookie as `http.cookiejar` has it: it gives a host of one label a domain."""
    domain = cookie.domain if "." in cookie.domain else f"{cookie.domain}.local"
    return LibraryCookie(
        version=0,
        name=cookie.name,
        value=cookie.value,
        port=None,
        port_specified=False,
        domain=domain if cookie.is_host_only else f".{domain}",
        domain_specified=not cookie.is_host_only,
        domain_initial_dot=not cookie.is_host_only,
        path=cookie.path,
        path_specified=True,
        secure=cookie.is_secure,
        expires=None,
        discard=True,
        comment=None,
        comment_url=None,
        rest={},
    )


class _StoredRules(CookieRules):
    """The rules for cookies of which those that have expired are left out already."""

    def return_ok_expires(self, cookie: LibraryCookie, request: Request) -> bool:
        """Return True: the library would compare with the time of its jar."""
        return True


_STORED_RULES = _StoredRules()


def joined(own: str, others: str) -> str:
    """Return two values of Cookie as one; a cookie of `others` replaces one of `own` with its name."""
    pairs = filter(None, map(str.strip, own.split(";")))
    names = {_name(pair) for pair in others.split(";")}
    return "; ".join([*(pair for pair in pairs if _name(pair) not in names), *([others] if others else ())])


def _name(pair: str) -> str:
    return pair.partition("=")[0].strip()


def _has_domain(cookie: LibraryCookie, request: Request) -> bool:
    """Return True if the domain of a cookie belongs to the owner of the request's host alone."""
    address = urls.read(request.full_url)
    host = address.host if isinstance(address, urls.Address) else ""
    domain = cookie.domain.lstrip(".")
    if not cookie.domain_specified or domain == host:
        return True  # the library has compared the hosts
    return site_of(host) != host and not is_public_suffix(domain)
