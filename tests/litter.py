"""Caches with very much in them, made in no time, and what may be wrong with a cache."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.model.image import Format
from imgfetch.model.values import Key
from imgfetch.store import layout
from keeping import CAT, digest, keep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imgfetch.store.disk_store import DiskStore


def key(number: int) -> Key:
    return Key(f"https://photos.example/{number}")


def fill(store: DiskStore, count: int) -> None:
    """Objects of a few bytes, the latest used a day ago, and their rows as cache/README.md has them."""
    keep(store, CAT, b"a cat")
    now = int(store._clock.now())
    for number in range(256):
        (store.root / layout.OBJECTS / f"{number:02x}").mkdir(exist_ok=True)

    def rows() -> Iterator[tuple[str, int, int, int]]:
        for number in range(count):
            data = b"%d" % number
            name = digest(data)
            path = f"{store.root}/{layout.OBJECTS}/{name[:2]}/{name}.{Format.WEBP.extension}"
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
            os.write(descriptor, data)
            mtime_ns = os.fstat(descriptor).st_mtime_ns
            os.close(descriptor)
            yield name, len(data), mtime_ns, now - 86_400 - count + number

    with closing(sqlite3.connect(store.root / layout.INDEX)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.executemany("INSERT INTO object VALUES (?, 'webp', ?, ?, ?, 0)", rows())
        connection.executemany(
            "INSERT INTO entry (key, sha256, width, height, frames, verified, url, status, headers,"
            " request_time,"
            " response_time) VALUES (?, ?, 1, 1, 1, '', '', 200, '', 0, 0)",
            ((key(number), digest(b"%d" % number)) for number in range(count)),
        )


def link(full: Path, root: Path) -> None:
    """A cache of its own with the same in it; its objects are hard links, which may be deleted."""
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(full, root, copy_function=os.link)
    (root / layout.INDEX).unlink()
    shutil.copy2(full / layout.INDEX, root / layout.INDEX)


class Seen(NamedTuple):
    """What a comparison of everything with everything came to."""

    rows: int
    bytes: int
    lost: int
    """Rows whose object is gone: each costs a download."""
    strays: int
    """Objects that no row tells of: they cost room."""
    lies: list[str]


def compare(root: Path) -> Seen:
    """Compare names with bytes, rows with objects, and counts with rows."""
    lies = []
    there = {}
    for path in (root / layout.OBJECTS).glob("*/*"):
        data = path.read_bytes()
        there[path.stem] = len(data)
        if digest(data) != path.stem:
            lies.append(f"{path} has other bytes")
    with closing(sqlite3.connect(root / layout.INDEX)) as connection:
        (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
        if verdict != "ok":
            lies.append(f"the index: {verdict}")
        known = dict(connection.execute("SELECT sha256, bytes FROM object"))
        counted = connection.execute("SELECT objects, bytes FROM total").fetchone()
        if counted != (len(known), sum(known.values())):
            lies.append(f"{counted} were counted, and there are {len(known)}, {sum(known.values())}")
        (dangling,) = connection.execute(
            "SELECT count(*) FROM entry WHERE sha256 NOT IN (SELECT sha256 FROM object)"
        ).fetchone()
        if dangling:
            lies.append(f"{dangling} entries without an object")
    lies += [f"{name} has another size" for name, size in there.items() if known.get(name, size) != size]
    lost, strays = len(known.keys() - there.keys()), len(there.keys() - known.keys())
    return Seen(len(known), sum(known.values()), lost, strays, lies)
