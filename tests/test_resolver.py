"""Look-ups of names: which may start, what a stuck one delays, and that ending waits for none of them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from imgfetch.errors import Unreachable
from imgfetch.http.resolver import Lookups, Names
from imgfetch.rules.crawl import name_lookups
from imgfetch.rules.crawl.name_lookups import Running
from origin import Origin, whole
from pictures import encoded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Which may start


@pytest.mark.parametrize(
    ("host", "parent"),
    [
        ("a.b.example", "b.example"),
        ("B.Example.", "b.example"),
        ("example", "example"),
        ("a.b.c.co.uk", "co.uk"),
    ],
)
def test_the_parent_domain_is_the_last_two_labels(host: str, parent: str) -> None:
    assert name_lookups.parent(host) == parent


def test_eight_lookups_run_at_once_and_stuck_ones_are_replaced_up_to_64() -> None:
    running: list[Running] = []
    for total in (8, 16, 24, 32, 40, 48, 56, 64):
        while name_lookups.next_to_start([f"h{len(running)}.example", "other.test"], running) == 0:
            running.append(Running(f"h{len(running)}.example", stuck=False))
        assert len(running) == total
        running = [one._replace(stuck=True) for one in running]
    assert name_lookups.next_to_start(["h.example"], running) is None


def test_two_lookups_of_one_parent_domain_run_at_once_and_others_go_first() -> None:
    running = [Running("cdn.example", stuck=False)] * 2
    assert name_lookups.next_to_start(["c.cdn.example", "d.cdn.example", "h.test"], running) == 2
    assert name_lookups.next_to_start(["c.cdn.example"], running) is None
    assert name_lookups.next_to_start(["c.cdn.example"], [running[0]._replace(stuck=True), running[1]]) == 0


def test_one_parent_domain_cannot_use_up_all_threads() -> None:
    running = [Running("slow.example", stuck=True)] * 8
    assert name_lookups.next_to_start(["i.slow.example"], running) is None
    assert name_lookups.next_to_start(["i.slow.example", "h.test"], running) == 1


# In threads


class Slow:
    """A resolver that answers for names in `slow.*` only when a test lets it."""

    def __init__(self) -> None:
        self.answer = threading.Event()
        self.asked: list[str] = []

    def look_up(self, host: str) -> list[str]:
        self.asked.append(host)
        if host.partition(".")[0].startswith("slow"):
            self.answer.wait()
        return ["192.0.2.1"]


@pytest.fixture
def slow() -> Iterator[Slow]:
    resolver = Slow()
    yield resolver
    resolver.answer.set()


@pytest.mark.anyio
async def test_names_that_are_never_answered_do_not_delay_a_healthy_one(slow: Slow) -> None:
    names = Names(asyncio.get_running_loop().time, slow.look_up)
    names._lookups = Lookups(slow.look_up, stuck_after=0.01)
    stuck = [asyncio.create_task(names.resolve(f"slow.h{number}.example")) for number in range(30)]
    await asyncio.sleep(0)
    assert len(slow.asked) <= name_lookups.AT_WORK
    assert await names.resolve("h.test", 60) == ["192.0.2.1"]
    assert not any(task.done() for task in stuck)
    slow.answer.set()
    assert await asyncio.gather(*stuck) == [["192.0.2.1"]] * 30
    assert sorted(slow.asked) == sorted({*slow.asked})


@pytest.mark.anyio
async def test_a_lookup_is_dropped_from_the_queue_when_its_last_caller_leaves(slow: Slow) -> None:
    names = Names(asyncio.get_running_loop().time, slow.look_up)
    first = [asyncio.create_task(names.resolve(f"slow{number}.h.example")) for number in range(2)]
    await asyncio.sleep(0)
    for late in ("b", "c"):
        with pytest.raises(Unreachable, match="no answer from the resolver"):
            await names.resolve(f"slow.{late}.h.example", 0.01)
    last = asyncio.create_task(names.resolve("d.h.example"))
    await asyncio.sleep(0)
    slow.answer.set()
    assert await asyncio.gather(*first, last) == [["192.0.2.1"]] * 3
    assert sorted(slow.asked) == ["d.h.example", "slow0.h.example", "slow1.h.example"]


@pytest.mark.anyio
async def test_an_address_is_not_looked_up(slow: Slow) -> None:
    names = Names(asyncio.get_running_loop().time, slow.look_up)
    for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        assert await names.resolve(address) == [address]
    assert await names.resolve("127.1") == ["192.0.2.1"]
    assert slow.asked == ["127.1"]


def test_a_loop_may_end_before_its_lookups(slow: Slow) -> None:
    names = Names(lambda: 0.0, slow.look_up)

    async def look(host: str) -> list[str]:
        return await names.resolve(host, 0.01)

    for _ in range(2):
        with pytest.raises(Unreachable):
            asyncio.run(look("slow.example"))
    slow.answer.set()
    assert asyncio.run(names.resolve("slow.example")) == ["192.0.2.1"]


CLIENT = """if True:
    import asyncio, socket, sys, time
    from imgfetch import Client, Limits

    system = socket.getaddrinfo

    def getaddrinfo(host, *rest, **more):
        if host.startswith(b"slow"):
            time.sleep(600)
        return system("127.0.0.1", *rest, **more)

    async def main():
        urls = [f"http://slow.h{number}.example/a" for number in range(30)]
        limits = Limits(connect_timeout=6, retries=0)
        async with Client(sys.argv[1], limits=limits, allow_hosts=["127.0.0.1"]) as client:
            async for outcome in client.get_many([*urls, sys.argv[2]]):
                if outcome.kind if hasattr(outcome, "kind") else None:
                    assert outcome.kind == "dns", outcome
                else:
                    print(outcome.url)
                    break

    socket.getaddrinfo = getaddrinfo
    asyncio.run(main())
    print("closed")
"""


def test_an_image_of_a_healthy_host_is_fetched_and_closing_waits_for_no_lookup(tmp_path: Path) -> None:
    """A child asks for 30 images whose names take ten minutes to look up, and for a healthy one."""
    with Origin() as origin:
        url = origin.route("/a", whole(encoded("webp", 96, 54))).replace("127.0.0.1", "h.test")
        ran = subprocess.run(
            [sys.executable, "-c", CLIENT, str(tmp_path / "cache"), url],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (ran.stdout.split(), ran.stderr) == ([url, "closed"], "")
