"""The header fields of a request: ours, the caller's, and those that make it conditional."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from imgfetch.model.image import Format
from imgfetch.model.request import NO_PAGE, NO_SOURCE_ORIGIN, ReferringPage
from imgfetch.rules.http import credentials
from imgfetch.rules.http.referrer import USUAL_POLICY, referrer

if TYPE_CHECKING:
    from imgfetch.model.image import Entry, Requirements
    from imgfetch.model.markup import Choice
    from imgfetch.model.request import Settings, SourceOrigin
    from imgfetch.rules.http import urls


ACCEPT_IMAGES = "image/avif,image/webp,image/png,image/jpeg,image/gif,image/*;q=0.8,*/*;q=0.5"
"""The value of Accept where any format is accepted."""


def request_fields(
    address: urls.Address,
    settings: Settings,
    page: ReferringPage = NO_PAGE,
    source_origin: SourceOrigin = NO_SOURCE_ORIGIN,
    *,
    accept: str = ACCEPT_IMAGES,
) -> tuple[tuple[str, str], ...]:
    """Return the fields of a request for `address`, without those that make it conditional.

    `page` shows the image, and says how much of its URL is sent. What the caller gives is sent to
    `source_origin` alone, and to the origins that the caller names. `accept` is that of `accept_of`.
    """
    named = settings.referer or page.url
    policy = settings.referrer_policy or page.policy or USUAL_POLICY
    referer = referrer(policy, named, address.url) if named else None
    given = credentials.given(address, settings, source_origin)
    return _fields(settings.user_agent, accept, referer, given)


def page_of(choice: Choice) -> ReferringPage:
    """Return the page of an image, with the policy of the image's element or of the page."""
    return ReferringPage(choice.page, choice.source_set.referrer_policy)


def accept_of(wanted: Requirements) -> str:
    """Return the value of the Accept field (RFC 9110 §12.5.1): the formats that are accepted.

    Origins that negotiate look for the name of a type, whatever its weight, so no other format is named.
    Anything else follows with the least weight, and is judged by its bytes: an origin that calls a JPEG
    `application/octet-stream`, or calls all images by one type, may else answer 406.
    """
    if not wanted.formats:
        return ACCEPT_IMAGES
    types = ",".join(name for form in wanted.formats for name in _NEGOTIATED.get(form) or (form.media_type,))
    return f"{types},text/html;q=0.9,*/*;q=0.1" if wanted.page else f"{types},*/*;q=0.1"


_NEGOTIATED = {
    Format.ICO: ("image/x-icon", "image/vnd.microsoft.icon"),
    Format.HEIC: ("image/heic", "image/heif"),
}
"""Formats that origins know by several media types."""


@lru_cache(64)  # most requests of a run have the same fields
def _fields(
    user_agent: str, accept: str, referer: str | None, given: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    return last_of_each(_own_fields(user_agent, accept, referer) + given)


def _own_fields(user_agent: str, accept: str, referer: str | None) -> tuple[tuple[str, str], ...]:
    return (
        ("user-agent", user_agent),
        ("accept", accept),
        # Images are compressed already; a content coding could only hide their length.
        ("accept-encoding", "identity"),
        *((("referer", referer),) if referer else ()),
    )


def conditional(
    headers: tuple[tuple[str, str], ...], resource: str, entry: Entry | None
) -> tuple[tuple[str, str], ...]:
    """Return the fields of a request for `resource`, conditional only if the stored response came from there.

    A validator belongs to one resource (RFC 9110 §8.8). After redirects to another resource than last time,
    a 304 would be about something else.
    """
    plain = _unconditional(headers)
    return plain + conditions(entry) if entry is not None and entry.head.url == resource else plain


@lru_cache(64)
def _unconditional(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return tuple(field for field in headers if field[0] not in ("if-none-match", "if-modified-since"))


def conditions(entry: Entry | None) -> tuple[tuple[str, str], ...]:
    """Return the fields that make a request conditional on a change (RFC 9110 §13.1.2, §13.1.3)."""
    if entry is None:
        return ()
    fields = (
        ("if-none-match", entry.head.get("etag")),
        ("if-modified-since", entry.head.get("last-modified")),
    )
    return tuple((name, value) for name, value in fields if value)


def last_of_each(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Keep the last field of each name, so that a caller's field replaces ours."""
    return tuple({name.lower(): value for name, value in headers}.items())
