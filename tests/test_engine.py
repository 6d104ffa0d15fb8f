"""The engine, over ports that keep their promises in memory."""

from __future__ import annotations

import asyncio
import threading
from itertools import count
from typing import TYPE_CHECKING

import pytest

from engine_world import LIMITS, PIXEL, BusyAddress, H, World, choice_of, reply
from fakes import FakeDecoder, FakeReply, MemoryStore, TimedTransport
from imgfetch.decode.decode_executor import DecodeExecutor
from imgfetch.engine.engine import Engine
from imgfetch.engine.events import FellThrough, RequestSent, RetryScheduled
from imgfetch.engine.lookup import look_up
from imgfetch.errors import NetworkError, Unreachable
from imgfetch.model.image import Defect, Entry
from imgfetch.model.request import Head, Limits
from imgfetch.model.result import CacheStatus, ErrorKind, Failure, Served
from imgfetch.model.values import Digest, Key
from imgfetch.ports import Ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio


async def test_an_image_is_fetched_verified_and_stored() -> None:
    world = World()
    world.transport.answer(H + "/a", (200, PIXEL))
    served = await world.served("/a")
    assert (served.origin, served.attempts, served.bytes) == (CacheStatus.FETCHED, 1, len(PIXEL))
    assert served.verified == ("structure", "decode")
    assert world.store.objects[served.sha256] == PIXEL
    assert not world.store.staging.bodies


async def test_a_stored_image_is_served_without_a_request() -> None:
    world = World()
    world.transport.answer(H + "/a", (200, PIXEL))
    await world.served("/a")
    again = await world.served("/a")
    assert (again.origin, again.attempts, world.urls()) == (CacheStatus.CACHED, 0, ["/a"])


class CountingStore(MemoryStore):
    """Counts the calls of `find`."""

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


async def test_a_key_that_was_just_missing_is_looked_up_only_when_its_slot_has_come() -> None:
    for age, finds in ((0.0, 1), (0.9, 1), (1.1, 2), (-0.1, 2)):
        world = World()
        world.store = store = CountingStore()
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
    assert dict(world.transport.requests[1].headers)["if-none-match"] == '"1"'


async def test_the_next_candidate_replaces_a_dead_one_and_the_result_says_so() -> None:
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


async def test_when_all_candidates_fail_the_failure_is_that_of_the_chosen_one_and_lists_the_others() -> None:
    world = World()
    world.transport.answer(H + "/a", (404, b"no"))
    world.transport.answer(H + "/b", (410, b"no"))
    failed = await world.failed("/a", "/b")
    assert (failed.http_status, failed.url) == (404, H + "/a")
    assert [other.http_status for other in failed.tried] == [404, 410]


async def test_a_host_that_is_down_gets_no_request_for_its_other_candidates() -> None:
    world = World()
    world.transport.answer(H + "/a", NetworkError(ErrorKind.DNS, "cannot find the host"))
    world.transport.answer("http://mirror.example/c", (200, PIXEL))
    served = await world.served("/a", "/b", "http://mirror.example/c")
    assert served.url == "http://mirror.example/c"
    assert "/b" not in world.urls()


async def test_a_passing_failure_is_retried_after_longer_and_longer_waits() -> None:
    world = World()
    world.transport.answer(H + "/a", (500, b""), NetworkError(ErrorKind.RESET, "reset"), (200, PIXEL))
    served = await world.served("/a")
    assert served.attempts == 3
    assert world.clock.sleeps == [1.0, 2.0]
    assert [event.seconds for event in world.events if isinstance(event, RetryScheduled)] == [1.0, 2.0]


async def test_after_the_last_retry_the_failure_has_the_number_of_attempts() -> None:
    world = World()
    world.transport.answer(H + "/a", (500, b""))
    failed = await world.failed("/a")
    assert (failed.kind, failed.http_status, failed.attempts) == (ErrorKind.HTTP_STATUS, 500, 3)
    assert failed.retryable
    assert len(world.urls()) == 3


async def test_a_permanent_error_is_not_retried() -> None:
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
    world = World(limits=LIMITS._replace(retries=50, backoff_base=25.0))
    world.transport.answer(H + "/a", (500, b""))
    failed = await world.failed("/a")
    assert (failed.attempts, world.clock.sleeps) == (3, [25.0, 30.0])


