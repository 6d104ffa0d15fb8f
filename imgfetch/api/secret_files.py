"""The caller's files of secrets: cookies, and users with their passwords. All raise `InputError`.

    cookies.txt, CookieJar ─▶ cookies_of: Cookie, by the site of its domain
    .netrc ─▶ netrc_of: `user:password`, by the name of the host

An error names the file and the line, and never what the line has.
"""

from __future__ import annotations

from http.cookiejar import CookieJar
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from imgfetch.errors import InputError, printable
from imgfetch.model.request import Cookie
from imgfetch.model.result import ErrorKind
from imgfetch.readers.cookie_file import is_sendable, read_cookies
from imgfetch.rules.http.sites import site_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST_BYTES = 16_000_000
"""Bytes of a file of secrets; those of a browser with every site in it have fewer."""


def cookies_of(
    source: str | Path | CookieJar, *, now: float
) -> tuple[Mapping[str, tuple[Cookie, ...]], tuple[str, ...]]:
    """Return the cookies that have not expired at `now`, by their sites, and notices about the others."""
    if isinstance(source, CookieJar):
        of_jar = (cookie for cookie in map(_of_library, source) if is_sendable(cookie.name + cookie.value))
        return _by_site(of_jar, now), ()
    name = printable(str(source))
    cookies, problems = read_cookies(_bytes_of(source, name))
    if problems and not cookies:
        raise InputError(
            ErrorKind.BAD_INPUT,
            f"no cookie in it; line {problems[0][0]}: {problems[0][1]}",
            name,
            hint="export the cookies in Netscape's format (cookies.txt)",
        )
    notices = [f"{name}: line {number} is not a cookie: {why}" for number, why in problems[:_MOST_NOTICES]]
    if len(problems) > _MOST_NOTICES:
        notices.append(f"{name}: {len(problems) - _MOST_NOTICES:,} more lines are not cookies")
    usable = _by_site(cookies, now)
    if not usable:
        notices.append(f"{name}: all cookies in it have expired" if cookies else f"{name}: no cookie in it")
    return usable, tuple(notices)


def netrc_of(source: bool | str | Path) -> Mapping[str, str]:
    """Return `user:password` in the form of a URL, by host; that of `default` by an empty name.

    True stands for the file in the home directory, which others must not be able to read.
    """
    if source is False:
        return {}
    from netrc import NetrcParseError, netrc

    path = Path("~/.netrc" if source is True else source).expanduser()
    name = printable(str(path))
    try:
        hosts = (netrc() if source is True else netrc(str(path))).hosts
    except FileNotFoundError as error:
        raise InputError(ErrorKind.BAD_INPUT, "no such file", name) from error
    except NetrcParseError as error:
        # The library's message may have a word of the file, which may be a password.
        why = f"cannot be read near line {error.lineno}" if error.lineno else "others can read it; chmod 600"
        raise InputError(ErrorKind.BAD_INPUT, why, name) from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "not a text"
        raise InputError(ErrorKind.BAD_INPUT, f"cannot be read: {why}", name) from None
    return {
        "" if host == "default" else host.lower(): f"{quote(user, safe='')}:{quote(password or '', safe='')}"
        for host, (user, _, password) in hosts.items()
    }


def _bytes_of(source: str | Path, name: str) -> bytes:
    try:
        with Path(source).expanduser().open("rb") as file:
            data = file.read(MOST_BYTES)
    except FileNotFoundError as error:
        raise InputError(ErrorKind.BAD_INPUT, "no such file", name) from error
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(ErrorKind.BAD_INPUT, f"cannot be read: {why}", name) from error
    if len(data) == MOST_BYTES:
        raise InputError(ErrorKind.BAD_INPUT, f"larger than {MOST_BYTES // 1_000_000} MB", name)
    return data


def _by_site(cookies: Iterable[Cookie], now: float) -> dict[str, tuple[Cookie, ...]]:
    """Group cookies by site; of those with one name, domain and path, the last is kept."""
    found: dict[str, dict[tuple[str, str, str], Cookie]] = {}
    for cookie in cookies:
        if cookie.expires is None or cookie.expires > now:
            of_site = found.setdefault(site_of(cookie.domain), {})
            of_site[cookie.domain, cookie.path, cookie.name] = cookie
    return {site: tuple(of_site.values()) for site, of_site in found.items()}


def _of_library(cookie: object) -> Cookie:
    """Return a cookie of a `CookieJar`."""
    from http.cookiejar import Cookie as LibraryCookie

    assert isinstance(cookie, LibraryCookie)  # noqa: S101 (a jar has no others)
    return Cookie(
        cookie.domain.lower().lstrip("."),
        cookie.path,
        cookie.name,
        cookie.value or "",
        is_host_only=not cookie.domain_specified,
        is_secure=cookie.secure,
        expires=cookie.expires or None,  # 0 where a file in Netscape's format has none
    )


_MOST_NOTICES = 3
"""Lines that are named one by one."""
