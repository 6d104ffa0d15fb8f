"""The walk, over ports that keep their promises in memory."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing, contextmanager
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from fakes import FakeClock, FakeDecoder, FakeReply, FakeTransport, InlineRunner, MemoryStore
from imgfetch.decode.decode_executor import DecodeExecutor
from imgfetch.engine.concurrency import iterate, map_as_completed, map_ordered
from imgfetch.engine.engine import Engine
from imgfetch.engine.events import Event, FellThrough, RequestSent, RetryScheduled
from imgfetch.engine.host_limiter import HostLimiter
from imgfetch.engine.lookup import look_up
from imgfetch.engine.single_flight import SingleFlight
from imgfetch.engine.time_budget import TimeBudget
from imgfetch.errors import NetworkError, Unreachable
from imgfetch.model.image import Defect, Entry
from imgfetch.model.markup import Candidate, Choice, SourceSet
from imgfetch.model.request import Head, Limits, Request, Settings
from imgfetch.model.result import CacheStatus, ErrorKind, Failure, Served
from imgfetch.model.values import Digest, Key
from imgfetch.ports import AddressBusy, Ports
from imgfetch.rules.image.choose import choose
from pictures import encoded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.anyio

H = "http://h.example"
PIXEL = encoded("webp", 12, 8)
LIMITS = Limits(retries=2, backoff_base=1.0, total_timeout=60)


class World:
    """An engine and the fakes it stands on."""

    def __init__(self, **settings: object) -> None:
        self.transport, self.store, self.clock = FakeTransport(), MemoryStore(), FakeClock()
        self.decoder = FakeDecoder()
        self.events: list[Event] = []
        self.settings = Settings(limits=LIMITS)._replace(**settings)  # type: ignore[arg-type]
        self.engine = self.another()

    def another(self, **settings: object) -> Engine:
        ports = Ports(
            self.transport, self.store, self.store, self.store, self.decoder, self.clock, InlineRunner()
        )
        return Engine(ports, self.settings._replace(**settings), self.events.append)  # type: ignore[arg-type]

    async def served(self, *names: str, width: int = 12) -> Served:
        outcome = await self.engine.fetch(choice_of(*names, width=width))
        assert isinstance(outcome, Served), outcome
        return outcome

    async def failed(self, *names: str) -> Failure:
        outcome = await self.engine.fetch(choice_of(*names))
        assert isinstance(outcome, Failure), outcome
        return outcome

    def urls(self) -> list[str]:
        return [ask.url.removeprefix(H) for ask in self.transport.asks]


def choice_of(*names: str, width: int = 12) -> Choice:
    """A choice among candidates, all 12 px wide, tried in the order given."""
    return choose(
        SourceSet(tuple(Candidate(name if ":" in name else H + name, 12) for name in names)), width=width
    )


async def test_an_image_is_asked_for_proved_and_kept() -> None:
    world = World()
    world.transport.answer(H + "/a", (200, PIXEL))
    served = await world.served("/a")
    assert (served.origin, served.attempts, served.bytes) == (CacheStatus.FETCHED, 1, len(PIXEL))
    assert served.verified == ("structure", "decode")
    assert world.store.objects[served.sha256] == PIXEL
    assert not world.store.scratch


async def test_what_is_kept_is_served_without_a_request() -> None:
    world = World()
    world.transport.answer(H + "/a", (200, PIXEL))
    await world.served("/a")
    again = await world.served("/a")
    assert (again.origin, again.attempts, world.urls()) == (CacheStatus.CACHED, 0, ["/a"])


class Watched(MemoryStore):
    """Counts what it is asked to find."""

    finds = 0

    def find(
        self,
        key: Key,
        headers: tuple[tuple[str, str], ...] | None = (),
        *,
        selector: str | None = "",
        at_once: bool = False,
    ) -> Entry | None:
        self.finds += 1
        return super().find(key, headers, selector=selector, at_once=at_once)


async def test_what_was_just_seen_to_be_absent_is_looked_for_as_its_turn_comes_and_not_before() -> None:
    for age, finds in ((0.0, 1), (0.9, 1), (1.1, 2), (-0.1, 2)):
        world = World()
        world.store = store = Watched()
        world.transport.answer(H + "/a", (200, PIXEL))
        choice = choice_of("/a")
        seen = look_up([choice], store, world.settings, now=world.clock.now() - age)
        store.finds = 0
        outcome = await world.another().fetch(choice, seen=seen)
        assert isinstance(outcome, Served)
        assert (outcome.origin, store.finds) == (CacheStatus.FETCHED, finds)
        again = await world.another().fetch(choice, seen=seen)
        assert isinstance(again, Served)
        assert (again.origin, again.attempts, world.urls()) == (CacheStatus.CACHED, 0, ["/a"])


async def test_a_refresh_that_is_answered_304_keeps_the_file() -> None:
    world = World()
    head = Head(H + "/a", 200, (("etag", '"1"'),))
    world.transport.answer(H + "/a", FakeReply(head, (PIXEL,)), FakeReply(Head(H + "/a", 304)))
    await world.served("/a")
    outcome = await world.another(refresh=True).fetch(choice_of("/a"))
    assert isinstance(outcome, Served)
    assert outcome.origin is CacheStatus.REVALIDATED
    assert dict(world.transport.asks[1].headers)["if-none-match"] == '"1"'


async def test_a_dead_candidate_is_passed_over_for_the_next_and_the_result_says_so() -> None:
    world = World()
    world.transport.answer(H + "/a", (404, b"no"))
    world.transport.answer(H + "/b", (200, b"<html>"))
    world.transport.answer(H + "/c", (200, PIXEL))
    served = await world.served("/a", "/b", "/c")
    assert served.url == H + "/c"
    assert served.choice.url == H + "/a"
    assert [failed.kind for failed in served.tried] == [ErrorKind.HTTP_STATUS, ErrorKind.NOT_IMAGE]
    assert served.warnings[0] == f"passed over {H}/a: HTTP 404"
    assert [event.to.url for event in world.events if isinstance(event, FellThrough)] == [H + "/b", H + "/c"]


async def test_when_no_candidate_is_left_the_failure_is_the_chosen_ones_and_tells_of_the_others() -> None:
    world = World()
    world.transport.answer(H + "/a", (404, b"no"))
    world.transport.answer(H + "/b", (410, b"no"))
    failed = await world.failed("/a", "/b")
    assert (failed.http_status, failed.url) == (404, H + "/a")
    assert [other.http_status for other in failed.tried] == [404, 410]


async def test_a_host_that_is_down_is_not_asked_for_its_other_candidates_but_another_host_is() -> None:
    world = World()
    world.transport.answer(H + "/a", NetworkError(ErrorKind.DNS, "cannot find the host"))
    world.transport.answer("http://mirror.example/c", (200, PIXEL))
    served = await world.served("/a", "/b", "http://mirror.example/c")
    assert served.url == "http://mirror.example/c"
    assert "/b" not in world.urls()


async def test_a_passing_failure_is_asked_again_after_a_longer_wait_each_time() -> None:
    world = World()
    world.transport.answer(H + "/a", (500, b""), NetworkError(ErrorKind.RESET, "reset"), (200, PIXEL))
    served = await world.served("/a")
    assert served.attempts == 3
    assert world.clock.sleeps == [1.0, 2.0]
    assert [event.seconds for event in world.events if isinstance(event, RetryScheduled)] == [1.0, 2.0]


async def test_after_the_last_retry_it_is_given_up_with_the_count_of_requests() -> None:
    world = World()
    world.transport.answer(H + "/a", (500, b""))
    failed = await world.failed("/a")
    assert (failed.kind, failed.http_status, failed.attempts) == (ErrorKind.HTTP_STATUS, 500, 3)
    assert failed.retryable
    assert len(world.urls()) == 3


async def test_a_permanent_error_is_asked_once() -> None:
    world = World()
    world.transport.answer(H + "/a", (404, b""))
    failed = await world.failed("/a")
    assert (failed.attempts, failed.retryable, world.clock.sleeps) == (1, False, [])


async def test_retry_after_is_waited_out() -> None:
    world = World()
    busy = FakeReply(Head(H + "/a", 503, (("retry-after", "7"),)))
    world.transport.answer(H + "/a", busy, (200, PIXEL))
    await world.served("/a")
    assert world.clock.sleeps == [7.0]


async def test_a_retry_after_beyond_the_time_limit_is_not_slept_on() -> None:
    world = World()
    world.transport.answer(H + "/a", FakeReply(Head(H + "/a", 429, (("retry-after", "86400"),))))
    failed = await world.failed("/a")
    assert "Retry-After of 86400 s" in failed.message
    assert (failed.kind, world.clock.sleeps) == (ErrorKind.RATE_LIMITED, [])


async def test_waits_count_against_the_time_limit_of_the_image() -> None:
    world = World(limits=replace(LIMITS, retries=50, backoff_base=25.0))
    world.transport.answer(H + "/a", (500, b""))
    failed = await world.failed("/a")
    assert (failed.attempts, world.clock.sleeps) == (3, [25.0, 30.0])


async def test_redirects_are_followed_and_the_answer_is_kept_under_the_url_first_asked_for() -> None:
    world = World()
    world.transport.answer(H + "/a", FakeReply(Head(H + "/a", 302, (("location", "/b"),))))
    world.transport.answer(H + "/b", (200, PIXEL))
    served = await world.served("/a")
    assert (served.entry.key, served.entry.head.url, served.attempts) == (H + "/a", H + "/b", 1)
    assert (await world.served("/a")).origin is CacheStatus.CACHED


async def test_damaged_bytes_are_asked_for_once_more_past_every_cache() -> None:
    world = World()
    world.transport.answer(H + "/a", (200, PIXEL[:-4]), (200, PIXEL))
    assert (await world.served("/a")).attempts == 2
    assert dict(world.transport.asks[1].headers)["cache-control"] == "no-cache"


async def test_nothing_that_fails_its_proof_is_kept() -> None:
    world = World()
    world.decoder.defect = Defect(ErrorKind.CORRUPT, "a frame does not decode")
    world.transport.answer(H + "/a", (200, PIXEL))
    failed = await world.failed("/a")
    assert (failed.kind, failed.message, failed.attempts) == (ErrorKind.CORRUPT, "a frame does not decode", 2)
    assert not world.store.objects
    assert not world.store.entries
    assert not world.store.scratch


async def test_a_body_that_breaks_off_leaves_nothing_behind() -> None:
    world = World(limits=replace(LIMITS, retries=0))
    cut = FakeReply(Head(H + "/a", 200), (PIXEL[:9], NetworkError(ErrorKind.INCOMPLETE, "got 9 of 90 bytes")))
    world.transport.answer(H + "/a", cut)
    failed = await world.failed("/a")
    assert (failed.kind, failed.message) == (ErrorKind.INCOMPLETE, "got 9 of 90 bytes")
    assert not world.store.scratch


async def test_an_endless_body_is_stopped_at_the_limit() -> None:
    world = World(limits=replace(LIMITS, max_bytes=5000))

    class Endless(FakeReply):
        async def body(self) -> AsyncIterator[bytes]:
            for _ in count():
                yield b"x" * 1000

    world.transport.answer(H + "/a", Endless(Head(H + "/a", 200)))
    failed = await world.failed("/a")
    assert (failed.kind, failed.message, failed.attempts) == (ErrorKind.TOO_LARGE, "more than 5,000 bytes", 1)
    assert not world.store.scratch


async def test_twenty_who_ask_for_one_url_share_one_request() -> None:
    world = World()
    world.transport.answer(H + "/a", (200, PIXEL))
    outcomes = await asyncio.gather(*(world.engine.fetch(choice_of("/a")) for _ in range(20)))
    assert all(isinstance(outcome, Served) for outcome in outcomes)
    assert world.urls() == ["/a"]


async def test_who_asks_with_other_credentials_makes_a_request_of_its_own() -> None:
    world = World()
    world.transport.answer(H + "/a", (200, PIXEL))
    asked = [choice_of(f"http://{user}@h.example/a") for user in ("u:a", "v:b")]
    await asyncio.gather(*(world.engine.fetch(choice) for choice in asked))
    assert len({dict(ask.headers)["authorization"] for ask in world.transport.asks}) == 2


async def test_who_comes_aboard_late_is_not_bound_by_the_patience_of_who_was_first() -> None:
    world = World(limits=replace(LIMITS, total_timeout=0.2, retries=0))

    class Slow(FakeReply):
        async def body(self) -> AsyncIterator[bytes]:
            await asyncio.sleep(60)
            yield b""

    world.transport.answer(H + "/a", Slow(Head(H + "/a", 200)), (200, PIXEL))
    first = asyncio.create_task(world.engine.fetch(choice_of("/a")))
    await asyncio.sleep(0.15)
    second = await world.engine.fetch(choice_of("/a"))
    outcome = await first
    assert isinstance(outcome, Failure)
    assert outcome.kind is ErrorKind.TIMEOUT
    assert isinstance(second, Served)


async def test_no_more_than_the_limits_allow_are_under_way_to_a_host_and_in_all() -> None:
    world = World(limits=replace(LIMITS, per_host=3, jobs=5))
    hosts = [f"http://{letter}.example" for letter in "abc"]
    for host in hosts:
        for number in range(10):
            world.transport.answer(f"{host}/{number}", (200, PIXEL))
    await asyncio.gather(
        *(world.engine.fetch(choice_of(f"{hosts[0]}/{number}")) for number in range(10)),
    )
    assert world.transport.most_under_way == 3
    await asyncio.gather(
        *(world.engine.fetch(choice_of(f"{host}/{number}")) for host in hosts[1:] for number in range(10)),
    )
    assert world.transport.most_under_way == 5


async def test_a_caller_who_is_cancelled_leaves_nothing_behind() -> None:
    world = World()

    class Stalled(FakeReply):
        async def body(self) -> AsyncIterator[bytes]:
            yield PIXEL[:5]
            await asyncio.sleep(60)

    world.transport.answer(H + "/a", Stalled(Head(H + "/a", 200)))
    task = asyncio.create_task(world.engine.fetch(choice_of("/a")))
    while not world.store.scratch:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not world.store.scratch
    assert world.transport.under_way == 0


async def test_the_time_limit_ends_an_image_that_never_ends() -> None:
    world = World(limits=replace(LIMITS, total_timeout=0.05, retries=0))

    class Stalled(FakeReply):
        async def body(self) -> AsyncIterator[bytes]:
            yield PIXEL[:5]
            await asyncio.sleep(60)

    world.transport.answer(H + "/a", Stalled(Head(H + "/a", 200)))
    failed = await world.failed("/a")
    assert (failed.kind, failed.message) == (
        ErrorKind.TIMEOUT,
        "no whole image within the time limit of 0.05 s",
    )
    assert not world.store.scratch


async def test_the_callers_digest_decides() -> None:
    world = World()
    world.transport.answer(H + "/a", (200, PIXEL))
    wrong = await world.engine.fetch(choice_of("/a"), sha256=Digest("0" * 64))
    assert isinstance(wrong, Failure)
    assert wrong.kind is ErrorKind.INTEGRITY
    assert not world.store.objects
    first = await world.served("/a")
    right = await world.engine.fetch(choice_of("/a"), sha256=first.sha256)
    assert isinstance(right, Served)
    assert right.origin is CacheStatus.CACHED


async def test_a_secret_in_a_url_is_in_no_event_and_no_failure() -> None:
    world = World(limits=replace(LIMITS, retries=1))
    world.transport.answer(H + "/a?sig=SECRET", (500, b""))
    failed = await world.failed("http://u:SECRET@h.example/a?sig=SECRET")
    shown = [event.url for event in world.events if isinstance(event, RequestSent)]
    assert shown == [H + "/a?sig=…"] * 2
    assert "SECRET" not in repr(failed)


@contextmanager
def no_complaints() -> Iterator[None]:
    """Of every task that is begun meanwhile and fails, somebody takes note: asyncio prints nothing."""
    loop, begun = asyncio.get_running_loop(), []

    def begin(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:  # noqa: ANN401 (asyncio's signature)
        begun.append(asyncio.Task(work, loop=loop, **options))
        return begun[-1]

    loop.set_task_factory(begin)
    yield
    loop.set_task_factory(None)
    assert begun
    assert not [task for task in begun if getattr(task, "_log_traceback", True)]


# Flights


async def test_a_passenger_may_leave_and_the_flight_goes_on() -> None:
    flights: SingleFlight[str] = SingleFlight()
    landing = asyncio.Event()
    departures = 0

    async def depart() -> str:
        nonlocal departures
        departures += 1
        await landing.wait()
        return "landed"

    first, second = (asyncio.create_task(flights.run("x", depart)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    landing.set()
    assert await second == "landed"
    assert departures == 1


async def test_a_flight_without_passengers_goes_down_and_a_new_one_may_depart() -> None:
    flights: SingleFlight[str] = SingleFlight()
    ended: list[str] = []

    async def depart() -> str:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("down")
        return "landed"

    task = asyncio.create_task(flights.run("x", depart))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["down"]

    async def at_once() -> str:
        return "there"

    assert await flights.run("x", at_once) == "there"


async def test_who_boards_as_flights_are_grounded_does_not_wait_for_ever() -> None:
    flights: SingleFlight[str] = SingleFlight()

    async def depart() -> str:
        return "landed"

    aboard = asyncio.create_task(flights.run("x", depart))
    grounded = asyncio.create_task(flights.close())
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(aboard, 5)
    await grounded


async def test_who_leaves_in_a_hurry_hears_no_error_of_the_flight_either() -> None:
    flights: SingleFlight[str] = SingleFlight()
    going_down = asyncio.Event()

    async def depart() -> str:
        try:
            await asyncio.sleep(60)
        finally:
            await going_down.wait()
            raise NetworkError(ErrorKind.RESET, "on the way down")

    with no_complaints():
        task = asyncio.create_task(flights.run("x", depart))
        await asyncio.sleep(0.01)
        for _ in range(2):
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await task
        going_down.set()
        await asyncio.sleep(0.01)


async def test_an_error_of_a_flight_on_its_way_down_is_nobodys() -> None:
    flights: SingleFlight[str] = SingleFlight()

    async def depart() -> str:
        try:
            await asyncio.sleep(60)
        finally:
            raise NetworkError(ErrorKind.RESET, "on the way down")

    with no_complaints():
        task = asyncio.create_task(flights.run("x", depart))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_an_error_that_comes_as_the_last_passenger_leaves_is_nobodys() -> None:
    flights: SingleFlight[str] = SingleFlight()
    landing = asyncio.Event()

    async def depart() -> str:
        await landing.wait()
        raise NetworkError(ErrorKind.RESET, "too late")

    with no_complaints():
        task = asyncio.create_task(flights.run("x", depart))
        await asyncio.sleep(0.01)
        landing.set()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_what_a_flight_does_on_its_way_down_is_not_broken_off() -> None:
    flights: SingleFlight[None] = SingleFlight()
    ended: list[str] = []

    async def depart(what: str, steps: int) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            for _ in range(steps):
                await asyncio.sleep(0)
            ended.append(what)

    aboard = [
        asyncio.create_task(flights.run(what, lambda what=what, steps=steps: depart(what, steps)))  # type: ignore[misc]
        for what, steps in (("x", 3), ("y", 20))
    ]
    await asyncio.sleep(0.01)
    grounding = asyncio.create_task(flights.close())
    await asyncio.sleep(0)
    aboard[1].cancel()
    await grounding
    assert ended == ["x", "y"]
    await asyncio.wait(aboard)


async def test_where_flights_are_grounded_none_is_left_and_none_departs() -> None:
    flights: SingleFlight[str] = SingleFlight()
    ended: list[str] = []

    async def depart() -> str:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            ended.append("down")
        return "landed"

    aboard = [asyncio.create_task(flights.run(what, depart)) for what in "xxy"]
    await asyncio.sleep(0.01)
    await flights.close()
    assert ended == ["down", "down"]
    for late in (flights.run("x", depart), flights.run("z", depart)):
        with pytest.raises(asyncio.CancelledError):
            await late
    assert all(
        isinstance(e, asyncio.CancelledError) for e in await asyncio.gather(*aboard, return_exceptions=True)
    )
    assert ended == ["down", "down"]


# Patience


async def test_the_time_of_an_image_is_limited() -> None:
    with pytest.raises(NetworkError) as raised:
        async with TimeBudget(0.01, FakeClock()).limit():
            await asyncio.Event().wait()
    assert raised.value.kind is ErrorKind.TIMEOUT


async def test_a_timeout_of_somebody_else_is_not_that_of_the_image() -> None:
    with pytest.raises(TimeoutError, match="the observer's own"):
        async with TimeBudget(60, FakeClock()).limit():
            raise TimeoutError("the observer's own")


# Threads


async def test_work_is_waited_for_however_often_its_caller_is_cancelled() -> None:
    runner, begun, go_on, ended = DecodeExecutor(1_000_000), threading.Event(), threading.Event(), []

    def work() -> None:
        begun.set()
        go_on.wait(10)
        ended.append(1)
        raise NetworkError(ErrorKind.RESET, "nobody hears it")

    with no_complaints():
        task = asyncio.create_task(runner.run(work))
        while not begun.is_set():
            await asyncio.sleep(0)
        for _ in range(3):
            task.cancel()
            for _ in range(3):
                await asyncio.sleep(0)
        assert not task.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended
    runner.close()


# Many


class Sleepers:
    """Work that takes as many seconds as it is told, and how much of it was under way at the same time."""

    def __init__(self) -> None:
        self.under_way = self.most = 0

    async def work(self, seconds: float) -> float:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(seconds)
        self.under_way -= 1
        return seconds


async def test_many_yields_each_as_it_finishes_and_begins_no_more_than_its_window() -> None:
    sleepers = Sleepers()
    done = [result async for result in map_as_completed([0.05, 0.0, 0.0, 0.0], sleepers.work, window=2)]
    assert done == [0.0, 0.0, 0.0, 0.05]
    assert sleepers.most == 2


async def test_all_of_some_come_in_their_order_and_no_more_than_a_window_is_under_way() -> None:
    sleepers = Sleepers()
    assert await map_ordered([0.05, 0.0, 0.02, 0.0], sleepers.work, window=2) == [0.05, 0.0, 0.02, 0.0]
    assert sleepers.most == 2
    assert await map_ordered([], sleepers.work, window=2) == []


async def test_many_draws_from_an_endless_source_only_what_it_needs() -> None:
    drawn = 0

    def source() -> AsyncIterator[int]:
        async def numbers() -> AsyncIterator[int]:
            nonlocal drawn
            for number in count():
                drawn += 1
                yield number

        return numbers()

    async def work(number: int) -> int:
        await asyncio.sleep(0)
        return number

    results = map_as_completed(source(), work, window=4)
    first = [await anext(results) for _ in range(20)]
    await results.aclose()
    assert len(first) == 20
    assert drawn < 40


async def test_many_cancels_what_is_under_way_when_its_reader_stops() -> None:
    cancelled: list[int] = []

    async def work(number: int) -> int:
        try:
            await asyncio.sleep(60 if number else 0.01)
        except asyncio.CancelledError:
            cancelled.append(number)
            raise
        return number

    results = map_as_completed(range(3), work, window=3)
    assert await anext(results) == 0
    await results.aclose()
    assert sorted(cancelled) == [1, 2]


async def test_of_many_errors_one_is_raised_and_the_others_are_not_complained_of() -> None:
    go_on = asyncio.Event()

    async def work(number: int) -> int:
        try:
            await go_on.wait()
        finally:
            raise NetworkError(ErrorKind.RESET, f"gone {number}")

    with no_complaints():
        asyncio.get_running_loop().call_later(0.01, go_on.set)
        with pytest.raises(NetworkError):
            async for _ in map_as_completed(range(5), work, window=64):
                pass


async def test_many_closes_what_it_draws_from_when_its_reader_stops() -> None:
    closed: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            for number in count():
                yield number
        finally:
            await asyncio.sleep(0)
            closed.append("asynchronous")

    async def work(number: int) -> int:
        await asyncio.sleep(0)
        return number

    for source in (numbers(), iterate(numbers()), iterate(iterate(numbers()))):
        closed.clear()
        results = map_as_completed(source, work, window=2)
        await anext(results)
        await results.aclose()
        assert closed == ["asynchronous"]


async def test_a_plain_generator_stays_its_owners() -> None:
    async def work(number: int) -> int:
        return number

    numbers = (number for number in range(9))
    drawn = iterate(numbers)
    assert await anext(drawn) == 0
    await drawn.aclose()
    assert next(numbers) == 1
    for at_once in (lambda number: number, lambda _: None):
        results = map_as_completed(numbers, work, window=1, at_once=at_once)
        first = await anext(results)
        await results.aclose()
        assert next(numbers) == first + 1


async def test_what_is_answered_at_once_holds_up_nobody_for_long() -> None:
    """Nor does it wait for what is under way."""
    turns = 0

    async def work(_: int) -> int:
        nonlocal turns
        while turns < 5:
            turns += 1
            await asyncio.sleep(0)
        return -1

    numbers = iter(range(10_000))
    results = map_as_completed(numbers, work, window=2, at_once=lambda number: number or None)
    answered = [number async for number in results]
    assert answered.index(-1) < 1000
    assert sorted(answered) == [-1, *range(1, 10_000)]


async def test_work_begins_before_all_is_drawn() -> None:
    begun: list[int] = []
    drawn = 0

    def numbers() -> Iterator[int]:
        nonlocal drawn
        for number in range(1, 200):
            drawn = number
            yield number

    async def work(number: int) -> int:
        begun.append(drawn - number)
        await asyncio.sleep(0)
        return number

    async with aclosing(map_as_completed(numbers(), work, window=100)) as results:
        assert sorted([number async for number in results]) == [*range(1, 200)]
    assert max(begun) < 10


# Lanes


class Road:
    """HostLimiter of our own, and a clock that moves when it is slept on."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.clock = FakeClock()
        self.lanes = HostLimiter(limits, self.clock)

    def budget(self, limit: float = 60) -> TimeBudget:
        return TimeBudget(limit, self.clock)

    async def go(
        self, failed: Failure | None = None, *, reached: bool = True, origin: str = H
    ) -> Failure | None:
        """Make a request that ends so. The failure, where there was no turn for it."""
        async with self.lanes.slot(origin, self.budget()) as turn:
            if isinstance(turn, Failure):
                return turn
            turn.record(failed, reached=reached)
            return None

    async def most_at_once(self, count: int = 12) -> int:
        """How many of a crowd of guests are let in at once."""
        within = most = 0

        async def guest() -> None:
            nonlocal within, most
            async with self.lanes.slot(H, self.budget()) as turn:
                assert not isinstance(turn, Failure)
                within += 1
                most = max(most, within)
                for _ in range(5):
                    await asyncio.sleep(0)
                within -= 1

        await asyncio.gather(*(guest() for _ in range(count)))
        return most


