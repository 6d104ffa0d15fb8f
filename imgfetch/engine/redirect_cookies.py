"""The cookies of one chain of redirects: kept from response to request, and forgotten after the chain.

    302 with Set-Cookie ─▶ take ─▶ CookieJar ─▶ add_to: the next request

Some origins set a cookie and redirect to the same URL: without the cookie the chain has no end. The library
reads the clock by itself, so this is not a rule.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from http.cookiejar import CookieJar

    from imgfetch.model.request import Head, Request


class RedirectCookies:
    """The cookies that the responses of one chain have set."""

    def __init__(self) -> None:
        self._jar: CookieJar | None = None
        self._length = 0

    def take(self, head: Head, url: str) -> None:
        """Keep the cookies of a response from `url`; ignore what is too long to be sent."""
        fields = [value for name, value in head.headers if name == "set-cookie"]
        if not fields:
            return
        from http.cookiejar import CookieJar  # few redirects set cookies
        from urllib.request import Request

        from imgfetch.rules.http.cookies import CookieRules, standard

        if self._jar is None:
            self._jar = CookieJar(CookieRules())
        for field in fields:
            if len(field) <= _LONGEST and self._length + len(field) <= _MOST and not _CONTROL.search(field):
                self._length += len(field)
                response = _SetCookie([standard(field)])
                self._jar.extract_cookies(response, Request(url))  # type: ignore[arg-type] # noqa: S310 (http or https)

    def add_to(self, request: Request) -> Request:
        """Return the request with the cookies that belong to it, beside those of the caller."""
        if self._jar is None:
            return request
        from urllib import request as library

        from imgfetch.rules.http.cookies import joined

        asked = library.Request(request.url)  # noqa: S310 (http or https)
        self._jar.add_cookie_header(asked)
        found = asked.get_header("Cookie")
        if not found:
            return request
        others = tuple(field for field in request.headers if field[0] != "cookie")
        own = "; ".join(value for name, value in request.headers if name == "cookie")
        # A response head is read as Latin-1, and a request is written in UTF-8.
        text = found.encode("latin-1").decode("utf-8", "replace")
        return request._replace(headers=(*others, ("cookie", joined(own, text))))


_LONGEST = 4096
"""Bytes of a Set-Cookie field: browsers keep no longer cookie (RFC 6265 §6.1)."""

_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f]")
"""Characters that browsers take in no cookie."""

_MOST = 16_384
"""Bytes of all Set-Cookie fields of a chain: servers refuse longer requests."""


class _SetCookie:
    """A response as `http.cookiejar` reads it: its Set-Cookie fields."""

    def __init__(self, values: Sequence[str]) -> None:
        self._values = [*values]

    def info(self) -> _SetCookie:
        """Return the header section."""
        return self

    def get_all(self, name: str, default: list[str]) -> list[str]:
        """Return the values of a field."""
        return self._values if name.lower() == "set-cookie" else default
