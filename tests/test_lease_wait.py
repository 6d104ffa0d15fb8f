"""One download for all processes that share a cache, even where its process is stopped or dies."""

from __future__ import annotations

import asyncio
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from children import running
from engine_world import PIXEL, H, World, choice_of, reply
from imgfetch import Client, Limits
from imgfetch.engine.events import WaitingForOtherProcess
from imgfetch.errors import CacheError
from imgfetch.model.image import Lookup, Verified
from imgfetch.model.request import Head, Lease, SourceOrigin
from imgfetch.model.result import CacheStatus, ErrorKind, Failure, Served
from imgfetch.model.values import Key
from imgfetch.store.disk_store import DiskStore
from keeping import CAT, facts, keep, keep_proved, written
from origin import Origin as Loopback
from origin import stall, whole
from pictures import encoded

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

pytestmark = pytest.mark.anyio

LOCAL = ("--allow-host", "127.0.0.1")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


class SecondProcess(World):
    """An engine that wants /a while another process may download it."""

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)
        self.transport.answer(H + "/a", reply(cache_control="max-age=60"))
        self.other = Lease(ours=True, holder="the other", token="its own")
        self.transport.answer(H + "/probe", (200, PIXEL))

    async def let_another_hold_the_lease(self) -> None:
        """Let another process hold the lease of /a, for the same header fields."""
        await self.served("/probe")
        self.store.leases[Key(H + "/a"), self.transport.requests[0].headers] = self.other

    def store_by_another(self) -> None:
        """Let the other process store the image and release its lease."""
        self.store.release(self.other)
        proof, now = Verified(facts(PIXEL), written(self.store, PIXEL)), self.clock.now()
        keep_proved(
            self.store, proof, Key(H + "/a"), Head(H + "/a", 200), request_time=now, response_time=now
        )

    def after_three_waits(self, deed: Callable[[], None]) -> None:
        """Call `deed` after the third wait for the holder."""
        sleep = self.clock.sleep

        async def sleep_and_count(seconds: float) -> None:
            await sleep(seconds)
            if len(self.clock.sleeps) == 3:
                deed()

        self.clock.sleep = sleep_and_count  # type: ignore[method-assign]


async def test_an_image_that_another_process_downloads_is_awaited_and_used() -> None:
    world = SecondProcess()
    await world.let_another_hold_the_lease()

    world.after_three_waits(world.store_by_another)
    served = await world.served("/a")
    assert (served.origin, served.attempts, world.urls()) == (CacheStatus.CACHED, 0, ["/probe"])
    assert [event for event in world.events if isinstance(event, WaitingForOtherProcess)] == [
        WaitingForOtherProcess(H + "/a")
    ]
    assert not world.store.leases


async def test_an_image_that_was_stored_before_the_lease_was_acquired_is_not_fetched_again() -> None:
    world = SecondProcess()
    lease = world.store.acquire

    def acquire_late(key: Key, headers: tuple[tuple[str, str], ...]) -> Lease:
        world.store_by_another()
        return lease(key, headers)

    world.store.acquire = acquire_late  # type: ignore[method-assign]
    served = await world.served("/a")
    assert (served.origin, served.attempts, world.urls()) == (CacheStatus.CACHED, 0, [])
    assert not world.store.leases


async def test_the_download_is_ours_where_the_holder_released_the_lease_without_an_image() -> None:
    world = SecondProcess()
    await world.let_another_hold_the_lease()
    world.after_three_waits(lambda: world.store.release(world.other))
    served = await world.served("/a")
    assert (served.origin, served.attempts, world.urls()) == (CacheStatus.FETCHED, 1, ["/probe", "/a"])
    assert not world.store.leases


async def test_a_second_holder_is_not_waited_for() -> None:
    world = SecondProcess()
    await world.let_another_hold_the_lease()

    def let_a_third_hold_the_lease() -> None:
        for what in world.store.leases:
            world.store.leases[what] = Lease(ours=True, holder="a third", token="3")

    world.after_three_waits(let_a_third_hold_the_lease)
    assert (await world.served("/a")).origin is CacheStatus.FETCHED
    assert len(world.clock.sleeps) == 3
    assert [lease.holder for lease in world.store.leases.values()] == ["a third"]


async def test_a_holder_that_never_ends_is_waited_for_once_and_for_half_of_the_time_limit() -> None:
    world = SecondProcess()
    await world.let_another_hold_the_lease()
    assert (await world.served("/a")).origin is CacheStatus.FETCHED
    assert 30 <= sum(world.clock.sleeps) < 31  # half of the 60 s there are
    world.store.entries.clear()
    world.clock.sleeps.clear()
    assert (await world.served("/a")).origin is CacheStatus.FETCHED
    assert world.clock.sleeps == []


async def test_the_store_is_asked_again_even_where_no_holder_is_waited_for_any_more() -> None:
    world = SecondProcess()
    await world.let_another_hold_the_lease()
    await world.served("/a")
    world.store.entries.clear()
    seen = Lookup({}, {Key(H + "/a")}, world.clock.now())
    world.store_by_another()
    served = await world.engine.fetch(choice_of("/a"), seen=seen)
    assert isinstance(served, Served)
    assert (served.origin, served.attempts, world.urls()) == (CacheStatus.CACHED, 0, ["/probe", "/a"])


async def test_a_request_with_other_fields_and_a_refresh_do_not_wait() -> None:
    world = SecondProcess()
    await world.let_another_hold_the_lease()
    for settings in ({"headers": (("Accept-Language", "de"),)}, {"refresh": True}):
        engine = world.another(**settings)
        outcome = await engine.fetch(choice_of("/a"), source_origin=SourceOrigin(H))
        assert isinstance(outcome, Served)
        assert outcome.origin is CacheStatus.FETCHED
        world.store.entries.clear()
    assert world.clock.sleeps == []


