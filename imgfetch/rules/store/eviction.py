"""Eviction: the objects to delete from a cache that is too large or too old, the least recently used first.

    reading of a clock ─▶ advance_clock ─▶ IndexTime, the time of all that follows
    objects by last use ─▶ select_victims ─▶ the objects to evict

The time of the index follows the clock of the machine, without its jumps: a clock that was wrong for an hour
must neither make all objects old at once, nor keep some young for years.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imgfetch.model.thresholds import GRANULARITY as GRANULARITY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imgfetch.model.image import Format
    from imgfetch.model.values import Digest

GRACE = 600
"""Seconds after a use for which a program that was given the path may still open the object."""

IN_USE = GRANULARITY + GRACE
"""Seconds after the last recorded use until which an object may be in use."""

LONGEST_RUN = 86_400
"""Seconds for which the objects that a run was served are spared from eviction."""

LOW_WATER = 0.9
"""The share of its bound to which a full cache is emptied, so that not every image evicts another."""

_LEAP = 90 * 86_400
"""Seconds by which a clock may have gone ahead since the last reading, to be believed at once."""

_BACK = 3600
"""Seconds by which a clock may have been set back, to be believed at once."""

_CONFIRMED = 86_400
"""Seconds for which a clock must stay after a jump, to be believed."""


class Bounds(NamedTuple):
    """The most bytes of a cache, and the most seconds since the last use; None for no bound."""

    max_bytes: int | None = None
    max_age: float | None = None


class StoredObject(NamedTuple):
    """An object, with what eviction needs of its row."""

    sha256: Digest
    format: Format
    bytes: int
    mtime_ns: int
    used_at: int
    """Time of the last recorded use."""
    pinned: bool


class IndexTime(NamedTuple):
    """The readings of the clock that an index stores."""

    time: float
    """The latest reading that was believed: the time of the index."""
    doubted: float | None = None
    """The first reading that was not believed; None if the last one was."""


def advance_clock(seen: IndexTime | None, reading: float) -> IndexTime:
    """Return the time of the index after another reading of the clock.

    A jump of more than 90 days ahead, or an hour back, is believed when the clock has stayed there for a
    day. Until then the time stands still: no object grows old, and no use gets a date in the future. If the
    time returned is earlier than before, recorded uses must be moved back with it.
    """
    if seen is None or seen.time - _BACK <= reading <= seen.time + _LEAP:
        return IndexTime(reading if seen is None else max(reading, seen.time))
    first = seen.doubted
    if first is None or reading < first or (first < seen.time) is not (reading < seen.time):
        return IndexTime(seen.time, reading)
    return IndexTime(reading) if reading - first >= _CONFIRMED else seen


def is_persisted(used_at: float, *, now: float) -> bool:
    """Return whether the last recorded use is recent enough for one now to cost no write."""
    return abs(now - used_at) <= GRANULARITY


def protected_since(now: float, *, run_began: float) -> float:
    """Return the time of the last recorded use from which on an object counts as in use.

    It does if this run has used it, within the last day, or any process within the last ten minutes. The
    time of a recorded use may be an hour too early.
    """
    return min(now - GRACE, max(run_began, now - LONGEST_RUN)) - GRANULARITY


def select_victims(
    objects: Iterable[StoredObject],
    *,
    total: int,
    target: int | None,
    max_age: float | None,
    spared: float,
    now: float,
) -> Iterator[StoredObject]:
    """Yield the objects to evict, of all `objects`, which come the least recently used first.

    Evicted are objects until no more than `target` of `total` bytes are left, and those last used more than
    `max_age` seconds ago. Pinned objects stay, and those used after `spared`.
    """
    for each in objects:
        is_old = max_age is not None and now - each.used_at > max_age
        is_excess = target is not None and total > target
        if each.used_at > spared or not (is_old or is_excess):
            return
        if not each.pinned:
            total -= each.bytes
            yield each
