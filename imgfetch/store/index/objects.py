"""Objects: the files that the index knows, when each was used and checked, and how they are forgotten.

A file is deleted within the transaction that removes its row, before that ends. A process that is killed in
between leaves a row without its object, which costs a download and is the next to be evicted; in the other
order it would leave an object without a row. A process that stores the same bytes at that moment waits with
its row until the transaction ends, and then finds that the object is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from imgfetch.store.index import rows
from imgfetch.store.index.sql import execute

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from imgfetch.model.values import Digest
    from imgfetch.rules.store.eviction import StoredObject
    from imgfetch.store.index.database import Database
    from imgfetch.store.index.rows import Object
    from imgfetch.store.index.sql import Statement, sqlite3

T = TypeVar("T")

_SELECT = f"SELECT {rows.OBJECT_COLUMNS} FROM object"  # noqa: S608 (our own columns)
_ONE = f"{_SELECT} WHERE sha256 = ?"
_ALL = f"{_SELECT} WHERE sha256 > ? ORDER BY sha256 LIMIT 500"
_BETWEEN = f"{_SELECT} WHERE sha256 >= ? AND sha256 < ?"
_PINNED = "EXISTS (SELECT 1 FROM entry e JOIN pin USING (key) WHERE e.sha256 = object.sha256)"
_BY_USE = f"""
    SELECT sha256, format, bytes, mtime_ns, used_at, {_PINNED} FROM object
    WHERE (used_at, sha256) > (?, ?) ORDER BY used_at, sha256 LIMIT 500
"""  # noqa: S608 (our own condition)
_IS_UNUSED = f"SELECT 1 FROM object WHERE sha256 = ? AND used_at = ? AND NOT {_PINNED}"  # noqa: S608


class Total(NamedTuple):
    """The number of all objects that the index knows, and their bytes."""

    objects: int
    bytes: int


class Objects:
    """The table `object`: found by digest, and by the time of the last use."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, sha256: Digest) -> Object | None:
        """Return the record of an object."""
        return next(rows.objects_in(self._database.rows(_ONE, (sha256,))), None)

    def all(self) -> Iterator[Object]:
        """Yield every object, by digest."""
        last = ""
        while some := self._database.rows(_ALL, (last,)):
            last = some[-1][0]
            yield from rows.objects_in(some)

    def between(self, first: str, end: str) -> list[Object]:
        """Return the objects with digests from `first` to before `end`."""
        return [*rows.objects_in(self._database.rows(_BETWEEN, (first, end)))]

    def by_use(self) -> Iterator[StoredObject]:
        """Yield every object, the least recently used first."""
        last: tuple[object, ...] = (-(2**63), "")
        while some := self._database.rows(_BY_USE, last):
            last = (some[-1][4], some[-1][0])
            yield from rows.stored_objects_in(some)

    def oldest_use(self) -> int | None:
        """Return when the least recently used object was last used."""
        found = self._database.rows("SELECT min(used_at) FROM object WHERE typeof(used_at) = 'integer'")
        return found[0][0] if found else None

    def total(self) -> Total:
        """Return the total that the triggers count."""
        found = self._database.rows("SELECT objects, bytes FROM total")
        if len(found) != 1 or rows.types_of(found[0]) != (int, int):
            found = self._database.rows("SELECT count(*), CAST(total(bytes) AS INTEGER) FROM object")
        return Total(*found[0]) if found else Total(0, 0)

    def recount(self) -> None:
        """Count anew: a program that changed the index without SQL may have bypassed the triggers."""
        statement = "UPDATE total SET (objects, bytes) = (SELECT count(*), total(bytes) FROM object)"
        self._database.write((statement, ()))

    # ------------------------------------------------------------------------------------------------
    # Uses and checks: neither is a reason to wait for another process, so both fail then.

    def record_uses(self, used: Collection[Digest], used_at: float) -> None:
        """Record that these objects were used."""
        statement = "UPDATE object SET used_at = ? WHERE sha256 = ?"
        values = [(int(used_at), sha256) for sha256 in used]
        self._database.try_transaction(lambda connection: connection.executemany(statement, values))

    def record_checks(self, checked: Mapping[Digest, tuple[int, float]]) -> None:
        """Record which objects were hashed and are whole: the `mtime_ns` of each, and the time of that."""
        statement = "UPDATE object SET mtime_ns = ?, checked_at = ? WHERE sha256 = ?"
        values = [(mtime_ns, int(at), sha256) for sha256, (mtime_ns, at) in checked.items()]
        self._database.try_transaction(lambda connection: connection.executemany(statement, values))

    # ------------------------------------------------------------------------------------------------
    # Forgetting

    def forget(self, sha256: Digest) -> None:
        """Remove an object, and every entry that has it."""
        self._database.write(*_forgetting(sha256))

    def evict(
        self, batch: Iterable[StoredObject], unlink: Callable[[StoredObject], bool]
    ) -> list[StoredObject]:
        """Remove objects that were neither used nor pinned since they were read, if `unlink` deletes them.

        Return those that are gone.
        """

        def work(connection: sqlite3.Connection) -> list[StoredObject]:
            gone = []
            for each in batch:
                is_unused = connection.execute(_IS_UNUSED, (each.sha256, each.used_at)).fetchone()
                if is_unused and unlink(each):
                    execute(connection, _forgetting(each.sha256))
                    gone.append(each)
            return gone

        return self._database.transaction(work)

    def unless_known(self, strays: Iterable[tuple[Digest, T]], unlink: Callable[[T], object]) -> None:
        """Call `unlink` for each file that even now has no row."""

        def work(connection: sqlite3.Connection) -> None:
            for sha256, stray in strays:
                if not connection.execute(_ONE, (sha256,)).fetchone():
                    unlink(stray)

        self._database.transaction(work)

    def forget_lost(self, known: Iterable[Object], is_lost: Callable[[Object], bool]) -> list[Object]:
        """Remove the objects that are lost even now, and return them."""

        def work(connection: sqlite3.Connection) -> list[Object]:
            lost = [each for each in known if is_lost(each)]
            for each in lost:
                execute(connection, _forgetting(each.sha256))
            return lost

        return self._database.transaction(work)


def _forgetting(sha256: Digest) -> tuple[Statement, ...]:
    return (
        ("DELETE FROM entry WHERE sha256 = ?", (sha256,)),
        ("DELETE FROM object WHERE sha256 = ?", (sha256,)),
    )
