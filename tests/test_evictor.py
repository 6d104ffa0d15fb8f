"""Eviction while images are stored, and the pins that prevent it."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from bounded import DAY, HOUR, check_true, fill, left
from fakes import FakeClock
from imgfetch.rules.store.eviction import Bounds
from imgfetch.store.disk_store import DiskStore
from imgfetch.store.maintenance import Cleared
from keeping import CAT, DOG, keep
from litter import key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from imgfetch.store import publish


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(root: Path, clock: FakeClock) -> Iterator[DiskStore]:
    with closing(DiskStore(root, clock=clock)) as store:
        yield store


def test_a_run_that_fills_the_cache_leaves_it_below_its_bound(root: Path, clock: FakeClock) -> None:
    with closing(DiskStore(root, clock=clock)) as store:
        fill(store, clock, 100)
    with closing(DiskStore(root, clock=clock, bounds=Bounds(100_000))) as store:
        assert store.find(key(0))
        keep(store, key(100), b"x" * 1000)
        keep(store, key(101), b"y" * 1000)
    held = left(root, 102)
    assert 90 <= len(held) <= 91  # of 1 kB each: one may have come after the others went
    assert held == [0, *range(103 - len(held), 102)]  # what this run has asked for is there
    check_true(root)


def test_a_run_does_not_evict_what_it_was_served(root: Path, clock: FakeClock) -> None:
    with closing(DiskStore(root, clock=clock)) as store:
        fill(store, clock, 10)
    with closing(DiskStore(root, clock=clock, bounds=Bounds(5000))) as store:
        assert store.find(key(0))
        for number in range(10, 30):
            keep(store, key(number), b"%d" % number * 500)
            clock.time += 60
        store._evictor.finish()
        (notice,) = store.notices
        assert "16,000 bytes more than its bound" in notice
    assert left(root) == [0, *range(10, 30)]


def test_age_alone_evicts_too(root: Path, clock: FakeClock) -> None:
    with closing(DiskStore(root, clock=clock)) as store:
        fill(store, clock, 10)
    with closing(DiskStore(root, clock=clock, bounds=Bounds(None, 5.5 * DAY))) as store:
        keep(store, CAT, b"a cat")
    assert left(root) == [5, 6, 7, 8, 9]


def test_does_not_evict_what_another_process_has_just_used(root: Path, clock: FakeClock) -> None:
    with closing(DiskStore(root, clock=clock)) as other:
        fill(other, clock, 10)
        assert other.find(key(0))
        other._access_times.flush()
        clock.time += HOUR + 500
        with closing(DiskStore(root, clock=clock, bounds=Bounds(1))) as store:
            keep(store, CAT, b"a cat")
        assert left(root) == [0]
        clock.time += 101
        with closing(DiskStore(root, clock=clock, bounds=Bounds(1))) as store:
            keep(store, DOG, b"a dog")
    assert left(root) == []


def test_a_use_between_selection_and_eviction_spares_the_object(root: Path, clock: FakeClock) -> None:
    with closing(DiskStore(root, clock=clock)) as store, closing(DiskStore(root, clock=clock)) as other:
        fill(store, clock, 4)
        batch = [*store._index.objects.by_use()]
        assert store.find(key(0))  # noted by us, and written nowhere
        assert other.find(key(1))
        other._access_times.flush()
        assert other.pin(key(2))
        gone = store._index.objects.evict(batch, store._evictor.unlink_unused)
        assert [held.used_at for held in gone] == [batch[3].used_at]
    assert left(root) == [0, 1, 2]
    check_true(root)


def test_an_object_evicted_before_its_new_row_is_stored_again(root: Path, clock: FakeClock) -> None:
    """The evictor deletes the file when the keeper has seen that it is there, and not written its row."""
    with closing(DiskStore(root, clock=clock)) as store, closing(DiskStore(root, clock=clock)) as other:
        path = store.path(keep(store, CAT, b"a cat"))
        clock.time += DAY
        publish_all = store._publisher._publish

        evicted: list[Path] = []

        def slowly(publications: Sequence[publish._Publication]) -> None:
            publish_all(publications)
            if not evicted:
                evicted.append(path)
                objects = other._index.objects
                assert len(objects.evict([*objects.by_use()], other._evictor.unlink_unused)) == 1
                assert not path.exists()

        store._publisher._publish = slowly  # type: ignore[method-assign]
        entry = keep(store, DOG, b"a cat")
        assert path.read_bytes() == b"a cat"
        assert store.find(DOG) == entry
        assert store.find(CAT) is None
    check_true(root)


def test_does_not_evict_an_object_that_has_just_replaced_a_damaged_one(
    store: DiskStore, root: Path, clock: FakeClock
) -> None:
    path = store.path(keep(store, CAT, b"a cat"))
    (held,) = store._index.objects.by_use()
    now = path.stat().st_mtime
    os.utime(path, (now, now - 5))
    clock.time = now
    assert not store._evictor.unlink_unused(held)
    clock.time = now + DAY
    assert store._evictor.unlink_unused(held)
    assert not path.exists()


def test_counts_bytes_once_that_are_stored_twice(store: DiskStore, root: Path) -> None:
    for number in range(3):
        keep(store, key(number), b"a cat")
    assert store._index.objects.total() == (1, 5)
    assert store.remove(key(0))
    assert store._index.objects.total() == (1, 5)
    assert store.remove(key(1))
    assert store.remove(key(2))
    assert store._index.objects.total() == (0, 0)
    check_true(root)


def test_never_evicts_pinned_objects(store: DiskStore, root: Path, clock: FakeClock) -> None:
    fill(store, clock, 5)
    assert store.pin(key(1))
    assert not store.pin(key(77))
    assert store.pins() == {key(1)}
    assert store.stats().pinned == 1
    pruned = store.prune(Bounds(0, 1.0), grace=0)
    assert (pruned.evicted.files, pruned.left.files, pruned.over) == (4, 1, 1000)
    keep(store, key(1), b"another cat")  # a pin is the URL's: it goes over to what comes in the place
    clock.time += DAY
    assert store.prune(Bounds(0), grace=0).left == Cleared(1, 11)
    assert store.find(key(1))
    assert store.unpin(key(1))
    assert not store.unpin(key(1))
    assert store.prune(Bounds(0), grace=0).left == Cleared(0, 0)


def test_bytes_are_pinned_by_any_of_their_urls_and_unpinned_by_removing_it(
    store: DiskStore, clock: FakeClock
) -> None:
    keep(store, CAT, b"a pet")
    keep(store, DOG, b"a pet")
    assert store.pin(DOG)
    clock.time += DAY
    assert store.prune(Bounds(0)).evicted == Cleared()
    assert store.find(CAT)
    assert store.remove(DOG)
    assert store.pins() == frozenset()
    clock.time += DAY
    assert store.prune(Bounds(0), grace=0).evicted.files == 1
