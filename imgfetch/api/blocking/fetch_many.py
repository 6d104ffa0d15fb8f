"""Many images for a script, without `await`: an iterator over an event loop in a thread.

    next ─▶ Client.get_many, in the thread ─▶ an outcome
    the caller's own thread draws the sources ◀─ one is wanted

Between two outcomes the loop continues the downloads that have begun, and draws no further source.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterable, Iterable
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from imgfetch.api.client import Client
from imgfetch.model.markup import Policy
from imgfetch.system.loop_thread import LoopThread, Wait

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Collection, Generator, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from imgfetch.api.results import Image
    from imgfetch.api.selection.choosing import Choosing
    from imgfetch.api.sources import Source
    from imgfetch.model.image import Format
    from imgfetch.model.markup import Viewport
    from imgfetch.model.result import Failure


def fetch_many(
    sources: Iterable[Source],
    *,
    width: int | None = None,
    viewport: Viewport | None = None,
    policy: Policy | str = Policy.COVER,
    formats: Collection[Format | str] | None = None,
    kinds: str | Collection[str] = "content",
    include: Collection[str] = (),
    exclude: Collection[str] = (),
    min_width: int | None = None,
    min_height: int | None = None,
    min_bytes: int | None = None,
    require_width: bool | int = False,
    base_url: str = "",
    cache: str | Path | None = "cache",
    **options: Any,  # noqa: ANN401 (those of Client)
) -> Generator[Image | Failure, None, None]:
    """Fetch every wanted image of the sources, for scripts; yield the outcome of each as it finishes.

    The keywords are those of `fetch`, `options` those of `Client`, and the outcomes those of
    `Client.get_many`. Sources are drawn in the caller's thread as outcomes are taken, so there may be more of
    them than memory holds. It works in any thread, also where an event loop is running, which waits
    meanwhile. `observe` is called in another thread.

    An iterator that is closed, dropped or interrupted cancels what is under way, and leaves no thread:
    `contextlib.closing` does that at a known time. Raises `InputError` for an unusable option at once, and
    `CacheError` where the cache cannot be used.
    """
    if isinstance(sources, str):
        raise TypeError("fetch_many takes several sources; a single one goes in a list")
    if isinstance(sources, AsyncIterable) or not isinstance(sources, Iterable):
        raise TypeError(f"fetch_many takes an iterable, and this is a {type(sources).__name__}")
    return _outcomes(
        Client(cache, **options),
        sources,
        {
            "width": width,
            "viewport": viewport,
            "policy": policy,
            "formats": formats,
            "kinds": kinds,
            "include": include,
            "exclude": exclude,
            "min_width": min_width,
            "min_height": min_height,
            "min_bytes": min_bytes,
            "require_width": require_width,
            "base_url": base_url,
        },
    )


def _outcomes(
    client: Client, sources: Iterable[Source], choosing: Choosing
) -> Generator[Image | Failure, None, None]:
    """Yield the outcomes of a client that serves an event loop in a thread."""
    inbox: SimpleQueue[Future[Image | Failure | None] | _DrawnByCaller] = SimpleQueue()
    # A list is there as a whole: the client looks up many of its sources together.
    listed = sources if isinstance(sources, list | tuple) else _DrawnByCaller(iter(sources), inbox)
    outcomes = client.get_many(listed, **choosing)
    wait, thread = Wait(), LoopThread("fetch_many")
    try:
        while True:
            step = thread.start(_next(outcomes))
            step.add_done_callback(inbox.put)
            try:
                while isinstance(message := wait.take(inbox), _DrawnByCaller):
                    message.draw()
            except BaseException:
                step.cancel()
                raise
            outcome = step.result()
            if outcome is None:
                return
            yield outcome
    finally:
        if not sys.is_finalizing():  # then the thread stands still, and would never end
            thread.end_with(_close(client, outcomes, sys.exc_info()[1]))


async def _next(outcomes: AsyncGenerator[Image | Failure, None]) -> Image | Failure | None:
    return await anext(outcomes, None)


async def _close(
    client: Client, outcomes: AsyncGenerator[Image | Failure, None], error: BaseException | None
) -> None:
    """Cancel the downloads that have begun, and close the client with the error that ended them."""
    try:
        with suppress(
            RuntimeError
        ):  # a step that was interrupted is still in it: the end of the loop closes it
            await outcomes.aclose()
    finally:
        await client.__aexit__(None if error is None else type(error), error, None)


_END: Final = object()
"""The end of the sources."""


class _DrawnByCaller:
    """The sources as the loop sees them: each is drawn by the caller, in the thread that may have opened it.

    A file or a database connection that belongs to the thread of the caller can be a source, and one that is
    slow does not hold up the loop.
    """

    def __init__(self, sources: Iterator[Source], inbox: SimpleQueue[Any]) -> None:
        self._sources = sources
        self._inbox = inbox
        self._wanted: asyncio.Future[Any] | None = None

    async def __aiter__(self) -> AsyncIterator[Source]:
        loop = asyncio.get_running_loop()
        while True:
            self._wanted = loop.create_future()
            self._inbox.put(self)
            source = await self._wanted
            if source is _END:
                return
            yield source

    def draw(self) -> None:
        """Draw one source, in the thread of the caller, and hand it to the loop."""
        wanted = self._wanted
        assert wanted is not None  # noqa: S101 (the loop has asked)
        try:
            source = next(self._sources, _END)
        except Exception as error:  # raised where the outcomes are awaited, after those before it
            wanted.get_loop().call_soon_threadsafe(_answer, wanted, None, error)
        else:
            wanted.get_loop().call_soon_threadsafe(_answer, wanted, source, None)


def _answer(wanted: asyncio.Future[Any], source: object, error: Exception | None) -> None:
    if wanted.done():  # cancelled
        return
    if error is None:
        wanted.set_result(source)
    else:
        wanted.set_exception(error)
