"""One HTTP/1.1 connection: a request and its response at a time.

send ─▶ send_body ─▶ head ─▶ data … None ─▶ make_reusable
         (if any)      └─ the first bytes decide: `plain.PlainBody`, or `h11_fallback.H11Exchange`
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

from imgfetch.errors import NetworkError
from imgfetch.http import plain
from imgfetch.http.connect import why
from imgfetch.model.result import ErrorKind
from imgfetch.rules.http import response_head

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    from imgfetch.http.address_slots import Slot
    from imgfetch.http.h11_fallback import H11Exchange
    from imgfetch.model.values import Buffer

READ_AHEAD = 256 * 1024
"""Bytes that a connection receives before its reader wants them, and in one read."""

NEVER = float("inf")

Incoming: TypeAlias = "plain.PlainBody | H11Exchange"


class Timeouts(NamedTuple):
    """Seconds; `NEVER` for no limit."""

    connect: float
    """The limit of each step: the name, TCP, TLS."""
    read: float
    """Without a byte received."""
    write: float
    """Without the connection taking more of a body."""
    head: float
    """From the request's turn until its whole response head is in."""


class ClosedUnanswered(NetworkError):
    """The connection ended before the first byte of a response."""


class BodyBroken(NetworkError):
    """The body of a response ended too early, or is malformed; `message` says how."""


class SendTimeout(NetworkError):
    """The server stopped reading in the middle of the request's body."""


