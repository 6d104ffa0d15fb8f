"""Publishing: killed at any call, and synced in the order that a crash needs."""

from __future__ import annotations

import errno
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from disks import (
    ROUNDS,
    child,
    index_of,
    strace,
)
from imgfetch.errors import CacheError
from imgfetch.model.result import ErrorKind
from imgfetch.model.values import Key
from imgfetch.store.disk_store import DiskStore
from imgfetch.system import atomic_files
from imgfetch.system.clock import SystemClock
from keeping import CAT, DOG, keep, pending_entry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


_KEEP_ON = """
    first = int(sys.argv[2])
    print("go", flush=True)
    for number in range(first, first + 1000):
        content = random.Random(number).randbytes(number * 997 % 200_000)
        staging_id = written(store, content[:70_000], content[70_000:])
        with store.staging.read(staging_id) as (data, found):
            proof = Verified(facts(bytes(data)), staging_id)
        key = Key(f"https://photos.example/{number}")
        keep_proved(store, proof, key, HEAD, request_time=1, response_time=2)
"""


def content_of(key: Key) -> bytes:
    number = int(key.rpartition("/")[2])
    return random.Random(number).randbytes(number * 997 % 200_000)


def check_after_crash(root: Path) -> int:
    """Every visible object is whole, the index opens, its entries are whole; how many there are."""
    with closing(DiskStore(root)) as store:
        assert [checked for checked in store.verify(deep=True) if checked.problem] == []
        entries = list(store.entries())
        for entry in entries:
            assert store.find(entry.key) == entry
            assert store.path(entry).read_bytes() == content_of(entry.key)
        assert store.notices == []
        if index_of(root).exists():
            with closing(sqlite3.connect(index_of(root))) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        known = {
            ".gitignore",
            "CACHEDIR.TAG",
            "index-v1.sqlite",
            "index-v1.sqlite-wal",
            "index-v1.sqlite-shm",
            "leases-v1",
        }
        assert {path.name for path in root.glob("*")} <= known | {"objects-v1", "scratch-v1"}
        return len(entries)


