"""What a text offers, and which of it to take: the doors to `markup` and `rules.choose`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.markup import text
from imgfetch.markup.srcset import parse_srcset
from imgfetch.model import Policy
from imgfetch.rules import choose as rule

if TYPE_CHECKING:
    from collections.abc import Collection

    from imgfetch.model import Choice, Format, SourceSet, Viewport


__all__ = ["choose", "find_images", "parse_srcset"]


def find_images(markup: str, *, base_url: str = "") -> tuple[SourceSet, ...]:
    """Every image offered by a crawled text or a bare srcset, in the order written.

    URLs are made absolute where `base_url` is given. Never raises, and takes time linear in the text.
    """
    return text.find_source_sets(markup, base_url=base_url)


def choose(
    source_set: SourceSet,
    *,
    width: int | None = None,
    viewport: Viewport | None = None,
    policy: Policy | str = Policy.COVER,
    formats: Collection[Format | str] | None = None,
) -> Choice:
    """Choose one candidate of an image, and the order in which to fall through to the others.

    `width` is in device pixels. Without one, a `viewport` says how many device pixels the image fills.
    The policies are `cover` (the smallest that is at least as wide, else the largest), `nearest`,
    `largest` and `smallest`; see `imgfetch.rules.choose`. `formats` leaves out the others.

    Raises `InputError` (`no_image`) where the source set has no candidate.
    """
    if width is None and viewport is not None:
        width = round(viewport.width * viewport.dpr)
    dpr = None if viewport is None else viewport.dpr
    return rule.choose(source_set, width=width, dpr=dpr, policy=policy, formats=formats)
