"""What goes when a cache is too large, or what lies in it too old: the least recently used first.

    reading of a clock ─▶ sighted ─▶ Sighting, whose time everything here goes by
    objects by last use ─▶ doomed ─▶ those that go

The time is that of the index, which follows the clock of the machine but for jumps: a clock that was set
wrong for an hour shall neither make everything old at once, nor keep anything young for years.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imgfetch.model.thresholds import GRANULARITY as GRANULARITY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imgfetch.model.image import Format
    from imgfetch.model.values import Digest

GRACE = 600
"""Seconds after a use for which its object may still be looked at by whoever was given the path."""

IN_USE = GRANULARITY + GRACE
"""Seconds after the last use on record until which an object may be in use."""

LONGEST_RUN = 86_400
"""Seconds for which a run has what it was served spared; one that goes on for longer must let go."""

LOW_WATER = 0.9
"""How full, of what is allowed, a cache is left that was too full: so that not every image evicts another."""

_LEAP = 90 * 86_400
"""Seconds that a clock may have gone ahead since it was last seen, and be believed at once."""

_BACK = 3600
"""Seconds that a clock may have been set back, and be believed at once."""

_CONFIRMED = 86_400
"""Seconds for which a clock that has jumped must go on as it is, to be believed."""


class Bounds(NamedTuple):
    """How much may be kept, and how long after it was last used; None where there is no bound."""

    max_bytes: int | None = None
    max_age: float | None = None


class StoredObject(NamedTuple):
    """An object, as the index knows it."""

    sha256: Digest
    format: Format
    bytes: int
    mtime_ns: int
    used_at: int
    """When it was last used, as far as that is on record."""
    pinned: bool


class IndexTime(NamedTuple):
    """What an index has seen of the clock."""

    time: float
    """The latest reading that was believed: the time of the index."""
    doubted: float | None = None
    """The first reading that was not; None where the last one was believed."""


def advance_clock(seen: IndexTime | None, reading: float) -> IndexTime:
    """What has been seen of the clock after another reading of it.

    A jump of more than 90 days ahead, or an hour back, is believed when the clock has stayed there for a
    day. Until then time stands still: nothing grows old, and nothing is filed under a date to come. A time
    that is earlier than before means that it was: the uses on record are to be moved back with it.
    """
    if seen is None or seen.time - _BACK <= reading <= seen.time + _LEAP:
        return IndexTime(reading if seen is None else max(reading, seen.time))
    first = seen.doubted
    if first is None or reading < first or (first < seen.time) is not (reading < seen.time):
        return IndexTime(seen.time, reading)
    return IndexTime(reading) if reading - first >= _CONFIRMED else seen


def is_persisted(used_at: float, *, now: float) -> bool:
    """Whether the last use on record stands for one that is made now."""
    return abs(now - used_at) <= GRANULARITY


def protected_since(now: float, *, run_began: float) -> float:
    """When an object must last have been used, on record, to be taken for one in use.

    By this run, as far as it is a day long, or in the last ten minutes by anybody: each use is on record
    within an hour of its time.
    """
    return min(now - GRACE, max(run_began, now - LONGEST_RUN)) - GRANULARITY


def select_victims(
    held: Iterable[StoredObject],
    *,
    total: int,
    target: int | None,
    max_age: float | None,
    spared: float,
    now: float,
) -> Iterator[StoredObject]:
    """Of all objects, the least recently used first, those that go.

    They go until no more than `target` of `total` bytes are left, and for as long as they were last used
    more than `max_age` seconds ago. What is pinned stays, and what was used after `spared`.
    """
    for each in held:
        too_old = max_age is not None and now - each.used_at > max_age
        too_much = target is not None and total > target
        if each.used_at > spared or not (too_old or too_much):
            return
        if not each.pinned:
            total -= each.bytes
            yield each
