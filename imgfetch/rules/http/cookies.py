"""Cookies: which of them a request carries (RFC 6265), by the standard library's `http.cookiejar`.

The library follows Netscape's specification where browsers follow RFC 6265. `CookieRules` closes the gaps.
"""

from __future__ import annotations

from http.cookiejar import Cookie, DefaultCookiePolicy
from typing import TYPE_CHECKING

from imgfetch.rules.http import urls
from imgfetch.rules.http.sites import is_public_suffix, site_of

if TYPE_CHECKING:
    from urllib.request import Request


class CookieRules(DefaultCookiePolicy):
    """Decides which cookies are accepted, and where they go.

    A cookie without Domain goes to its own host alone. One with Domain goes to that domain, which is never an
    address or a public suffix. One with Secure comes and goes over https: alone.
    """

    def __init__(self) -> None:
        super().__init__(
            rfc2965=False, hide_cookie2=True, strict_ns_domain=DefaultCookiePolicy.DomainStrictNonDomain
        )

    def set_ok(self, cookie: Cookie, request: Request) -> bool:
        """Return True if a response to `request` may set this cookie (RFC 6265 §5.3)."""
        is_safe = not cookie.secure or request.type == "https"
        return is_safe and bool(super().set_ok(cookie, request)) and _has_domain(cookie, request)

    def return_ok(self, cookie: Cookie, request: Request) -> bool:
        """Return True if `request` carries this cookie (RFC 6265 §5.4); its path is judged elsewhere."""
        return bool(super().return_ok(cookie, request)) and _has_domain(cookie, request)


def joined(own: str, others: str) -> str:
    """Return two values of Cookie as one; a cookie of `others` replaces one of `own` with its name."""
    pairs = [pair.strip() for pair in own.split(";")]
    names = {_name(pair) for pair in others.split(";")}
    return "; ".join([pair for pair in pairs if pair and _name(pair) not in names] + [others])


def _name(pair: str) -> str:
    return pair.partition("=")[0].strip()


def _has_domain(cookie: Cookie, request: Request) -> bool:
    """Return True if the domain of a cookie belongs to the owner of the request's host alone."""
    address = urls.read(request.full_url)
    host = address.host if isinstance(address, urls.Address) else ""
    domain = cookie.domain.lstrip(".")
    if not cookie.domain_specified or domain == host:
        return True  # the library has compared the hosts
    return site_of(host) != host and not is_public_suffix(domain)
