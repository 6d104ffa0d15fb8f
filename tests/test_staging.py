"""Partial bodies in staging: suspended, claimed and swept away."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

from disks import (
    fails,
)
from imgfetch.model.image import Verified
from imgfetch.model.result import ErrorKind
from imgfetch.store import layout
from imgfetch.store.disk_store import DiskStore
from keeping import CAT, HEAD, facts, keep_proved, written

if TYPE_CHECKING:
    from pathlib import Path


def suspended(store: DiskStore) -> None:
    staging_id = written(store, b"a c")
    store.staging.make_resumable(staging_id, CAT, HEAD)
    store.staging.suspend(staging_id)


def grow_older(root: Path, seconds: float) -> None:
    """All that lies in scratch."""
    for path in (root / layout.SCRATCH).iterdir():
        os.utime(path, (path.stat().st_mtime - seconds,) * 2)


def sweep(root: Path) -> None:
    """As the first of all writers does in each process."""
    with closing(DiskStore(root)) as store:
        store.staging.discard(store.staging.open())


def test_a_note_stays_as_long_as_its_bytes(store: DiskStore, root: Path) -> None:
    suspended(store)
    grow_older(root, 3000)
    partial = store.staging.resume(CAT)
    assert partial is not None
    grow_older(root, 3000)
    store.staging.write(partial.staging_id, b"a")  # slowly: the note has not been written to for long
    store.staging.suspend(partial.staging_id)
    grow_older(root, 700)
    sweep(root)
    partial = store.staging.resume(CAT)
    assert partial is not None
    assert partial.length == 4
    store.staging.suspend(partial.staging_id)
    grow_older(root, 3700)
    sweep(root)
    assert list((root / layout.SCRATCH).iterdir()) == []


def test_does_not_delete_the_note_of_bytes_that_are_being_claimed(store: DiskStore, root: Path) -> None:
    suspended(store)
    grow_older(root, 3590)
    partial = store.staging.resume(CAT)
    assert partial is not None
    (note,) = (root / layout.SCRATCH).glob("*.json")
    assert note.stat().st_mtime > note.with_suffix(".partial").stat().st_mtime - 10


def test_bytes_that_cannot_be_read_back_are_a_cache_error(store: DiskStore) -> None:
    suspended(store)
    partial = store.staging.resume(CAT)
    assert partial is not None
    unreadable = os.open(os.devnull, os.O_WRONLY)
    os.dup2(unreadable, store.staging._bodies[partial.staging_id].flush())
    os.close(unreadable)

    def look() -> None:
        with store.staging.read(partial.staging_id):
            pass

    fails(ErrorKind.IO, look, "Bad file descriptor")
    verified = Verified(facts(b"a c"), partial.staging_id)
    fails(
        ErrorKind.IO,
        lambda: keep_proved(store, verified, CAT, HEAD, request_time=1, response_time=1),
        "Bad file descriptor",
    )
