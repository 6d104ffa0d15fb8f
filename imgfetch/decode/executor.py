"""Worker threads for what would block the event loop.

    run    ─▶ a pool: disk work, which is waited for
    decode ─▶ a slot ─▶ memory ─▶ a daemon thread ─▶ the result
                │                       └▶ cancelled: the caller goes at once, the thread ends by itself
                └─ light images have slots of their own, which no heavy image takes

One frame cannot be interrupted. So a caller may stop waiting for a decode, and nothing joins its thread.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Generic, TypeVar, cast
from weakref import finalize

from imgfetch.decode.malloc import return_freed_memory
from imgfetch.decode.memory import OF_PROCESS
from imgfetch.ports import DecodingStopped
from imgfetch.rules.image.decode_budget import is_light
from imgfetch.system.cores import usable_cores

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from imgfetch.decode.memory import DecodeMemory
    from imgfetch.model.image import DecodeLoad
    from imgfetch.ports import Checkpoint

T = TypeVar("T")

MOST_LEFT_BEHIND = 16
"""Decodes of a kind, light or heavy, that go on without a slot. While there are so many, slots are kept."""

_LONG = 1.0
"""Seconds after which a decode that was taken for a light one leaves its slot to the next."""


class ThreadExecutor:
    """`ports.Runner` on threads: image decoders and disk syncs let go of the interpreter lock.

    `budget` is the bytes that all decodes of this process may take. `cores` is how many light images, and how
    many heavy ones, are decoded at once; None for the number of cores that this process may use.
    """

    def __init__(
        self,
        budget: int,
        *,
        cores: int | None = None,
        memory: DecodeMemory = OF_PROCESS,
        long: float = _LONG,
    ) -> None:
        number = usable_cores() if cores is None else cores
        # One for each core to hash and walk, and one that mostly waits for the disk.
        self._pool = ThreadPoolExecutor(number + 1, thread_name_prefix="imgfetch")
        self._workers = _Workers()
        self._budget = budget
        self._memory = memory
        self._long = long
        self._light, self._heavy = _Slots(number), _Slots(number)
        self._next_heavy = asyncio.Lock()

    async def run(self, work: Callable[[], T]) -> T:
        """Give `work()` to a thread. Where the caller is cancelled, the work is waited for all the same."""
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            # The work holds a ticket of the store: who cancels, however often, may discard it only when it
            # is done.
            while not future.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([future])
            future.exception()  # nobody is there to hear of it
            raise
        return future.result()

    async def decode(
        self,
        work: Callable[[Checkpoint], T],
        load: DecodeLoad,
        within: Callable[[Awaitable[T]], Awaitable[T]],
    ) -> T:
        """Wait for a slot and for memory, then for what `within` makes of the decode.

        A caller that is cancelled goes at once. The decode then ends at its next checkpoint; until that it
        keeps its memory.
        """
        light = is_light(load, self._budget)
        slot = await (self._light if light else self._heavy).take()
        try:
            await self._take_memory(load, light=light)
        except BaseException:
            slot.free()
            raise
        job = _Job(work, lambda: self._give_memory(load, light=light))
        job.ended.add_done_callback(lambda _: slot.free())
        timer = asyncio.get_running_loop().call_later(self._long, slot.leave) if light else None
        self._workers.submit(job.run)
        try:
            return await within(job.result())
        finally:
            if timer is not None:
                timer.cancel()
            if not job.ended.done():
                slot.leave()

    def close(self) -> None:
        """Wait for what `run` was given, and end the threads; a decode under way is not waited for."""
        self._workers.close()
        self._pool.shutdown()

    async def _take_memory(self, load: DecodeLoad, *, light: bool) -> None:
        """Wait for memory; heavy images in their order, so that smaller ones overtake none for ever."""
        if light:
            await self._wait_for_memory(load)
            return
        async with self._next_heavy:
            await self._wait_for_memory(load)

    def _give_memory(self, load: DecodeLoad, *, light: bool) -> None:
        if not light:  # what each of many threads keeps of a large image would be as much as the budget
            return_freed_memory()
        self._memory.give(load, self._budget)

    async def _wait_for_memory(self, load: DecodeLoad) -> None:
        loop, room = asyncio.get_running_loop(), asyncio.Event()
        while not self._memory.take(load, self._budget, lambda: _call(loop, room.set)):
            await room.wait()
            room.clear()


class DecodeThread:
    """A thread for the decodes of a caller without an event loop, which waits for each."""

    def __init__(self) -> None:
        self._workers = _Workers()

    def run(self, work: Callable[[Checkpoint], T], *, seconds: float | None = None) -> T | None:
        """Return what comes of `work`; None where that takes more than so many seconds.

        The caller's own thread can act on a signal: what is raised in it ends the wait, and the work at its
        next checkpoint.
        """
        ended, stopped = Event(), Event()
        found: list[T] = []
        failed: list[BaseException] = []

        def check() -> None:
            if stopped.is_set():
                raise DecodingStopped

        def run() -> None:
            try:
                found.append(work(check))
            except BaseException as error:
                failed.append(error)
            finally:
                ended.set()

        self._workers.submit(run)
        try:
            ended.wait(seconds)
        finally:
            stopped.set()
        if failed:
            raise failed[0]
        return found[0] if found else None

    def close(self) -> None:
        """End the thread; a decode under way is not waited for."""
        self._workers.close()


def is_decoding() -> bool:
    """Whether a decode is under way in any thread of this process."""
    return _Workers.busy > 0


def _call(loop: asyncio.AbstractEventLoop, work: Callable[[], object]) -> None:
    """Have the loop call `work`, from any thread."""
    with suppress(RuntimeError):  # the loop is closed: no caller waits
        loop.call_soon_threadsafe(work)


class _Job(Generic[T]):
    """A decode, and what came of it."""

    def __init__(self, work: Callable[[Checkpoint], T], finished: Callable[[], None]) -> None:
        self._work: Callable[[Checkpoint], T] | None = work
        self._finished = finished
        self._loop = asyncio.get_running_loop()
        self._result: T | None = None
        self._error: BaseException | None = None
        self._stopped = False
        self.ended: asyncio.Future[None] = self._loop.create_future()

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
            _call(self._loop, self._end)

    async def result(self) -> T:
        """Wait for what came of it. Cancelled, it stops the work at the next checkpoint."""
        try:
            await asyncio.wait([self.ended])
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
        if not self.ended.done():
            self.ended.set_result(None)


class _Slots:
    """Places for decodes that are under way at once."""

    def __init__(self, number: int) -> None:
        self.semaphore = asyncio.Semaphore(number)
        self.left_behind = 0

    async def take(self) -> _Slot:
        """Wait for a place."""
        await self.semaphore.acquire()
        return _Slot(self)


class _Slot:
    """A place that one decode has taken."""

    def __init__(self, slots: _Slots) -> None:
        self._slots = slots
        self._is_taken = True
        self._is_left = False

    def free(self) -> None:
        """Give the place back: the decode has ended."""
        if self._is_left:
            self._is_left = False
            self._slots.left_behind -= 1
        if self._is_taken:
            self._is_taken = False
            self._slots.semaphore.release()

    def leave(self) -> None:
        """Give the place back although the decode goes on, unless many do so already."""
        if self._is_taken and self._slots.left_behind < MOST_LEFT_BEHIND:
            self._is_taken, self._is_left = False, True
            self._slots.left_behind += 1
            self._slots.semaphore.release()


class _Workers:
    """Daemon threads, started as they are needed: the interpreter ends without them."""

    busy = 0
    """Threads of all instances that are at work."""
    _lock = Lock()

    def __init__(self) -> None:
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._idle = _Idle()
        self.close = finalize(self, self._work.put, None)

    def submit(self, work: Callable[[], None]) -> None:
        """Have a thread do `work`, at once."""
        if not self._idle.take():
            Thread(target=_work, args=(self._work, self._idle), name="imgfetch-decode", daemon=True).start()
        self._work.put(work)


class _Idle:
    """How many threads wait for work that nobody has given them yet."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._number = 0

    def take(self) -> bool:
        with self._lock:
            found = self._number > 0
            self._number -= found
            return found

    def add(self) -> None:
        with self._lock:
            self._number += 1


def _work(works: SimpleQueue[Callable[[], None] | None], idle: _Idle) -> None:
    """Do what comes, until None does, which is for all."""
    while (work := works.get()) is not None:
        with _Workers._lock:
            _Workers.busy += 1
        try:
            work()
        finally:
            del work
            with _Workers._lock:
                _Workers.busy -= 1
        idle.add()
    works.put(None)
