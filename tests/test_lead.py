"""One download for all processes that share a cache; and when the one that makes it stops, or dies."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from children import running
from engine_world import PIXEL, H, World, choice_of
from imgfetch import Client, Limits
from imgfetch.engine.events import WaitingForOtherProcess
from imgfetch.errors import CacheError
from imgfetch.model.image import Lookup, Verified
from imgfetch.model.request import Head, Lease, SourceOrigin
from imgfetch.model.result import CacheStatus, ErrorKind, Failure, Served
from imgfetch.model.values import Key
from imgfetch.store import leases
from imgfetch.store.disk_store import DiskStore
from imgfetch.store.layout import LEASES
from keeping import CAT, DOG, facts, keep, keep_proved, written
from origin import Origin as Loopback
from origin import stall, whole
from pictures import encoded
from test_reuse import reply

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio

LOCAL = ("--allow-host", "127.0.0.1")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# The walk, beside a process that leads


class Beside(World):
    """An engine that is not the first to ask for /a."""

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)
        self.transport.answer(H + "/a", reply(cache_control="max-age=60"))
        self.other = Lease(ours=True, holder="the other", token="its own")
        self.transport.answer(H + "/probe", (200, PIXEL))

    async def lead_by_another(self) -> None:
        """Let another process be fetching /a, with fields such as ours."""
        await self.served("/probe")
        self.store.leases[Key(H + "/a"), self.transport.requests[0].headers] = self.other

    def has_landed(self) -> None:
        """Let the other process be done."""
        self.store.release(self.other)
        proof, now = Verified(facts(PIXEL), written(self.store, PIXEL)), self.clock.now()
        keep_proved(
            self.store, proof, Key(H + "/a"), Head(H + "/a", 200), request_time=now, response_time=now
        )

    def when_it_has_waited(self, deed: Callable[[], None]) -> None:
        """Do something at the third look at who leads."""
        sleep = self.clock.sleep

        async def and_then(seconds: float) -> None:
            await sleep(seconds)
            if len(self.clock.sleeps) == 3:
                deed()

        self.clock.sleep = and_then  # type: ignore[method-assign]


async def test_what_another_process_fetches_is_waited_for_and_taken() -> None:
    world = Beside()
    await world.lead_by_another()

    world.when_it_has_waited(world.has_landed)
    served = await world.served("/a")
    assert (served.origin, served.attempts, world.urls()) == (CacheStatus.CACHED, 0, ["/probe"])
    assert [event for event in world.events if isinstance(event, WaitingForOtherProcess)] == [
        WaitingForOtherProcess(H + "/a")
    ]
    assert not world.store.leases


async def test_what_came_while_we_had_no_lead_is_not_fetched_again() -> None:
    world = Beside()
    lease = world.store.acquire

    def just_then(key: Key, headers: tuple[tuple[str, str], ...]) -> Lease:
        world.has_landed()
        return lease(key, headers)

    world.store.acquire = just_then  # type: ignore[method-assign]
    served = await world.served("/a")
    assert (served.origin, served.attempts, world.urls()) == (CacheStatus.CACHED, 0, [])
    assert not world.store.leases


async def test_who_waits_takes_over_where_the_leader_has_brought_nothing() -> None:
    world = Beside()
    await world.lead_by_another()
    world.when_it_has_waited(lambda: world.store.release(world.other))
    served = await world.served("/a")
    assert (served.origin, served.attempts, world.urls()) == (CacheStatus.FETCHED, 1, ["/probe", "/a"])
    assert not world.store.leases


async def test_who_comes_after_a_leader_that_brought_nothing_is_not_waited_for() -> None:
    world = Beside()
    await world.lead_by_another()

    def another_leads() -> None:
        for what in world.store.leases:
            world.store.leases[what] = Lease(ours=True, holder="a third", token="3")

    world.when_it_has_waited(another_leads)
    assert (await world.served("/a")).origin is CacheStatus.FETCHED
    assert len(world.clock.sleeps) == 3
    assert [lease.holder for lease in world.store.leases.values()] == ["a third"]


async def test_a_leader_that_never_ends_is_waited_for_within_the_time_limit_and_only_once() -> None:
    world = Beside()
    await world.lead_by_another()
    assert (await world.served("/a")).origin is CacheStatus.FETCHED
    assert 30 <= sum(world.clock.sleeps) < 31  # half of the 60 s there are
    world.store.entries.clear()
    world.clock.sleeps.clear()
    assert (await world.served("/a")).origin is CacheStatus.FETCHED
    assert world.clock.sleeps == []


async def test_who_waits_for_nobody_any_more_does_not_fetch_what_has_come_since_it_was_looked_for() -> None:
    world = Beside()
    await world.lead_by_another()
    await world.served("/a")
    world.store.entries.clear()
    seen = Lookup({}, {Key(H + "/a")}, world.clock.now())
    world.has_landed()
    served = await world.engine.fetch(choice_of("/a"), seen=seen)
    assert isinstance(served, Served)
    assert (served.origin, served.attempts, world.urls()) == (CacheStatus.CACHED, 0, ["/probe", "/a"])


async def test_who_asks_with_other_fields_or_to_refresh_waits_for_nobody() -> None:
    world = Beside()
    await world.lead_by_another()
    for settings in ({"headers": (("Accept-Language", "de"),)}, {"refresh": True}):
        engine = world.another(**settings)
        outcome = await engine.fetch(choice_of("/a"), source_origin=SourceOrigin(H))
        assert isinstance(outcome, Served)
        assert outcome.origin is CacheStatus.FETCHED
        world.store.entries.clear()
    assert world.clock.sleeps == []


async def test_a_cache_that_fails_while_another_leads_is_a_failure_of_that_image() -> None:
    world = Beside()
    await world.lead_by_another()

    find = world.store.find

    def broken_once(*_: object, **__: object) -> None:
        world.store.find = find  # type: ignore[method-assign]
        raise CacheError(ErrorKind.IO, "it has gone")

    def end() -> None:
        world.store.release(world.other)
        world.store.find = broken_once  # type: ignore[method-assign]

    world.when_it_has_waited(end)
    outcome = await world.engine.fetch(choice_of("/a"))
    assert isinstance(outcome, Failure)
    assert (outcome.kind, outcome.message) == (ErrorKind.IO, "it has gone")
    assert not world.store.leases


async def test_who_waits_holds_no_turn() -> None:
    world = Beside(limits=replace(Limits(), per_host=1))
    await world.lead_by_another()
    world.transport.answer(H + "/b", (200, PIXEL))

    waiting = asyncio.create_task(world.served("/a"))
    await asyncio.sleep(0)
    await world.served("/b")
    assert not waiting.done()
    assert world.urls() == ["/probe", "/b"]
    world.store.release(world.other)
    assert (await waiting).origin is CacheStatus.FETCHED


async def test_who_is_cancelled_while_it_waits_leaves_nothing_behind() -> None:
    world = Beside()
    await world.lead_by_another()
    task = asyncio.create_task(world.served("/a"))
    while not world.clock.sleeps:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list(world.store.leases.values()) == [world.other]
    assert world.urls() == ["/probe"]


@pytest.mark.parametrize("answer", [(200, PIXEL), (404, b""), (500, b""), (200, b"<html>"), ValueError()])
async def test_a_lease_is_let_go_of_however_a_request_ends(answer: tuple[int, bytes] | Exception) -> None:
    world = World()
    world.transport.answer(H + "/a", answer)
    with suppress(ValueError):
        await world.engine.fetch(choice_of("/a"))
    assert world.urls()
    assert not world.store.leases


# Leases on disk


def stores(stack: ExitStack, count: int) -> list[DiskStore]:
    """Several on one cache, as if each were in a process of its own."""
    opened = [stack.enter_context(closing(DiskStore("cache"))) for _ in range(count)]
    for number, store in enumerate(opened):
        keep(store, Key(f"{CAT}/{number}"), b"a cat")
    return opened


def test_a_lease_that_was_let_go_of_is_a_new_one_and_one_whose_holder_died_is_the_same(folder: Path) -> None:
    with ExitStack() as stack:
        one, two, three = stores(stack, 3)
        first = one.acquire(DOG, ())
        for other in (two, three):
            assert other.acquire(DOG, ()) == first._replace(ours=False, token="")
        one.close()  # lets go of its locks as the kernel does of those of who dies
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


def test_a_lease_that_is_let_go_of_while_another_asks_who_has_it_goes_to_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ExitStack() as stack:
        one, two = stores(stack, 2)
        held, lock = [one.acquire(DOG, ())], fcntl.fcntl

        def let_go_first(descriptor: int, operation: int, what: bytes) -> bytes:
            if held and operation == leases._GET:
                one.release(held.pop())
            return lock(descriptor, operation, what)

        monkeypatch.setattr(fcntl, "fcntl", let_go_first)
        assert two.acquire(DOG, ()).ours
        assert not held
        assert not one.acquire(DOG, ()).ours


def test_a_thousand_leases_of_a_process_are_told_apart_and_those_of_two_processes_too() -> None:
    with ExitStack() as stack:
        one, two = stores(stack, 2)
        holders = set()
        for store in (one, two):
            for _ in range(1000):
                lease = store.acquire(DOG, ())
                holders.add(lease.holder)
                store.release(lease)
        assert len(holders) == 2000


def test_a_process_that_was_forked_neither_has_its_parents_leases_nor_holds_them_when_that_has_died(
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


def test_leases_need_no_names_that_a_python_for_any_linux_lacks(folder: Path) -> None:
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


def test_where_there_is_no_cache_or_no_lock_everybody_leads_and_nothing_is_made(
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
def test_where_the_file_of_leases_cannot_be_opened_everybody_leads_and_all_else_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    opened = os.open

    def refused(path: str, *how: int) -> int:
        if path.endswith(LEASES):
            raise OSError(number, os.strerror(number), path)
        return opened(path, *how)

    monkeypatch.setattr(os, "open", refused)
    with closing(DiskStore("cache")) as one, closing(DiskStore("cache")) as two:
        check_everybody_leads(one, two)
    assert not (folder / "cache" / LEASES).exists()


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to(path)])
def test_where_something_else_has_the_name_of_the_file_of_leases_everybody_leads_too(
    folder: Path, make: Callable[[Path], None]
) -> None:
    with closing(DiskStore("cache")) as one, closing(DiskStore("cache")) as two:
        keep(one, CAT, b"a cat")
        one.close()
        (folder / "cache" / LEASES).unlink()
        make(folder / "cache" / LEASES)
        check_everybody_leads(one, two)


def check_everybody_leads(*stores: DiskStore) -> None:
    for number, store in enumerate(stores):
        entry = keep(store, Key(f"{CAT}/{number}"), b"a cat")
        assert store.acquire(DOG, ()).ours
        assert store.find(entry.key) == entry


def test_a_lease_that_came_before_the_first_writing_outlives_it() -> None:
    with ExitStack() as stack:
        one, two = stores(stack, 2)
        one.close()
        assert one.acquire(DOG, ()).ours
        one.open()
        assert not two.acquire(DOG, ()).ours


# Several processes


def of_each(count: int) -> list[bytes]:
    return [encoded("png", 8 + number % 25, 8 + number // 25) for number in range(count)]


def test_four_processes_that_want_the_same_images_fetch_few_of_them_twice(folder: Path) -> None:
    pictures = of_each(500)
    with Loopback() as origin, ExitStack() as stack:
        urls = [origin.route(f"/{n}.png", whole(body)) for n, body in enumerate(pictures)]
        Path("list").write_text("\n".join(urls))
        command = ("get", "-i", "list", "--json", *LOCAL)
        processes = [stack.enter_context(running(*command)) for _ in range(4)]
        with ThreadPoolExecutor(4) as readers:  # who cannot print holds what it leads in
            outputs = [*readers.map(lambda process: process.communicate(), processes)]
        assert [process.returncode for process in processes] == [0] * 4, outputs
        assert {len(out.splitlines()) for out, _ in outputs} == {500}
        # Until the first of them has made the cache, each makes the requests that it may make at once.
        assert 500 <= origin.asked() <= 500 + 3 * Limits().per_host
    with closing(DiskStore(folder / "cache")) as store:
        assert sorted(entry.facts.bytes for entry in store.entries()) == sorted(map(len, pictures))
        assert not [checked for checked in store.verify(deep=True) if checked.problem]
        assert store.stats().scratch_files == 0


def leading(stack: ExitStack, origin: Loopback, *urls: str) -> subprocess.Popen[str]:
    """A process that has asked for these, and waits for an answer."""
    with closing(DiskStore("cache")) as store:
        keep(store, CAT, b"a cat")  # where there is no cache yet, everybody leads
    process = stack.enter_context(running("get", *urls, *LOCAL))
    while origin.asked() < len(urls):
        assert process.poll() is None
        time.sleep(0.01)
    return process


async def test_when_the_leader_is_killed_one_that_waits_takes_over_at_once(folder: Path) -> None:
    followed: list[object] = []
    with Loopback() as origin, ExitStack() as stack:
        url = origin.route("/a", stall(), whole(PIXEL))
        leader = leading(stack, origin, url)
        clients = [
            Client(
                "cache",
                limits=Limits(total_timeout=3600),
                allow_hosts=["127.0.0.1"],
                observe=lambda event: (
                    followed.append(event) if isinstance(event, WaitingForOtherProcess) else None
                ),
            )
            for _ in range(3)
        ]
        try:
            waiting = [asyncio.create_task(client.get(url)) for client in clients]
            while len(followed) < 3:
                await asyncio.sleep(0.01)
            leader.kill()
            async with asyncio.timeout(300):  # of the half hour that they would wait for one that lives
                images = await asyncio.gather(*waiting)
        finally:
            for client in clients:
                await client.close()
        assert sorted(image.origin for image in images) == ["cached", "cached", "fetched"]
        assert origin.asked() == 2
        assert list((folder / "cache/scratch-v1").iterdir()) == []


async def test_a_leader_that_was_stopped_is_waited_for_within_a_bound(folder: Path) -> None:
    with Loopback() as origin, ExitStack() as stack:
        urls = [origin.route(f"/{n}", stall(), whole(PIXEL)) for n in range(4)]
        leader = leading(stack, origin, *urls)
        leader.send_signal(signal.SIGSTOP)
        try:
            limits = Limits(total_timeout=4.0)
            async with Client("cache", allow_hosts=["127.0.0.1"], limits=limits) as client:
                images = [image async for image in client.get_many(urls)]
            assert [getattr(image, "origin", image) for image in images] == ["fetched"] * 4
        finally:
            leader.kill()
