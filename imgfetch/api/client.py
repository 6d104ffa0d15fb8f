"""The client: sources in, images out.

    source ─▶ read ─▶ choose ─▶ held? ──yes──▶ Image
                                  └──no──▶ engine ─▶ Image | Failure

What the cache holds is answered without the engine: a warm run imports neither network code nor Pillow.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Self, Unpack

import imgfetch
from imgfetch.adapters.clock import SystemClock
from imgfetch.adapters.disk import DiskStore
from imgfetch.api.errands import Choosing, Errand, errands_of, errands_of_page, parse_digest
from imgfetch.api.values import Failure, Image
from imgfetch.engine.held import held
from imgfetch.errors import error_for
from imgfetch.model import Level, Limits, Served, Settings

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterable,
        AsyncIterator,
        Callable,
        Collection,
        Iterable,
        Mapping,
    )
    from pathlib import Path
    from types import TracebackType

    import httpx

    from imgfetch.api.assembly import Assembly
    from imgfetch.api.sources import Source
    from imgfetch.engine.events import Event
    from imgfetch.engine.one import Engine


def fetch(
    source: Source,
    *,
    cache: str | Path = "cache",
    sha256: str | None = None,
    limits: Limits | None = None,
    allow_hosts: Collection[str] = (),
    **choosing: Unpack[Choosing],
) -> Image:
    """Fetch the first image that `source` offers, for scripts: blocks until it is on disk.

    For everything else that can be set there is `Client`. Raises `ImgfetchError`; its `kind` says why.
    """
    client = Client(cache, limits=limits, allow_hosts=allow_hosts)
    errand = _first(source, sha256, choosing)
    held = client.at_once(errand)
    if held is not None:
        return _image_or_raise(held[0])
    import asyncio

    async def run() -> list[Image | Failure]:
        async with client:
            return await client.settle(errand)

    return _image_or_raise(asyncio.run(run())[0])


class Client:
    """Fetches images into a cache. An async context manager: one for a run, on one event loop.

    `limits` bound every fetch. `verify` is how much is proved before a file is kept: `structure`, or `full`
    with a decode of every frame. `headers` go to the origin asked for and to no other. `refresh` asks the
    origin even for what is held; `offline` asks nobody. `allow_hosts` names internal hosts, addresses or
    networks that may be contacted. `transport` replaces the network stack, address guard included.
    `observe` is called with every event on the way (`imgfetch.engine.events`).
    """

    def __init__(
        self,
        cache: str | Path = "cache",
        *,
        limits: Limits | None = None,
        verify: Level | str = Level.FULL,
        strict_width: bool = False,
        expect_width: int | None = None,
        user_agent: str | None = None,
        headers: Mapping[str, str] | None = None,
        refresh: bool = False,
        offline: bool = False,
        allow_hosts: Collection[str] = (),
        proxy: str | None = None,
        ca_bundle: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        observe: Callable[[Event], None] | None = None,
    ) -> None:
        self._settings = Settings(
            limits=limits or Limits(),
            level=Level(verify),
            strict_width=strict_width,
            expect_width=expect_width,
            user_agent=user_agent or f"imgfetch/{imgfetch.__version__}",
            headers=tuple((headers or {}).items()),
            refresh=refresh,
            offline=offline,
        )
        self._network = (tuple(allow_hosts), proxy, ca_bundle, transport)
        self._observe = observe or (lambda _: None)
        self._store = DiskStore(cache)
        self._assembly: Assembly | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Drop connections, end threads, let go of the cache."""
        assembly, self._assembly = self._assembly, None
        if assembly is not None:
            await assembly.close()
        self._store.close()

    async def get(self, source: Source, *, sha256: str | None = None, **choosing: Unpack[Choosing]) -> Image:
        """Fetch the first image that `source` offers, in the rendition that `choosing` picks.

        `sha256` is the digest the file must have. Raises `ImgfetchError`; its `kind` says why.
        """
        errand = _first(source, sha256, choosing)
        return _image_or_raise((self.at_once(errand) or await self.settle(errand))[0])

    async def get_many(
        self, sources: Iterable[Source] | AsyncIterable[Source], **choosing: Unpack[Choosing]
    ) -> AsyncGenerator[Image | Failure, None]:
        """Fetch every image that the sources offer, and yield what becomes of each as it finishes.

        A source that cannot be read is a Failure too, and the rest goes on. Sources are drawn as they are
        needed, so there may be more of them than memory holds.
        """
        from imgfetch.engine.many import each

        async def drawn() -> AsyncIterator[Errand]:
            index = 0
            async for source in each(sources):
                for errand in errands_of(source, index, **choosing):
                    yield errand
                index += 1

        async with aclosing(self.run(drawn())) as outcomes:
            async for outcome in outcomes:
                yield outcome

    async def run(
        self, errands: Iterable[Errand] | AsyncIterable[Errand]
    ) -> AsyncGenerator[Image | Failure, None]:
        """Yield what becomes of each errand, as it finishes."""
        from imgfetch.engine.many import each, many

        window = max(64, 2 * self._settings.limits.jobs)
        settled = many(each(errands), self.settle, window=window, at_once=self.at_once)
        async with aclosing(settled) as batches:
            async for batch in batches:
                for outcome in batch:
                    yield outcome

    def at_once(self, errand: Errand) -> list[Image | Failure] | None:
        """What becomes of an errand, if that needs no request. Raises `CacheError`."""
        if isinstance(errand.choice, Failure):
            return [errand.sign(errand.choice)]
        now = SystemClock().now()
        served = held(errand.choice, self._store, self._settings, now=now, sha256=errand.sha256)
        return None if served is None else [errand.sign(Image.of(served))]

    async def settle(self, errand: Errand) -> list[Image | Failure]:
        """What becomes of an errand, over the network where it must be; of a page, of all its images.

        Raises `CacheError`.
        """
        from asyncio import gather

        if isinstance(errand.choice, Failure):
            return [errand.sign(errand.choice)]
        outcome = await self._engine().bring(errand.choice, sha256=errand.sha256, page=errand.may_be_a_page)
        match outcome:
            case Served():
                return [errand.sign(Image.of(outcome))]
            case Failure():
                return [errand.sign(outcome)]
            case page:
                batches = await gather(*map(self.settle, errands_of_page(errand, page)))
                return [outcome for batch in batches for outcome in batch]

    def _engine(self) -> Engine:
        if self._assembly is None:
            from imgfetch.adapters.http import Network
            from imgfetch.api.assembly import Assembly

            self._assembly = Assembly(self._store, self._settings, Network(*self._network), self._observe)
        return self._assembly.engine


def _first(source: Source, sha256: str | None, choosing: Choosing) -> Errand:
    return replace(next(errands_of(source, 0, **choosing)), sha256=parse_digest(sha256))


def _image_or_raise(outcome: Image | Failure) -> Image:
    if isinstance(outcome, Failure):
        raise error_for(outcome)
    return outcome
