"""Threads for work that would block the event loop.

ThreadExecutor.run ─▶ a pool ─▶ the result; the work is awaited even if the caller is cancelled
DaemonThreads.submit ─▶ an idle thread, or a new one; the interpreter ends without joining them
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, TypeAlias, TypeVar
from weakref import finalize

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class ThreadExecutor:
    """`ports.Executor` on `threads` threads: disk syncs release the interpreter lock."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="imgfetch")

    async def run(self, work: Callable[[], T]) -> T:
        """Run `work()` in a thread. If the caller is cancelled, wait until the work has ended."""
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            # The work uses a staged body, which the caller may discard only when the work has ended.
            while not future.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([future])
            future.exception()  # retrieved, so that asyncio does not report it
            raise
        return future.result()

    def close(self) -> None:
        """Wait for all work, and end the threads."""
        self._pool.shutdown()


class DaemonThreads:
    """Daemon threads, started when they are needed."""

    busy = 0
    """Threads of all instances that are at work."""
    _lock = Lock()

    def __init__(self, name: str) -> None:
        self._name = name
        self._threads: list[Thread] = []
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._idle = _IdleCount()
        self.close = finalize(self, self._queue.put, None)
        """Ends each thread once it has no work."""

    def submit(self, work: Callable[[], None], ended: Callable[[], None]) -> None:
        """Run `work` in a thread, at once; then have the thread call `ended`, when it is free for other work.

        A caller that submits the next work because this one has ended needs no other thread for it.
        """
        if not self._idle.take():
            arguments = self._queue, self._idle
            self._threads.append(Thread(target=_work_off, args=arguments, name=self._name, daemon=True))
            self._threads[-1].start()
        self._queue.put((work, ended))

    def wait_for_idle(self) -> None:
        """Wait, after `close`, until the threads without work have ended; not for one that works."""
        for thread in self._threads:
            thread.join(_MOMENT)
            if thread.is_alive():  # it works; by now the others have ended
                break


_MOMENT = 0.05
"""Seconds that a thread without work needs to end, at most."""


class _IdleCount:
    """The number of threads that wait for work and have not been assigned any."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._number = 0

    def take(self) -> bool:
        """Assign work to an idle thread; return False if there is none."""
        with self._lock:
            found = self._number > 0
            self._number -= found
            return found

    def add(self) -> None:
        """Count one more idle thread."""
        with self._lock:
            self._number += 1


def _work_off(queue: SimpleQueue[_Work | None], idle: _IdleCount) -> None:
    """Run the work of the queue until None comes, which is left there for the other threads."""
    while (next_work := queue.get()) is not None:
        work, ended = next_work
        del next_work
        with DaemonThreads._lock:
            DaemonThreads.busy += 1
        try:
            work()
        finally:
            del work
            with DaemonThreads._lock:
                DaemonThreads.busy -= 1
        idle.add()
        ended()
        del ended
    queue.put(None)


_Work: TypeAlias = "tuple[Callable[[], None], Callable[[], None]]"
"""Work, and what the thread calls after it."""
