"""The pause between two requests to one host: across its origins, redirects and retries.

    slot ─▶ turn ─▶ host_limits.pause ─▶ sleep ─▶ sent: the pause begins ─▶ the next turn

A request holds its turn until it is sent, so that the next one cannot follow too closely.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from imgfetch.model.image import Defect
from imgfetch.rules.crawl import host_limits
from imgfetch.rules.http import urls

if TYPE_CHECKING:
    from imgfetch.ports import Clock


class Pace:
    """The turns of the requests to one host."""

    def __init__(self, delay: float, clock: Clock) -> None:
        self._delay = delay
        self._clock = clock
        self._turn = asyncio.Lock()
        self._sent = float("-inf")

    async def take_turn(self) -> None:
        """Wait until the next request may be sent. The caller then calls `sent` or `pass_on`, once."""
        await self._turn.acquire()
        try:
            while (seconds := self._pause()) > 0:
                await self._clock.sleep(seconds)  # not of the time of an image: the caller asked for it
        except BaseException:
            self._turn.release()
            raise

    def sent(self) -> None:
        """End a turn: the request is sent now."""
        self._sent = self._clock.elapsed()
        self._turn.release()

    def pass_on(self) -> None:
        """End a turn without a request."""
        self._turn.release()

    @property
    def is_idle(self) -> bool:
        """True if nothing waits, and the next request may be sent at once."""
        return not self._turn.locked() and self._pause() <= 0

    def _pause(self) -> float:
        return host_limits.pause(self._sent, self._delay, now=self._clock.elapsed())


class Paces:
    """The paces of all hosts of one run."""

    def __init__(self, delay: float, clock: Clock) -> None:
        self._delay = delay
        self._clock = clock
        self._hosts: dict[str, Pace] = {}

    def of(self, origin: str) -> Pace | None:
        """Return the pace of the host of an origin; None if requests may follow each other at once."""
        if not self._delay:
            return None
        address = urls.read(origin)
        if isinstance(address, Defect):
            return None
        pace = self._hosts.get(address.host)
        if pace is None:
            self._forget_idle()
            pace = self._hosts[address.host] = Pace(self._delay, self._clock)
        return pace

    def _forget_idle(self) -> None:
        if len(self._hosts) >= _MAX_HOSTS:
            self._hosts = {host: pace for host, pace in self._hosts.items() if not pace.is_idle}


_MAX_HOSTS = 4096
"""Hosts from which on those without a pause are forgotten."""
