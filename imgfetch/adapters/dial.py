"""Resolve a name, ask the guard, and connect to the very addresses it judged.

connect_tcp ─▶ Names.resolve ─▶ guard.judge ─▶ connect ─▶ Line
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import httpcore

from imgfetch.errors import HTTPError, NetworkError, PolicyError, Unreachable
from imgfetch.model import Reason
from imgfetch.rules import guard

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


class GuardedDialler(httpcore.AsyncNetworkBackend):
    """A network backend for httpcore that dials no internal address, unless its host is allowed.

    It sits below redirects, retries and connection reuse: no connection is made by any other way.
    """

    def __init__(self, allowed: Collection[str], elapsed: Callable[[], float]) -> None:
        """`elapsed` gives seconds on a clock that is never set."""
        self._allowed = allowed
        self._elapsed = elapsed
        self._names = Names(elapsed)
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (httpcore's signature)
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of `host` that answers. Raises `PolicyError`, `NetworkError`.

        The addresses share the time there is for a connection; of many, only those are tried that it is
        enough for.
        """
        addresses = await self._names.resolve(host, port, timeout)
        defect = guard.judge(host, addresses, allowed=self._allowed)
        if defect is not None:
            raise PolicyError(defect.reason, defect.message)
        failure: Exception | None = None
        until = None if timeout is None else self._elapsed() + timeout
        for address in _interleaved(addresses):
            left = None if until is None else until - self._elapsed()
            if failure is not None and left is not None and left <= 0:
                break
            share = left if timeout is None or left is None else min(left, _share(timeout, len(addresses)))
            try:
                return Line(
                    await self._backend.connect_tcp(address, port, share, local_address, socket_options)
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        self._names.forget(host, port)  # it may have moved
        assert failure is not None  # noqa: S101 (there is an address at least)
        raise failure

    async def sleep(self, seconds: float) -> None:
        """Wait between httpcore's own connection attempts, of which we ask for none."""
        await self._backend.sleep(seconds)


def _share(timeout: float, addresses: int) -> float:
    """Seconds for each of so many addresses: not so few that a host far away could not answer."""
    return max(timeout / addresses, min(timeout, 2.5))


def _interleaved(addresses: list[str]) -> list[str]:
    """IPv6 and IPv4 in turns (RFC 8305 §4): where one leads nowhere, the other comes before time is up."""
    first = [address for address in addresses if (":" in address) == (":" in addresses[0])]
    other = [address for address in addresses if address not in first]
    return [address for pair in zip_longest(first, other) for address in pair if address is not None]


class Line(httpcore.AsyncNetworkStream):
    """A connection that looks at what comes between a request and the end of its answer's head.

    h11 bounds each head, but keeps no count of interim responses (1xx), of which there may be no end; and
    it waits for the end of a line, where the first bytes tell that this will never be HTTP.
    """

    LONGEST_HEAD = 100_000
    """Bytes in a head."""
    LIMIT = 200_000
    """Bytes before the last head is in: a head, and a read of the body's beginning."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._beginning = b""
        self._blank = False
        """Whether a first head has ended."""
        self.received = 0
        """Bytes since the last request."""
        self.answered = False
        """Whether the head of the answer is in; set by whoever reads it."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        """Read what comes next."""
        try:
            data = await self._stream.read(max_bytes, timeout)
        except ssl.SSLError as error:  # httpcore translates it in the handshake, and not after
            raise httpcore.ReadError(str(error)) from error
        self.received += len(data)
        if not self.answered:
            self._look_at(data)
        return data

    def _look_at(self, data: bytes) -> None:
        self._beginning = (self._beginning + data[:12])[:12]
        if self._beginning[:5] != b"HTTP/"[: len(self._beginning)]:
            raise httpcore.RemoteProtocolError("no status line")
        self._blank = self._blank or _BLANK_LINE.search(data) is not None
        if self.received > self.LONGEST_HEAD and not self._blank:
            if self._beginning[9:10] == b"3":
                raise HTTPError(Reason.BAD_REDIRECT, "a redirect with a head of more than 100 KB")
            raise httpcore.RemoteProtocolError("a head of more than 100 KB")
        if self.received > self.LIMIT:
            raise httpcore.RemoteProtocolError(f"no answer in {self.received:,} bytes of interim ones")

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Send a request, or a part of it."""
        self._beginning, self._blank, self.received, self.answered = b"", False, 0, False
        try:
            await self._stream.write(buffer, timeout)
        except ssl.SSLError as error:
            raise httpcore.WriteError(str(error)) from error

    async def aclose(self) -> None:
        """Hang up."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        """The same line, encrypted. Raises `NetworkError` (`tls`) where the other side takes no part."""
        try:
            return Line(await self._stream.start_tls(ssl_context, server_hostname, timeout))
        except httpcore.ConnectTimeout as error:
            late = f"no TLS handshake within {timeout:g} s"
            raise NetworkError(Reason.TLS, late, hint="is this a port for plain http:?") from error

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 (httpcore's signature)
        """What is known of the socket."""
        return self._stream.get_extra_info(info)


_BLANK_LINE = re.compile(rb"\n\r?\n")
"""The end of a head. Where a read parts it, it goes unseen: that matters only to heads of 100 KB."""


class Names:
    """Addresses by name, each asked for once a minute at most, however many connections are made."""

    LIFETIME = 60.0
    MOST = 4096
    """Names that are remembered."""

    def __init__(self, elapsed: Callable[[], float]) -> None:
        self._elapsed = elapsed
        self._known: dict[tuple[str, int], tuple[float, asyncio.Task[list[str]]]] = {}

    async def resolve(self, host: str, port: int, timeout: float | None = None) -> list[str]:  # noqa: ASYNC109
        """The addresses of a host, at least one. Raises `NetworkError` (`dns`).

        `timeout`: seconds to wait. The resolver goes on for those who ask again.
        """
        until, answer = self._known.get((host, port), (0.0, None))
        if answer is None or until < self._elapsed() or answer.get_loop() is not asyncio.get_running_loop():
            answer = asyncio.create_task(_resolve(host, port))
            answer.add_done_callback(_seen)
            if len(self._known) >= self.MOST:
                del self._known[next(iter(self._known))]
            self._known[host, port] = (self._elapsed() + self.LIFETIME, answer)
        # Shared: who waits no longer must not take the answer from the others.
        await asyncio.wait([answer], timeout=timeout)
        if not answer.done():
            late = f"cannot find the host {host}: no answer from the resolver within {timeout:g} s"
            raise Unreachable(Reason.DNS, late)
        try:
            return answer.result()
        except NetworkError:
            self.forget(host, port)
            raise

    def forget(self, host: str, port: int) -> None:
        """Ask again the next time."""
        self._known.pop((host, port), None)


def _seen(answer: asyncio.Task[list[str]]) -> None:
    """Take note of an error that nobody waited for."""
    if not answer.cancelled():
        answer.exception()


async def _resolve(host: str, port: int) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Unreachable(Reason.DNS, f"cannot find the host {host}: {why}") from error
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