def test_a_writer_may_be_killed_at_any_instant(root: Path) -> None:
    chance = random.Random()
    kept = 0
    for number in range(ROUNDS):
        if number % 4 == 0:
            shutil.rmtree(root, ignore_errors=True)  # so that the making of a cache is interrupted too
        with subprocess.Popen(
            child(_KEEP_ON, root, number * 5), stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "go\n"
            try:
                process.wait(chance.uniform(0, 0.08))
            except subprocess.TimeoutExpired:
                process.kill()
            assert process.wait() == -signal.SIGKILL
        kept += check_after_crash(root)
    assert kept > 0
    for path in (root / "scratch-v1").iterdir():
        os.utime(path, (0, 0))
    with closing(DiskStore(root)) as store:
        keep(store, CAT, b"a cat")
        assert store.stats().scratch_files == 0


_KEEP_TWO = """
    for number in (3, 4):
        key = Key(f"https://photos.example/{number}")
        keep(store, key, random.Random(number).randbytes(number * 997))
    store.close()
    print("done")
"""


@pytest.mark.parametrize("call", ["mkdir", "link", "rename", "fsync", "unlink", "ftruncate", "pwrite64"])
def test_a_writer_may_be_killed_at_any_call_that_changes_the_disk(tmp_path: Path, call: str) -> None:
    step = 1 if ROUNDS > 20 else 1 + 6 * (call in ("pwrite64", "unlink"))
    for turn in range(1, 1000, step):
        root = tmp_path / str(turn)
        kill = strace(
            "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={turn}"
        )
        ended = subprocess.run(
            child(_KEEP_TWO, root, wrapped_in=kill), check=False, stdout=subprocess.PIPE, text=True
        )
        kept = check_after_crash(root) if root.exists() else 0
        if ended.stdout:
            assert kept == 2
            assert turn > 1
            return
        with closing(DiskStore(root)) as store:
            entry = keep(store, Key("https://photos.example/3"), content_of(Key("/3")))
            assert store.find(entry.key) == entry
    raise AssertionError("it never ended")


def test_bytes_are_on_the_disk_before_their_name_and_the_name_before_the_row(
    root: Path, tmp_path: Path
) -> None:
    log = tmp_path / "calls"
    calls = strace("-y", "-o", str(log), "-e", "trace=fsync,fdatasync,rename,renameat,renameat2,pwrite64")
    subprocess.run(child(_KEEP_TWO, root, wrapped_in=calls), check=True, stdout=subprocess.PIPE)
    told = [line.split(" ", 1)[1].strip() for line in log.read_text().splitlines()]
    renames = [at for at, call in enumerate(told) if re.match(r"rename\(.*objects-v1.* = 0", call)]
    assert len(renames) == 2
    for at in renames:
        found = re.match(r'rename\("(.*)", "(.*)"\) += 0', told[at])
        assert found is not None
        source, target = found.groups()
        assert target.endswith(".webp")
        synced = [call for call in told[:at] if re.match(rf"fsync\(\d+<{re.escape(source)}>\) += 0", call)]
        assert synced, "the file was not synced before it was given its name"
        folder = target.rpartition("/")[0]
        then = next(n for n, call in enumerate(told) if n > at and f"<{folder}>" in call)
        assert re.match(r"fsync\(.* = 0", told[then])
        row = next(n for n, call in enumerate(told) if n > at and call.startswith("pwrite64"))
        assert "index-v1.sqlite-wal" in told[row]
        assert at < then < row
        assert any(re.match(r"fsync\(\d+<.*/objects-v1>\) += 0", call) for call in told[at:row])


_KEEP_MANY = """
    contents = [random.Random(number).randbytes(number * 997) for number in range(1, 13)]
    keys = [Key(f"https://photos.example/{number}") for number in range(1, 13)]
    store.commit([pending_entry(store, key, content) for key, content in zip(keys, contents)])
    store.close()
    print("done")
"""


def together(folder: Path) -> None:
    """Go on only where many files are synced by one call."""
    if not atomic_files.syncs_whole(str(folder)):
        pytest.skip("needs Linux 5.8, whose syncfs tells of errors, and a file system that heeds it")


def test_many_are_synced_together_before_their_names_and_those_before_the_rows(
    root: Path, tmp_path: Path
) -> None:
    together(tmp_path)
    log = tmp_path / "calls"
    calls = strace("-y", "-o", str(log), "-e", "trace=syncfs,rename,pwrite64")
    subprocess.run(child(_KEEP_MANY, root, wrapped_in=calls), check=True, stdout=subprocess.PIPE)
    told = [line.split(" ", 1)[1].strip() for line in log.read_text().splitlines()]
    renames = [at for at, call in enumerate(told) if re.match(r"rename\(.*objects-v1.* = 0", call)]
    syncs = [at for at, call in enumerate(told) if re.match(r"syncfs\(.* = 0", call)]
    assert len(renames) == 12
    (files_synced, names_synced) = syncs
    assert files_synced < renames[0] < renames[-1] < names_synced
    first_row = next(at for at, call in enumerate(told) if at > renames[0] and call.startswith("pwrite64"))
    assert names_synced < first_row
    assert check_after_crash(root) == 12


@pytest.mark.parametrize("call", ["syncfs", "rename", "pwrite64", "unlink"])
def test_a_commit_of_many_may_be_killed_at_any_call(tmp_path: Path, call: str) -> None:
    together(tmp_path)
    step = 1 if ROUNDS > 20 else 5
    for turn in range(1, 1000, step):
        root = tmp_path / str(turn)
        kill = strace(
            "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={turn}"
        )
        ended = subprocess.run(
            child(_KEEP_MANY, root, wrapped_in=kill), check=False, stdout=subprocess.PIPE, text=True
        )
        kept = check_after_crash(root) if root.exists() else 0
        if ended.stdout:
            assert kept == 12
            return
        assert kept in (0, 12), "rows are written all or none"
    raise AssertionError("it never ended")


def test_stores_nothing_on_a_disk_that_cannot_sync(root: Path, tmp_path: Path) -> None:
    together(tmp_path)
    code = """
        keys = [Key(f"https://photos.example/{number}") for number in range(5)]
        kept = store.commit([pending_entry(store, key, key.encode()) for key in keys])
        print(*(error.kind for error in kept))
        store.close()
    """
    failing = strace("-o", "/dev/null", "-e", "trace=syncfs", "-e", "inject=syncfs:error=EIO:when=1+")
    ran = subprocess.run(child(code, root, wrapped_in=failing), check=True, stdout=subprocess.PIPE, text=True)
    assert ran.stdout.split() == ["io"] * 5
    assert check_after_crash(root) == 0


_KEEP_TWO_IN_A_FOLDER = """
    one, two = (pending_entry(store, Key(f"https://photos.example/{text}"), text) for text in (b"1", b"12"))
    for batch in ([one, two],) if sys.argv[2] == "together" else ([one], [two]):
        print(*(type(kept).__name__ for kept in store.commit(batch)))
    store.close()
"""


def traced(
    code: str, *arguments: object, log: Path, injecting: tuple[str, ...] = ()
) -> tuple[str, list[str]]:
    """What a child says, and its calls that make names or make them durable."""
    calls = strace("-y", "-o", str(log), "-e", "trace=fsync,mkdir,rename,pwrite64", *injecting)
    ran = subprocess.run(
        child(code, *arguments, wrapped_in=calls), check=True, stdout=subprocess.PIPE, text=True
    )
    return ran.stdout, [line.split(" ", 1)[1].strip() for line in log.read_text().splitlines()]


def first_of(told: list[str], pattern: str, *, after: int = 0) -> int:
    return next(at for at in range(after, len(told)) if re.match(pattern, told[at]))


_A_FOLDER_IS_MADE = r'mkdir\(".*/objects-v1/..", .* = 0'
_ITS_NAME_IS_DURABLE = r"fsync\(\d+<.*/objects-v1>\) += 0"
_A_ROW_IS_WRITTEN = r"pwrite64\(\d+<.*-wal>"


@pytest.mark.parametrize(
    ("call", "batches"), [("rename", "together"), ("rename", "apart"), ("fsync", "apart")]
)
def test_syncs_the_folder_of_a_failed_object_before_the_row_of_another(
    root: Path, tmp_path: Path, call: str, batches: str
) -> None:
    # The fourth rename is that into the new folder, and the fourth sync the first one of a folder of objects.
    injecting = ("-e", f"inject={call}:error=EIO:when=4")
    said, told = traced(_KEEP_TWO_IN_A_FOLDER, root, batches, log=tmp_path / "calls", injecting=injecting)
    assert said.split() == ["CacheError", "Entry"]
    made = first_of(told, _A_FOLDER_IS_MADE)
    durable = first_of(told, _ITS_NAME_IS_DURABLE, after=made)
    assert made < durable < first_of(told, _A_ROW_IS_WRITTEN, after=made)


def test_the_name_of_a_folder_is_made_durable_once(root: Path, tmp_path: Path) -> None:
    said, told = traced(_KEEP_TWO_IN_A_FOLDER, root, "apart", log=tmp_path / "calls")
    assert said.split() == ["Entry", "Entry"]
    assert len([call for call in told if re.match(_ITS_NAME_IS_DURABLE, call)]) == 1


def test_syncs_the_folder_of_all_objects_after_it_was_deleted(root: Path, tmp_path: Path) -> None:
    code = """
        import shutil
        staging_id = pending_entry(store, CAT, b"a cat")
        shutil.rmtree(f"{sys.argv[1]}/objects-v1")
        print(*(type(kept).__name__ for kept in store.commit([staging_id])))
        store.close()
    """
    said, told = traced(code, root, log=tmp_path / "calls")
    assert said.split() == ["Entry"]
    made = first_of(told, _A_FOLDER_IS_MADE)
    again = max(at for at in range(made) if re.match(r'mkdir\(".*/objects-v1", .* = 0', told[at]))
    assert again < first_of(told, rf"fsync\(\d+<{re.escape(str(root))}>\) += 0", after=again)
    durable = first_of(told, _ITS_NAME_IS_DURABLE, after=made)
    assert durable < first_of(told, _A_ROW_IS_WRITTEN, after=made)


class Meddling(SystemClock):
    """A clock that lets something happen when it is next looked at: between an object and its row."""

    def __init__(self) -> None:
        self.meddle: Callable[[], object] | None = None

    def elapsed(self) -> float:
        meddle, self.meddle = self.meddle, None
        if meddle is not None:
            meddle()
        return super().elapsed()


def test_an_object_evicted_during_a_commit_is_there_in_the_end(root: Path) -> None:
    clock = Meddling()
    with closing(DiskStore(root, clock=clock)) as store:
        path = store.path(keep(store, CAT, b"a cat"))
        anew = pending_entry(store, DOG, b"a cat")
        clock.meddle = path.unlink
        (kept,) = store.commit([anew])
        assert clock.meddle is None
        with closing(sqlite3.connect(index_of(root))) as connection:
            (mtime_ns,) = connection.execute("SELECT mtime_ns FROM object").fetchone()
        assert path.stat().st_mtime_ns == mtime_ns
        assert store.find(DOG) == kept


def test_an_entry_that_fails_alone_keeps_its_error_when_all_fail_later(root: Path) -> None:
    clock = Meddling()

    def fail() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with closing(DiskStore(root, clock=clock)) as store:
        spent, whole = pending_entry(store, CAT, b"a cat"), pending_entry(store, DOG, b"a dog")
        store.staging.discard(spent.verified.staging_id)
        clock.meddle = fail
        one, other = store.commit([spent, whole])
        assert isinstance(one, CacheError)
        assert isinstance(other, CacheError)
        assert (one.kind, other.kind) == (ErrorKind.IO, ErrorKind.DISK_FULL)
        assert "needed 5 bytes" in other.message