async def test_a_cache_error_after_a_wait_is_a_failure_of_that_image() -> None:
    world = SecondProcess()
    await world.let_another_hold_the_lease()

    find = world.store.find

    def broken_once(*_: object, **__: object) -> None:
        world.store.find = find  # type: ignore[method-assign]
        raise CacheError(ErrorKind.IO, "it has gone")

    def end() -> None:
        world.store.release(world.other)
        world.store.find = broken_once  # type: ignore[method-assign]

    world.after_three_waits(end)
    outcome = await world.engine.fetch(choice_of("/a"))
    assert isinstance(outcome, Failure)
    assert (outcome.kind, outcome.message) == (ErrorKind.IO, "it has gone")
    assert not world.store.leases


async def test_a_download_that_waits_for_a_holder_occupies_no_slot() -> None:
    world = SecondProcess(limits=Limits()._replace(per_host=1))
    await world.let_another_hold_the_lease()
    world.transport.answer(H + "/b", (200, PIXEL))

    waiting = asyncio.create_task(world.served("/a"))
    await asyncio.sleep(0)
    await world.served("/b")
    assert not waiting.done()
    assert world.urls() == ["/probe", "/b"]
    world.store.release(world.other)
    assert (await waiting).origin is CacheStatus.FETCHED


async def test_a_download_that_is_cancelled_while_it_waits_leaves_no_lease() -> None:
    world = SecondProcess()
    await world.let_another_hold_the_lease()
    task = asyncio.create_task(world.served("/a"))
    while not world.clock.sleeps:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list(world.store.leases.values()) == [world.other]
    assert world.urls() == ["/probe"]


@pytest.mark.parametrize("answer", [(200, PIXEL), (404, b""), (500, b""), (200, b"<html>"), ValueError()])
async def test_a_lease_is_released_however_the_request_ends(answer: tuple[int, bytes] | Exception) -> None:
    world = World()
    world.transport.answer(H + "/a", answer)
    with suppress(ValueError):
        await world.engine.fetch(choice_of("/a"))
    assert world.urls()
    assert not world.store.leases


# Several processes


def of_each(count: int) -> list[bytes]:
    return [encoded("png", 8 + number % 25, 8 + number // 25) for number in range(count)]


def test_four_processes_fetch_few_images_twice(folder: Path) -> None:
    pictures = of_each(500)
    with Loopback() as origin, ExitStack() as stack:
        urls = [origin.route(f"/{n}.png", whole(body)) for n, body in enumerate(pictures)]
        Path("list").write_text("\n".join(urls))
        command = ("get", "-i", "list", "--json", *LOCAL)
        processes = [stack.enter_context(running(*command)) for _ in range(4)]
        with ThreadPoolExecutor(4) as readers:  # a process that cannot print goes on holding its leases
            outputs = [*readers.map(lambda process: process.communicate(), processes)]
        assert [process.returncode for process in processes] == [0] * 4, outputs
        assert {len(out.splitlines()) for out, _ in outputs} == {500}
        # Until the first of them has made the cache, each makes the requests that it may make at once.
        assert 500 <= origin.asked() <= 500 + 3 * Limits().per_host
    with closing(DiskStore(folder / "cache")) as store:
        assert sorted(entry.facts.bytes for entry in store.entries()) == sorted(map(len, pictures))
        assert not [checked for checked in store.verify(deep=True) if checked.problem]
        assert store.stats().scratch_files == 0


def start_holder(stack: ExitStack, origin: Loopback, *urls: str) -> subprocess.Popen[str]:
    """Start a process that has requested these URLs, and waits for responses."""
    with closing(DiskStore("cache")) as store:
        keep(store, CAT, b"a cat")  # without a cache, every lease is granted
    process = stack.enter_context(running("get", *urls, *LOCAL))
    while origin.asked() < len(urls):
        assert process.poll() is None
        time.sleep(0.01)
    return process


async def test_when_the_holder_is_killed_a_waiting_process_takes_over_at_once(folder: Path) -> None:
    waits_seen: list[object] = []
    with Loopback() as origin, ExitStack() as stack:
        url = origin.route("/a", stall(), whole(PIXEL))
        holder = start_holder(stack, origin, url)
        clients = [
            Client(
                "cache",
                limits=Limits(total_timeout=3600),
                allow_hosts=["127.0.0.1"],
                observe=lambda event: (
                    waits_seen.append(event) if isinstance(event, WaitingForOtherProcess) else None
                ),
            )
            for _ in range(3)
        ]
        try:
            waiting = [asyncio.create_task(client.get(url)) for client in clients]
            while len(waits_seen) < 3:
                await asyncio.sleep(0.01)
            holder.kill()
            async with asyncio.timeout(300):  # of the half hour that they would wait for one that lives
                images = await asyncio.gather(*waiting)
        finally:
            for client in clients:
                await client.close()
        assert sorted(image.origin for image in images) == ["cached", "cached", "fetched"]
        assert origin.asked() == 2
        assert list((folder / "cache/scratch-v1").iterdir()) == []


async def test_a_holder_that_was_stopped_is_waited_for_within_a_bound(folder: Path) -> None:
    with Loopback() as origin, ExitStack() as stack:
        urls = [origin.route(f"/{n}", stall(), whole(PIXEL)) for n in range(4)]
        holder = start_holder(stack, origin, *urls)
        holder.send_signal(signal.SIGSTOP)
        try:
            limits = Limits(total_timeout=4.0)
            async with Client("cache", allow_hosts=["127.0.0.1"], limits=limits) as client:
                images = [image async for image in client.get_many(urls)]
            assert [getattr(image, "origin", image) for image in images] == ["fetched"] * 4
        finally:
            holder.kill()
