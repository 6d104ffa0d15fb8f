"""Stores with bounds: filled with numbered objects, and asked what is left of them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import litter
from disks import index_of
from imgfetch.rules.store.eviction import Bounds
from imgfetch.store import layout
from imgfetch.store.disk_store import DiskStore
from keeping import keep
from litter import key

if TYPE_CHECKING:
    from pathlib import Path

    from fakes import FakeClock


HOUR, DAY = 3600.0, 86_400.0
NOTHING = Bounds()
"""No bounds."""


def fill(store: DiskStore, clock: FakeClock, count: int, *, every: float = DAY, size: int = 1000) -> None:
    """Store so many objects of that size, one after each such time."""
    for number in range(count):
        keep(store, key(number), b"%04d" % number * (size // 4))
        clock.time += every


def left(root: Path, count: int = 100) -> list[int]:
    """Return the numbers of the keys that still have an object, without using any."""
    there = {path.stem for path in (root / layout.OBJECTS).glob("*/*")}
    with closing(sqlite3.connect(index_of(root))) as connection:
        stored = {k for k, sha256 in connection.execute("SELECT key, sha256 FROM entry") if sha256 in there}
    return [number for number in range(count) if key(number) in stored]


def used_at(root: Path) -> dict[str, int]:
    with closing(sqlite3.connect(index_of(root))) as connection:
        return dict(connection.execute("SELECT key, used_at FROM entry JOIN object USING (sha256)"))


def check_true(root: Path) -> litter.Seen:
    """Check that every object is whole, and that index and objects agree."""
    seen = litter.compare(root)
    assert seen.lies == []
    return seen


def writes(root: Path) -> int:
    """Return the size of the log of the index, which grows with each transaction."""
    log = index_of(root).with_name(index_of(root).name + "-wal")
    return log.stat().st_size if log.exists() else 0


def prune(root: Path, clock: FakeClock, max_bytes: int | None = None) -> object:
    with closing(DiskStore(root, clock=clock)) as store:
        return store.prune(Bounds(max_bytes))
