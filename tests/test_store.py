"""The store suite, run on every store there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fakes import MemoryStore
from imgfetch.store.disk_store import DiskStore
from store_suite import StoreSuite

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
