"""Substitutes: other renditions of a source set that may be used in place of the chosen one.

    choice ─▶ offered ──────▶ the renditions of its source set, each with its width
    offered ─▶ identity ────▶ the digest of the source set
    choice ─▶ wanted ───────▶ whether a substitute is allowed, and from which width on
    offered ─▶ substitutes ─▶ the substitutes for the chosen one, the narrowest first

Only the page says that the URLs of a source set are one image. So a rendition is a substitute only within the
source set for which it was fetched: two source sets are never one image, whatever URLs they share. And it is
a substitute only for URLs of its own origin: a page may list the image of another origin, but not replace it.
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
"""Renditions of a source set at most; a longer one has no substitutes."""


def offered(choice: Choice, settings: Settings) -> tuple[Rendition, ...]:
    """Return the renditions among which `choice` was made, with the widths of their descriptors.

    A single URL has the width 0, which promises nothing. Empty if the candidates have densities, if there are
    more than `MOST`, or if one URL has two widths.
    """
    candidates = _candidates(choice)
    alone = len(candidates) == 1 or len({candidate.url for candidate in candidates}) == 1
    widths: dict[Key, int] = {}
    for candidate in candidates:
        key = urls.key(candidate.url, settings.key_ignore)
        if key is not None and (candidate.width or alone):
            width = candidate.width or 0
            if widths.setdefault(key, width) != width or len(widths) > MOST:
                return ()
    return tuple([Rendition(key, width) for key, width in widths.items()])


def _candidates(choice: Choice) -> tuple[Candidate, ...]:
    """Return the candidates among which `choice` was made."""
    image, chosen = choice.source_set, choice.candidate
    if chosen in image.candidates:
        if chosen.is_original or choice.is_stand_in(chosen):
            return (chosen,)
        return tuple(each for each in image.candidates if not (each.is_original or choice.is_stand_in(each)))
    return next((source.candidates for source in image.sources if chosen in source.candidates), (chosen,))


def wanted(choice: Choice, settings: Settings, sha256: Digest | None) -> int | None:
    """Return the least width of a substitute, in pixels; None if no substitute is allowed.

    A request for at least so many pixels accepts more. A request for one digest, for an exact width, for
    the origin's present response, or for the nearest width does not.
    """
    if choice.policy is not Policy.COVER or choice.width is None or not settings.reuse:
        return None
    if settings.refresh or settings.expect_width is not None or sha256 is not None:
        return None
    promised = choice.candidate.width
    return None if promised is not None and promised < choice.width else choice.width


def identity(offered: tuple[Rendition, ...]) -> str:
    """Return 32 hexadecimal digits that identify the source set; an empty string for a single URL."""
    if len(offered) < 2:
        return ""
    import hashlib  # a warm run does not need it

    text = "\n".join(sorted(f"{rendition.width} {rendition.key}" for rendition in offered))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def substitutes(offered: tuple[Rendition, ...], *, chosen: Key, least: int) -> tuple[Rendition, ...]:
    """Return the substitutes for `chosen`: of its origin, at least `least` wide, the narrowest first."""
    origin = urls.origin(chosen)
    wide = [each for each in offered if each.width >= least and each.key != chosen]
    return tuple(sorted((each for each in wide if urls.origin(each.key) == origin), key=_width))


def candidate_for(rendition: Rendition, choice: Choice, settings: Settings) -> Candidate:
    """Return the candidate of the choice that has the key of `rendition`."""
    for candidate in (choice.candidate, *choice.alternatives):
        if urls.key(candidate.url, settings.key_ignore) == rendition.key:
            return candidate
    return Candidate(rendition.key, rendition.width)


def _width(rendition: Rendition) -> int:
    return rendition.width
