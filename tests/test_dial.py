"""Names to addresses to connections: what is asked of the resolver, and what is dialled."""

from __future__ import annotations

import asyncio
import resource
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from imgfetch.errors import CacheError, PolicyError, Unreachable
from imgfetch.http import connect
from imgfetch.http.connect import Connector
from imgfetch.http.resolver import Names
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio


class Resolver:
    """A resolver that answers in turn, the last answer again and again."""

    def __init__(self, *answers: tuple[str, ...] | OSError) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def look_up(self, host: str) -> list[str]:
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, OSError):
            raise answer
        return [*answer]


def clock() -> tuple[list[float], Callable[[], float]]:
    time = [0.0]
    return time, lambda: time[0]


class Spoken(asyncio.Protocol):
    """Says nothing."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.gone = asyncio.get_running_loop().create_future()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set_result(None)


async def hang_up(spoken: Spoken) -> None:
    spoken.transport.close()
    await spoken.gone


async def test_a_name_is_asked_for_once_a_minute_however_many_ask() -> None:
    time, elapsed = clock()
    resolver = Resolver(("192.0.2.1", "192.0.2.2"))
    names = Names(elapsed, resolver.look_up)
    answers = await asyncio.gather(*(names.resolve("h.example") for _ in range(20)))
    assert answers == [["192.0.2.1", "192.0.2.2"]] * 20
    time[0] = 60
    await names.resolve("h.example")
    assert resolver.asked == ["h.example"]
    time[0] = 61
    await names.resolve("h.example")
    assert resolver.asked == ["h.example"] * 2


async def test_a_name_that_was_not_found_is_asked_for_again() -> None:
    _, elapsed = clock()
    resolver = Resolver(socket.gaierror(-2, "Name or service not known"), ("192.0.2.1",))
    names = Names(elapsed, resolver.look_up)
    with pytest.raises(Unreachable, match="cannot find the host h.example: Name or service not known"):
        await names.resolve("h.example")
    assert await names.resolve("h.example") == ["192.0.2.1"]
    assert len(resolver.asked) == 2


async def test_a_name_that_cannot_be_looked_up_for_want_of_files_is_not_said_to_be_unknown() -> None:
    resolver = Resolver(socket.gaierror(-2, "Name or service not known"), ("192.0.2.1",))
    names = Names(clock()[1], resolver.look_up)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        with pytest.raises(CacheError, match="too many open files"):
            await names.resolve("h.example")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert await names.resolve("h.example") == ["192.0.2.1"]
    assert len(resolver.asked) == 2


async def test_who_is_cancelled_takes_the_answer_from_nobody() -> None:
    _, elapsed = clock()
    names = Names(elapsed, Resolver(("192.0.2.1",)).look_up)
    first, second = (asyncio.create_task(names.resolve("h.example")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == ["192.0.2.1"]


async def test_one_internal_address_among_others_refuses_the_name() -> None:
    dialler = Connector((), clock()[1], Resolver(("192.0.2.1", "8.8.8.8", "127.0.0.1")).look_up)
    with pytest.raises(PolicyError) as caught:
        await dialler.connect(asyncio.Protocol, "h.example", 80, timeout=1)
    assert caught.value.kind is ErrorKind.BLOCKED


async def test_the_address_that_was_judged_is_the_one_that_is_dialled() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        resolver = Resolver(("127.0.0.1",), ("127.0.0.9",))
        dialler = Connector(("127.0.0.1",), clock()[1], resolver.look_up)
        await hang_up(await dialler.connect(Spoken, "h.example", listener.getsockname()[1], timeout=1))
        assert resolver.asked == ["h.example"]


async def test_the_next_address_is_tried_and_a_name_whose_addresses_are_all_dead_is_asked_for_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        resolver = Resolver(("127.0.0.9", "127.0.0.1"))
        dialler = Connector(("127.0.0.0/8",), clock()[1], resolver.look_up)
        await hang_up(await dialler.connect(Spoken, "h.example", port, timeout=1))
    for _ in range(2):
        with pytest.raises(Unreachable, match="cannot connect: connection refused"):
            await dialler.connect(asyncio.Protocol, "h.example", port, timeout=1)
    assert resolver.asked == ["h.example"] * 2


async def test_a_resolver_that_gives_no_answer_is_named_and_not_asked_again_meanwhile() -> None:
    asked, answer = [], threading.Event()

    def look_up(host: str) -> list[str]:
        asked.append(host)
        answer.wait()
        return ["192.0.2.1"]

    dialler, names = Connector((), clock()[1], look_up), Names(clock()[1], look_up)
    with pytest.raises(Unreachable, match=r"h.example: no answer from the resolver within 0.01 s") as caught:
        await dialler.connect(asyncio.Protocol, "h.example", 80, timeout=0.01)
    assert caught.value.kind is ErrorKind.DNS
    with pytest.raises(Unreachable):
        await names.resolve("i.example", 0.01)
    answer.set()
    assert await names.resolve("i.example", 1) == ["192.0.2.1"]
    assert asked == ["h.example", "i.example"]


class Nowhere:
    """Takes all the time it is given to connect, on a clock of its own, and fails."""

    def __init__(self, time: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
        self.time = time
        self.tried: list[tuple[str, float]] = []
        monkeypatch.setattr(connect, "_connected", self._connected)

    async def _connected(self, address: str, port: int, seconds: float) -> socket.socket:
        self.tried.append((address, seconds))
        self.time[0] += seconds
        raise TimeoutError


@pytest.mark.parametrize(
    ("addresses", "seconds", "tried"),
    [
        (1, 10, [10]),
        (2, 10, [5, 5]),
        (9, 10, [2.5] * 4),
        (9, 6, [2.5, 2.5, 1]),
        (9, 1, [1]),
    ],
)
async def test_each_address_has_time_enough_for_a_connection(
    addresses: int, seconds: float, tried: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    time, elapsed = clock()
    resolver = Resolver(tuple(f"203.0.114.{number}" for number in range(addresses)))
    dialler = Connector((), elapsed, resolver.look_up)
    nowhere = Nowhere(time, monkeypatch)
    with pytest.raises(Unreachable, match="no connection within"):
        await dialler.connect(asyncio.Protocol, "h.example", 80, timeout=seconds)
    assert [given for _, given in nowhere.tried] == tried


async def test_addresses_of_both_families_are_tried_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    time, elapsed = clock()
    v6, v4 = [f"2606:4700::{number}" for number in range(1, 5)], ["8.8.8.8", "8.8.4.4"]
    dialler = Connector((), elapsed, Resolver((*v6, *v4)).look_up)
    nowhere = Nowhere(time, monkeypatch)
    with pytest.raises(Unreachable, match="no connection within 10 s"):
        await dialler.connect(asyncio.Protocol, "h.example", 80, timeout=10)
    assert [host for host, _ in nowhere.tried] == [v6[0], v4[0], v6[1], v4[1]]
