"""One flight for each thing asked: whoever asks for it while it is in the air comes aboard."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable

T = TypeVar("T")


class Flights(Generic[T]):
    """The flights in the air, by what they are for."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight[T]] = {}

    async def board(self, what: Hashable, depart: Callable[[], Coroutine[None, None, T]]) -> T:
        """Share the flight for `what` that is in the air, or start one with `depart`.

        A passenger who is cancelled leaves; the flight goes on while anyone is aboard.
        """
        flight = self._flights.get(what)
        if flight is None:
            flight = self._flights[what] = _Flight(asyncio.create_task(depart()))
        flight.aboard += 1
        try:
            await asyncio.wait([flight.task])
            return flight.task.result()
        finally:
            flight.aboard -= 1
            if not flight.aboard:
                # Off the board at once: who asks now must not come aboard a flight that is going down.
                del self._flights[what]
                flight.task.cancel()
                # Takes note, too, of an error on the way down, for which nobody waits any more.
                await asyncio.gather(flight.task, return_exceptions=True)


class _Flight(Generic[T]):
    def __init__(self, task: asyncio.Task[T]) -> None:
        self.task = task
        self.aboard = 0
