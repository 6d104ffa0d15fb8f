"""The Referer field of a request for an image on a page: Referrer Policy (W3C), §8.3 and §8.4."""

from __future__ import annotations

from imgfetch.model.image import Defect
from imgfetch.model.markup import ReferrerPolicy
from imgfetch.rules.http import urls

_LONGEST = 4096
"""Characters of a referrer; of a longer one only the origin is sent (§8.3, step 6)."""


USUAL_POLICY = ReferrerPolicy.STRICT_ORIGIN
"""The policy where neither the caller nor the page states one: it tells less than that of browsers."""


def referrer(policy: ReferrerPolicy, page: str, url: str) -> str | None:
    """Return the value of Referer for `url` on the page `page`; None if the field is not sent.

    It never has credentials or a fragment. An http: URL of this machine is treated like any other http: URL.
    """
    if not page:
        return None
    here, there = urls.read(page), urls.read(url)
    if isinstance(here, Defect) or isinstance(there, Defect):
        return None
    origin = here.origin + "/"
    full = here.url if len(here.url) <= _LONGEST else origin
    same_origin = here.origin == there.origin
    downgrade = here.scheme == "https" and there.scheme == "http"
    match policy:
        case ReferrerPolicy.NO_REFERRER:
            return None
        case ReferrerPolicy.UNSAFE_URL:
            return full
        case ReferrerPolicy.ORIGIN:
            return origin
        case ReferrerPolicy.ORIGIN_WHEN_CROSS_ORIGIN:
            return full if same_origin else origin
        case ReferrerPolicy.SAME_ORIGIN:
            return full if same_origin else None
        case _ if downgrade:
            return None
        case ReferrerPolicy.STRICT_ORIGIN:
            return origin
        case ReferrerPolicy.STRICT_ORIGIN_WHEN_CROSS_ORIGIN:
            return full if same_origin else origin
        case ReferrerPolicy.NO_REFERRER_WHEN_DOWNGRADE:
            return full
