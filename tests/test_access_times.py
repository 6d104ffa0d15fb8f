"""Uses of objects: recorded once an hour, by a clock that may be wrong."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from bounded import DAY, HOUR, NOTHING, fill, left, prune, used_at, writes
from disks import fails, index_of, mounted
from fakes import FakeClock
from imgfetch.model.result import ErrorKind
from imgfetch.rules.store.eviction import Bounds
from imgfetch.store.disk_store import DiskStore
from imgfetch.store.maintenance import Cleared
from keeping import CAT, keep
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


def test_records_a_use_once_an_hour_at_most(store: DiskStore, root: Path, clock: FakeClock) -> None:
    keep(store, CAT, b"a cat")
    began = clock.time
    before = writes(root)
    for _ in range(100):
        clock.time += 36
        assert store.find(CAT)
    store._access_times.flush()
    assert (used_at(root)[CAT], writes(root)) == (int(began), before)
    clock.time += 1
    assert store.find(CAT)
    assert used_at(root)[CAT] == int(began)  # collected, not written on the spot
    store._access_times.flush()
    assert used_at(root)[CAT] == int(clock.time)
    before = writes(root)
    assert store.find(CAT)
    store.close()
    assert used_at(root)[CAT] == int(clock.time)


def test_writes_many_uses_in_one_transaction(store: DiskStore, root: Path, clock: FakeClock) -> None:
    fill(store, clock, 300, every=0)
    clock.time += 2 * HOUR
    before = writes(root)
    for number in range(300):
        assert store.find(key(number))
    assert writes(root) == before
    store.close()
    assert set(used_at(root).values()) == {int(clock.time)}


def test_records_a_use_while_the_run_continues(
    store: DiskStore, root: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgfetch.store.access_times._DELAY", 0.0)
    keep(store, CAT, b"a cat")
    clock.time += 2 * HOUR
    assert store.find(CAT)
    timer = store._access_times._timer
    if timer is not None:
        timer.join()
    assert used_at(root)[CAT] == int(clock.time)


def test_a_use_that_cannot_be_recorded_fails_nothing(root: Path, tmp_path: Path, clock: FakeClock) -> None:
    with closing(DiskStore(root, clock=clock)) as store:
        keep(store, CAT, b"a cat")
    then = used_at(root)
    clock.time += DAY
    copy = tmp_path / "read-only"
    with mounted(copy, "-o", "bind,ro", str(root)):
        with closing(DiskStore(copy, clock=clock, bounds=Bounds(1, 1.0))) as store:
            assert store.find(CAT)
        fails(ErrorKind.PERMISSION, lambda: prune(copy, clock, 1), copy)
    with closing(sqlite3.connect(index_of(root), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with closing(DiskStore(root, clock=clock)) as store:
            assert store.find(CAT)
        other.execute("ROLLBACK")
    shutil.rmtree(root / "objects-v1")
    with closing(DiskStore(root, clock=clock)) as store:
        assert store.find(CAT) is None
    assert used_at(root) == then
    with closing(DiskStore(root, clock=clock)) as store:
        entry = keep(store, CAT, b"a cat")
        clock.time += DAY
        assert store.find(CAT) == entry
        shutil.rmtree(root)
    assert not root.exists()


@pytest.mark.parametrize("wrong", [3650 * DAY, -3650 * DAY])
def test_a_clock_that_is_once_ten_years_off_evicts_nothing_by_age(
    root: Path, clock: FakeClock, wrong: float
) -> None:
    with closing(DiskStore(root, clock=clock)) as store:
        fill(store, clock, 10)
    bounds = Bounds(None, 30 * DAY)
    clock.time += wrong
    for _ in range(3):
        with closing(DiskStore(root, clock=clock, bounds=bounds)) as store:
            assert store.find(key(0))
            keep(store, CAT, b"a cat")
            assert store.prune(bounds).evicted == Cleared()
        clock.time += 5 * 60
    clock.time -= wrong
    with closing(DiskStore(root, clock=clock)) as store:
        assert store.prune(bounds).evicted == Cleared()
        assert all(abs(clock.time - at) < 11 * DAY for at in used_at(root).values())
    clock.time += 60 * DAY
    with closing(DiskStore(root, clock=clock)) as store:
        assert store.prune(bounds).left == Cleared()  # nor is anything kept for ever


@pytest.mark.parametrize("wrong", [3650 * DAY, -3650 * DAY])
def test_evicts_the_least_recently_used_first_under_a_wrong_clock(
    root: Path, clock: FakeClock, wrong: float
) -> None:
    with closing(DiskStore(root, clock=clock)) as store:
        fill(store, clock, 10)
    clock.time += wrong
    with closing(DiskStore(root, clock=clock)) as store:
        assert store.find(key(1))
        assert store.prune(Bounds(5000)).left.files == 5
    assert left(root) == [1, 6, 7, 8, 9]


def test_believes_a_clock_that_was_set_back_after_a_day(root: Path, clock: FakeClock) -> None:
    with closing(DiskStore(root, clock=clock)) as store:
        fill(store, clock, 10)
    clock.time -= 3650 * DAY
    for _ in range(2):
        with closing(DiskStore(root, clock=clock)) as store:
            store.prune(NOTHING)
        clock.time += 1.5 * DAY
    ages = [clock.time - at for at in used_at(root).values()]
    assert [ages[number] - ages[number + 1] for number in range(9)] == [DAY] * 9
    with closing(DiskStore(root, clock=clock)) as store:
        assert store.prune(Bounds(None, 5 * DAY)).left.files in range(1, 10)
