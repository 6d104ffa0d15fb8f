"""An event loop in a thread, for callers that have none, or that must not wait in theirs.

run, start ─▶ a task in the loop of the thread ─▶ the result, for a caller that blocks
"""

from __future__ import annotations

import asyncio
import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from concurrent.futures import Future

T = TypeVar("T")


class LoopThread:
    """An event loop in a daemon thread: a program that does not `end` it can still end itself."""

    def __init__(self, name: str) -> None:
        """Start the thread; `name` is for lists of threads. Raise `OSError` where no loop can be made."""
        self._began = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, daemon=True, name=f"imgfetch {name}")
        self._thread.start()
        self._began.wait()
        if self._error is not None:
            raise self._error

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop."""
        return self._loop

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine in the loop; return its future. Raise `RuntimeError` if the loop is closed."""
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:
            work.close()
            raise

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop; return what it returns. An interrupted caller cancels it."""
        future = self.start(work)
        ended: SimpleQueue[Future[T]] = SimpleQueue()
        future.add_done_callback(ended.put)
        try:
            Wait().take(ended)
        except BaseException:
            future.cancel()
            raise
        return future.result()

    def end(self) -> None:
        """Cancel what is left, and wait for the end of the thread."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def end_with(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a last coroutine, and end.

        Where the caller is the thread itself, since it collected garbage, that happens after the call.
        """
        if threading.current_thread() is self._thread:
            self.start(work).add_done_callback(lambda _: self._end.set())
            return
        try:
            self.run(work)
        finally:
            self.end()

    @property
    def has_ended(self) -> bool:
        """Return whether the loop is closed."""
        return self._loop.is_closed()

    def _work(self) -> None:
        try:
            with asyncio.Runner() as runner:  # raises where too many files are open
                runner.run(self._serve())
        except BaseException as error:
            self._error = error
        finally:
            self._began.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        self._began.set()
        await self._end.wait()


class Wait:
    """A caller that waits for the items of queues, one after another, and can be interrupted.

    Where its thread runs an event loop, the caller is one of its tasks. `asyncio.run` answers Ctrl-C by
    cancelling that task, which waits here: so look whether it was since this was made, and raise
    `CancelledError`.
    """

    def __init__(self) -> None:
        self._task: asyncio.Task[Any] | None = None
        self._before = 0
        """Cancellations of the task when it first waited."""
        self._see_task()

    def take(self, queue: SimpleQueue[T]) -> T:
        """Wait for an item of a queue, and return it."""
        if self._see_task() is None:
            return queue.get()
        while True:
            if self._is_cancelled():
                raise asyncio.CancelledError
            try:
                return queue.get(timeout=_INTERVAL)
            except Empty:
                continue

    def _is_cancelled(self) -> bool:
        return self._task is not None and self._task.cancelling() > self._before

    def _see_task(self) -> asyncio.Task[Any] | None:
        """Return the task of the caller; None where no event loop is running."""
        task = _current_task()
        if task is not self._task:
            self._task, self._before = task, 0 if task is None else task.cancelling()
        return task


_INTERVAL = 0.1
"""Seconds between two looks at a task that waits."""


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no running event loop
        return None
