"""The two connections to the index: one to read with and one to write with.

    rows ──▶ reading.lock ─▶ opened? ─▶ statement ─▶ rows
    write ─▶ writing.lock ─▶ opened, made or migrated ─▶ transaction
                │ busy: tried again until `busy_timeout`
                └ damaged: moved aside, and once more with a new index

So a lookup never waits for a writer in another thread (write-ahead log). Each is opened when first needed.
"""

from __future__ import annotations

import errno
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from imgfetch.errors import CacheError
from imgfetch.model.result import ErrorKind
from imgfetch.store.index import sql
from imgfetch.store.index.migration import READ_VERSION_1, migrate
from imgfetch.store.index.schema import OLDEST_VERSION, refuse_other_schema
from imgfetch.store.index.sql import Damaged, sqlite3
from imgfetch.store.index.statement_limit import INSTRUCTIONS, LONGEST, StatementLimit
from imgfetch.store.lookup_sql import APPLICATION, VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.store.index.files import IndexFiles
    from imgfetch.store.index.sql import Row, Statement

T = TypeVar("T")

_ATTEMPT = 0.25
"""Seconds for which SQLite waits for another writer at a time. Work that may be left undone waits once."""
_LONGEST_ROW = 1 << 24
"""Bytes of a value, or of a row."""


class _Connection:
    """A connection that is opened when it is needed."""

    def __init__(self, elapsed: Callable[[], float], *, is_limited: bool = False) -> None:
        self.lock = Lock()
        self.limit = StatementLimit(elapsed, is_limited=is_limited)
        self.opened: sqlite3.Connection | None = None
        self.file: tuple[int, int] | None = None
        """Device and inode of the file to open or opened: its name may later be another file's."""
        self.is_immutable = False
        """Whether it was opened as a file that nothing writes to."""
        self.is_of_version_1 = False
        """Whether it reads an index of version 1 through views."""

    def close(self) -> None:
        self.is_of_version_1 = False
        if self.opened is not None:
            self.opened.close()
            self.opened = None


