"""Pins: keys with objects that are not evicted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.store.index.rows import keys_in

if TYPE_CHECKING:
    from imgfetch.model.values import Key
    from imgfetch.store.index.database import Database


class Pins:
    """The table `pin`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, key: Key) -> None:
        """Keep the objects of `key`, now and later, from being evicted."""
        self._database.write(("INSERT OR IGNORE INTO pin (key) VALUES (?)", (key,)))

    def remove(self, key: Key) -> bool:
        """Let the objects of `key` be evicted again; return whether it was pinned."""
        if not self._database.rows("SELECT 1 FROM pin WHERE key = ?", (key,)):
            return False
        self._database.write(("DELETE FROM pin WHERE key = ?", (key,)))
        return True

    def all(self) -> frozenset[Key]:
        """Return every pinned key."""
        return frozenset(keys_in(self._database.rows("SELECT key FROM pin")))
