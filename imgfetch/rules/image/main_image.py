"""Decide which image of a page is its main image: the one that `fetch(page)` gives.

    images of the page, what its metadata names ─▶ a rank for each ─▶ the first of the best rank

docs/images.md states the rule. It reads the markup alone: no image is fetched for it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgfetch.model.markup import SourceKind
from imgfetch.rules.image.kinds import CARDS, picture_names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgfetch.model.markup import SourceSet
    from imgfetch.rules.image.kinds import LeftOut

MOST = 1_000
"""Images of a page, and names of cards, from which on no other is considered."""


def main_image(judged: Iterable[tuple[SourceSet, LeftOut | None]]) -> SourceSet | None:
    """Return the main image among those of a page, which come as `Sieve.judge_all` yields them.

    The best is one that is shown in `main` or `article` and that the metadata of the page names; then any
    that it names; then one in `main` or `article`; then one outside `nav`, `aside`, `header` and `footer`;
    then one that only the metadata names; then any. Within a rank the first is taken. Drawings, logos and
    images that are laid out smaller than 100 CSS pixels are worse than any other. Of a text it is the first.
    """
    shown: list[SourceSet] = []
    named: set[str] = set()
    for image, reason in judged:
        if image.kind is SourceKind.TEXT:
            return image
        if image.kind in CARDS and len(named) < MOST:
            named |= picture_names(image)
        if reason is None and len(shown) < MOST and (image.candidates or image.sources):
            shown.append(image)
    return min(shown, key=lambda image: _rank(image, named), default=None)


def _rank(image: SourceSet, named: set[str]) -> tuple[int, int]:
    section = image.layout.section
    if image.kind is SourceKind.ICON:
        rank = 9
    elif image.kind in CARDS:
        rank = 4
    elif image.kind not in _SHOWN:
        rank = 5
    elif not named.isdisjoint(picture_names(image)):
        rank = 0 if section in _MAIN else 1
    elif section in _MAIN:
        rank = 2
    elif not section:
        rank = 3
    else:
        rank = 6
    return (rank, 0) if rank == 9 or not _is_minor(image) else (7, rank)


_MAIN = frozenset({"main", "article"})
_SHOWN = frozenset(
    {
        *(SourceKind.IMG, SourceKind.PICTURE, SourceKind.LAZY, SourceKind.NOSCRIPT, SourceKind.AMP),
        *(SourceKind.POSTER, SourceKind.FILE, SourceKind.FEED, SourceKind.DATA),
    }
)
"""Kinds of images that a page shows in its text, or that are pictures of their own."""

_LEAST = 100
"""CSS pixels of the shorter side from which on an image may be the main one."""

_MINOR = re.compile(
    r"\.svgz?(?:[?#]|\Z)|(?:\A|[/_.-])(?:logo|icon|favicon|avatar|badge|sprite|button|gravatar)s?(?:[/_.?-]|\Z)",
    re.IGNORECASE,
)
"""URLs of drawings, and of pictures that accompany every page."""


def _is_minor(image: SourceSet) -> bool:
    width, height = image.layout.width, image.layout.height
    if image.kind is not SourceKind.AMP and min(width or _LEAST, height or _LEAST) < _LEAST:
        return True
    candidates = image.candidates or image.sources[0].candidates
    return bool(candidates) and _MINOR.search(candidates[0].url) is not None
