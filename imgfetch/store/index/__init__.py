"""The index: which bytes are stored under which key, and which response brought them. All of SQLite is here.

    key ─▶ entry ─▶ object ─▶ digest, format, size, time of the last change

Losing the index is safe: a missing row costs a download, and a row without its file is detected by `stat`.
So a damaged index is moved aside and begun anew, and a commit is not synced (`synchronous=NORMAL`): a power
cut may cost the last rows, and harms none of the others.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from imgfetch.errors import CacheError
from imgfetch.store.index import index_time
from imgfetch.store.index.database import Database
from imgfetch.store.index.entries import Entries
from imgfetch.store.index.files import IndexFiles
from imgfetch.store.index.objects import Objects
from imgfetch.store.index.pins import Pins
from imgfetch.store.index.schema import SALT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.store.index.sql import sqlite3

_SPARE_PAGES, _SPARE_SHARE, _STEP = 256, 0.2, 1000
"""Free pages, and share of all pages, from which the index is compacted; pages that one step frees."""


class Index:
    """The index at `path`, in the folder of the cache; a new one is built whole in the folder `building`.

    All methods, also of its tables, raise `CacheError` for SQLite's errors and `OSError` for the file
    system's.
    """

    def __init__(
        self, path: str, *, building: str, busy_timeout: float, elapsed: Callable[[], float]
    ) -> None:
        """`elapsed`: a clock that is never set, by which the time limit of each statement goes."""
        self._files = IndexFiles(path, building)
        self._database = Database(self._files, busy_timeout=busy_timeout, elapsed=elapsed)
        self.entries = Entries(self._database)
        self.objects = Objects(self._database)
        self.pins = Pins(self._database)

    @property
    def notices(self) -> list[str]:
        """Messages for the user, of one line each."""
        return self._files.notices

    def check(self) -> None:
        """Raise if there is an index that cannot be used; make nothing where there is none."""
        self._database.rows("SELECT 1")

    def prepare(self) -> None:
        """Make an index if there is none, without waiting for other writers."""
        self._database.with_writer(lambda _: None)

    def salt(self) -> bytes:
        """Return the salt of this cache: of the index, or of the one that would be made now."""
        found = self._database.rows("SELECT value FROM salt")
        if not found and not self._files.exists():
            return self._files.new_salt
        if len(found) == 1 and type(found[0][0]) is bytes and len(found[0][0]) == SALT_BYTES:
            return bytes(found[0][0])
        new = self._files.new_salt
        with suppress(CacheError, OSError):  # responses selected by the old salt are fetched again
            self._database.write(("DELETE FROM salt", ()), ("INSERT INTO salt (value) VALUES (?)", (new,)))
        return new

    def tell(self, reading: float) -> float:
        """Return the time of this index when the clock of the machine reads `reading`."""
        return index_time.tell(self._database, reading)

    def compact(self) -> int:
        """Return free pages to the file system if they are many; return the bytes freed.

        It takes small steps, so that no writer waits for long.
        """

        def spare(connection: sqlite3.Connection) -> tuple[int, int]:
            (pages,), (free,), (size,) = (
                connection.execute(f"PRAGMA {name}").fetchone()
                for name in ("page_count", "freelist_count", "page_size")
            )
            return (free, size) if free > _SPARE_PAGES and free > pages * _SPARE_SHARE else (0, size)

        def step(connection: sqlite3.Connection) -> None:
            connection.executescript(f"PRAGMA incremental_vacuum({_STEP})")  # `execute` would free one page

        free, size = self._database.with_writer(spare)
        for _ in range(0, free, _STEP):
            self._database.with_writer(step)
        if free:
            self._database.with_writer(lambda c: c.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
        return free * size

    def close(self) -> None:
        """Close the file. The next call opens it again."""
        self._database.close()
