"""What of a response's head is kept with the bytes, and what a 304 changes of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgfetch.model.request import Head
from imgfetch.rules.http.urls import without_signature, without_userinfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.model.image import Entry

_OF_THE_CONNECTION = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

_SECRET = frozenset({"set-cookie", "set-cookie2"})
"""Of the user, not of the image."""

_NEVER_STORED = _OF_THE_CONNECTION | _SECRET

_OF_THE_BYTES = frozenset(
    {
        # A 304 does not carry the bytes: Content-Length is excepted by RFC 9111 §3.2; the others say how
        # the kept bytes were read, and some origins put there what suits the empty body of the 304.
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
    }
)

_OF_THE_PART = frozenset(
    {"content-digest", "content-md5", "repr-digest", "x-amz-checksum-sha256", "x-goog-hash"}
)
"""What a 206 says of itself, or what the first part has said of the whole."""


def content_length(head: Head) -> int | None:
    """What Content-Length promises, in bytes; None where it is absent or no number (RFC 9110 §8.6)."""
    if head.get("transfer-encoding") is not None:
        return None  # which overrides it (RFC 9112 §6.3)
    value = head.get("content-length") or ""
    return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else None


def is_page(head: Head) -> bool:
    """Whether a response says that it is an HTML page (HTML §4.2.5.3 and RFC 2854)."""
    media_type = (head.get("content-type") or "").partition(";")[0].strip().lower()
    return media_type in ("text/html", "application/xhtml+xml")


def listed(value: str | None) -> frozenset[str]:
    """The members of a list of tokens, in lower case."""
    return frozenset(name.strip().lower() for name in (value or "").split(","))


def storable(head: Head, resource: str, *, signed: bool = False) -> Head:
    """Return the head as that of `resource`, which is its URL without its signature.

    It is without what is of the connection it came over (RFC 9111 §3.1), and without cookies. A URL in it
    that may be the one asked for is without its signature too, unless the resource is `signed`; a Location
    needs its own. No URL keeps user and password.
    """
    excepted = _NEVER_STORED
    connection = head.get("connection")
    if connection is not None and connection != "keep-alive":
        excepted |= listed(connection)
    kept = [
        _stripped(field, without_userinfo if signed else without_signature) if field[0] in _OF_URLS else field
        for field in head.headers
        if field[0] not in excepted
    ]
    return Head(resource, head.status, tuple(kept))


_OF_URLS = ("content-location", "link")


def _stripped(field: tuple[str, str], strip: Callable[[str], str]) -> tuple[str, str]:
    name, value = field
    if name == "link":
        return name, _TARGET.sub(lambda target: strip(target[0]), value)
    return name, strip(value)


_TARGET = re.compile("(?<=<)[^<>]*(?=>)")  # RFC 8288 §3


def completed(first: Head, last: Head) -> Head:
    """The head of a whole that came in two parts (RFC 9111 §3.4); of the bytes the first speaks."""
    taken = _without(last, _OF_THE_BYTES | _OF_THE_PART)
    names = frozenset(name for name, _ in taken)
    return first._replace(headers=_without(first, names) + taken)


def refreshed(entry: Entry, head: Head, *, request_time: float, response_time: float) -> Entry:
    """The entry with the fields of a 304 taken in: each replaces all of its name (RFC 9111 §3.2, §4.3.4).

    Status and URL stay those of the response whose bytes are kept.
    """
    taken = tuple(field for field in storable(head, head.url).headers if field[0] not in _OF_THE_BYTES)
    names = {name for name, _ in taken}
    kept = tuple((name, value) for name, value in entry.head.headers if name not in names)
    return entry._replace(
        head=entry.head._replace(headers=kept + taken),
        request_time=request_time,
        response_time=response_time,
    )


def _without(head: Head, names: frozenset[str]) -> tuple[tuple[str, str], ...]:
    return tuple(field for field in head.headers if field[0] not in names)
