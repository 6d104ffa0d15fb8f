"""Many things to do, a few at a time: results as they come, memory bounded by the few."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable

T = TypeVar("T")
R = TypeVar("R")


async def many(
    items: AsyncIterable[T],
    work: Callable[[T], Coroutine[Any, Any, R]],
    *,
    window: int,
    at_once: Callable[[T], R | None] = lambda _: None,
) -> AsyncGenerator[R, None]:
    """Yield what `work` makes of each item, as it finishes; at most `window` are under way.

    `at_once` may answer for an item that needs no waiting. Where the consumer stops, or anything raises,
    what is under way is cancelled and waited for, and a generator that the items come from is closed.
    """
    async with _drawing_from(items) as source:
        coming: list[asyncio.Future[T]] = [asyncio.ensure_future(_next(source))]
        under_way: set[asyncio.Future[R]] = set()
        try:
            while coming or under_way:
                waiting: list[asyncio.Future[Any]] = [*under_way]
                waiting += coming if len(under_way) < window else ()
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if coming and coming[0].done():
                    try:
                        item = coming.pop().result()
                    except StopAsyncIteration:
                        continue
                    coming.append(asyncio.ensure_future(_next(source)))
                    answer = at_once(item)
                    if answer is None:
                        under_way.add(asyncio.ensure_future(work(item)))
                    else:
                        yield answer
                for task in [task for task in under_way if task.done()]:
                    under_way.remove(task)
                    yield task.result()
        finally:
            left: set[asyncio.Future[Any]] = {*coming, *under_way}
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)


async def each(items: Iterable[T] | AsyncIterable[T]) -> AsyncGenerator[T, None]:
    """The items of either kind of iterable, asynchronously. Closes an asynchronous generator with itself.

    A plain one stays its owner's, and if it has none, it is closed as soon as we let go of it; what is
    asynchronous would be closed some time later, by the event loop.
    """
    if isinstance(items, AsyncIterable):
        async with _drawing_from(items) as source:
            async for item in source:
                yield item
    else:
        for item in items:
            yield item


@asynccontextmanager
async def _drawing_from(items: AsyncIterable[T]) -> AsyncIterator[AsyncIterator[T]]:
    source = aiter(items)
    try:
        yield source
    finally:
        if isinstance(source, AsyncGenerator):
            await source.aclose()


async def _next(source: AsyncIterator[T]) -> T:
    return await anext(source)
