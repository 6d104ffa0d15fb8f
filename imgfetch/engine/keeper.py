"""Group commit: what is proved soon after a batch was begun waits for the next, and shares its syncs.

    keep ─▶ waiting ─▶ a batch ─▶ store.keep_all, elsewhere ─▶ each its Entry, or its CacheError
               ▲                            │
               └── what comes meanwhile ◀───┘

Who comes alone is kept at once; after a batch of several the next begins a hundredth of a second later.
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
"""Seconds from the beginning of a batch of several to that of the next: a sync costs CPU time on any disk."""


class Keeper:
    """Keeps what many exchanges have proved."""

    def __init__(self, store: Store, runner: Runner) -> None:
        self._store = store
        self._runner = runner
        self._waiting: dict[asyncio.Future[Entry], Filing] = {}
        self._working: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        """Set for the next batch, where one is to begin."""
        self._next = 0.0
        """When one may begin, in the time of the loop."""

    async def keep(self, filing: Filing) -> Entry:
        """Keep one rendition. Raises `CacheError`. Who is cancelled waits until nobody has its ticket."""
        kept: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        self._waiting[kept] = filing
        self._plan()
        try:
            return await asyncio.shield(kept)
        except asyncio.CancelledError:
            if self._waiting.pop(kept, None) is None:
                while not kept.done():
                    with suppress(asyncio.CancelledError):
                        await asyncio.wait([kept])
                kept.exception()  # nobody is there to hear of it
            raise

    def _plan(self) -> None:
        """See to it that a batch begins, unless one is under way: that one's end will."""
        if self._waiting and self._working is None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(self._next, self._begin)

    def _begin(self) -> None:
        self._timer = None
        batch = {kept: self._waiting.pop(kept) for kept in [*self._waiting][:_MOST]}
        if batch:  # who waited may have left
            self._next = asyncio.get_running_loop().time() + _APART if len(batch) > 1 else 0.0
            self._working = asyncio.create_task(self._keep_all(batch))

    async def _keep_all(self, batch: dict[asyncio.Future[Entry], Filing]) -> None:
        try:
            outcomes = await self._runner.run(partial(self._store.keep_all, [*batch.values()]))
        except BaseException as error:
            for kept in batch:
                kept.set_exception(error)
            if not isinstance(error, Exception):
                raise
        else:
            for kept, outcome in zip(batch, outcomes, strict=True):
                kept.set_exception(outcome) if isinstance(outcome, Exception) else kept.set_result(outcome)
        finally:
            self._working = None
            self._plan()
