"""Pruning: what it deletes and spares, alone and beside other processes."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import threading
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest

import litter
from bounded import DAY, HOUR, NOTHING, check_true, fill, left
from disks import ROUNDS, child, fails, index_of, mounted
from fakes import FakeClock
from imgfetch.model.result import ErrorKind
from imgfetch.model.values import Key
from imgfetch.rules.store.eviction import IN_USE, Bounds
from imgfetch.store.disk_store import DiskStore
from imgfetch.store.maintenance import Cleared
from imgfetch.store.staged_body import IN_MEMORY
from keeping import CAT, DOG, keep, written
from litter import key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(root: Path, clock: FakeClock) -> Iterator[DiskStore]:
    with closing(DiskStore(root, clock=clock)) as store:
        yield store


def test_pruning_evicts_down_to_the_bound(store: DiskStore, root: Path, clock: FakeClock) -> None:
    fill(store, clock, 30)
    would = store.prune(Bounds(10_500), dry_run=True)
    assert (would.evicted, would.left) == (Cleared(20, 20_000), Cleared(10, 10_000))
    assert left(root) == [*range(30)]
    pruned = store.prune(Bounds(10_500))
    assert (pruned.evicted, pruned.left, pruned.over) == (would.evicted, would.left, 0)
    assert left(root) == [*range(20, 30)]
    assert store.prune(Bounds(10_500)).evicted == Cleared()
    assert store.prune(NOTHING).evicted == Cleared()
    assert store.prune(Bounds(None, 4.5 * DAY)).left.files == 4
    check_true(root)


def test_pruning_spares_objects_that_may_be_in_use(store: DiskStore, clock: FakeClock) -> None:
    fill(store, clock, 4, every=HOUR)
    clock.time += IN_USE - 2 * HOUR - 1
    assert store.prune(Bounds(0)).left.files == 2
    assert store.prune(Bounds(0), grace=0).left.files == 0


def test_pruning_makes_index_and_objects_agree(store: DiskStore, root: Path, clock: FakeClock) -> None:
    fill(store, clock, 6)
    paths = [store.path(entry) for entry in store.entries()]
    paths[0].unlink()
    shutil.rmtree(paths[1].parent)
    for number in (2, 3):
        with closing(sqlite3.connect(index_of(root))) as connection, connection:
            for table in ("entry", "object"):
                connection.execute(f"DELETE FROM {table} WHERE sha256 = ?", (paths[number].stem,))
    (paths[4].parent / "notes.txt").write_text("mine")
    (paths[4].parent / f"{'0' * 64}.webp").write_text("misplaced")
    clock.time = paths[3].stat().st_mtime
    os.utime(paths[3], (0, clock.time - HOUR - 1))
    os.utime(paths[2], (0, clock.time - HOUR + 1))
    would = store.prune(NOTHING, dry_run=True)
    assert (would.strays, would.forgotten) == (Cleared(1, 1000), 2)
    pruned = store.prune(NOTHING)
    assert (pruned.strays, pruned.forgotten, pruned.left) == (Cleared(1, 1000), 2, Cleared(2, 2000))
    assert [path.exists() for path in paths] == [False, False, True, False, True, True]
    assert sorted(path.name for path in paths[4].parent.glob("*[st].*"))[-1] == "notes.txt"
    assert store.prune(NOTHING).forgotten == 0


def test_does_not_delete_a_stray_that_is_stored_again_meanwhile(store: DiskStore, root: Path) -> None:
    entry = keep(store, CAT, b"a cat")
    path = store.path(entry)
    deleted: list[Path] = []
    store._index.objects.unless_known([(entry.facts.sha256, path)], deleted.append)
    assert deleted == []
    store._index.objects.forget(entry.facts.sha256)
    store._index.objects.unless_known([(entry.facts.sha256, path)], deleted.append)
    assert deleted == [path]


def test_pruning_deletes_old_leftovers(store: DiskStore, root: Path, clock: FakeClock) -> None:
    bad = store.path(keep(store, CAT, b"a bad cat"))
    keep(store, DOG, b"a dog")
    store.quarantine(bad, "it scratches")
    written(store, bytes(IN_MEMORY), b"half a c")
    index_of(root).with_name("index-v1.sqlite.damaged-1").write_bytes(b"noise")
    now = clock.time = bad.parent.parent.stat().st_mtime
    assert store.prune(NOTHING).quarantine == Cleared()
    clock.time = now + HOUR + 100
    assert store.prune(NOTHING).scratch == Cleared(1, IN_MEMORY + 8)
    clock.time = now + 31 * DAY
    would = store.prune(NOTHING, dry_run=True)
    assert would.quarantine == Cleared(3, 9 + 13 + 5)
    assert store.prune(NOTHING).quarantine == would.quarantine
    assert list((root / "quarantine-v1").iterdir()) == []
    assert not list(root.glob("*.damaged*"))
    assert store.find(DOG)


def test_pruning_deletes_parts_of_older_versions_only(store: DiskStore, root: Path) -> None:
    keep(store, CAT, b"a cat")
    for name in ("objects-v0", "objects-v2", "scratch-v0", "objects-v", "objects-vv0", "my-objects-v0"):
        (root / name / "ab").mkdir(parents=True)
        (root / name / "ab" / "file").write_bytes(b"12345")
    for name in ("index-v0.sqlite", "index-v0.sqlite-wal", "index-v2.sqlite", "notes-v0.txt"):
        (root / name).write_bytes(b"12345")
    elsewhere = root.parent / "elsewhere"
    elsewhere.mkdir()
    (root / "quarantine-v0").symlink_to(elsewhere)
    before = {path.name for path in root.iterdir()}
    assert store.prune(NOTHING, dry_run=True).outdated == Cleared(4, 20)
    assert {path.name for path in root.iterdir()} == before
    assert store.prune(NOTHING).outdated == Cleared(4, 20)
    gone = {"objects-v0", "scratch-v0", "index-v0.sqlite", "index-v0.sqlite-wal"}
    assert {path.name for path in root.iterdir()} == before - gone
    assert elsewhere.exists()


def test_compacts_the_index_if_it_has_many_free_pages(root: Path, clock: FakeClock) -> None:
    with closing(DiskStore(root, clock=clock)) as store:
        litter.fill(store, 3500)
        assert store.prune(NOTHING).compacted == 0
        assert store.prune(NOTHING).forgotten == 0
    before = index_of(root).stat().st_size
    with closing(DiskStore(root, clock=clock)) as store:
        pruned = store.prune(Bounds(0), grace=0)
        assert pruned.left == Cleared()
        assert pruned.compacted > before * 0.7
    assert index_of(root).stat().st_size < before * 0.3
    check_true(root)


def test_pruning_an_absent_cache_makes_nothing(store: DiskStore, root: Path) -> None:
    assert store.prune(Bounds(0)).left == Cleared()
    assert not store.pin(CAT)
    assert not store.unpin(CAT)
    assert store.pins() == frozenset()
    assert not root.exists()


def test_does_not_prune_a_directory_with_other_things(root: Path, store: DiskStore) -> None:
    root.mkdir()
    (root / "objects-v0").mkdir()
    (root / "thesis.tex").write_text("")
    fails(ErrorKind.NOT_A_CACHE, lambda: store.prune(Bounds(0)), root)
    fails(ErrorKind.NOT_A_CACHE, lambda: store.pin(CAT), root)
    assert (root / "objects-v0").exists()


_PRUNE = """
    from imgfetch.rules.store.eviction import Bounds
    print("go", flush=True)
    store.prune(Bounds(int(sys.argv[2])), grace=0)
    store.close()
    print("done", flush=True)
