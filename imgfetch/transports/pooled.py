"""imgfetch's connection pool for any httpx program: guarded addresses, and a low cost per request.

httpx.Request ─▶ http.pool.PooledResponse ─▶ httpx.Response
                         └─ an exception of imgfetch ─▶ httpx's own, with ours as its cause
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import httpx

from imgfetch.errors import CacheError, ImgfetchError, PolicyError, Unreachable, one_line, several
from imgfetch.http.connect import Connector
from imgfetch.http.connection import NEVER, SendTimeout, Timeouts
from imgfetch.http.plain import Message, Unsendable
from imgfetch.http.pool import Http1Pool, PooledResponse
from imgfetch.http.tls import trust
from imgfetch.model.request import Limits
from imgfetch.model.result import ErrorKind
from imgfetch.ports import AddressBusy
from imgfetch.system.clock import SystemClock
from imgfetch.transports.adapter import cause_of
from imgfetch.transports.blocking import BlockingTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator

_DAY = 86_400.0
"""Seconds to connect for a caller that sets no limit."""

_ALL = 1_000_000
"""Idle connections where `httpx.Limits` sets no limit."""


class PooledTransport(BlockingTransport):
    """A transport for `httpx.AsyncClient` or `httpx.Client` that connects to no internal address.

    Every address of a name is judged when a connection is made, and the very address that was judged is
    connected to: neither a redirect nor a name that answers differently the next time leads past that.
    `allow_hosts` names internal hosts, addresses or networks that may be contacted; `ca_bundle` is a file
    of certificate authorities to trust instead of the usual ones. `limits` are those of its connections,
    and of `httpx.AsyncClient` where none are given; `per_address` is how many may be open to one address,
    whatever names lead there. It speaks HTTP/1.1, not HTTP/2, and uses no proxy. Needs asyncio.

    A request is sent again only if an idle connection closed without a response, its method is idempotent
    and its body can be read again. Of `request.extensions`, `timeout` and `target` count.

    Raises httpx's exceptions. For a refused address it is `httpx.ConnectError`, and its cause `PolicyError`.
    """

    def __init__(
        self,
        allow_hosts: Collection[str] = (),
        *,
        ca_bundle: str | None = None,
        limits: httpx.Limits | None = None,
        per_address: int | None = None,
    ) -> None:
        super().__init__()
        limits = limits or httpx.Limits(max_connections=100, max_keepalive_connections=20)
        most, idle, expiry = (
            limits.max_connections,
            limits.max_keepalive_connections,
            limits.keepalive_expiry,
        )
        tls = None if ca_bundle is None else trust(ca_bundle)  # an unusable file is reported at once
        elapsed = SystemClock().elapsed
        self._turns = None if most is None else asyncio.Semaphore(most)
        self._pool = Http1Pool(
            Limits() if per_address is None else Limits(per_address=per_address),
            Connector(several(allow_hosts, "allow_hosts"), elapsed),
            lambda: tls or trust(None),
            elapsed,
            idle=_ALL if idle is None else idle,
            idle_seconds=NEVER if expiry is None else expiry,
            most=most,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; return its response as soon as the head is in."""
        timeout = request.extensions.get("timeout", {})
        response = PooledResponse(self._pool, str(request.url), _message(request), _timeouts(timeout))
        await self._take_turn(timeout.get("pool"))
        try:
            with _translated():
                await _enter(response, timeout.get("pool"))
        except BaseException:
            self._end_turn()
            raise
        fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.head.headers]
        return httpx.Response(response.head.status, headers=fields, stream=_Body(response, self._end_turn))

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.close()

    async def _take_turn(self, seconds: float | None) -> None:
        if self._turns is not None:
            await _within(seconds, self._turns.acquire())

    def _end_turn(self) -> None:
        if self._turns is not None:
            self._turns.release()


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: PooledResponse, end_turn: Callable[[], None]) -> None:
        self._response = response
        self._end_turn = end_turn
        self._is_open = True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _translated():
            async for piece in self._response:
                yield piece

    async def aclose(self) -> None:
        if self._is_open:
            self._is_open = False
            try:
                await self._response.__aexit__()
            finally:
                self._end_turn()


async def _enter(response: PooledResponse, pool_timeout: float | None) -> None:
    """Send a request, when its address has a free connection."""
    with ExitStack() as waits:
        while True:
            try:
                await response.__aenter__()
            except AddressBusy as busy:
                waits.callback(busy.pass_on)
                await _within(pool_timeout, busy.wait())
            else:
                return


async def _within(seconds: float | None, work: Awaitable[object]) -> None:
    try:
        async with asyncio.timeout(seconds):
            await work
    except TimeoutError as error:
        raise httpx.PoolTimeout(f"no connection came free within {seconds:g} s") from error


def _message(request: httpx.Request) -> Message:
    url, fields = request.url, tuple(request.headers.raw)
    if url.scheme not in ("http", "https") or not url.raw_host:
        raise httpx.UnsupportedProtocol(f"not an absolute http: or https: URL: {url.scheme!r}")
    framed = any(name.lower() in _FRAMING and value != b"0" for name, value in fields)
    return Message(
        (url.scheme, url.raw_host.decode("ascii"), url.port or (443 if url.scheme == "https" else 80)),
        request.extensions.get("target", url.raw_path),
        fields,
        request.method,
        request.stream if framed else None,  # type: ignore[arg-type] # `httpx.AsyncClient` sends no other
        isinstance(request.stream, httpx.ByteStream),
    )


_FRAMING = (b"content-length", b"transfer-encoding")


def _timeouts(timeout: dict[str, float | None]) -> Timeouts:
    connect, read, write = (timeout.get(name) for name in ("connect", "read", "write"))
    return Timeouts(
        _DAY if connect is None else connect,
        NEVER if read is None else read,
        NEVER if write is None else write,
        NEVER,
    )


@contextmanager
def _translated() -> Iterator[None]:
    """Raise imgfetch's exceptions as httpx's."""
    try:
        yield
    except ImgfetchError as error:
        hint = None if error.limit else error.hint  # the hint for a limit names those of `Client`
        raise _class_for(error)(one_line(error.url, error.message, hint)) from error


def _class_for(error: ImgfetchError) -> type[httpx.TransportError]:
    match error:
        case Unsendable():
            return httpx.LocalProtocolError
        case SendTimeout():
            return httpx.WriteTimeout
        case Unreachable(kind=ErrorKind.TIMEOUT):
            return httpx.ConnectTimeout
        case Unreachable() | PolicyError() | CacheError() | ImgfetchError(kind=ErrorKind.TLS):
            return httpx.ConnectError
        case ImgfetchError(kind=ErrorKind.TIMEOUT):
            return httpx.ReadTimeout
        case ImgfetchError(kind=ErrorKind.RESET | ErrorKind.INCOMPLETE) if cause_of(error, OSError):
            return httpx.ReadError
        case _:  # a connection that was closed in order, and too early, or what is not HTTP
            return httpx.RemoteProtocolError


GuardedTransport = PooledTransport
"""The earlier name."""
