"""The tables of the index, and the check that an index has exactly these."""

from __future__ import annotations

import os
import stat
from contextlib import closing, suppress
from functools import cache
from typing import TYPE_CHECKING

from imgfetch.store.hashing import sha256
from imgfetch.store.index.sql import Damaged, connect, sqlite3
from imgfetch.store.lookup_sql import APPLICATION, VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

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

SALT_BYTES = 32
OLDEST_VERSION = 1
"""The oldest version of an index that is migrated."""

_DIGEST_OF_VERSION_1 = "576f4113d40b0869c09c425c4d588d6bbca5d647c04449ec86564825bc5a3583"
"""SHA-256 of its SQL: each statement on a line, with single spaces, sorted."""

# SQLite's own parts are left out: the index of a UNIQUE has no SQL, and ANALYZE stores statistics in tables.
_SELECT_SCHEMA = """
    SELECT sql FROM sqlite_master
    WHERE NOT (type = 'index' AND sql IS NULL OR type = 'table' AND name GLOB 'sqlite_stat[0-9]') LIMIT 100
"""


def version_at(path: str) -> int | None:
    """Read the version of an index from its header; None for a damaged file, or one of another program.

    The index is not opened, and so left as it is. Raises `OSError`.
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
    return version if application == APPLICATION and version >= OLDEST_VERSION else None


def fill(path: str, journal: str, salt: bytes) -> None:
    """Make the tables of a new index in an empty file, with this journal mode."""
    with closing(connect(path, "mode=rw", 0)) as connection:
        connection.execute("PRAGMA synchronous = OFF")  # the whole file is synced once
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # cannot be set later, see `Index.compact`
        connection.executescript(f"BEGIN; {_SCHEMA}")
        connection.execute("INSERT INTO salt (value) VALUES (?)", (salt,))
        connection.execute("COMMIT")
        # After the tables, so that they are in the file itself: a log that cannot be copied into the file
        # when it is closed would be lost without an error.
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute("SELECT count(*) FROM entry").fetchone()  # the first read opens the log


def refuse_other_schema(connection: sqlite3.Connection, version: int) -> None:
    """Raise if an index has other tables, indexes, triggers or views than imgfetch made, or other SQL.

    Such SQL would run within our statements, and might never end.
    """
    found = connection.execute(_SELECT_SCHEMA).fetchall()
    if version < VERSION:
        text = "\n".join(sorted(" ".join(str(sql).split()) for (sql,) in found))
        is_ours = sha256(text.encode("utf-8", "replace")).hexdigest() == _DIGEST_OF_VERSION_1
    else:
        is_ours = {sql for (sql,) in found} == _expected_schema() and len(found) == len(_expected_schema())
    if not is_ours:
        raise Damaged("it has other tables or triggers than an index of imgfetch")


@cache
def _expected_schema() -> frozenset[str]:
    """Return the SQL of everything in an index, as SQLite stores it."""
    stripped = (statement.strip().rstrip(";") for statement in schema_statements())
    return frozenset(statement for statement in stripped if statement.startswith("CREATE "))


def schema_statements() -> Iterator[str]:
    """Yield the statements of the schema one by one: `executescript` would commit first."""
    statement = ""
    for part in _SCHEMA.split(";"):
        statement += f"{part};"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
