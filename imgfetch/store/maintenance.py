"""Clearing a cache of what no longer serves.

    index ⇄ objects, folder by folder ─▶ strays deleted, lost rows forgotten ─▶ counted anew ─▶ evict
    scratch, quarantine, parts of older formats, damaged indexes ─▶ what is old goes          ─▶ compact

Any number of processes may prune at once, and any of them may be killed at any instant: what one has left
undone the next will find. Nothing is deleted that somebody may be about to use: an object that no row tells
of may be one whose row is just being written.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, TypeVar

from imgfetch.errors import CacheError
from imgfetch.model.result import ErrorKind
from imgfetch.rules.store.eviction import select_victims
from imgfetch.store.disk_store import (
    INDEX,
    OBJECTS,
    QUARANTINE,
    SCRATCH,
    STALE,
    last_written,
    listing,
    promised,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from imgfetch.model.values import Digest
    from imgfetch.ports import Clock
    from imgfetch.rules.store.eviction import Bounds
    from imgfetch.store.evictor import Evictor
    from imgfetch.store.index import Index, Object

T = TypeVar("T")

_KEPT_FOR_STUDY = 30 * 86_400
"""Seconds for which what was found damaged is kept, so that somebody may look why."""

_STEP = 200
"""Files deleted, or rows forgotten, in one transaction."""

_LAYOUT = 1
"""The number in the names of this version's parts. What is in the index has a version of its own."""
_OF_A_VERSION = re.compile(r"(?:(?:objects|scratch|quarantine|leases)-v|index-v)([0-9]{1,9})(?:\.sqlite.*)?")
_DAMAGED_INDEX = re.compile(re.escape(INDEX) + r"\.damaged-[0-9]+(?:-wal|-shm|-journal)?")


