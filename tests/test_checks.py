"""Damage that leaves a file's size and time as they were is found when the file is next used."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import threading
from contextlib import closing
from io import BytesIO
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

import httpx
import pytest
from PIL import Image as Picture

import imgfetch
from disks import mounted
from fakes import FakeClock
from imgfetch import Cache, CachingTransport, Client, InputError, Lock
from imgfetch.cli import main
from imgfetch.errors import CheckDueError
from imgfetch.rules.store.check_age import AT_ONCE, CHECK_AGE, is_due
from imgfetch.store import hashing, object_checks
from imgfetch.store.disk_store import DiskStore
from imgfetch.store.layout import INDEX
from imgfetch.store.lookup_sql import lookup_paths
from keeping import CAT, DOG, digest, keep
from origin import Origin, status, whole
from pictures import encoded

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.model.values import Digest

pytestmark = pytest.mark.usefixtures("home")

DAY = 86_400
SMALL = encoded("webp", 96, 54)
FRESH = {"cache-control": "max-age=86400"}
STALE = {"cache-control": "max-age=0, stale-if-error=86400"}


def large() -> bytes:
    """An image that is not hashed on an event loop."""
    file = BytesIO()
    Picture.frombytes("RGB", (700, 700), random.Random(0).randbytes(700 * 700 * 3)).save(file, "PNG")
    return file.getvalue()


LARGE = large()
assert len(LARGE) > AT_ONCE


def flip(path: Path) -> None:
    """Change a bit in the middle of a file, and leave its size and its time."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def grow_older(days: float, root: Path | str = "cache") -> None:
    """Date the last hash of every object back by `days`, and the last change of the index by 10 seconds."""
    index = Path(root) / INDEX
    with closing(sqlite3.connect(index)) as connection, connection:
        connection.execute("UPDATE object SET checked_at = checked_at - ?", (int(days * DAY),))
    os.utime(index, (time() - 10, time() - 10))


def checked_at(sha256: Digest, root: Path | str = "cache") -> int:
    with closing(sqlite3.connect(Path(root) / INDEX)) as connection:
        ((at,),) = connection.execute("SELECT checked_at FROM object WHERE sha256 = ?", (sha256,))
    return int(at)


# ---------------------------------------------------------------------------------------------------
# Every way to a hit


def by_fetch(url: str, age: float) -> Path:
    return imgfetch.fetch(url, allow_hosts=["127.0.0.1"], check_age=age).path


def by_get(url: str, age: float) -> Path:
    async def get() -> Path:
        async with Client(allow_hosts=["127.0.0.1"], check_age=age) as client:
            return (await client.get(url)).path

    return asyncio.run(get())


def by_get_many(url: str, age: float) -> Path:
    async def get() -> Path:
        async with Client(allow_hosts=["127.0.0.1"], check_age=age) as client:
            (image,) = [image async for image in client.get_many([url])]
            assert isinstance(image, imgfetch.Image)
            return image.path

    return asyncio.run(get())


def by_a_lock(url: str, age: float) -> Path:
    """By the digest that a lock names."""
    path = Path("imgfetch.lock")
    if not path.exists():
        lock = Lock()
        imgfetch.fetch(url, allow_hosts=["127.0.0.1"], lock=lock)
        lock.write(path)
    return imgfetch.fetch(
        url, allow_hosts=["127.0.0.1"], lock=Lock.read(path), locked=True, check_age=age
    ).path


def by_a_lock_on_a_loop(url: str, age: float) -> Path:
    by_a_lock(url, 1e9) if not Path("imgfetch.lock").exists() else None

    async def get() -> Path:
        lock = Lock.read("imgfetch.lock")
        async with Client(allow_hosts=["127.0.0.1"], lock=lock, locked=True, check_age=age) as client:
            return (await client.get(url)).path

    return asyncio.run(get())


def by_httpx(url: str, age: float) -> Path:
    async def get() -> Path:
        transport = CachingTransport(allow_hosts=["127.0.0.1"], check_age=age)
        async with httpx.AsyncClient(transport=transport) as client:
            response = await client.get(url)
            path = response.extensions["imgfetch"]["path"]
            assert isinstance(path, Path)
            assert response.content == path.read_bytes()
            return path

    return asyncio.run(get())


def by_the_command_line(url: str, age: float) -> Path:
    options = [] if age == CHECK_AGE else ["--check-age", f"{age:.0f}"]
    assert main(["get", url, "--allow-host", "127.0.0.1", *options]) == 0
    return next(Path("cache/objects-v1").rglob("*.*"))


