"""Asking again, for as long as `rules.policy.retry` advises it. tenacity supplies the loop.

It is imported with the first failure, and what goes well at once has no need of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from imgfetch.rules.policy.retry import Wait

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from imgfetch.engine.time_budget import TimeBudget

T = TypeVar("T")


async def retry_while_advised(attempt: Callable[[int], Awaitable[T | Wait]], budget: TimeBudget) -> T:
    """What comes of the last attempt; each is told its number, from 1 on, and may ask to be waited for."""
    first = await attempt(1)
    return await _go_on(attempt, first, budget) if isinstance(first, Wait) else first


async def _go_on(attempt: Callable[[int], Awaitable[T | Wait]], first: Wait, budget: TimeBudget) -> T:
    from tenacity import AsyncRetrying, retry_if_result

    attempts = 0

    async def counted() -> T | Wait:
        nonlocal attempts
        attempts += 1
        return first if attempts == 1 else await attempt(attempts)

    retrying = AsyncRetrying(
        retry=retry_if_result(lambda result: isinstance(result, Wait)),
        wait=lambda state: state.outcome.result().seconds if state.outcome else 0.0,
        sleep=budget.sleep,
    )
    outcome: T = await retrying(counted)
    return outcome
