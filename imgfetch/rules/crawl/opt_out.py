"""Opt-outs: statements of the owner of an image or a page against its use by machines.

    Head ─▶ in_head       <meta> elements ─▶ in_page        a sentence, or None

`X-Robots-Tag` and `<meta name=robots>` are read as search engines read them, with `noai` and `noimageai` as
collectors of images do; and the TDM Reservation Protocol (W3C community group report, §5 and §6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgfetch.model.request import Head


def in_head(head: Head, token: str) -> str | None:
    """Return the opt-out in a response head for the crawler `token`, as a sentence; None without one."""
    for name, value in head.headers:
        if name == "x-robots-tag" and (directive := _directive(value, token)):
            return f"X-Robots-Tag says {directive}"
        if name == "tdm-reservation" and value.strip() == "1":
            return "TDM-Reservation is 1"
    return None


def in_page(metas: Iterable[tuple[str, str]], token: str) -> str | None:
    """Return the opt-out in the `name` and `content` of a page's `meta` elements, as `in_head` does."""
    for attribute, content in metas:
        name = attribute.strip().lower()
        directives = {directive.strip().lower() for directive in content.split(",")}
        if name in ("robots", token) and (opt_outs := directives & _OPT_OUTS):
            return f"<meta name={name}> says {min(opt_outs)}"
        if name == "tdm-reservation" and content.strip() == "1":
            return "<meta name=tdm-reservation> is 1"
    return None


def _directive(value: str, token: str) -> str | None:
    """Return the first opt-out in a field for the crawler `token`, or for all crawlers.

    A name holds for the directives after it, up to the next name: `googlebot: noindex, nofollow` addresses
    Googlebot twice.
    """
    addressed = True
    for part in value.lower().split(","):
        before, colon, after = (word.strip() for word in part.partition(":"))
        if before in _WITH_VALUE:
            continue
        if colon:
            addressed = before in ("*", token)
        directive = after if colon else before
        if addressed and directive in _OPT_OUTS:
            return directive
    return None


_OPT_OUTS = frozenset({"noai", "noimageai", "noindex", "noimageindex", "none"})
_WITH_VALUE = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})
"""Directives with a value after a colon, before which there is not the name of a crawler."""
