"""Who may decode now, and what may be decoded at all.

    DecodeLoad ─▶ refusal? ──yes──▶ Defect
                     └─no──▶ is_light? ─▶ has_room? ──no──▶ wait until memory is given back

An eighth of the budget is left to light images: a light image never waits until a heavy one is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.model.image import Defect
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    from imgfetch.model.image import DecodeLoad, Structure
    from imgfetch.model.request import Limits

LIGHT_PIXELS = 4_000_000
"""Pixels of all frames up to which a decode is short: about 0.2 s in the slowest of the formats."""

_SHARE = 8


def is_light(load: DecodeLoad, budget: int) -> bool:
    """Whether a decode is short and small."""
    return load.pixels <= LIGHT_PIXELS and load.memory <= budget // _SHARE


def refusal(load: DecodeLoad, structure: Structure, limits: Limits) -> Defect | None:
    """Return why an image must not be decoded within the budget of memory, if so."""
    most = _most_of_heavy(limits.decode_memory)
    if load.memory <= most or is_light(load, limits.decode_memory):
        return None
    size = f"{structure.width} x {structure.height} pixels"
    needed = f"{load.memory:,} bytes of memory to decode"
    message = f"{size} need {needed}, the limit is {most:,} for one image"
    return Defect(ErrorKind.TOO_MANY_PIXELS, message, "decode_memory")


def has_room(load: DecodeLoad, budget: int, *, used: int, used_by_heavy: int) -> bool:
    """Whether a decode may begin, while those under way use so many bytes."""
    if used + load.memory > budget:
        return False
    return is_light(load, budget) or used_by_heavy + load.memory <= _most_of_heavy(budget)


def _most_of_heavy(budget: int) -> int:
    return budget - budget // _SHARE
