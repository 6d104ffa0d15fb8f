"""The time one image may take: its requests and the waits between them, not its turns in the queue."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from imgfetch.errors import NetworkError
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from imgfetch.ports import Clock

T = TypeVar("T")


class TimeBudget:
    """What is left of the time limit of one image."""

    def __init__(self, limit: float, clock: Clock) -> None:
        self._limit = limit
        self._clock = clock
        self.spent = 0.0

    @property
    def remaining(self) -> float:
        """Seconds; none where it is negative."""
        return self._limit - self.spent

    async def run(self, work: Awaitable[T], missing: str = "no whole image") -> T:
        """Return what comes of `work`, within the time that is left. Raises `NetworkError` (`timeout`).

        `missing` is what the message says there is none of.
        """
        began = self._clock.elapsed()
        limit = asyncio.timeout(self.remaining)
        try:
            async with limit:
                return await work
        except TimeoutError as error:
            if not limit.expired():  # somebody else's, an observer's say
                raise
            raise NetworkError(
                ErrorKind.TIMEOUT, f"{missing} within the time limit of {self._limit:g} s"
            ) from error
        finally:
            self.spent += self._clock.elapsed() - began

    async def sleep(self, seconds: float) -> None:
        """Spend time doing nothing."""
        await self._clock.sleep(seconds)
        self.spent += seconds
