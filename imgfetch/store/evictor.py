"""Eviction: a thread of its own, which holds a cache within its bounds while it is filled.

commit ─▶ nudge ── above the bound? ─▶ thread: select_victims ─▶ evict, 100 at a time ─▶ below it by a tenth
"""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import islice
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.errors import CacheError
from imgfetch.model.result import ErrorKind
from imgfetch.rules.store.eviction import GRACE, LOW_WATER, protected_since, select_victims

if TYPE_CHECKING:
    from imgfetch.ports import Clock
    from imgfetch.rules.store.eviction import Bounds, StoredObject
    from imgfetch.store.access_times import AccessTimes
    from imgfetch.store.index import Index
    from imgfetch.store.layout import Layout

_BATCH = 100
"""Objects evicted in one transaction: other writers wait for as long as their deletion takes."""

_RETRY_DELAY = 60.0
"""Seconds until the next eviction, after one that could not free enough."""


class Evicted(NamedTuple):
    """The number of objects that were evicted, and their bytes."""

    objects: int
    bytes: int


class Evictor:
    """Evicts the least recently used objects that exceed `bounds`."""

    def __init__(
        self, layout: Layout, index: Index, access_times: AccessTimes, bounds: Bounds, clock: Clock
    ) -> None:
        self._layout = layout
        self._index = index
        self._access_times = access_times
        self._bounds = bounds
        self._clock = clock
        self._starting = Lock()
        self._thread: Thread | None = None
        self._stop = Event()
        self._not_before = 0.0
        self._has_checked_age = False

    def nudge(self) -> None:
        """Start an eviction in the background, if one is needed and none is running."""
        with self._starting:
            if self._thread is not None and self._thread.is_alive():
                return
            if self._is_needed():
                thread = Thread(target=self._evict, name="imgfetch-evictor", daemon=True)
                with suppress(RuntimeError):  # no more threads: some other time
                    thread.start()
                    self._thread, self._has_checked_age = thread, True

    def finish(self, *, early: bool = False) -> None:
        """Wait for a running eviction; `early`: only for its batch, and leave the rest to another run."""
        if early:
            self._stop.set()
        thread, self._thread = self._thread, None
        if thread is None:
            return
        thread.join()
        if not early and self._excess():
            self._evict()
            excess = self._excess()
            if excess:
                self._index.notices.append(
                    f"the cache holds {excess:,} bytes more than its bound: the rest is pinned, or was used"
                    " by this run or a short while ago"
                )

    def _is_needed(self) -> bool:
        if self._stop.is_set():
            return False
        if self._bounds.max_age is not None and not self._has_checked_age:
            return True
        return self._clock.elapsed() >= self._not_before and self._excess() > 0

    def _excess(self) -> int:
        """Return the bytes above the bound; 0 if they cannot be counted."""
        limit = self._bounds.max_bytes
        if limit is not None:
            with suppress(CacheError, OSError):
                return max(0, self._index.objects.total().bytes - limit)
        return 0

    def _evict(self) -> None:
        limit = self._bounds.max_bytes
        target = int(limit * LOW_WATER) if limit is not None and self._excess() else None
        with suppress(CacheError, OSError):  # a failed eviction does not fail the fetch
            self._access_times.flush()
            now = self._access_times.time()
            spared = protected_since(now, run_began=self._access_times.start())
            self.evict(target=target, max_age=self._bounds.max_age, spared=spared, now=now)
        if self._excess():
            self._not_before = self._clock.elapsed() + _RETRY_DELAY

    def evict(self, *, target: int | None, max_age: float | None, spared: float, now: float) -> Evicted:
        """Evict everything that `rules.store.eviction.select_victims` yields, batch by batch."""
        by_use = self._index.objects.by_use()
        objects = freed = 0
        while not self._stop.is_set():
            # The total is read anew: other processes may be evicting too.
            victims = select_victims(
                by_use,
                total=self._index.objects.total().bytes,
                target=target,
                max_age=max_age,
                spared=spared,
                now=now,
            )
            batch = [*islice(victims, _BATCH)]
            gone = self._evict_batch(batch)
            objects += len(gone)
            freed += sum(each.bytes for each in gone)
            if len(batch) < _BATCH:
                break
        return Evicted(objects, freed)

    def drop_files(self, bounds: Bounds, *, spared: float, now: float) -> None:
        """Delete the files of the first victims, on a disk so full that the index cannot be written.

        A missing object costs no more than its row.
        """
        total = self._index.objects.total().bytes
        victims = select_victims(
            self._index.objects.by_use(),
            total=total,
            target=bounds.max_bytes,
            max_age=bounds.max_age,
            spared=spared,
            now=now,
        )
        for each in islice(victims, _BATCH):
            self.unlink_unused(each)

    def _evict_batch(self, batch: list[StoredObject]) -> list[StoredObject]:
        if not batch:
            return []
        try:
            return self._index.objects.evict(batch, self.unlink_unused)
        except CacheError as error:
            if error.kind is not ErrorKind.DISK_FULL:
                raise
        for each in batch:
            self.unlink_unused(each)
        return self._index.objects.evict(batch, self.unlink_unused)

    def unlink_unused(self, known: StoredObject) -> bool:
        """Delete the file of an object, unless this process uses it, or another is storing it anew."""
        path = self._layout.object(known)
        with self._access_times.lock:
            if self._access_times.is_buffered(known.sha256):
                return False
            with suppress(FileNotFoundError):
                status = os.lstat(path)
                is_changed = (status.st_size, status.st_mtime_ns) != (known.bytes, known.mtime_ns)
                if is_changed and abs(self._clock.now() - status.st_mtime) < GRACE:
                    return False  # its row is about to be written
                os.unlink(path)
            return True