class Connection(asyncio.BufferedProtocol):
    """A connection: one request and its response at a time."""

    def __init__(self, endpoint: plain.Endpoint, buffer: memoryview) -> None:
        """Read into `buffer`, which other connections overwrite between two reads."""
        self.endpoint = endpoint
        self.slot: Slot | None = None
        """Its part in the limit of its address."""
        self._timeouts = Timeouts(NEVER, NEVER, NEVER, NEVER)
        """Those of the request that uses it."""
        self._buffer = buffer
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self.closed: asyncio.Future[None] = self._loop.create_future()
        """Done when the connection is closed."""
        self.ended = False
        """True once no more bytes will be received."""
        self._error: Exception | None = None
        """The reason for its end; None if it was closed in order, or is open."""
        self._waiter: asyncio.Future[None] | None = None
        """The wait for bytes or the end; done when no task waits."""
        self._wait_until = 0.0
        """The end of that wait, in the time of the loop."""
        self._timer: asyncio.TimerHandle | None = None
        """Set for `_wait_until` or earlier during a wait: one timer serves many waits."""
        self._timer_at = 0.0
        self._writable: asyncio.Future[None] | None = None
        """The wait until the loop's transport takes more to send; None if it does."""
        self._unread = 0
        """Bytes received since the last wait."""
        self._in_use = False
        """True from a request to the end of its response."""
        self._received = False
        """True once a byte of that response was received."""
        self._incoming: Incoming | None = None

    # Calls by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the loop's transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has its methods, and another base

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the buffer to read into."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Process received bytes; close the connection if it is idle, for they answer no request."""
        if not self._in_use:
            self.abort()
            return
        self._received = True
        data = self._buffer[:nbytes]
        if self._incoming is None:
            self._incoming = read_response(data)
        else:
            self._incoming.feed(data)
        self._unread += nbytes
        if self._unread > READ_AHEAD:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Record that no more will be received."""
        self.ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Record that the connection is closed."""
        if not self.ended:
            self.ended, self._error = True, exc
        if self._timer is not None:
            self._timer.cancel()
        self._wake()
        self.resume_writing()
        self.closed.set_result(None)

    def pause_writing(self) -> None:
        """Let the sender of a body wait: too much of it is in memory."""
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        """Let the sender of a body go on."""
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # Calls by the pool

    def send(self, request: bytes, timeouts: Timeouts, exchange: H11Exchange | None = None) -> None:
        """Send a request; `exchange` reads its response, if the request is not a plain GET."""
        self._in_use, self._received, self._incoming = True, False, exchange
        self._timeouts = timeouts
        self._transport.write(request)

    async def send_body(self, body: AsyncIterable[bytes], exchange: H11Exchange) -> None:
        """Send the body of a request, unless the connection ends: a response may have come before that.

        Raises `SendTimeout`, and `Unsendable` where the body is not as long as Content-Length says.
        """
        async for piece in body:
            if self.ended:
                return
            await self._send_piece(exchange.encode_piece(piece))
        await self._send_piece(exchange.encode_end())

    async def _send_piece(self, data: bytes) -> None:
        if data:  # an empty chunk would be the last
            self._transport.write(data)
        if self._writable is None:
            return
        seconds = self._timeouts.write
        try:
            async with asyncio.timeout(None if seconds == NEVER else seconds):
                await self._writable
        except TimeoutError as error:
            late = f"connected, but the request's body was not taken within {seconds:g} s"
            raise SendTimeout(ErrorKind.TIMEOUT, late, limit="read_timeout") from error

    async def head(self, until: float) -> tuple[int, plain.Fields]:
        """Return status and fields of the final response, which must be in by `until`, in the loop's time.

        Raises `NetworkError`, or `HTTPError` for a redirect with an endless head.
        """
        try:
            while True:
                head = None if self._incoming is None else self._incoming.head()
                if head is not None:
                    return head
                if self.ended:
                    raise self._unanswered() from self._error
                await self._wait(until)
        except TimeoutError as error:
            if self._loop.time() >= until:
                raise NetworkError(
                    ErrorKind.TIMEOUT,
                    "connected, but no complete response head in time",
                    limit="read_timeout",
                ) from error
            late = f"connected, but no response within {self._timeouts.read:g} s"
            raise NetworkError(ErrorKind.TIMEOUT, late, limit="read_timeout") from error

    async def data(self) -> bytes | None:
        """Return more of the body; None at its end. Raises `BodyBroken`."""
        assert self._incoming is not None  # noqa: S101 (`head` was awaited before)
        try:
            while (data := self._incoming.piece()) == b"":
                if not self.ended:
                    await self._wait()
                elif self._error is not None or not self._incoming.end():
                    raise self._broken_off() from self._error
        except TimeoutError as error:
            raise BodyBroken(ErrorKind.TIMEOUT, "silence", limit="read_timeout") from error
        except plain.Malformed as error:
            if self.ended:
                raise self._broken_off() from error
            raise BodyBroken(error.kind, error.message) from error
        return data

    def make_reusable(self) -> bool:
        """Make ready for another request; return False if no other may use the connection."""
        self._in_use = False
        if self.ended or self._incoming is None or not self._incoming.is_complete():
            return False  # bytes beyond the response could be taken for the next one
        self._incoming = None
        self._resume_reading()  # an end, or bytes out of turn, must be seen while it is idle
        return True

    def abort(self) -> None:
        """Close at once. A body that ends with the connection is not complete by this."""
        if not self.ended:
            self.ended, self._error = True, ConnectionAbortedError()
        self._transport.abort()

    def _wait(self, until: float = NEVER) -> asyncio.Future[None]:
        """Return a future: done when bytes are received or the end is; `TimeoutError` if neither in time."""
        self._resume_reading()
        self._wait_until = min(self._loop.time() + self._timeouts.read, until)
        if self._wait_until != NEVER and (self._timer is None or self._wait_until < self._timer_at):
            self._set_timer()
        self._waiter = self._loop.create_future()
        return self._waiter

    def _resume_reading(self) -> None:
        if self._unread > READ_AHEAD:
            self._transport.resume_reading()
        self._unread = 0

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = self._wait_until
        self._timer = self._loop.call_at(self._timer_at, self._expire)

    def _expire(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done() or self._wait_until == NEVER:
            return
        if self._loop.time() < self._wait_until:
            self._set_timer()
        else:
            self._waiter.set_exception(TimeoutError())

    def _unanswered(self) -> NetworkError:
        kind = NetworkError if self._received else ClosedUnanswered
        if self._error is None:
            return kind(ErrorKind.RESET, "the connection was closed before a response came")
        if isinstance(self._error, ssl.SSLError):
            return kind(ErrorKind.RESET, f"TLS broke off before a response came: {why(self._error)}")
        return kind(ErrorKind.RESET, "the connection was reset before a response came")

    def _broken_off(self) -> BodyBroken:
        tls = isinstance(self._error, ssl.SSLError)
        how = f"TLS broke off: {why(self._error)}" if self._error and tls else "the connection ended"
        return BodyBroken(ErrorKind.INCOMPLETE, how)


def read_response(data: Buffer) -> Incoming:
    """Choose how to read the response to a plain GET that begins with `data`; copy what is needed of it."""
    head = response_head.plain(data)
    if head is not None:
        return plain.PlainBody(head, data)
    from imgfetch.http import h11_fallback

    return h11_fallback.read_response(data)
