"""The time that one image may take: its requests and the waits between them, not its waits in queues."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from imgfetch.errors import NetworkError
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from imgfetch.ports import Clock

T = TypeVar("T")


class TimeBudget:
    """The time limit of one image, and how much of it is spent."""

    def __init__(self, limit: float, clock: Clock) -> None:
        self._limit = limit
        self._clock = clock
        self.spent = 0.0

    @property
    def remaining(self) -> float:
        """Seconds left; negative when the limit is exceeded."""
        return self._limit - self.spent

    @asynccontextmanager
    async def limit(self, missing: str = "no whole image") -> AsyncIterator[None]:
        """Cancel the block when the time is spent. Raises `NetworkError` (`timeout`).

        `missing` begins the message: what the block did not yield in time.
        """
        began = self._clock.elapsed()
        limit = asyncio.timeout(self.remaining)
        try:
            async with limit:
                yield
        except TimeoutError as error:
            if not limit.expired():  # raised by the block itself, an observer for one
                raise
            raise NetworkError(
                ErrorKind.TIMEOUT,
                f"{missing} within the time limit of {self._limit:g} s",
                limit="total_timeout",
            ) from error
        finally:
            self.spent += self._clock.elapsed() - began

    async def decode(self, work: Awaitable[T]) -> T:
        """Return the result of a decode, within the time that is left. Raises `NetworkError` (`timeout`)."""
        async with self.limit("the image was not decoded"):
            return await work

    async def sleep(self, seconds: float) -> None:
        """Sleep, and spend that time."""
        await self._clock.sleep(seconds)
        self.spent += seconds