class Database:
    """Runs statements on the index; raises `CacheError` for SQLite's errors, `OSError` for the file system's.

    `elapsed` is a clock that is never set: the time limit of a statement goes by it.
    """

    def __init__(self, files: IndexFiles, *, busy_timeout: float, elapsed: Callable[[], float]) -> None:
        self.files = files
        self._busy_timeout = busy_timeout
        self._reading = _Connection(elapsed, is_limited=True)
        self._writing = _Connection(elapsed)  # where both locks are needed, this one is taken first

    def rows(self, statement: str, values: tuple[object, ...] = ()) -> list[Row]:
        """Return all rows of a query; none if the index does not exist, or was damaged and moved aside."""
        with self._reading.lock:
            try:
                return self._read(statement, values)
            except sqlite3.Error as error:
                if sql.is_busy(error):
                    return self._read_later(error, statement, values)
                if self._reading.is_of_version_1 and sql.code_of(error) == sqlite3.SQLITE_ERROR:
                    self._reading.close()  # another process has migrated the index
                    return self._read_later(error, statement, values)
                self._recover(error, self._reading)
                return []

    def write(self, *statements: Statement) -> None:
        """Execute statements in one transaction."""
        self.transaction(lambda connection: sql.execute(connection, statements))

    def transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in a transaction, as often as it takes until another writer lets it."""
        return self.with_writer(lambda connection: sql.transaction(connection, work))

    def try_transaction(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Run work that may be left undone, if there is an index: it fails where another process writes."""
        if self.files.exists():
            self.with_writer(lambda connection: sql.transaction(connection, work), may_wait=False)

    def with_writer(self, work: Callable[[sqlite3.Connection], T], *, may_wait: bool = True) -> T:
        """Run `work` with the connection that writes; once more with a new index if this one is damaged."""
        with self._writing.lock:
            try:
                try:
                    return work(self._writer())
                except sqlite3.Error as error:
                    if not (may_wait and sql.is_busy(error)):
                        raise
                    return self._retry(error, lambda: work(self._writer()))
            except sqlite3.Error as error:
                self._recover(error, self._writing)
            try:
                return work(self._writer())
            except sqlite3.Error as error:
                self._writing.close()
                self._writing.limit.raise_caught()
                raise self._translated(error) from error

    def close(self) -> None:
        """Close both connections. The next statement opens them again."""
        for connection in (self._writing, self._reading):
            with connection.lock:
                connection.close()

    def _read(self, statement: str, values: tuple[object, ...]) -> list[Row]:
        connection = self._reading.opened or self._open_to_read()
        self._reading.limit.ticks = 0
        return connection.execute(statement, values).fetchall() if connection else []

    def _read_later(self, error: sqlite3.Error, statement: str, values: tuple[object, ...]) -> list[Row]:
        """Read once another process lets us."""
        try:
            return self._retry(error, lambda: self._read(statement, values))
        except sqlite3.Error as later:
            self._recover(later, self._reading)
            return []

    def _retry(self, error: sqlite3.Error, work: Callable[[], T]) -> T:
        """Retry what another writer kept us from, until `busy_timeout`.

        SQLite waits for `_ATTEMPT` seconds each time; in between a signal may end the wait.
        """
        for _ in range(round(self._busy_timeout / _ATTEMPT) - 1):
            try:
                return work()
            except sqlite3.Error as again:
                if not sql.is_busy(again):
                    raise
                error = again
        raise error

    # ------------------------------------------------------------------------------------------------
    # Opening

    def _open_to_read(self) -> sqlite3.Connection | None:
        reading = self._reading
        reading.file = self.files.identity()
        if reading.file is None:
            return None
        reading.is_immutable = False
        try:
            return self._open(reading, "mode=rw")
        except sqlite3.OperationalError as error:
            # On a read-only or full file system, the files beside a write-ahead log cannot be made. Where
            # there is no log, the file alone is the whole index.
            if not sql.is_unwritable(error) or self.files.has_log():
                raise
        reading.is_immutable = True
        return self._open(reading, "mode=ro&immutable=1")

    def _writer(self) -> sqlite3.Connection:
        writing = self._writing
        if writing.opened is not None and writing.file == self.files.identity():
            return writing.opened
        writing.close()  # the cache was emptied, or another process moved a damaged index aside
        writing.file = self.files.identity() or self.files.create()
        connection = self._open(writing, "mode=rw")
        with self._reading.lock:
            if self._reading.is_immutable or self._reading.file != writing.file:
                self._reading.close()
        return connection

    def _open(self, slot: _Connection, query: str) -> sqlite3.Connection:
        self.files.refuse_other_types()
        connection = sql.connect(self.files.path, query, min(self._busy_timeout, _ATTEMPT))
        connection.set_progress_handler(slot.limit.tick, INSTRUCTIONS)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_ROW)
        try:
            connection.execute("PRAGMA synchronous = NORMAL")
            version = self._check_version(connection)
            refuse_other_schema(connection, version)
            if version < VERSION:
                self._migrate(connection, only_reading=slot is self._reading)
        except BaseException:
            connection.close()
            raise
        slot.opened = connection
        return connection

    def _check_version(self, connection: sqlite3.Connection) -> int:
        """Return the version of an index that can be used. Raise if it cannot."""
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise CacheError(
                ErrorKind.CACHE_VERSION,
                f"{self.files.path} is of version {version}, and this imgfetch knows version {VERSION}",
                hint="use a newer imgfetch, or another directory",
            )
        if application != APPLICATION or version < OLDEST_VERSION:
            raise Damaged("it is not an index of imgfetch")
        return int(version)

    def _migrate(self, connection: sqlite3.Connection, *, only_reading: bool) -> None:
        """Migrate an index of version 1 in one transaction; if it cannot be written, read it as it is."""

        def work(connection: sqlite3.Connection) -> bool:
            if self._check_version(connection) == VERSION:  # another process was quicker
                return False
            migrate(connection, self.files.new_salt)
            return True

        try:
            self._reading.limit.is_limited = False  # a large index takes minutes
            is_migrated = sql.transaction(connection, work)
        except sqlite3.OperationalError as error:
            if not only_reading or not sql.is_unwritable(error):
                raise
            connection.executescript(READ_VERSION_1)
            self._reading.is_of_version_1 = True
            return
        finally:
            self._reading.limit.is_limited = True
        if is_migrated:
            self.files.notices.append(
                f"{self.files.path} was of version 1 and is now of version {VERSION}: nothing was deleted;"
                " what has another key now is fetched again when it is next wanted"
            )

    # ------------------------------------------------------------------------------------------------
    # Errors

    def _recover(self, error: sqlite3.Error, slot: _Connection) -> None:
        """Move the index aside if it is damaged, and raise what any other error means."""
        slot.close()
        slot.limit.raise_caught()
        if not sql.is_damage(error):
            raise self._translated(error) from error
        try:
            if slot.is_immutable:
                raise PermissionError(errno.EROFS, "it could be opened for reading only")
            self.files.set_aside(error, slot.file)
        except OSError as refusal:
            raise CacheError(
                ErrorKind.CACHE_CORRUPT,
                f"{self.files.path} is damaged ({error}), and cannot be moved aside: {refusal.strerror}",
                hint="make the cache writable, or name another directory",
            ) from error

    def _translated(self, error: sqlite3.Error) -> CacheError:
        path = self.files.path
        match sql.code_of(error):
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_PROTOCOL:
                return CacheError(
                    ErrorKind.CACHE_LOCKED,
                    f"{path} is locked by another process: waited {self._busy_timeout:g} s",
                    hint="try again when the other has ended, or end it",
                )
            case sqlite3.SQLITE_FULL:
                return CacheError(ErrorKind.DISK_FULL, f"no space left for {path}")
            case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
                return CacheError(ErrorKind.PERMISSION, f"{path} cannot be written: {error}")
            case sqlite3.SQLITE_CANTOPEN if not self.files.is_permitted():
                return CacheError(ErrorKind.PERMISSION, f"{path} cannot be opened: permission denied")
            case sqlite3.SQLITE_INTERRUPT:
                return CacheError(
                    ErrorKind.CACHE_CORRUPT,
                    f"{path}: a query was given up after {LONGEST:g} s",
                    hint="delete the index: the images stay, and are revalidated once",
                )
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
                return CacheError(ErrorKind.CACHE_CORRUPT, f"{path} is damaged: {error}")
            case _:
                return CacheError(ErrorKind.IO, f"{path}: {error}")
