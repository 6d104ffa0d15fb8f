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
import sqlite3
from contextlib import closing, contextmanager, suppress
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

from imgfetch.adapters.glance import APPLICATION as APPLICATION
from imgfetch.adapters.glance import VERSION as VERSION
from imgfetch.errors import CacheError
from imgfetch.model import Digest, Entry, Facts, Format, Head, Reason
from imgfetch.rules.plan import unasked_until
from imgfetch.rules.renditions import Filed, learn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from imgfetch.model import Key, Rendition

_SCHEMA = f"""
    CREATE TABLE object (
        sha256   TEXT PRIMARY KEY,
        format   TEXT NOT NULL,
        bytes    INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE entry (
        id          INTEGER PRIMARY KEY,
        key         TEXT NOT NULL,
        variant     TEXT NOT NULL DEFAULT '',
        sha256      TEXT NOT NULL REFERENCES object,
        width       INTEGER NOT NULL,
        height      INTEGER NOT NULL,
        frames      INTEGER NOT NULL,
        verified    TEXT NOT NULL,
        url         TEXT NOT NULL,
        status      INTEGER NOT NULL,
        headers     TEXT NOT NULL,
        asked_at    REAL NOT NULL,
        received_at REAL NOT NULL,
        bound       REAL,
        unasked_until REAL,
        UNIQUE (key, variant)
    );
    CREATE INDEX entry_of_object ON entry (sha256);
    CREATE TABLE rendition (
        key   TEXT PRIMARY KEY,
        image INTEGER,
        width INTEGER NOT NULL
    );
    CREATE INDEX rendition_of_image ON rendition (image);
    CREATE TRIGGER image_of_nothing AFTER DELETE ON entry BEGIN
        DELETE FROM rendition WHERE image = (SELECT image FROM rendition WHERE key = old.key)
        AND NOT EXISTS (
            SELECT 1 FROM rendition other JOIN entry USING (key) WHERE other.image = rendition.image
        );
    END;
    PRAGMA application_id = {APPLICATION};
    PRAGMA user_version = {VERSION};
"""  # noqa: S608 (our own numbers)
# entry has a rowid, since its rows are long: without one they would fill the inner pages of the tree too

_COLUMNS = """
    e.key, e.sha256, o.format, o.bytes, o.mtime_ns, e.width, e.height, e.frames, e.verified,
    e.url, e.status, e.headers, e.asked_at, e.received_at, e.variant, e.bound
"""
_ENTRIES = f"SELECT {_COLUMNS}, e.id FROM entry e JOIN object o USING (sha256)"  # noqa: S608 (our own columns)
_FIND = f"{_ENTRIES} WHERE e.key = ? ORDER BY e.received_at DESC, e.id DESC"
_ABOUT = f"{_ENTRIES} WHERE e.sha256 = ? ORDER BY e.received_at DESC, e.id DESC LIMIT 1"
_SHARING = "SELECT DISTINCT key FROM entry WHERE sha256 = ? LIMIT 100"
_LIST = f"{_ENTRIES} WHERE e.id > ? ORDER BY e.id LIMIT 500"
_OBJECT = "SELECT sha256, format, bytes, mtime_ns FROM object WHERE sha256 = ?"
_OBJECTS = "SELECT sha256, format, bytes, mtime_ns FROM object WHERE sha256 > ? ORDER BY sha256 LIMIT 500"
_PUT_OBJECT = "INSERT OR REPLACE INTO object (sha256, format, bytes, mtime_ns) VALUES (?, ?, ?, ?)"
_PUT_ENTRY = """
    INSERT OR REPLACE INTO entry
    (key, sha256, width, height, frames, verified,
     url, status, headers, asked_at, received_at, variant, bound, unasked_until)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
# What depends on nothing stands for every request; what depends on something leaves the other variants.
_DROP_OTHERS = """
    DELETE FROM entry WHERE key = :key AND variant <> :variant AND (variant = '' OR :variant = '')
"""
_FILED = """
    SELECT key, image, width FROM rendition WHERE key IN ({0})
    OR image IN (SELECT image FROM rendition WHERE key IN ({0}))
"""
_KEPT = "SELECT DISTINCT key FROM entry WHERE key IN ({0})"
_PUT_RENDITION = """
    INSERT INTO rendition (key, image, width) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET (image, width) = (excluded.image, excluded.width)
"""
_REFRESH = """
    UPDATE entry
    SET url = ?, status = ?, headers = ?, asked_at = ?, received_at = ?, bound = ?, unasked_until = ?
    WHERE key = ? AND variant = ? AND sha256 = ?
