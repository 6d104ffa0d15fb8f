"""Concurrent work on many items, a few at a time: memory is bounded by the few."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable

T = TypeVar("T")
R = TypeVar("R")


async def map_as_completed(
    items: Iterable[T] | AsyncIterable[T],
    work: Callable[[T], Coroutine[Any, Any, R]],
    *,
    window: int,
    at_once: Callable[[T], R | None] = lambda _: None,
) -> AsyncGenerator[R, None]:
    """Yield the result of `work` for each item, as it finishes; at most `window` are under way.

    `at_once` may return the result of an item that needs no waiting. Where the consumer stops, or anything
    raises, the work under way is cancelled and awaited, and an asynchronous generator of the items is closed.
    """
    source: _AsyncSource[T] | _IterableSource[T] = (
        _AsyncSource(items) if isinstance(items, AsyncIterable) else _IterableSource(items)
    )
    under_way: set[asyncio.Task[R]] = set()
    finished: deque[asyncio.Task[R]] = deque()
    changed = asyncio.Event()
    returned = 0

    def finish(task: asyncio.Task[R]) -> None:
        finished.append(task)
        changed.set()

    async with aclosing(source):
        try:
            while source.has_more or under_way:
                wants_item = source.has_more and len(under_way) < window
                if wants_item and source.is_ready:
                    try:
                        item = source.take()
                    except StopAsyncIteration:
                        continue
                    answer = at_once(item)
                    if answer is None:
                        task = asyncio.create_task(work(item))
                        task.add_done_callback(finish)
                        under_way.add(task)
                        returned += _WORK_BEGUN
                    else:
                        yield answer
                        returned += 1
                    if returned >= _MAX_RETURNED:
                        returned = 0
                        await asyncio.sleep(0)
                else:
                    if wants_item:
                        source.request(changed.set)
                    await changed.wait()
                    changed.clear()
                while finished:
                    task = finished.popleft()
                    under_way.remove(task)
                    yield task.result()
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)


async def map_ordered(
    items: Iterable[T], work: Callable[[T], Coroutine[Any, Any, R]], *, window: int
) -> list[R]:
    """Return the results of `work` for all items, in their order; at most `window` are under way."""

    async def numbered(item: tuple[int, T]) -> tuple[int, R]:
        return item[0], await work(item[1])

    async with aclosing(map_as_completed(enumerate(items), numbered, window=window)) as results:
        by_position = {position: result async for position, result in results}
    return [by_position[position] for position in range(len(by_position))]


_MAX_RETURNED, _WORK_BEGUN = 64, 8
"""Results returned at once after which the event loop runs other tasks; and the results that the beginning
of one item's work counts for, so that work begins before all items are drawn."""


class _IterableSource(Generic[T]):
    """Items of a plain iterable: the next one is always there. A generator is left open."""

    is_ready = True

    def __init__(self, items: Iterable[T]) -> None:
        self._items = iter(items)
        self.has_more = True

    def take(self) -> T:
        for item in self._items:
            return item
        self.has_more = False
        raise StopAsyncIteration

    def request(self, notify: Callable[[], None]) -> None:
        raise AssertionError("the next item is ready")

    async def aclose(self) -> None:
        """Do nothing: there is nothing to release."""


class _AsyncSource(Generic[T]):
    """Items of an asynchronous iterable, which may have to be awaited."""

    def __init__(self, items: AsyncIterable[T]) -> None:
        self.items = aiter(items)
        self._next_item: asyncio.Future[T] | None = None
        self.has_more = True

    @property
    def is_ready(self) -> bool:
        return self._next_item is not None and self._next_item.done()

    def request(self, notify: Callable[[], None]) -> None:
        """Request the next item, and call `notify` when it is there."""
        if self._next_item is None:
            self._next_item = asyncio.ensure_future(_next(self.items))
            self._next_item.add_done_callback(lambda _: notify())

    def take(self) -> T:
        next_item, self._next_item = self._next_item, None
        assert next_item is not None  # noqa: S101 (it is ready)
        try:
            return next_item.result()
        except StopAsyncIteration:
            self.has_more = False
            raise

    async def aclose(self) -> None:
        if self._next_item is not None:
            self._next_item.cancel()
            await asyncio.gather(self._next_item, return_exceptions=True)
        if isinstance(self.items, AsyncGenerator):
            await self.items.aclose()


async def iterate(items: Iterable[T] | AsyncIterable[T]) -> AsyncGenerator[T, None]:
    """Yield the items of either kind of iterable. Closes an asynchronous generator with itself.

    A plain generator is left to its owner, or closed as soon as it is unreferenced; the event loop would
    close an asynchronous one some time later.
    """
    if isinstance(items, AsyncIterable):
        async with aclosing(_AsyncSource(items)) as source:
            async for item in source.items:
                yield item
    else:
        for item in items:
            yield item


async def _next(source: AsyncIterator[T]) -> T:
    return await anext(source)