def busy(retry_after: float | None = None) -> Failure:
    return Failure(ErrorKind.RATE_LIMITED, "HTTP 503", H, 503, retryable=True, retry_after=retry_after)


GONE = Failure(ErrorKind.CONNECT, "cannot connect", H, retryable=True)


async def test_a_lane_is_taken_down_when_the_last_guest_leaves() -> None:
    road = Road()
    async with road.lanes.slot(H, road.budget()), road.lanes.slot(H, road.budget()):
        assert len(road.lanes._hosts) == 1
    assert not road.lanes._hosts


async def test_a_lane_is_half_as_wide_after_a_busy_answer_and_as_wide_as_before_after_good_ones() -> None:
    road = Road()
    assert await road.most_at_once() == 6
    await road.go(busy())
    assert await road.most_at_once() == 3
    await road.go(busy())
    assert await road.most_at_once() == 1
    for _ in range(40):
        await road.go()
    assert await road.most_at_once() == 6
    assert not road.lanes._hosts


async def test_guests_are_let_in_in_the_order_they_came() -> None:
    road = Road(replace(LIMITS, per_host=2))
    order: list[int] = []

    async def guest(number: int) -> None:
        async with road.lanes.slot(H, road.budget()):
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(guest(number) for number in range(20)))
    assert order == list(range(20))


