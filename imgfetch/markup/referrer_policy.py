"""Referrer policies, as a page states them: in an attribute, in a `meta`, in the field of its response.

<img referrerpolicy=origin> │ <meta name=referrer content=never> │ Referrer-Policy: origin ─▶ ReferrerPolicy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.model.markup import ReferrerPolicy

if TYPE_CHECKING:
    from collections.abc import Iterable


def of_attribute(text: str) -> ReferrerPolicy | None:
    """Return the policy of a `referrerpolicy` attribute; None if it states none (HTML §2.5.5)."""
    return _POLICIES.get(text.lower())


def of_metas(metas: Iterable[tuple[str, str]]) -> ReferrerPolicy | None:
    """Return the policy of a page, from the `name` and `content` of its `meta` elements (HTML §4.2.5.1).

    The last one that states a policy holds. A value of an earlier standard has its present meaning.
    """
    stated = None
    for name, content in metas:
        if name.lower() == "referrer":
            value = content.strip(_HTML_SPACE).lower()
            stated = _POLICIES.get(_LEGACY.get(value, value)) or stated
    return stated


def of_field(value: str) -> ReferrerPolicy | None:
    """Return the policy of a Referrer-Policy field: the last that is known (Referrer Policy, §8.1)."""
    stated = None
    for token in value.split(","):
        stated = _POLICIES.get(token.strip(_HTTP_SPACE).lower()) or stated
    return stated


_POLICIES = {str(policy): policy for policy in ReferrerPolicy}

_LEGACY = {
    "never": "no-referrer",
    "default": "strict-origin-when-cross-origin",
    "always": "unsafe-url",
    "origin-when-crossorigin": "origin-when-cross-origin",
}
"""Values of `<meta name=referrer>` that browsers still know."""

_HTML_SPACE, _HTTP_SPACE = " \t\n\f\r", " \t"
