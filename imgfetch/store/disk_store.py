"""A cache in a directory: bytes under the name of their digest, and an index of the responses they came with.

    lookup, find ─▶ index ─▶ object: size and time as the index has them, or hashed (object_checks)
    open ─▶ write … ─▶ read ─▶ commit:  staging ─▶ publish ─▶ objects ─▶ index
              └ make_resumable, suspend ─▶ resume

Nothing is written before the first `open`. cache/README.md describes the files for other readers.
"""

from __future__ import annotations

import os
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from imgfetch.model.image import Hit, Lookup
from imgfetch.model.markup import Rendition
from imgfetch.model.request import Lease
from imgfetch.rules.http.vary import matches
from imgfetch.rules.image.renditions import identity, substitutes
from imgfetch.rules.store.check_age import CHECK_AGE
from imgfetch.rules.store.eviction import IN_USE, Bounds
from imgfetch.store.access_times import AccessTimes
from imgfetch.store.directory import CacheDirectory
from imgfetch.store.index import Index
from imgfetch.store.index.rows import entry_of
from imgfetch.store.layout import Layout, folder_path, promised
from imgfetch.store.leases import Leases
from imgfetch.store.lookup_sql import is_intact, name_of
from imgfetch.store.object_checks import ObjectChecks
from imgfetch.store.os_errors import TranslateErrors
from imgfetch.system.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imgfetch.errors import CacheError
    from imgfetch.model.image import Entry, Facts, PendingEntry
    from imgfetch.model.values import Digest, Key
    from imgfetch.ports import Clock
    from imgfetch.store.evictor import Evictor
    from imgfetch.store.maintenance import Pruned, Stats
    from imgfetch.store.object_checks import Checked
    from imgfetch.store.publish import Publisher
    from imgfetch.store.staging import Staging


