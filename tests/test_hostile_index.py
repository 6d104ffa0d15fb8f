"""An index that others have written costs downloads at most: no traceback, and no wait without end."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import imgfetch
from hostile_index import INDEX_PATH, WEBP, fill, use
from imgfetch import Lock
from imgfetch.errors import CacheError
from imgfetch.store.disk_store import DiskStore
from imgfetch.store.leases import Leases
from keeping import CAT, DOG, keep
from origin import Origin, whole

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("home")


VALUES = {
    "null": "NULL",
    "int": "7",
    "negative": "-9223372036854775808",
    "greatest": "9223372036854775807",
    "real": "1.5",
    "infinite": "9e999",
    "text": "'seven'",
    "digits": "'0000000000000000000000000000000000000000000000000000000000000000'",
    "blob": "x'00ff'",
    "long": "hex(zeroblob(100000))",
    "huge": "zeroblob(17000000)",
}

TYPES = ("null", "int", "real", "text", "blob", "huge")

COLUMNS = {
    "object": "sha256 format bytes mtime_ns used_at checked_at",
    "entry": "key selector variant sha256 width height frames verified url status headers request_time"
    " response_time redirect_lifetime fresh_until source_set",
    "pin": "key",
    "clock": "time doubted",
    "total": "objects bytes",
    "salt": "value",
}
EVERY_COLUMN = [(table, column) for table, columns in COLUMNS.items() for column in columns.split()]


def put(table: str, column: str, value: str) -> bool:
    """Put a value into a column of every row, whatever the schema says of it; whether that could be."""
    with closing(sqlite3.connect(INDEX_PATH, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN")
            connection.execute(f"UPDATE {table} SET {column} = {value}")
            connection.execute("COMMIT")
        except sqlite3.IntegrityError:
            # As a writer of no good will does: the schema is another for a while.
            connection.execute("ROLLBACK")
            with suppress(sqlite3.Error):
                connection.execute("PRAGMA writable_schema = ON")
                was = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql NOT NULL").fetchall()
                connection.execute(
                    "UPDATE sqlite_master SET sql = replace(sql, 'NOT NULL', '') WHERE type = 'table'"
                )
                connection.execute("PRAGMA writable_schema = RESET")
                with closing(sqlite3.connect(INDEX_PATH, isolation_level=None)) as other:
                    other.execute(f"UPDATE {table} SET {column} = {value}")
                connection.execute("PRAGMA writable_schema = ON")
                connection.executemany(
                    "UPDATE sqlite_master SET sql = ? WHERE name = ?", [(sql, name) for name, sql in was]
                )
                connection.execute("PRAGMA writable_schema = RESET")
        return bool(connection.execute(f"SELECT 1 FROM {table}").fetchone())


@pytest.mark.parametrize(("table", "column"), EVERY_COLUMN, ids=map(".".join, EVERY_COLUMN))
def test_a_value_of_any_type_in_any_column_costs_a_download_at_most(
    table: str, column: str, origin: Origin, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    url = origin.route("/a", whole(WEBP, **{"cache-control": "max-age=86400"}))
    lock = Lock()
    imgfetch.fetch(url, allow_hosts=["127.0.0.1"], lock=lock)
    lock.write("imgfetch.lock")
    for name in TYPES:
        value = VALUES[name]
        fill(url)
        if put(table, column, value):
            os.utime(INDEX_PATH, (time.time() - 10,) * 2)
        use(url, capsys)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_row_with_any_value_is_served_right_or_not_at_all(
    value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for table, column in EVERY_COLUMN:
        fill()
        put(table, column, value)
        with closing(DiskStore("cache")) as store:
            for entry in (store.find(CAT), store.find(CAT, None, selector=None)):
                if entry is not None:
                    assert store.path(entry).read_bytes() == WEBP
                    assert type(entry.facts.width) is type(entry.head.status) is int
                    assert type(entry.request_time) is float
            for hit in store.lookup([CAT, DOG], now=time.time()).hits.values():
                assert hit.path.read_bytes() == WEBP
                assert type(hit.entry.facts.frames) is int
            assert isinstance(store._index.objects.total().bytes, int)
            assert len(store.salt()) == 32
            for held in store._index.objects.by_use():
                assert type(held.used_at) is int
            keep(store, CAT, b"a cat")


# ---------------------------------------------------------------------------------------------------
# What is no index at all


def place_fifo(path: Path) -> None:
    os.mkfifo(path)


def place_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def place_folder(path: Path) -> None:
    path.mkdir()
    (path / "within").write_text("")


def place_socket(path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(str(path))


def place_circle(path: Path) -> None:
    path.symlink_to(path.name)


def place_nowhere(path: Path) -> None:
    path.symlink_to("nowhere")


PLACED = (place_fifo, place_device, place_folder, place_socket, place_circle, place_nowhere)


def timed(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a process, which must end by itself."""
    command = [sys.executable, "-m", "imgfetch", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize("companion", ["", "-wal", "-shm", "-journal"])
@pytest.mark.parametrize("place", PLACED)
def test_only_a_regular_file_is_opened_as_an_index(
    place: Callable[[Path], None], companion: str, origin: Origin
) -> None:
    url = origin.route("/a", whole(WEBP, **{"cache-control": "max-age=86400"}))
    fill(url)
    path = Path(f"{INDEX_PATH}{companion}")
    path.unlink(missing_ok=True)
    place(path)
    assert timed("cache", "ls").returncode in (0, 3)
    path = Path(f"{INDEX_PATH}{companion}")
    if not os.path.lexists(path):
        place(path)
    done = timed("get", url, "--allow-host", "127.0.0.1")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    assert timed("doctor").returncode in (0, 1)
    assert list(Path("cache").glob("*.damaged-*"))


@pytest.mark.parametrize("place", PLACED)
@pytest.mark.parametrize("name", ["leases-v1", "CACHEDIR.TAG", ".gitignore"])
def test_other_parts_of_a_cache_are_regular_files_or_none(
    place: Callable[[Path], None], name: str, origin: Origin
) -> None:
    url = origin.route("/a", whole(WEBP, **{"cache-control": "max-age=86400"}))
    Path("cache").mkdir()
    (Path("cache") / "objects-v1").mkdir()
    place(Path("cache") / name)
    done = timed("get", url, "--allow-host", "127.0.0.1")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1), done.stderr
    with suppress(OSError):
        Leases(f"cache/{name}").take("something")


