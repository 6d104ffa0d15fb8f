"""The age after which a stored object is hashed again: damage on a disk may change neither size nor time."""

from __future__ import annotations

from imgfetch.model.thresholds import CHECK_AGE as CHECK_AGE

AT_ONCE = 1 << 20
"""Bytes that may be hashed on an event loop: about two milliseconds."""


def is_due(checked_at: float, *, now: float, age: float) -> bool:
    """Return whether an object that was last hashed at `checked_at` must be hashed again.

    A time in the future counts like one in the past: it was written by a clock that was wrong. With an `age`
    of 0 an object is always due.
    """
    return not abs(now - checked_at) < age
