"""From an index of version 1 to one of this version, in one transaction; or views to read it as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.store.index.schema import schema_statements

if TYPE_CHECKING:
    from imgfetch.store.index.sql import sqlite3

_COPIED = {
    "object": "sha256, format, bytes, mtime_ns, used_at",
    "entry": "id, key, variant, sha256, width, height, frames, verified, url, status, headers, asked_at,"
    " received_at, bound, unasked_until",
    "rendition": "",
    "pin": "key",
    "clock": "time, doubted",
    "total": "",
}
"""The tables of version 1, and the columns of each that are copied."""

RENAMED = {
    "asked_at": "request_time",
    "received_at": "response_time",
    "bound": "redirect_lifetime",
    "unasked_until": "fresh_until",
}
"""Columns of version 1, with their present names."""

_SELECT_NAMES = "SELECT type, name FROM sqlite_master WHERE type IN ('trigger', 'index') AND sql IS NOT NULL"

# For a connection that cannot write. Once another process has migrated the index, these views name columns
# that no longer exist; then the connection is opened again.
READ_VERSION_1 = f"""
    CREATE TEMP VIEW object AS SELECT o.*, 0 AS checked_at FROM main.object o;
    CREATE TEMP VIEW entry AS
        SELECT e.*, {", ".join(f"e.{old} AS {new}" for old, new in RENAMED.items())},
            '' AS selector, NULL AS source_set
        FROM main.entry e;
    CREATE TEMP VIEW salt AS SELECT NULL AS value LIMIT 0;
"""  # noqa: S608 (our own columns)


def migrate(connection: sqlite3.Connection, salt: bytes) -> None:
    """Turn an index of version 1 into one of this version, within the transaction that has begun.

    The new tables get exactly the SQL of a new index, and the triggers count what is copied. Lists of
    renditions are not copied: version 1 merged the lists of several pages.
    """
    for kind, name in connection.execute(_SELECT_NAMES).fetchall():
        connection.execute(f"DROP {kind} {name}")
    for table in _COPIED:
        connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    for statement in schema_statements():
        connection.execute(statement)
    connection.execute("INSERT INTO salt (value) VALUES (?)", (salt,))
    for table, columns in _COPIED.items():
        if columns:
            names = ", ".join(RENAMED.get(column, column) for column in columns.split(", "))
            connection.execute(f"INSERT INTO {table} ({names}) SELECT {columns} FROM old_{table}")  # noqa: S608
        connection.execute(f"DROP TABLE old_{table}")
