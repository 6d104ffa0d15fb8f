"""Decodes on daemon threads, within a number of slots and a budget of memory.

    decode ─▶ a slot ─▶ memory ─▶ a daemon thread ─▶ the result
                │                       └▶ cancelled: the caller goes at once, the thread ends by itself
                └─ light images have slots of their own, which no heavy image takes

One frame cannot be interrupted. So a caller may stop waiting for a decode, and no caller joins its thread.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from threading import Event
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from imgfetch.decode.malloc import return_freed_memory
from imgfetch.decode.memory import OF_PROCESS
from imgfetch.ports import DecodingStopped
from imgfetch.rules.image.decode_budget import is_light
from imgfetch.system.cores import usable_cores
from imgfetch.system.executor import DaemonThreads, ThreadExecutor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from imgfetch.decode.memory import DecodeMemory
    from imgfetch.model.image import DecodeLoad
    from imgfetch.ports import Checkpoint

T = TypeVar("T")

MAX_ABANDONED = 16
"""Decodes of a kind, light or heavy, that may go on without a slot. Beyond that, each keeps its slot."""

_LONG = 1.0
"""Seconds after which a decode that was taken for a light one gives its slot to the next."""

_THREAD_NAME = "imgfetch-decode"


class DecodeExecutor(ThreadExecutor):
    """`ports.DecodeRunner` on threads: image decoders release the interpreter lock.

    `budget` is the bytes that all decodes of this process may take. `cores` is how many light images, and how
    many heavy ones, are decoded at once; None for the number of cores that this process may use. With
    `waits_for_disk` there is one thread more for the work of `run`.
    """

    def __init__(
        self,
        budget: int,
        *,
        cores: int | None = None,
        waits_for_disk: bool = True,
        memory: DecodeMemory = OF_PROCESS,
        long: float = _LONG,
    ) -> None:
        number = usable_cores() if cores is None else cores
        super().__init__(number + waits_for_disk)  # to hash and walk, and one that mostly waits for the disk
        self._threads = DaemonThreads(_THREAD_NAME)
        self._budget = budget
        self._memory = memory
        self._long = long
        self._light, self._heavy = _Slots(number), _Slots(number)
        self._next_heavy = asyncio.Lock()

    async def decode(
        self,
        work: Callable[[Checkpoint], T],
        load: DecodeLoad,
        within: Callable[[Awaitable[T]], Awaitable[T]],
    ) -> T:
        """Wait for a slot and for memory; return the result of `within`, which awaits the decode.

        A caller that is cancelled goes at once. The decode then ends at its next checkpoint, and gives back
        its memory only then.
        """
        light = is_light(load, self._budget)
        slot = await (self._light if light else self._heavy).take()
        try:
            await self._take_memory(load, light=light)
        except BaseException:
            slot.release()
            raise
        job = _Job(work, lambda: self._give_memory(load, light=light), slot.release)
        timer = asyncio.get_running_loop().call_later(self._long, slot.abandon) if light else None
        self._threads.submit(job.run, job.announce)
        try:
            return await within(job.result())
        finally:
            if timer is not None:
                timer.cancel()
            if not job.has_ended:
                slot.abandon()

    def close(self) -> None:
        """Wait for the work that `run` was given, and end the threads; do not wait for decodes."""
        self._threads.close()
        super().close()
        self._threads.wait_for_idle()

    async def _take_memory(self, load: DecodeLoad, *, light: bool) -> None:
        """Wait for memory; heavy images in order, so that smaller ones do not delay a larger one for ever."""
        if light:
            await self._wait_for_memory(load)
            return
        async with self._next_heavy:
            await self._wait_for_memory(load)

    def _give_memory(self, load: DecodeLoad, *, light: bool) -> None:
        if not light:  # a large image's freed memory, in each of many threads, would be as much as the budget
            return_freed_memory()
        self._memory.give(load, self._budget)

    async def _wait_for_memory(self, load: DecodeLoad) -> None:
        loop, retry = asyncio.get_running_loop(), asyncio.Event()
        while not self._memory.take(load, self._budget, lambda: _call_in(loop, retry.set)):
            await retry.wait()
            retry.clear()


class DecodeThread:
    """A thread for the decodes of a caller without an event loop, which waits for each."""

    def __init__(self) -> None:
        self._threads = DaemonThreads(_THREAD_NAME)

    def run(self, work: Callable[[Checkpoint], T], *, seconds: float | None = None) -> T | None:
        """Return the result of `work`; None if that takes more than `seconds`.

        The caller's own thread can act on a signal: an exception raised in it ends the wait, and the work at
        its next checkpoint.
        """
        ended, stopped = Event(), Event()
        results: list[T] = []
        errors: list[BaseException] = []

        def check() -> None:
            if stopped.is_set():
                raise DecodingStopped

        def run() -> None:
            try:
                results.append(work(check))
            except BaseException as error:
                errors.append(error)

        self._threads.submit(run, ended.set)
        try:
            ended.wait(seconds)
        finally:
            stopped.set()
        if errors:
            raise errors[0]
        return results[0] if results else None

    def close(self) -> None:
        """End the thread; do not wait for a decode."""
        self._threads.close()


def is_decoding() -> bool:
    """Return whether any thread of this process is decoding."""
    return DaemonThreads.busy > 0


def _call_in(loop: asyncio.AbstractEventLoop, work: Callable[[], object]) -> None:
    """Have the loop call `work`, from any thread."""
    with suppress(RuntimeError):  # the loop is closed: no caller waits
        loop.call_soon_threadsafe(work)


class _Job(Generic[T]):
    """A decode, and its result."""

    def __init__(
        self, work: Callable[[Checkpoint], T], finished: Callable[[], None], ended: Callable[[], None]
    ) -> None:
        """`finished` is called in the thread of the decode, and `ended` after it in the event loop."""
        self.has_ended = False
        self._work: Callable[[Checkpoint], T] | None = work
        self._finished = finished
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._result: T | None = None
        self._error: BaseException | None = None
        self._stopped = False
        self._done: asyncio.Future[None] = self._loop.create_future()

    def run(self) -> None:
        """Do the work, in this thread."""
        work, self._work = self._work, None
        assert work is not None  # noqa: S101 (it is done once)
        try:
            self._result = work(self._check)
        except BaseException as error:
            self._error = error
        finally:
            del work  # and with it the bytes of the image
            self._finished()

    def announce(self) -> None:
        """Tell the event loop, from the thread of the decode, that the work has ended."""
        _call_in(self._loop, self._end)

    async def result(self) -> T:
        """Wait for the result. If the caller is cancelled, stop the work at its next checkpoint."""
        try:
            await self._done
        except asyncio.CancelledError:
            self._stopped = True
            raise
        if self._error is not None:
            raise self._error
        return cast("T", self._result)

    def _check(self) -> None:
        if self._stopped:
            raise DecodingStopped

    def _end(self) -> None:
        self.has_ended = True
        self._ended()
        if not self._done.done():  # a caller that was cancelled waits no more
            self._done.set_result(None)


class _Slots:
    """Slots for decodes of one kind that run at the same time."""

    def __init__(self, number: int) -> None:
        self.semaphore = asyncio.Semaphore(number)
        self.abandoned = 0
        """Decodes that go on without a slot."""

    async def take(self) -> _Slot:
        """Wait for a slot."""
        await self.semaphore.acquire()
        return _Slot(self)


class _Slot:
    """A slot that one decode has taken."""

    def __init__(self, slots: _Slots) -> None:
        self._slots = slots
        self._is_taken = True
        self._is_abandoned = False

    def release(self) -> None:
        """Give the slot back: the decode has ended."""
        if self._is_abandoned:
            self._is_abandoned = False
            self._slots.abandoned -= 1
        if self._is_taken:
            self._is_taken = False
            self._slots.semaphore.release()

    def abandon(self) -> None:
        """Give the slot back although the decode goes on, unless many decodes do so already."""
        if self._is_taken and self._slots.abandoned < MAX_ABANDONED:
            self._is_taken, self._is_abandoned = False, True
            self._slots.abandoned += 1
            self._slots.semaphore.release()
