"""Which URLs are one image, and which of them to look for in the place of the one that was chosen.

    choice ─▶ listed ───────────▶ the renditions its list offers, each with its width
    listed, filed ─▶ kin ───────▶ those, and what is filed as the same image
    listed, filed ─▶ learn ─────▶ what is to be filed of a list
    choice ─▶ wanted ───────────▶ whether another rendition will do, and from which width on

That a page lists some URLs as one image is its author's word, and is taken. That two lists are of one image
is our own conclusion, and a wrong one would show a dog for a cat. So it is drawn only where one list is a
part of the other. Lists that overlap in any other way may share no more than a stand-in for what is missing:
what they share is filed as nobody's from then on, and each is left to itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imgfetch.model import Candidate, Policy, Rendition
from imgfetch.rules import urls

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgfetch.model import Choice, Digest, Key, Settings

MOST = 64
"""Renditions beyond which a list is nothing that we know."""


class Filed(NamedTuple):
    """What is filed of one URL."""

    key: Key
    image: int | None
    """The number of the image; None where it stands in the lists of several."""
    width: int


class Lesson(NamedTuple):
    """What is to be filed of a list."""

    members: tuple[Rendition, ...] = ()
    """That they are one image."""
    image: int | None = None
    """Its number; None where it is a new one."""
    doubtful: tuple[Key, ...] = ()
    """That they are nobody's."""


def listed(choice: Choice, settings: Settings) -> tuple[Rendition, ...]:
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


def kin(
    offered: tuple[Rendition, ...], filed: Iterable[Filed], *, chosen: Key, least: int
) -> tuple[Rendition, ...]:
    """What may stand for `chosen`, at least so wide by its descriptor, the narrowest first.

    `filed` is all that is filed of those that were `offered`, and of the images they belong to.
    """
    filed = tuple(filed)
    widths = {rendition.key: rendition.width for rendition in offered if rendition.width}
    known = {each.key: each for each in filed}
    of_chosen = known.get(chosen)
    image = None if of_chosen is None else of_chosen.image
    if of_chosen is not None and image is not None and _is_part(offered, known, image):
        if of_chosen.width < least:
            return ()
        widths |= {each.key: each.width for each in filed if each.image == image}
    wide = [Rendition(key, width) for key, width in widths.items() if width >= least and key != chosen]
    return tuple(sorted(wide, key=lambda rendition: rendition.width))


def learn(offered: tuple[Rendition, ...], filed: Iterable[Filed]) -> Lesson:
    """What a list teaches, where `filed` is all of the images that its members are filed under."""
    filed = tuple(filed)
    known = {each.key: each for each in filed}
    own = {r.key: r for r in offered if r.width and not (r.key in known and known[r.key].image is None)}
    images = {image for key in own if key in known and (image := known[key].image) is not None}
    if len(own) < 2 or (len(images) == 1 and all(_agrees(r, known) for r in own.values())):
        return Lesson()
    of_images = [each for each in filed if each.image in images]
    if all(each.key in own and _agrees(own[each.key], known) for each in of_images):
        return Lesson(tuple(own.values()), min(images, default=None))
    new = tuple(r for r in own.values() if r.key not in known)
    return Lesson(new if len(new) > 1 else (), doubtful=tuple(key for key in own if key in known))


def candidate_for(rendition: Rendition, choice: Choice, settings: Settings) -> Candidate:
    """The candidate of the choice that `rendition` is, or one of its own where another list offered it."""
    for candidate in (choice.candidate, *choice.alternatives):
        if urls.key(candidate.url, settings.key_ignore) == rendition.key:
            return candidate
    return Candidate(rendition.key, rendition.width)


def _is_part(offered: tuple[Rendition, ...], known: dict[Key, Filed], image: int) -> bool:
    """Whether all that was offered, but for what is nobody's, is filed as one image."""
    return all(
        rendition.key in known
        and (
            known[rendition.key].image is None
            or (known[rendition.key].image == image and _agrees(rendition, known))
        )
        for rendition in offered
    )


def _agrees(rendition: Rendition, known: dict[Key, Filed]) -> bool:
    """Whether it is filed, and with the width it is offered with."""
    return rendition.key in known and rendition.width in (0, known[rendition.key].width)
