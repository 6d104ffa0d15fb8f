"""Slots at hosts: how many there are, who waits, and what a host's answers change."""

from __future__ import annotations

import asyncio

import pytest

from engine_world import LIMITS, BusyAddress, H
from fakes import FakeClock, FakeTransport, TimedTransport
from imgfetch.engine.limits.host_limiter import HostLimiter
from imgfetch.engine.limits.time_budget import TimeBudget
from imgfetch.model.request import Limits, Request
from imgfetch.model.result import ErrorKind, Failure

pytestmark = pytest.mark.anyio


class Hosts:
    """A HostLimiter, and a clock that advances with its sleeps."""

    def __init__(self, limits: Limits = LIMITS, *, delay: float = 0.0) -> None:
        self.clock = FakeClock()
        self.limiter = HostLimiter(limits, self.clock, delay=delay)

    def budget(self, limit: float = 60) -> TimeBudget:
        return TimeBudget(limit, self.clock)

    async def request(
        self, failed: Failure | None = None, *, reached: bool = True, origin: str = H
    ) -> Failure | None:
        """Send a request that ends with `failed`; return the failure where it gets no slot."""
        async with self.limiter.slot(origin, self.budget()) as slot:
            if isinstance(slot, Failure):
                return slot
            slot.record(failed, reached=reached)
            return None

    async def most_at_once(self, count: int = 12) -> int:
        """Return how many of `count` requests are admitted at once."""
        under_way = most = 0

        async def request() -> None:
            nonlocal under_way, most
            async with self.limiter.slot(H, self.budget()) as slot:
                assert not isinstance(slot, Failure)
                under_way += 1
                most = max(most, under_way)
                for _ in range(5):
                    await asyncio.sleep(0)
                under_way -= 1

        await asyncio.gather(*(request() for _ in range(count)))
        return most


def busy(retry_after: float | None = None) -> Failure:
    return Failure(ErrorKind.RATE_LIMITED, "HTTP 503", H, 503, retryable=True, retry_after=retry_after)


GONE = Failure(ErrorKind.CONNECT, "cannot connect", H, retryable=True)


async def test_a_host_is_forgotten_when_its_last_request_ends() -> None:
    hosts = Hosts()
    async with hosts.limiter.slot(H, hosts.budget()), hosts.limiter.slot(H, hosts.budget()):
        assert len(hosts.limiter._hosts) == 1
    assert not hosts.limiter._hosts


async def test_a_busy_response_halves_the_slots_of_a_host_and_good_ones_restore_them() -> None:
    hosts = Hosts()
    assert await hosts.most_at_once() == 6
    await hosts.request(busy())
    assert await hosts.most_at_once() == 3
    await hosts.request(busy())
    assert await hosts.most_at_once() == 1
    for _ in range(40):
        await hosts.request()
    assert await hosts.most_at_once() == 6
    assert not hosts.limiter._hosts


async def test_requests_are_admitted_in_the_order_in_which_they_came() -> None:
    hosts = Hosts(LIMITS._replace(per_host=2))
    order: list[int] = []

    async def request(number: int) -> None:
        async with hosts.limiter.slot(H, hosts.budget()):
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(request(number) for number in range(20)))
    assert order == list(range(20))


