"""The index: under which key which bytes are kept, and who gave them. The one room that knows SQLite.

    key ─▶ entry ─▶ object ─▶ digest, format, size, time of the last change

The index is never needed for the truth: a missing row costs a download, a row without its object is
found out by looking. So a damaged index is moved aside and begun anew, and a commit is not synced
(`synchronous=NORMAL`): a power cut may cost the last rows, and harms none of the others.

There are two connections, one to read with and one to write with, so that a lookup never waits for a
writer in another thread (write-ahead log). Both are opened when first needed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import closing, contextmanager, suppress
from functools import cache, lru_cache
from itertools import chain
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

from imgfetch.errors import CacheError
from imgfetch.model.image import Entry, Facts, Format
from imgfetch.model.request import Head
from imgfetch.model.result import ErrorKind
from imgfetch.model.values import Digest, Key
from imgfetch.rules.policy.fetch_policy import fresh_until
from imgfetch.rules.store.eviction import IndexTime, StoredObject, advance_clock, is_persisted
from imgfetch.store.lookup_sql import APPLICATION as APPLICATION
from imgfetch.store.lookup_sql import COLUMNS, FROM, TYPES, find_rows, sqlite3
from imgfetch.store.lookup_sql import VERSION as VERSION
from imgfetch.store.staging import sha256 as sha256_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

_SCHEMA = f"""
    CREATE TABLE object (
        sha256   TEXT PRIMARY KEY,
        format   TEXT NOT NULL,
        bytes    INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        used_at  INTEGER NOT NULL,
        checked_at INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
    CREATE INDEX object_by_use ON object (used_at);
    CREATE TABLE entry (
        id          INTEGER PRIMARY KEY,
        key         TEXT NOT NULL,
        selector    TEXT NOT NULL DEFAULT '',
        variant     TEXT NOT NULL DEFAULT '',
        sha256      TEXT NOT NULL REFERENCES object,
        width       INTEGER NOT NULL,
        height      INTEGER NOT NULL,
        frames      INTEGER NOT NULL,
        verified    TEXT NOT NULL,
        url         TEXT NOT NULL,
        status      INTEGER NOT NULL,
        headers     TEXT NOT NULL,
        request_time    REAL NOT NULL,
        response_time REAL NOT NULL,
        redirect_lifetime REAL,
        fresh_until REAL,
        source_set  TEXT,
        UNIQUE (key, selector, variant)
    );
    CREATE INDEX entry_of_object ON entry (sha256);
    CREATE INDEX entry_of_source_set ON entry (source_set) WHERE source_set IS NOT NULL;
    CREATE TABLE salt (value BLOB NOT NULL);
    CREATE TABLE pin (key TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE clock (time REAL NOT NULL, doubted REAL);
    CREATE TABLE total (objects INTEGER NOT NULL, bytes INTEGER NOT NULL);
    INSERT INTO total VALUES (0, 0);
    CREATE TRIGGER object_added AFTER INSERT ON object BEGIN
        UPDATE total SET objects = objects + 1, bytes = bytes + new.bytes;
    END;
    CREATE TRIGGER object_changed AFTER UPDATE OF bytes ON object BEGIN
        UPDATE total SET bytes = bytes - old.bytes + new.bytes;
    END;
    CREATE TRIGGER object_dropped AFTER DELETE ON object BEGIN
        UPDATE total SET objects = objects - 1, bytes = bytes - old.bytes;
    END;
    PRAGMA application_id = {APPLICATION};
    PRAGMA user_version = {VERSION};
"""  # noqa: S608 (our own numbers)
# entry has a rowid, since its rows are long: without one they would fill the inner pages of the tree too

_ENTRIES = f"SELECT {COLUMNS}, e.variant, e.selector, e.id {FROM}"
_FIND = f"{_ENTRIES} WHERE e.key = ? AND e.selector = ? ORDER BY e.response_time DESC, e.id DESC"
_FIND_ANY = f"{_ENTRIES} WHERE e.key = ? ORDER BY e.response_time DESC, e.id DESC"
_ABOUT = f"{_ENTRIES} WHERE e.sha256 = ? ORDER BY e.response_time DESC, e.id DESC LIMIT 1"
_SHARING = "SELECT DISTINCT key FROM entry WHERE sha256 = ? LIMIT 100"
_LIST = f"{_ENTRIES} WHERE e.id > ? ORDER BY e.id LIMIT 500"
_OBJECT = "SELECT sha256, format, bytes, mtime_ns, checked_at FROM object WHERE sha256 = ?"
_OBJECTS = """
    SELECT sha256, format, bytes, mtime_ns, checked_at FROM object WHERE sha256 > ? ORDER BY sha256 LIMIT 500
"""
_CLOCK = "SELECT time, doubted FROM clock"
_BETWEEN = "SELECT sha256, format, bytes, mtime_ns, checked_at FROM object WHERE sha256 >= ? AND sha256 < ?"
_PINNED = "EXISTS (SELECT 1 FROM entry e JOIN pin USING (key) WHERE e.sha256 = object.sha256)"
_BY_USE = f"""
    SELECT sha256, format, bytes, mtime_ns, used_at, {_PINNED} FROM object
    WHERE (used_at, sha256) > (?, ?) ORDER BY used_at, sha256 LIMIT 500
"""  # noqa: S608 (our own condition)
_IS_UNUSED = f"SELECT 1 FROM object WHERE sha256 = ? AND used_at = ? AND NOT {_PINNED}"  # noqa: S608
# Not REPLACE, which would go past the triggers.
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
# What depends on nothing stands for every request; what depends on something leaves the other variants.
_DROP_OTHERS = """
    WITH new (key, selector, variant) AS (VALUES {})
    DELETE FROM entry WHERE id IN (
        SELECT id FROM new JOIN entry USING (key, selector)
        WHERE entry.variant <> new.variant AND (entry.variant = '' OR new.variant = '')
    )
"""
# One statement files several: each that is executed lets the other threads of the process in, once or more.
_AT_ONCE = (32, 8, 1)
_OF_SOURCE_SET = """
    SELECT key FROM entry WHERE source_set = ? AND selector = '' AND key IN ({})
"""
_RENDITIONS = """
    SELECT DISTINCT key, width FROM entry WHERE selector = ''
    AND source_set IN (
        SELECT source_set FROM entry WHERE key = ? AND selector = '' AND source_set IS NOT NULL
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

_SALT = "SELECT value FROM salt"
_SALT_BYTES = 32

_OLDEST = 1
"""The oldest version of an index that is migrated."""
_TABLES_OF_VERSION_1 = {
    "object": "sha256, format, bytes, mtime_ns, used_at",
    "entry": "id, key, variant, sha256, width, height, frames, verified, url, status, headers, asked_at,"
    " received_at, bound, unasked_until",
    "rendition": "",
    "pin": "key",
    "clock": "time, doubted",
    "total": "",
}
"""The columns of each table that are copied."""
_RENAMED = {
    "asked_at": "request_time",
    "received_at": "response_time",
    "bound": "redirect_lifetime",
    "unasked_until": "fresh_until",
}
"""Columns of version 1 by their names today."""
_DIGEST_OF_VERSION_1 = "576f4113d40b0869c09c425c4d588d6bbca5d647c04449ec86564825bc5a3583"
"""SHA-256 of its SQL, each statement in a line, with single spaces, in order."""
# What SQLite makes for itself has no SQL (an index of a UNIQUE), or is a table of what ANALYZE found.
_OBJECTS_OF_SCHEMA = """
    SELECT sql FROM sqlite_master
    WHERE NOT (type = 'index' AND sql IS NULL OR type = 'table' AND name GLOB 'sqlite_stat[0-9]') LIMIT 100
"""
_NAMES_OF_VERSION_1 = (
    "SELECT type, name FROM sqlite_master WHERE type IN ('trigger', 'index') AND sql IS NOT NULL"
)
# For a connection that cannot write. After another process has migrated the index, these views name columns
# that are gone: the connection is opened again then.
_READ_VERSION_1 = f"""
    CREATE TEMP VIEW object AS SELECT o.*, 0 AS checked_at FROM main.object o;
    CREATE TEMP VIEW entry AS
        SELECT e.*, {", ".join(f"e.{old} AS {new}" for old, new in _RENAMED.items())},
            '' AS selector, NULL AS source_set
        FROM main.entry e;
    CREATE TEMP VIEW salt AS SELECT NULL AS value LIMIT 0;
"""  # noqa: S608 (our own columns)

T = TypeVar("T")
Row: TypeAlias = "tuple[Any, ...]"
_Statement: TypeAlias = "tuple[str, tuple[object, ...]]"

_ATTEMPT = 0.25
"""Seconds for which SQLite waits for another writer at a time. What may be left undone waits once."""

_SPARE_PAGES, _SPARE_SHARE, _STEP = 256, 0.2, 1000
"""From how many free pages on, and which share of all, the index is compacted, and in steps of how many."""


class Object(NamedTuple):
    """What the index knows of a file under `objects`."""

    sha256: Digest
    format: Format
    bytes: int
    mtime_ns: int
    checked_at: int = 0


class Found(NamedTuple):
    """What is filed under a key, and what is known of its object."""

    entry: Entry
    mtime_ns: int
    used_at: int
    checked_at: int


class Total(NamedTuple):
    """Of all objects that the index knows."""

    objects: int
    bytes: int


class _Damaged(sqlite3.DatabaseError):
    """The file can be read, and is not an index."""


class _Watch:
    """Ends a statement that does not end by itself, or that a signal is to end.

    SQLite calls `tick` after every `_STEPS` instructions of its virtual machine. What it raises SQLite would
    drop: so a signal handler that raises (the command line's, an interrupt) is caught within the generator,
    whose frame is inside its `try` whenever Python may call a handler, and raised when the statement is over.
    """

    def __init__(self, elapsed: Callable[[], float], *, is_limited: bool) -> None:
        self.ticks = 0
        """Since the statement began; to be set to 0 before each."""
        self.is_limited = is_limited
        self._elapsed = elapsed
        self._began = 0.0
        self._caught: BaseException | None = None
        self.tick: Callable[[], bool] = self._judge().__next__

    def raise_caught(self) -> None:
        """Raise what a signal handler raised, if that is what ended a statement."""
        caught, self._caught = self._caught, None
        if caught is not None:
            raise caught

    def _judge(self) -> Iterator[bool]:
        stop = False
        while True:
            try:
                yield stop
                stop = self._is_too_much()
            except GeneratorExit:
                return
            except BaseException as error:
                self._caught, stop = error, True

    def _is_too_much(self) -> bool:
        self.ticks += 1
        if self.ticks == 1:
            self._began = self._elapsed()
        is_long = self.ticks > _MOST_TICKS and self._elapsed() - self._began > _LONGEST
        return self.is_limited and is_long


_STEPS = 100_000
"""Instructions of SQLite's virtual machine: a few milliseconds."""
_MOST_TICKS, _LONGEST = 500, 2.0
"""After so many of these steps, and so many seconds since the first, a statement is ended. Both: a disk that
hangs makes no steps."""
_LONGEST_ROW = 1 << 24
"""Bytes of a value, or of a row."""


class _Way:
    """One way into the index: a connection, opened when it is needed."""

    def __init__(self, elapsed: Callable[[], float], *, is_limited: bool = False) -> None:
        self.lock = Lock()
        self.watch = _Watch(elapsed, is_limited=is_limited)
        self.connection: sqlite3.Connection | None = None
        self.file: tuple[int, int] | None = None
        """Device and inode of what was opened, or was to be: its name may come to stand for another file."""
        self.frozen = False
        """Whether it was opened as a file that nobody writes to."""
        self.is_of_version_1 = False
        """Whether the connection reads an index of version 1 through views."""

    def close(self) -> None:
        self.is_of_version_1 = False
        if self.connection is not None:
            self.connection.close()
            self.connection = None


def version_at(path: str) -> int | None:
    """The version of an index by its header; None for one that is damaged, or none of ours.

    It is not opened, and so left as it is. Raises `OSError`.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return None
    with open(path, "rb") as file:
        header = file.read(100)
    if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
        return None
    # File format, §1.3: the user version is at 60, the application ID at 68, both big-endian.
    version, application = (int.from_bytes(header[at : at + 4], "big") for at in (60, 68))
    return version if application == APPLICATION and version >= _OLDEST else None


class Index:
    """The index at `path`, whose folder is the cache's; `building` is where a new one lies until it is whole.

    All methods raise `CacheError` for what SQLite reports, and `OSError` for what the file system does.
    """

    def __init__(
        self, path: str, *, building: str, busy_timeout: float, elapsed: Callable[[], float]
    ) -> None:
        """`elapsed`: a clock that is never set, which the time limit of each statement goes by."""
        self.notices: list[str] = []
        """What the user should hear of, in one line each."""
        self._path = path
        self._building = building
        self._busy_timeout = busy_timeout
        self._new_salt = os.urandom(_SALT_BYTES)
        self._reading = _Way(elapsed, is_limited=True)
        self._writing = _Way(elapsed)  # where both locks are needed, this one is taken first

    def find(self, key: Key, selector: str | None = None) -> list[Found]:
        """Return the variants under `key`, the latest first; of every selector where it is None."""
        statement, values = (_FIND_ANY, (key,)) if selector is None else (_FIND, (key, selector))
        return [found for row in self._rows(statement, values) if (found := _entry(row))]

    def salt(self) -> bytes:
        """Return the salt of this cache: of the index, or of the one that would be made now."""
        rows = self._rows(_SALT)
        if not rows and not os.path.lexists(self._path):
            return self._new_salt
        if len(rows) == 1 and type(rows[0][0]) is bytes and len(rows[0][0]) == _SALT_BYTES:
            return bytes(rows[0][0])
        with suppress(CacheError, OSError):  # what goes by the old one is asked for once more
            self._write(("DELETE FROM salt", ()), ("INSERT INTO salt (value) VALUES (?)", (self._new_salt,)))
        return self._new_salt

    def lookup(
        self, keys: Sequence[Key], *, now: float, checked: tuple[float, float]
    ) -> tuple[list[Row], set[Key]]:
        """Return the row of each key that answers at `now`, and the missing keys: `lookup_sql.find_rows`."""
        rows, missing = find_rows(self._rows, keys, now=now, checked=checked)
        return rows, {Key(key) for key in missing}

    def about(self, sha256: Digest) -> Found | None:
        """The latest entry of these bytes, under whatever key."""
        found = (_entry(row) for row in self._rows(_ABOUT, (sha256,)))
        return next(filter(None, found), None)

    def sharing(self, sha256: Digest) -> tuple[Key, ...]:
        """Up to 100 of the keys that stand for an object."""
        return tuple(_keys(self._rows(_SHARING, (sha256,))))

    def entries(self) -> Iterator[Entry]:
        """Every entry, in the order they were kept."""
        last = 0
        while rows := self._rows(_LIST, (last,)):
            last = rows[-1][-1]
            for row in rows:
                found = _entry(row)
                if found is not None:
                    yield found.entry

    def known(self, sha256: Digest) -> Object | None:
        """What is known of the object of that name."""
        return next(_objects(self._rows(_OBJECT, (sha256,))), None)

    def objects(self) -> Iterator[Object]:
        """Every object the index knows of, by digest."""
        last = ""
        while rows := self._rows(_OBJECTS, (last,)):
            last = rows[-1][0]
            yield from _objects(rows)

    def count(self) -> int:
        """How many entries there are."""
        rows = self._rows("SELECT count(*) FROM entry")
        return int(rows[0][0]) if rows else 0

    def check(self) -> None:
        """Raise where there is an index that cannot be used; make nothing where there is none."""
        self._rows("SELECT 1")

    def prepare(self) -> None:
        """See to it that there is an index to write to, without waiting for other writers."""
        self._with_writer(lambda _: None)

    def offered_in(self, source_set: str, keys: Sequence[Key]) -> frozenset[Key]:
        """Return those of `keys` under which something is kept that was fetched for a source set.

        What was fetched with the caller's credentials is not among them.
        """
        statement = _OF_SOURCE_SET.format(",".join("?" * len(keys)))
        return frozenset(key for (key,) in self._rows(statement, (source_set, *keys)))

    def renditions(self, key: Key) -> list[tuple[Key, int]]:
        """Return what is kept of the source set that `key` was fetched for: each key, and its real width."""
        return [row for row in self._rows(_RENDITIONS, (key,)) if _types(row) == (str, int)]

    def put(
        self,
        kept: Sequence[tuple[Entry, int, str]],
        used_at: float,
        *,
        checked_at: float,
    ) -> None:
        """File entries under their keys, in the place of what was there for such requests, all or none.

        Each with the `mtime_ns` of its object and the identity of the source set that offered it.
        """
        rows = [_row(entry, source_set) for entry, _, source_set in kept]
        times = int(used_at), int(checked_at)
        objects = [_object_row(entry.facts, mtime_ns, times) for entry, mtime_ns, _ in kept]

        def work(connection: sqlite3.Connection) -> None:
            _put_all(connection, _PUT_OBJECT, objects)
            for some in _of_different_keys(rows):
                _put_all(connection, _PUT_ENTRY, some)
                # Last, so that there is never nothing of an image that there is something of.
                _put_all(connection, _DROP_OTHERS, [(row[_KEY], *row[_SELECTED]) for row in some])

        self._with_writer(lambda connection: _transaction(connection, work))

    def refresh(self, entry: Entry) -> None:
        """Take over the head and the times of `entry`, where its key still stands for the same bytes."""
        head = entry.head
        times = (entry.request_time, entry.response_time, entry.redirect_lifetime, fresh_until(entry))
        fields = (head.url, head.status, _lines(head.headers), *times)
        self._write(
            (_REFRESH, (*fields, entry.key, entry.selector, _lines(entry.vary_values), entry.facts.sha256))
        )

    def record_checks(self, checked: Mapping[Digest, tuple[int, float]]) -> None:
        """Record which objects were hashed and are whole: the `mtime_ns` of each, and when that was.

        It is no reason to wait for another process: then it fails.
        """
        statement = "UPDATE object SET mtime_ns = ?, checked_at = ? WHERE sha256 = ?"
        values = [(mtime_ns, int(at), sha256) for sha256, (mtime_ns, at) in checked.items()]
        self._aside(lambda connection: connection.executemany(statement, values))

    def remove(self, key: Key, unlink: Callable[[Object], object]) -> None:
        """Forget `key` and its pin, and the objects that no other key stands for, which `unlink` deletes."""

        def work(connection: sqlite3.Connection) -> None:
            for known in [*_objects(connection.execute(_ONLY_UNDER, {"key": key}).fetchall())]:
                unlink(known)
                connection.execute("DELETE FROM object WHERE sha256 = ?", (known.sha256,))
            connection.execute("DELETE FROM entry WHERE key = ?", (key,))
            connection.execute("DELETE FROM pin WHERE key = ?", (key,))

        self._with_writer(lambda connection: _transaction(connection, work))

    def forget(self, sha256: Digest) -> None:
        """Forget an object, and every key that stood for it."""
        self._write(*_forgetting(sha256))

    # ------------------------------------------------------------------------------------------------
    # Uses, pins and totals

    def tell(self, reading: float) -> float:
        """The time of this index when the clock of the machine reads `reading`: `eviction.sighted`."""
        rows = self._rows(_CLOCK)
        seen = IndexTime(*rows[0]) if rows and _is_a_sighting(rows[0]) else None
        now = advance_clock(seen, reading)
        if seen is None or now.doubted != seen.doubted or not is_persisted(seen.time, now=now.time):
            back = max(0.0, seen.time - now.time) if seen else 0.0
            with suppress(CacheError, OSError):  # where it cannot be written, no use can be filed either
                self._aside(lambda connection: _set_clock(connection, rows, now, back))
        return now.time

    def touch(self, used: Collection[Digest], used_at: float) -> None:
        """File that these objects were used. It is no reason to wait for another process: then it fails."""
        touch = "UPDATE object SET used_at = ? WHERE sha256 = ?"
        values = [(int(used_at), sha256) for sha256 in used]
        self._aside(lambda connection: connection.executemany(touch, values))

    def by_use(self) -> Iterator[StoredObject]:
        """Every object, the least recently used first."""
        last: tuple[object, ...] = (-(2**63), "")
        while rows := self._rows(_BY_USE, last):
            last = (rows[-1][4], rows[-1][0])
            for row in rows:
                sha256, format_, size, mtime_ns, used_at, pinned = row
                with suppress(ValueError):
                    if _types(row) == _OF_A_USE:
                        yield StoredObject(
                            _digest(sha256), Format(format_), size, mtime_ns, used_at, pinned=bool(pinned)
                        )

    def oldest_use(self) -> int | None:
        """When the object that has not been used for longest was last used."""
        rows = self._rows("SELECT min(used_at) FROM object WHERE typeof(used_at) = 'integer'")
        return rows[0][0] if rows else None

    def total(self) -> Total:
        """How much there is, as counted along."""
        rows = self._rows("SELECT objects, bytes FROM total")
        if len(rows) != 1 or _types(rows[0]) != (int, int):
            rows = self._rows("SELECT count(*), CAST(total(bytes) AS INTEGER) FROM object")
        return Total(*rows[0]) if rows else Total(0, 0)

    def recount(self) -> None:
        """Count anew: who writes to the index by other ways than SQL may have gone past the triggers."""
        self._write(
            ("UPDATE total SET (objects, bytes) = (SELECT count(*), total(bytes) FROM object)", ()),
        )

    def pin(self, key: Key) -> bool:
        """Have what `key` stands for, now and later, not evicted; False where it stands for nothing."""
        if not self.find(key):
            return False
        self._write(("INSERT OR IGNORE INTO pin (key) VALUES (?)", (key,)))
        return True

    def unpin(self, key: Key) -> bool:
        """Let `key` be evicted again; whether it was pinned."""
        if not self._rows("SELECT 1 FROM pin WHERE key = ?", (key,)):
            return False
        self._write(("DELETE FROM pin WHERE key = ?", (key,)))
        return True

    def pins(self) -> frozenset[Key]:
        """Every key that is pinned."""
        return frozenset(_keys(self._rows("SELECT key FROM pin")))

    # ------------------------------------------------------------------------------------------------
    # Letting go
    #
    # A file is deleted within the transaction that forgets it, and before that ends: whoever is killed in
    # between leaves a row without its object, which costs a download and is the next to be evicted. In the
    # other order he would leave an object that nobody knows of. And who keeps the same bytes at that moment
    # waits with his row for the end of the transaction, and then finds that the object is gone.

    def evict(
        self, batch: Iterable[StoredObject], unlink: Callable[[StoredObject], bool]
    ) -> list[StoredObject]:
        """Forget those that have been neither used nor pinned since they were read; which `unlink` let go."""

        def work(connection: sqlite3.Connection) -> list[StoredObject]:
            gone = []
            for held in batch:
                unused = connection.execute(_IS_UNUSED, (held.sha256, held.used_at)).fetchone()
                if unused and unlink(held):
                    _execute(connection, _forgetting(held.sha256))
                    gone.append(held)
            return gone

        return self._with_writer(lambda connection: _transaction(connection, work))

    def unless_known(self, strays: Iterable[tuple[Digest, T]], unlink: Callable[[T], object]) -> None:
        """Delete files that no row tells of. `unlink` is called for each of which there is none even now."""

        def work(connection: sqlite3.Connection) -> None:
            for sha256, stray in strays:
                if not connection.execute(_OBJECT, (sha256,)).fetchone():
                    unlink(stray)

        self._with_writer(lambda connection: _transaction(connection, work))

    def forget_lost(self, known: Iterable[Object], is_lost: Callable[[Object], bool]) -> list[Object]:
        """Forget the objects that are lost even now, and say which."""

        def work(connection: sqlite3.Connection) -> list[Object]:
            lost = [each for each in known if is_lost(each)]
            for each in lost:
                _execute(connection, _forgetting(each.sha256))
            return lost

        return self._with_writer(lambda connection: _transaction(connection, work))

    def between(self, first: str, end: str) -> list[Object]:
        """The objects whose digests are at least `first` and less than `end`."""
        return [*_objects(self._rows(_BETWEEN, (first, end)))]

    def keys_of(self, sha256: Digest) -> list[Key]:
        """Every key that stands for an object."""
        rows = self._rows("SELECT DISTINCT key FROM entry WHERE sha256 = ? ORDER BY id", (sha256,))
        return _keys(rows)

    def compact(self) -> int:
        """Give room that is no longer needed back to the file system, where it pays; how many bytes.

        In small steps, so that no writer waits for long.
        """

        def spare(connection: sqlite3.Connection) -> tuple[int, int]:
            (pages,), (free,), (size,) = (
                connection.execute(f"PRAGMA {name}").fetchone()
                for name in ("page_count", "freelist_count", "page_size")
            )
            return (free, size) if free > _SPARE_PAGES and free > pages * _SPARE_SHARE else (0, size)

        def step(connection: sqlite3.Connection) -> None:
            connection.executescript(f"PRAGMA incremental_vacuum({_STEP})")  # `execute` would free one page

        free, size = self._with_writer(spare)
        for _ in range(0, free, _STEP):
            self._with_writer(step)
        if free:
            self._with_writer(lambda c: c.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
        return free * size

    def close(self) -> None:
        """Let go of the file. Whatever is asked next opens it again."""
        for way in (self._writing, self._reading):
            with way.lock:
                way.close()

    # ------------------------------------------------------------------------------------------------
    # Reading and writing

    def _rows(self, statement: str, values: tuple[object, ...] = ()) -> list[Row]:
        with self._reading.lock:
            try:
                return self._answered(statement, values)
            except sqlite3.Error as error:
                if _is_busy(error):
                    return self._rows_later(error, statement, values)
                if self._reading.is_of_version_1 and _code(error) == sqlite3.SQLITE_ERROR:
                    self._reading.close()  # another process has migrated the index
                    return self._rows_later(error, statement, values)
                self._recover(error, self._reading)
                return []

    def _answered(self, statement: str, values: tuple[object, ...]) -> list[Row]:
        connection = self._reading.connection or self._open_to_read()
        self._reading.watch.ticks = 0
        return connection.execute(statement, values).fetchall() if connection else []

    def _rows_later(self, error: sqlite3.Error, statement: str, values: tuple[object, ...]) -> list[Row]:
        """Ask again until another process lets us read."""
        try:
            return self._waiting(error, lambda: self._answered(statement, values))
        except sqlite3.Error as later:
            self._recover(later, self._reading)
            return []

    def _waiting(self, error: sqlite3.Error, work: Callable[[], T]) -> T:
        """Do what was refused while another process writes, again and again.

        SQLite waits for `_ATTEMPT` seconds each time; in between a signal may end the wait.
        """
        for _ in range(round(self._busy_timeout / _ATTEMPT) - 1):
            try:
                return work()
            except sqlite3.Error as again:
                if not _is_busy(again):
                    raise
                error = again
        raise error

    def _write(self, *statements: _Statement) -> None:
        self._with_writer(lambda connection: _transaction(connection, lambda c: _execute(c, statements)))

    def _aside(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Do what may be left undone, where there is an index: without waiting long for another writer."""
        if os.path.lexists(self._path):
            self._with_writer(lambda connection: _transaction(connection, work), may_wait=False)

    def _with_writer(self, work: Callable[[sqlite3.Connection], T], *, may_wait: bool = True) -> T:
        with self._writing.lock:
            try:
                try:
                    return work(self._writer())
                except sqlite3.Error as error:
                    if not (may_wait and _is_busy(error)):
                        raise
                    return self._waiting(error, lambda: work(self._writer()))
            except sqlite3.Error as error:
                self._recover(error, self._writing)
            try:
                return work(self._writer())
            except sqlite3.Error as error:
                self._writing.close()
                self._writing.watch.raise_caught()
                raise self._translated(error) from error

    # ------------------------------------------------------------------------------------------------
    # Opening

    def _open_to_read(self) -> sqlite3.Connection | None:
        way = self._reading
        way.file = _identity(self._path)
        if way.file is None:
            return None
        way.frozen = False
        try:
            return self._connect(way, "mode=rw")
        except sqlite3.OperationalError as error:
            # On a read-only file system, or a full one, the files that go with a write-ahead log cannot be
            # made. Where there is no log, the file alone is the whole index.
            if _code(error) not in _NO_ROOM_FOR_A_LOG or _size(self._path + "-wal"):
                raise
        way.frozen = True
        return self._connect(way, "mode=ro&immutable=1")

    def _writer(self) -> sqlite3.Connection:
        way = self._writing
        if way.connection is not None and way.file == _identity(self._path):
            return way.connection
        way.close()  # the cache was emptied, or another process moved a damaged index aside
        way.file = _identity(self._path) or self._create()
        connection = self._connect(way, "mode=rw")
        with self._reading.lock:
            if self._reading.frozen or self._reading.file != way.file:
                self._reading.close()
        return connection

    def _connect(self, way: _Way, query: str) -> sqlite3.Connection:
        _refuse_other_files(self._path)
        connection = _connect(self._path, query, min(self._busy_timeout, _ATTEMPT))
        connection.set_progress_handler(way.watch.tick, _STEPS)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_ROW)
        try:
            connection.execute("PRAGMA synchronous = NORMAL")
            version = self._judged(connection)
            _refuse_other_schema(connection, version)
            if version < VERSION:
                self._bring_up_to_date(connection, only_reading=way is self._reading)
        except BaseException:
            connection.close()
            raise
        way.connection = connection
        return connection

    def _judged(self, connection: sqlite3.Connection) -> int:
        """Return the version of an index that can be used. Raise where it cannot."""
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise CacheError(
                ErrorKind.CACHE_VERSION,
                f"{self._path} is of version {version}, and this imgfetch knows version {VERSION}",
                hint="use a newer imgfetch, or another directory",
            )
        if application != APPLICATION or version < _OLDEST:
            raise _Damaged("it is no index of imgfetch")
        return int(version)

    def _bring_up_to_date(self, connection: sqlite3.Connection, *, only_reading: bool) -> None:
        """Migrate an index of version 1 in one transaction; where it cannot be written, read it as it is."""

        def work(connection: sqlite3.Connection) -> bool:
            if self._judged(connection) == VERSION:  # another process was quicker
                return False
            _migrate(connection, self._new_salt)
            return True

        try:
            self._reading.watch.is_limited = False  # of a large index it takes minutes
            migrated = _transaction(connection, work)
        except sqlite3.OperationalError as error:
            if not only_reading or _code(error) not in _NO_ROOM_FOR_A_LOG:
                raise
            connection.executescript(_READ_VERSION_1)
            self._reading.is_of_version_1 = True
            return
        finally:
            self._reading.watch.is_limited = True
        if migrated:
            self.notices.append(
                f"{self._path} was of version 1 and is now of version {VERSION}: nothing was deleted; what"
                " has another key now is fetched again when it is next wanted"
            )

    # ------------------------------------------------------------------------------------------------
    # Making a new one, and putting a damaged one aside

    def _create(self) -> tuple[int, int] | None:
        built = self._build()
        try:
            with _alone(self._path):
                if _identity(self._path) is None:
                    # The log of an index that was deleted would be read into the new one.
                    for companion in _COMPANIONS:
                        try:
                            _unlink(self._path + companion)
                        except (IsADirectoryError, PermissionError):
                            os.rename(self._path + companion, self._free_name() + companion)
                    _give_name(built, self._path)
        finally:
            _unlink(built)
        return _identity(self._path)

    def _build(self) -> str:
        built = f"{self._building}/{os.urandom(16).hex()}.sqlite"
        descriptor = os.open(built, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            try:
                _fill(built, "WAL", self._new_salt)
            except sqlite3.OperationalError as error:
                os.ftruncate(descriptor, 0)
                _fill(built, "DELETE", self._new_salt)
                self.notices.append(
                    f"{self._path}: this file system takes no write-ahead log ({error}), so processes that"
                    " share the cache will wait for each other"
                )
            os.fsync(descriptor)
        except BaseException:
            _unlink(built)
            raise
        finally:
            os.close(descriptor)
            for companion in _COMPANIONS:
                _unlink(built + companion)
        return built

    def _recover(self, error: sqlite3.Error, way: _Way) -> None:
        """Move the index aside if it is damaged, and raise what any other error means."""
        way.close()
        way.watch.raise_caught()
        if not _is_damage(error):
            raise self._translated(error) from error
        try:
            if way.frozen:
                raise PermissionError(errno.EROFS, "it could be opened for reading only")
            with _alone(self._path):
                if _identity(self._path) == way.file:
                    self._set_aside(error)
        except OSError as refusal:
            raise CacheError(
                ErrorKind.CACHE_CORRUPT,
                f"{self._path} is damaged ({error}), and cannot be moved aside: {refusal.strerror}",
                hint="make the cache writable, or name another directory",
            ) from error

    def _set_aside(self, error: sqlite3.Error) -> None:
        aside = self._free_name()
        for companion in (*_COMPANIONS, ""):  # the name itself last, see `_create`
            with suppress(FileNotFoundError):
                os.rename(self._path + companion, aside + companion)
        self.notices.append(
            f"{self._path} was damaged ({error}): moved to {aside}; the images are kept, and will be asked"
            " for once more"
        )

    def _free_name(self) -> str:
        """Return a name for a damaged index, under which nothing lies that goes with one."""
        number = 1
        while any(os.path.lexists(f"{self._path}.damaged-{number}{each}") for each in ("", *_COMPANIONS)):
            number += 1
        return f"{self._path}.damaged-{number}"

    def _translated(self, error: sqlite3.Error) -> CacheError:
        match _code(error):
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_PROTOCOL:
                return CacheError(
                    ErrorKind.CACHE_LOCKED,
                    f"{self._path} is held by another process: waited {self._busy_timeout:g} s",
                    hint="try again when the other has ended, or end it",
                )
            case sqlite3.SQLITE_FULL:
                return CacheError(ErrorKind.DISK_FULL, f"no space left for {self._path}")
            case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
                return CacheError(ErrorKind.PERMISSION, f"{self._path} cannot be written: {error}")
            case sqlite3.SQLITE_CANTOPEN if not self._is_open_to_us():
                return CacheError(ErrorKind.PERMISSION, f"{self._path} cannot be opened: permission denied")
            case sqlite3.SQLITE_INTERRUPT:
                return CacheError(
                    ErrorKind.CACHE_CORRUPT,
                    f"{self._path}: a question was given up that was not answered in {_LONGEST:g} s",
                    hint="delete the index: the images are kept, and are asked for once more",
                )
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
                return CacheError(ErrorKind.CACHE_CORRUPT, f"{self._path} is damaged: {error}")
            case _:
                return CacheError(ErrorKind.IO, f"{self._path}: {error}")

    def _is_open_to_us(self) -> bool:
        return all(os.access(place, os.R_OK | os.W_OK) for place in (self._path, os.path.dirname(self._path)))


# ---------------------------------------------------------------------------------------------------
# Rows and values


def entry_of(row: Row) -> Entry:
    """Return the entry of a row of `Index.lookup`."""
    return _told(*row)


def _entry(row: Row) -> Found | None:
    """What a row tells of; None where it makes no sense."""
    if [*map(type, row)] not in TYPES:
        return None
    try:
        return Found(_told(*row), *row[4:7])
    except (LookupError, ValueError):
        return None


def _told(
    key: Key,
    sha256: str,
    format_: str,
    size: int,
    _mtime_ns: int,
    _used_at: int,
    _checked_at: int,
    width: int,
    height: int,
    frames: int,
    verified: str,
    url: str,
    status: int,
    headers: str,
    request_time: float,
    response_time: float,
    bound: float | None,
    variant: str = "",
    selector: str = "",
    *_: object,
) -> Entry:
    facts = Facts(_FORMATS[format_], width, height, frames, size, _digest(sha256), _words(verified))
    head = Head(url, status, _fields(headers))
    selected = _fields(variant) if variant else ()
    return Entry(key, facts, head, request_time, response_time, selected, bound, selector)


def _types(row: Row) -> tuple[type, ...]:
    """Return the types of what stands in the columns of a row: SQLite keeps any value in any of them."""
    return tuple(map(type, row))


_OF_AN_OBJECT = (str, str, int, int, int)
_OF_A_USE = (str, str, int, int, int, int)
_SIGHTINGS = frozenset([(float, float), (float, type(None))])


def _is_a_sighting(row: Row) -> bool:
    return _types(row) in _SIGHTINGS and all(time is None or abs(time) < _END_OF_TIME for time in row)


_END_OF_TIME = 1e12
"""Seconds since the epoch: what is beyond has no year that can be written."""


def _keys(rows: list[Row]) -> list[Key]:
    return [Key(key) for (key,) in rows if type(key) is str]


def _object_row(facts: Facts, mtime_ns: int, times: tuple[int, int]) -> Row:
    return facts.sha256, facts.format, facts.bytes, mtime_ns, *times


def _row(entry: Entry, source_set: str) -> Row:
    facts, head = entry.facts, entry.head
    return (
        entry.key,
        facts.sha256,
        facts.width,
        facts.height,
        facts.frames,
        " ".join(facts.verified),
        head.url,
        head.status,
        _lines(head.headers),
        entry.request_time,
        entry.response_time,
        entry.selector,
        _lines(entry.vary_values),
        entry.redirect_lifetime,
        fresh_until(entry),
        source_set or None,
    )


_KEY, _SELECTED = 0, slice(11, 13)
"""Where they stand in a row."""


def _of_different_keys(rows: list[Row]) -> Iterator[list[Row]]:
    """The rows in their order, parted where a key comes again: the later takes the place of the earlier."""
    some: dict[str, Row] = {}
    for row in rows:
        if row[_KEY] in some:
            yield [*some.values()]
            some = {}
        some[row[_KEY]] = row
    yield [*some.values()]


def _put_all(connection: sqlite3.Connection, statement: str, rows: list[Row]) -> None:
    """Execute a statement about any number of rows."""
    start = 0
    for many in _AT_ONCE:
        while len(rows) - start >= many:
            values = tuple(chain.from_iterable(rows[start : start + many]))
            connection.execute(_for_rows(statement, many, len(rows[0])), values)
            start += many


@cache
def _for_rows(statement: str, rows: int, columns: int) -> str:
    return statement.format(",".join([f"({','.join('?' * columns)})"] * rows))


_FORMATS = {known.value: known for known in Format}


@lru_cache(maxsize=64)
def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _objects(rows: list[Row]) -> Iterator[Object]:
    for row in rows:
        if _types(row) == _OF_AN_OBJECT:
            with suppress(ValueError):
                yield Object(_digest(row[0]), Format(row[1]), *row[2:])


def _forgetting(sha256: Digest) -> tuple[_Statement, ...]:
    return (
        ("DELETE FROM entry WHERE sha256 = ?", (sha256,)),
        ("DELETE FROM object WHERE sha256 = ?", (sha256,)),
    )


def _digest(text: str) -> Digest:
    """What a row calls a digest, as one; it will become part of a path, so it must look like one."""
    if len(text) != 64 or not text.isalnum():
        raise ValueError(text)
    return Digest(text)


# Fields are kept as `name TAB value LF`, with anything but printable ASCII escaped by a backslash as in a
# Python literal. JSON would say the same; reading it takes three times as long, and loading its module more
# time than all the rest of a lookup in a cache that has just been opened.


def _lines(fields: tuple[tuple[str, str], ...]) -> str:
    plain = "".join([name + value for name, value in fields])
    if plain.isascii() and plain.isprintable() and "\\" not in plain:
        return "".join([f"{name}\t{value}\n" for name, value in fields])
    return "".join([f"{_escaped(name)}\t{_escaped(value)}\n" for name, value in fields])


def _fields(lines: str) -> tuple[tuple[str, str], ...]:
    parts = lines.replace("\t", "\n").split("\n")
    if parts.pop():  # after the last LF there is nothing
        raise ValueError(lines)
    if "\\" in lines:
        parts = [part.encode("ascii").decode("unicode_escape") for part in parts]
    return tuple(zip(parts[::2], parts[1::2], strict=True))


def _escaped(text: str) -> str:
    return text.encode("unicode_escape").decode("ascii")


# ---------------------------------------------------------------------------------------------------
# SQLite


def _connect(path: str, query: str, timeout: float) -> sqlite3.Connection:
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return sqlite3.connect(
        f"file://{quoted}?{query}", uri=True, timeout=timeout, isolation_level=None, check_same_thread=False
    )


def _fill(path: str, journal: str, salt: bytes) -> None:
    with closing(_connect(path, "mode=rw", 0)) as connection:
        connection.execute("PRAGMA synchronous = OFF")  # it is synced once, when it is whole
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # it cannot be had later, see `compact`
        connection.executescript(f"BEGIN; {_SCHEMA}")
        connection.execute("INSERT INTO salt (value) VALUES (?)", (salt,))
        connection.execute("COMMIT")
        # After the tables, so that these are in the file itself: nobody would hear of a log that cannot be
        # copied into the file when it is closed.
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute(
            "SELECT count(*) FROM entry"
        ).fetchone()  # the log is opened by the first who reads


def _refuse_other_schema(connection: sqlite3.Connection, version: int) -> None:
    """Raise where an index has other tables, indexes, triggers or views than imgfetch made, or other SQL.

    What is in it would run with our statements, and need not come to an end.
    """
    found = connection.execute(_OBJECTS_OF_SCHEMA).fetchall()
    if version < VERSION:
        text = "\n".join(sorted(" ".join(str(sql).split()) for (sql,) in found))
        is_ours = sha256_of(text.encode("utf-8", "replace")).hexdigest() == _DIGEST_OF_VERSION_1
    else:
        is_ours = {sql for (sql,) in found} == _expected_schema() and len(found) == len(_expected_schema())
    if not is_ours:
        raise _Damaged("it has other tables or triggers than an index of imgfetch")


@cache
def _expected_schema() -> frozenset[str]:
    """Return the SQL of everything in an index, as SQLite keeps it."""
    statements = (statement.strip().rstrip(";") for statement in _statements(_SCHEMA))
    return frozenset(statement for statement in statements if statement.startswith("CREATE "))


def _migrate(connection: sqlite3.Connection, salt: bytes) -> None:
    """Make an index of version 1 one of this version, within the transaction that has begun.

    The new tables get exactly the SQL of a new index, and the triggers count what is copied. Lists of
    renditions are not copied: version 1 merged the lists of several pages.
    """
    for kind, name in connection.execute(_NAMES_OF_VERSION_1).fetchall():
        connection.execute(f"DROP {kind} {name}")
    for table in _TABLES_OF_VERSION_1:
        connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    for statement in _statements(_SCHEMA):
        connection.execute(statement)
    connection.execute("INSERT INTO salt (value) VALUES (?)", (salt,))
    for table, columns in _TABLES_OF_VERSION_1.items():
        if columns:
            names = ", ".join(_RENAMED.get(column, column) for column in columns.split(", "))
            connection.execute(f"INSERT INTO {table} ({names}) SELECT {columns} FROM old_{table}")  # noqa: S608
        connection.execute(f"DROP TABLE old_{table}")


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script: `executescript` would commit first."""
    statement = ""
    for part in script.split(";"):
        statement += f"{part};"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _execute(connection: sqlite3.Connection, statements: Iterable[_Statement]) -> None:
    for statement, values in statements:
        connection.execute(statement, values)


def _set_clock(connection: sqlite3.Connection, before: list[Row], now: IndexTime, back: float) -> None:
    """Note what was seen of the clock, unless another process did so since it was `before`."""
    if connection.execute(_CLOCK).fetchall() == before:
        connection.execute("DELETE FROM clock")
        connection.execute("INSERT INTO clock (time, doubted) VALUES (?, ?)", now)
        if back:
            values = (int(back), int(now.time))
            connection.execute("UPDATE object SET used_at = used_at - ? WHERE used_at > ?", values)


def _transaction(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
    return result


_NO_ROOM_FOR_A_LOG = (
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
)


def _code(error: sqlite3.Error) -> int | None:
    """The primary result code; None where the error is not SQLite's own."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_IOERR_SHMSIZE:  # a full disk, met while making room for shared memory
        return sqlite3.SQLITE_FULL
    return None if code is None else code & 0xFF


_DAMAGE = (
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_TOOBIG,
    sqlite3.SQLITE_CONSTRAINT,  # our own statements break none where every row is sound
    sqlite3.SQLITE_MISMATCH,
)


def _is_busy(error: sqlite3.Error) -> bool:
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _is_damage(error: sqlite3.Error) -> bool:
    code = _code(error)
    if code is None:  # text that is no UTF-8 is reported by Python, not by SQLite
        return isinstance(error, (_Damaged, sqlite3.OperationalError))
    return code in _DAMAGE


# ---------------------------------------------------------------------------------------------------
# Files

_COMPANIONS = ("-wal", "-shm", "-journal")


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_dev, status.st_ino


def _refuse_other_files(path: str) -> None:
    """Raise where something else than a regular file stands in the place of an index or what goes with it."""
    for companion in ("", *_COMPANIONS):
        with suppress(FileNotFoundError):
            if not stat.S_ISREG(os.lstat(path + companion).st_mode):
                raise _Damaged(f"{os.path.basename(path + companion)} is not a regular file")


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _unlink(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


def _give_name(built: str, path: str) -> None:
    try:
        os.link(built, path)
    except FileExistsError:
        pass
    except OSError:  # no hard links here
        os.rename(built, path)


@contextmanager
def _alone(path: str) -> Iterator[None]:
    """One process and thread at a time, where the file system keeps locks, in the folder of `path`.

    It saves work, and a new index from being taken for the damaged one it has replaced.
    """
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
