"""Entries: the stored responses under each key, and the source sets for which they were fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imgfetch.model.values import Key
from imgfetch.store.index import rows
from imgfetch.store.index.sql import execute_rows
from imgfetch.store.lookup_sql import COLUMNS, FROM, find_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from imgfetch.model.image import Entry
    from imgfetch.model.values import Digest
    from imgfetch.store.index.database import Database
    from imgfetch.store.index.rows import Found, Object
    from imgfetch.store.index.sql import Row, sqlite3

_ENTRIES = f"SELECT {COLUMNS}, e.variant, e.selector, e.id {FROM}"
_FIND = f"{_ENTRIES} WHERE e.key = ? AND e.selector = ? ORDER BY e.response_time DESC, e.id DESC"
_FIND_ANY = f"{_ENTRIES} WHERE e.key = ? ORDER BY e.response_time DESC, e.id DESC"
_LATEST = f"{_ENTRIES} WHERE e.sha256 = ? ORDER BY e.response_time DESC, e.id DESC LIMIT 1"
_SHARING = "SELECT DISTINCT key FROM entry WHERE sha256 = ? LIMIT 100"
_LIST = f"{_ENTRIES} WHERE e.id > ? ORDER BY e.id LIMIT 500"
_OF_SOURCE_SET = """
    SELECT key FROM entry WHERE source_set = ? AND selector = '' AND key IN ({})
"""
_RENDITIONS = """
    SELECT DISTINCT key, width FROM entry WHERE selector = ''
    AND source_set IN (
        SELECT source_set FROM entry WHERE key = ? AND selector = '' AND source_set IS NOT NULL
    )
"""
# Not REPLACE, which would bypass the triggers.
_PUT_OBJECT = """
    INSERT INTO object (sha256, format, bytes, mtime_ns, used_at, checked_at) VALUES {}
    ON CONFLICT DO UPDATE SET (format, bytes, mtime_ns, used_at, checked_at) = (
        excluded.format, excluded.bytes, excluded.mtime_ns, excluded.used_at, excluded.checked_at
    )
"""
_PUT_ENTRY = """
    INSERT OR REPLACE INTO entry
    (key, sha256, width, height, frames, verified,
     url, status, headers, request_time, response_time, selector, variant,
     redirect_lifetime, fresh_until, source_set) VALUES {}
"""
# A response without Vary serves every request; one with Vary leaves the other variants.
_DROP_OTHERS = """
    WITH new (key, selector, variant) AS (VALUES {})
    DELETE FROM entry WHERE id IN (
        SELECT id FROM new JOIN entry USING (key, selector)
        WHERE entry.variant <> new.variant AND (entry.variant = '' OR new.variant = '')
    )
"""
_REFRESH = """
    UPDATE entry
    SET url = ?, status = ?, headers = ?, request_time = ?, response_time = ?, redirect_lifetime = ?,
        fresh_until = ?
    WHERE key = ? AND selector = ? AND variant = ? AND sha256 = ?
"""
_ONLY_UNDER = """
    SELECT o.sha256, o.format, o.bytes, o.mtime_ns, o.checked_at FROM object o
    WHERE o.sha256 IN (SELECT sha256 FROM entry WHERE key = :key)
    AND NOT EXISTS (SELECT 1 FROM entry e WHERE e.sha256 = o.sha256 AND e.key <> :key)
