"""Decodes on threads: slots, cancellation, and the memory that they share."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import pytest

from imgfetch.decode.decode_executor import MAX_ABANDONED, DecodeExecutor, DecodeThread, is_decoding
from imgfetch.decode.memory import DecodeMemory
from imgfetch.errors import NetworkError
from imgfetch.model.image import DecodeLoad
from imgfetch.model.result import ErrorKind
from imgfetch.ports import DecodingStopped, never_stop
from tasks import no_unretrieved_errors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from imgfetch.ports import Checkpoint

pytestmark = pytest.mark.anyio

T = TypeVar("T")

BUDGET = 800
LIGHT, HEAVY = DecodeLoad(10, 1_000), DecodeLoad(300, 50_000_000)


class Stuck:
    """Decodes that go on until they are released, as one frame of a large image does."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.go_on = threading.Event()
        self.ended = threading.Semaphore(0)

    def work(self, name: str) -> Callable[[Checkpoint], str]:
        def decode(_: Checkpoint) -> str:
            self.begun.append(name)
            self.go_on.wait(20)
            self.ended.release()
            return name

        return decode


@contextmanager
def runner(cores: int = 2, budget: int = BUDGET, long: float = 60) -> Iterator[tuple[DecodeExecutor, Stuck]]:
    made, stuck = DecodeExecutor(budget, cores=cores, memory=DecodeMemory(), long=long), Stuck()
    try:
        yield made, stuck
    finally:
        stuck.go_on.set()
        made.close()


def within(work: Awaitable[T]) -> Awaitable[T]:
    return work


async def settled() -> None:
    """Wait until the threads have started."""
    await asyncio.sleep(0.1)


async def test_light_images_never_wait_for_heavy_ones() -> None:
    with runner() as (threads, stuck):
        heavy = [asyncio.create_task(threads.decode(stuck.work("heavy"), HEAVY, within)) for _ in range(5)]
        await settled()
        assert stuck.begun == ["heavy"] * 2
        for _ in range(20):
            assert await threads.decode(lambda _: "light", LIGHT, within) == "light"
        stuck.go_on.set()
        assert await asyncio.gather(*heavy) == ["heavy"] * 5


async def test_decodes_that_follow_each_other_share_as_many_threads_as_there_are_slots() -> None:
    """A thread is free for the next decode before its caller hears of the last one."""
    with runner(cores=2) as (threads, _):
        used = [
            threads.decode(
                lambda _: threading.current_thread().name + str(threading.get_ident()), LIGHT, within
            )
            for _ in range(400)
        ]
        assert len({*await asyncio.gather(*used)}) <= 2


async def test_heavy_images_wait_for_memory_and_leave_some_to_light_ones() -> None:
    memory = DecodeMemory()
    threads, stuck = DecodeExecutor(BUDGET, cores=16, memory=memory), Stuck()
    tasks = [asyncio.create_task(threads.decode(stuck.work("heavy"), HEAVY, within)) for _ in range(8)]
    await settled()
    assert len(stuck.begun) == 2  # of 300 each, where 700 of 800 are for heavy ones
    assert memory.used == 600
    assert await threads.decode(lambda _: memory.used, LIGHT, within) == 610
    stuck.go_on.set()
    await asyncio.gather(*tasks)
    assert memory.used == 0
    threads.close()


async def test_smaller_images_do_not_delay_a_larger_one_for_ever() -> None:
    with runner(cores=8) as (threads, stuck):
        first = asyncio.create_task(threads.decode(stuck.work("first"), DecodeLoad(500, 10**7), within))
        await settled()
        large = asyncio.create_task(threads.decode(stuck.work("large"), DecodeLoad(600, 10**7), within))
        small = asyncio.create_task(threads.decode(stuck.work("small"), DecodeLoad(150, 10**7), within))
        await settled()
        assert stuck.begun == ["first"]
        stuck.go_on.set()
        await asyncio.gather(first, large, small)
        assert stuck.begun == ["first", "large", "small"]


async def test_a_cancelled_caller_returns_at_once_and_the_memory_stays_taken() -> None:
    memory = DecodeMemory()
    threads, stuck = DecodeExecutor(BUDGET, cores=1, memory=memory), Stuck()
    task = asyncio.create_task(threads.decode(stuck.work("stuck"), HEAVY, within))
    await settled()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
    assert (is_decoding(), memory.used) == (True, 300)
    threads.close()  # which does not wait either
    stuck.go_on.set()
    assert stuck.ended.acquire(timeout=5)
    assert eventually(lambda: not is_decoding() and memory.used == 0)


