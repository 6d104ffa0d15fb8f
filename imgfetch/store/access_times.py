"""When what was last used, without a write on every hit.

    find ─▶ noted, in memory ─▶ flush: five seconds later, or when the store is closed ─▶ the index
      │       └── unless a use within the last hour is on record already
      └──▶ hashed again, in memory ─▶ the same flush

An object costs at most one write an hour, however often it is served; what a run serves at once is written
down in one transaction. Where that cannot be done, nothing fails, and what was used looks older than it is.
"""

from __future__ import annotations

from contextlib import suppress
from threading import Lock, Timer
from typing import TYPE_CHECKING

from imgfetch.errors import CacheError
from imgfetch.model.result import ErrorKind
from imgfetch.rules.store.eviction import GRANULARITY, is_persisted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imgfetch.model.values import Digest
    from imgfetch.ports import Clock
    from imgfetch.store.index import Index

_DELAY = 5.0
"""Seconds for which uses are collected: until then other processes do not know of them."""

_BATCH = 1000

_MOST_CHECKS = 100_000
"""Of how many objects it is remembered that they were hashed, where that cannot be written down."""


class AccessTimes:
    """What this process uses, on its way into `index`, by the time of that."""

    def __init__(self, index: Index, clock: Clock) -> None:
        self.lock = Lock()
        """Held while a use is noted and its object is seen to be there, and while one is evicted."""
        self._writing = Lock()
        self._index = index
        self._clock = clock
        self._began = clock.elapsed()
        self._told: tuple[float, float] | None = None
        """The time of the index, and of the clock that is never set when it was asked for."""
        self._noted: dict[Digest, int] = {}
        """What was used, and since when that is on record."""
        self._checked: dict[Digest, tuple[int, float]] = {}
        """The `mtime_ns` of what was hashed and is whole, and when that was."""
        self._unrecorded: set[Digest] = set()
        """Those of them that are still to be written down; those that could not be stay in memory."""
        self._timer: Timer | None = None

    def time(self) -> float:
        """The time of the index; it neither jumps nor goes back while this process runs."""
        elapsed = self._clock.elapsed()
        if self._told is None or elapsed - self._told[1] > GRANULARITY:
            earlier = 0.0 if self._told is None else self._told[0] + elapsed - self._told[1]
            told = self._index.tell(self._clock.now())
            self._told = (max(told, earlier) if is_persisted(told, now=earlier) else told, elapsed)
        return self._told[0] + elapsed - self._told[1]

    def began(self) -> float:
        """When this process began to use the cache."""
        return self.time() - (self._clock.elapsed() - self._began)

    def note(self, used: Mapping[Digest, int]) -> None:
        """Objects are used, of each of which an earlier use is on record. With the lock held."""
        if not used:
            return
        now = self._clock.now()
        times = used.values()
        if is_persisted(min(times), now=now) and is_persisted(max(times), now=now):
            return  # and so are those in between
        new = {
            sha256: used_at
            for sha256, used_at in used.items()
            if sha256 not in self._noted and not is_persisted(used_at, now=now)
        }
        self._noted |= new
        if new:
            self._start_timer()

    def record_check(self, sha256: Digest, mtime_ns: int) -> None:
        """Buffer that an object was hashed just now and is whole."""
        with self.lock:
            if len(self._checked) >= _MOST_CHECKS and not self._unrecorded:
                self._checked.clear()
            self._checked[sha256] = mtime_ns, self._clock.now()
            self._unrecorded.add(sha256)
            self._start_timer()

    def last_check(self, sha256: Digest) -> tuple[int, float] | None:
        """Return the `mtime_ns` of an object that this process has hashed, and when; else None."""
        return self._checked.get(sha256)

    def _start_timer(self) -> None:
        """Have what is buffered written down soon. Call with the lock held."""
        if self._timer is None:
            timer = Timer(_DELAY, self._flush_later)
            timer.daemon = True
            with suppress(RuntimeError):  # no more threads: it is written down in the end
                timer.start()
                self._timer = timer

    def is_noted(self, sha256: Digest) -> bool:
        """Whether it was used, and that is not on record yet. With the lock held."""
        return sha256 in self._noted

    def close(self) -> None:
        """Write down what was noted, and be done: nothing is written later on."""
        with self.lock:
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self.flush()

    def flush(self) -> None:
        """Write down what was noted, where that can be done at once."""
        with self._writing:
            with self.lock:
                noted = dict(self._noted)
                checked = {sha256: self._checked[sha256] for sha256 in self._unrecorded}
            if checked:
                self._flush_checks(checked)
            if not noted:
                return
            try:
                self._file(noted)
            except (CacheError, OSError) as error:
                if isinstance(error, CacheError) and error.kind is ErrorKind.CACHE_LOCKED:
                    return  # some other time
            with self.lock:  # until now they were to be found here, from now on in the index
                for sha256 in noted:
                    del self._noted[sha256]

    def _flush_checks(self, checked: Mapping[Digest, tuple[int, float]]) -> None:
        recorded = True
        try:
            for some in _parts(checked):
                self._index.record_checks(some)
        except (CacheError, OSError) as error:
            if isinstance(error, CacheError) and error.kind is ErrorKind.CACHE_LOCKED:
                return  # some other time
            recorded = False
        with self.lock:
            self._unrecorded -= checked.keys()
            for sha256 in checked if recorded else ():
                del self._checked[sha256]

    def _file(self, noted: dict[Digest, int]) -> None:
        now = self.time()
        used = [sha256 for sha256, used_at in noted.items() if not is_persisted(used_at, now=now)]
        for start in range(0, len(used), _BATCH):
            self._index.touch(used[start : start + _BATCH], now)

    def _flush_later(self) -> None:
        with self.lock:
            self._timer = None
        self.flush()


def _parts(checked: Mapping[Digest, tuple[int, float]]) -> Iterator[dict[Digest, tuple[int, float]]]:
    items = [*checked.items()]
    for start in range(0, len(items), _BATCH):
        yield dict(items[start : start + _BATCH])
