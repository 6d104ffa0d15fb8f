"""Full disks, and disks that cannot be written to."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import resource
import subprocess
import tempfile
import textwrap
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from disks import (
    all_whole,
    child,
    fails,
    index_of,
    mounted,
    open_descriptors,
)
from imgfetch.engine.lookup import refresh
from imgfetch.errors import CacheError
from imgfetch.model.result import ErrorKind
from imgfetch.model.values import Key
from imgfetch.store.disk_store import DiskStore
from keeping import CAT, DOG, HEAD, digest, keep, pending_entry, written

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_names_a_full_disk_and_leaves_nothing_half_done(tmp_path: Path) -> None:
    disk_of_ours = tmp_path / "disk"
    with mounted(disk_of_ours, "-t", "tmpfs", "-o", "size=400k", "none"):
        root = disk_of_ours / "cache"
        with closing(DiskStore(root)) as store:
            entry = keep(store, CAT, b"a cat")
            staging_id = store.staging.open()
            chunk = bytes(50_000)

            def fill() -> None:
                for _ in range(20):
                    store.staging.write(staging_id, chunk)

            text = fails(ErrorKind.DISK_FULL, fill, root)
            assert re.search(r"needed \d+,\d{3} bytes", text)
            assert store.stats().scratch_files == 0
            assert store.find(CAT) == entry
            with (disk_of_ours / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
                while ballast.write(bytes(4096)):
                    pass
            fails(ErrorKind.DISK_FULL, lambda: keep(store, DOG, b"a dog" * 1000), root)
            assert store.find(CAT) == entry
            assert all_whole(store)
        with closing(DiskStore(root)) as store:
            assert store.find(CAT) == entry
            fails(ErrorKind.DISK_FULL, lambda: keep(store, DOG, b"a dog" * 1000), root)
            (disk_of_ours / "ballast").unlink()
            assert keep(store, DOG, b"a dog" * 1000) == store.find(DOG)
            assert store.find(CAT) == entry
            assert store.notices == []


def keep_four(store: DiskStore) -> ErrorKind | None:
    """What kept us from keeping four images."""
    try:
        for number in range(4):
            keep(store, Key(f"https://photos.example/{number}"), b"%d" % number * 9_999)
    except CacheError as error:
        return error.kind
    return None


def test_a_disk_may_be_full_at_any_point(tmp_path: Path) -> None:
    disk_of_ours = tmp_path / "disk"
    kept = []
    for size in range(4, 240, 8):
        with mounted(disk_of_ours, "-t", "tmpfs", "-o", f"size={size}k", "none"):
            for _ in range(2):
                with closing(DiskStore(disk_of_ours / "cache")) as store:
                    assert {keep_four(store) for _ in range(2)} <= {None, ErrorKind.DISK_FULL}
                    assert all_whole(store)
                    entries = list(store.entries())
                    assert all(store.find(entry.key) == entry for entry in entries)
                    assert all("write-ahead log" in notice for notice in store.notices), store.notices
            kept.append(len(entries))
    assert kept[0] == 0
    assert kept[-1] == 4


def test_a_file_larger_than_is_allowed_is_a_full_disk(root: Path) -> None:
    code = """
        import resource
        from imgfetch.errors import CacheError
        keep(store, CAT, b"a cat")
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        for size in (150_000, 350_000):
            try:
                keep(store, DOG, bytes(size))
            except CacheError as error:
                print(error.kind, error)
            assert store.stats().scratch_files == 0
        store.close()
    """
    told = subprocess.run(child(code, root), check=True, stdout=subprocess.PIPE, text=True).stdout
    assert [line.partition(";")[0] for line in told.splitlines()] == [
        f"disk_full no space left on {root}: needed {size} bytes (File too large)"
        for size in ("150,000", "350,000")
    ]


def check_read_only(root: Path) -> None:
    with closing(DiskStore(root)) as store:
        entry = store.find(CAT)
        assert entry is not None
        assert store.path(entry).read_bytes() == b"a cat"
        fails(ErrorKind.PERMISSION, store.staging.open, root)
        fails(
            ErrorKind.PERMISSION, lambda: refresh(entry, HEAD, store, request_time=3, response_time=4), root
        )
        fails(ErrorKind.PERMISSION, lambda: store.remove(CAT), root)
        assert store.find(CAT) == entry
        assert [found.key for found in store.entries()] == [CAT]
        assert all_whole(store)
        assert store.notices == []


def test_a_read_only_cache_serves_hits(root: Path, tmp_path: Path) -> None:
    with closing(DiskStore(root)) as store:
        keep(store, CAT, b"a cat")
    copy = tmp_path / "read-only"
    with mounted(copy, "-o", "bind,ro", str(root)):
        check_read_only(copy)
        with closing(DiskStore(root)) as writer:
            keep(writer, DOG, b"a dog")
            with closing(DiskStore(copy)) as reader:  # a log stands beside it now, and is read
                assert reader.find(DOG) is not None
        os.utime(root / "objects-v1" / digest(b"a cat")[:2] / f"{digest(b'a cat')}.webp", ns=(1, 1))
        with closing(DiskStore(copy)) as store:
            for _ in range(2):  # its new time cannot be noted, so it is hashed each time
                assert store.find(CAT) is not None
        index_of(root).write_bytes(b"noise")
        with closing(DiskStore(copy)) as store:
            fails(ErrorKind.CACHE_CORRUPT, lambda: store.find(CAT), index_of(copy), "make the cache writable")
        assert index_of(root).read_bytes() == b"noise"


@pytest.fixture
def for_everyone() -> Iterator[Path]:
    """A folder that another user may go into, as the one pytest makes is not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def as_nobody(code: str, root: Path) -> None:
    """Run `code` without the rights of root, after loading the modules that only root can read."""
    becoming = """
        from test_full_disks import *
        store = DiskStore(sys.argv[1])
        "".encode("unicode_escape")
        if os.getuid() == 0:
            os.setgroups([]), os.setgid(65534), os.setuid(65534)
    """
    subprocess.run(child(textwrap.dedent(becoming) + textwrap.dedent(code), root), check=True)


