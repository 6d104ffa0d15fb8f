"""Which other rendition of a source set may be served in the place of the one that was chosen.

    choice ─▶ listed ──────▶ the renditions that its source set offers, each with its width
    listed ─▶ identity ────▶ what tells one source set from every other
    choice ─▶ wanted ──────▶ whether a substitute will do, and from which width on
    listed ─▶ substitutes ─▶ those that may stand for the chosen one, the narrowest first

That a source set lists some URLs as one image is the word of the page that offers it, and of no other. So a
rendition answers only for the very source set for which it was fetched: two source sets are never taken for
one image, whatever URLs they share. And it answers only for a URL of its own origin: a page can list
another's image beside its own, but not answer for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.model.markup import Candidate, Policy, Rendition
from imgfetch.rules.http import urls

if TYPE_CHECKING:
    from imgfetch.model.markup import Choice
    from imgfetch.model.request import Settings
    from imgfetch.model.values import Digest, Key

MOST = 64
"""Renditions beyond which a source set has no substitutes."""


def offered(choice: Choice, settings: Settings) -> tuple[Rendition, ...]:
    """The renditions among which `choice` was made, with the widths that their descriptors promise.

    A URL that stands alone has the width 0, which promises nothing. None where the list tells them apart by
    density, is of a length no page needs, or contradicts itself.
    """
    candidates = _list_of(choice)
    alone = len(candidates) == 1 or len({candidate.url for candidate in candidates}) == 1
    widths: dict[Key, int] = {}
    for candidate in candidates:
        key = urls.key(candidate.url, settings.key_ignore)
        if key is not None and (candidate.width or alone):
            width = candidate.width or 0
            if widths.setdefault(key, width) != width or len(widths) > MOST:
                return ()
    return tuple([Rendition(key, width) for key, width in widths.items()])


def _list_of(choice: Choice) -> tuple[Candidate, ...]:
    """The candidates among which `choice` was made."""
    image, chosen = choice.source_set, choice.candidate
    if chosen in image.candidates:
        return image.candidates
    return next((source.candidates for source in image.sources if chosen in source.candidates), (chosen,))


def wanted(choice: Choice, settings: Settings, sha256: Digest | None) -> int | None:
    """From how many pixels on another rendition will do as well; None where none will.

    Who asks for at least so many pixels is served by more. Who asks for one file, for one width, for the
    answer of the origin, or for the nearest, gets that.
    """
    if choice.policy is not Policy.COVER or choice.width is None or not settings.reuse:
        return None
    if settings.refresh or settings.expect_width is not None or sha256 is not None:
        return None
    promised = choice.candidate.width
    return None if promised is not None and promised < choice.width else choice.width


def identity(offered: tuple[Rendition, ...]) -> str:
    """Return 32 hexadecimal digits that no other source set has; empty where one URL stands alone."""
    if len(offered) < 2:
        return ""
    import hashlib  # a warm run needs none

    text = "\n".join(sorted(f"{rendition.width} {rendition.key}" for rendition in offered))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def substitutes(offered: tuple[Rendition, ...], *, chosen: Key, least: int) -> tuple[Rendition, ...]:
    """Return what may stand for `chosen`: of its origin and at least so wide, the narrowest first."""
    origin = urls.origin(chosen)
    wide = [each for each in offered if each.width >= least and each.key != chosen]
    return tuple(sorted((each for each in wide if urls.origin(each.key) == origin), key=_width))


def candidate_for(rendition: Rendition, choice: Choice, settings: Settings) -> Candidate:
    """Return the candidate of the choice that `rendition` is."""
    for candidate in (choice.candidate, *choice.alternatives):
        if urls.key(candidate.url, settings.key_ignore) == rendition.key:
            return candidate
    return Candidate(rendition.key, rendition.width)


def _width(rendition: Rendition) -> int:
    return rendition.width
