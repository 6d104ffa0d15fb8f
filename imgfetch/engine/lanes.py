"""Turns: how many requests may be in flight, in all and to each host.

Requests wait here and not in a connection pool, which would search all who wait at every turn.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgfetch.model import Limits


class Lanes:
    """The turns of one run. First come, first served, within each origin."""

    def __init__(self, limits: Limits) -> None:
        self._per_host = limits.per_host
        self._all = asyncio.Semaphore(limits.jobs)
        self._lanes: dict[str, _Lane] = {}

    @asynccontextmanager
    async def turn(self, origin: str) -> AsyncIterator[None]:
        """Wait for a turn with `origin` (scheme, host and port), and hold it for the block."""
        lane = self._lanes.setdefault(origin, _Lane(self._per_host))
        lane.guests += 1
        try:
            # The lane first: who waits for a busy host must not keep a place from an idle one.
            async with lane.places, self._all:
                yield
        finally:
            lane.guests -= 1
            if not lane.guests:
                del self._lanes[origin]


class _Lane:
    """One origin's places, and how many hold or await one: the last to leave takes the lane down."""

    def __init__(self, width: int) -> None:
        self.places = asyncio.Semaphore(width)
        self.guests = 0
