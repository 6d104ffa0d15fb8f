"""Single flight: callers share one task, which ends when the last of them has left."""

from __future__ import annotations

import asyncio

import pytest

from imgfetch.engine.single_flight import SingleFlight
from imgfetch.errors import NetworkError
from imgfetch.model.result import ErrorKind
from tasks import no_unretrieved_errors

pytestmark = pytest.mark.anyio


async def test_the_task_goes_on_when_one_of_its_callers_leaves() -> None:
    shared: SingleFlight[str] = SingleFlight()
    go_on = asyncio.Event()
    starts = 0

    async def work() -> str:
        nonlocal starts
        starts += 1
        await go_on.wait()
        return "done"

    first, second = (asyncio.create_task(shared.run("x", work)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    go_on.set()
    assert await second == "done"
    assert starts == 1


async def test_a_caller_that_comes_back_does_not_share_a_task_that_has_ended() -> None:
    """Even while the task has callers that were not resumed yet: the first one came back for ever."""
    shared: SingleFlight[int] = SingleFlight()
    starts = 0

    async def work() -> int:
        nonlocal starts
        starts += 1
        await asyncio.sleep(0)
        return starts

    async def call() -> tuple[int, int]:
        return await shared.run("x", work), await shared.run("x", work)

    assert [*await asyncio.gather(call(), call(), call())] == [(1, 2)] * 3
    assert not shared.is_running("x")


async def test_a_task_without_callers_is_cancelled_and_a_new_one_can_start() -> None:
    shared: SingleFlight[str] = SingleFlight()
    ended: list[str] = []

    async def work() -> str:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("ended")
        return "done"

    task = asyncio.create_task(shared.run("x", work))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["ended"]

    async def at_once() -> str:
        return "there"

    assert await shared.run("x", at_once) == "there"


async def test_a_caller_that_comes_during_the_closing_does_not_wait_for_ever() -> None:
    shared: SingleFlight[str] = SingleFlight()

    async def work() -> str:
        return "done"

    callers = asyncio.create_task(shared.run("x", work))
    closing = asyncio.create_task(shared.close())
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(callers, 5)
    await closing


async def test_a_caller_that_is_cancelled_twice_gets_no_error_of_the_task() -> None:
    shared: SingleFlight[str] = SingleFlight()
    may_end = asyncio.Event()

    async def work() -> str:
        try:
            await asyncio.sleep(60)
        finally:
            await may_end.wait()
            raise NetworkError(ErrorKind.RESET, "while it is cancelled")

    with no_unretrieved_errors():
        task = asyncio.create_task(shared.run("x", work))
        await asyncio.sleep(0.01)
        for _ in range(2):
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await task
        may_end.set()
        await asyncio.sleep(0.01)


async def test_an_error_of_a_cancelled_task_is_dropped() -> None:
    shared: SingleFlight[str] = SingleFlight()

    async def work() -> str:
        try:
            await asyncio.sleep(60)
        finally:
            raise NetworkError(ErrorKind.RESET, "while it is cancelled")

    with no_unretrieved_errors():
        task = asyncio.create_task(shared.run("x", work))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_an_error_that_comes_as_the_last_caller_leaves_is_dropped() -> None:
    shared: SingleFlight[str] = SingleFlight()
    go_on = asyncio.Event()

    async def work() -> str:
        await go_on.wait()
        raise NetworkError(ErrorKind.RESET, "too late")

    with no_unretrieved_errors():
        task = asyncio.create_task(shared.run("x", work))
        await asyncio.sleep(0.01)
        go_on.set()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_the_cleanup_of_a_cancelled_task_is_not_interrupted() -> None:
    shared: SingleFlight[None] = SingleFlight()
    ended: list[str] = []

    async def work(what: str, steps: int) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            for _ in range(steps):
                await asyncio.sleep(0)
            ended.append(what)

    callers = [
        asyncio.create_task(shared.run(what, lambda what=what, steps=steps: work(what, steps)))  # type: ignore[misc]
        for what, steps in (("x", 3), ("y", 20))
    ]
    await asyncio.sleep(0.01)
    closing = asyncio.create_task(shared.close())
    await asyncio.sleep(0)
    callers[1].cancel()
    await closing
    assert ended == ["x", "y"]
    await asyncio.wait(callers)


async def test_closing_ends_all_tasks_and_no_task_starts_afterwards() -> None:
    shared: SingleFlight[str] = SingleFlight()
    ended: list[str] = []

    async def work() -> str:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            ended.append("ended")
        return "done"

    callers = [asyncio.create_task(shared.run(what, work)) for what in "xxy"]
    await asyncio.sleep(0.01)
    await shared.close()
    assert ended == ["ended", "ended"]
    for late in (shared.run("x", work), shared.run("z", work)):
        with pytest.raises(asyncio.CancelledError):
            await late
    assert all(
        isinstance(e, asyncio.CancelledError) for e in await asyncio.gather(*callers, return_exceptions=True)
    )
    assert ended == ["ended", "ended"]
