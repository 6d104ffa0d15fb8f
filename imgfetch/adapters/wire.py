"""HTTP/1.1 on connections of our own: one request and its response, and nothing clever.

    send ─▶ an idle line, or a new one ─▶ request ─▶ head ─▶ body ─▶ idle again
                                  (dial)             (h11)

h11 keeps the grammar and the state of each connection. httpx's own pool costs several times as much, and
more with every request that is in flight.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, TypeAlias, cast

import h11

from imgfetch.adapters.dial import Dialler, why
from imgfetch.errors import HTTPError, ImgfetchError, NetworkError, PolicyError
from imgfetch.model import Defect, Head, Reason
from imgfetch.rules import urls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from imgfetch.model import Ask, Limits

Place: TypeAlias = "tuple[str, str, int]"
"""Scheme, host and port."""

IDLE = 15.0
"""Seconds for which a connection that nobody uses is kept."""

AHEAD = 256 * 1024
"""Bytes that a connection reads before anybody wants them."""


class WireTransport:
    """`ports.Transport` with the address guard below it, and as many idle connections as `limits.jobs`."""

    def __init__(
        self,
        limits: Limits,
        dialler: Dialler,
        tls: Callable[[], ssl.SSLContext],
        elapsed: Callable[[], float],
    ) -> None:
        """`tls` makes the context when first needed; `elapsed` gives seconds on a clock that is never set."""
        self._limits = limits
        self._dialler = dialler
        self._tls = tls
        self._elapsed = elapsed
        # The name, TCP, TLS, and an answer.
        self._head_timeout = 3 * limits.connect_timeout + limits.read_timeout
        self._idle: dict[Line, float] = {}
        """Since when nobody uses each: the longest first."""
        self._to: dict[Place, list[Line]] = {}
        """Of the idle ones, those that lead to a place: the one used last at the end."""
        self._lines: set[Line] = set()
        self._closed = False

    @asynccontextmanager
    async def send(self, ask: Ask) -> AsyncIterator[WireReply]:
        """Send one GET and give its response while the block lasts."""
        address = urls.read(ask.url)
        if isinstance(address, Defect):
            raise PolicyError(address.reason, address.message)
        place = (address.scheme, address.host, address.port)
        request = _request(address, ask.headers)
        line, response = await self._answered(place, request)
        try:
            yield WireReply(line, _head(ask.url, response))
        finally:
            self._put_back(line)

    async def close(self) -> None:
        """Drop every connection, and keep none from now on."""
        self._closed = True
        gone = [line.gone for line in self._lines]
        for line in [*self._lines]:
            line.drop()
        if gone:
            await asyncio.wait(gone)  # who is cancelled here takes none of them along

    async def _answered(self, place: Place, request: h11.Request) -> tuple[Line, h11.Response]:
        """A line on which the head of the answer has come."""
        until = self._elapsed() + self._head_timeout
        while True:
            kept = self._take(place)
            line = kept or await self._connect(place)
            try:
                line.ask(request)
                return line, await line.answer(until)
            except _HungUp as error:
                line.drop()
                # An idle connection may end at any time: that is no answer to this request (RFC 9112 §9.3.1).
                if kept is None:
                    raise NetworkError(error.kind, error.message) from error
            except BaseException:
                line.drop()
                raise

    async def _connect(self, place: Place) -> Line:
        scheme, host, port = place
        line = await self._dialler.connect(
            lambda: Line(place, self._limits.read_timeout, self._elapsed),
            host,
            port,
            timeout=self._limits.connect_timeout,
            tls=self._tls() if scheme == "https" else None,
        )
        self._lines.add(line)
        line.gone.add_done_callback(lambda _: self._forget(line))
        return line

    def _take(self, place: Place) -> Line | None:
        """The idle line to a place that was used last."""
        self._drop_old()
        if place not in self._to:
            return None
        line = self._to[place][-1]
        self._wake(line)
        return line

    def _put_back(self, line: Line) -> None:
        if self._closed or not line.start_again():
            line.drop()
            return
        self._idle[line] = self._elapsed()
        self._to.setdefault(line.place, []).append(line)
        self._drop_old()

    def _drop_old(self) -> None:
        since = self._elapsed() - IDLE
        while self._idle:
            line, idle_since = next(iter(self._idle.items()))
            if len(self._idle) <= self._limits.jobs and idle_since > since:
                return
            self._wake(line)
            line.drop()

    def _wake(self, line: Line) -> None:
        """Take a line out of the idle ones, if it is among them."""
        if self._idle.pop(line, None) is not None:
            self._to[line.place].remove(line)
            if not self._to[line.place]:
                del self._to[line.place]

    def _forget(self, line: Line) -> None:
        self._wake(line)
        self._lines.discard(line)


class WireReply:
    """`ports.Reply` on a line."""

    def __init__(self, line: Line, head: Head) -> None:
        self._line = line
        self.head = head

    async def body(self) -> AsyncIterator[bytes]:
        """Give the body as the origin sent it."""
        received = 0
        try:
            while (data := await self._line.data()) is not None:
                received += len(data)
                yield data
        except _Broken as error:
            got = progress(received, self.head.get("content-length"))
            raise NetworkError(error.kind, f"{got}, then {error.message}") from error


class _HungUp(NetworkError):
    """The line ended before the first byte of an answer."""


class _Broken(NetworkError):
    """The body ended before its end; `message` says how."""


class Line(asyncio.Protocol):
    """A connection: bytes from the loop, events from h11, one request and its response at a time.

    h11 bounds each head, but keeps no count of interim responses (1xx), of which there may be no end; and
    it waits for the end of a line, where the first bytes tell that this will never be HTTP.
    """

    LONGEST_HEAD = 100_000
    """Bytes in a head."""
    LIMIT = 200_000 + AHEAD
    """Bytes before the last head is in: a head, and a read of the body's beginning."""

    def __init__(self, place: Place, read_timeout: float, elapsed: Callable[[], float]) -> None:
        self.place = place
        self._read_timeout = read_timeout
        self._elapsed = elapsed
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=self.LONGEST_HEAD)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self.gone: asyncio.Future[None] = self._loop.create_future()
        """Done when the connection is no more."""
        self._ended = False
        """Whether nothing more will come."""
        self._error: Exception | None = None
        """What it ended of; None where it was closed in order, or lives."""
        self._waiter: asyncio.Future[None] | None = None
        self._ahead = 0
        """Bytes that nobody has taken yet."""
        self._asked = False
        self._answered = False
        """Whether the head of the answer is in."""
        self._received = 0
        """Bytes since the last request."""
        self._beginning = b""
        self._blank = False
        """Whether a first head has ended."""
        self._fault: ImgfetchError | None = None
        """Why what comes is no answer."""

    # What the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note by which way to write."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is like one, and is none

    def data_received(self, data: bytes) -> None:
        """Take bytes in; any that nobody asked for spoil the line."""
        if not self._asked:
            self.drop()
            return
        self._received += len(data)
        self._ahead += len(data)
        if not self._answered:
            self._look_at(data)
        self._http.receive_data(data)
        if self._ahead > AHEAD:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Note that nothing more will come."""
        self._ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is no more."""
        if not self._ended:
            self._ended, self._error = True, exc
        self._wake()
        self.gone.set_result(None)

    def _look_at(self, data: bytes) -> None:
        self._beginning = (self._beginning + data[:12])[:12]
        self._blank = self._blank or _BLANK_LINE.search(data) is not None
        if self._beginning[:5] != b"HTTP/"[: len(self._beginning)]:
            self._fault = _not_http("no status line")
        elif self._received > self.LONGEST_HEAD and not self._blank:
            if self._beginning[9:10] == b"3":
                self._fault = HTTPError(Reason.BAD_REDIRECT, "a redirect with a head of more than 100 KB")
            else:
                self._fault = _not_http("a head of more than 100 KB")
        elif self._received > self.LIMIT:
            self._fault = _not_http(f"no answer in {self._received:,} bytes of interim ones")

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # What is asked of it

    def ask(self, request: h11.Request) -> None:
        """Send a request."""
        self._beginning, self._blank, self._received = b"", False, 0
        self._asked, self._answered = True, False
        self._transport.write(
            (self._http.send(request) or b"") + (self._http.send(h11.EndOfMessage()) or b"")
        )

    async def answer(self, until: float) -> h11.Response:
        """The head of the answer, interim ones passed over, if it is in before `until`.

        Raises `NetworkError`, or `HTTPError` for a redirect without end.
        """
        try:
            while True:
                if self._fault is not None:
                    raise self._fault
                event = self._http.next_event()
                if isinstance(event, h11.Response):
                    self._answered = True
                    return event
                if event is h11.NEED_DATA:
                    if self._ended:
                        raise self._no_answer()
                    await self._more(until)
                elif not isinstance(event, h11.InformationalResponse) or event.status_code == 101:
                    raise _not_http("an answer to a question that was not asked")
        except h11.RemoteProtocolError as error:
            raise _not_http(str(error)) from error
        except TimeoutError as error:
            if self._elapsed() >= until:
                raise NetworkError(
                    Reason.TIMEOUT, "connected, but no whole head of an answer in time"
                ) from error
            late = f"connected, but no answer within {self._read_timeout:g} s"
            raise NetworkError(Reason.TIMEOUT, late) from error

    async def data(self) -> bytes | None:
        """More of the body; None at its end. Raises `_Broken`."""
        try:
            while True:
                event = self._http.next_event()
                if isinstance(event, h11.Data):
                    return event.data
                if event is not h11.NEED_DATA:
                    return None
                if not self._ended:
                    await self._more()
                elif self._error is None:
                    self._http.receive_data(b"")  # h11 knows whether that was the end of the body too
                else:
                    raise _Broken(Reason.INCOMPLETE, self._how_it_ended())
        except TimeoutError as error:
            raise _Broken(Reason.TIMEOUT, "silence") from error
        except h11.RemoteProtocolError as error:
            if self._ended:
                raise _Broken(Reason.INCOMPLETE, self._how_it_ended()) from error
            raise _Broken(Reason.PROTOCOL, f"not HTTP as it should be: {error}") from error

    def start_again(self) -> bool:
        """Make ready for another request; False where the line is good for no other."""
        self._asked = False
        if self._ended or self._http.our_state is not h11.DONE or not self._has_all():
            return False
        if self._http.trailing_data[0]:
            return False  # an answer that came before it was asked for: nobody knows whose image it is
        self._transport.resume_reading()  # what is wrong with it must be seen before it is used again
        self._http.start_next_cycle()
        return True

    def _has_all(self) -> bool:
        """Whether the whole answer has come; of a body that nobody wanted, what has come is passed over."""
        with suppress(h11.RemoteProtocolError):
            while self._http.their_state is h11.SEND_BODY and self._http.next_event() is not h11.NEED_DATA:
                pass
        return self._http.their_state is h11.DONE

    def drop(self) -> None:
        """Hang up, at once. A body that goes on until the line ends has not come to its end by that."""
        if not self._ended:
            self._ended, self._error = True, ConnectionAbortedError()
        self._transport.abort()

    async def _more(self, until: float | None = None) -> None:
        """Wait until something comes, or the line ends. Raises `TimeoutError`."""
        self._ahead = 0
        self._transport.resume_reading()
        seconds = self._read_timeout
        if until is not None:
            seconds = min(seconds, until - self._elapsed())
        waiter = self._waiter = self._loop.create_future()
        timer = self._loop.call_later(seconds, _expire, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _no_answer(self) -> NetworkError:
        kind = NetworkError if self._received else _HungUp
        if self._error is None:
            return kind(Reason.RESET, "the connection was closed before an answer came")
        if isinstance(self._error, ssl.SSLError):
            return kind(Reason.RESET, f"TLS broke off before an answer came: {why(self._error)}")
        return kind(Reason.RESET, "the connection was reset before an answer came")

    def _how_it_ended(self) -> str:
        return (
            f"TLS broke off: {why(self._error)}"
            if isinstance(self._error, ssl.SSLError)
            else "the connection ended"
        )


_BLANK_LINE = re.compile(rb"\n\r?\n")
"""The end of a head. Where a read parts it, it goes unseen: that matters only to heads of 100 KB."""


def _expire(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())


def _not_http(what: str) -> NetworkError:
    return NetworkError(Reason.PROTOCOL, f"not HTTP as it should be: {what}")


def _request(address: urls.Address, headers: tuple[tuple[str, str], ...]) -> h11.Request:
    host = address.origin.partition("://")[2]
    try:
        return h11.Request(
            method="GET", target=address.target, headers=[(b"Host", host.encode()), *encoded(headers)]
        )
    except h11.LocalProtocolError as error:
        raise PolicyError(Reason.BAD_URL, f"not a request that can be made: {error}") from error


def encoded(headers: tuple[tuple[str, str], ...]) -> list[tuple[bytes, bytes]]:
    """Fields as they are sent: what a caller writes beyond ASCII goes as UTF-8 (RFC 9110 §5.5)."""
    return [(name.encode("ascii", "replace"), value.encode("utf-8", "replace")) for name, value in headers]


def progress(received: int, length: str | None) -> str:
    """How much of a body has come; `length` is what Content-Length says."""
    known = length is not None and length.isascii() and length.isdigit() and len(length) < 20
    return f"got {received:,}" + (f" of {int(length or 0):,}" if known else "") + " bytes"


def _head(url: str, response: h11.Response) -> Head:
    fields = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers)
    return Head(url, response.status_code, tuple(fields))
