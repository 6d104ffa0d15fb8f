"""Names to addresses, each asked for once a minute, in threads of our own.

    Names.resolve ─▶ Lookups.begin ─▶ its turn (rules.crawl.name_lookups) ─▶ a daemon thread ─▶ the event loop

A thread that waits for the system's resolver cannot be interrupted. The threads of the event loop's own
executor are few, others need them, and the end of the process waits for them. These are daemon threads:
when a client is closed, or the process ends, they are left behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
from ipaddress import ip_address
from typing import TYPE_CHECKING, TypeAlias

from imgfetch.errors import CacheError, Unreachable
from imgfetch.model.result import ErrorKind
from imgfetch.rules.crawl import name_lookups

if TYPE_CHECKING:
    from collections.abc import Callable

LookUp: TypeAlias = "Callable[[str], list[str]]"
"""Gives the addresses of a host, at least one. Blocks. Raises `OSError` or `UnicodeError`."""


def look_up(host: str) -> list[str]:
    """Ask the system for the addresses of a host."""
    # Bytes are asked for as they are; a `str` would be taken for IDNA, whose tables take long to load.
    name = host.encode() if host.isascii() else host
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


class Names:
    """Addresses by name, each asked for once a minute at most, however many connections are made."""

    LIFETIME = 60.0
    MOST = 4096
    """Names that are remembered."""

    def __init__(self, elapsed: Callable[[], float], look_up: LookUp = look_up) -> None:
        """`elapsed` gives seconds on a clock that is never set."""
        self._elapsed = elapsed
        self._lookups = Lookups(look_up)
        self._known: dict[str, tuple[float, Lookup]] = {}

    async def resolve(self, host: str, timeout: float | None = None) -> list[str]:  # noqa: ASYNC109
        """Return the addresses of a host, at least one. Raises `NetworkError` (`dns`) and `CacheError`.

        `timeout`: seconds to wait, the queue included. A look-up that has started goes on for later callers.
        """
        if _is_address(host):
            return [host]
        lookup = self._lookup(host)
        lookup.waiting += 1
        try:
            # Shared: a caller that is cancelled must not take the answer from the others.
            await asyncio.wait([lookup.answer], timeout=timeout)
        finally:
            lookup.waiting -= 1
            if not lookup.waiting and self._lookups.withdraw(lookup):
                self.forget(host)
        if not lookup.answer.done():
            late = f"cannot find the host {host}: no answer from the resolver within {timeout:g} s"
            raise Unreachable(ErrorKind.DNS, late)
        answer = lookup.answer.result()
        if isinstance(answer, list):
            return answer
        self.forget(host)
        if not isinstance(answer, OSError | UnicodeError):
            raise answer
        if not _may_open():
            raise too_many_open_files() from answer
        why = answer.strerror if isinstance(answer, OSError) and answer.strerror else str(answer)
        raise Unreachable(ErrorKind.DNS, f"cannot find the host {host}: {why}") from answer

    def forget(self, host: str) -> None:
        """Ask again the next time."""
        self._known.pop(host, None)

    def _lookup(self, host: str) -> Lookup:
        """Return the look-up of a host that is under way, or the last one where its answer still holds."""
        until, lookup = self._known.get(host, (0.0, None))
        now = self._elapsed()
        ours = lookup is not None and lookup.answer.get_loop() is asyncio.get_running_loop()
        if lookup is not None and ours and (until >= now or not lookup.answer.done()):
            return lookup
        lookup = self._lookups.begin(host)
        if len(self._known) >= self.MOST:
            del self._known[next(iter(self._known))]
        self._known[host] = (now + self.LIFETIME, lookup)
        return lookup


class Lookup:
    """One look-up: in the queue, in a thread, or answered."""

    def __init__(self, host: str, answer: asyncio.Future[list[str] | Exception]) -> None:
        self.host = host
        self.parent = name_lookups.parent(host)
        self.answer = answer
        self.waiting = 0
        """Callers that wait for the answer."""
        self.stuck = False
        self.timer: asyncio.TimerHandle | None = None


class Lookups:
    """Runs look-ups in daemon threads, the earliest that `rules.crawl.name_lookups` lets start first."""

    def __init__(self, look_up: LookUp, *, stuck_after: float = name_lookups.STUCK) -> None:
        """`stuck_after`: seconds after which a look-up does not count among those at work."""
        self._look_up = look_up
        self._stuck_after = stuck_after
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue: list[Lookup] = []
        self._running: dict[Lookup, None] = {}

    def begin(self, host: str) -> Lookup:
        """Begin a look-up, at once or when its turn comes."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # no answer reaches a loop that is closed
            self._loop, self._queue, self._running = loop, [], {}
        lookup = Lookup(host, loop.create_future())
        self._queue.append(lookup)
        self._start()
        return lookup

    def withdraw(self, lookup: Lookup) -> bool:
        """Take a look-up out of the queue; tell whether it was there."""
        if lookup not in self._queue:
            return False
        self._queue.remove(lookup)
        return True

    def _start(self) -> None:
        """Start all that may run now."""
        assert self._loop is not None  # noqa: S101 (a look-up was begun)
        while self._queue:
            running = [name_lookups.Running(one.parent, one.stuck) for one in self._running]
            place = name_lookups.next_to_start((one.host for one in self._queue), running)
            if place is None:
                return
            lookup = self._queue.pop(place)
            self._running[lookup] = None
            lookup.timer = self._loop.call_later(self._stuck_after, self._is_stuck, lookup)
            thread = threading.Thread(
                target=self._work, args=(lookup, self._loop), daemon=True, name=f"look-up of {lookup.host}"
            )
            try:
                thread.start()
            except RuntimeError:
                self._finish(lookup, OSError(errno.EAGAIN, "too many threads"))

    def _work(self, lookup: Lookup, loop: asyncio.AbstractEventLoop) -> None:
        """Look a name up. Runs in a thread of its own."""
        answer: list[str] | Exception
        try:
            answer = self._look_up(lookup.host)
        except Exception as error:  # it is raised where the answer is waited for
            answer = error
        with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits
            loop.call_soon_threadsafe(self._done, lookup, answer)

    def _done(self, lookup: Lookup, answer: list[str] | Exception) -> None:
        self._finish(lookup, answer)
        if lookup.answer.get_loop() is self._loop:
            self._start()

    def _finish(self, lookup: Lookup, answer: list[str] | Exception) -> None:
        if lookup.timer is not None:
            lookup.timer.cancel()
        self._running.pop(lookup, None)
        if not lookup.answer.done():
            lookup.answer.set_result(answer)

    def _is_stuck(self, lookup: Lookup) -> None:
        lookup.stuck = True
        self._start()


def too_many_open_files() -> CacheError:
    """Make the error for a process that may open no more files."""
    hint = "lower --jobs, or raise the limit with ulimit -n"
    return CacheError(ErrorKind.IO, "too many open files", hint=hint)


def _is_address(host: str) -> bool:
    """Tell whether a host is an address as it stands; other spellings of one are for the system to read."""
    if not (":" in host or host[-1:].isdigit()):
        return False
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _may_open() -> bool:
    """Tell whether one more file may be opened: where not, the resolver says that no host has any name."""
    try:
        socket.socket().close()
    except OSError:
        return False
    return True
