"""How much a cache may hold, as a caller says it."""

from __future__ import annotations

from imgfetch.errors import InputError
from imgfetch.model.result import ErrorKind
from imgfetch.rules.store.eviction import Bounds


def bounds_of(max_cache: int | None, max_age: float | None) -> Bounds:
    """Bytes in all, and seconds since the last use. Raises `InputError` for what bounds nothing."""
    for name, value in (("max_cache", max_cache), ("max_age", max_age)):
        if value is not None and not 0 <= value < float("inf"):
            raise InputError(
                ErrorKind.BAD_INPUT, f"{value!r} is no bound; a number from 0 on is needed", name
            )
    return Bounds(max_cache, max_age)


def check_age_of(seconds: float) -> float:
    """Seconds after which an object is hashed again. Raises `InputError`."""
    if not seconds >= 0:
        raise InputError(
            ErrorKind.BAD_INPUT, f"{seconds!r} is not an age; use 0 or more seconds", "check_age"
        )
    return float(seconds)
