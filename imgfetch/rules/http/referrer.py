"""What a request tells of the page that the image stands on: Referrer Policy (W3C), §8.3 and §8.4."""

from __future__ import annotations

from imgfetch.model.image import Defect
from imgfetch.model.markup import ReferrerPolicy
from imgfetch.rules.http import urls

_LONGEST = 4096
"""Characters in a referrer, beyond which its origin is enough (§8.3, step 6)."""


def referrer(policy: ReferrerPolicy, page: str, url: str) -> str | None:
    """The value of Referer in a request for `url` on behalf of `page`; None where it has none.

    Never with credentials or a fragment. An http: URL of the same machine is no safer to us than another.
    """
    if not page:
        return None
    here, there = urls.read(page), urls.read(url)
    if isinstance(here, Defect) or isinstance(there, Defect):
        return None
    origin = here.origin + "/"
    full = here.url if len(here.url) <= _LONGEST else origin
    same = here.origin == there.origin
    downgrade = here.scheme == "https" and there.scheme == "http"
    match policy:
        case ReferrerPolicy.NO_REFERRER:
            return None
        case ReferrerPolicy.UNSAFE_URL:
            return full
        case ReferrerPolicy.ORIGIN:
            return origin
        case ReferrerPolicy.ORIGIN_WHEN_CROSS_ORIGIN:
            return full if same else origin
        case ReferrerPolicy.SAME_ORIGIN:
            return full if same else None
        case _ if downgrade:
            return None
        case ReferrerPolicy.STRICT_ORIGIN:
            return origin
        case ReferrerPolicy.STRICT_ORIGIN_WHEN_CROSS_ORIGIN:
            return full if same else origin
        case ReferrerPolicy.NO_REFERRER_WHEN_DOWNGRADE:
            return full