WAYS = (
    by_fetch,
    by_get,
    by_get_many,
    by_a_lock,
    by_a_lock_on_a_loop,
    by_httpx,
    by_the_command_line,
)


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("way", WAYS)
def test_hashes_an_old_object_at_its_next_use(
    way: Callable[[str, float], Path], data: bytes, origin: Origin, capsys: pytest.CaptureFixture[str]
) -> None:
    url = origin.route("/a", whole(data, **FRESH))
    path = way(url, CHECK_AGE)
    assert path.read_bytes() == data
    asked = len(origin.requests)
    flip(path)
    assert way(url, CHECK_AGE).read_bytes() != data  # hashed a moment ago
    grow_older(7.01)
    assert way(url, CHECK_AGE).read_bytes() == data
    assert len(origin.requests) == asked + 1
    (aside,) = Path("cache/quarantine-v1").glob(f"{path.name}")
    assert aside.read_bytes() != data
    assert "not those it is named after" in Path(f"{aside}.txt").read_text()
    capsys.readouterr()
    # What is whole is hashed once, and then taken for whole again.
    grow_older(7.01)
    assert way(url, CHECK_AGE).read_bytes() == data
    assert len(origin.requests) == asked + 1
    assert checked_at(digest(data)) > time() - 60


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("way", WAYS)
def test_hashes_every_object_at_each_use_with_an_age_of_0(
    way: Callable[[str, float], Path], data: bytes, origin: Origin
) -> None:
    url = origin.route("/a", whole(data, **FRESH))
    path = way(url, 0)
    asked = len(origin.requests)
    assert way(url, 0) == path
    assert len(origin.requests) == asked
    flip(path)
    assert way(url, 0).read_bytes() == data
    assert len(origin.requests) == asked + 1


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("way", [by_get, by_httpx])
def test_damaged_bytes_are_neither_served_stale_nor_revalidated(
    way: Callable[[str, float], Path], data: bytes, origin: Origin
) -> None:
    origin.route("/a", whole(data, **STALE, etag='"1"'))
    url = origin.route("/a", whole(data, **STALE, etag='"1"'))
    path = way(url, CHECK_AGE)
    origin.route("/a", status(503))
    assert way(url, CHECK_AGE) == path
    flip(path)
    grow_older(7.01)
    with pytest.raises((imgfetch.ImgfetchError, TypeError, AssertionError)):
        way(url, CHECK_AGE)
    assert not path.exists()
    origin.route("/a", whole(data, **STALE, etag='"1"'))
    asked = len(origin.requests)
    assert way(url, CHECK_AGE).read_bytes() == data
    assert "if-none-match" not in str(origin.requests[asked:]).lower()