class DiskStore:
    """The `Store` in the directory `root`, which is made when the first body is opened."""

    is_durable = True

    def __init__(
        self,
        root: Path | str,
        *,
        busy_timeout: float = 10.0,
        bounds: Bounds | None = None,
        clock: Clock | None = None,
        check_age: float = CHECK_AGE,
    ) -> None:
        """`busy_timeout`: seconds to wait for another process that is writing to the index.

        `bounds` hold while bodies are committed: the least recently used objects are evicted in the
        background. An object that has not been hashed for `check_age` seconds is hashed at its next use.
        """
        layout = self._layout = Layout(os.path.abspath(root))
        clock = self._clock = clock or SystemClock()
        self._translate_errors = TranslateErrors(layout.root)
        index = self._index = Index(
            layout.index, building=layout.staging, busy_timeout=busy_timeout, elapsed=clock.elapsed
        )
        self._access_times = AccessTimes(index, clock)
        self._checks = ObjectChecks(layout, index, self._access_times, clock, check_age)
        self._bounds = bounds or Bounds()
        self._leases = Leases(layout.leases)
        self._directory = CacheDirectory(layout, index, self._leases)
        self._making = Lock()
        self._writers: tuple[Staging, Publisher, Evictor] | None = None

    @property
    def root(self) -> Path:
        """The directory, absolute."""
        return Path(self._layout.root)

    @property
    def staging(self) -> Staging:
        """The bodies under way."""
        return self._made()[0]

    @property
    def _publisher(self) -> Publisher:
        return self._made()[1]

    @property
    def _evictor(self) -> Evictor:
        return self._made()[2]

    def _made(self) -> tuple[Staging, Publisher, Evictor]:
        """Return what writes and evicts, made at its first use: a run with a warm cache loads none of it."""
        with self._making:
            if self._writers is None:
                from imgfetch.store import evictor, publish, staging

                where, errors, clock = (self._layout, self._directory), self._translate_errors, self._clock
                rows = self._index, self._access_times
                bodies = staging.Staging(*where, errors, clock.elapsed)
                publisher = publish.Publisher(*where, bodies, *rows, clock, errors)
                self._writers = bodies, publisher, evictor.Evictor(self._layout, *rows, self._bounds, clock)
            return self._writers

    @property
    def notices(self) -> list[str]:
        """Messages for the user, of one line each; a caller that shows them clears the list."""
        return self._index.notices

    def close(self) -> None:
        """Close all files, release the leases, and suspend the bodies that were not committed."""
        self._leases.close()
        if self._writers is not None:
            self.staging.suspend_all()
            self._evictor.finish()
        self._access_times.close()
        self._index.close()

    def cut_short(self) -> None:
        """Leave the rest of an eviction to another run."""
        if self._writers is not None:
            self._evictor.finish(early=True)

    # ------------------------------------------------------------------------------------------------
    # Finding

    def salt(self) -> bytes:
        """Return 32 random bytes that are this cache's own, for hashes of credentials."""
        with self._translate_errors:
            return self._index.salt()

    def find(
        self,
        key: Key,
        headers: tuple[tuple[str, str], ...] | None = (),
        *,
        selector: str | None = "",
        at_once: bool = False,
    ) -> Entry | None:
        """Return the stored response under `key`; None if its bytes are gone or changed too.

        Only entries of that `selector` count; if it is None, those of every selector. Of several variants the
        latest that `headers` select (RFC 9111 §4.1) is returned; if `headers` is None, the latest.

        An object with the size and time that the index has is taken for whole if it was hashed recently; any
        other is hashed. `at_once` raises `CheckDueError` if that would take long.
        """
        try:
            variants = self._index.entries.find(key, selector)
            if not variants:
                self._directory.recognize()
                return None
            found = next((v for v in variants if headers is None or matches(v.entry, headers)), None)
            if found is None:
                return None
            entry, mtime_ns, used_at, checked_at = found
            path = self._layout.object(entry.facts)
            with self._access_times.lock:
                status = os.lstat(path)
                self._access_times.record({entry.facts.sha256: used_at})
            if status.st_size != entry.facts.bytes:
                return None
            last_check = mtime_ns, checked_at
            is_whole = self._checks.is_whole(path, entry.facts, status, last_check, at_once=at_once)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._translate_errors.translated(error) from error
        return entry if is_whole else None

    def lookup(self, keys: Sequence[Key], *, now: float) -> Lookup:
        """Return what is stored under `keys` and answers at `now` for any request, and the missing keys.

        Small files under many keys are no hits, nor files of another size or modification time than the
        index has, nor files that are due to be hashed. Of a hit `find` returns the same entry, and None of a
        missing key.
        """
        hits: dict[Key, Hit] = {}
        accessed: dict[Digest, int] = {}
        try:
            rows, missing = self._index.entries.lookup(keys, now=now, checked=self._checks.recent())
            if missing:
                self._directory.recognize()
        except OSError as error:
            raise self._translate_errors.translated(error) from error
        if not rows:
            return Lookup(hits, missing, now)
        with self._access_times.lock:
            for row in rows:
                key, sha256, _, size, mtime_ns, used_at = row[:6]
                shard, name = name_of(row)
                folder = f"{self._layout.objects}/{shard}"
                if is_intact(f"{folder}/{name}", size, mtime_ns):
                    accessed[sha256] = used_at
                    hits[key] = Hit(folder_path(folder) / name, row, entry_of)
            self._access_times.record(accessed)
        return Lookup(hits, missing, now)

    def keys_sharing(self, facts: Facts) -> tuple[Key, ...]:
        """Return up to 100 of the keys under which these bytes are stored, in no order."""
        if not os.access(self._layout.object(facts), os.F_OK):  # saves a query for most bytes
            return ()
        with self._translate_errors:
            return self._index.entries.keys_sharing(facts.sha256)

    def substitutes(
        self,
        offered: tuple[Rendition, ...],
        headers: tuple[tuple[str, str], ...],
        *,
        chosen: Key,
        least: int,
    ) -> Iterator[tuple[Rendition, Entry]]:
        """Yield stored renditions of the source set `offered` that may replace the `chosen` one.

        They were fetched for this very source set, from the same origin, and are at least so many pixels
        wide, as declared and in fact; the narrowest come first.
        """
        candidates = substitutes(offered, chosen=chosen, least=least)
        source_set = identity(offered)
        if not (candidates and source_set):
            return
        with self._translate_errors:
            stored = self._index.entries.offered_in(source_set, [each.key for each in candidates])
        for rendition in candidates:
            entry = self.find(rendition.key, headers) if rendition.key in stored else None
            if entry is not None and entry.facts.width >= least:
                yield rendition, entry

    def renditions(self, key: Key) -> tuple[Rendition, ...]:
        """Return what is stored of the source set of `key`, with real widths, the narrowest first."""
        with self._translate_errors:
            stored = self._index.entries.renditions(key)
        return tuple(Rendition(*each) for each in sorted(stored, key=lambda each: each[1]))

    def path(self, entry: Entry) -> Path:
        """Return the path of the bytes of an entry that this store has found or stored."""
        folder, _, name = self._layout.object(entry.facts).rpartition("/")
        return folder_path(folder) / name

    def content(self, entry: Entry) -> Path:
        """Return the path of the bytes of an entry: the same as `path`, in the word of the port."""
        return self.path(entry)

    def holding(self, sha256: Digest, *, at_once: bool = False) -> tuple[Path, Entry | None] | None:
        """Return path and latest entry of the object with this digest; None if it is not there, or damaged.

        The entry is None if every URL under which it was stored has other bytes by now. `at_once` raises
        `CheckDueError` if many bytes would have to be hashed first.
        """
        with self._translate_errors:
            for path in self._layout.possible_objects(sha256):
                if not os.path.isfile(path) or not self._checks.has_digest(path, sha256, at_once=at_once):
                    continue
                found = self._index.entries.latest(sha256)
                with self._access_times.lock:
                    if found is not None:
                        self._access_times.record({sha256: found.used_at})
                    if os.path.isfile(path):
                        return Path(path), found.entry if found is not None else None
        return None

    # ------------------------------------------------------------------------------------------------
    # Storing

    def commit(self, pending: Sequence[PendingEntry]) -> list[Entry | CacheError]:
        """Publish bodies and index them; return for each its entry, or the error that prevented it.

        An entry that no request header selects replaces every variant under its key.
        """
        committed = self._publisher.commit(pending)
        self._evictor.nudge()
        return committed

    def refresh(self, entry: Entry, *, fresh_until: float | None) -> None:
        """Replace the head and the times of a stored response, if its key still has the same bytes."""
        with self._translate_errors:
            self._index.entries.refresh(entry, fresh_until)

    def acquire(self, key: Key, headers: tuple[tuple[str, str], ...]) -> Lease:
        """Acquire the lease to fetch `key` with such headers; if it is taken, return its holder.

        The holder may be in this process or another. Before the cache is made, and if no lock can be
        had, every caller gets a lease.
        """
        try:
            return self._leases.take("\n".join([key, *map(": ".join, headers)]))
        except OSError:
            return Lease(ours=True)

    def release(self, lease: Lease) -> None:
        """Release a lease. One of another, or one that was released already, is not an error."""
        self._leases.release(lease)

    # ------------------------------------------------------------------------------------------------
    # Maintenance

    def exists(self) -> bool:
        """Return whether there is a cache. Raises `CacheError` if there could not be one."""
        with self._translate_errors:
            return self._directory.exists()

    def entries(self) -> Iterator[Entry]:
        """Yield every entry of the index, in the order in which they were stored, with or without bytes."""
        with self._translate_errors:
            self._directory.exists()
            yield from self._index.entries.all()

    def stats(self) -> Stats:
        """Return the size of the cache. Objects, staging and quarantine are counted on disk."""
        from imgfetch.store.maintenance import count

        with self._translate_errors:
            self._directory.exists()
            return count(self._layout, self._index)

    def verify(self, *, deep: bool) -> Iterator[Checked]:
        """Check everything under `objects`, then yield every object that the index has and the disk has not.

        `deep` hashes them all; without it, size and time as the index has them suffice.
        """
        with self._translate_errors:
            self._directory.exists()
            yield from self._checks.verify(deep=deep)

    def quarantine(self, path: Path, reason: str) -> Path:
        """Move an object to quarantine, with the reason beside it (`.txt`), and forget it.

        Return its new path.
        """
        with self._translate_errors:
            aside = self._checks.quarantine(str(path), reason)
            sha256 = promised(str(path))
            if sha256 is not None:
                self.forget(sha256)
        return Path(aside)

    def forget(self, sha256: Digest) -> None:
        """Remove an object that is gone from the index, with every entry that has it."""
        with self._translate_errors:
            if self._index.objects.find(sha256) is not None:
                self._index.objects.forget(sha256)

    def remove(self, key: Key) -> bool:
        """Remove `key`, and its bytes if no other key has them; return whether it was known."""
        with self._translate_errors:
            self._directory.exists()
            if not self._index.entries.find(key):
                return False
            self._index.entries.remove(key, self._layout.unlink)
        return True

    def pin(self, key: Key) -> bool:
        """Keep the objects of `key`, now and later, from being evicted; False if it has no entry."""
        with self._translate_errors:
            self._directory.exists()
            if not self._index.entries.find(key):
                return False
            self._index.pins.add(key)
        return True

    def unpin(self, key: Key) -> bool:
        """Let the objects of `key` be evicted again; return whether it was pinned."""
        with self._translate_errors:
            self._directory.exists()
            return self._index.pins.remove(key)

    def pins(self) -> frozenset[Key]:
        """Return every pinned key."""
        with self._translate_errors:
            self._directory.exists()
            return self._index.pins.all()

    def keys_of(self, sha256: Digest) -> list[Key]:
        """Return every key of an object."""
        with self._translate_errors:
            return self._index.entries.keys_of(sha256)

    def prune(self, bounds: Bounds, *, grace: float = IN_USE, dry_run: bool = False) -> Pruned:
        """Evict what exceeds `bounds`, and delete leftovers (`store.maintenance`).

        Objects with a recorded use within `grace` seconds are spared.
        """
        from imgfetch.store.maintenance import Pruned, Pruning

        with self._translate_errors:
            if not self._directory.exists():
                return Pruned()
            self._access_times.flush()
            now = self._access_times.time()
            pruning = Pruning(self._layout, self._index, self._evictor, self._clock)
            return pruning.prune(bounds, spared=now - grace, now=now, dry_run=dry_run)
