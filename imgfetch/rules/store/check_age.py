"""When the bytes of a stored object are hashed again: damage on a disk may change neither size nor time."""

from __future__ import annotations

from imgfetch.model.thresholds import CHECK_AGE as CHECK_AGE

AT_ONCE = 1 << 20
"""Bytes that may be hashed on an event loop: about two milliseconds."""


def is_due(checked_at: float, *, now: float, age: float) -> bool:
    """Return whether an object is to be hashed that was last hashed at `checked_at`.

    A time in the future counts like one in the past, so that a clock that was wrong costs a hashing. With an
    `age` of 0 it is always due.
    """
    return not abs(now - checked_at) < age
