"""Retries: another attempt after a failure, for as long as `rules.policy.retry` advises one.

    send ─▶ outcome ─▶ may another attempt help? ─▶ wait ─▶ in time? ─▶ before_sleep ─▶ sleep ─▶ send

tenacity runs the loop. It is imported after a first failure: a request that succeeds does not need it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from imgfetch.engine.events import RetryScheduled
from imgfetch.model.result import Failure
from imgfetch.rules.http import urls
from imgfetch.rules.policy import response_policy, retry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tenacity import RetryCallState

    from imgfetch.engine.events import Event
    from imgfetch.engine.limits.time_budget import TimeBudget
    from imgfetch.model.request import Fetch, Limits
    from imgfetch.ports import Clock

T = TypeVar("T")


class Retrying:
    """Repeats requests after failures that may pass."""

    def __init__(self, limits: Limits, clock: Clock, observe: Callable[[Event], None]) -> None:
        self.limits = limits
        self.clock = clock
        self.observe = observe

    async def repeat(
        self,
        failed: Failure,
        send: Callable[[Fetch], Awaitable[T | Failure]],
        fetch: Fetch,
        budget: TimeBudget,
    ) -> tuple[T | Failure, int]:
        """Send `fetch` again after it has `failed`, until it succeeds or no further attempt is advised.

        Returns the last outcome, and the number of attempts, the first one included.
        """
        attempts = _Attempts(self, failed, send, fetch, budget)
        outcome = await attempts.repeat()
        return outcome, attempts.count


class _Attempts(Generic[T]):
    """The attempts at one request, and what tenacity asks between two of them."""

    def __init__(
        self,
        retrying: Retrying,
        failed: Failure,
        send: Callable[[Fetch], Awaitable[T | Failure]],
        fetch: Fetch,
        budget: TimeBudget,
    ) -> None:
        self._limits, self._clock, self._observe = retrying.limits, retrying.clock, retrying.observe
        self._first = failed
        self._send = send
        self._fetch = fetch
        self._budget = budget
        self.count = 0

    async def repeat(self) -> T | Failure:
        """Make further attempts, if the first one calls for them."""
        if not self.may_help(self._first):
            return await self._next()
        from tenacity import AsyncRetrying, retry_if_result

        retrying = AsyncRetrying(
            retry=retry_if_result(self.may_help),
            wait=self._wait,
            stop=self._is_over,
            before_sleep=self._prepare,
            sleep=self._budget.sleep,
            retry_error_callback=self._give_up,
        )
        outcome: T | Failure = await retrying(self._next)
        return outcome

    async def _next(self) -> T | Failure:
        """Return the outcome of the first attempt, which tenacity has not seen, or make another."""
        outcome = await self._send(self._fetch) if self.count else self._first
        self.count += 1
        if isinstance(outcome, Failure):
            return outcome._replace(url=urls.redact(self._fetch.request.url), attempts=self.count)
        return outcome

    def may_help(self, outcome: T | Failure) -> bool:
        """Return whether another attempt may end better than this one."""
        return isinstance(outcome, Failure) and retry.may_help(
            outcome, bypassed_caches=self._fetch.bypass_caches
        )

    def _wait(self, state: RetryCallState) -> float:
        return retry.wait(_failure(state), self._limits, chance=self._clock.chance())

    def _is_over(self, state: RetryCallState) -> bool:
        return self.count > self._limits.retries or state.upcoming_sleep >= self._budget.remaining

    def _prepare(self, state: RetryCallState) -> None:
        failed = _failure(state)
        self._observe(RetryScheduled(failed, state.upcoming_sleep))
        self._fetch = response_policy.next_attempt(self._fetch, failed)

    def _give_up(self, state: RetryCallState) -> Failure:
        return retry.give_up(_failure(state), state.upcoming_sleep, self._limits)


def _failure(state: RetryCallState) -> Failure:
    assert state.outcome is not None  # noqa: S101 (tenacity asks after an attempt)
    failed: Failure = state.outcome.result()
    return failed
