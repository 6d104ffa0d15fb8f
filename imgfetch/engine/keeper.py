"""Group commit: what is proved soon after a batch was begun waits for the next, and shares its syncs.

    keep ─▶ waiting ─▶ a batch ─▶ store.keep_all, elsewhere ─▶ each its Entry, or its CacheError
               ▲                            │
               └── what comes meanwhile ◀───┘

Who comes alone is kept at once. Batches that follow each other begin a hundredth of a second apart.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgfetch.model import Entry, Filing
    from imgfetch.ports import Runner, Store

_MOST = 128
"""Renditions in a batch: their files are open, and the index waits for all of them."""
_APART = 0.01
"""Seconds between the beginnings of two batches, on however quick a disk: a sync costs CPU time as well."""


class Keeper:
    """Keeps what many exchanges have proved."""

    def __init__(self, store: Store, runner: Runner) -> None:
        self._store = store
        self._runner = runner
        self._waiting: dict[asyncio.Future[Entry], Filing] = {}
        self._working: asyncio.Task[None] | None = None
        self._next = 0.0
        """When a batch may begin, in the time of the loop."""

    async def keep(self, filing: Filing) -> Entry:
        """Keep one rendition. Raises `CacheError`. Who is cancelled waits until nobody has its ticket."""
        kept: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        self._waiting[kept] = filing
        if self._working is None:
            self._working = asyncio.create_task(self._work())
        try:
            return await asyncio.shield(kept)
        except asyncio.CancelledError:
            if self._waiting.pop(kept, None) is None:
                while not kept.done():
                    with suppress(asyncio.CancelledError):
                        await asyncio.wait([kept])
                kept.exception()  # nobody is there to hear of it
            raise

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                await asyncio.sleep(self._next - loop.time())
                self._next = loop.time() + _APART
                await self._keep_all({kept: self._waiting.pop(kept) for kept in [*self._waiting][:_MOST]})
        finally:
            self._working = None

    async def _keep_all(self, batch: dict[asyncio.Future[Entry], Filing]) -> None:
        try:
            outcomes = await self._runner.run(partial(self._store.keep_all, [*batch.values()]))
        except BaseException as error:
            for kept in batch:
                kept.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for kept, outcome in zip(batch, outcomes, strict=True):
            kept.set_exception(outcome) if isinstance(outcome, Exception) else kept.set_result(outcome)
