"""An index that others have written costs downloads at most: no traceback, and no wait without end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

import imgfetch
from children import running
from imgfetch import CachingTransport, Client, Lock
from imgfetch.cli import main
from imgfetch.cli.fast_path import answer
from imgfetch.errors import CacheError
from imgfetch.model.image import Verified
from imgfetch.model.markup import Rendition
from imgfetch.model.request import Head
from imgfetch.model.result import ErrorKind
from imgfetch.model.values import Key
from imgfetch.store.disk_store import DiskStore
from imgfetch.store.index import Index
from imgfetch.store.layout import INDEX
from imgfetch.store.leases import Leases
from imgfetch.system.clock import SystemClock
from keeping import CAT, DOG, facts, keep, keep_proved, written
from origin import Origin, whole
from pictures import encoded

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("home")

INDEX_PATH = Path("cache") / INDEX
FOREVER = "WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n) "
LASTING = (("cache-control", "max-age=86400"),)
WEBP = encoded("webp", 96, 54)


def fill(url: str = CAT) -> None:
    """Keep an image under two URLs that a page lists as renditions, and pin one."""
    now = time.time() - 10
    with closing(DiskStore("cache")) as store:
        for key, width in ((url, 96), (DOG, 96)):
            proof = Verified(facts(WEBP, verified=("length", "structure", "decode")), written(store, WEBP))
            keep_proved(
                store,
                proof,
                Key(key),
                Head(key, 200, LASTING),
                request_time=now,
                response_time=now,
                renditions=(Rendition(Key(url), width), Rendition(DOG, width + 1)),
            )
        store.pin(Key(url))
    os.utime(INDEX_PATH, (now, now))


def run(*arguments: str) -> int:
    """Run a command in this process, and see that no exception was met on the way."""
    code = main(arguments)
    assert code in (0, 1, 3, 4), (code, arguments)
    return code


def use(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Go every way that leads to a hit, or looks at a cache."""

    async def many() -> None:
        async with Client(allow_hosts=["127.0.0.1"], offline=True) as client:
            [_ async for _ in client.get_many([url])]
            with suppress(imgfetch.ImgfetchError):
                await client.get(url, width=48)

    async def by_httpx() -> None:
        async with httpx.AsyncClient(transport=CachingTransport(allow_hosts=["127.0.0.1"])) as client:
            assert (await client.get(url)).content == WEBP

    with suppress(CacheError):
        asyncio.run(many())
    asyncio.run(by_httpx())
    with suppress(imgfetch.ImgfetchError):
        imgfetch.fetch(url, lock=Lock.read("imgfetch.lock"), locked=True, offline=True)
    answer(["get", url])
    run("get", url, "--allow-host", "127.0.0.1", "-q")
    run("explain", url)
    run("cache", "ls", "--json")
    run("cache", "ls")
    run("cache", "info")
    run("cache", "prune", "--max-cache", "1G", "--max-age", "1d", "--dry-run")
    run("cache", "verify")
    run("cache", "prune", "--max-cache", "1", "--grace", "0")
    run("cache", "pin", url)
    run("cache", "rm", url)
    told = capsys.readouterr()
    assert "internal error" not in told.err + told.out


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


# ---------------------------------------------------------------------------------------------------
# What runs with our statements

