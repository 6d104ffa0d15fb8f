"""Limits on the requests under way: in all, and to each host.

    slot ─▶ the host's queue ─▶ host_limits.admit ─▶ pace ─▶ one of all slots ─▶ response ─▶ host_limits.after

Requests wait here and not in a connection pool, which would search all that wait whenever one may go.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, assert_never

from imgfetch.engine.limits.pace import Pace, Paces
from imgfetch.errors import ImgfetchError, Unreachable
from imgfetch.ports import AddressBusy
from imgfetch.rules.crawl import host_limits
from imgfetch.rules.policy import retry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from imgfetch.engine.limits.time_budget import TimeBudget
    from imgfetch.model.request import Limits, Request
    from imgfetch.model.result import Failure
    from imgfetch.ports import Clock, Response, Transport


class HostLimiter:
    """The slots of one run: first come, first served within each origin."""

    def __init__(self, limits: Limits, clock: Clock, *, delay: float = 0.0) -> None:
        """`delay` is the number of seconds between two requests to one host."""
        self.limits = limits
        self.clock = clock
        self.paces = Paces(delay, clock)
        self._slots = asyncio.Semaphore(limits.jobs)
        self._hosts: dict[str, _Host] = {}

    def slot(self, origin: str, budget: TimeBudget) -> Slot:
        """Wait for a slot at `origin` (scheme, host and port), and occupy it for the block.

        The block gets a Failure where the origin admits no request in time. Waits that the origin has asked
        for are spent of `budget`.
        """
        return Slot(self, origin, budget)

    def host(self, origin: str) -> _Host:
        """Return the state of an origin, made when it is first asked for."""
        host = self._hosts.get(origin)
        if host is None:
            host = self._hosts[origin] = _Host(host_limits.initial_state(self.limits))
        return host

    async def acquire(self, host: _Host, budget: TimeBudget, pace: Pace | None) -> Failure | None:
        """Take a slot of a host, and one of all; return a Failure if the host admits no request.

        With a `pace`, the request has its turn too.
        """
        if pace is None and not host.queue and isinstance(self._admit(host, budget), host_limits.Proceed):
            host.under_way += 1
        elif (refused := await self._queue(host, budget, pace)) is not None:
            return refused
        try:
            # The host's first: a request that waits for a busy host must not occupy a slot of an idle one.
            await self._slots.acquire()
        except BaseException:
            host.under_way -= 1
            if pace is not None:
                pace.pass_on()
            raise
        return None

    def release_shared(self) -> None:
        """Give back one of all slots."""
        self._slots.release()

    async def acquire_shared(self) -> None:
        """Take one of all slots."""
        await self._slots.acquire()

    def leave(self, origin: str, host: _Host) -> None:
        """Admit the next in the queue; forget a host that no request needs."""
        if host.queue:
            host.notify()
        elif not host.under_way:
            self._forget(origin, host)

    async def _queue(self, host: _Host, budget: TimeBudget, pace: Pace | None) -> Failure | None:
        """Wait behind earlier requests; the first in the queue waits for what the host asks, and its turn."""
        notified = asyncio.Event()
        host.queue.append(notified)
        try:
            while True:
                if host.queue[0] is not notified:
                    await notified.wait()
                notified.clear()
                if host.queue[0] is not notified:
                    continue
                match self._admit(host, budget):
                    case host_limits.Proceed():
                        if pace is not None and not await self._take_turn(pace, host, budget):
                            continue
                        host.under_way += 1
                        return None
                    case host_limits.Queue():
                        await notified.wait()
                    case host_limits.Delay(seconds):
                        await budget.sleep(seconds)
                    case host_limits.FailFast(failed):
                        return failed
                    case other:
                        assert_never(other)
        finally:
            host.queue.remove(notified)
            host.notify()

    async def _take_turn(self, pace: Pace, host: _Host, budget: TimeBudget) -> bool:
        """Wait for a turn; give it back, and return False, if the host admits no request any more."""
        await pace.take_turn()
        if isinstance(self._admit(host, budget), host_limits.Proceed):
            return True
        pace.pass_on()
        return False

    def _admit(
        self, host: _Host, budget: TimeBudget
    ) -> host_limits.Proceed | host_limits.Queue | host_limits.Delay | host_limits.FailFast:
        now = self.clock.elapsed()
        return host_limits.admit(host.state, under_way=host.under_way, now=now, left=budget.remaining)

    def _forget(self, origin: str, host: _Host) -> None:
        """Drop an idle host, unless its state differs from that of a new one."""
        if self._hosts.get(origin) is not host:
            return
        now = self.clock.elapsed()
        if len(self._hosts) > _MAX_HOSTS or host_limits.is_forgettable(
            host.state, now=now, limits=self.limits
        ):
            del self._hosts[origin]


class Slot:
    """A slot at an origin: waited for, and occupied for the length of a block."""

    def __init__(self, limiter: HostLimiter, origin: str, budget: TimeBudget) -> None:
        self._limiter = limiter
        self._origin = origin
        self._budget = budget
        self._host = limiter.host(origin)
        self._pace = limiter.paces.of(origin)
        self._has_turn = False
        self._has_host_slot = False
        self._has_shared_slot = False
        self._began = 0.0

    async def __aenter__(self) -> Slot | Failure:
        try:
            refused = await self._limiter.acquire(self._host, self._budget, self._pace)
        except BaseException:
            self._limiter.leave(self._origin, self._host)
            raise
        if refused is not None:
            return refused
        self._has_host_slot = self._has_shared_slot = True
        self._has_turn = self._pace is not None
        self._began = self._limiter.clock.elapsed()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._has_turn and self._pace is not None:
            self._pace.pass_on()
        if self._has_shared_slot:
            self._limiter.release_shared()
        if self._has_host_slot:
            self._host.under_way -= 1
        self._limiter.leave(self._origin, self._host)

    @asynccontextmanager
    async def response(self, transport: Transport, request: Request) -> AsyncIterator[Response]:
        """Send a request, and give its response for the block, all within the time budget.

        Waits first until the address that the request leads to may have another connection. Records an error
        against the origin before it raises it; how any other response ended, the caller records.
        """
        busy: AddressBusy | None = None
        try:
            while True:
                try:
                    self._end_turn()
                    async with self._budget.limit(), transport.send(request) as response:
                        yield response
                        return
                except AddressBusy as error:
                    if busy is not None:
                        busy.pass_on()
                    busy = error
                await self._wait_for_address(busy)
        except ImgfetchError as error:
            self.record(retry.failure_of(error, request.url), reached=not isinstance(error, Unreachable))
            raise
        finally:
            if busy is not None:
                busy.pass_on()

    def record(self, failed: Failure | None, *, reached: bool = True) -> None:
        """Update the state of the origin by how a request ended; `reached`: there was a connection."""
        self._host.state = host_limits.after(
            self._host.state,
            failed,
            reached=reached,
            began=self._began,
            now=self._limiter.clock.elapsed(),
            limits=self._limiter.limits,
        )

    def _end_turn(self) -> None:
        """Let the pause of the host begin: the request is sent now."""
        if self._has_turn and self._pace is not None:
            self._has_turn = False
            self._pace.sent()

    async def _wait_for_address(self, busy: AddressBusy) -> None:
        """Wait until an address may have another connection, without a shared slot."""
        self._limiter.release_shared()
        self._has_shared_slot = False
        await busy.wait()
        if self._pace is not None:
            await self._pace.take_turn()
            self._has_turn = True
        await self._limiter.acquire_shared()
        self._has_shared_slot = True
        self._began = self._limiter.clock.elapsed()


class _Host:
    """One origin: its state, the number of its running requests, and the queue of waiting requests."""

    def __init__(self, state: host_limits.HostState) -> None:
        self.state = state
        self.under_way = 0
        self.queue: deque[asyncio.Event] = deque()

    def notify(self) -> None:
        """Have the first in the queue check whether it is admitted."""
        if self.queue:
            self.queue[0].set()


_MAX_HOSTS = 4096
"""Hosts that are remembered."""
