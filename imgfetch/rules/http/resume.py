"""Going on with a download that broke off (RFC 9110 §14), where it is sure to be the same bytes.

    Head ─▶ is_worth_keeping      what has come so far, for another time
    Ask ─▶ ranged                 the request, for the rest alone
    Partial, Head ─▶ mismatch     why a 206 is not that rest, or None

Nothing rests on it: what does not match is fetched anew, and the whole is proved in the end as always.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgfetch.rules.http.stored_headers import content_length, listed

if TYPE_CHECKING:
    from imgfetch.model.request import Fetch, Head, Partial, Request


def is_worth_keeping(head: Head, received: int) -> bool:
    """Whether the first `received` bytes of a body that began with `head` could be gone on with later."""
    length = content_length(head)
    return (
        head.status == 200
        and length is not None
        and 0 < received < length
        and _STRONG.fullmatch(head.get("etag") or "") is not None
        and not head.get("content-encoding")
        and "none" not in listed(head.get("accept-ranges"))
        and "no-store" not in listed(head.get("cache-control"))
    )


def asked_for(fetch: Fetch) -> Partial | None:
    """What a request asks for the rest of; None where it asks for the whole.

    An entity tag tells apart what one URL has given at different times, and says nothing of another URL.
    """
    partial = fetch.partial
    if partial is None or partial.head.url != fetch.resource:
        return None
    return partial if is_worth_keeping(partial.head, partial.length) else None


def ranged(fetch: Fetch) -> Request:
    """The request as it is sent: for what is missing, on the condition that the rest is unchanged.

    If it has changed, If-Range has the whole sent instead. It may not carry a weak tag (RFC 9110 §13.1.5).
    """
    partial = asked_for(fetch)
    if partial is None:
        return fetch.request
    fields = (("range", f"bytes={partial.length}-"), ("if-range", partial.head.get("etag") or ""))
    return fetch.request._replace(headers=(*fetch.request.headers, *fields))


def mismatch(partial: Partial, head: Head) -> str | None:
    """Why a 206 does not go on where `partial` ends (RFC 9110 §14.4, §15.3.7); None where it does."""
    length = content_length(partial.head) or 0
    missing = length - partial.length
    found = head.get("content-range") or ""
    span = re.fullmatch(_CONTENT_RANGE, found, re.IGNORECASE)
    if span is None:
        return f"Content-Range is {found[:60]!r}" if found else "no Content-Range"
    if tuple(map(int, span.groups())) != (partial.length, length - 1, length):
        return f"{found[:60]}, where {partial.length}-{length - 1}/{length} was wanted"
    if head.get("etag") != partial.head.get("etag"):
        return "another ETag than that of the beginning"
    if head.get("content-encoding"):
        return "a content coding that the beginning has not"
    promised = content_length(head)
    if promised not in (None, missing):
        return f"{promised:,} bytes, where {missing:,} are missing"
    return None


_CONTENT_RANGE = r"bytes +([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})"
# In printable ASCII: what else a tag may hold might not come back to the origin as it was sent.
_STRONG = re.compile(r'"[!#-~]+"')
