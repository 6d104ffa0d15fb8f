"""The time of the index: the clock of the machine, without its jumps (`rules.store.eviction`)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from imgfetch.errors import CacheError
from imgfetch.rules.store.eviction import IndexTime, advance_clock, is_persisted
from imgfetch.store.index.rows import types_of

if TYPE_CHECKING:
    from imgfetch.store.index.database import Database
    from imgfetch.store.index.sql import Row, sqlite3

_SELECT = "SELECT time, doubted FROM clock"
_TYPES = frozenset([(float, float), (float, type(None))])
_END_OF_TIME = 1e12
"""Seconds since the epoch: a later time has a year that cannot be written."""


def tell(database: Database, reading: float) -> float:
    """Return the time of the index when the clock of the machine reads `reading`."""
    found = database.rows(_SELECT)
    seen = IndexTime(*found[0]) if found and _is_sound(found[0]) else None
    now = advance_clock(seen, reading)
    if seen is None or now.doubted != seen.doubted or not is_persisted(seen.time, now=now.time):
        back = max(0.0, seen.time - now.time) if seen else 0.0
        with suppress(CacheError, OSError):  # where it cannot be written, no use can be recorded either
            database.try_transaction(lambda connection: _set(connection, found, now, back))
    return now.time


def _is_sound(row: Row) -> bool:
    return types_of(row) in _TYPES and all(time is None or abs(time) < _END_OF_TIME for time in row)


def _set(connection: sqlite3.Connection, before: list[Row], now: IndexTime, back: float) -> None:
    """Store the time, unless another process did since it was `before`."""
    if connection.execute(_SELECT).fetchall() == before:
        connection.execute("DELETE FROM clock")
        connection.execute("INSERT INTO clock (time, doubted) VALUES (?, ?)", now)
        if back:
            values = (int(back), int(now.time))
            connection.execute("UPDATE object SET used_at = used_at - ? WHERE used_at > ?", values)
