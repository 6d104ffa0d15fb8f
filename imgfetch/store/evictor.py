"""Keeps a cache within its bounds while it is filled, in a thread of its own.

keep ─▶ nudge ── above the bound? ─▶ thread: doomed ─▶ evict, a hundred at a time ─▶ below it by a tenth
"""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.errors import CacheError
from imgfetch.model.result import ErrorKind
from imgfetch.rules.store.eviction import LOW_WATER, protected_since, select_victims

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.rules.store.eviction import Bounds, StoredObject
    from imgfetch.store.access_times import AccessTimes
    from imgfetch.store.index import Index

_BATCH = 100
"""Objects let go of in one transaction: other writers wait for as long as their deletion takes."""

_IN_VAIN = 60.0
"""Seconds to wait, after what may go did not suffice, before looking again."""


class Evicted(NamedTuple):
    """What went."""

    objects: int
    bytes: int


class Evictor:
    """Lets go of what `bounds` do not leave room for; `unlink` deletes a file, or declines to."""

    def __init__(
        self,
        index: Index,
        usage: AccessTimes,
        bounds: Bounds,
        unlink: Callable[[StoredObject], bool],
        elapsed: Callable[[], float],
    ) -> None:
        self._index = index
        self._usage = usage
        self._bounds = bounds
        self._unlink = unlink
        self._elapsed = elapsed
        self._starting = Lock()
        self._thread: Thread | None = None
        self._enough = Event()
        self._not_before = 0.0
        self._looked_for_age = False

    def nudge(self) -> None:
        """Something was kept: begin to evict, if that is called for and not under way."""
        with self._starting:
            if self._thread is not None and self._thread.is_alive():
                return
            if self._is_called_for():
                thread = Thread(target=self._evict, name="imgfetch-evictor", daemon=True)
                with suppress(RuntimeError):  # no more threads: some other time
                    thread.start()
                    self._thread, self._looked_for_age = thread, True

    def finish(self, *, early: bool = False) -> None:
        """Wait for what is under way; `early`: only for the batch, the rest is for another run."""
        if early:
            self._enough.set()
        thread, self._thread = self._thread, None
        if thread is None:
            return
        thread.join()
        if not early and self._over():
            self._evict()
            over = self._over()
            if over:
                self._index.notices.append(
                    f"the cache holds {over:,} bytes more than were allowed: the rest is pinned, or was used"
                    " by this run or a short while ago"
                )

    def _is_called_for(self) -> bool:
        if self._enough.is_set():
            return False
        if self._bounds.max_age is not None and not self._looked_for_age:
            return True
        return self._elapsed() >= self._not_before and self._over() > 0

    def _over(self) -> int:
        """How many bytes there are above the bound; 0 where that cannot be said."""
        limit = self._bounds.max_bytes
        if limit is not None:
            with suppress(CacheError, OSError):
                return max(0, self._index.total().bytes - limit)
        return 0

    def _evict(self) -> None:
        limit = self._bounds.max_bytes
        target = int(limit * LOW_WATER) if limit is not None and self._over() else None
        with suppress(CacheError, OSError):  # it is no reason to fail for what is being fetched
            self._usage.flush()
            now = self._usage.time()
            spared = protected_since(now, run_began=self._usage.began())
            self.evict(target=target, max_age=self._bounds.max_age, spared=spared, now=now)
        if self._over():
            self._not_before = self._elapsed() + _IN_VAIN

    def evict(self, *, target: int | None, max_age: float | None, spared: float, now: float) -> Evicted:
        """Let go of all that `rules.store.eviction.doomed` says, batch by batch."""
        by_use = self._index.by_use()
        objects = freed = 0
        while not self._enough.is_set():
            # The total is asked for anew: others may be evicting too, and what they take is not to go twice.
            going = select_victims(
                by_use,
                total=self._index.total().bytes,
                target=target,
                max_age=max_age,
                spared=spared,
                now=now,
            )
            batch = [*islice(going, _BATCH)]
            gone = self._let_go(batch)
            objects += len(gone)
            freed += sum(held.bytes for held in gone)
            if len(batch) < _BATCH:
                break
        return Evicted(objects, freed)

    def drop_files(self, bounds: Bounds, *, spared: float, now: float) -> None:
        """Delete the files of the first that go, on a disk so full that not even this can be written down.

        A missing object costs no more than its row.
        """
        total = self._index.total().bytes
        going = select_victims(
            self._index.by_use(),
            total=total,
            target=bounds.max_bytes,
            max_age=bounds.max_age,
            spared=spared,
            now=now,
        )
        for held in islice(going, _BATCH):
            self._unlink(held)

    def _let_go(self, batch: list[StoredObject]) -> list[StoredObject]:
        if not batch:
            return []
        try:
            return self._index.evict(batch, self._unlink)
        except CacheError as error:
            if error.kind is not ErrorKind.DISK_FULL:
                raise
        for held in batch:
            self._unlink(held)
        return self._index.evict(batch, self._unlink)
