"""Names to addresses, each looked up once a minute at most, in threads of our own.

    Names.resolve ─▶ Lookups.begin ─▶ its turn (rules.crawl.name_lookups) ─▶ a daemon thread ─▶ the event loop

A thread that waits for the system's resolver cannot be interrupted. The threads of the event loop's own
executor are few, other work needs them, and the end of the process waits for them. These are daemon
threads: the end of a client or of the process does not wait for them.
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
from imgfetch.rules.policy import retry

if TYPE_CHECKING:
    from collections.abc import Callable

LookUp: TypeAlias = "Callable[[str], list[str]]"
"""Returns the addresses of a host, at least one. Blocks. Raises `OSError` or `UnicodeError`."""


def look_up(host: str) -> list[str]:
    """Return the addresses of a host, from the system's resolver."""
    # A `str` would be encoded by IDNA, which loads large tables; bytes are looked up as they are.
    name = host.encode() if host.isascii() else host
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


class Names:
    """Addresses by name: each is looked up once a minute at most, for any number of connections."""

    LIFETIME = 60.0
    MOST = 4096
    """Names that are remembered with their addresses."""

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
            # The look-up is shared: a caller that is cancelled must not cancel it for the others.
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
        """Look the host up again the next time."""
        self._known.pop(host, None)

    def _lookup(self, host: str) -> Lookup:
        """Return the look-up of a host: under way, the last while it is valid, or a new one."""
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
    """A look-up: in the queue, in a thread, or answered."""

    def __init__(self, host: str, answer: asyncio.Future[list[str] | Exception]) -> None:
        self.host = host
        self.parent = name_lookups.parent(host)
        self.answer = answer
        self.waiting = 0
        """Callers that wait for the answer."""
        self.stuck = False
        self.timer: asyncio.TimerHandle | None = None


class Lookups:
    """Runs look-ups in daemon threads, in the order that `rules.crawl.name_lookups` decides."""

    def __init__(self, look_up: LookUp, *, stuck_after: float = name_lookups.STUCK) -> None:
        """`stuck_after`: seconds after which a running look-up makes way for another."""
        self._look_up = look_up
        self._stuck_after = stuck_after
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue: list[Lookup] = []
        self._running: dict[Lookup, None] = {}

    def begin(self, host: str) -> Lookup:
        """Start a look-up now, or queue it."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # a closed loop receives no answers
            self._loop, self._queue, self._running = loop, [], {}
        lookup = Lookup(host, loop.create_future())
        self._queue.append(lookup)
        self._start()
        return lookup

    def withdraw(self, lookup: Lookup) -> bool:
        """Remove a look-up from the queue; return whether it was there."""
        if lookup not in self._queue:
            return False
        self._queue.remove(lookup)
        return True

    def _start(self) -> None:
        """Start every look-up that may run now."""
        assert self._loop is not None  # noqa: S101 (`begin` has set it)
        while self._queue:
            running = [name_lookups.Running(one.parent, one.stuck) for one in self._running]
            position = name_lookups.next_to_start((one.host for one in self._queue), running)
            if position is None:
                return
            lookup = self._queue.pop(position)
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
        """Look a name up, in the thread of the look-up."""
        answer: list[str] | Exception
        try:
            answer = self._look_up(lookup.host)
        except Exception as error:  # `Names.resolve` raises it
            answer = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: no caller waits
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
    return CacheError(ErrorKind.IO, "too many open files", hint=retry.NEEDS_FILES)


def _is_address(host: str) -> bool:
    """Return whether a host is an address in its usual spelling; the resolver reads all others."""
    if not (":" in host or host[-1:].isdigit()):
        return False
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _may_open() -> bool:
    """Return whether one more file may be opened. If not, the resolver reports every host as unknown."""
    try:
        socket.socket().close()
    except OSError:
        return False
    return True
