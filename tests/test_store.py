"""The store suite, run on every store there is."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

from fakes import MemoryStore
from imgfetch.store.disk_store import DiskStore
from imgfetch.store.memory.transient_store import TransientStore
from keeping import CAT, HEAD, keep, written
from store_suite import BodiesSuite, StoreSuite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imgfetch.model.image import Entry
    from keeping import Cache


class TestDiskStore(StoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Cache]:
        store = DiskStore(tmp_path / "cache")
        yield store
        store.close()
        assert all("was damaged on the disk" in notice for notice in store.notices)


class TestMemoryStore(StoreSuite):
    @pytest.fixture
    def store(self) -> Cache:
        return MemoryStore()

    def bytes_of(self, store: Cache, entry: Entry) -> bytes:
        assert isinstance(store, MemoryStore)
        return store.objects[entry.facts.sha256]

    def lose(self, store: Cache, entry: Entry) -> None:
        assert isinstance(store, MemoryStore)
        del store.objects[entry.facts.sha256]

    def change(self, store: Cache, entry: Entry, data: bytes) -> None:
        assert isinstance(store, MemoryStore)
        store.objects[entry.facts.sha256] = data


class TestTransientStore(BodiesSuite):
    """The store of `Client(cache=None)`: of the promises, those that are not about what is kept."""

    @pytest.fixture
    def store(self) -> TransientStore:
        return TransientStore()

    def test_keeps_nothing_of_what_was_committed(self, store: TransientStore) -> None:
        entry = keep(store, CAT, b"a cat")
        assert store.find(CAT) is None
        lookup = store.lookup([CAT], now=20)
        assert (dict(lookup.hits), {*lookup.missing}) == ({}, {CAT})
        assert store.keys_sharing(entry.facts) == ()
        assert store.holding(entry.facts.sha256) is None

    def test_an_entry_and_its_bytes_can_be_pickled(self, store: TransientStore) -> None:
        entry = pickle.loads(pickle.dumps(keep(store, CAT, b"a cat")))
        assert TransientStore().content(entry) == b"a cat"

    def test_everyone_gets_a_lease(self, store: TransientStore) -> None:
        assert store.acquire(CAT, ()).ours
        assert store.acquire(CAT, ()).ours

    def test_forgets_what_was_suspended(self, store: TransientStore) -> None:
        staging_id = written(store, b"a c")
        store.staging.make_resumable(staging_id, CAT, HEAD)
        store.staging.suspend(staging_id)
        store.staging.forget(CAT)
        store.staging.forget(CAT)
        assert store.staging.resume(CAT) is None
