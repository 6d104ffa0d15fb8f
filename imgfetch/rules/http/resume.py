"""Resume an interrupted download (RFC 9110 §14) if it is certain to have the same bytes.

    Head ─▶ is_worth_keeping      whether the received part can be resumed later
    Request, Partial ─▶ ranged    the request, for the rest alone
    Partial, Head ─▶ mismatch     why a 206 is not that rest, or None

Correctness does not depend on it: a rest that does not match is discarded, and the whole is verified in the
end as always.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgfetch.rules.http.stored_headers import content_length, listed

if TYPE_CHECKING:
    from imgfetch.model.request import Fetch, Head, Partial, Request


def is_worth_keeping(head: Head, received: int) -> bool:
    """Return True if the first `received` bytes of the body of `head` can be resumed later."""
    length = content_length(head)
    return (
        head.status == 200
        and length is not None
        and 0 < received < length
        and _STRONG.fullmatch(head.fields.get("etag") or "") is not None
        and not head.fields.get("content-encoding")
        and "none" not in listed(head.fields.get("accept-ranges"))
        and "no-store" not in listed(head.fields.get("cache-control"))
    )


def requested_part(fetch: Fetch) -> Partial | None:
    """Return the stored first part of a body if only the rest is requested; None if the whole is.

    An entity tag identifies one of the representations of one URL, and says nothing about another URL.
    """
    partial = fetch.partial
    if partial is None or partial.head.url != fetch.resource:
        return None
    return partial if is_worth_keeping(partial.head, partial.length) else None


def ranged(request: Request, partial: Partial | None) -> Request:
    """Return the request for the bytes that `partial` lacks, if the representation is unchanged.

    If it has changed, If-Range makes the origin send the whole. A weak tag is not allowed there (RFC 9110
    §13.1.5).
    """
    if partial is None:
        return request
    fields = (("range", f"bytes={partial.length}-"), ("if-range", partial.head.fields.get("etag") or ""))
    return request._replace(headers=(*request.headers, *fields))


def mismatch(partial: Partial, head: Head) -> str | None:
    """Return why a 206 does not continue `partial` (RFC 9110 §14.4, §15.3.7); None if it does."""
    length = content_length(partial.head) or 0
    missing = length - partial.length
    found = head.fields.get("content-range") or ""
    span = re.fullmatch(_CONTENT_RANGE, found, re.IGNORECASE)
    if span is None:
        return f"Content-Range is {found[:60]!r}" if found else "no Content-Range"
    if tuple(map(int, span.groups())) != (partial.length, length - 1, length):
        return f"{found[:60]}, expected {partial.length}-{length - 1}/{length}"
    if head.fields.get("etag") != partial.head.fields.get("etag"):
        return "another ETag than the first part"
    if head.fields.get("content-encoding"):
        return "a content coding that the first part does not have"
    promised = content_length(head)
    if promised not in (None, missing):
        return f"{promised:,} bytes, expected {missing:,}"
    return None


_CONTENT_RANGE = r"bytes +([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})"
# Printable ASCII only: other characters of a tag might not return to the origin unchanged.
_STRONG = re.compile(r'"[!#-~]+"')
