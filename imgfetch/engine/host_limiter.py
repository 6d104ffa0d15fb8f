"""Turns: how many requests may be in flight, in all and to each host.

    turn ─▶ the queue of the host's lane ─▶ manners.admit ─▶ a place in all ─▶ a request ─▶ learn

Requests wait here and not in a connection pool, which would search all who wait at every turn.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, assert_never

from imgfetch.rules.crawl import host_limits

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from imgfetch.engine.time_budget import TimeBudget
    from imgfetch.model.request import Limits
    from imgfetch.model.result import Failure
    from imgfetch.ports import Clock


class HostLimiter:
    """The turns of one run. First come, first served, within each origin."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self.limits = limits
        self.clock = clock
        self._all = asyncio.Semaphore(limits.jobs)
        self._lanes: dict[str, _Host] = {}

    def slot(self, origin: str, budget: TimeBudget) -> Slot:
        """Wait for a turn with `origin` (scheme, host and port), and hold it for the block.

        A Failed where there will be none. Time that the origin has asked for is spent of `budget`.
        """
        return Slot(self, origin, budget)

    def host(self, origin: str) -> _Host:
        """The lane of an origin."""
        lane = self._lanes.get(origin)
        if lane is None:
            lane = self._lanes[origin] = _Host(host_limits.initial_state(self.limits))
        return lane

    async def wait(self, lane: _Host, budget: TimeBudget) -> Failure | None:
        """Get a place in a lane, to be given back, and in all; or hear why there will be none."""
        if not lane.queue and isinstance(self._admit(lane, budget), host_limits.Proceed):
            lane.under_way += 1
        elif (refused := await self._queue(lane, budget)) is not None:
            return refused
        try:
            # The lane first: who waits for a busy host must not keep a place from an idle one.
            await self._all.acquire()
        except BaseException:
            lane.under_way -= 1
            raise
        return None

    def release(self, lane: _Host, *, in_all: bool) -> None:
        """Let others have the place in a lane, and the place in all if it is taken."""
        if in_all:
            self._all.release()
        lane.under_way -= 1

    async def aside(self, waiting: Awaitable[None]) -> None:
        """Let others have a place in all while one waits; on an exception it stays given back."""
        self._all.release()
        await waiting
        await self._all.acquire()

    def leave(self, origin: str, lane: _Host) -> None:
        """Let the others go on, and take a lane down that nobody needs."""
        if lane.queue:
            lane.call()
        elif not lane.under_way:
            self._forget(origin, lane)

    async def _queue(self, lane: _Host, budget: TimeBudget) -> Failure | None:
        """Wait behind who came before; the first in the queue waits for what the origin asks of all."""
        called = asyncio.Event()
        lane.queue.append(called)
        try:
            while True:
                if lane.queue[0] is not called:
                    await called.wait()
                called.clear()
                if lane.queue[0] is not called:
                    continue
                match self._admit(lane, budget):
                    case host_limits.Proceed():
                        lane.under_way += 1
                        return None
                    case host_limits.Queue():
                        await called.wait()
                    case host_limits.Delay(seconds):
                        await budget.sleep(seconds)
                    case host_limits.FailFast(failed):
                        return failed
                    case other:
                        assert_never(other)
        finally:
            lane.queue.remove(called)
            lane.call()

    def _admit(
        self, lane: _Host, budget: TimeBudget
    ) -> host_limits.Proceed | host_limits.Queue | host_limits.Delay | host_limits.FailFast:
        now = self.clock.elapsed()
        return host_limits.admit(lane.standing, under_way=lane.under_way, now=now, left=budget.remaining)

    def _forget(self, origin: str, lane: _Host) -> None:
        """Take a lane down that nobody is in, if there is nothing to remember of it."""
        if self._lanes.get(origin) is not lane:
            return
        now = self.clock.elapsed()
        if len(self._lanes) > _MOST or host_limits.is_forgettable(lane.standing, now=now, limits=self.limits):
            del self._lanes[origin]


class Slot:
    """A place in the lane of an origin, waited for, and held for the length of a block."""

    def __init__(self, lanes: HostLimiter, origin: str, budget: TimeBudget) -> None:
        self._lanes = lanes
        self._origin = origin
        self._patience = budget
        self._lane = lanes.host(origin)
        self._is_held = False
        self._is_aside = False
        self._began = 0.0

    async def __aenter__(self) -> Slot | Failure:
        try:
            refused = await self._lanes.wait(self._lane, self._patience)
        except BaseException:
            self._lanes.leave(self._origin, self._lane)
            raise
        if refused is not None:
            return refused
        self._is_held = True
        self._began = self._lanes.clock.elapsed()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._is_held:
            self._lanes.release(self._lane, in_all=not self._is_aside)
        self._lanes.leave(self._origin, self._lane)

    async def aside(self, waiting: Awaitable[None]) -> None:
        """Wait, and let requests to other hosts have the place in all meanwhile."""
        self._is_aside = True
        await self._lanes.aside(waiting)
        self._is_aside = False
        self._began = self._lanes.clock.elapsed()

    def learn(self, failed: Failure | None, *, reached: bool = True) -> None:
        """Take in how the request has ended; `reached` is whether there was a connection."""
        self._lane.standing = host_limits.after(
            self._lane.standing,
            failed,
            reached=reached,
            began=self._began,
            now=self._lanes.clock.elapsed(),
            limits=self._lanes.limits,
        )


class _Host:
    """One origin: how we stand with it, how many requests are under way, and who waits."""

    def __init__(self, standing: host_limits.HostState) -> None:
        self.standing = standing
        self.under_way = 0
        self.queue: deque[asyncio.Event] = deque()

    def call(self) -> None:
        """Let the first in the queue look whether it may go."""
        if self.queue:
            self.queue[0].set()


_MOST = 4096
"""HostLimiter that are remembered."""