"""
_ONLY_UNDER = """
    SELECT o.sha256, o.format, o.bytes, o.mtime_ns FROM object o
    WHERE o.sha256 IN (SELECT sha256 FROM entry WHERE key = :key)
    AND NOT EXISTS (SELECT 1 FROM entry e WHERE e.sha256 = o.sha256 AND e.key <> :key)
"""

T = TypeVar("T")
_Row: TypeAlias = "tuple[Any, ...]"


class Object(NamedTuple):
    """What the index knows of a file under `objects`."""

    sha256: Digest
    format: Format
    bytes: int
    mtime_ns: int


class _Damaged(sqlite3.DatabaseError):
    """The file can be read, and is not an index."""


class _Way:
    """One way into the index: a connection, opened when it is needed."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.connection: sqlite3.Connection | None = None
        self.file: tuple[int, int] | None = None
        """Device and inode of what was opened, or was to be: its name may come to stand for another file."""
        self.frozen = False
        """Whether it was opened as a file that nobody writes to."""

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class Index:
    """The index at `path`, whose folder is the cache's; `building` is where a new one lies until it is whole.

    All methods raise `CacheError` for what SQLite reports, and `OSError` for what the file system does.
    """

    def __init__(self, path: str, *, building: str, busy_timeout: float) -> None:
        self.notices: list[str] = []
        """What the user should hear of, in one line each."""
        self._path = path
        self._building = building
        self._busy_timeout = busy_timeout
        self._reading = _Way()
        self._writing = _Way()  # where both locks are needed, this one is taken first

    def find(self, key: Key) -> list[tuple[Entry, int]]:
        """The variants under `key`, the latest first, each with the `mtime_ns` its object had."""
        return [found for row in self._rows(_FIND, (key,)) if (found := _entry(row))]

    def about(self, sha256: Digest) -> Entry | None:
        """The latest entry of these bytes, under whatever key."""
        found = (_entry(row) for row in self._rows(_ABOUT, (sha256,)))
        return next((entry for entry, _ in filter(None, found)), None)

    def sharing(self, sha256: Digest) -> tuple[Key, ...]:
        """Up to 100 of the keys that stand for an object."""
        return tuple(key for (key,) in self._rows(_SHARING, (sha256,)))

    def entries(self) -> Iterator[Entry]:
        """Every entry, in the order they were kept."""
        last = 0
        while rows := self._rows(_LIST, (last,)):
            last = rows[-1][-1]
            for row in rows:
                found = _entry(row)
                if found is not None:
                    yield found[0]

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

    def filed(self, keys: Sequence[Key]) -> list[Filed]:
        """What is filed of these URLs, and of the images they belong to."""
        return _filed(self._rows(*_among(_FILED, keys)))

    def kept(self, keys: Sequence[Key]) -> frozenset[Key]:
        """Those of `keys` under which something is filed."""
        return frozenset(key for (key,) in self._rows(*_among(_KEPT, keys)))

    def put(self, entry: Entry, mtime_ns: int, renditions: tuple[Rendition, ...] = ()) -> None:
        """File `entry` under its key, in the place of what was there for such requests.

        `renditions` is the list that offered it: what it teaches is filed too.
        """
        facts, head = entry.facts, entry.head
        known = Object(facts.sha256, facts.format, facts.bytes, mtime_ns)
        row = (
            entry.key,
            facts.sha256,
            facts.width,
            facts.height,
            facts.frames,
            " ".join(facts.verified),
            head.url,
            head.status,
            _lines(head.headers),
            entry.asked_at,
            entry.received_at,
            variant := _lines(entry.selected),
            entry.bound,
            unasked_until(entry),
        )

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(_PUT_OBJECT, known)
            connection.execute(_PUT_ENTRY, row)
            # Last, so that there is never nothing of an image that there is something of.
            connection.execute(_DROP_OTHERS, {"key": entry.key, "variant": variant})
            if len(renditions) > 1:  # one alone teaches nothing
                _file_list(connection, renditions)

        self._with_writer(lambda connection: _transaction(connection, work))

    def refresh(self, entry: Entry) -> None:
        """Take over the head and the times of `entry`, where its key still stands for the same bytes."""
        head = entry.head
        times = (entry.asked_at, entry.received_at, entry.bound, unasked_until(entry))
        fields = (head.url, head.status, _lines(head.headers), *times)
        self._write((_REFRESH, (*fields, entry.key, _lines(entry.selected), entry.facts.sha256)))

    def mend(self, sha256: Digest, mtime_ns: int) -> None:
        """Note that the object was found whole though its time had changed."""
        self._write(("UPDATE object SET mtime_ns = ? WHERE sha256 = ?", (mtime_ns, sha256)))

    def remove(self, key: Key) -> tuple[Object, ...]:
        """Forget `key`, and the objects that no other key stands for: they are returned."""

        def work(connection: sqlite3.Connection) -> tuple[Object, ...]:
            alone = tuple(_objects(connection.execute(_ONLY_UNDER, {"key": key}).fetchall()))
            connection.execute("DELETE FROM entry WHERE key = ?", (key,))
            for known in alone:
                connection.execute("DELETE FROM object WHERE sha256 = ?", (known.sha256,))
            return alone

        return self._with_writer(lambda connection: _transaction(connection, work))

    def forget(self, sha256: Digest) -> None:
        """Forget an object, and every key that stood for it."""
        self._write(
            ("DELETE FROM entry WHERE sha256 = ?", (sha256,)),
            ("DELETE FROM object WHERE sha256 = ?", (sha256,)),
        )

    def close(self) -> None:
        """Let go of the file. Whatever is asked next opens it again."""
        for way in (self._writing, self._reading):
            with way.lock:
                way.close()

    # ------------------------------------------------------------------------------------------------
    # Reading and writing

    def _rows(self, statement: str, values: tuple[object, ...] = ()) -> list[_Row]:
        with self._reading.lock:
            try:
                connection = self._reading.connection or self._open_to_read()
                return connection.execute(statement, values).fetchall() if connection else []
            except sqlite3.Error as error:
                self._recover(error, self._reading)
                return []

    def _write(self, *statements: tuple[str, tuple[object, ...]]) -> None:
        def work(connection: sqlite3.Connection) -> None:
            for statement, values in statements:
                connection.execute(statement, values)

        self._with_writer(lambda connection: _transaction(connection, work))

    def _with_writer(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._writing.lock:
            try:
                return work(self._writer())
            except sqlite3.Error as error:
                self._recover(error, self._writing)
            try:
                return work(self._writer())
            except sqlite3.Error as error:
                self._writing.close()
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
        connection = _connect(self._path, query, self._busy_timeout)
        try:
            connection.execute("PRAGMA synchronous = NORMAL")
            self._judge(connection)
        except BaseException:
            connection.close()
            raise
        way.connection = connection
        return connection

    def _judge(self, connection: sqlite3.Connection) -> None:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise CacheError(
                Reason.CACHE_VERSION,
                f"{self._path} is of version {version}, and this imgfetch knows version {VERSION}",
                hint="use a newer imgfetch, or another directory",
            )
        if (application, version) != (APPLICATION, VERSION):
            raise _Damaged("it is no index of imgfetch")

    # ------------------------------------------------------------------------------------------------
    # Making a new one, and putting a damaged one aside

    def _create(self) -> tuple[int, int] | None:
        built = self._build()
        try:
            with _alone(self._path):
                if _identity(self._path) is None:
                    # The log of an index that was deleted would be read into the new one.
                    for companion in _COMPANIONS:
                        _unlink(self._path + companion)
                    _give_name(built, self._path)
        finally:
            _unlink(built)
        return _identity(self._path)

    def _build(self) -> str:
        built = f"{self._building}/{os.urandom(16).hex()}.sqlite"
        descriptor = os.open(built, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            try:
                _fill(built, "WAL")
            except sqlite3.OperationalError as error:
                os.ftruncate(descriptor, 0)
                _fill(built, "DELETE")
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
                Reason.CACHE_CORRUPT,
                f"{self._path} is damaged ({error}), and cannot be moved aside: {refusal.strerror}",
                hint="make the cache writable, or name another directory",
            ) from error

    def _set_aside(self, error: sqlite3.Error) -> None:
        number = 1
        while os.path.lexists(aside := f"{self._path}.damaged-{number}"):
            number += 1
        for companion in (*_COMPANIONS, ""):  # the name itself last, see `_create`
            with suppress(FileNotFoundError):
                os.rename(self._path + companion, aside + companion)
        self.notices.append(
            f"{self._path} was damaged ({error}): moved to {aside}; the images are kept, and will be asked"
            " for once more"
        )

    def _translated(self, error: sqlite3.Error) -> CacheError:
        match _code(error):
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_PROTOCOL:
                return CacheError(
                    Reason.CACHE_LOCKED,
                    f"{self._path} is held by another process: waited {self._busy_timeout:g} s",
                    hint="try again when the other has ended, or end it",
                )
            case sqlite3.SQLITE_FULL:
                return CacheError(Reason.DISK_FULL, f"no space left for {self._path}")
            case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
                return CacheError(Reason.PERMISSION, f"{self._path} cannot be written: {error}")
            case sqlite3.SQLITE_CANTOPEN if not self._is_open_to_us():
                return CacheError(Reason.PERMISSION, f"{self._path} cannot be opened: permission denied")
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
                return CacheError(Reason.CACHE_CORRUPT, f"{self._path} is damaged: {error}")
            case _:
                return CacheError(Reason.IO, f"{self._path}: {error}")

    def _is_open_to_us(self) -> bool:
        return all(os.access(place, os.R_OK | os.W_OK) for place in (self._path, os.path.dirname(self._path)))


# ---------------------------------------------------------------------------------------------------
# Rows and values


def _entry(row: _Row) -> tuple[Entry, int] | None:
    """The entry a row tells of, and the `mtime_ns` of its object; None where the row makes no sense."""
    (
        key,
        sha256,
        format_,
        size,
        mtime_ns,
        width,
        height,
        frames,
        verified,
        url,
        status,
        headers,
        asked_at,
        received_at,
        variant,
        bound,
        _,
    ) = row
    try:
        facts = Facts(_FORMATS[format_], width, height, frames, size, _digest(sha256), _words(verified))
        head = Head(url, status, _fields(headers))
        selected = _fields(variant) if variant else ()
    except (LookupError, ValueError, TypeError, AttributeError):
        return None
    return Entry(key, facts, head, asked_at, received_at, selected, bound), mtime_ns


def _file_list(connection: sqlite3.Connection, offered: tuple[Rendition, ...]) -> None:
    """File what a list teaches about which URLs are one image."""
    statement, values = _among(_FILED, [rendition.key for rendition in offered])
    filed = _filed(connection.execute(statement, values).fetchall())
    lesson = learn(offered, filed)
    for key in lesson.doubtful:
        connection.execute("UPDATE rendition SET image = NULL WHERE key = ?", (key,))
    if lesson.members:
        (last,) = connection.execute("SELECT CAST(max(image) AS INTEGER) FROM rendition").fetchone()
        image = lesson.image or (last or 0) + 1
        for rendition in lesson.members:
            connection.execute(_PUT_RENDITION, (rendition.key, image, rendition.width))


def _filed(rows: list[_Row]) -> list[Filed]:
    return [Filed(*row) for row in rows if isinstance(row[2], int) and isinstance(row[1], int | None)]


def _among(statement: str, keys: Sequence[Key]) -> tuple[str, tuple[object, ...]]:
    """A statement about some keys, and its values."""
    marks = ",".join(f"?{number}" for number in range(1, len(keys) + 1))
    return statement.format(marks), tuple(keys)


_FORMATS = {known.value: known for known in Format}


@lru_cache(maxsize=64)
def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _objects(rows: list[_Row]) -> Iterator[Object]:
    for sha256, format_, size, mtime_ns in rows:
        with suppress(ValueError):
            yield Object(_digest(sha256), Format(format_), size, mtime_ns)


def _digest(text: str) -> Digest:
    """What a row calls a digest, as one; it will become part of a path, so it must look like one."""
    if len(text) != 64 or not text.isalnum():
        raise ValueError(text)
    return Digest(text)


# Fields are kept as `name TAB value LF`, with anything but printable ASCII escaped by a backslash as in a
# Python literal. JSON would say the same; reading it takes three times as long, and loading its module more
# time than all the rest of a lookup in a cache that has just been opened.


def _lines(fields: tuple[tuple[str, str], ...]) -> str:
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


def _fill(path: str, journal: str) -> None:
    with closing(_connect(path, "mode=rw", 0)) as connection:
        connection.execute("PRAGMA synchronous = OFF")  # it is synced once, when it is whole
        connection.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
        # After the tables, so that these are in the file itself: nobody would hear of a log that cannot be
        # copied into the file when it is closed.
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute(
            "SELECT count(*) FROM entry"
        ).fetchone()  # the log is opened by the first who reads


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


def _is_damage(error: sqlite3.Error) -> bool:
    code = _code(error)
    if code is None:  # text that is no UTF-8 is reported by Python, not by SQLite
        return isinstance(error, (_Damaged, sqlite3.OperationalError))
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


# ---------------------------------------------------------------------------------------------------
# Files

_COMPANIONS = ("-wal", "-shm", "-journal")


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_dev, status.st_ino


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
