"""Damaged indexes: moved aside as they are, and begun anew."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from disks import (
    all_whole,
    fails,
    index_of,
    overwrite,
    tree,
)
from imgfetch.errors import CacheError
from imgfetch.model.image import Verified
from imgfetch.model.result import ErrorKind
from imgfetch.store.disk_store import DiskStore
from imgfetch.store.staged_body import IN_MEMORY
from keeping import CAT, DOG, HEAD, facts, keep, keep_proved, pending_entry, written

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def check_begun_anew(root: Path, damage: Callable[[Path], object]) -> None:
    """A damaged index is moved aside as it is, said so, and costs a download of what is already there."""
    with closing(DiskStore(root)) as store:
        path = store.path(keep(store, CAT, b"a cat"))
        kept = path.stat()
    damage(index_of(root))
    as_found = index_of(root).read_bytes()
    with closing(DiskStore(root)) as store:
        assert store.find(CAT) is None
        assert len(store.notices) == 1
        assert store.notices[0].isprintable()
        (aside,) = root.glob("*.damaged-*")
        assert str(aside) in store.notices[0]
        assert aside.read_bytes() == as_found
        assert all_whole(store)
        entry = keep(store, CAT, b"a cat")
        assert store.find(CAT) == entry
        assert (path.stat().st_ino, path.stat().st_mtime_ns) == (kept.st_ino, kept.st_mtime_ns)
        assert len(store.notices) == 1
    shutil.rmtree(root)


def another_database(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE entry (key)")


def test_a_damaged_index_is_moved_aside_and_begun_anew(root: Path) -> None:
    noise = random.Random(0).randbytes(50_000)
    check_begun_anew(root, lambda path: path.write_bytes(noise))
    check_begun_anew(root, lambda path: path.write_bytes(b"x"))
    check_begun_anew(root, lambda path: path.write_bytes(b""))
    check_begun_anew(root, lambda path: os.truncate(path, 50))
    check_begun_anew(root, lambda path: os.truncate(path, 4096))
    check_begun_anew(root, lambda path: overwrite(path, noise[:4096], at=4096 * 2))
    check_begun_anew(root, lambda path: overwrite(path, bytes(20_000), at=100))
    check_begun_anew(root, another_database)


@pytest.mark.parametrize("page", range(14))
def test_a_bad_page_of_the_index_costs_a_notice_at_most(root: Path, page: int) -> None:
    with closing(DiskStore(root)) as store:
        keep(store, CAT, b"a cat")
        keep(store, DOG, b"a dog")
    for damage in (bytes(4096), b"\xff" * 4096, random.Random(page).randbytes(4096)):
        overwrite(index_of(root), damage, at=4096 * page)
        with closing(DiskStore(root)) as store:
            for _ in range(2):
                entry = keep(store, CAT, b"a cat")
                assert store.find(CAT) == entry
                assert store.find(DOG) in (None, keep(store, DOG, b"a dog"))
                assert {found.key for found in store.entries()} <= {CAT, DOG}


def test_a_second_damaged_index_does_not_take_the_place_of_the_first(store: DiskStore, root: Path) -> None:
    for number in (1, 2, 3):
        keep(store, CAT, b"a cat")
        store.close()
        index_of(root).write_bytes(b"%d" % number)
        assert store.find(CAT) is None
        assert (root / f"index-v1.sqlite.damaged-{number}").read_bytes() == b"%d" % number


def test_a_writer_may_find_the_damaged_index_first(store: DiskStore, root: Path) -> None:
    keep(store, CAT, b"a cat")
    staging_id = written(store, b"a dog")
    for path in root.glob("index-v1*"):
        path.unlink()
    index_of(root).write_bytes(b"noise")
    entry = keep_proved(
        store, Verified(facts(b"a dog"), staging_id), DOG, HEAD, request_time=0, response_time=0
    )
    assert store.find(DOG) == entry
    assert len(store.notices) == 1


def test_skips_rows_that_are_not_sound(store: DiskStore, root: Path) -> None:
    entry = keep(store, CAT, b"a cat")
    nonsense = (
        "UPDATE object SET format = 'psd'",
        "UPDATE object SET sha256 = '../../../etc/passwd'; UPDATE entry SET sha256 = '../../../etc/passwd'",
        "UPDATE entry SET headers = '\\'",
        "UPDATE entry SET headers = 'é\\'",
        "UPDATE entry SET headers = 7",
    )
    for statements in nonsense:
        with closing(sqlite3.connect(index_of(root))) as connection:
            connection.executescript(statements)
        assert store.find(CAT) is None, statements
        assert list(store.entries()) == []
        assert keep(store, CAT, b"a cat") == store.find(CAT) == entry


def test_text_that_is_not_utf_8_is_damage(store: DiskStore, root: Path) -> None:
    keep(store, CAT, b"a cat")
    with closing(sqlite3.connect(index_of(root))) as connection, connection:
        connection.execute("UPDATE entry SET url = CAST(x'ff' AS TEXT)")
    assert store.find(CAT) is None
    assert len(store.notices) == 1


def test_leaves_an_index_of_a_later_version_alone(store: DiskStore, root: Path) -> None:
    keep(store, CAT, b"a cat")
    store.close()
    with closing(sqlite3.connect(index_of(root))) as connection:
        connection.execute("PRAGMA user_version = 3")
    shutil.rmtree(root / "scratch-v1")
    before = tree(root)
    with closing(DiskStore(root)) as later:
        fails(ErrorKind.CACHE_VERSION, lambda: later.find(CAT), index_of(root), "version 3")
        fails(ErrorKind.CACHE_VERSION, later.staging.open, index_of(root), "version 3")
        fails(ErrorKind.CACHE_VERSION, lambda: list(later.entries()))
        assert later.notices == []
    assert tree(root) == before


def test_does_not_write_to_an_index_that_another_process_moved_aside(root: Path) -> None:
    with closing(DiskStore(root)) as ours, closing(DiskStore(root)) as theirs:
        keep(ours, CAT, b"a cat")
        assert ours.find(CAT) is not None
        index_of(root).rename(root / "index-v1.sqlite.damaged-1")
        keep(theirs, DOG, b"a dog")
        entry = keep(ours, CAT, b"a cat")
        assert theirs.find(CAT) == ours.find(CAT) == entry
        assert ours.find(DOG) is not None
        theirs.close()
        assert ours.find(DOG) is not None
    with closing(DiskStore(root)) as store:
        assert (store.find(CAT), store.find(DOG)) != (None, None)
        assert store.notices == []


def test_does_not_read_the_log_of_a_deleted_index_into_a_new_one(root: Path) -> None:
    with closing(DiskStore(root)) as store:
        keep(store, CAT, b"a cat")
        log = (root / "index-v1.sqlite-wal").read_bytes()
    index_of(root).unlink()
    (root / "index-v1.sqlite-wal").write_bytes(log)
    with closing(DiskStore(root)) as store:
        keep(store, DOG, b"a dog")
        assert [entry.key for entry in store.entries()] == [DOG]
        assert store.notices == []


def test_makes_a_cache_again_that_was_deleted_meanwhile(store: DiskStore, root: Path) -> None:
    keep(store, CAT, b"a cat")
    shutil.rmtree(root)
    assert store.find(CAT) is None
    entry = keep(store, CAT, b"a cat")
    assert store.find(CAT) == entry
    in_memory = pending_entry(store, DOG, b"a dog")
    in_a_file = pending_entry(store, CAT, bytes(IN_MEMORY + 1))
    shutil.rmtree(root)
    dog, lost = store.commit([in_memory, in_a_file])
    assert store.find(DOG) == dog
    assert isinstance(lost, CacheError)
    assert lost.kind is ErrorKind.IO
    assert store.find(keep(store, CAT, b"a cat").key) is not None
    shutil.rmtree(root)
    assert store.find(keep(store, DOG, bytes(IN_MEMORY + 1)).key) is not None
