"""Single flight: callers that want the same at the same time share one task.

run ─▶ a task for this key? ─▶ yes: wait for its result │ no: start one ─▶ the last caller leaves ─▶ cancel
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """The shared tasks that are running, by key."""

    def __init__(self) -> None:
        self._calls: dict[Hashable, _Call[T]] = {}
        self._is_closed = False

    def is_running(self, key: Hashable) -> bool:
        """Return whether a task for `key` is running, which `run` would share."""
        call = self._calls.get(key)
        return call is not None and not call.done.is_set()

    async def run(self, key: Hashable, start: Callable[[], Coroutine[None, None, T]]) -> T:
        """Return the result of the task for `key`; start one with `start` if none is running.

        A caller that is cancelled leaves; the task goes on while another caller waits for it.
        """
        call = self._calls.get(key)
        if call is None or call.done.is_set():  # its callers have not all been resumed yet
            if self._is_closed:
                raise asyncio.CancelledError
            call = self._calls[key] = _Call(start)
        call.waiters += 1
        try:
            await call.done.wait()
            return call.task.result()
        finally:
            call.waiters -= 1
            if not call.waiters:
                # Removed at once: a new caller must not join a task that is being cancelled.
                if self._calls.get(key) is call:
                    del self._calls[key]
                await call.cancel_and_wait()

    async def close(self) -> None:
        """Cancel all tasks and their callers, and start none from now on."""
        self._is_closed = True
        calls = [*self._calls.values()]
        for call in calls:
            call.cancel()
        for call in calls:
            await call.cancel_and_wait()


class _Call(Generic[T]):
    """A shared task and the number of its callers."""

    def __init__(self, start: Callable[[], Coroutine[None, None, T]]) -> None:
        self.waiters = 0
        self.done = asyncio.Event()
        self.task = asyncio.create_task(self._run(start))

    def cancel(self) -> None:
        """Cancel the task, if it is running: once, so that its cleanup is not interrupted."""
        if not self.task.cancelling():
            self.task.add_done_callback(self._end)
            self.task.cancel()

    async def cancel_and_wait(self) -> None:
        """Cancel the task, if it is running, and wait for its end."""
        if self.task.done():
            self._end(self.task)
        else:
            self.cancel()
            await asyncio.wait([self.task])

    def _end(self, task: asyncio.Task[T]) -> None:
        self.done.set()  # a task that was cancelled before its first step has not set it
        if not task.cancelled():
            task.exception()  # retrieved here: no caller is left to receive it

    async def _run(self, start: Callable[[], Coroutine[None, None, T]]) -> T:
        try:
            return await start()
        finally:
            self.done.set()
