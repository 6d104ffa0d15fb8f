"""Arguments of the public classes: checked, and put into the model's values. All raise `InputError`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgfetch.api.normalize import spelled
from imgfetch.errors import InputError, printable
from imgfetch.model.image import Defect
from imgfetch.model.request import Limits
from imgfetch.model.result import ErrorKind
from imgfetch.model.values import Digest
from imgfetch.rules.http import urls
from imgfetch.rules.store.eviction import Bounds

if TYPE_CHECKING:
    from collections.abc import Mapping
    from http.cookiejar import CookieJar
    from pathlib import Path

    from imgfetch.model.request import Cookie


def bounds_of(max_cache: int | None, max_age: float | None) -> Bounds:
    """Return the bounds of a cache: bytes in all, and seconds since the last use."""
    for name, value in (("max_cache", max_cache), ("max_age", max_age)):
        if value is not None and not (_is_number(value) and 0 <= value < float("inf")):
            raise InputError(ErrorKind.BAD_INPUT, f"{value!r} is not a bound; use 0 or more", name)
    return Bounds(max_cache, max_age)


def check_age_of(seconds: float) -> float:
    """Return the seconds after which an object is hashed again."""
    if not (_is_number(seconds) and seconds >= 0):
        raise InputError(
            ErrorKind.BAD_INPUT, f"{seconds!r} is not an age; use 0 or more seconds", "check_age"
        )
    return float(seconds)


def delay_of(seconds: float) -> float:
    """Return the seconds between two requests to one host."""
    if not (_is_number(seconds) and 0 <= seconds < float("inf")):
        raise InputError(ErrorKind.BAD_INPUT, f"{seconds!r} is not a delay; use 0 or more seconds", "delay")
    return float(seconds)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def headers_of(
    headers: Mapping[str, str | Mapping[str, str]],
) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, tuple[tuple[str, str], ...]], ...]]:
    """Return the fields for the source's own origin, and those for the origins that the caller names."""
    own, for_origins = [], []
    for name, value in headers.items():
        if isinstance(value, str):
            own.append((name, value))
        else:
            for_origins.append((_checked_origin(name), tuple(value.items())))
    return tuple(own), tuple(for_origins)


def secrets_of(
    cookies: str | Path | CookieJar | None, netrc: bool | str | Path
) -> tuple[Mapping[str, tuple[Cookie, ...]], Mapping[str, str], tuple[str, ...]]:
    """Return the caller's cookies by site, passwords by host, and notices about lines without a cookie."""
    if cookies is None and netrc is False:
        return {}, {}, ()  # the usual case
    from imgfetch.api import secret_files
    from imgfetch.system.clock import SystemClock

    by_site: Mapping[str, tuple[Cookie, ...]] = {}
    notices: tuple[str, ...] = ()
    if cookies is not None:
        by_site, notices = secret_files.cookies_of(cookies, now=SystemClock().now())
    return by_site, secret_files.netrc_of(netrc), notices


def _checked_origin(url: str) -> str:
    """Return an origin in its one spelling."""
    origin = urls.read_origin(spelled(url))
    if isinstance(origin, Defect):
        raise InputError(ErrorKind.BAD_INPUT, f"not an origin: {origin.message}", urls.redact(url))
    return origin


def checked_limits(limits: Limits) -> Limits:
    """Return limits that end every fetch."""
    for name, least in _LEAST.items():
        value = getattr(limits, name)
        kinds, needed = (int, "a whole number, ") if name in _WHOLE else (int | float, "")
        if not isinstance(value, kinds) or not least <= value < float("inf"):
            message = f"{value!r} is not a limit; {needed}at least {least} is needed"
            raise InputError(ErrorKind.BAD_INPUT, message, name)
    return limits


def checked_contact(contact: str) -> str:
    """Return a contact that an owner can write to, and that ends where the User-Agent ends it."""
    if not re.fullmatch(r"(?:https?://|[!-'*-;=?A-~]+@)[!-'*-;=?A-~]+", contact):
        raise InputError(ErrorKind.BAD_INPUT, "neither a URL nor a mail address", printable(contact)[:80])
    return contact


def checked_page(url: str) -> str:
    """Return the URL of a page in its one spelling; an empty string as it is."""
    page = spelled(url)
    address = urls.read(page) if page else None
    if isinstance(address, Defect):
        raise InputError(ErrorKind.BAD_INPUT, address.message, urls.redact(url))
    return page


def robots_token(agent: str) -> str:
    """Return the name by which robots.txt may address a User-Agent."""
    from imgfetch.rules.crawl.robots import token  # only crawlers need it

    return token(agent)


_USUAL = Limits()._asdict()
_LEAST = dict.fromkeys(_USUAL, 1e-3) | dict.fromkeys(("retries", "max_redirects", "backoff_base"), 0)
_WHOLE = frozenset(name for name, usual in _USUAL.items() if isinstance(usual, int))
_LEAST |= dict.fromkeys(
    (
        *("jobs", "per_host", "per_address", "max_bytes", "max_pixels", "max_total_pixels", "max_frames"),
        *("max_images", "decode_memory"),
    ),
    1,
)


def parse_digest(sha256: str | None) -> Digest | None:
    """Read a SHA-256 as people write it. Raises `InputError` (`bad_input`)."""
    if sha256 is None:
        return None
    if not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise InputError(ErrorKind.BAD_INPUT, "not a SHA-256 in 64 hexadecimal digits", sha256[:80])
    return Digest(sha256.lower())
