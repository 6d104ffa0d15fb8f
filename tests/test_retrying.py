"""Retries: which failures are worth another attempt, after which wait, and when they end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from fakes import FakeClock
from imgfetch.engine.events import RetryScheduled
from imgfetch.engine.limits.time_budget import TimeBudget
from imgfetch.engine.retrying import Retrying
from imgfetch.model.request import Fetch, Limits, Request
from imgfetch.model.result import ErrorKind, Failure
from imgfetch.model.values import Key
from imgfetch.rules.policy import retry

if TYPE_CHECKING:
    from imgfetch.engine.events import Event

pytestmark = pytest.mark.anyio

URL = "http://h.example/a"
BROKEN = Failure(ErrorKind.RESET, "it broke", URL, retryable=True)
CORRUPT = BROKEN._replace(kind=ErrorKind.CORRUPT)


@dataclass
class Run:
    """What came of a request whose attempts ended with `outcomes`, the last of them again and again."""

    outcome: Failure | str
    attempts: int
    waits: list[float]
    fetches: list[Fetch]
    events: list[Event]


class Chance(FakeClock):
    def __init__(self, chance: float) -> None:
        super().__init__()
        self._chance = chance

    def chance(self) -> float:
        return self._chance


async def run(
    *outcomes: Failure | str, retries: int = 3, spent: float = 0, chance: float = 1, cap: float = 30
) -> Run:
    limits = Limits(retries=retries, backoff_base=0.5, backoff_cap=cap, total_timeout=120)
    clock, fetches, events = Chance(chance), list[Fetch](), list["Event"]()
    coming = list(outcomes)

    async def send(fetch: Fetch) -> Failure | str:
        fetches.append(fetch)
        return coming.pop(0) if len(coming) > 1 else coming[0]

    budget = TimeBudget(limits.total_timeout, clock)
    budget.spent = spent
    fetch, retrying = Fetch(Key(URL), Request(URL)), Retrying(limits, clock, events.append)
    outcome, attempts = await send(fetch), 1
    if isinstance(outcome, Failure):
        outcome, attempts = await retrying.repeat(outcome, send, fetch, budget)
    return Run(outcome, attempts, clock.sleeps, fetches, events)


async def message(*outcomes: Failure, spent: float = 0) -> str:
    outcome = (await run(*outcomes, spent=spent)).outcome
    assert isinstance(outcome, Failure)
    return outcome.message


async def test_backoff_doubles_and_ends_after_the_last_retry() -> None:
    it = await run(BROKEN)
    assert it.waits == [0.5, 1.0, 2.0]
    assert (it.outcome, it.attempts) == (BROKEN._replace(attempts=4), 4)


async def test_backoff_has_a_cap() -> None:
    assert (await run(BROKEN, cap=0.7)).waits == [0.5, 0.7, 0.7]
    assert retry.wait(BROKEN._replace(attempts=4000), Limits(backoff_cap=30), chance=1) == 30


async def test_jitter_is_full() -> None:
    assert (await run(BROKEN, chance=0)).waits == [0, 0, 0]
    assert (await run(BROKEN, chance=0.25)).waits == [0.125, 0.25, 0.5]


async def test_each_wait_is_announced_with_the_failure_before_it() -> None:
    it = await run(BROKEN, "whole")
    assert (it.outcome, it.attempts) == ("whole", 2)
    assert it.events == [RetryScheduled(BROKEN._replace(attempts=1), 0.5)]


async def test_a_success_and_a_final_failure_are_not_repeated() -> None:
    assert (await run("whole")).attempts == 1
    final = BROKEN._replace(retryable=False)
    assert (await run(final)).outcome == final._replace(attempts=1)
    assert (await run(BROKEN, retries=0)).attempts == 1


async def test_damaged_bytes_are_requested_once_more_past_all_caches() -> None:
    it = await run(CORRUPT)
    assert it.attempts == 2
    assert [dict(fetch.request.headers).get("cache-control") for fetch in it.fetches] == [None, "no-cache"]
    assert (await run(BROKEN, CORRUPT)).attempts == 3
    assert (await run(CORRUPT, BROKEN, CORRUPT)).attempts == 3


async def test_a_retry_after_is_waited_out_in_full_and_not_shortened_by_chance() -> None:
    assert (await run(BROKEN._replace(retry_after=7), "whole", chance=0)).waits == [7]
    assert (await run(BROKEN._replace(retry_after=0.1), "whole")).waits == [0.5]


async def test_a_retry_after_beyond_the_time_limit_ends_it_at_once_and_is_named() -> None:
    beyond = "it broke: Retry-After of {} is beyond the time limit"
    assert await message(BROKEN._replace(retry_after=86400)) == beyond.format("86400 s (24 h)")
    assert await message(BROKEN._replace(retry_after=1e9)) == beyond.format("1000000000 s (11,574 days)")
    assert await message(BROKEN._replace(retry_after=10), spent=111) == beyond.format("10 s")
    assert await message(BROKEN._replace(retry_after=float("inf"))) == beyond.format("inf s")


async def test_a_retry_after_of_the_last_attempt_is_told() -> None:
    assert await message(BROKEN._replace(retry_after=7)) == "it broke: Retry-After of 7 s"


async def test_no_wait_begins_that_the_time_limit_would_cut() -> None:
    assert await message(BROKEN, spent=119.6) == "it broke"
    assert (await run(BROKEN, "whole", spent=119.4)).waits == [0.5]
