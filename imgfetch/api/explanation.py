"""Why a rendition was chosen, and what would have been chosen otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imgfetch.api.images import choose, source_size_of, standing, weigh
from imgfetch.model.markup import Policy
from imgfetch.rules.image.browser import density

if TYPE_CHECKING:
    from collections.abc import Collection

    from imgfetch.api.images import Weighed
    from imgfetch.model.image import Format
    from imgfetch.model.markup import Candidate, Choice, Viewport


class Explanation(NamedTuple):
    """What lay behind a choice."""

    parts: tuple[Weighed, ...]
    """The sources of a picture and its `img`, each with what is against it."""
    source_size: float | None
    """CSS pixels that the image fills, by `sizes`; None without a viewport."""
    densities: tuple[tuple[Candidate, float], ...]
    """Of each candidate of the part that stood for the image; none without a viewport."""
    policies: tuple[tuple[Policy, Candidate], ...]
    """What each policy would choose."""


def explain(
    choice: Choice, *, viewport: Viewport | None = None, formats: Collection[Format | str] | None = None
) -> Explanation:
    """Explain a choice that was made with these arguments."""
    image = choice.source_set
    parts = weigh(image, viewport=viewport, policy=choice.policy, formats=formats)
    stands = standing(parts)
    size = None if viewport is None else source_size_of(stands, viewport)
    return Explanation(
        parts=parts,
        source_size=size,
        densities=()
        if size is None
        else tuple((c, density(c.width, c.density, size)) for c in stands.candidates),
        policies=tuple(
            (
                policy,
                choose(
                    image, width=choice.width, viewport=viewport, policy=policy, formats=formats
                ).candidate,
            )
            for policy in Policy
            if viewport is not None or policy is not Policy.BROWSER
        ),
    )
