"""The lookup: which keys have a stored response that answers now, whatever request asks for it.

    keys ─▶ find_rows: one statement for 64 keys ─▶ rows, missing keys
    rows ─▶ is_intact: size and modification time of the file ─▶ hits

`DiskStore.lookup` and the fast path of the command line both ask here. `stored_response.fresh_until` has
decided until when a stored response answers; the index has that time in `entry.fresh_until`.

Every run of the command line pays for the imports of this module: so it takes the part of `sqlite3` that is
written in C, and no other package of imgfetch but the numbers in `model.thresholds`.
"""

from __future__ import annotations

import os

from imgfetch.model.thresholds import CHECK_AGE, GRANULARITY, REPEATED_BYTES, REPEATED_KEYS

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3 as sqlite3
    from collections.abc import Callable, Sequence
    from typing import Any, TypeAlias

    Row: TypeAlias = tuple[Any, ...]
else:
    try:
        import _sqlite3 as sqlite3
    except ImportError:  # only CPython has that part, and under this name
        import sqlite3

OBJECTS = "objects-v1"
INDEX = "index-v1.sqlite"
VERSION = 2
"""The version of the index (PRAGMA user_version)."""
APPLICATION = 0x696D6766
"""`imgf`, in the header of the index (PRAGMA application_id)."""
_BY_NAME = ("png", "gif", "webp", "avif", "svg", "ico", "bmp", "tiff", "jxl", "heic")
EXTENSIONS = {"jpeg": "jpg", **{name: name for name in _BY_NAME}, "other": "bin"}
"""The file name extension of each format, `Format.extension`."""

COLUMNS = """
    e.key, e.sha256, o.format, o.bytes, o.mtime_ns, o.used_at, o.checked_at, e.width, e.height, e.frames,
    e.verified, e.url, e.status, e.headers, e.request_time, e.response_time,
    e.redirect_lifetime
"""
"""The columns that an `Entry` and the state of its object are made of."""
FROM = "FROM entry e JOIN object o USING (sha256)"
# A small file under many keys may be a placeholder: only `find` shows with which keys it is shared.
_LOOKUP = f"""
    SELECT {COLUMNS}, e.variant, e.selector,
        e.selector = '' AND e.variant = ''
        AND e.response_time <= ? AND e.fresh_until > ? AND e.fresh_until < 9e99
        AND o.checked_at > ? AND o.checked_at < ?
        AND (o.bytes > {REPEATED_BYTES}
            OR NOT EXISTS (
                SELECT 1 FROM entry s WHERE s.sha256 = o.sha256 LIMIT 1 OFFSET {REPEATED_KEYS - 1}
            ))
    {FROM} WHERE e.key IN ({{}})
"""  # noqa: S608 (our own columns and numbers)
_AT_ONCE = 64
"""Keys in one statement."""
_LOOKUP_ONE, _LOOKUP_MANY = (_LOOKUP.format(",".join("?" * keys)) for keys in (1, _AT_ONCE))

TYPES = tuple(
    [str] * 3 + [int] * 7 + [str, str, int, str, float, float, lifetime, str, str, int]
    for lifetime in (type(None), float)
)
"""The types in a row of `COLUMNS`, variant, selector and a number: without redirects, and with some."""

_SETTLED = 2.0
"""Seconds after which a write to a file shows in its modification time on any file system."""


def find_rows(
    execute: Callable[[str, tuple[object, ...]], list[Row]],
    keys: Sequence[str],
    *,
    now: float,
    checked: tuple[float, float],
) -> tuple[list[Row], set[str]]:
    """Return the row of each key that answers at `now`, and the keys under which nothing is stored.

    `execute` runs a statement. Only objects that were last hashed between the two times `checked` answer. A
    key that has other entries only, because they are stale, or selected by credentials or by Vary, is in
    neither part.
    """
    found: list[Row] = []
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        if len(some) == 1:
            found += execute(_LOOKUP_ONE, (now, now, *checked, *some))
        else:
            padding = (None,) * (_AT_ONCE - len(some))
            found += execute(_LOOKUP_MANY, (now, now, *checked, *some, *padding))
    missing = {*keys}.difference([row[0] for row in found])
    return [row for row in found if row[-1] and is_sound(row)], missing


