"""Group commit: bodies that are verified while a batch is committed form the next one, and share its syncs.

    commit ─▶ waiting ─▶ a batch ─▶ store.commit, elsewhere ─▶ each its Entry, or its CacheError
                 ▲                          │
                 └── what comes meanwhile ◀─┘

A store that is not durable has no sync to share: each body is committed by its caller.

A single body is committed at once. After a batch of several the next one begins a hundredth of a second later
or, while many keep coming, when there are enough. While other bodies are being verified, a batch waits for
them, for a twentieth of a second at most.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from imgfetch.rules.policy.stored_response import fresh_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imgfetch.model.image import Entry, PendingEntry
    from imgfetch.ports import Executor, Store

_MAX_BATCH = 128
"""Bodies in a batch: their files are open, and the index waits for all of them."""
_FULL_BATCH = 32
"""Bodies that are committed without waiting for more: in a larger batch each would cost hardly less."""
_MANY = 3
"""New bodies since the last check from which on it pays to wait for more. Where fewer come, the next requests
may be held up by the callers that wait here."""
_INTERVAL = 0.01
"""Seconds between two checks: a sync costs CPU time on any disk."""
_MAX_WAIT = 0.05
"""Seconds for which a verified body waits for those that are being verified."""


class GroupCommitter:
    """Commits verified bodies in batches."""

    def __init__(self, store: Store, runner: Executor) -> None:
        self._store = store
        self._runner = runner
        self._waiting: dict[_Outcome, PendingEntry] = {}
        self._batch: asyncio.Task[None] | None = None
        """The batch under way."""
        self._timer: asyncio.TimerHandle | None = None
        """The timer of the next check, where one is planned."""
        self._not_before = 0.0
        """The earliest time of the next batch, in the time of the loop."""
        self._was_shared = False
        """Whether the last batch had several bodies."""
        self._last_count = 0
        """Bodies that were waiting at the last check."""
        self._expected = 0
        """Bodies that are being verified."""
        self._waiting_since = 0.0
        """When the first of those that wait came, in the time of the loop."""

    @contextmanager
    def expecting(self) -> Iterator[None]:
        """Announce a body for as long as it is being verified: it will probably be committed next."""
        self._expected += 1
        try:
            yield
        finally:
            self._expected -= 1

    async def commit(self, pending: PendingEntry) -> Entry:
        """Commit one body, with the time until which it will answer for its key. Raises `CacheError`.

        A caller that is cancelled waits for the end of its batch, which uses its staged body until then.
        """
        if not self._store.is_durable:
            return _or_raise(self._store.commit([pending])[0])
        loop = asyncio.get_running_loop()
        committed: _Outcome = loop.create_future()
        if not self._waiting:
            self._waiting_since = loop.time()
        self._waiting[committed] = pending._replace(fresh_until=fresh_until(pending.entry))
        self._plan()
        try:
            outcome = await committed
        except asyncio.CancelledError:
            if self._waiting.pop(committed, None) is None:
                await self._end_of_batch()
            raise
        return _or_raise(outcome)

    async def _end_of_batch(self) -> None:
        """Wait for the end of the batch under way, however often the caller is cancelled."""
        batch = self._batch
        while batch is not None and not batch.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([batch])

    def _plan(self) -> None:
        """Plan a check, unless a batch is under way: its end plans one."""
        if self._waiting and self._batch is None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(self._not_before, self._check)

    def _check(self) -> None:
        """Begin a batch, unless more bodies are about to come."""
        self._timer = None
        count, loop = len(self._waiting), asyncio.get_running_loop()
        keep_coming = self._was_shared and self._last_count + _MANY <= count
        will_come = self._expected and loop.time() < self._waiting_since + _MAX_WAIT
        if count and count < _FULL_BATCH and (keep_coming or will_come):
            self._last_count = count
            self._timer = loop.call_later(_INTERVAL, self._check)
        elif count:  # callers may have left since it was planned
            batch = {each: self._waiting.pop(each) for each in [*self._waiting][:_MAX_BATCH]}
            self._waiting_since = loop.time()
            self._last_count = len(self._waiting)
            self._was_shared = len(batch) > 1
            self._not_before = loop.time() + _INTERVAL if self._was_shared else 0.0
            self._batch = loop.create_task(self._commit(batch))

    async def _commit(self, batch: dict[_Outcome, PendingEntry]) -> None:
        outcomes: Sequence[Entry | BaseException]
        try:
            outcomes = await self._runner.run(partial(self._store.commit, [*batch.values()]))
        except BaseException as error:
            outcomes = [error] * len(batch)
            if not isinstance(error, Exception):
                raise
        finally:
            for committed, outcome in zip(batch, outcomes, strict=True):
                if not committed.done():  # a cancelled caller waits for the end of the batch alone
                    committed.set_result(outcome)
            self._batch = None
            self._plan()


def _or_raise(outcome: Entry | BaseException) -> Entry:
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


_Outcome: TypeAlias = "asyncio.Future[Entry | BaseException]"
