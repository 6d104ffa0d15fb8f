"""HTTP/1.1 with connections that are reused: HTTP/2 is not spoken.

    send ─▶ an idle connection, or a new one ─▶ request ─▶ head ─▶ body ─▶ idle again
                             (connect)              (connection)

httpx's own pool costs several times as much, and more with every request under way.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Self

from imgfetch.errors import CacheError, NetworkError, PolicyError
from imgfetch.http import plain
from imgfetch.http.address_slots import AddressSlots
from imgfetch.http.connection import READ_AHEAD, BodyBroken, ClosedUnanswered, Connection, Timeouts
from imgfetch.model.image import Defect
from imgfetch.model.request import Head
from imgfetch.rules.http import urls

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from imgfetch.http.address_slots import Slot
    from imgfetch.http.connect import Connector
    from imgfetch.http.h11_fallback import H11Exchange
    from imgfetch.model.request import Limits, Request

IDLE_SECONDS = 15.0
"""Seconds for which an idle connection is kept open."""


class Http1Pool:
    """`ports.Transport` with the address guard below it, and connections that are reused."""

    def __init__(
        self,
        limits: Limits,
        connector: Connector,
        tls: Callable[[], ssl.SSLContext],
        elapsed: Callable[[], float],
        *,
        idle: int,
        idle_seconds: float = IDLE_SECONDS,
        most: int | None = None,
    ) -> None:
        """Make a pool; `tls` makes the context when first needed, `elapsed` gives seconds that never go back.

        `idle`: idle connections to keep open, at most. `most`: connections of all kinds; the caller must not
        send more requests than that at once.
        """
        self._connector = connector
        self._tls = tls
        self._elapsed = elapsed
        connect, read = limits.connect_timeout, limits.read_timeout
        # A head takes the name, TCP, TLS and a response.
        self._timeouts = Timeouts(connect, read, read, 3 * connect + read)
        self._max_idle = idle
        self._idle_seconds = idle_seconds
        self._most = most
        self._idle: dict[Connection, float] = {}
        """When each connection became idle: the longest idle first."""
        self._idle_at: dict[plain.Endpoint, dict[Connection, None]] = {}
        """The idle connections to each endpoint: the last used at the end."""
        self._slots = AddressSlots(limits.per_address, self._idle_slot)
        self._connections: set[Connection] = set()
        self._closed = False
        self._buffer = memoryview(bytearray(READ_AHEAD))
        """Receive buffer shared by all connections; each read is copied out before the next one."""
        self._fields_of = lru_cache(maxsize=256)(_fields_of)
        self._encode_fields = lru_cache(maxsize=256)(plain.encode_fields)

    def send(self, request: Request) -> PooledResponse:
        """Send a GET and give its response while the block lasts. Raises `PolicyError`."""
        address = urls.read(request.url)
        if isinstance(address, Defect):
            raise PolicyError(address.kind, address.message)
        message = plain.Message(
            (address.scheme, address.host, address.port),
            address.target.encode("ascii"),
            self._fields_of(address.authority, request.headers),
        )
        return PooledResponse(self, request.url, message, self._timeouts)

    async def exchange(
        self, message: plain.Message, timeouts: Timeouts
    ) -> tuple[Connection, int, plain.Fields]:
        """Send a request; return the connection that the body comes on, and the response's status and fields.

        The caller gives the connection back with `put_back`. Raises `NetworkError`, `PolicyError`,
        `HTTPError`, `CacheError` and `AddressBusy`.
        """
        until = asyncio.get_running_loop().time() + timeouts.head
        while True:
            request, exchange = self._encode(message)
            reused = self._take(message.endpoint)
            connection = reused or await self._connect(message.endpoint, timeouts.connect)
            try:
                connection.send(request, timeouts, exchange)
                if message.body is not None and exchange is not None:
                    await connection.send_body(message.body, exchange)
                status, fields = await connection.head(until)
            except ClosedUnanswered:
                connection.abort()
                # An idle connection may close at any time: that answers no request (RFC 9112 §9.3.1).
                if reused is None or not message.may_repeat:
                    raise
            except BaseException:
                connection.abort()
                raise
            else:
                return connection, status, fields

    async def close(self) -> None:
        """Close every connection; those made from now on are closed after their request."""
        self._closed = True
        closing = [connection.closed for connection in self._connections]
        for connection in [*self._connections]:
            connection.abort()
        if closing:
            await asyncio.wait(closing)  # a caller that is cancelled here must not cancel the closing

    def _encode(self, message: plain.Message) -> tuple[bytes, H11Exchange | None]:
        """Encode a request without its body; return the exchange too, unless the request is a plain GET."""
        if message.method == "GET" and message.body is None:
            fields = self._encode_fields(message.fields)
            request = fields and plain.encode_get(message.target, fields)
            if request is not None:
                return request, None
        from imgfetch.http import h11_fallback

        return h11_fallback.encode(message)

    async def _connect(self, endpoint: plain.Endpoint, timeout: float) -> Connection:  # noqa: ASYNC109
        self._close_old()
        while self._most is not None and len(self._connections) >= self._most and self._idle:
            await asyncio.wait([self._close(next(iter(self._idle)))])
        while True:
            try:
                return await self._open(endpoint, timeout)
            except CacheError:  # too many open files
                if not await self._free_files():
                    raise

    async def _free_files(self) -> bool:
        """Close all idle connections; return whether any connection has closed, of these or before."""
        for connection in [*self._idle]:
            self._close(connection)
        closing = [connection.closed for connection in self._connections if connection.ended]
        if closing:
            await asyncio.wait(closing, return_when=asyncio.FIRST_COMPLETED)
        return bool(closing)

    async def _open(self, endpoint: plain.Endpoint, timeout: float) -> Connection:  # noqa: ASYNC109
        scheme, host, port = endpoint
        slot = self._slots.slot()
        try:
            connection = await self._connector.connect(
                lambda: Connection(endpoint, self._buffer),
                host,
                port,
                timeout=timeout,
                tls=self._tls() if scheme == "https" else None,
                slot=slot,
            )
        except BaseException:
            slot.release()
            raise
        connection.slot, slot.close = slot, partial(self._close, connection)
        self._connections.add(connection)
        connection.closed.add_done_callback(lambda _: self._forget(connection))
        return connection

    def _take(self, endpoint: plain.Endpoint) -> Connection | None:
        """Return the idle connection to an endpoint that was used last, unless that is too long ago."""
        connections = self._idle_at.get(endpoint)
        if connections is None:
            return None
        connection = next(reversed(connections))
        if self._idle[connection] <= self._elapsed() - self._idle_seconds:
            return None
        self._remove_idle(connection)
        return connection

    def put_back(self, connection: Connection) -> None:
        """Keep a connection for another request, or close it if no other may use it."""
        if self._closed or not connection.make_reusable():
            connection.abort()
            return
        self._idle[connection] = self._elapsed()
        self._idle_at.setdefault(connection.endpoint, {})[connection] = None
        if connection.slot is not None:
            connection.slot.offer()
        self._close_old()

    def _close_old(self) -> None:
        since = self._elapsed() - self._idle_seconds
        while self._idle:
            connection, idle_since = next(iter(self._idle.items()))
            if len(self._idle) <= self._max_idle and idle_since > since:
                return
            self._close(connection)

    def _remove_idle(self, connection: Connection) -> None:
        """Remove a connection from the idle ones, if it is among them."""
        if self._idle.pop(connection, None) is not None:
            del self._idle_at[connection.endpoint][connection]
            if not self._idle_at[connection.endpoint]:
                del self._idle_at[connection.endpoint]

    def _forget(self, connection: Connection) -> None:
        self._remove_idle(connection)
        self._connections.discard(connection)
        if connection.slot is not None:
            connection.slot.release()

    def _idle_slot(self, address: str) -> Slot | None:
        """Return the slot of the longest idle connection to an address; None without one."""
        for connection in self._idle:
            if connection.slot is not None and connection.slot.address == address:
                return connection.slot
        return None

    def _close(self, connection: Connection) -> asyncio.Future[None]:
        """Close a connection; return a future that is done when it is closed."""
        self._remove_idle(connection)
        connection.abort()
        return connection.closed


class PooledResponse:
    """`ports.Response` on a connection of the pool, for the length of a block."""

    head: Head
    _connection: Connection | None = None

    def __init__(self, pool: Http1Pool, url: str, message: plain.Message, timeouts: Timeouts) -> None:
        self._pool = pool
        self._url = url
        self._message = message
        self._timeouts = timeouts
        self._received = 0
        """Bytes of the body."""

    async def __aenter__(self) -> Self:
        self._connection, status, fields = await self._pool.exchange(self._message, self._timeouts)
        self.head = Head(self._url, status, fields)
        return self

    async def __aexit__(self, *_: object) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:  # leaving twice must not disturb the next request on it
            self._pool.put_back(connection)

    def body(self) -> PooledResponse:
        """Return the body as the origin sends it."""
        return self

    def __aiter__(self) -> PooledResponse:
        return self

    async def __anext__(self) -> bytes:
        if self._connection is None:
            raise StopAsyncIteration
        try:
            data = await self._connection.data()
        except BodyBroken as error:
            got = progress(self._received, self.head.get("content-length"))
            what = f"{got}, then {error.message}"
            raise NetworkError(error.kind, what, limit=error.limit) from error
        if data is None:
            raise StopAsyncIteration
        self._received += len(data)
        return data


def progress(received: int, length: str | None) -> str:
    """Return how much of a body was received, in words; `length` is the value of Content-Length."""
    known = length is not None and length.isascii() and length.isdigit() and len(length) < 20
    return f"got {received:,}" + (f" of {int(length or 0):,}" if known else "") + " bytes"


def _fields_of(authority: str, headers: plain.Fields) -> plain.EncodedFields:
    return (b"Host", authority.encode()), *plain.encoded(headers)
