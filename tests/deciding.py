"""Decides about a URL from the beginning: the request for it, and then its stored response."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.model.request import NO_PAGE, NO_SOURCE_ORIGIN, Fetch
from imgfetch.rules.policy import fetch_policy

if TYPE_CHECKING:
    from imgfetch.model.image import Entry, Requirements
    from imgfetch.model.request import ReferringPage, Settings, SourceOrigin


def decide(
    url: str,
    entry: Entry | None,
    wanted: Requirements,
    settings: Settings,
    *,
    now: float,
    page: ReferringPage = NO_PAGE,
    source_origin: SourceOrigin = NO_SOURCE_ORIGIN,
) -> fetch_policy.UseStored | Fetch | fetch_policy.Reject:
    """Decide by `fetch_of`, and by `before_request`."""
    fetch = fetch_policy.fetch_of(url, wanted, settings, page=page, source_origin=source_origin)
    return fetch_policy.before_request(fetch, entry, settings, now=now) if isinstance(fetch, Fetch) else fetch