@pytest.mark.parametrize("name", ["objects-v1", "scratch-v1", "quarantine-v1"])
@pytest.mark.parametrize(
    "work",
    [
        ("get", CAT, "--offline"),
        ("get", "{url}", "--refresh", "--allow-host", "127.0.0.1"),
        ("cache", "verify", "--repair"),
        ("cache", "prune", "--max-cache", "1k", "--grace", "0s"),
        ("cache", "rm", CAT),
    ],
)
def test_nothing_behind_a_symbolic_link_in_a_cache_is_deleted(
    name: str, work: tuple[str, ...], origin: Origin
) -> None:
    url = origin.route("/a", whole(WEBP))
    fill()
    folder, others = Path("cache") / name, Path("others")
    if folder.exists():
        folder.rename(others)
    (others / "ab").mkdir(parents=True)
    for path in (others / "thesis.txt", others / "ab" / f"ab{'0' * 62}.webp"):
        path.write_text("two years of work")
    there = sorted(others.rglob("*"))
    for path in there:
        os.utime(path, (1, 1), follow_symlinks=False)
    folder.symlink_to("../others")
    done = timed(*(word.format(url=url) for word in work))
    assert sorted(others.rglob("*")) == there, done.stderr
    assert "Traceback" not in done.stderr
    if "--offline" not in work:  # which only reads
        assert (done.returncode, "symbolic link" in done.stderr) == (3, True), done.stderr


def test_an_object_is_a_regular_file_of_the_cache(origin: Origin) -> None:
    url = origin.route("/a", whole(WEBP, **{"cache-control": "max-age=86400"}))
    fill(url)
    (path,) = Path("cache/objects-v1").glob("*/*.webp")
    path.rename("elsewhere")
    path.symlink_to(Path("elsewhere").absolute())
    assert timed("get", url, "--offline").returncode == 1
    done = timed("get", url, "--allow-host", "127.0.0.1")
    assert done.returncode == 0, done.stderr
    assert (path.is_symlink(), path.read_bytes()) == (False, WEBP)
    assert Path("elsewhere").read_bytes() == WEBP


def test_refuses_a_folder_with_a_fifo_as_its_tag() -> None:
    Path("cache").mkdir()
    os.mkfifo("cache/CACHEDIR.TAG")
    with closing(DiskStore("cache")) as store, pytest.raises(CacheError, match="other things in it"):
        store.staging.open()
