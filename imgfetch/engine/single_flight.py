"""One flight for each thing asked: whoever asks for it while it is in the air comes aboard."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """The flights in the air, by what they are for."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Call[T]] = {}
        self._grounded = False

    async def run(self, what: Hashable, depart: Callable[[], Coroutine[None, None, T]]) -> T:
        """Share the flight for `what` that is in the air, or start one with `depart`.

        A passenger who is cancelled leaves; the flight goes on while anyone is aboard.
        """
        flight = self._flights.get(what)
        if flight is None:
            if self._grounded:
                raise asyncio.CancelledError
            flight = self._flights[what] = _Call(depart)
        flight.waiters += 1
        try:
            await flight.done.wait()
            return flight.task.result()
        finally:
            flight.waiters -= 1
            if not flight.waiters:
                # Off the board at once: who asks now must not come aboard a flight that is going down.
                del self._flights[what]
                await flight.cancel_and_wait()

    async def close(self) -> None:
        """Cancel what is in the air, and with it all who are aboard; nothing departs any more."""
        self._grounded = True
        flights = [*self._flights.values()]
        for flight in flights:
            flight.cancel()
        for flight in flights:
            await flight.cancel_and_wait()


class _Call(Generic[T]):
    def __init__(self, depart: Callable[[], Coroutine[None, None, T]]) -> None:
        self.waiters = 0
        self.done = asyncio.Event()
        self.task = asyncio.create_task(self._run(depart))

    def cancel(self) -> None:
        """Cancel it, if it is in the air: once, so that nothing breaks off what it does on its way down."""
        if not self.task.cancelling():
            self.task.add_done_callback(self._end)
            self.task.cancel()

    async def cancel_and_wait(self) -> None:
        """Cancel it, if it is in the air, and wait until it is down."""
        if self.task.done():
            self._end(self.task)
        else:
            self.cancel()
            await asyncio.wait([self.task])

    def _end(self, task: asyncio.Task[T]) -> None:
        self.done.set()  # one that was cancelled before it took off has not
        if not task.cancelled():
            task.exception()  # on the way down, nobody is left to hear of it

    async def _run(self, depart: Callable[[], Coroutine[None, None, T]]) -> T:
        try:
            return await depart()
        finally:
            self.done.set()
