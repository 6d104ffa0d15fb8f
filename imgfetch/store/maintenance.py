"""Maintenance: count what a cache has, and prune it.

    index ⇄ objects, folder by folder ─▶ delete strays, forget lost rows ─▶ count anew ─▶ evict
    staging, quarantine, parts of older formats, damaged indexes ─▶ delete what is old ─▶ compact

Any number of processes may prune at once, and any of them may be killed at any instant: the next one finds
what it has left undone. An object without a row is deleted only an hour after it was written: before, its row
may be about to be written.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from imgfetch.errors import CacheError
from imgfetch.model.result import ErrorKind
from imgfetch.rules.store.eviction import select_victims
from imgfetch.store.layout import INDEX, STALE, last_written, listing, promised, sizes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imgfetch.model.values import Digest
    from imgfetch.ports import Clock
    from imgfetch.rules.store.eviction import Bounds
    from imgfetch.store.evictor import Evictor
    from imgfetch.store.index import Index
    from imgfetch.store.index.rows import Object
    from imgfetch.store.layout import Layout

T = TypeVar("T")

_QUARANTINE_AGE = 30 * 86_400
"""Seconds for which damaged files stay, so that a person can look for the cause."""

_STEP = 200
"""Files deleted, or rows removed, in one transaction."""

_LAYOUT = 1
"""The number in the names of this version's parts. The tables of the index have a version of their own."""
_OF_A_VERSION = re.compile(r"(?:(?:objects|scratch|quarantine|leases)-v|index-v)([0-9]{1,9})(?:\.sqlite.*)?")
_DAMAGED_INDEX = re.compile(re.escape(INDEX) + r"\.damaged-[0-9]+(?:-wal|-shm|-journal)?")


@dataclass(frozen=True, slots=True)
class Cleared:
    """The files of one kind that were deleted."""

    files: int = 0
    bytes: int = 0

    def __add__(self, other: Cleared) -> Cleared:
        return Cleared(self.files + other.files, self.bytes + other.bytes)


@dataclass(frozen=True, slots=True)
class Pruned:
    """The files and rows that were deleted, or would have been."""

    evicted: Cleared = Cleared()
    """Objects beyond the bound, or too old."""
    strays: Cleared = Cleared()
    """Objects without a row in the index, an hour old or older."""
    scratch: Cleared = Cleared()
    """Partial bodies that were not written to for an hour."""
    quarantine: Cleared = Cleared()
    """Damaged objects and damaged indexes, 30 days old or older."""
    outdated: Cleared = Cleared()
    """Parts of the cache in an older format than this version's."""
    forgotten: int = 0
    """Rows without an object."""
    compacted: int = 0
    """Bytes by which the index is smaller."""
    left: Cleared = Cleared()
    """Objects that are still there, by the index."""
    over: int = 0
    """Bytes beyond the bound: all that is left was used lately, or is pinned."""


class Stats(NamedTuple):
    """The size of a cache."""

    entries: int
    objects: int
    bytes: int
    """Bytes of all objects."""
    scratch_files: int
    scratch_bytes: int
    quarantined: int
    pinned: int = 0
    """Pinned keys, with or without an entry."""
    oldest_use: int | None = None
    """Time of the last use of the least recently used object, to the hour."""


def count(layout: Layout, index: Index) -> Stats:
    """Count entries and pins in the index; objects, staging and quarantine on disk."""
    objects, staged = sizes(layout.object_files()), sizes(listing(layout.staging))
    quarantined = [item for item in listing(layout.quarantine) if item.name[-4:] != ".txt"]
    return Stats(
        index.entries.count(),
        len(objects),
        sum(objects),
        len(staged),
        sum(staged),
        len(quarantined),
        len(index.pins.all()),
        index.objects.oldest_use(),
    )