async def test_a_guest_who_is_cancelled_in_the_queue_lets_the_next_one_pass() -> None:
    road = Road(replace(LIMITS, per_host=1))
    async with road.lanes.slot(H, road.budget()):
        first, second = (asyncio.create_task(road.go()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
    assert await second is None
    assert not road.lanes._hosts


async def test_retry_after_is_waited_out_by_every_guest_of_the_host_and_by_no_other() -> None:
    road = Road()
    await road.go(busy(7))
    await road.go(origin="http://other.example")
    assert road.clock.sleeps == []
    assert await road.go() is None
    assert road.clock.sleeps == [7]
    await road.go()
    assert road.clock.sleeps == [7]


async def test_a_host_that_sends_all_away_for_a_day_is_left_alone_after_the_third_time() -> None:
    road = Road()
    for _ in range(3):
        assert await road.go(busy(86400)) is None
    refused = await road.go()
    assert refused is not None
    assert (refused.kind, refused.retry_after) == (ErrorKind.RATE_LIMITED, 86400)
    assert refused.message == "not requested, after HTTP 503"
    assert road.clock.sleeps == []


async def test_a_host_that_is_gone_is_left_alone_and_looked_for_again_after_a_while() -> None:
    road = Road()
    for _ in range(4):
        assert await road.go(GONE, reached=False) is None
        road.clock.time += 0.001
    assert await road.go() == replace(GONE, message="not requested, after cannot connect")
    road.clock.time += 1
    assert await road.go(GONE, reached=False) is None  # one looks, and finds it gone still
    road.clock.time += 1
    assert await road.go() is not None
    road.clock.time += 1.1
    assert await road.go() is None  # one looks, and finds it back
    assert await road.most_at_once() == 6
    assert not road.lanes._hosts


async def test_a_batch_for_a_host_that_is_gone_makes_few_requests_and_ends_soon() -> None:
    world = World()
    for number in range(200):
        world.transport.answer(f"{H}/{number}", Unreachable(ErrorKind.CONNECT, "cannot connect: refused"))
    outcomes = [await world.engine.fetch(choice_of(f"/{number}")) for number in range(200)]
    assert all(isinstance(outcome, Failure) and outcome.kind is ErrorKind.CONNECT for outcome in outcomes)
    assert len(world.transport.asks) < 100


class Full(AddressBusy):
    """An address that has no room until it is told to have some."""

    def __init__(self) -> None:
        self.room = asyncio.Event()
        self.passed_on = 0

    async def wait(self) -> None:
        await self.room.wait()

    def pass_on(self) -> None:
        self.passed_on += 1


async def send(road: Road, transport: FakeTransport, path: str, budget: TimeBudget) -> int:
    async with road.lanes.slot(H, budget) as slot:
        assert not isinstance(slot, Failure)
        async with slot.response(transport, Request(H + path)) as response:
            return response.head.status


async def test_a_request_that_waits_for_its_address_occupies_no_slot_of_another_host_and_spends_no_time() -> (
    None
):
    road, transport, full = Road(replace(LIMITS, jobs=1, per_host=1)), FakeTransport(), Full()
    transport.answer(H + "/a", full, (200, b""))
    transport.answer(H + "/b", (200, b""))

    budget = road.budget(10)
    first = asyncio.create_task(send(road, transport, "/a", budget))
    second = asyncio.create_task(send(road, transport, "/b", road.budget()))
    await asyncio.sleep(0.01)
    assert len(transport.asks) == 1  # the second waits behind it in the queue of their host
    assert await road.go(origin="http://other.example") is None
    road.clock.time += 60
    full.room.set()
    assert [await first, await second] == [200, 200]
    assert budget.remaining == 10
    assert full.passed_on == 1


async def test_a_request_that_is_cancelled_while_its_address_is_busy_gives_back_its_slots_once() -> None:
    road, transport, full = Road(replace(LIMITS, jobs=1, per_host=1)), FakeTransport(), Full()
    transport.answer(H + "/a", full)
    waiting = asyncio.create_task(send(road, transport, "/a", road.budget()))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert full.passed_on == 1
    assert road.lanes._slots._value == 1
    assert not road.lanes._hosts


async def test_a_request_that_waits_for_its_address_is_announced_once() -> None:
    world, full = World(), Full()
    full.room.set()
    world.transport.answer(H + "/a", full, (200, PIXEL))
    await world.served("/a")
    assert [type(event) for event in world.events].count(RequestSent) == 1


async def test_a_broken_download_goes_on_where_it_stopped() -> None:
    world = World()
    fields = (("etag", '"1"'), ("content-length", str(len(PIXEL))))
    broken = FakeReply(Head(H + "/a", 200, fields), (PIXEL[:9], NetworkError(ErrorKind.INCOMPLETE, "got 9")))
    span = f"bytes 9-{len(PIXEL) - 1}/{len(PIXEL)}"
    rest = FakeReply(Head(H + "/a", 206, (("etag", '"1"'), ("content-range", span))), (PIXEL[9:],))
    world.transport.answer(H + "/a", broken, rest)
    served = await world.served("/a")
    assert (served.attempts, world.store.objects[served.sha256]) == (2, PIXEL)
    assert dict(world.transport.asks[1].headers)["range"] == "bytes=9-"
    assert dict(served.headers)["content-length"] == str(len(PIXEL))
    assert not world.store.scratch
    assert not world.store.begun


# The time limit of a decode


class Slow(FakeDecoder):
    """Decodes until it is let go, and asks no checkpoint."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()

    def decode(self, *_: object, **__: object) -> Defect | None:
        self.go_on.wait(20)
        return None


async def test_the_time_limit_covers_the_decode_which_nobody_waits_for_after_it() -> None:
    world, runner = World(limits=Limits(retries=3, total_timeout=0.2)), DecodeExecutor(512_000_000)
    world.decoder = decoder = Slow()
    world.transport.answer(H + "/a", (200, PIXEL))
    ports = Ports(world.transport, world.store, world.store, world.store, decoder, world.clock, runner)
    engine = Engine(ports, world.settings, world.events.append)
    failed = await asyncio.wait_for(engine.fetch(choice_of("/a")), 10)
    assert isinstance(failed, Failure)
    assert failed.kind is ErrorKind.TIMEOUT
    assert failed.message == "the image was not decoded within the time limit of 0.2 s"
    assert not world.store.scratch
    runner.close()
    decoder.go_on.set()


async def test_what_a_decode_may_not_take_is_refused_before_it_begins() -> None:
    world = World(limits=Limits(decode_memory=100_000))
    world.transport.answer(H + "/a", (200, PIXEL))
    failed = await world.failed("/a")
    assert failed.kind is ErrorKind.TOO_MANY_PIXELS
    assert "of memory to decode, the limit is 87,500 for one image" in failed.message
    assert not world.decoder.decoded
