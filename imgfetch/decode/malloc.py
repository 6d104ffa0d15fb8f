"""The C library's allocator, told to keep the memory of one image for the next.

By default glibc gives a block of the size of a decoded image back to the system as soon as it is free; the
next image gets fresh pages, each of which faults when it is first written to. At 1280 px that is a third of
the cost of decoding (docs/performance.md).
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""`M_TRIM_THRESHOLD` and `M_MMAP_THRESHOLD` of mallopt(3)."""

_LARGEST = 32 << 20
"""The largest threshold that glibc takes on 64 bits: a frame of 8 million pixels."""


@cache
def raise_thresholds() -> None:
    """Raise the thresholds, once for the process; not where the environment sets them, nor without glibc."""
    if any(
        name in os.environ for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")
    ):
        return
    import ctypes

    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    set_option(_MMAP_THRESHOLD, _LARGEST)
    set_option(_TRIM_THRESHOLD, 2 * _LARGEST)


def give_back_freed_memory() -> None:
    """Give what is kept back to the system: some milliseconds, where each thread has kept its own."""
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    import ctypes

    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return None
    return found