"""


def test_a_prune_may_be_killed_at_any_instant(tmp_path: Path) -> None:
    full, root = tmp_path / "full", tmp_path / "cache"
    with closing(DiskStore(full)) as store:
        litter.fill(store, 1500)
    chance = random.Random()
    killed = 0
    for turn in range(max(3, ROUNDS // 5)):
        litter.link(full, root)
        with subprocess.Popen(child(_PRUNE, root, 2000), stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "go\n"
            try:
                process.wait(
                    chance.uniform(0, 0.15) if turn else 0
                )  # the first is killed, however quick it is
            except subprocess.TimeoutExpired:
                process.kill()
                killed += 1
        assert check_true(root).strays == 0
        with closing(DiskStore(root)) as store:
            pruned = store.prune(Bounds(2000), grace=0)
            assert 1990 < pruned.left.bytes <= 2000
            assert [entry.key for entry in store.entries() if not store.find(entry.key)] == []
        assert check_true(root) == (pruned.left.files, pruned.left.bytes, 0, 0, [])
        held = left(root, 1500)
        assert held == [*range(1500 - len(held), 1500)]
    assert killed


def test_two_processes_may_prune_at_once(root: Path) -> None:
    with closing(DiskStore(root)) as store:
        litter.fill(store, 3000)
        target = store.stats().bytes // 2
    running = [subprocess.Popen(child(_PRUNE, root, target), stdout=subprocess.PIPE) for _ in range(2)]
    assert [process.communicate()[0][-5:] for process in running] == [b"done\n"] * 2
    assert [process.returncode for process in running] == [0, 0]
    check_true(root)
    with closing(DiskStore(root)) as store:
        assert target - 1000 < store._index.objects.total().bytes <= target
        assert store.prune(NOTHING).forgotten == 0
        assert store.notices == []


def test_a_prune_does_not_evict_what_another_process_serves(root: Path) -> None:
    with closing(DiskStore(root)) as store:
        litter.fill(store, 2000)
    code = """
        print("go", flush=True)
        keys = [Key(f"https://photos.example/{number}") for number in range(0, 2000, 20)]
        paths = [store.path(store.find(key)) for key in keys]
        store._access_times.flush()
        print("served", flush=True)
        sys.stdin.read()
        assert all(path.read_bytes() for path in paths)
        store.close()
    """
    with subprocess.Popen(
        child(code, root), stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    ) as serving:
        assert serving.stdout is not None
        assert [serving.stdout.readline() for _ in range(2)] == ["go\n", "served\n"]
        with closing(DiskStore(root)) as store:
            assert store.prune(Bounds(0)).left.files == 101  # the cat has just come
        serving.communicate("")
        assert serving.returncode == 0
    check_true(root)


def test_many_threads_store_find_and_evict_at_once(root: Path) -> None:
    """Whatever `find` gives out in a run that evicts is there until the end of it."""
    with closing(DiskStore(root)) as store:
        litter.fill(store, 1500)
    wrong: list[Key] = []
    with closing(DiskStore(root, bounds=Bounds(2000))) as store:

        def serve(first: int) -> None:
            paths = {}
            for number in range(first, 1500, 3):
                entry = store.find(key(number))
                if entry is not None:
                    paths[entry.key] = store.path(entry)
                if number % 50 == first:
                    keep(store, Key(f"https://other.example/{number}"), b"%d new" % number)
            store._evictor.finish()
            wrong.extend(name for name, path in paths.items() if not path.exists())

        threads = [threading.Thread(target=serve, args=(first,)) for first in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
    check_true(root)


def fill_up(path: Path) -> None:
    """Write until no space is left."""
    with path.open("wb", buffering=0) as ballast, suppress(OSError):
        while ballast.write(bytes(4096)):
            pass


def test_evicts_on_a_full_disk(tmp_path: Path, clock: FakeClock) -> None:
    disk_of_ours = tmp_path / "disk"
    with mounted(disk_of_ours, "-t", "tmpfs", "-o", "size=6000k", "none"):
        root = disk_of_ours / "cache"
        with closing(DiskStore(root, clock=clock)) as store:
            fill(store, clock, 100, size=5000)
        for is_open in (False, True):
            with closing(DiskStore(root, clock=clock)) as store:
                if is_open:
                    assert store.find(key(99))
                fill_up(disk_of_ours / "ballast")
                before = store._index.objects.total().objects
                pruned = store.prune(Bounds(before * 5000 // 2))
                assert pruned.left.files == before // 2
            check_true(root)
            (disk_of_ours / "ballast").unlink()
