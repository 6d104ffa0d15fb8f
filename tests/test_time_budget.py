"""The time limit of one image."""

from __future__ import annotations

import asyncio

import pytest

from fakes import FakeClock
from imgfetch.engine.limits.time_budget import TimeBudget
from imgfetch.errors import NetworkError
from imgfetch.model.result import ErrorKind

pytestmark = pytest.mark.anyio


async def test_a_block_ends_at_the_time_limit() -> None:
    with pytest.raises(NetworkError) as raised:
        async with TimeBudget(0.01, FakeClock()).limit():
            await asyncio.Event().wait()
    assert raised.value.kind is ErrorKind.TIMEOUT


async def test_a_timeout_of_the_block_itself_passes_unchanged() -> None:
    with pytest.raises(TimeoutError, match="the observer's own"):
        async with TimeBudget(60, FakeClock()).limit():
            raise TimeoutError("the observer's own")
