"""SQL of others in an index does not run with ours, and a statement without end is ended."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from children import running
from hostile_index import FOREVER, INDEX_PATH, endless, fill
from imgfetch.cli.fast_path import answer
from imgfetch.errors import CacheError
from imgfetch.model.result import ErrorKind
from imgfetch.store.disk_store import DiskStore
from keeping import CAT, keep

pytestmark = pytest.mark.usefixtures("home")


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
from hostile_index import endless
from imgfetch.store.index import statement_limit as module
from imgfetch.cli import dispatch
from imgfetch.cli.process import signals
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
