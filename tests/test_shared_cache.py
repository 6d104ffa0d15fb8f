"""One cache, several processes."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from disks import (
    all_whole,
    child,
    fails,
    index_of,
    strace,
)
from fakes import FakeClock
from imgfetch.errors import CacheError
from imgfetch.model.result import ErrorKind
from imgfetch.store import layout
from imgfetch.store.disk_store import DiskStore
from imgfetch.store.staged_body import IN_MEMORY
from keeping import CAT, DOG, keep, written

if TYPE_CHECKING:
    from pathlib import Path


def test_four_processes_store_the_same_images_at_once(root: Path) -> None:
    code = """
        for number in range(200):
            key = Key(f"https://photos.example/{number}")
            assert store.find(key) in (None, keep(store, key, b"%d" % number * 999))
        store.close()
        assert not store.notices, store.notices
    """
    running = [subprocess.Popen(child(code, root)) for _ in range(4)]
    assert [process.wait() for process in running] == [0, 0, 0, 0]
    with closing(DiskStore(root)) as store:
        assert all_whole(store)
        assert all(store.find(entry.key) == entry for entry in store.entries())
        assert store.stats()[:6] == (200, 200, (10 + 2 * 90 + 3 * 100) * 999, 0, 0, 0)
        assert store.notices == []


def test_a_body_that_was_cut_short_before_it_is_read_is_a_cache_error(store: DiskStore, root: Path) -> None:
    staging_id = store.staging.open()
    store.staging.write(staging_id, bytes(IN_MEMORY + 1))
    (path,) = root.rglob("*.part")
    os.truncate(path, 10)
    with pytest.raises(CacheError, match="cut short") as caught:
        store.staging.read(staging_id)
    assert caught.value.kind is ErrorKind.IO
    store.staging.discard(staging_id)


def test_a_store_made_before_a_fork_gives_each_name_once(store: DiskStore, root: Path) -> None:
    keep(store, CAT, b"a cat")
    code = """
        import os
        child = os.fork()
        store.staging.write(store.staging.open(), bytes(300_000))
        assert not child or os.wait()
        os._exit(0)  # the file stays
    """
    subprocess.run(child(code, root), check=True, timeout=60)
    assert store.stats().scratch_files == 2


def test_a_writer_waits_for_another_and_says_so_when_it_takes_too_long(store: DiskStore, root: Path) -> None:
    entry = keep(store, CAT, b"a cat")
    with closing(sqlite3.connect(index_of(root), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert store.find(CAT) == entry
        fails(
            ErrorKind.CACHE_LOCKED, lambda: keep(store, DOG, b"a dog"), index_of(root), "0.05 s", "try again"
        )
        os.utime(store.path(entry), ns=(1, 1))
        assert store.find(CAT) == entry  # it could not be mended, and is served all the same
        other.execute("ROLLBACK")
    assert store.find(keep(store, DOG, b"a dog").key) is not None
    assert store.stats().scratch_files == 0
    assert store.notices == []


def test_uses_a_rollback_journal_where_memory_cannot_be_shared(root: Path) -> None:
    code = """
        entry = keep(store, CAT, b"a cat")
        assert store.find(CAT) == entry
        (notice,) = store.notices
        assert "write-ahead log" in notice and notice.isprintable()
        store.close()
    """
    # The first file that SQLite cuts is the one it would share as memory.
    without_memory = strace(
        "-o", "/dev/null", "-e", "trace=ftruncate", "-e", "inject=ftruncate:error=EIO:when=1"
    )
    subprocess.run(child(code, root, wrapped_in=without_memory), check=True)
    with closing(sqlite3.connect(index_of(root))) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    with closing(DiskStore(root)) as store:
        assert store.find(CAT) is not None
        assert store.find(keep(store, DOG, b"a dog").key) is not None


@pytest.mark.parametrize("leases", [True, False])
@pytest.mark.parametrize("time", [0.0, 1e10])
def test_deletes_leftovers_after_an_hour_by_the_clock_of_the_file_system(
    root: Path, leases: bool, time: float
) -> None:
    clock = FakeClock()
    clock.time = time
    with closing(DiskStore(root)) as busy:
        staging_id = written(busy, b"a cat")
        if not leases:
            (root / layout.LEASES).unlink()
            (root / layout.LEASES).mkdir()
        old, young = root / "scratch-v1" / "old.part", root / "scratch-v1" / "young.part"
        for path, minutes in ((old, 61), (young, 59)):
            path.write_bytes(b"half a c")
            now = path.stat().st_mtime
            os.utime(path, (now, now - 60 * minutes))
        with closing(DiskStore(root, clock=clock)) as store:
            assert store.find(CAT) is None
            assert old.exists()
            store.staging.open()
            assert (old.exists(), young.exists()) == (False, True)
        assert busy.staging.write(staging_id, b"!") == 6
