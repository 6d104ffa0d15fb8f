"""The client: sources in, images out.

    source ─▶ read ─▶ choose ─▶ held? ──yes──▶ Image
                                  └──no──▶ engine ─▶ Image | Failure

What the cache holds is answered without the engine: a warm run imports neither network code nor Pillow.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Self, Unpack

import imgfetch
from imgfetch.adapters.clock import SystemClock
from imgfetch.adapters.disk import DiskStore
from imgfetch.api.errands import Choosing, Errand, errands_of, first_choice, parse_digest
from imgfetch.api.values import Failure, Image
from imgfetch.engine.held import held
from imgfetch.errors import error_for
from imgfetch.model import Level, Limits, Settings

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
    from imgfetch.model import Choice, Digest


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
    choice, digest = first_choice(source, **choosing), parse_digest(sha256)
    image = client.held(choice, sha256=digest)
    if image is not None:
        return image
    import asyncio

    async def run() -> Image | Failure:
        async with client:
            return await client.bring(choice, sha256=digest)

    return _image_or_raise(asyncio.run(run()))


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
        choice, digest = first_choice(source, **choosing), parse_digest(sha256)
        image = self.held(choice, sha256=digest)
        return image or _image_or_raise(await self.bring(choice, sha256=digest))

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
        async with aclosing(many(each(errands), self._run, window=window, at_once=self._at_once)) as outcomes:
            async for outcome in outcomes:
                yield outcome

    def held(self, choice: Choice, *, sha256: Digest | None = None) -> Image | None:
        """Serve a choice from the cache; None where a request is needed. Raises `CacheError`."""
        now = SystemClock().now()
        served = held(choice, self._store, self._settings, now=now, sha256=sha256)
        return None if served is None else Image.of(served)

    async def bring(self, choice: Choice, *, sha256: Digest | None = None) -> Image | Failure:
        """Serve a choice, over the network where it must be. Raises `CacheError`."""
        if self._assembly is None:
            from imgfetch.adapters.http import Network
            from imgfetch.api.assembly import Assembly

            self._assembly = Assembly(self._store, self._settings, Network(*self._network), self._observe)
        outcome = await self._assembly.engine.bring(choice, sha256=sha256)
        return outcome if isinstance(outcome, Failure) else Image.of(outcome)

    def _at_once(self, errand: Errand) -> Image | Failure | None:
        if isinstance(errand.choice, Failure):
            return errand.sign(errand.choice)
        image = self.held(errand.choice, sha256=errand.sha256)
        return None if image is None else errand.sign(image)

    async def _run(self, errand: Errand) -> Image | Failure:
        assert not isinstance(errand.choice, Failure)  # noqa: S101 (it was answered at once)
        return errand.sign(await self.bring(errand.choice, sha256=errand.sha256))


def _image_or_raise(outcome: Image | Failure) -> Image:
    if isinstance(outcome, Failure):
        raise error_for(outcome)
    return outcome
