"""Leases on disk: one holder among processes, and what happens when it dies."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from imgfetch.model.values import Key
from imgfetch.store import leases
from imgfetch.store.disk_store import DiskStore
from imgfetch.store.layout import LEASES
from keeping import CAT, DOG, keep

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stores(stack: ExitStack, count: int) -> list[DiskStore]:
    """Open several stores on one cache, as if each were in a process of its own."""
    opened = [stack.enter_context(closing(DiskStore("cache"))) for _ in range(count)]
    for number, store in enumerate(opened):
        keep(store, Key(f"{CAT}/{number}"), b"a cat")
    return opened


def test_a_released_lease_is_a_new_one_and_that_of_a_dead_holder_stays_the_same(folder: Path) -> None:
    with ExitStack() as stack:
        one, two, three = stores(stack, 3)
        first = one.acquire(DOG, ())
        for other in (two, three):
            assert other.acquire(DOG, ()) == first._replace(ours=False, token="")
        one.close()  # releases its locks, as the kernel does for a process that dies
        second = two.acquire(DOG, ())
        assert (second.ours, second.holder) == (True, first.holder)
        assert three.acquire(DOG, ()) == second._replace(ours=False, token="")
        two.release(second)
        two.release(second)
        third = two.acquire(DOG, ())
        two.release(second)
        assert third.ours
        assert third.holder != first.holder
        seen = three.acquire(DOG, ())
        assert (seen.ours, seen.holder) == (False, third.holder)
        two.release(third)
        assert three.acquire(DOG, ()).holder not in (first.holder, third.holder)
        assert list((folder / "cache/scratch-v1").iterdir()) == []
        assert (folder / "cache/leases-v1").read_bytes() == b""


def test_a_lease_that_is_released_while_another_asks_for_it_goes_to_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ExitStack() as stack:
        one, two = stores(stack, 2)
        held, lock = [one.acquire(DOG, ())], fcntl.fcntl

        def release_first(descriptor: int, operation: int, what: bytes) -> bytes:
            if held and operation == leases._GET:
                one.release(held.pop())
            return lock(descriptor, operation, what)

        monkeypatch.setattr(fcntl, "fcntl", release_first)
        assert two.acquire(DOG, ()).ours
        assert not held
        assert not one.acquire(DOG, ()).ours


def test_two_thousand_leases_of_two_processes_have_two_thousand_holders() -> None:
    with ExitStack() as stack:
        one, two = stores(stack, 2)
        holders = set()
        for store in (one, two):
            for _ in range(1000):
                lease = store.acquire(DOG, ())
                holders.add(lease.holder)
                store.release(lease)
        assert len(holders) == 2000


def test_a_forked_process_neither_has_nor_outlives_the_leases_of_its_parent(
    folder: Path,
) -> None:
    code = """
        import os, signal, sys
        from imgfetch.store.disk_store import DiskStore
        store = DiskStore("cache")
        lease = store.acquire("a dog", ())
        assert lease.ours
        if os.fork():
            signal.pause()
        store.release(lease)
        print(store.acquire("a dog", ()).ours, store.acquire("a cat", ()).ours, flush=True)
        sys.stdin.read()
        print("still there")
    """
    with ExitStack() as stack:
        (store,) = stores(stack, 1)
        with subprocess.Popen(
            [sys.executable, "-c", dedent(code)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
        ) as parent:
            assert parent.stdin is not None
            assert parent.stdout is not None
            try:
                assert parent.stdout.readline() == "False True\n"
                before = store.acquire(Key("a dog"), ())
                assert not before.ours
            finally:
                parent.kill()
                parent.wait()
            after = store.acquire(Key("a dog"), ())
            assert (after.ours, after.holder) == (True, before.holder)
            assert not store.acquire(Key("a cat"), ()).ours
            parent.stdin.close()
            assert parent.stdout.read() == "still there\n"


def test_leases_work_where_python_lacks_the_names_of_ofd_locks(folder: Path) -> None:
    code = """
        import fcntl
        for name in ("F_OFD_GETLK", "F_OFD_SETLK", "F_OFD_SETLKW"):
            vars(fcntl).pop(name, None)
        from imgfetch.store.leases import Leases
        one, two = Leases("leases"), Leases("leases")
        one.make()
        ours = one.take("a cat")
        assert ours.ours
        assert two.take("a cat").holder == ours.holder
    """
    subprocess.run([sys.executable, "-c", dedent(code)], cwd=folder, check=True, timeout=60)


def test_without_a_cache_or_locks_every_lease_is_granted_and_no_file_is_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(DiskStore(folder / "cache")) as one, closing(DiskStore(folder / "cache")) as two:
        assert one.acquire(CAT, ()).ours
        assert two.acquire(CAT, ()).ours
        assert not (folder / "cache").exists()

        def no_locks(*_: object) -> None:
            raise OSError(errno.ENOLCK, "no locks available")

        monkeypatch.setattr(fcntl, "fcntl", no_locks)
        keep(one, CAT, b"a cat")
        assert one.acquire(CAT, ()).ours
        assert two.acquire(CAT, ()).ours


@pytest.mark.parametrize("number", [errno.EROFS, errno.EMFILE, errno.EACCES])
def test_where_the_file_of_leases_cannot_be_opened_every_lease_is_granted(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    opened = os.open

    def refused(path: str, *how: int) -> int:
        if path.endswith(LEASES):
            raise OSError(number, os.strerror(number), path)
        return opened(path, *how)

    monkeypatch.setattr(os, "open", refused)
    with closing(DiskStore("cache")) as one, closing(DiskStore("cache")) as two:
        check_every_lease_is_granted(one, two)
    assert not (folder / "cache" / LEASES).exists()


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to(path)])
def test_where_the_file_of_leases_is_something_else_every_lease_is_granted(
    folder: Path, make: Callable[[Path], None]
) -> None:
    with closing(DiskStore("cache")) as one, closing(DiskStore("cache")) as two:
        keep(one, CAT, b"a cat")
        one.close()
        (folder / "cache" / LEASES).unlink()
        make(folder / "cache" / LEASES)
        check_every_lease_is_granted(one, two)


def check_every_lease_is_granted(*stores: DiskStore) -> None:
    for number, store in enumerate(stores):
        entry = keep(store, Key(f"{CAT}/{number}"), b"a cat")
        assert store.acquire(DOG, ()).ours
        assert store.find(entry.key) == entry


def test_a_lease_that_was_acquired_before_the_first_body_outlives_it() -> None:
    with ExitStack() as stack:
        one, two = stores(stack, 2)
        one.close()
        assert one.acquire(DOG, ()).ours
        one.staging.open()
        assert not two.acquire(DOG, ()).ours
