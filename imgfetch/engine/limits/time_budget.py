"""The time that one image may take: its requests and the waits between them, not its waits in queues."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from imgfetch.errors import NetworkError
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from types import TracebackType

    from imgfetch.ports import Clock

T = TypeVar("T")


class TimeBudget:
    """The time limit of one image, and how much of it is spent."""

    def __init__(self, limit: float, clock: Clock) -> None:
        self.total = limit
        self.clock = clock
        self.spent = 0.0

    @property
    def remaining(self) -> float:
        """Seconds left; negative when the limit is exceeded."""
        return self.total - self.spent

    def limit(self, missing: str = "no whole image") -> _Limit:
        """Cancel the block when the time is spent. Raises `NetworkError` (`timeout`).

        `missing` begins the message: what the block did not yield in time.
        """
        return _Limit(self, missing)

    async def decode(self, work: Awaitable[T]) -> T:
        """Return the result of a decode, within the time that is left. Raises `NetworkError` (`timeout`)."""
        async with self.limit("the image was not decoded"):
            return await work

    async def sleep(self, seconds: float) -> None:
        """Sleep, and spend that time."""
        await self.clock.sleep(seconds)
        self.spent += seconds


class _Limit:
    """The limit of one block; its time is spent of the budget."""

    def __init__(self, budget: TimeBudget, missing: str) -> None:
        self._budget = budget
        self._missing = missing
        self._began = budget.clock.elapsed()
        self._timeout = asyncio.timeout(budget.remaining)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError as expired:  # not one that the block has raised: that goes on as it is
            total = f"{self._budget.total:g} s"
            raise NetworkError(
                ErrorKind.TIMEOUT, f"{self._missing} within the time limit of {total}", limit="total_timeout"
            ) from expired
        finally:
            self._budget.spent += self._budget.clock.elapsed() - self._began