def test_respects_modes_that_forbid_writing(for_everyone: Path) -> None:
    root = for_everyone / "cache"
    with closing(DiskStore(root)) as store:
        keep(store, CAT, b"a cat")
    for path in (root, *root.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    as_nobody("check_read_only(Path(sys.argv[1]))", root)
    for path in (root, *root.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def test_names_a_cache_that_may_not_be_read(for_everyone: Path) -> None:
    root = for_everyone / "cache"
    root.mkdir(mode=0o000)
    code = """
        fails(ErrorKind.PERMISSION, lambda: store.find(CAT), sys.argv[1])
        fails(ErrorKind.PERMISSION, store.staging.open, sys.argv[1])
        store = DiskStore(sys.argv[1] + "-below-a-folder-of-others")
        assert store.find(CAT) is None
        fails(ErrorKind.PERMISSION, store.staging.open, sys.argv[1])
    """
    for_everyone.chmod(0o555)
    as_nobody(code, root)
    for_everyone.chmod(0o755)
    root.chmod(0o700)


def test_an_error_on_closing_a_file_fails_nothing(
    store: DiskStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, DOG, b"a dog")
    before, close = open_descriptors(), os.close
    large = b"a large cat" * 50_000

    def late(descriptor: int) -> None:
        is_written = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR
        close(descriptor)
        if is_written:
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    pending = [pending_entry(store, CAT, large), pending_entry(store, DOG, b"another dog")]
    dropped, left = written(store, large), written(store, large)
    store.staging.make_resumable(left, CAT, HEAD)
    monkeypatch.setattr(os, "close", late)
    kept = store.commit(pending)
    store.staging.discard(dropped)
    store.staging.suspend(left)
    monkeypatch.undo()
    assert kept == [store.find(CAT), store.find(DOG)]
    assert None not in kept
    assert open_descriptors() == before
    assert store.staging.resume(CAT) is not None


def test_does_not_append_the_whole_body_to_a_part_of_it(
    store: DiskStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, DOG, b"a dog")
    large, write = b"a large cat" * 50_000, os.write
    pending = [pending_entry(store, CAT, b"a cat"), pending_entry(store, DOG, b"another dog")]
    staging_id, failed = written(store, large), False

    def half(descriptor: int, data: bytes) -> int:
        nonlocal failed
        if failed:
            return write(descriptor, data)
        failed = True
        write(descriptor, data[: len(data) // 2])
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))  # as of a file on another machine

    monkeypatch.setattr(os, "write", half)
    cat, dog = store.commit(pending)
    assert isinstance(cat, CacheError)
    assert dog == store.find(DOG)
    failed = False
    fails(ErrorKind.IO, lambda: store.staging.write(staging_id, large))
    monkeypatch.undo()
    assert all_whole(store)
    assert list((root / "scratch-v1").iterdir()) == []


def test_too_many_open_files_fail_one_by_one(store: DiskStore, root: Path) -> None:
    keep(store, CAT, b"a cat")
    store.close()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = open_descriptors()
    free = [number for number in range(len(used) + 8) if number not in used]
    ended: list[ErrorKind | None] = []
    for allowed in range(8):
        resource.setrlimit(resource.RLIMIT_NOFILE, (free[allowed], limits[1]))
        try:
            ended.append(keep_four(store))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert store.find(CAT) is not None
        assert store.notices == []
        assert all_whole(store)
        store.close()
    assert (ended[0], ended[-1]) == (ErrorKind.IO, None)
    assert set(ended) == {ErrorKind.IO, None}
