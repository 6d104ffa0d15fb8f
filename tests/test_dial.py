"""Names to addresses to connections: what is asked of the resolver, and what is dialled."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING, Any

import httpcore
import pytest

from imgfetch.adapters.dial import GuardedDialler, Line, Names
from imgfetch.errors import PolicyError, Unreachable
from imgfetch.model import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio


class Resolver:
    """Stands in for the loop's own: answers in turn, the last one again and again."""

    def __init__(self, *answers: tuple[str, ...] | OSError) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        asyncio.get_running_loop().getaddrinfo = self._getaddrinfo  # type: ignore[method-assign, assignment]

    async def _getaddrinfo(self, host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        self.asked.append(host)
        await asyncio.sleep(0)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, OSError):
            raise answer
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answer]


def clock() -> tuple[list[float], Callable[[], float]]:
    time = [0.0]
    return time, lambda: time[0]


async def test_a_name_is_asked_for_once_a_minute_however_many_ask() -> None:
    time, elapsed = clock()
    resolver, names = Resolver(("192.0.2.1", "192.0.2.1", "192.0.2.2")), Names(elapsed)
    answers = await asyncio.gather(*(names.resolve("h.example", 80) for _ in range(20)))
    assert answers == [["192.0.2.1", "192.0.2.2"]] * 20
    time[0] = 60
    await names.resolve("h.example", 80)
    assert resolver.asked == ["h.example"]
    time[0] = 61
    await names.resolve("h.example", 80)
    assert resolver.asked == ["h.example"] * 2


async def test_a_name_that_was_not_found_is_asked_for_again() -> None:
    _, elapsed = clock()
    resolver, names = (
        Resolver(socket.gaierror(-2, "Name or service not known"), ("192.0.2.1",)),
        Names(elapsed),
    )
    with pytest.raises(Unreachable, match="cannot find the host h.example: Name or service not known"):
        await names.resolve("h.example", 80)
    assert await names.resolve("h.example", 80) == ["192.0.2.1"]
    assert len(resolver.asked) == 2


async def test_who_is_cancelled_takes_the_answer_from_nobody() -> None:
    _, elapsed = clock()
    Resolver(("192.0.2.1",))
    names = Names(elapsed)
    first, second = (asyncio.create_task(names.resolve("h.example", 80)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == ["192.0.2.1"]


async def test_one_internal_address_among_others_refuses_the_name() -> None:
    Resolver(("192.0.2.1", "8.8.8.8", "127.0.0.1"))
    dialler = GuardedDialler((), clock()[1])
    with pytest.raises(PolicyError) as caught:
        await dialler.connect_tcp("h.example", 80, 1)
    assert caught.value.kind is Reason.BLOCKED


async def test_the_address_that_was_judged_is_the_one_that_is_dialled() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        resolver = Resolver(("127.0.0.1",), ("127.0.0.9",))
        dialler = GuardedDialler(("127.0.0.1",), clock()[1])
        line = await dialler.connect_tcp("h.example", listener.getsockname()[1], 1)
        await line.aclose()
        assert resolver.asked == ["h.example"]


async def test_the_next_address_is_tried_and_a_name_whose_addresses_are_all_dead_is_asked_for_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        resolver = Resolver(("127.0.0.9", "127.0.0.1"))
        dialler = GuardedDialler(("127.0.0.0/8",), clock()[1])
        line = await dialler.connect_tcp("h.example", port, 1)
        await line.aclose()
    for _ in range(2):
        with pytest.raises(httpcore.ConnectError):
            await dialler.connect_tcp("h.example", port, 1)
    assert resolver.asked == ["h.example"] * 2


async def test_a_resolver_that_gives_no_answer_is_named_and_not_asked_again_meanwhile() -> None:
    asked, answer = [], asyncio.Event()

    async def in_its_own_time(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        asked.append(host)
        await answer.wait()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", port))]

    asyncio.get_running_loop().getaddrinfo = in_its_own_time  # type: ignore[method-assign, assignment]
    dialler, names = GuardedDialler((), clock()[1]), Names(clock()[1])
    with pytest.raises(Unreachable, match=r"h.example: no answer from the resolver within 0.01 s") as caught:
        await dialler.connect_tcp("h.example", 80, 0.01)
    assert caught.value.kind is Reason.DNS
    with pytest.raises(Unreachable):
        await names.resolve("i.example", 80, 0.01)
    answer.set()
    assert await names.resolve("i.example", 80, 1) == ["192.0.2.1"]
    assert asked == ["h.example", "i.example"]


class Nowhere(httpcore.AsyncNetworkBackend):
    """Takes all the time it is given to connect, on a clock of its own, and fails."""

    def __init__(self, time: list[float]) -> None:
        self.time = time
        self.tried: list[tuple[str, float | None]] = []

    async def connect_tcp(self, host: str, port: int, timeout: float | None = None, *_: Any) -> Any:  # noqa: ANN401, ASYNC109 (httpcore's)
        self.tried.append((host, timeout))
        self.time[0] += timeout or 0
        raise httpcore.ConnectTimeout


@pytest.mark.parametrize(
    ("addresses", "seconds", "tried"),
    [
        (1, 10, [10]),
        (2, 10, [5, 5]),
        (9, 10, [2.5] * 4),
        (9, 6, [2.5, 2.5, 1]),
        (9, 1, [1]),
        (2, None, [None, None]),
    ],
)
async def test_each_address_has_time_enough_for_a_connection(
    addresses: int, seconds: float | None, tried: list[float | None]
) -> None:
    time, elapsed = clock()
    Resolver(tuple(f"203.0.114.{number}" for number in range(addresses)))
    dialler = GuardedDialler((), elapsed)
    dialler._backend = nowhere = Nowhere(time)  # type: ignore[assignment]
    with pytest.raises(httpcore.ConnectTimeout):
        await dialler.connect_tcp("h.example", 80, seconds)
    assert [given for _, given in nowhere.tried] == tried


async def test_addresses_of_both_families_are_tried_in_turns() -> None:
    time, elapsed = clock()
    v6, v4 = [f"2606:4700::{number}" for number in range(1, 5)], ["8.8.8.8", "8.8.4.4"]
    Resolver((*v6, *v4))
    dialler = GuardedDialler((), elapsed)
    dialler._backend = nowhere = Nowhere(time)  # type: ignore[assignment]
    with pytest.raises(httpcore.ConnectTimeout):
        await dialler.connect_tcp("h.example", 80, 10)
    assert [host for host, _ in nowhere.tried] == [v6[0], v4[0], v6[1], v4[1]]


async def test_a_damaged_record_of_tls_is_an_error_of_the_connection() -> None:
    class Damaged(httpcore.AsyncNetworkStream):
        async def read(self, *_: object) -> bytes:
            raise ssl.SSLError(1, "bad record mac")

        async def write(self, *_: object) -> None:
            raise ssl.SSLError(1, "bad record mac")

    with pytest.raises(httpcore.ReadError, match="bad record mac"):
        await Line(Damaged()).read(1)
    with pytest.raises(httpcore.WriteError, match="bad record mac"):
        await Line(Damaged()).write(b"x")