@dataclass(frozen=True, slots=True)
class Cleared:
    """What went of one kind."""

    files: int = 0
    bytes: int = 0

    def __add__(self, other: Cleared) -> Cleared:
        return Cleared(self.files + other.files, self.bytes + other.bytes)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was cleared away, or would have been."""

    evicted: Cleared = Cleared()
    """Objects that were too much, or too old."""
    strays: Cleared = Cleared()
    """Objects that no row of the index tells of, an hour old or older."""
    scratch: Cleared = Cleared()
    """Beginnings of downloads that nobody has written to for an hour."""
    quarantine: Cleared = Cleared()
    """Damaged objects and damaged indexes, 30 days old or older."""
    outdated: Cleared = Cleared()
    """Parts of the cache whose format is older than that of this version."""
    forgotten: int = 0
    """Rows whose object is gone."""
    compacted: int = 0
    """Bytes by which the index is smaller."""
    left: Cleared = Cleared()
    """Objects that are still there, as the index has it."""
    over: int = 0
    """Bytes beyond the bound: all that is left was used lately, or is pinned."""


@dataclass(slots=True)
class Pruning:
    """A cache that is being pruned."""

    NOTHING: ClassVar[Pruned] = Pruned()

    root: str
    index: Index
    evictor: Evictor
    place: Callable[[Object], str]
    unlink: Callable[[Object], object]
    clock: Clock
    _dry: bool = field(default=False, init=False)

    def prune(self, bounds: Bounds, *, spared: float, now: float, dry_run: bool) -> Pruned:
        """Clear away; `dry_run`: only say what would go."""
        self._dry = dry_run
        scratch = self._clear_old(SCRATCH, STALE)
        quarantine = self._clear_old(QUARANTINE, _KEPT_FOR_STUDY) + self._clear_damaged_indexes()
        outdated = self._clear_outdated()
        if not dry_run:
            self._make_room(bounds, spared=spared, now=now)
        strays, forgotten = self._compare()
        evicted = self._evict(bounds, spared=spared, now=now)
        compacted = 0 if dry_run else self.index.compact()
        left = Cleared(*self.index.total())
        if dry_run:
            left = Cleared(left.files - evicted.files, left.bytes - evicted.bytes)
        over = 0 if bounds.max_bytes is None else max(0, left.bytes - bounds.max_bytes)
        return Pruned(evicted, strays, scratch, quarantine, outdated, forgotten, compacted, left, over)

    # ------------------------------------------------------------------------------------------------
    # Objects and rows

    def _make_room(self, bounds: Bounds, *, spared: float, now: float) -> None:
        """See to it that the index can be written to, on a disk that may be full."""
        try:
            self.index.recount()
        except CacheError as error:
            if error.kind is not ErrorKind.DISK_FULL:
                raise
            self.evictor.drop_files(bounds, spared=spared, now=now)
            self.index.recount()

    def _compare(self) -> tuple[Cleared, int]:
        """Bring the index and the objects into agreement; how many strays went, and how many rows."""
        strays, missing = Cleared(), []
        for number in range(256):
            shard = f"{number:02x}"
            lying = {item.name: item for item in listing(f"{self.root}/{OBJECTS}/{shard}")}
            known = {os.path.basename(self.place(row)): row for row in self.index.between(shard, f"{shard}g")}
            missing += [row for name, row in known.items() if name not in lying]
            strays += self._delete_strays(item for name, item in lying.items() if name not in known)
        return strays, self._forget(missing)

    def _forget(self, missing: list[Object]) -> int:
        if self._dry:
            return sum(self._is_lost(row) for row in missing)
        return sum(len(self.index.forget_lost(part, self._is_lost)) for part in _parts(missing))

    def _is_lost(self, row: Object) -> bool:
        return not os.path.lexists(self.place(row))

    def _delete_strays(self, unknown: Iterable[os.DirEntry[str]]) -> Cleared:
        """What is called like an object, and was written an hour ago; other things are not ours to judge."""
        found = [stray for item in unknown if (stray := self._stray(item)) is not None]
        if self._dry:
            return Cleared(len(found), sum(size for _, (_, size) in found))
        gone: list[int] = []

        def delete(stray: tuple[str, int]) -> None:
            path, size = stray
            with suppress(FileNotFoundError):
                os.unlink(path)
                gone.append(size)

        for part in _parts(found):
            self.index.unless_known(part, delete)
        return Cleared(len(gone), sum(gone))

    def _stray(self, item: os.DirEntry[str]) -> tuple[Digest, tuple[str, int]] | None:
        sha256 = promised(item.path)
        with suppress(FileNotFoundError):
            status = item.stat(follow_symlinks=False)
            if sha256 and stat.S_ISREG(status.st_mode) and self._is_old(status.st_mtime, STALE):
                return sha256, (item.path, status.st_size)
        return None

    def _evict(self, bounds: Bounds, *, spared: float, now: float) -> Cleared:
        if not self._dry:
            return Cleared(
                *self.evictor.evict(target=bounds.max_bytes, max_age=bounds.max_age, spared=spared, now=now)
            )
        going = select_victims(
            self.index.by_use(),
            total=self.index.total().bytes,
            target=bounds.max_bytes,
            max_age=bounds.max_age,
            spared=spared,
            now=now,
        )
        return sum((Cleared(1, held.bytes) for held in going), Cleared())

    # ------------------------------------------------------------------------------------------------
    # The rest

    def _clear_old(self, name: str, age: float) -> Cleared:
        cleared = Cleared()
        for item in listing(f"{self.root}/{name}"):
            with suppress(FileNotFoundError):
                if self._is_old(last_written(item), age):
                    cleared += self._delete(item)
        return cleared

    def _clear_damaged_indexes(self) -> Cleared:
        cleared = Cleared()
        for item in listing(self.root):
            with suppress(FileNotFoundError):
                if _DAMAGED_INDEX.fullmatch(item.name) and self._is_old(
                    item.stat().st_mtime, _KEPT_FOR_STUDY
                ):
                    cleared += self._delete(item)
        return cleared

    def _clear_outdated(self) -> Cleared:
        """Parts that an older imgfetch has left. Those of a newer one are its own to look after."""
        cleared = Cleared()
        for item in listing(self.root):
            named = _OF_A_VERSION.fullmatch(item.name)
            if named is not None and int(named[1]) < _LAYOUT:
                cleared += self._delete(item)
        return cleared

    def _delete(self, item: os.DirEntry[str]) -> Cleared:
        """Delete a file, or a folder with all that is in it; a link is left, wherever it leads."""
        if item.is_symlink():
            return Cleared()
        if not item.is_dir(follow_symlinks=False):
            size = item.stat(follow_symlinks=False).st_size
            if not self._dry:
                os.unlink(item.path)
            return Cleared(1, size)
        within = [
            os.lstat(f"{folder}/{name}").st_size for folder, _, names in os.walk(item) for name in names
        ]
        if not self._dry:
            shutil.rmtree(item.path)
        return Cleared(len(within), sum(within))

    def _is_old(self, written: float, age: float) -> bool:
        return self.clock.now() - written > age


def _parts(things: list[T]) -> Iterator[list[T]]:
    for start in range(0, len(things), _STEP):
        yield things[start : start + _STEP]
