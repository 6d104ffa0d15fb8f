"""`http.connect` and `http.resolver`: what is looked up, and which addresses are connected to."""

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
from resolving import Resolver

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio


def clock() -> tuple[list[float], Callable[[], float]]:
    time = [0.0]
    return time, lambda: time[0]


class Idle(asyncio.Protocol):
    """Sends nothing."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.gone = asyncio.get_running_loop().create_future()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set_result(None)


async def hang_up(protocol: Idle) -> None:
    protocol.transport.close()
    await protocol.gone


async def test_a_name_is_looked_up_once_a_minute_for_any_number_of_callers() -> None:
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


async def test_a_name_that_was_not_found_is_looked_up_again() -> None:
    _, elapsed = clock()
    resolver = Resolver(socket.gaierror(-2, "Name or service not known"), ("192.0.2.1",))
    names = Names(elapsed, resolver.look_up)
    with pytest.raises(Unreachable, match="cannot find the host h.example: Name or service not known"):
        await names.resolve("h.example")
    assert await names.resolve("h.example") == ["192.0.2.1"]
    assert len(resolver.asked) == 2


async def test_too_many_open_files_are_not_reported_as_an_unknown_name() -> None:
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


async def test_a_cancelled_caller_does_not_cancel_the_lookup_of_another() -> None:
    _, elapsed = clock()
    names = Names(elapsed, Resolver(("192.0.2.1",)).look_up)
    first, second = (asyncio.create_task(names.resolve("h.example")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == ["192.0.2.1"]


async def test_a_name_with_one_internal_address_among_others_is_refused() -> None:
    connector = Connector((), clock()[1], Resolver(("192.0.2.1", "8.8.8.8", "127.0.0.1")).look_up)
    with pytest.raises(PolicyError) as caught:
        await connector.connect(asyncio.Protocol, "h.example", 80, timeout=1)
    assert caught.value.kind is ErrorKind.BLOCKED


async def test_the_address_that_was_judged_is_connected_to() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        resolver = Resolver(("127.0.0.1",), ("127.0.0.9",))
        connector = Connector(("127.0.0.1",), clock()[1], resolver.look_up)
        await hang_up(await connector.connect(Idle, "h.example", listener.getsockname()[1], timeout=1))
        assert resolver.asked == ["h.example"]


async def test_the_next_address_is_tried_and_a_name_without_a_live_address_is_looked_up_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        resolver = Resolver(("127.0.0.9", "127.0.0.1"))
        connector = Connector(("127.0.0.0/8",), clock()[1], resolver.look_up)
        await hang_up(await connector.connect(Idle, "h.example", port, timeout=1))
    for _ in range(2):
        with pytest.raises(Unreachable, match="cannot connect: connection refused"):
            await connector.connect(asyncio.Protocol, "h.example", port, timeout=1)
    assert resolver.asked == ["h.example"] * 2


async def test_a_lookup_without_an_answer_is_reported_and_not_repeated_while_it_runs() -> None:
    asked, answer = [], threading.Event()

    def look_up(host: str) -> list[str]:
        asked.append(host)
        answer.wait()
        return ["192.0.2.1"]

    connector, names = Connector((), clock()[1], look_up), Names(clock()[1], look_up)
    with pytest.raises(Unreachable, match=r"h.example: no answer from the resolver within 0.01 s") as caught:
        await connector.connect(asyncio.Protocol, "h.example", 80, timeout=0.01)
    assert caught.value.kind is ErrorKind.DNS
    with pytest.raises(Unreachable):
        await names.resolve("i.example", 0.01)
    answer.set()
    assert await names.resolve("i.example", 1) == ["192.0.2.1"]
    assert asked == ["h.example", "i.example"]


class Unanswered:
    """Takes all the time it has to connect, on a clock of its own, and fails."""

    def __init__(self, time: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
        self.time = time
        self.tried: list[tuple[str, float]] = []
        monkeypatch.setattr(connect, "_open_socket", self._open_socket)

    async def _open_socket(self, address: str, port: int, seconds: float) -> socket.socket:
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
    connector = Connector((), elapsed, resolver.look_up)
    unanswered = Unanswered(time, monkeypatch)
    with pytest.raises(Unreachable, match="no connection within"):
        await connector.connect(asyncio.Protocol, "h.example", 80, timeout=seconds)
    assert [given for _, given in unanswered.tried] == tried


async def test_ipv6_and_ipv4_addresses_are_tried_alternately(monkeypatch: pytest.MonkeyPatch) -> None:
    time, elapsed = clock()
    v6, v4 = [f"2606:4700::{number}" for number in range(1, 5)], ["8.8.8.8", "8.8.4.4"]
    connector = Connector((), elapsed, Resolver((*v6, *v4)).look_up)
    unanswered = Unanswered(time, monkeypatch)
    with pytest.raises(Unreachable, match="no connection within 10 s"):
        await connector.connect(asyncio.Protocol, "h.example", 80, timeout=10)
    assert [host for host, _ in unanswered.tried] == [v6[0], v4[0], v6[1], v4[1]]
