"""What the owner of an image or a page says against its use by machines.

`X-Robots-Tag` and `<meta name=robots>` as search engines read them, with `noai` and `noimageai` as those
who gather images do; and the TDM Reservation Protocol (W3C community group report, §5 and §6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgfetch.model.request import Head


def said_by_head(head: Head, token: str) -> str | None:
    """What a response says against us, who go by `token`, in a few words; None where it says nothing."""
    for name, value in head.headers:
        if name == "x-robots-tag" and (directive := _directive(value, token)):
            return f"X-Robots-Tag: {directive}"
        if name == "tdm-reservation" and value.strip() == "1":
            return "TDM-Reservation: 1"
    return None


def said_by_page(metas: Iterable[tuple[str, str]], token: str) -> str | None:
    """The same of a page, by the `name` and `content` of its `meta` elements."""
    for written, content in metas:
        name = written.strip().lower()
        directives = {directive.strip().lower() for directive in content.split(",")}
        if name in ("robots", token) and (against := directives & _AGAINST):
            return f"<meta name={name} content={min(against)}>"
        if name == "tdm-reservation" and content.strip() == "1":
            return "<meta name=tdm-reservation content=1>"
    return None


def _directive(value: str, token: str) -> str | None:
    """The first directive against us in a field, which may begin with the name of whom it is for.

    `googlebot: noindex, nofollow` is for Googlebot as far as the comma and beyond, to the next name.
    """
    ours = True
    for part in value.lower().split(","):
        before, colon, after = (word.strip() for word in part.partition(":"))
        if before in _WITH_VALUE:
            continue
        if colon:
            ours = before in ("*", token)
        directive = after if colon else before
        if ours and directive in _AGAINST:
            return directive
    return None


_AGAINST = frozenset({"noai", "noimageai", "noindex", "noimageindex", "none"})
_WITH_VALUE = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})
"""Directives with a value behind a colon: what stands before it is no name."""
