"""What is held, over time: served while fresh, asked about after, served stale where that is allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine_world import PIXEL, H, World, choice_of, reply
from fakes import FakeReply
from imgfetch.errors import NetworkError
from imgfetch.model.request import Head, SourceOrigin
from imgfetch.model.result import CacheStatus, ErrorKind, Failure, Page, Served
from pictures import encoded

if TYPE_CHECKING:
    from imgfetch.engine.engine import Engine

pytestmark = pytest.mark.anyio

OTHER = encoded("webp", 12, 9)
DAY = 86_400.0


async def again(world: World, *, after: float, engine: Engine | None = None) -> CacheStatus | ErrorKind:
    """What a `get` of /a comes to so much later."""
    world.clock.time += after
    outcome = await (engine or world.engine).fetch(choice_of("/a"), source_origin=SourceOrigin(H))
    assert not isinstance(outcome, Page)
    return outcome.kind if isinstance(outcome, Failure) else outcome.origin


def asked_with(world: World, number: int) -> dict[str, str]:
    return dict(world.transport.requests[number].headers)


async def test_what_states_its_lifetime_is_asked_about_when_it_is_over() -> None:
    world = World()
    world.transport.answer(
        H + "/a", reply(cache_control="max-age=60", etag='"1"'), reply(b"", 304, cache_control="max-age=600")
    )
    assert await again(world, after=0) is CacheStatus.FETCHED
    assert await again(world, after=59) is CacheStatus.CACHED
    assert await again(world, after=1) is CacheStatus.REVALIDATED
    assert asked_with(world, 1)["if-none-match"] == '"1"'
    assert await again(world, after=599) is CacheStatus.CACHED
    assert len(world.transport.requests) == 2


async def test_what_states_nothing_is_fresh_for_a_day() -> None:
    world = World()
    world.transport.answer(H + "/a", reply(last_modified="Tue, 14 Nov 2023 22:13:19 GMT"), reply(OTHER))
    assert await again(world, after=0) is CacheStatus.FETCHED
    assert await again(world, after=DAY - 1) is CacheStatus.CACHED
    assert await again(world, after=1) is CacheStatus.FETCHED
    assert asked_with(world, 1)["if-modified-since"] == "Tue, 14 Nov 2023 22:13:19 GMT"


@pytest.mark.parametrize("answer", [reply(cache_control="no-store", etag='"1"'), reply(vary="*")])
async def test_what_must_not_be_reused_is_delivered_and_always_asked_for(answer: FakeReply) -> None:
    world = World()
    world.transport.answer(H + "/a", answer)
    assert await again(world, after=0) is CacheStatus.FETCHED
    assert await again(world, after=0) is CacheStatus.FETCHED
    assert "if-none-match" not in asked_with(world, 1)
    assert await again(world, after=0, engine=world.another(offline=True)) is CacheStatus.STALE


async def test_no_cache_is_asked_about_every_time() -> None:
    world = World()
    world.transport.answer(H + "/a", reply(cache_control="no-cache", etag='"1"'), reply(b"", 304))
    assert await again(world, after=0) is CacheStatus.FETCHED
    assert await again(world, after=0) is CacheStatus.REVALIDATED


async def test_offline_serves_what_is_held_however_old() -> None:
    world = World()
    world.transport.answer(H + "/a", reply(cache_control="max-age=60, must-revalidate"))
    await again(world, after=0)
    offline = world.another(offline=True, refresh=True)
    assert await again(world, after=0, engine=offline) is CacheStatus.CACHED
    assert await again(world, after=10 * DAY, engine=offline) is CacheStatus.STALE


async def test_a_refresh_asks_though_it_is_fresh_and_takes_nothing_stale() -> None:
    world = World()
    down = NetworkError(ErrorKind.CONNECT, "cannot connect")
    world.transport.answer(H + "/a", reply(cache_control="max-age=60"), down)
    await again(world, after=0)
    assert await again(world, after=0, engine=world.another(refresh=True)) is ErrorKind.CONNECT
    assert await again(world, after=0) is CacheStatus.CACHED


async def test_a_stale_image_stands_in_for_an_origin_out_of_reach_and_the_result_says_so() -> None:
    world = World()
    world.transport.answer(
        H + "/a", reply(cache_control="max-age=60"), NetworkError(ErrorKind.CONNECT, "cannot connect")
    )
    await again(world, after=0)
    world.clock.time += 3600
    served = await world.served("/a")
    assert (served.origin, served.warnings, served.attempts) == (
        CacheStatus.STALE,
        ("stale: cannot connect",),
        3,
    )


@pytest.mark.parametrize(
    ("control", "answer", "outcome"),
    [
        ("max-age=60, must-revalidate", NetworkError(ErrorKind.CONNECT, ""), ErrorKind.CONNECT),
        ("no-cache", NetworkError(ErrorKind.CONNECT, ""), ErrorKind.CONNECT),
        ("no-store", NetworkError(ErrorKind.CONNECT, ""), ErrorKind.CONNECT),
        ("max-age=60", (500, b""), ErrorKind.HTTP_STATUS),
        ("max-age=60, stale-if-error=9999", (500, b""), CacheStatus.STALE),
        ("max-age=60, stale-if-error=9999", (503, b""), CacheStatus.STALE),
        ("max-age=60, stale-if-error=1", (500, b""), ErrorKind.HTTP_STATUS),
        ("max-age=60, stale-if-error=9999", (404, b""), ErrorKind.HTTP_STATUS),
        ("max-age=60, stale-if-error=9999", (200, b"<html>"), ErrorKind.NOT_IMAGE),
    ],
)
async def test_what_is_stale_stands_in_only_where_it_may(
    control: str, answer: tuple[int, bytes] | Exception, outcome: CacheStatus | ErrorKind
) -> None:
    world = World()
    world.transport.answer(H + "/a", reply(cache_control=control), answer)
    await again(world, after=0)
    assert await again(world, after=3600) is outcome


async def test_within_its_window_a_stale_image_is_served_without_a_request() -> None:
    world = World()
    world.transport.answer(H + "/a", reply(cache_control="max-age=60, stale-while-revalidate=60"))
    await again(world, after=0)
    assert await again(world, after=119) is CacheStatus.STALE
    assert await again(world, after=2) is CacheStatus.FETCHED


async def test_each_variant_is_kept_for_the_requests_that_select_it() -> None:
    world = World()
    world.transport.answer(H + "/a", reply(vary="Accept-Language"), reply(OTHER, vary="Accept-Language"))
    german, french = (world.another(headers=(("Accept-Language", name),)) for name in ("de", "fr"))
    assert await again(world, after=0, engine=german) is CacheStatus.FETCHED
    assert await again(world, after=1, engine=french) is CacheStatus.FETCHED
    assert await again(world, after=1, engine=german) is CacheStatus.CACHED
    assert await again(world, after=1, engine=world.engine) is CacheStatus.FETCHED
    assert await again(world, after=1, engine=world.another(offline=True)) is CacheStatus.CACHED


async def test_an_image_behind_a_redirect_is_fresh_no_longer_than_the_redirect() -> None:
    world = World()
    moved = (("location", "/b"), ("cache-control", "max-age=60"))
    world.transport.answer(H + "/a", FakeReply(Head(H + "/a", 302, moved)))
    fields = (("cache-control", "max-age=31536000"), ("etag", '"1"'))
    world.transport.answer(H + "/b", FakeReply(Head(H + "/b", 200, fields), (PIXEL,)), reply(b"", 304))
    assert await again(world, after=0) is CacheStatus.FETCHED
    assert await again(world, after=59) is CacheStatus.CACHED
    assert await again(world, after=2) is CacheStatus.REVALIDATED
    assert await again(world, after=59) is CacheStatus.CACHED
    assert world.urls() == ["/a", "/b", "/a", "/b"]


async def test_a_clock_that_was_set_back_ten_years_keeps_nothing_fresh() -> None:
    world = World()
    world.transport.answer(H + "/a", reply(cache_control="max-age=60"))
    await again(world, after=0)
    assert await again(world, after=-3650 * DAY) is CacheStatus.FETCHED
    assert await again(world, after=0) is CacheStatus.CACHED


async def test_an_answer_that_fails_leaves_what_was_held() -> None:
    world = World()
    world.transport.answer(H + "/a", reply(cache_control="max-age=60"), reply(b"<html>"), reply(OTHER))
    await again(world, after=0)
    assert await again(world, after=61) is ErrorKind.NOT_IMAGE
    outcome = await world.another(offline=True).fetch(choice_of("/a"))
    assert isinstance(outcome, Served)


async def test_a_304_about_another_image_is_not_taken_for_a_confirmation() -> None:
    world = World()
    world.transport.answer(
        H + "/a", reply(cache_control="max-age=60", etag='"1"'), reply(b"", 304, etag='"2"'), reply(OTHER)
    )
    await again(world, after=0)
    assert await again(world, after=61) is CacheStatus.FETCHED
    assert ["if-none-match" in dict(request.headers) for request in world.transport.requests] == [
        False,
        True,
        False,
    ]