async def test_redirects_are_followed_and_the_response_is_stored_under_the_first_url() -> None:
    world = World()
    world.transport.answer(H + "/a", FakeReply(Head(H + "/a", 302, (("location", "/b"),))))
    world.transport.answer(H + "/b", (200, PIXEL))
    served = await world.served("/a")
    assert (served.entry.key, served.entry.head.url, served.attempts) == (H + "/a", H + "/b", 1)
    assert (await world.served("/a")).origin is CacheStatus.CACHED


async def test_damaged_bytes_are_requested_once_more_past_every_cache() -> None:
    world = World()
    world.transport.answer(H + "/a", (200, PIXEL[:-4]), (200, PIXEL))
    assert (await world.served("/a")).attempts == 2
    assert dict(world.transport.requests[1].headers)["cache-control"] == "no-cache"


async def test_a_body_that_fails_verification_is_not_stored() -> None:
    world = World()
    world.decoder.defect = Defect(ErrorKind.CORRUPT, "a frame does not decode")
    world.transport.answer(H + "/a", (200, PIXEL))
    failed = await world.failed("/a")
    assert (failed.kind, failed.message, failed.attempts) == (ErrorKind.CORRUPT, "a frame does not decode", 2)
    assert not world.store.objects
    assert not world.store.entries
    assert not world.store.staging.bodies


async def test_a_body_that_breaks_off_leaves_nothing_in_staging() -> None:
    world = World(limits=LIMITS._replace(retries=0))
    cut = FakeReply(Head(H + "/a", 200), (PIXEL[:9], NetworkError(ErrorKind.INCOMPLETE, "got 9 of 90 bytes")))
    world.transport.answer(H + "/a", cut)
    failed = await world.failed("/a")
    assert (failed.kind, failed.message) == (ErrorKind.INCOMPLETE, "got 9 of 90 bytes")
    assert not world.store.staging.bodies


async def test_an_endless_body_is_stopped_at_the_limit() -> None:
    world = World(limits=LIMITS._replace(max_bytes=5000))

    class Endless(FakeReply):
        async def body(self) -> AsyncIterator[bytes]:
            for _ in count():
                yield b"x" * 1000

    world.transport.answer(H + "/a", Endless(Head(H + "/a", 200)))
    failed = await world.failed("/a")
    assert (failed.kind, failed.message, failed.attempts) == (ErrorKind.TOO_LARGE, "more than 5,000 bytes", 1)
    assert not world.store.staging.bodies


async def test_twenty_fetches_of_one_url_share_one_request() -> None:
    world = World()
    world.transport.answer(H + "/a", (200, PIXEL))
    outcomes = await asyncio.gather(*(world.engine.fetch(choice_of("/a")) for _ in range(20)))
    assert all(isinstance(outcome, Served) for outcome in outcomes)
    assert world.urls() == ["/a"]


async def test_other_credentials_have_a_request_of_their_own() -> None:
    world = World()
    world.transport.answer(H + "/a", (200, PIXEL))
    asked = [choice_of(f"http://{user}@h.example/a") for user in ("u:a", "v:b")]
    await asyncio.gather(*(world.engine.fetch(choice) for choice in asked))
    assert len({dict(request.headers)["authorization"] for request in world.transport.requests}) == 2


async def test_a_late_caller_is_not_bound_by_the_time_limit_of_the_first_one() -> None:
    world = World(limits=LIMITS._replace(total_timeout=0.2, retries=0))

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


async def test_several_late_callers_share_the_next_download() -> None:
    world = World(limits=LIMITS._replace(total_timeout=0.2, retries=0))

    class Slow(FakeReply):
        async def body(self) -> AsyncIterator[bytes]:
            await asyncio.sleep(60)
            yield b""

    world.transport.answer(H + "/a", Slow(Head(H + "/a", 200)), (200, PIXEL))
    first = asyncio.create_task(world.engine.fetch(choice_of("/a")))
    await asyncio.sleep(0.15)
    later = await asyncio.gather(*(world.engine.fetch(choice_of("/a")) for _ in range(3)))
    assert isinstance(await first, Failure)
    assert [type(outcome) for outcome in later] == [Served] * 3
    assert len(world.transport.requests) == 2


async def test_requests_under_way_are_limited_to_each_host_and_in_all() -> None:
    world = World(limits=LIMITS._replace(per_host=3, jobs=5))
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


async def test_a_caller_that_is_cancelled_leaves_nothing_in_staging() -> None:
    world = World()

    class Stalled(FakeReply):
        async def body(self) -> AsyncIterator[bytes]:
            yield PIXEL[:5]
            await asyncio.sleep(60)

    world.transport.answer(H + "/a", Stalled(Head(H + "/a", 200)))
    task = asyncio.create_task(world.engine.fetch(choice_of("/a")))
    while not world.store.staging.bodies:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not world.store.staging.bodies
    assert world.transport.under_way == 0


