"""A glance at a cache: where something lies, if that can be said at once.

It reads the index as any other reader may (cache/README.md), a row for each key, and looks at the object
as `DiskStore.find` does. It writes nothing, waits for nobody, and says None where a closer look is needed.

What it imports is paid for by every run of the command line: so it takes the part of `sqlite3` that is
written in C, and loads neither the package around it nor any other room of the house.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3 as sqlite3
    from collections.abc import Iterable
else:
    try:
        import _sqlite3 as sqlite3
    except ImportError:  # it is CPython's own affair where that part lies
        import sqlite3

OBJECTS = "objects-v1"
INDEX = "index-v1.sqlite"
VERSION = 2
"""Of the index (PRAGMA user_version)."""
APPLICATION = 0x696D6766
"""`imgf`, in the header of the index (PRAGMA application_id)."""

_FIND = """
    SELECT o.sha256, replace(o.format, 'jpeg', 'jpg'), o.bytes, o.mtime_ns, o.used_at, o.checked_at,
        e.response_time, e.fresh_until
    FROM entry e JOIN object o USING (sha256)
    WHERE e.key = ? AND e.selector = '' AND (o.bytes > 32768 OR 5 >
    (SELECT count(*) FROM (SELECT DISTINCT key FROM entry s WHERE s.sha256 = o.sha256 LIMIT 5)))
"""
# Small files that stand under many keys may be pictures of no picture: placeholders looks at those.
RECENT = 3600
"""Seconds for which a use on record stands for those that follow it (`rules.store.eviction.GRANULARITY`)."""
CHECK_AGE = 7 * 86_400.0
"""Seconds for which bytes that were hashed are taken for what they were (`check_age.CHECK_AGE`)."""
_STILL = 2.0
"""Seconds after which a change to a file must show in its time of modification, however coarse that is."""


def glance(root: str, keys: Iterable[str], *, now: float) -> list[str] | None:
    """The path of what is held under each key and may be served unasked at `now`; None if any is wanting.

    Raises what SQLite and the file system raise.
    """
    root = os.path.abspath(root)
    index = f"{root}/{INDEX}"
    before = _state(index)
    busy, _, _, changed = before
    if not busy and changed > now - _STILL:
        return None
    # Where nobody has it open, it is read as a file that nobody writes to, since the files that go with a
    # write-ahead log cost more to make than the answer. If somebody has come in the meantime, it shows.
    connection = _open(index, "mode=ro" if busy else "mode=ro&immutable=1")
    try:
        if not _is_ours(connection):
            return None
        places = [_find(connection, key, now) for key in keys]
    finally:
        connection.close()
    if not busy and _state(index) != before:
        return None
    paths = [f"{root}/{place[0]}" for place in places if place is not None and _is_whole(root, *place)]
    return paths if len(paths) == len(places) else None


def _state(index: str) -> tuple[bool, int, int, float]:
    """Whether somebody has the index open or has left a log, and what would change if it were written to."""
    if os.path.lexists(f"{index}-journal"):
        raise OSError(f"{index} is being written to")
    status = _regular(index)
    assert status is not None  # noqa: S101 (it is not a companion)
    busy = _regular(f"{index}-wal", may_be_absent=True) is not None
    if busy:
        _regular(f"{index}-shm", may_be_absent=True)
    return busy, status.st_ino, status.st_size, status.st_mtime


def _regular(path: str, *, may_be_absent: bool = False) -> os.stat_result | None:
    """Return the status of a regular file. Raise `OSError` for anything else, which may have no end."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        if may_be_absent:
            return None
        raise
    if status.st_mode & 0o170000 != 0o100000:  # stat.S_ISREG, without its module
        raise OSError(f"{path} is not a regular file")
    return status


def _open(index: str, query: str) -> sqlite3.Connection:
    quoted = index.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    connection = sqlite3.connect(f"file://{quoted}?{query}", uri=True, timeout=0, isolation_level=None)
    # A question about a key takes a few hundred steps: what takes more is a view or so without end.
    connection.set_progress_handler(_give_up, 100_000)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1 << 24)
    return connection


def _give_up() -> bool:
    return True


def _is_ours(connection: sqlite3.Connection) -> bool:
    values = [connection.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")]
    return values == [(APPLICATION,), (VERSION,)]


def _find(connection: sqlite3.Connection, key: str, now: float) -> tuple[str, int, int] | None:
    """Where the object lies below the root that may be served under `key`, its size and its time."""
    rows = connection.execute(_FIND, (key,)).fetchall()
    if len(rows) != 1:
        return None
    sha256, extension, size, mtime_ns, used_at, checked_at, since, until = rows[0]
    # This use is to be written down, or the bytes are to be hashed first.
    if abs(now - used_at) > RECENT or not abs(now - checked_at) < CHECK_AGE:
        return None
    if until is None or not since <= now < until or len(sha256) != 64 or not sha256.isalnum():
        return None
    return f"{OBJECTS}/{sha256[:2]}/{sha256}.{extension}", size, mtime_ns


def _is_whole(root: str, place: str, size: int, mtime_ns: int) -> bool:
    status = os.stat(f"{root}/{place}")
    return (status.st_size, status.st_mtime_ns) == (size, mtime_ns)
