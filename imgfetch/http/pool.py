"""HTTP/1.1 on connections of our own: one request and its response, and nothing clever.

    send ─▶ an idle line, or a new one ─▶ request ─▶ head ─▶ body ─▶ idle again
                                  (dial)           (speech)

httpx's own pool costs several times as much, and more with every request that is in flight.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Self, TypeAlias, cast

from imgfetch.errors import CacheError, NetworkError, PolicyError
from imgfetch.http import plain
from imgfetch.http.address_slots import AddressSlots
from imgfetch.http.connect import Connector, why
from imgfetch.model.image import Defect
from imgfetch.model.request import Head
from imgfetch.model.result import ErrorKind
from imgfetch.rules.http import urls

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.http.address_slots import Slot
    from imgfetch.http.h11_fallback import H11Body
    from imgfetch.model.request import Limits, Request

Place: TypeAlias = "tuple[str, str, int]"
"""Scheme, host and port."""

IDLE = 15.0
"""Seconds for which a connection that nobody uses is kept."""

AHEAD = 256 * 1024
"""Bytes that a connection reads before anybody wants them, and at once."""


class Http1Pool:
    """`ports.Transport` with the address guard below it, and connections that are used again."""

    def __init__(
        self,
        limits: Limits,
        dialler: Connector,
        tls: Callable[[], ssl.SSLContext],
        elapsed: Callable[[], float],
        *,
        idle: int,
    ) -> None:
        """`tls` makes the context when first needed; `elapsed` gives seconds on a clock that is never set.

        `idle`: how many connections that nobody uses are kept.
        """
        self._limits = limits
        self._dialler = dialler
        self._tls = tls
        self._elapsed = elapsed
        # The name, TCP, TLS, and an answer.
        self._head_timeout = 3 * limits.connect_timeout + limits.read_timeout
        self._most_idle = idle
        self._idle: dict[Connection, float] = {}
        """Since when nobody uses each: the longest first."""
        self._to: dict[Place, dict[Connection, None]] = {}
        """Of the idle ones, those that lead to a place: the one used last at the end."""
        self._slots = AddressSlots(limits.per_address, self._idle_at)
        self._lines: set[Connection] = set()
        self._closed = False
        self._buffer = memoryview(bytearray(AHEAD))
        """Where all lines read, each in its turn: what one read there is taken out before another reads."""
        self._fields_of = lru_cache(maxsize=256)(plain.fields_of)

    def send(self, ask: Request) -> PooledResponse:
        """Send one GET and give its response while the block lasts."""
        return PooledResponse(self, ask)

    async def answered(self, ask: Request) -> tuple[Connection, Head]:
        """The head of the answer to a request, and the line on which its body comes."""
        address = urls.read(ask.url)
        if isinstance(address, Defect):
            raise PolicyError(address.kind, address.message)
        place = (address.scheme, address.host, address.port)
        until = asyncio.get_running_loop().time() + self._head_timeout
        while True:
            request, answer = self._written(address, ask)
            kept = self._take(place)
            line = kept or await self._connect(place)
            try:
                line.ask(request, answer)
                status, fields = await line.head(until)
            except _HungUp as error:
                line.drop()
                # An idle connection may end at any time: that is no answer to this request (RFC 9112 §9.3.1).
                if kept is None:
                    raise NetworkError(error.kind, error.message) from error
            except BaseException:
                line.drop()
                raise
            else:
                return line, Head(ask.url, status, fields)

    async def close(self) -> None:
        """Drop every connection, and keep none from now on."""
        self._closed = True
        gone = [line.gone for line in self._lines]
        for line in [*self._lines]:
            line.drop()
        if gone:
            await asyncio.wait(gone)  # who is cancelled here takes none of them along

    def _written(self, address: urls.Address, ask: Request) -> tuple[bytes, H11Body | None]:
        """The bytes of a request; and how its answer is read, where that is out of the ordinary."""
        fields = self._fields_of(address.authority, ask.headers)
        if fields is not None:
            return plain.written(address, fields), None
        from imgfetch.http import h11_fallback

        return h11_fallback.written(address, ask.headers)

    async def _connect(self, place: Place) -> Connection:
        self._drop_old()
        while True:
            try:
                return await self._dial(place)
            except CacheError:  # too many open files
                if not await self._make_room():
                    raise

    async def _make_room(self) -> bool:
        """Hang up on all that nobody uses; whether a connection has come to its end, of this or before."""
        for line in [*self._idle]:
            self._hang_up(line)
        closing = [line.gone for line in self._lines if line.ended]
        if closing:
            await asyncio.wait(closing, return_when=asyncio.FIRST_COMPLETED)
        return bool(closing)

    async def _dial(self, place: Place) -> Connection:
        scheme, host, port = place
        slot = self._slots.slot()
        try:
            line = await self._dialler.connect(
                lambda: Connection(place, self._limits.read_timeout, self._buffer),
                host,
                port,
                timeout=self._limits.connect_timeout,
                tls=self._tls() if scheme == "https" else None,
                slot=slot,
            )
        except BaseException:
            slot.release()
            raise
        line.slot, slot.close = slot, partial(self._hang_up, line)
        self._lines.add(line)
        line.gone.add_done_callback(lambda _: self._forget(line))
        return line

    def _take(self, place: Place) -> Connection | None:
        """The idle line to a place that was used last, unless that is too long ago."""
        lines = self._to.get(place)
        if lines is None:
            return None
        line = next(reversed(lines))
        if self._idle[line] <= self._elapsed() - IDLE:
            return None
        self._wake(line)
        return line

    def put_back(self, line: Connection) -> None:
        """Keep a line for another request, if it is good for one."""
        if self._closed or not line.start_again():
            line.drop()
            return
        self._idle[line] = self._elapsed()
        self._to.setdefault(line.place, {})[line] = None
        if line.slot is not None:
            line.slot.offer()
        self._drop_old()

    def _drop_old(self) -> None:
        since = self._elapsed() - IDLE
        while self._idle:
            line, idle_since = next(iter(self._idle.items()))
            if len(self._idle) <= self._most_idle and idle_since > since:
                return
            self._hang_up(line)

    def _wake(self, line: Connection) -> None:
        """Take a line out of the idle ones, if it is among them."""
        if self._idle.pop(line, None) is not None:
            del self._to[line.place][line]
            if not self._to[line.place]:
                del self._to[line.place]

    def _forget(self, line: Connection) -> None:
        self._wake(line)
        self._lines.discard(line)
        if line.slot is not None:
            line.slot.release()

    def _idle_at(self, address: str) -> Slot | None:
        """Return the slot of the connection to an address that was not used for longest, and is not now."""
        for line in self._idle:
            if line.slot is not None and line.slot.address == address:
                return line.slot
        return None

    def _hang_up(self, line: Connection) -> asyncio.Future[None]:
        """Close a connection that no request uses; return what is done when it is closed."""
        self._wake(line)
        line.drop()
        return line.gone


class PooledResponse:
    """`ports.Reply` on a line, for the length of a block."""

    _line: Connection
    head: Head

    def __init__(self, wire: Http1Pool, ask: Request) -> None:
        self._wire = wire
        self._ask = ask
        self._received = 0

    async def __aenter__(self) -> Self:
        self._line, self.head = await self._wire.answered(self._ask)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._wire.put_back(self._line)

    def body(self) -> PooledResponse:
        """Give the body as the origin sent it."""
        return self

    def __aiter__(self) -> PooledResponse:
        return self

    async def __anext__(self) -> bytes:
        try:
            data = await self._line.data()
        except _Broken as error:
            got = progress(self._received, self.head.get("content-length"))
            what = f"{got}, then {error.message}"
            raise NetworkError(error.kind, what, limit=error.limit) from error
        if data is None:
            raise StopAsyncIteration
        self._received += len(data)
        return data


class _HungUp(NetworkError):
    """The line ended before the first byte of an answer."""


class _Broken(NetworkError):
    """The body ended before its end; `message` says how."""


class Connection(asyncio.BufferedProtocol):
    """A connection: one request and its response at a time."""

    def __init__(self, place: Place, read_timeout: float, buffer: memoryview) -> None:
        """`buffer`: where to read, and what others may have overwritten by the next time."""
        self.place = place
        self.slot: Slot | None = None
        """Its part in the limit of its address."""
        self._read_timeout = read_timeout
        self._buffer = buffer
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self.gone: asyncio.Future[None] = self._loop.create_future()
        """Done when the connection is no more."""
        self.ended = False
        """Whether nothing more will come."""
        self._error: Exception | None = None
        """What it ended of; None where it was closed in order, or lives."""
        self._waiter: asyncio.Future[None] | None = None
        """Of who waits, and done where nobody does any more."""
        self._until = 0.0
        """How long it waits, in the time of the loop."""
        self._timer: asyncio.TimerHandle | None = None
        """Set for `_until` or before, if anything waits: one is set for many waits."""
        self._timer_at = 0.0
        self._ahead = 0
        """Bytes that nobody has taken yet."""
        self._asked = False
        self._heard = False
        """Whether anything came since then."""
        self._answer: plain.PlainBody | H11Body | None = None

    # What the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note by which way to write."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is like one, and is none

    def get_buffer(self, sizehint: int) -> memoryview:
        """Say where to read."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take bytes in; any that nobody asked for spoil the line."""
        if not self._asked:
            self.drop()
            return
        self._heard = True
        data = self._buffer[:nbytes]
        if self._answer is None:
            self._answer = plain.answer(data)
        else:
            self._answer.feed(data)
        self._ahead += nbytes
        if self._ahead > AHEAD:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Note that nothing more will come."""
        self.ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is no more."""
        if not self.ended:
            self.ended, self._error = True, exc
        if self._timer is not None:
            self._timer.cancel()
        self._wake()
        self.gone.set_result(None)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # What is asked of it

    def ask(self, request: bytes, answer: H11Body | None = None) -> None:
        """Send a request; its `answer` is read so, where it is not a plain one."""
        self._asked, self._heard, self._answer = True, False, answer
        self._transport.write(request)

    async def head(self, until: float) -> tuple[int, plain.Fields]:
        """Status and fields of the answer, interim ones passed over.

        `until`: when it must be in, in the time of the loop. Raises `NetworkError`, or `HTTPError` for a
        redirect without end.
        """
        try:
            while True:
                head = None if self._answer is None else self._answer.head()
                if head is not None:
                    return head
                if self.ended:
                    raise self._no_answer()
                await self._more(until)
        except TimeoutError as error:
            if self._loop.time() >= until:
                raise NetworkError(
                    ErrorKind.TIMEOUT,
                    "connected, but no whole head of an answer in time",
                    limit="read_timeout",
                ) from error
            late = f"connected, but no answer within {self._read_timeout:g} s"
            raise NetworkError(ErrorKind.TIMEOUT, late, limit="read_timeout") from error

    async def data(self) -> bytes | None:
        """More of the body; None at its end. Raises `_Broken`."""
        assert self._answer is not None  # noqa: S101 (its head was asked for first)
        try:
            while (data := self._answer.piece()) == b"":
                if not self.ended:
                    await self._more()
                elif self._error is not None or not self._answer.end():
                    raise _Broken(ErrorKind.INCOMPLETE, self._how_it_ended())
        except TimeoutError as error:
            raise _Broken(ErrorKind.TIMEOUT, "silence", limit="read_timeout") from error
        except plain.Malformed as error:
            if self.ended:
                raise _Broken(ErrorKind.INCOMPLETE, self._how_it_ended()) from error
            raise _Broken(error.kind, error.message) from error
        return data

    def start_again(self) -> bool:
        """Make ready for another request; False where the line is good for no other."""
        self._asked = False
        if self.ended or self._answer is None or not self._answer.is_all():
            return False  # an answer that came before it was asked for: nobody knows whose image it is
        self._answer = None
        self._listen()  # what is wrong with it must be seen before it is used again
        return True

    def drop(self) -> None:
        """Hang up, at once. A body that goes on until the line ends has not come to its end by that."""
        if not self.ended:
            self.ended, self._error = True, ConnectionAbortedError()
        self._transport.abort()

    def _more(self, until: float = float("inf")) -> asyncio.Future[None]:
        """Done when something comes, or the line ends; a `TimeoutError` where neither is in time."""
        self._listen()
        self._until = min(self._loop.time() + self._read_timeout, until)
        if self._timer is None or self._until < self._timer_at:
            self._set_timer()
        self._waiter = self._loop.create_future()
        return self._waiter

    def _listen(self) -> None:
        if self._ahead > AHEAD:
            self._transport.resume_reading()
        self._ahead = 0

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = self._until
        self._timer = self._loop.call_at(self._timer_at, self._expire)

    def _expire(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if self._loop.time() < self._until:
            self._set_timer()
        else:
            self._waiter.set_exception(TimeoutError())

    def _no_answer(self) -> NetworkError:
        kind = NetworkError if self._heard else _HungUp
        if self._error is None:
            return kind(ErrorKind.RESET, "the connection was closed before an answer came")
        if isinstance(self._error, ssl.SSLError):
            return kind(ErrorKind.RESET, f"TLS broke off before an answer came: {why(self._error)}")
        return kind(ErrorKind.RESET, "the connection was reset before an answer came")

    def _how_it_ended(self) -> str:
        return (
            f"TLS broke off: {why(self._error)}"
            if isinstance(self._error, ssl.SSLError)
            else "the connection ended"
        )


def progress(received: int, length: str | None) -> str:
    """How much of a body has come; `length` is what Content-Length says."""
    known = length is not None and length.isascii() and length.isdigit() and len(length) < 20
    return f"got {received:,}" + (f" of {int(length or 0):,}" if known else "") + " bytes"
