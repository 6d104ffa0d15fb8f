"""Decide whether an image is as large as a caller asks.

candidates ─▶ those that may reach the width, by their descriptors ─▶ Choice │ None
Facts of the bytes ─▶ None │ Defect: `too_small` is skipped, `too_narrow` fails
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.model.image import Defect, Format
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    from imgfetch.model.image import Facts
    from imgfetch.model.markup import Candidate, Choice
    from imgfetch.model.sizes import AtLeast


def check_size_asked(facts: Facts, at_least: AtLeast) -> Defect | None:
    """Return what is wrong with the size of an image; None if it is as large as is asked.

    The size of a drawing (SVG) is what it says of itself; it reaches any width.
    """
    too_narrow, too_low = 0 < facts.width < at_least.width, 0 < facts.height < at_least.height
    if too_narrow or too_low or facts.bytes < at_least.bytes:
        return Defect(ErrorKind.TOO_SMALL, _too_small(facts, at_least))
    if facts.width < at_least.reach and facts.format is not Format.SVG:
        message = f"{facts.width:,} pixels wide, {at_least.reach:,} are required"
        return Defect(ErrorKind.TOO_NARROW, message)
    return None


def _too_small(facts: Facts, at_least: AtLeast) -> str:
    if facts.bytes < at_least.bytes:
        return f"{facts.bytes:,} bytes, at least {at_least.bytes:,} are wanted"
    least = " and ".join(
        f"{size:,} {side}" for size, side in ((at_least.width, "wide"), (at_least.height, "high")) if size
    )
    return f"{facts.width:,} x {facts.height:,} pixels, at least {least} is wanted"


def reaching(choice: Choice, width: int) -> Choice | None:
    """Return the choice without the candidates with a descriptor of less than `width` pixels.

    None if no candidate is left. One without a width descriptor may be as wide, and stays.
    """
    candidates = (choice.candidate, *choice.alternatives)
    wide = [candidate for candidate in candidates if _may_reach(candidate, width)]
    if not wide:
        return None
    if wide[0] is choice.candidate:
        return choice._replace(alternatives=tuple(wide[1:]))
    return choice._replace(
        candidate=wide[0], alternatives=tuple(wide[1:]), why=f"the first that may be {width:,} pixels wide"
    )


def _may_reach(candidate: Candidate, width: int) -> bool:
    return candidate.width is None or candidate.width >= width


def widest(choice: Choice) -> int:
    """Return the largest width that a candidate of the choice promises, in pixels."""
    return max(candidate.width or 0 for candidate in (choice.candidate, *choice.alternatives))
