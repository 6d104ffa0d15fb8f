"""Decide which images may be decoded at all, and which of them now.

    DecodeLoad ─▶ refusal ──yes──▶ Defect
                     └─no──▶ is_light ─▶ fits ──no──▶ wait until memory is freed

An eighth of the budget is reserved for light images: a light image never waits for a heavy one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.model.image import Defect
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    from imgfetch.model.image import DecodeLoad, Structure
    from imgfetch.model.request import Limits

LIGHT_PIXELS = 4_000_000
"""Pixels of all frames up to which a decode is short: about 0.2 s in the slowest format."""

_RESERVED = 8
"""The part of the budget that is reserved for light images: one in so many."""


def is_light(load: DecodeLoad, budget: int) -> bool:
    """Return True if a decode is short and takes little memory; `budget` is in bytes."""
    return load.pixels <= LIGHT_PIXELS and load.memory <= budget // _RESERVED


def refusal(load: DecodeLoad, structure: Structure, limits: Limits) -> Defect | None:
    """Return a Defect if an image needs more memory than the budget allows for one image."""
    most = _most_for_heavy(limits.decode_memory)
    if load.memory <= most or is_light(load, limits.decode_memory):
        return None
    size = f"{structure.width} x {structure.height} pixels"
    needed = f"{load.memory:,} bytes of memory to decode"
    message = f"{size} need {needed}, the limit is {most:,} for one image"
    return Defect(ErrorKind.TOO_MANY_PIXELS, message, "decode_memory")


def fits(load: DecodeLoad, budget: int, *, used: int, used_by_heavy: int) -> bool:
    """Return True if a decode may begin while those under way use so many bytes."""
    if used + load.memory > budget:
        return False
    return is_light(load, budget) or used_by_heavy + load.memory <= _most_for_heavy(budget)


def _most_for_heavy(budget: int) -> int:
    return budget - budget // _RESERVED
