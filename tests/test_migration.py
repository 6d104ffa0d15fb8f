"""A cache of version 0.1.0, whose index is of version 1, is brought up to date once."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from disks import child, mounted, strace
from imgfetch.model.image import Verified
from imgfetch.model.markup import Rendition
from imgfetch.model.values import Key
from imgfetch.store.disk_store import DiskStore
from imgfetch.store.index import Index
from imgfetch.store.index.migration import READ_VERSION_1, RENAMED
from imgfetch.store.index.schema import version_at
from imgfetch.store.layout import INDEX
from imgfetch.store.lookup_sql import VERSION, lookup_paths
from keeping import CAT, DOG, HEAD, facts, keep, keep_proved, written

if TYPE_CHECKING:
    from keeping import Cache

VERSION_1 = Path(__file__).with_name("index_of_version_1.sql").read_text()
LASTING = HEAD._replace(headers=(("cache-control", "max-age=60"),))
ACCEPT = (("accept", "image/webp"),)


def of_version_1(root: Path) -> Path:
    """Fill a cache at `root`, and give it an index as 0.1.0 would have written it."""
    with closing(DiskStore(root)) as store:
        fill(store)
        store.pin(CAT)
    new, old = root / INDEX, root / "old.sqlite"
    with closing(sqlite3.connect(old, isolation_level=None)) as connection:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.executescript(f"BEGIN; {VERSION_1} COMMIT; PRAGMA journal_mode = WAL;")
        connection.execute("ATTACH ? AS new", (str(new),))
        for table in ("object", "entry", "pin"):
            names = [row[1] for row in connection.execute(f"PRAGMA main.table_info({table})")]
            today = ", ".join(RENAMED.get(name, name) for name in names)
            connection.execute(
                f"INSERT INTO main.{table} ({', '.join(names)}) SELECT {today} FROM new.{table}"
            )
        connection.execute("INSERT INTO main.rendition (key, image, width) VALUES (?, 1, 100)", (DOG,))
    new.unlink()
    old.rename(new)
    return new


def fill(store: Cache) -> None:
    """Keep a cat, and two variants of a dog."""
    keep(store, CAT, b"a cat", head=LASTING)
    for number, selected in enumerate((ACCEPT, (("accept", "*/*"),))):
        data = b"a dog %d" % number
        keep_proved(
            store,
            Verified(facts(data), written(store, data)),
            DOG,
            HEAD,
            request_time=10,
            response_time=11,
            selected=selected,
            renditions=(Rendition(DOG, 100), Rendition(CAT, 200)),
        )


def test_nothing_is_lost_and_one_line_says_so(tmp_path: Path) -> None:
    index = of_version_1(tmp_path / "cache")
    with closing(DiskStore(tmp_path / "new")) as new:
        fill(new)
        expected = [*new.entries()]
    assert version_at(str(index)) == 1
    with closing(DiskStore(tmp_path / "cache")) as store:
        assert [*store.entries()] == expected
        assert store.find(CAT) == expected[0]
        assert store.pins() == {CAT}
        assert store.stats().objects == store._index.objects.total().objects == 3
        assert store._index.objects.find(expected[0].facts.sha256) is not None
        assert len(store.notices) == 1
        assert "nothing was deleted" in store.notices[0]
    assert version_at(str(index)) == VERSION
    with closing(DiskStore(tmp_path / "cache")) as store:
        assert store.find(CAT) == expected[0]
        store.remove(CAT)
        assert store._index.objects.total().objects == 2
        assert store.notices == []


def test_a_migrated_index_is_made_as_a_new_one_is(tmp_path: Path) -> None:
    schemas = []
    of_version_1(tmp_path / "old")
    for name in ("old", "new"):
        with closing(DiskStore(tmp_path / name)) as store:
            keep(store, CAT, b"a cat")
        with closing(sqlite3.connect(tmp_path / name / INDEX)) as connection:
            schemas.append(sorted(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master")))
            ((salt,),) = connection.execute("SELECT value FROM salt")
            assert len(salt) == 32
    assert schemas[0] == schemas[1]


def test_the_fast_path_does_not_migrate_an_index(tmp_path: Path) -> None:
    of_version_1(tmp_path)
    before = (tmp_path / INDEX).read_bytes()
    assert lookup_paths(str(tmp_path), [CAT], now=20) is None
    assert (tmp_path / INDEX).read_bytes() == before


def test_reads_an_old_index_that_cannot_be_written(tmp_path: Path) -> None:
    root, copy = tmp_path / "cache", tmp_path / "read-only"
    of_version_1(root)
    with mounted(copy, "-o", "bind,ro", str(root)), closing(DiskStore(copy)) as store:
        cat = store.find(CAT)
        assert cat is not None
        assert cat.selector == ""
        assert store.lookup([CAT, DOG], now=20).hits == {}  # it is not known when they were hashed
        assert store.find(CAT, selector="another") is None
        assert len([*store.entries()]) == 3
        assert len(store.salt()) == 32
        with closing(DiskStore(root)) as writer:
            keep(writer, DOG, b"a dog")
            salt = writer.salt()
        with closing(DiskStore(copy)) as later:
            assert later.salt() == salt
            assert later.find(DOG) is not None
        assert store.notices == []


def test_a_reader_of_the_old_index_sees_what_another_has_made_of_it(tmp_path: Path) -> None:
    """A connection that reads version 1 through views is opened again when its columns are gone."""
    path = str(of_version_1(tmp_path))
    with closing(Index(path, building=str(tmp_path), busy_timeout=1, elapsed=monotonic)) as reader:
        reading = reader._database._reading
        reading.opened = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        reading.opened.executescript(READ_VERSION_1)
        reading.is_of_version_1 = True
        assert [found.entry.selector for found in reader.entries.find(CAT)] == [""]
        with closing(DiskStore(tmp_path)) as store:
            proof = Verified(facts(b"secret"), written(store, b"secret"))
            keep_proved(store, proof, CAT, HEAD, request_time=1, response_time=2, selector="alice")
        assert [found.entry.selector for found in reader.entries.find(CAT, "")] == [""]
        assert [found.entry.selector for found in reader.entries.find(CAT, "alice")] == ["alice"]


@pytest.mark.parametrize("call", ["pwrite64", "fdatasync", "ftruncate"])
def test_a_migration_may_be_killed_at_any_call(tmp_path: Path, call: str) -> None:
    of_version_1(tmp_path / "old")
    code = f"store.find(Key({CAT!r})); store.close(); print('done')"
    for turn in range(1, 1000, 3 if call == "pwrite64" else 1):
        root = tmp_path / str(turn)
        shutil.copytree(tmp_path / "old", root)
        kill = strace(
            "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={turn}"
        )
        ended = subprocess.run(
            child(code, root, wrapped_in=kill), check=False, stdout=subprocess.PIPE, text=True
        )
        with closing(DiskStore(root)) as store:
            assert {entry.key for entry in store.entries()} == {CAT, DOG}
            assert store.find(CAT) is not None
            assert store._index.objects.total().objects == 3
            assert all("damaged" not in notice for notice in store.notices)
            assert keep(store, Key("https://h.example/"), b"another") is not None
        if ended.stdout:
            return
    pytest.fail("it never came to its end")