"""


class NewEntry(NamedTuple):
    """An entry to be written."""

    entry: Entry
    fresh_until: float | None
    """Seconds since the epoch until which it answers any request for its key, or None."""
    mtime_ns: int
    """Modification time of its object."""
    source_set: str
    """Identity of the source set that offered it, or empty."""


class Entries:
    """The table `entry`: found by key, by digest or by source set."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, key: Key, selector: str | None = None) -> list[Found]:
        """Return the variants under `key`, the latest first; those of every selector if it is None."""
        statement, values = (_FIND_ANY, (key,)) if selector is None else (_FIND, (key, selector))
        found = map(rows.found_in, self._database.rows(statement, values))
        return [each for each in found if each]

    def lookup(
        self, keys: Sequence[Key], *, now: float, checked: tuple[float, float]
    ) -> tuple[list[Row], set[Key]]:
        """Return the row of each key that answers at `now`, and the missing keys: `lookup_sql.find_rows`."""
        found, missing = find_rows(self._database.rows, keys, now=now, checked=checked)
        return found, {Key(key) for key in missing}

    def latest(self, sha256: Digest) -> Found | None:
        """Return the latest entry of an object, under any key."""
        found = map(rows.found_in, self._database.rows(_LATEST, (sha256,)))
        return next(filter(None, found), None)

    def keys_sharing(self, sha256: Digest) -> tuple[Key, ...]:
        """Return up to 100 of the keys of an object, in no order."""
        return tuple(rows.keys_in(self._database.rows(_SHARING, (sha256,))))

    def keys_of(self, sha256: Digest) -> list[Key]:
        """Return every key of an object, in the order of its entries."""
        statement = "SELECT DISTINCT key FROM entry WHERE sha256 = ? ORDER BY id"
        return rows.keys_in(self._database.rows(statement, (sha256,)))

    def all(self) -> Iterator[Entry]:
        """Yield every entry, in the order in which they were stored."""
        last = 0
        while some := self._database.rows(_LIST, (last,)):
            last = some[-1][-1]
            for row in some:
                found = rows.found_in(row)
                if found is not None:
                    yield found.entry

    def count(self) -> int:
        """Count the entries."""
        counted = self._database.rows("SELECT count(*) FROM entry")
        return int(counted[0][0]) if counted else 0

    def offered_in(self, source_set: str, keys: Sequence[Key]) -> frozenset[Key]:
        """Return those of `keys` that have an entry which was fetched for a source set.

        Responses to the caller's credentials are left out.
        """
        statement = _OF_SOURCE_SET.format(",".join("?" * len(keys)))
        return frozenset(key for (key,) in self._database.rows(statement, (source_set, *keys)))

    def renditions(self, key: Key) -> list[tuple[Key, int]]:
        """Return what is stored of the source set for which `key` was fetched: each key, and its width."""
        return [row for row in self._database.rows(_RENDITIONS, (key,)) if rows.types_of(row) == (str, int)]

    def put(self, stored: Sequence[NewEntry], used_at: float, *, checked_at: float) -> None:
        """Write entries and their objects, all or none; they replace what was there for such requests."""
        entries = [rows.entry_row(each.entry, each.fresh_until, each.source_set) for each in stored]
        objects = [rows.object_row(each.entry.facts, each.mtime_ns, used_at, checked_at) for each in stored]

        def work(connection: sqlite3.Connection) -> None:
            execute_rows(connection, _PUT_OBJECT, objects)
            for some in rows.split_at_repeated_keys(entries):
                execute_rows(connection, _PUT_ENTRY, some)
                # Last, so that an image that has an entry is never without one.
                execute_rows(connection, _DROP_OTHERS, [(row[rows.KEY], *row[rows.VARY]) for row in some])

        self._database.transaction(work)

    def refresh(self, entry: Entry, fresh_until: float | None) -> None:
        """Take over the head and the times of `entry`, if its key still has the same bytes."""
        head = entry.head
        times = (entry.request_time, entry.response_time, entry.redirect_lifetime, fresh_until)
        fields = (head.url, head.status, rows.lines(head.headers), *times)
        which = (entry.key, entry.selector, rows.lines(entry.vary_values), entry.facts.sha256)
        self._database.write((_REFRESH, (*fields, *which)))

    def remove(self, key: Key, unlink: Callable[[Object], object]) -> None:
        """Remove `key` with its pin, and the objects that no other key has; `unlink` deletes their files."""

        def work(connection: sqlite3.Connection) -> None:
            for known in [*rows.objects_in(connection.execute(_ONLY_UNDER, {"key": key}).fetchall())]:
                unlink(known)
                connection.execute("DELETE FROM object WHERE sha256 = ?", (known.sha256,))
            connection.execute("DELETE FROM entry WHERE key = ?", (key,))
            connection.execute("DELETE FROM pin WHERE key = ?", (key,))

        self._database.transaction(work)