@dataclass(slots=True)
class Pruning:
    """A cache that is being pruned."""

    layout: Layout
    index: Index
    evictor: Evictor
    clock: Clock
    _is_dry: bool = field(default=False, init=False)

    def prune(self, bounds: Bounds, *, spared: float, now: float, dry_run: bool) -> Pruned:
        """Delete what is not needed; `dry_run`: only report what would be deleted."""
        self._is_dry = dry_run
        scratch = self._clear_old(self.layout.staging, STALE)
        quarantine = self._clear_old(self.layout.quarantine, _QUARANTINE_AGE) + self._clear_damaged_indexes()
        outdated = self._clear_outdated()
        if not dry_run:
            self._make_space(bounds, spared=spared, now=now)
        strays, forgotten = self._compare()
        evicted = self._evict(bounds, spared=spared, now=now)
        compacted = 0 if dry_run else self.index.compact()
        left = Cleared(*self.index.objects.total())
        if dry_run:
            left = Cleared(left.files - evicted.files, left.bytes - evicted.bytes)
        over = 0 if bounds.max_bytes is None else max(0, left.bytes - bounds.max_bytes)
        return Pruned(evicted, strays, scratch, quarantine, outdated, forgotten, compacted, left, over)

    # ------------------------------------------------------------------------------------------------
    # Objects and rows

    def _make_space(self, bounds: Bounds, *, spared: float, now: float) -> None:
        """Make the index writable, on a disk that may be full."""
        try:
            self.index.objects.recount()
        except CacheError as error:
            if error.kind is not ErrorKind.DISK_FULL:
                raise
            self.evictor.drop_files(bounds, spared=spared, now=now)
            self.index.objects.recount()

    def _compare(self) -> tuple[Cleared, int]:
        """Make index and objects agree; return the strays deleted, and the number of rows removed."""
        strays, missing = Cleared(), []
        for number in range(256):
            shard = f"{number:02x}"
            files = {item.name: item for item in listing(f"{self.layout.objects}/{shard}")}
            rows = self.index.objects.between(shard, f"{shard}g")
            known = {os.path.basename(self.layout.object(row)): row for row in rows}
            missing += [row for name, row in known.items() if name not in files]
            strays += self._delete_strays(item for name, item in files.items() if name not in known)
        return strays, self._forget(missing)

    def _forget(self, missing: list[Object]) -> int:
        if self._is_dry:
            return sum(self._is_lost(row) for row in missing)
        return sum(len(self.index.objects.forget_lost(part, self._is_lost)) for part in _parts(missing))

    def _is_lost(self, row: Object) -> bool:
        return not os.path.lexists(self.layout.object(row))

    def _delete_strays(self, unknown: Iterable[os.DirEntry[str]]) -> Cleared:
        """Delete what is named like an object and was written an hour ago; leave other things alone."""
        found = [stray for item in unknown if (stray := self._stray(item)) is not None]
        if self._is_dry:
            return Cleared(len(found), sum(size for _, (_, size) in found))
        gone: list[int] = []

        def delete(stray: tuple[str, int]) -> None:
            path, size = stray
            with suppress(FileNotFoundError):
                os.unlink(path)
                gone.append(size)

        for part in _parts(found):
            self.index.objects.unless_known(part, delete)
        return Cleared(len(gone), sum(gone))

    def _stray(self, item: os.DirEntry[str]) -> tuple[Digest, tuple[str, int]] | None:
        sha256 = promised(item.path)
        with suppress(FileNotFoundError):
            status = item.stat(follow_symlinks=False)
            if sha256 and stat.S_ISREG(status.st_mode) and self._is_old(status.st_mtime, STALE):
                return sha256, (item.path, status.st_size)
        return None

    def _evict(self, bounds: Bounds, *, spared: float, now: float) -> Cleared:
        if not self._is_dry:
            return Cleared(
                *self.evictor.evict(target=bounds.max_bytes, max_age=bounds.max_age, spared=spared, now=now)
            )
        victims = select_victims(
            self.index.objects.by_use(),
            total=self.index.objects.total().bytes,
            target=bounds.max_bytes,
            max_age=bounds.max_age,
            spared=spared,
            now=now,
        )
        return sum((Cleared(1, each.bytes) for each in victims), Cleared())

    # ------------------------------------------------------------------------------------------------
    # Leftovers

    def _clear_old(self, folder: str, age: float) -> Cleared:
        cleared = Cleared()
        for item in listing(folder):
            with suppress(FileNotFoundError):
                if self._is_old(last_written(item), age):
                    cleared += self._delete(item)
        return cleared

    def _clear_damaged_indexes(self) -> Cleared:
        cleared = Cleared()
        for item in listing(self.layout.root):
            with suppress(FileNotFoundError):
                if _DAMAGED_INDEX.fullmatch(item.name) and self._is_old(
                    item.stat().st_mtime, _QUARANTINE_AGE
                ):
                    cleared += self._delete(item)
        return cleared

    def _clear_outdated(self) -> Cleared:
        """Delete the parts of an older imgfetch. Those of a newer one are left to it."""
        cleared = Cleared()
        for item in listing(self.layout.root):
            named = _OF_A_VERSION.fullmatch(item.name)
            if named is not None and int(named[1]) < _LAYOUT:
                cleared += self._delete(item)
        return cleared

    def _delete(self, item: os.DirEntry[str]) -> Cleared:
        """Delete a file, or a folder with its contents; leave a symbolic link alone."""
        if item.is_symlink():
            return Cleared()
        if not item.is_dir(follow_symlinks=False):
            size = item.stat(follow_symlinks=False).st_size
            if not self._is_dry:
                os.unlink(item.path)
            return Cleared(1, size)
        within = [
            os.lstat(f"{folder}/{name}").st_size for folder, _, names in os.walk(item) for name in names
        ]
        if not self._is_dry:
            shutil.rmtree(item.path)
        return Cleared(len(within), sum(within))

    def _is_old(self, written: float, age: float) -> bool:
        return self.clock.now() - written > age


def _parts(things: list[T]) -> Iterator[list[T]]:
    for start in range(0, len(things), _STEP):
        yield things[start : start + _STEP]
