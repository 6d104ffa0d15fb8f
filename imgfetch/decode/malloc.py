"""The allocator of the C library: keep the memory of one decoded image for the next.

By default glibc returns a block of the size of a decoded image to the system as soon as it is free. The next
image gets new pages, and each of them faults when it is first written to. At 1280 px that is a third of the
time in which Pillow decodes a WebP (docs/performance.md).
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""`M_TRIM_THRESHOLD` and `M_MMAP_THRESHOLD` of mallopt(3)."""

_MAX_THRESHOLD = 32 << 20
"""Bytes: the largest threshold that glibc takes on 64 bits, a frame of 8 million pixels."""


@cache
def tune_memory() -> None:
    """Let the C library keep up to 64 MiB of freed memory a thread, so that large images decode faster.

    This changes glibc's thresholds for the whole process: `M_MMAP_THRESHOLD` to 32 MiB and `M_TRIM_THRESHOLD`
    to 64 MiB. The command line does so; a program that uses the library decides for itself. Does nothing
    where the environment sets these thresholds (`MALLOC_*_THRESHOLD_`, `GLIBC_TUNABLES`), nor without glibc.
    """
    if any(
        name in os.environ for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")
    ):
        return
    set_option = _function_of_libc("mallopt")
    if set_option is not None:
        set_option(_MMAP_THRESHOLD, _MAX_THRESHOLD)
        set_option(_TRIM_THRESHOLD, 2 * _MAX_THRESHOLD)


def return_freed_memory() -> None:
    """Return freed memory to the system; takes some milliseconds where each thread has kept its own."""
    trim = _function_of_libc("malloc_trim")
    if trim is not None:
        trim(0)


@cache
def _function_of_libc(name: str) -> Callable[..., int] | None:
    import ctypes

    try:
        found: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError):
        return None
    return found
