"""The time, waiting and chance of the machine. No other module reads a clock.

A run that finds everything in the cache reads the time only, and does not load the modules for the rest.
"""

from __future__ import annotations

import os
import time


class SystemClock:
    """`ports.Clock` on the system's clocks."""

    now = staticmethod(time.time)
    elapsed = staticmethod(time.monotonic)

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""
        import asyncio

        await asyncio.sleep(seconds)

    def chance(self) -> float:
        """Draw a number evenly from 0 to 1."""
        # `random` would be imported at the first failure, which may be that no file can be opened.
        return int.from_bytes(os.urandom(6)) / 2**48
