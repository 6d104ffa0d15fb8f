"""Group commit: what is proved while others are being kept waits for the next batch, and shares its syncs.

    keep ─▶ waiting ─▶ a batch ─▶ store.keep_all, elsewhere ─▶ each its Entry, or its CacheError
               ▲                            │
               └── what comes meanwhile ◀───┘

Who comes alone is kept at once. After a batch of several the next begins a hundredth of a second later or,
while many keep coming, when there are enough.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgfetch.model.image import Entry, PendingEntry
    from imgfetch.ports import Executor, Store

_MOST = 128
"""Renditions in a batch: their files are open, and the index waits for all of them."""
_ENOUGH = 32
"""So many are kept without waiting for more: of a batch twice as large each would cost hardly less."""
_MANY = 3
"""From so many between two looks on it pays to wait for more. Where fewer come, those who wait here may be
what holds the next requests up."""
_APART = 0.01
"""Seconds between two looks: a sync costs CPU time on any disk."""


class GroupCommitter:
    """Keeps what many exchanges have proved."""

    def __init__(self, store: Store, runner: Executor) -> None:
        self._store = store
        self._runner = runner
        self._waiting: dict[_Outcome, PendingEntry] = {}
        self._working: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        """Of the next look at who is waiting, where there is to be one."""
        self._not_before = 0.0
        """When the next batch may begin, in the time of the loop."""
        self._shared = False
        """Whether there were several in the last one."""
        self._seen = 0
        """How many were waiting at the last look."""

    async def commit(self, filing: PendingEntry) -> Entry:
        """Keep one rendition. Raises `CacheError`. Who is cancelled waits until nobody has its ticket."""
        kept: _Outcome = asyncio.get_running_loop().create_future()
        self._waiting[kept] = filing
        self._plan()
        try:
            outcome = await kept
        except asyncio.CancelledError:
            if self._waiting.pop(kept, None) is None:
                await self._end_of_batch()
            raise
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    async def _end_of_batch(self) -> None:
        """Wait until the one under way has ended, however often we are cancelled."""
        working = self._working
        while working is not None and not working.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([working])

    def _plan(self) -> None:
        """See to it that somebody looks, unless a batch is under way: that one's end will."""
        if self._waiting and self._working is None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(self._not_before, self._look)

    def _look(self) -> None:
        """Begin a batch, unless many keep coming."""
        self._timer = None
        waiting, loop = len(self._waiting), asyncio.get_running_loop()
        if self._shared and self._seen + _MANY <= waiting < _ENOUGH:
            self._seen = waiting
            self._timer = loop.call_later(_APART, self._look)
        elif waiting:  # who waited may have left
            batch = {kept: self._waiting.pop(kept) for kept in [*self._waiting][:_MOST]}
            self._seen = len(self._waiting)
            self._shared = len(batch) > 1
            self._not_before = loop.time() + _APART if self._shared else 0.0
            self._working = loop.create_task(self._keep_all(batch))

    async def _keep_all(self, batch: dict[_Outcome, PendingEntry]) -> None:
        outcomes: Sequence[Entry | BaseException]
        try:
            outcomes = await self._runner.run(partial(self._store.commit, [*batch.values()]))
        except BaseException as error:
            outcomes = [error] * len(batch)
            if not isinstance(error, Exception):
                raise
        finally:
            for kept, outcome in zip(batch, outcomes, strict=True):
                if not kept.done():  # who was cancelled waits for the end alone
                    kept.set_result(outcome)
            self._working = None
            self._plan()


_Outcome: TypeAlias = "asyncio.Future[Entry | BaseException]"
