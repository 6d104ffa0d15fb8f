"""imgfetch with every sync made to do nothing: what durability costs is what this does not.

It takes the place of `python -m imgfetch`, and no option of the product does the same: an image that it
has said to be there may be gone after a power cut.
"""

import os
import sqlite3
from functools import partial

from imgfetch.system import atomic_files


class Unsynced(sqlite3.Connection):
    """A connection that hears of no other way of syncing than none."""

    def execute(self, statement, *values):
        if statement.startswith("PRAGMA synchronous"):
            statement = "PRAGMA synchronous = OFF"
        return super().execute(statement, *values)


if not hasattr(atomic_files, "_syncfs"):
    raise SystemExit("undurable.py: imgfetch syncs in another way now, which would go on: follow it")
os.fsync = os.fdatasync = lambda descriptor: None
atomic_files._syncfs = lambda: lambda descriptor: 0
sqlite3.connect = partial(sqlite3.connect, factory=Unsynced)

from imgfetch.cli import entry  # noqa: E402 (what it imports must find the others)

entry()