def test_large_files_are_hashed_in_a_thread(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    url = origin.route("/a", whole(LARGE, **FRESH))
    by_get(url, CHECK_AGE)
    threads: list[threading.Thread] = []

    def watched(descriptor: int) -> object:
        threads.append(threading.current_thread())
        return hashing.hash_of(descriptor)

    monkeypatch.setattr(object_checks, "hash_of", watched)
    for way in (by_get, by_get_many, by_httpx):
        grow_older(7.01)
        threads.clear()
        way(url, CHECK_AGE)
        assert len(threads) == 1
        assert threads[0] is not threading.main_thread()


def test_does_not_serve_damaged_bytes_offline(origin: Origin) -> None:
    url = origin.route("/a", whole(SMALL, **FRESH))
    path = by_fetch(url, CHECK_AGE)
    flip(path)
    grow_older(8)
    with pytest.raises(imgfetch.ImgfetchError):
        imgfetch.fetch(url, offline=True)
    assert not path.exists()


def test_a_client_reports_damage(origin: Origin, capsys: pytest.CaptureFixture[str]) -> None:
    url = origin.route("/a", whole(SMALL, **FRESH))
    path = by_fetch(url, CHECK_AGE)
    flip(path)
    grow_older(8)
    capsys.readouterr()
    assert main(["get", url, "--allow-host", "127.0.0.1"]) == 0
    assert f"{path} was damaged on the disk" in capsys.readouterr().err
    assert path.read_bytes() == SMALL


def test_listing_a_cache_checks_what_it_shows(origin: Origin) -> None:
    url = origin.route("/a", whole(SMALL, **FRESH))
    flip(by_fetch(url, CHECK_AGE))
    grow_older(8)
    with closing(Cache()) as cache:
        assert cache.find(url) is None


# ---------------------------------------------------------------------------------------------------
# The store


def test_when_a_check_is_due() -> None:
    assert not is_due(1000, now=1000, age=10)
    assert not is_due(1000, now=1009, age=10)
    assert is_due(1000, now=1010, age=10)
    assert not is_due(1000, now=991, age=10)
    assert is_due(1000, now=990, age=10)
    assert is_due(1000, now=1000, age=0)
    assert not is_due(0, now=1e12, age=float("inf"))
    assert is_due(float("nan"), now=1, age=10)
    assert CHECK_AGE == 7 * DAY


def test_a_check_is_recorded_in_the_end_and_known_at_once(tmp_path: Path) -> None:
    clock = FakeClock()
    with closing(DiskStore(tmp_path, clock=clock)) as store:
        keep(store, CAT, b"a cat")
        keep(store, DOG, b"a cat")
        clock.time += 8 * DAY
        entry = store.find(CAT)
        assert entry is not None
        kept_at = checked_at(entry.facts.sha256, tmp_path)
        flip(store.path(entry))
        assert store.find(DOG) is not None  # the same bytes were hashed a moment ago
    assert checked_at(entry.facts.sha256, tmp_path) == kept_at + 8 * DAY
    with closing(DiskStore(tmp_path, clock=clock)) as store:
        clock.time += 8 * DAY
        assert store.find(DOG) is None
        keep(store, DOG, b"a cat")
        assert store.find(CAT) == entry  # it was fetched again, for whichever of its keys


def test_a_wrong_clock_costs_one_hashing(tmp_path: Path) -> None:
    clock = FakeClock()
    with closing(DiskStore(tmp_path, clock=clock)) as store:
        clock.time += 3650 * DAY
        entry = keep(store, CAT, b"a cat")
        clock.time -= 3650 * DAY
        assert store.find(CAT) == entry
        flip(store.path(entry))
        assert store.find(CAT) == entry


def test_only_few_bytes_are_hashed_at_once(tmp_path: Path) -> None:
    clock = FakeClock()
    with closing(DiskStore(tmp_path, clock=clock)) as store:
        cat, dog = keep(store, CAT, bytes(AT_ONCE)), keep(store, DOG, bytes(AT_ONCE + 1))
        assert store.find(DOG, at_once=True) == dog
        clock.time += 8 * DAY
        assert store.find(CAT, at_once=True) == cat
        with pytest.raises(CheckDueError):
            store.find(DOG, at_once=True)
        with pytest.raises(CheckDueError):
            store.holding(dog.facts.sha256, at_once=True)
        assert store.find(DOG) == dog
        assert store.find(DOG, at_once=True) == dog


def test_an_object_is_hashed_once_in_a_run_that_cannot_record_it(tmp_path: Path) -> None:
    root, copy, clock = tmp_path / "here", tmp_path / "read-only", FakeClock()
    with closing(DiskStore(root, clock=clock)) as store:
        entry = keep(store, CAT, b"a cat")
    clock.time += 8 * DAY
    with mounted(copy, "-o", "bind,ro", str(root)), closing(DiskStore(copy, clock=clock)) as store:
        assert store.find(CAT) == entry
        store._access_times.flush()
        flip(root / store.path(entry).relative_to(copy))
        assert store.find(CAT) == entry
        clock.time += 8 * DAY
        assert store.find(CAT) is None
        assert store.notices == []


def test_verify_records_the_time_of_its_hashing(origin: Origin) -> None:
    url = origin.route("/a", whole(SMALL, **FRESH))
    by_fetch(url, CHECK_AGE)
    grow_older(8)
    assert main(["cache", "verify"]) == 0
    assert checked_at(digest(SMALL)) > time() - 60


def test_the_fast_path_leaves_a_check_that_is_due_to_the_store(origin: Origin) -> None:
    url = origin.route("/a", whole(SMALL, **FRESH))
    by_fetch(url, CHECK_AGE)
    grow_older(0)
    assert lookup_paths("cache", [url], now=time()) is not None
    grow_older(7.01)
    assert lookup_paths("cache", [url], now=time()) is None


@pytest.mark.parametrize("age", [-1, float("nan")])
def test_refuses_an_age_that_is_not_a_number_of_seconds(age: float) -> None:
    with pytest.raises(InputError, match="check_age"):
        Client(check_age=age)
    with pytest.raises(InputError, match="check_age"):
        CachingTransport(check_age=age)
