"""Cookie files in Netscape's format, as curl and wget read and write them.

.example.org ⇥ TRUE ⇥ / ⇥ TRUE ⇥ 1893456000 ⇥ sid ⇥ value ─▶ Cookie

The fields are the domain, whether it includes its subdomains, the path, whether https: is needed, the time of
expiry in seconds since the epoch (0 for none), the name and the value. `#HttpOnly_` before the domain tells
a browser to hide the cookie from scripts. Other lines that begin with `#` are comments.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.model.request import Cookie

if TYPE_CHECKING:
    from collections.abc import Iterator


class CookieLines(NamedTuple):
    """The cookies of a file, and the lines that could not be read."""

    cookies: tuple[Cookie, ...]
    problems: tuple[tuple[int, str], ...]
    """The number of each line, and what is wrong with it; never its text, which is a secret."""


def read_cookies(data: bytes) -> CookieLines:
    """Return the cookies in the bytes of a file, the expired ones too. Never raise; take linear time."""
    cookies, problems = [], []
    for number, line in enumerate(_lines(data), 1):
        text = line.removeprefix(_HTTP_ONLY)
        if not text.strip() or text.startswith("#"):
            continue
        found = _cookie(text)
        if isinstance(found, Cookie):
            cookies.append(found)
        else:
            problems.append((number, found))
    return CookieLines(tuple(cookies), tuple(problems))


def _lines(data: bytes) -> Iterator[str]:
    """Return the lines of a text in UTF-8, in which requests are written too."""
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    return (line.rstrip("\r") for line in text.split("\n"))


def _cookie(line: str) -> Cookie | str:
    """Return the cookie of a line, or what is wrong with the line."""
    fields = line.split("\t")
    if len(fields) == 6:
        fields.append("")  # an empty value, as curl writes it
    if len(fields) != 7:
        return f"{len(fields)} fields, where 7 are expected, with a tab between them"
    domain, subdomains, path, secure, expires, name, value = fields
    domain = domain.strip().lower().lstrip(".")
    if not domain:
        return "no domain"
    for flag in (subdomains, secure):
        if flag.upper() not in ("TRUE", "FALSE"):
            return "neither TRUE nor FALSE in the second or the fourth field"
    seconds = _seconds(expires)
    if seconds is None:
        return "the fifth field is not a time in seconds since the epoch"
    if not name or not is_sendable(name + value) or set(name) & set("=;"):
        return "a name or a value that cannot be sent"
    return Cookie(
        domain,
        path if path.startswith("/") else "/",
        name,
        value,
        is_host_only=subdomains.upper() == "FALSE",
        is_secure=secure.upper() == "TRUE",
        expires=seconds or None,
    )


def _seconds(text: str) -> float | None:
    """Return a time of expiry; 0 where there is none, which some programs write as -1."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return max(0.0, seconds) if isfinite(seconds) else None


def is_sendable(text: str) -> bool:
    """Return True if a text has no control character and no semicolon, which would end it."""
    return not any(char < " " or char in ";\x7f" for char in text)


_HTTP_ONLY = "#HttpOnly_"