async def test_a_request_that_is_cancelled_in_the_queue_lets_the_next_one_pass() -> None:
    hosts = Hosts(LIMITS._replace(per_host=1))
    async with hosts.limiter.slot(H, hosts.budget()):
        first, second = (asyncio.create_task(hosts.request()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
    assert await second is None
    assert not hosts.limiter._hosts


async def test_a_retry_after_delays_all_requests_to_the_host_and_no_others() -> None:
    hosts = Hosts()
    await hosts.request(busy(7))
    await hosts.request(origin="http://other.example")
    assert hosts.clock.sleeps == []
    assert await hosts.request() is None
    assert hosts.clock.sleeps == [7]
    await hosts.request()
    assert hosts.clock.sleeps == [7]


async def test_a_host_that_is_busy_for_a_day_gets_no_request_after_the_third() -> None:
    hosts = Hosts()
    for _ in range(3):
        assert await hosts.request(busy(86400)) is None
    refused = await hosts.request()
    assert refused is not None
    assert (refused.kind, refused.retry_after) == (ErrorKind.RATE_LIMITED, 86400)
    assert refused.message == "not requested, after HTTP 503"
    assert hosts.clock.sleeps == []


async def test_an_unreachable_host_gets_no_request_for_a_while_and_then_one() -> None:
    hosts = Hosts()
    for _ in range(4):
        assert await hosts.request(GONE, reached=False) is None
        hosts.clock.time += 0.001
    assert await hosts.request() == GONE._replace(message="not requested, after cannot connect")
    hosts.clock.time += 1
    assert await hosts.request(GONE, reached=False) is None  # one request, and the host is still gone
    hosts.clock.time += 1
    assert await hosts.request() is not None
    hosts.clock.time += 1.1
    assert await hosts.request() is None  # one request, and the host is back
    assert await hosts.most_at_once() == 6
    assert not hosts.limiter._hosts


async def send(hosts: Hosts, transport: FakeTransport, path: str, budget: TimeBudget) -> int:
    async with hosts.limiter.slot(H, budget) as slot:
        assert not isinstance(slot, Failure)
        async with slot.response(transport, Request(H + path)) as response:
            return response.head.status


async def test_a_request_that_waits_for_its_address_lets_other_hosts_go_first_and_spends_no_time() -> None:
    hosts, transport, busy_address = (
        Hosts(LIMITS._replace(jobs=1, per_host=1)),
        FakeTransport(),
        BusyAddress(),
    )
    transport.answer(H + "/a", busy_address, (200, b""))
    transport.answer(H + "/b", (200, b""))

    budget = hosts.budget(10)
    first = asyncio.create_task(send(hosts, transport, "/a", budget))
    second = asyncio.create_task(send(hosts, transport, "/b", hosts.budget()))
    await asyncio.sleep(0.01)
    assert len(transport.requests) == 1  # the second waits behind it in the queue of their host
    assert await hosts.request(origin="http://other.example") is None
    hosts.clock.time += 60
    busy_address.is_free.set()
    assert [await first, await second] == [200, 200]
    assert budget.remaining == 10
    assert busy_address.passed_on == 1


async def test_a_request_that_is_cancelled_while_its_address_is_busy_gives_back_its_slots_once() -> None:
    hosts, transport, busy_address = (
        Hosts(LIMITS._replace(jobs=1, per_host=1)),
        FakeTransport(),
        BusyAddress(),
    )
    transport.answer(H + "/a", busy_address)
    waiting = asyncio.create_task(send(hosts, transport, "/a", hosts.budget()))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert busy_address.passed_on == 1
    assert hosts.limiter._slots._value == 1
    assert not hosts.limiter._hosts


async def times_of(hosts: Hosts, *origins: str) -> list[float]:
    """Return when each of several requests that begin at once is sent, in seconds from now."""
    transport = TimedTransport(hosts.clock)

    async def request(origin: str) -> None:
        transport.answer(origin + "/", (200, b""))
        async with hosts.limiter.slot(origin, hosts.budget()) as slot:
            assert not isinstance(slot, Failure)
            async with slot.response(transport, Request(origin + "/")):
                pass

    await asyncio.gather(*(request(origin) for origin in origins))
    return transport.times


async def test_requests_to_one_host_are_sent_at_least_the_delay_apart() -> None:
    hosts = Hosts(delay=3)
    assert await times_of(hosts, *[H] * 4) == [0, 3, 6, 9]


async def test_the_delay_is_one_for_all_origins_of_a_host() -> None:
    hosts = Hosts(delay=3)
    assert await times_of(hosts, "http://h.example", "https://h.example", "http://h.example:8080") == [
        0,
        3,
        6,
    ]


async def test_other_hosts_need_not_wait_for_the_delay_of_one() -> None:
    hosts = Hosts(LIMITS._replace(jobs=1), delay=3)
    assert await times_of(hosts, "http://a.example", "http://b.example") == [0, 0]


async def test_the_delay_is_not_taken_from_the_time_of_an_image() -> None:
    hosts, transport = Hosts(delay=100), FakeTransport()
    transport.answer(H + "/a", (200, b""))
    for _ in range(2):
        budget = hosts.budget(10)
        assert await send(hosts, transport, "/a", budget) == 200
        assert budget.remaining == 10
    assert hosts.clock.sleeps == [100]


async def test_a_retry_after_is_waited_for_where_the_delay_is_shorter() -> None:
    hosts = Hosts(delay=3)
    await times_of(hosts, H)
    await hosts.request(busy(7))  # after its turn, 3 s later
    assert await times_of(hosts, H) == [7]


async def test_a_request_that_is_not_sent_costs_no_delay() -> None:
    hosts = Hosts(delay=3)
    async with hosts.limiter.slot(H, hosts.budget()):
        pass  # another process has fetched it
    assert await times_of(hosts, H, H) == [0, 3]


async def test_a_request_that_is_cancelled_before_its_turn_lets_the_next_one_pass() -> None:
    hosts = Hosts(delay=3)
    async with hosts.limiter.slot(H, hosts.budget()):
        first, second = (asyncio.create_task(hosts.request()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
    assert await second is None
    assert await times_of(hosts, H) == [0]
    assert not hosts.limiter._hosts


async def test_a_request_that_has_waited_for_its_address_waits_for_its_turn_again() -> None:
    hosts, transport, busy_address = Hosts(delay=3), FakeTransport(), BusyAddress()
    transport.answer(H + "/a", busy_address, (200, b""))
    first = asyncio.create_task(send(hosts, transport, "/a", hosts.budget()))
    await asyncio.sleep(0.01)
    busy_address.is_free.set()
    assert await first == 200
    assert hosts.clock.sleeps == [3]


async def test_hosts_without_a_pause_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgfetch.engine.limits.pace._MAX_HOSTS", 8)
    hosts = Hosts(delay=3)
    for number in range(20):
        await times_of(hosts, f"http://{number}.example")
        hosts.clock.time += 1
    assert len(hosts.limiter.paces._hosts) <= 8