async def test_a_decode_that_no_caller_waits_for_ends_at_its_next_checkpoint() -> None:
    stopped, begun = threading.Event(), threading.Event()

    def frames(checkpoint: Checkpoint) -> None:
        begun.set()
        try:
            while True:
                checkpoint()
                time.sleep(0.001)
        except DecodingStopped:
            stopped.set()
            raise

    with runner() as (threads, _):
        task = asyncio.create_task(threads.decode(frames, HEAVY, within))
        await settled()
        assert begun.is_set()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert stopped.wait(5)


async def test_stuck_decodes_give_their_slots_to_others_up_to_a_limit() -> None:
    with runner(cores=1, budget=10**9) as (threads, stuck):
        for _ in range(MAX_ABANDONED):
            task = asyncio.create_task(threads.decode(stuck.work("stuck"), HEAVY, within))
            await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.wait([task])
        last = asyncio.create_task(threads.decode(stuck.work("last"), HEAVY, within))
        await settled()
        last.cancel()
        await asyncio.wait([last])
        waiting = asyncio.create_task(threads.decode(lambda _: "next", HEAVY, within))
        await settled()
        assert not waiting.done()
        stuck.go_on.set()
        assert await asyncio.wait_for(waiting, 5) == "next"


async def test_a_slow_light_image_does_not_delay_others() -> None:
    with runner(cores=1, long=0.05) as (threads, stuck):
        slow = asyncio.create_task(threads.decode(stuck.work("slow"), LIGHT, within))
        await settled()
        assert await asyncio.wait_for(threads.decode(lambda _: "next", LIGHT, within), 5) == "next"
        stuck.go_on.set()
        assert await slow == "slow"


async def test_an_error_of_a_decode_is_raised_where_it_is_awaited() -> None:
    def fail(_: Checkpoint) -> None:
        raise KeyError("x")

    with runner() as (threads, _), pytest.raises(KeyError):
        await threads.decode(fail, HEAVY, within)


async def test_a_caller_that_stops_waiting_for_memory_does_not_block_others() -> None:
    with runner(cores=4) as (threads, stuck):
        first = asyncio.create_task(threads.decode(stuck.work("first"), DecodeLoad(600, 10**7), within))
        await settled()
        second = asyncio.create_task(threads.decode(stuck.work("second"), DecodeLoad(600, 10**7), within))
        third = asyncio.create_task(threads.decode(stuck.work("third"), DecodeLoad(50, 10**7), within))
        await settled()
        second.cancel()
        await settled()
        assert stuck.begun == ["first", "third"]
        stuck.go_on.set()
        await asyncio.gather(first, third)


def test_a_caller_without_an_event_loop_can_stop_waiting() -> None:
    thread, stuck = DecodeThread(), Stuck()
    assert thread.run(stuck.work("stuck"), seconds=0.05) is None
    stuck.go_on.set()
    assert thread.run(lambda _: 7) == 7
    with pytest.raises(DecodingStopped):
        thread.run(stop)
    thread.close()


def stop(_: Checkpoint) -> None:
    raise DecodingStopped


def test_memory_is_shared_by_callers_with_and_without_a_loop() -> None:
    memory, order = DecodeMemory(), []
    entered, leave = threading.Event(), threading.Event()

    def first() -> None:
        with memory.taken(HEAVY, 400):
            entered.set()
            leave.wait(20)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    assert entered.wait(5)
    assert not memory.take(HEAVY, 400, never_stop)
    assert memory.take(HEAVY, 800, never_stop)  # another budget has room
    memory.give(HEAVY, 800)
    leave.set()
    with memory.taken(HEAVY, 400):
        order.append("second")
    thread.join()
    assert (order, memory.used) == (["first", "second"], 0)


def eventually(condition: Callable[[], bool]) -> bool:
    for _ in range(500):
        if condition():
            return True
        time.sleep(0.01)
    return False


async def test_work_is_awaited_however_often_its_caller_is_cancelled() -> None:
    runner, begun, go_on, ended = DecodeExecutor(1_000_000), threading.Event(), threading.Event(), []

    def work() -> None:
        begun.set()
        go_on.wait(10)
        ended.append(1)
        raise NetworkError(ErrorKind.RESET, "dropped")

    with no_unretrieved_errors():
        task = asyncio.create_task(runner.run(work))
        while not begun.is_set():
            await asyncio.sleep(0)
        for _ in range(3):
            task.cancel()
            for _ in range(3):
                await asyncio.sleep(0)
        assert not task.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended
    runner.close()
