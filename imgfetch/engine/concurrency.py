"""Many things to do, a few at a time: results as they come, memory bounded by the few."""

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
    size: Callable[[T], int] = lambda _: 1,
) -> AsyncGenerator[R, None]:
    """Yield what `work` makes of each item, as it finishes; at most `window` are under way.

    `at_once` may answer for an item that needs no waiting, and `size` says for how many such an item stands.
    Where the consumer stops, or anything raises, what is under way is cancelled and waited for, and a
    generator that the items come from is closed.
    """
    source: _Waiting[T] | _Ready[T] = _Waiting(items) if isinstance(items, AsyncIterable) else _Ready(items)
    under_way: set[asyncio.Task[R]] = set()
    finished: deque[asyncio.Task[R]] = deque()
    news = asyncio.Event()
    stretch = 0

    def finish(task: asyncio.Task[R]) -> None:
        finished.append(task)
        news.set()

    async with aclosing(source):
        try:
            while source.has_more or under_way:
                drawing = source.has_more and len(under_way) < window
                if drawing and source.is_there:
                    try:
                        item = source.take()
                    except StopAsyncIteration:
                        continue
                    answer = at_once(item)
                    if answer is None:
                        task = asyncio.create_task(work(item))
                        task.add_done_callback(finish)
                        under_way.add(task)
                        stretch += _BEGUN
                    else:
                        yield answer
                        stretch += size(item)
                    if stretch >= _STRETCH:
                        stretch = 0
                        await asyncio.sleep(0)
                else:
                    if drawing:
                        source.call(news.set)
                    await news.wait()
                    news.clear()
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
    """What `work` makes of all items, in their order; at most `window` are under way."""

    async def numbered(item: tuple[int, T]) -> tuple[int, R]:
        return item[0], await work(item[1])

    async with aclosing(map_as_completed(enumerate(items), numbered, window=window)) as results:
        made = {place: result async for place, result in results}
    return [made[place] for place in range(len(made))]


_STRETCH, _BEGUN = 64, 8
"""Items answered at once after which the event loop gets a turn, for whatever else runs on it; and for how
many of them one counts for which work begins, so that it is under way before all others are drawn."""


class _Ready(Generic[T]):
    """Items of a plain iterable: the next one is always there. A generator stays its owner's."""

    is_there = True

    def __init__(self, items: Iterable[T]) -> None:
        self._items = iter(items)
        self.has_more = True

    def take(self) -> T:
        for item in self._items:
            return item
        self.has_more = False
        raise StopAsyncIteration

    def call(self, news: Callable[[], None]) -> None:
        raise AssertionError("it is there")

    async def aclose(self) -> None:
        """There is nothing to let go of."""


class _Waiting(Generic[T]):
    """Items of an asynchronous iterable, which may have to be waited for."""

    def __init__(self, items: AsyncIterable[T]) -> None:
        self.items = aiter(items)
        self._coming: asyncio.Future[T] | None = None
        self.has_more = True

    @property
    def is_there(self) -> bool:
        return self._coming is not None and self._coming.done()

    def call(self, news: Callable[[], None]) -> None:
        """Wait for the next one, and say when it is there."""
        if self._coming is None:
            self._coming = asyncio.ensure_future(_next(self.items))
            self._coming.add_done_callback(lambda _: news())

    def take(self) -> T:
        coming, self._coming = self._coming, None
        assert coming is not None  # noqa: S101 (it is there)
        try:
            return coming.result()
        except StopAsyncIteration:
            self.has_more = False
            raise

    async def aclose(self) -> None:
        if self._coming is not None:
            self._coming.cancel()
            await asyncio.gather(self._coming, return_exceptions=True)
        if isinstance(self.items, AsyncGenerator):
            await self.items.aclose()


async def iterate(items: Iterable[T] | AsyncIterable[T]) -> AsyncGenerator[T, None]:
    """The items of either kind of iterable, asynchronously. Closes an asynchronous generator with itself.

    A plain one stays its owner's, and if it has none, it is closed as soon as we let go of it; what is
    asynchronous would be closed some time later, by the event loop.
    """
    if isinstance(items, AsyncIterable):
        async with aclosing(_Waiting(items)) as source:
            async for item in source.items:
                yield item
    else:
        for item in items:
            yield item


async def _next(source: AsyncIterator[T]) -> T:
    return await anext(source)
