"""Access times without a write on every hit.

    find ─▶ buffered, in memory ─▶ flush: five seconds later, or when the store is closed ─▶ the index
      │         └── unless an access within the last hour is recorded already
      └──▶ hashed again, buffered ─▶ the same flush

An object costs at most one write an hour, however often it is served; the accesses of a run are written in
one transaction. If they cannot be written, nothing fails, and the objects look older than they are.
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
"""Seconds for which accesses are buffered: until then other processes do not know of them."""

_BATCH = 1000
"""Rows written in one transaction."""

_MOST_CHECKS = 100_000
"""Checks that are remembered if they cannot be written."""


class AccessTimes:
    """Buffers access times, in index time, until they are flushed to `index`; checks of objects likewise."""

    def __init__(self, index: Index, clock: Clock) -> None:
        self.lock = Lock()
        """Held while an access is recorded and its object is seen to be there, and while one is evicted."""
        self._flushing = Lock()
        self._index = index
        self._clock = clock
        self._start = clock.elapsed()
        self._last_told: tuple[float, float] | None = None
        """The time of the index, and that of the clock that is never set when it was read."""
        self._accessed: dict[Digest, int] = {}
        """The last recorded access of each object that has a buffered one."""
        self._checks: dict[Digest, tuple[int, float]] = {}
        """The `mtime_ns` of each object that was hashed and is whole, and the time of that."""
        self._unwritten_checks: set[Digest] = set()
        """The checks that are still to be written; those that could not be stay in memory."""
        self._timer: Timer | None = None

    def time(self) -> float:
        """Return the time of the index; it neither jumps nor goes back while this process runs."""
        elapsed = self._clock.elapsed()
        if self._last_told is None or elapsed - self._last_told[1] > GRANULARITY:
            earlier = 0.0 if self._last_told is None else self._last_told[0] + elapsed - self._last_told[1]
            told = self._index.tell(self._clock.now())
            self._last_told = (max(told, earlier) if is_persisted(told, now=earlier) else told, elapsed)
        return self._last_told[0] + elapsed - self._last_told[1]

    def start(self) -> float:
        """Return when this process began to use the cache."""
        return self.time() - (self._clock.elapsed() - self._start)

    def record(self, used: Mapping[Digest, int]) -> None:
        """Record an access to each object; `used` maps digest to last recorded use. Call with `lock` held."""
        if not used:
            return
        now = self._clock.now()
        times = used.values()
        if is_persisted(min(times), now=now) and is_persisted(max(times), now=now):
            return  # and so are those in between
        new = {
            sha256: used_at
            for sha256, used_at in used.items()
            if sha256 not in self._accessed and not is_persisted(used_at, now=now)
        }
        self._accessed |= new
        if new:
            self._start_timer()

    def record_check(self, sha256: Digest, mtime_ns: int) -> None:
        """Record that an object was hashed just now and is whole."""
        with self.lock:
            if len(self._checks) >= _MOST_CHECKS and not self._unwritten_checks:
                self._checks.clear()
            self._checks[sha256] = mtime_ns, self._clock.now()
            self._unwritten_checks.add(sha256)
            self._start_timer()

    def last_check(self, sha256: Digest) -> tuple[int, float] | None:
        """Return the `mtime_ns` of an object that this process has hashed, and when; else None."""
        return self._checks.get(sha256)

    def is_buffered(self, sha256: Digest) -> bool:
        """Return whether an access to the object is still to be written. Call with `lock` held."""
        return sha256 in self._accessed

    def close(self) -> None:
        """Flush, and stop the timer."""
        with self.lock:
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self.flush()

    def flush(self) -> None:
        """Write what is buffered, if that can be done at once."""
        with self._flushing:
            with self.lock:
                accessed = dict(self._accessed)
                checks = {sha256: self._checks[sha256] for sha256 in self._unwritten_checks}
            if checks:
                self._write_checks(checks)
            if not accessed:
                return
            try:
                self._write(accessed)
            except (CacheError, OSError) as error:
                if isinstance(error, CacheError) and error.kind is ErrorKind.CACHE_LOCKED:
                    return  # some other time
            with self.lock:  # until now they were to be found here, from now on in the index
                for sha256 in accessed:
                    del self._accessed[sha256]

    def _write(self, accessed: dict[Digest, int]) -> None:
        now = self.time()
        used = [sha256 for sha256, used_at in accessed.items() if not is_persisted(used_at, now=now)]
        for start in range(0, len(used), _BATCH):
            self._index.objects.record_uses(used[start : start + _BATCH], now)

    def _write_checks(self, checks: Mapping[Digest, tuple[int, float]]) -> None:
        is_written = True
        try:
            for batch in _batches(checks):
                self._index.objects.record_checks(batch)
        except (CacheError, OSError) as error:
            if isinstance(error, CacheError) and error.kind is ErrorKind.CACHE_LOCKED:
                return  # some other time
            is_written = False
        with self.lock:
            self._unwritten_checks -= checks.keys()
            for sha256 in checks if is_written else ():
                del self._checks[sha256]

    def _start_timer(self) -> None:
        """Flush after `_DELAY`. Call with `lock` held."""
        if self._timer is None:
            timer = Timer(_DELAY, self._flush_later)
            timer.daemon = True
            with suppress(RuntimeError):  # no more threads: it is written when the store is closed
                timer.start()
                self._timer = timer

    def _flush_later(self) -> None:
        with self.lock:
            self._timer = None
        self.flush()


def _batches(checks: Mapping[Digest, tuple[int, float]]) -> Iterator[dict[Digest, tuple[int, float]]]:
    items = [*checks.items()]
    for start in range(0, len(items), _BATCH):
        yield dict(items[start : start + _BATCH])