def is_sound(row: Row) -> bool:
    """Return whether an `Entry` can be made of a row: SQLite stores any value in any column."""
    sha256, headers = row[1], row[13]
    return (
        [*map(type, row)] in TYPES
        and row[2] in EXTENSIONS
        and len(sha256) == 64
        and sha256.isalnum()  # it becomes a part of a path
        and headers[-1:] in "\n"
        and headers.count("\t") == headers.count("\n")
        and ("\\" not in headers or _can_unescape(headers))
    )


def _can_unescape(headers: str) -> bool:
    try:
        for part in headers.replace("\t", "\n").split("\n"):
            part.encode("ascii").decode("unicode_escape")
    except ValueError:
        return False
    return True


def name_of(row: Row) -> tuple[str, str]:
    """Return the folder of the object of a row, below the folder of all objects, and its file name."""
    sha256 = row[1]
    return sha256[:2], f"{sha256}.{EXTENSIONS[row[2]]}"


def is_intact(path: str, size: int, mtime_ns: int) -> bool:
    """Return whether a file has the size and the modification time that the index has of it."""
    try:
        status = os.lstat(path)
    except OSError:  # `find` says what is wrong
        return False
    return status.st_size == size and status.st_mtime_ns == mtime_ns


# ---------------------------------------------------------------------------------------------------
# Without a store


def lookup_paths(root: str, keys: Sequence[str], *, now: float) -> list[str] | None:
    """Return the path of the file that answers for each key at `now`, or None unless all of them do.

    Write nothing and wait for no other process; None also where an access would have to be persisted. Raise
    what SQLite and the file system raise.
    """
    root = os.path.abspath(root)
    index = f"{root}/{INDEX}"
    before = _state(index)
    is_open, _, _, changed = before
    if not is_open and changed > now - _SETTLED:
        return None
    # An index that no process has open is read as a file that no process writes to: the files of a
    # write-ahead log cost more to make than the answer. A process that opens it meanwhile changes its state.
    connection = _open(index, "mode=ro" if is_open else "mode=ro&immutable=1")
    try:
        if not _is_ours(connection):
            return None
        rows, _ = find_rows(
            lambda statement, values: connection.execute(statement, values).fetchall(),
            keys,
            now=now,
            checked=(now - CHECK_AGE, now + CHECK_AGE),
        )
    finally:
        connection.close()
    if not is_open and _state(index) != before:
        return None
    paths = {row[0]: path for row in rows if (path := _intact_path(root, row, now)) is not None}
    return [paths[key] for key in keys] if paths.keys() >= {*keys} else None


def _intact_path(root: str, row: Row, now: float) -> str | None:
    _, _, _, size, mtime_ns, used_at, *_ = row
    path = "/".join((root, OBJECTS, *name_of(row)))
    is_access_persisted = abs(now - used_at) <= GRANULARITY
    return path if is_access_persisted and is_intact(path, size, mtime_ns) else None


def _state(index: str) -> tuple[bool, int, int, float]:
    """Return whether a process has the index open or has left a log, and what a write to it would change."""
    if os.path.lexists(f"{index}-journal"):
        raise OSError(f"{index} is being written to")
    status = _regular(index)
    assert status is not None  # noqa: S101 (it is not a companion)
    is_open = _regular(f"{index}-wal", may_be_absent=True) is not None
    if is_open:
        _regular(f"{index}-shm", may_be_absent=True)
    return is_open, status.st_ino, status.st_size, status.st_mtime


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
    # A lookup of one key takes a few hundred steps. One that takes so many more reads a view without end.
    connection.set_progress_handler(lambda: True, 100_000)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1 << 24)
    return connection


def _is_ours(connection: sqlite3.Connection) -> bool:
    values = [connection.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")]
    return values == [(APPLICATION,), (VERSION,)]