SCHEMAS = {
    "a view without end": f"""
        DROP TABLE entry;
        CREATE VIEW entry AS {FOREVER} SELECT x AS id, '{CAT}' AS key, '' AS selector, '' AS variant,
        x AS sha256, 1 AS width, 1 AS height, 1 AS frames, '' AS verified, '' AS url, 200 AS status,
        '' AS headers, 1.0 AS request_time, 1.0 AS response_time, NULL AS redirect_lifetime,
        9e9 AS fresh_until FROM n;
    """,
    "a view of much": f"""
        DROP TABLE object;
        CREATE VIEW object AS {FOREVER} SELECT hex(zeroblob(400000000)) AS sha256, 'webp' AS format,
        1 AS bytes, 1 AS mtime_ns, 1 AS used_at, 1 AS checked_at FROM n;
    """,
    "a trigger without end": f"""
        CREATE TRIGGER more AFTER INSERT ON object BEGIN
            UPDATE total SET objects = ({FOREVER} SELECT count(*) FROM n);
        END;
    """,
    "a trigger in the place of ours": """
        DROP TRIGGER object_added;
        CREATE TRIGGER object_added AFTER INSERT ON object BEGIN
            DELETE FROM entry;
        END;
    """,
    "a table more": "CREATE TABLE more (x);",
    "an index more": "CREATE INDEX more ON entry (url);",
    "a column more": "ALTER TABLE entry ADD COLUMN more;",
    "a column that is made": "ALTER TABLE entry ADD COLUMN more AS (hex(zeroblob(100000000)));",
    "a table less": "DROP TABLE pin;",
    "a virtual table": "DROP TABLE pin; CREATE VIRTUAL TABLE pin USING fts5(key);",
    "a view of the clock": f"""
        DROP TABLE clock;
        CREATE VIEW clock AS {FOREVER} SELECT x AS time, x AS doubted FROM n;
    """,
}


@pytest.mark.parametrize("statements", SCHEMAS.values(), ids=SCHEMAS)
def test_an_index_with_another_schema_is_moved_aside(
    statements: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fill()
    with closing(sqlite3.connect(INDEX_PATH)) as connection:
        try:
            connection.executescript(statements)
        except sqlite3.OperationalError as error:
            pytest.skip(str(error))
    os.utime(INDEX_PATH, (time.time() - 10,) * 2)
    before = time.monotonic()
    answer(["get", CAT])
    with closing(DiskStore("cache")) as store:
        assert store.find(CAT) is None
        assert len(store.notices) == 1
        assert "other tables or triggers" in store.notices[0]
        entry = keep(store, CAT, b"a cat")
        assert store.find(CAT) == entry
    with closing(DiskStore("cache")) as store:
        assert store.notices == []
    assert time.monotonic() - before < 20


def test_takes_an_index_with_statistics() -> None:
    fill()
    with closing(sqlite3.connect(INDEX_PATH)) as connection:
        connection.executescript("ANALYZE")
    with closing(DiskStore("cache")) as store:
        assert store.find(CAT) is not None
        assert store.notices == []


def endless(where: Path) -> Index:
    """An index through which a statement can be put that does not end."""
    with closing(DiskStore(where)) as store:
        keep(store, CAT, b"a cat")
    return Index(str(where / INDEX), building=str(where), busy_timeout=1, elapsed=SystemClock().elapsed)


def test_gives_up_a_query_without_end() -> None:
    index = endless(Path("cache").absolute())
    with closing(index), pytest.raises(CacheError, match="given up") as raised:
        index._database.rows(f"{FOREVER} SELECT count(*) FROM n")
    assert raised.value.kind is ErrorKind.CACHE_CORRUPT
    with closing(index):
        assert index.entries.count() == 1


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("work", ["rows('{}')", "write(('{}', ()))"], ids=["reading", "writing"])
def test_a_signal_ends_a_query_without_end(sent: signal.Signals, code: int, work: str) -> None:
    statement = f"{FOREVER} SELECT count(*) FROM n"
    script = f"""
import signal, sys, threading, os, time
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_hostile_index import endless
from imgfetch.store.index import statement_limit as module
from imgfetch.cli import dispatch, signals
module._MOST_TICKS = 10 ** 9
signal.signal(signal.SIGINT, signal.default_int_handler)
signals.install()
index = endless(Path("cache").absolute())
threading.Timer(0.5, os.kill, (os.getpid(), {int(sent)})).start()
try:
    with signals.in_command():
        index._database.{work.format(statement)}
except BaseException as error:
    sys.exit(dispatch.report_error(error))
"""
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, timeout=30)
    assert done.returncode == code, done.stderr


@pytest.mark.parametrize("command", [["cache", "rm", CAT], ["cache", "pin", CAT], ["cache", "prune"]])
def test_a_signal_ends_the_wait_for_another_writer(command: list[str]) -> None:
    fill()
    with closing(sqlite3.connect(INDEX_PATH, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with running(*command) as process:
            time.sleep(1.5)  # it has come to wait, which takes 10 s
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=20) == 143
            assert time.monotonic() - began < 5
