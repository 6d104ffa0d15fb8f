"""SQLite's connections, transactions and errors: the parts that know nothing of the index."""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from imgfetch.store.lookup_sql import sqlite3 as sqlite3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

T = TypeVar("T")
Row: TypeAlias = "tuple[Any, ...]"
Statement: TypeAlias = "tuple[str, tuple[object, ...]]"

_ROWS_A_STATEMENT = (32, 8, 1)
"""Rows that one statement writes: each statement that is executed lets other threads run, once or more."""


class Damaged(sqlite3.DatabaseError):
    """The file can be read, and is not an index."""


def connect(path: str, query: str, timeout: float) -> sqlite3.Connection:
    """Open a database; `query` is that of SQLite's URI, `timeout` the seconds to wait for a lock."""
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return sqlite3.connect(
        f"file://{quoted}?{query}", uri=True, timeout=timeout, isolation_level=None, check_same_thread=False
    )


def transaction(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    """Run `work` in a transaction: all or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
    return result


def execute(connection: sqlite3.Connection, statements: Iterable[Statement]) -> None:
    """Execute statements, each with its values."""
    for statement, values in statements:
        connection.execute(statement, values)


def execute_rows(connection: sqlite3.Connection, statement: str, rows: Sequence[Row]) -> None:
    """Execute a statement in which `{}` stands for any number of rows."""
    start = 0
    for many in _ROWS_A_STATEMENT:
        while len(rows) - start >= many:
            values = tuple(chain.from_iterable(rows[start : start + many]))
            connection.execute(_for_rows(statement, many, len(rows[0])), values)
            start += many


@cache
def _for_rows(statement: str, rows: int, columns: int) -> str:
    return statement.format(",".join([f"({','.join('?' * columns)})"] * rows))


# ---------------------------------------------------------------------------------------------------
# Errors

_NO_LOG = (
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
)
_DAMAGE = (
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_TOOBIG,
    sqlite3.SQLITE_CONSTRAINT,  # our own statements break no constraint if every row is sound
    sqlite3.SQLITE_MISMATCH,
)


def code_of(error: sqlite3.Error) -> int | None:
    """Return the primary result code; None if the error does not come from SQLite itself."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_IOERR_SHMSIZE:  # a full disk, met while making space for shared memory
        return sqlite3.SQLITE_FULL
    return None if code is None else code & 0xFF


def is_busy(error: sqlite3.Error) -> bool:
    """Return whether another process holds the lock."""
    return code_of(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_unwritable(error: sqlite3.Error) -> bool:
    """Return whether the error says that no write-ahead log can be made here."""
    return code_of(error) in _NO_LOG


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether the error says that the database is damaged."""
    code = code_of(error)
    if code is None:  # text that is not UTF-8 is reported by Python, not by SQLite
        return isinstance(error, (Damaged, sqlite3.OperationalError))
    return code in _DAMAGE