async def test_the_time_limit_ends_an_image_that_never_ends() -> None:
    world = World(limits=LIMITS._replace(total_timeout=0.05, retries=0))

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
    assert not world.store.staging.bodies


async def test_the_digest_that_the_caller_gives_decides() -> None:
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
    world = World(limits=LIMITS._replace(retries=1))
    world.transport.answer(H + "/a?sig=SECRET", (500, b""))
    failed = await world.failed("http://u:SECRET@h.example/a?sig=SECRET")
    shown = [event.url for event in world.events if isinstance(event, RequestSent)]
    assert shown == [H + "/a?sig=…"] * 2
    assert "SECRET" not in repr(failed)


async def test_a_batch_for_an_unreachable_host_sends_few_requests() -> None:
    world = World()
    for number in range(200):
        world.transport.answer(f"{H}/{number}", Unreachable(ErrorKind.CONNECT, "cannot connect: refused"))
    outcomes = [await world.engine.fetch(choice_of(f"/{number}")) for number in range(200)]
    assert all(isinstance(outcome, Failure) and outcome.kind is ErrorKind.CONNECT for outcome in outcomes)
    assert len(world.transport.requests) < 100


async def test_a_request_that_waits_for_its_address_is_announced_once() -> None:
    world, busy_address = World(), BusyAddress()
    busy_address.is_free.set()
    world.transport.answer(H + "/a", busy_address, (200, PIXEL))
    await world.served("/a")
    assert [type(event) for event in world.events].count(RequestSent) == 1


async def test_a_download_that_broke_off_is_resumed() -> None:
    world = World()
    fields = (("etag", '"1"'), ("content-length", str(len(PIXEL))))
    broken = FakeReply(Head(H + "/a", 200, fields), (PIXEL[:9], NetworkError(ErrorKind.INCOMPLETE, "got 9")))
    span = f"bytes 9-{len(PIXEL) - 1}/{len(PIXEL)}"
    rest = FakeReply(Head(H + "/a", 206, (("etag", '"1"'), ("content-range", span))), (PIXEL[9:],))
    world.transport.answer(H + "/a", broken, rest)
    served = await world.served("/a")
    assert (served.attempts, world.store.objects[served.sha256]) == (2, PIXEL)
    assert dict(world.transport.requests[1].headers)["range"] == "bytes=9-"
    assert dict(served.headers)["content-length"] == str(len(PIXEL))
    assert not world.store.staging.bodies
    assert not world.store.staging.suspended


class Slow(FakeDecoder):
    """Decodes until `go_on` is set, and calls no checkpoint."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()

    def decode(self, *_: object, **__: object) -> Defect | None:
        self.go_on.wait(20)
        return None


async def test_the_time_limit_covers_the_decode() -> None:
    world, runner = World(limits=Limits(retries=3, total_timeout=0.2)), DecodeExecutor(512_000_000)
    world.decoder = decoder = Slow()
    world.transport.answer(H + "/a", (200, PIXEL))
    ports = Ports(
        world.transport, world.store, world.store.staging, world.store, decoder, world.clock, runner
    )
    engine = Engine(ports, world.settings, world.events.append)
    failed = await asyncio.wait_for(engine.fetch(choice_of("/a")), 10)
    assert isinstance(failed, Failure)
    assert failed.kind is ErrorKind.TIMEOUT
    assert failed.message == "the image was not decoded within the time limit of 0.2 s"
    assert not world.store.staging.bodies
    runner.close()
    decoder.go_on.set()


async def test_a_decode_that_needs_too_much_memory_is_refused_before_it_begins() -> None:
    world = World(limits=Limits(decode_memory=100_000))
    world.transport.answer(H + "/a", (200, PIXEL))
    failed = await world.failed("/a")
    assert failed.kind is ErrorKind.TOO_MANY_PIXELS
    assert "of memory to decode, the limit is 87,500 for one image" in failed.message
    assert not world.decoder.decoded


async def test_redirects_and_retries_keep_the_delay_of_their_host() -> None:
    world = World(delay=30.0)
    transport = TimedTransport(world.clock)
    transport.answer(H + "/a", reply(status=302, location=f"{H}/b"))
    transport.answer(H + "/b", (500, b""), reply())
    world.transport = transport
    world.engine = world.another()
    assert (await world.served("/a")).attempts == 2
    assert transport.times == [0, 30, 60, 90]
