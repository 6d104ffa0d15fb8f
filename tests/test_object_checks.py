"""Damaged objects: found, moved aside and fetched again."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from disks import (
    all_whole,
    overwrite,
)
from keeping import CAT, DOG, digest, keep

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imgfetch.store.disk_store import DiskStore


def check_healed(store: DiskStore, damage: Callable[[Path], object]) -> None:
    """A damaged object is never handed out, and keeping its bytes again puts it right."""
    path = store.path(keep(store, CAT, b"a cat " * 1000))
    damage(path)
    assert store.find(CAT) is None
    keep(store, DOG, b"a cat " * 1000)
    assert path.read_bytes() == b"a cat " * 1000
    assert store.find(CAT) is not None
    assert store.find(DOG) is not None
    assert all_whole(store)
    assert len(list(path.parent.iterdir())) == 1


def put_in_place(path: Path, work: Callable[[], None]) -> None:
    path.unlink()
    work()


def test_damaged_objects_are_fetched_again(store: DiskStore) -> None:
    check_healed(store, lambda path: path.unlink())
    check_healed(store, lambda path: shutil.rmtree(path.parent))
    check_healed(store, lambda path: shutil.rmtree(path.parent.parent))
    check_healed(store, lambda path: os.truncate(path, 0))
    check_healed(store, lambda path: os.truncate(path, 5999))
    check_healed(store, lambda path: path.write_bytes(b"a cat " * 1001))
    check_healed(store, lambda path: overwrite(path, bytes(4096)))
    check_healed(store, lambda path: overwrite(path, b"b", at=5994))
    check_healed(store, lambda path: put_in_place(path, lambda: path.symlink_to("nowhere")))
    check_healed(store, lambda path: put_in_place(path, lambda: path.symlink_to("/dev/zero")))
    check_healed(store, lambda path: put_in_place(path, lambda: os.mkfifo(path)))


def test_deep_verification_finds_a_bit_that_flipped(store: DiskStore) -> None:
    path = store.path(keep(store, CAT, b"a cat"))
    before = path.stat().st_mtime_ns
    path.write_bytes(b"a bat")
    os.utime(path, ns=(before, before))
    assert [checked.problem for checked in store.verify(deep=False)] == [None]
    (checked,) = store.verify(deep=True)
    assert (checked.path, checked.expected, checked.actual) == (path, digest(b"a cat"), digest(b"a bat"))
    assert digest(b"a bat") in str(checked.problem)
    keep(store, DOG, b"a cat")
    assert all_whole(store)


def test_a_new_modification_time_costs_one_hashing(store: DiskStore) -> None:
    entry = keep(store, CAT, b"a cat")
    os.utime(store.path(entry), ns=(1, 1))
    assert [checked.actual for checked in store.verify(deep=False)] == [entry.facts.sha256]
    assert store.find(CAT) == entry
    assert [checked.actual for checked in store.verify(deep=False)] == [None]
