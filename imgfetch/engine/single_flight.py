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
        self._grounded = False

    async def board(self, what: Hashable, depart: Callable[[], Coroutine[None, None, T]]) -> T:
        """Share the flight for `what` that is in the air, or start one with `depart`.

        A passenger who is cancelled leaves; the flight goes on while anyone is aboard.
        """
        flight = self._flights.get(what)
        if flight is None:
            if self._grounded:
                raise asyncio.CancelledError
            flight = self._flights[what] = _Flight(depart)
        flight.aboard += 1
        try:
            await flight.landed.wait()
            return flight.task.result()
        finally:
            flight.aboard -= 1
            if not flight.aboard:
                # Off the board at once: who asks now must not come aboard a flight that is going down.
                del self._flights[what]
                await flight.come_down()

    async def ground(self) -> None:
        """Cancel what is in the air, and with it all who are aboard; nothing departs any more."""
        self._grounded = True
        flights = [*self._flights.values()]
        for flight in flights:
            flight.go_down()
        for flight in flights:
            await flight.come_down()


class _Flight(Generic[T]):
    def __init__(self, depart: Callable[[], Coroutine[None, None, T]]) -> None:
        self.aboard = 0
        self.landed = asyncio.Event()
        self.task = asyncio.create_task(self._fly(depart))

    def go_down(self) -> None:
        """Cancel it, if it is in the air: once, so that nothing breaks off what it does on its way down."""
        if not self.task.cancelling():
            self.task.add_done_callback(self._end)
            self.task.cancel()

    async def come_down(self) -> None:
        """Cancel it, if it is in the air, and wait until it is down."""
        if self.task.done():
            self._end(self.task)
        else:
            self.go_down()
            await asyncio.wait([self.task])

    def _end(self, task: asyncio.Task[T]) -> None:
        self.landed.set()  # one that was cancelled before it took off has not
        if not task.cancelled():
            task.exception()  # on the way down, nobody is left to hear of it

    async def _fly(self, depart: Callable[[], Coroutine[None, None, T]]) -> T:
        try:
            return await depart()
        finally:
            self.landed.set()
