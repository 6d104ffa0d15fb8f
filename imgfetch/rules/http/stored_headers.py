"""The header fields of a stored response: which are stored, and which a 304 replaces."""

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
"""Fields that belong to the user, not to the image."""

_NEVER_STORED = _OF_THE_CONNECTION | _SECRET

_OF_THE_BYTES = frozenset(
    {
        # A 304 does not carry the bytes: RFC 9111 §3.2 excepts Content-Length. The others describe the stored
        # bytes, and some origins send values there that fit the empty body of the 304.
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
    }
)

_OF_THE_PART = frozenset(
    {"content-digest", "content-md5", "repr-digest", "x-amz-checksum-sha256", "x-goog-hash"}
)
"""Digests: those of a 206 may be of the part alone, so those of the first response stay."""


def content_length(head: Head) -> int | None:
    """Return Content-Length in bytes; None if it is absent or malformed (RFC 9110 §8.6)."""
    if head.fields.get("transfer-encoding") is not None:
        return None  # Transfer-Encoding overrides it (RFC 9112 §6.3)
    value = head.fields.get("content-length") or ""
    return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else None


def is_page(head: Head) -> bool:
    """Return True if Content-Type says that the body is an HTML page (HTML §4.2.5.3 and RFC 2854)."""
    media_type = (head.fields.get("content-type") or "").partition(";")[0].strip().lower()
    return media_type in ("text/html", "application/xhtml+xml")


def may_be_document(head: Head) -> bool:
    """Return True if the body of a response may be a document that has images: a page, a feed, an archive.

    Content-Type says that it is not one where it names a type of media; SVG is an image. Where Content-Type
    says nothing, the extension of the URL may be that of an image.
    """
    media_type = (head.fields.get("content-type") or "").partition(";")[0].strip().lower()
    if media_type in _SAYING_NOTHING:
        return re.search(_NAME_OF_IMAGE, head.url) is None
    return media_type.partition("/")[0] not in ("image", "video", "audio", "font", "model")


_SAYING_NOTHING = frozenset(("", "application/octet-stream", "binary/octet-stream", "application/unknown"))
_NAME_OF_IMAGE = r"(?i)\.(?:avif|webp|jpe?g|jfif|jxl|a?png|gif|bmp|ico|tiff?|hei[cf]|svgz?)(?:[?#]|\Z)"


def listed(value: str | None) -> frozenset[str]:
    """Return the members of a list of tokens, in lower case."""
    return frozenset(name.strip().lower() for name in (value or "").split(","))


def storable(head: Head, resource: str, *, signed: bool = False) -> Head:
    """Return the head to store for `resource`, which is the URL of the response without its signature.

    Fields of the connection (RFC 9111 §3.1) and cookies are left out. URLs in Content-Location and Link lose
    their signature too, unless the resource is `signed`; that of Location needs its own. All URLs lose user
    and password.
    """
    left_out = _NEVER_STORED
    connection = head.fields.get("connection")
    if connection is not None and connection != "keep-alive":
        left_out |= listed(connection)
    strip = without_userinfo if signed else without_signature
    stored = [
        _stripped(field, strip) if field[0] in _WITH_URLS else field
        for field in head.headers
        if field[0] not in left_out
    ]
    return Head(resource, head.status, tuple(stored))


_WITH_URLS = ("content-location", "link")


def _stripped(field: tuple[str, str], strip: Callable[[str], str]) -> tuple[str, str]:
    name, value = field
    if name == "link":
        return name, _TARGET.sub(lambda target: strip(target[0]), value)
    return name, strip(value)


_TARGET = re.compile("(?<=<)[^<>]*(?=>)")  # RFC 8288 §3


def completed(first: Head, last: Head) -> Head:
    """Return the head of a body that came in two parts (RFC 9111 §3.4); the first one describes the bytes."""
    newer = _without(last, _OF_THE_BYTES | _OF_THE_PART)
    names = frozenset(name for name, _ in newer)
    return first._replace(headers=_without(first, names) + newer)


def refreshed(entry: Entry, head: Head, *, request_time: float, response_time: float) -> Entry:
    """Return the entry with the fields of a 304: each replaces all of its name (RFC 9111 §3.2, §4.3.4).

    Status and URL stay those of the response with the stored bytes.
    """
    newer = _without(storable(head, head.url), _OF_THE_BYTES)
    names = frozenset(name for name, _ in newer)
    return entry._replace(
        head=entry.head._replace(headers=_without(entry.head, names) + newer),
        request_time=request_time,
        response_time=response_time,
    )


def _without(head: Head, names: frozenset[str]) -> tuple[tuple[str, str], ...]:
    return tuple(field for field in head.headers if field[0] not in names)
