"""Concurrent work on many items: the window, the order, and the end."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from itertools import count
from typing import TYPE_CHECKING

import pytest

from imgfetch.engine.concurrency import iterate, map_as_completed, map_ordered
from imgfetch.errors import NetworkError
from imgfetch.model.result import ErrorKind
from tasks import no_unretrieved_errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.anyio


class Sleepers:
    """Work that takes the seconds that it is given, and counts how much of it is under way at once."""

    def __init__(self) -> None:
        self.under_way = self.most = 0

    async def work(self, seconds: float) -> float:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(seconds)
        self.under_way -= 1
        return seconds


async def test_results_come_as_they_finish_and_no_more_than_a_window_is_under_way() -> None:
    sleepers = Sleepers()
    done = [result async for result in map_as_completed([0.05, 0.0, 0.0, 0.0], sleepers.work, window=2)]
    assert done == [0.0, 0.0, 0.0, 0.05]
    assert sleepers.most == 2


async def test_ordered_results_come_in_the_order_of_the_items() -> None:
    sleepers = Sleepers()
    assert await map_ordered([0.05, 0.0, 0.02, 0.0], sleepers.work, window=2) == [0.05, 0.0, 0.02, 0.0]
    assert sleepers.most == 2
    assert await map_ordered([], sleepers.work, window=2) == []


async def test_an_endless_source_is_read_only_as_far_as_needed() -> None:
    drawn = 0

    def source() -> AsyncIterator[int]:
        async def numbers() -> AsyncIterator[int]:
            nonlocal drawn
            for number in count():
                drawn += 1
                yield number

        return numbers()

    async def work(number: int) -> int:
        await asyncio.sleep(0)
        return number

    results = map_as_completed(source(), work, window=4)
    first = [await anext(results) for _ in range(20)]
    await results.aclose()
    assert len(first) == 20
    assert drawn < 40


async def test_work_under_way_is_cancelled_when_the_consumer_stops() -> None:
    cancelled: list[int] = []

    async def work(number: int) -> int:
        try:
            await asyncio.sleep(60 if number else 0.01)
        except asyncio.CancelledError:
            cancelled.append(number)
            raise
        return number

    results = map_as_completed(range(3), work, window=3)
    assert await anext(results) == 0
    await results.aclose()
    assert sorted(cancelled) == [1, 2]


async def test_one_of_several_errors_is_raised_and_the_others_are_retrieved() -> None:
    go_on = asyncio.Event()

    async def work(number: int) -> int:
        try:
            await go_on.wait()
        finally:
            raise NetworkError(ErrorKind.RESET, f"gone {number}")

    with no_unretrieved_errors():
        asyncio.get_running_loop().call_later(0.01, go_on.set)
        with pytest.raises(NetworkError):
            async for _ in map_as_completed(range(5), work, window=64):
                pass


async def test_an_asynchronous_source_is_closed_when_the_consumer_stops() -> None:
    closed: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            for number in count():
                yield number
        finally:
            await asyncio.sleep(0)
            closed.append("asynchronous")

    async def work(number: int) -> int:
        await asyncio.sleep(0)
        return number

    for source in (numbers(), iterate(numbers()), iterate(iterate(numbers()))):
        closed.clear()
        results = map_as_completed(source, work, window=2)
        await anext(results)
        await results.aclose()
        assert closed == ["asynchronous"]


async def test_a_plain_generator_is_left_open() -> None:
    async def work(number: int) -> int:
        return number

    numbers = (number for number in range(9))
    drawn = iterate(numbers)
    assert await anext(drawn) == 0
    await drawn.aclose()
    assert next(numbers) == 1
    for at_once in (lambda number: number, lambda _: None):
        results = map_as_completed(numbers, work, window=1, at_once=at_once)
        first = await anext(results)
        await results.aclose()
        assert next(numbers) == first + 1


async def test_results_at_once_let_other_tasks_run() -> None:
    """They do not wait for the work under way, either."""
    turns = 0

    async def work(_: int) -> int:
        nonlocal turns
        while turns < 5:
            turns += 1
            await asyncio.sleep(0)
        return -1

    numbers = iter(range(10_000))
    results = map_as_completed(numbers, work, window=2, at_once=lambda number: number or None)
    answered = [number async for number in results]
    assert answered.index(-1) < 1000
    assert sorted(answered) == [-1, *range(1, 10_000)]


async def test_work_begins_before_all_items_are_drawn() -> None:
    begun: list[int] = []
    drawn = 0

    def numbers() -> Iterator[int]:
        nonlocal drawn
        for number in range(1, 200):
            drawn = number
            yield number

    async def work(number: int) -> int:
        begun.append(drawn - number)
        await asyncio.sleep(0)
        return number

    async with aclosing(map_as_completed(numbers(), work, window=100)) as results:
        assert sorted([number async for number in results]) == [*range(1, 200)]
    assert max(begun) < 10
