"""One connection: what it reads ahead, how long it waits, and under which event loops it runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from imgfetch.errors import NetworkError
from imgfetch.http.connection import READ_AHEAD, Connection, Timeouts
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio

TIMEOUTS = Timeouts(5, 5, 5, 20)

REQUEST = b"GET /a HTTP/1.1\r\nHost: h.example\r\n\r\n"


class Pipe:
    """A transport such as uvloop's: not one of asyncio's classes, and unusable once it is closed."""

    def __init__(self, connection: Connection) -> None:
        self.reading = True
        self.closed = False
        self._connection = connection

    def write(self, data: bytes) -> None:
        assert data

    def pause_reading(self) -> None:
        self._check()
        self.reading = False

    def resume_reading(self) -> None:
        self._check()
        self.reading = True

    def abort(self) -> None:
        if not self.closed:
            self.closed = True
            asyncio.get_running_loop().call_soon(self._connection.connection_lost, None)

    def _check(self) -> None:
        if self.closed:
            raise RuntimeError("the handler is closed")


def connected() -> tuple[Connection, Pipe]:
    connection = Connection(("http", "h.example", 80), memoryview(bytearray(2 * READ_AHEAD)))
    pipe = Pipe(connection)
    connection.connection_made(pipe)  # type: ignore[arg-type] # on purpose
    return connection, pipe


def receive(connection: Connection, data: bytes) -> None:
    connection.get_buffer(-1)[: len(data)] = data
    connection.buffer_updated(len(data))


async def answered(fields: bytes, body: bytes) -> tuple[Connection, Pipe]:
    connection, pipe = connected()
    connection.send(REQUEST, TIMEOUTS)
    receive(connection, b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n" + body)
    await connection.head(float("inf"))
    return connection, pipe


async def body_of(connection: Connection) -> bytes:
    body = b""
    while (data := await connection.data()) is not None:
        body += data
    return body


async def test_the_transport_of_any_event_loop_serves() -> None:
    connection, pipe = await answered(b"Content-Length: 5\r\n", b"image")
    assert await body_of(connection) == b"image"
    assert connection.make_reusable()
    connection.abort()
    connection.abort()
    await connection.closed
    assert not connection.make_reusable()
    assert pipe.closed


async def test_a_connection_that_was_paused_reads_again_when_it_is_idle() -> None:
    body = bytes(READ_AHEAD)
    connection, pipe = await answered(b"Content-Length: %d\r\n" % len(body), body)
    assert not pipe.reading
    assert await body_of(connection) == body
    assert connection.make_reusable()
    assert pipe.reading
    receive(connection, b"HTTP/1.1 200 OK\r\n")
    assert pipe.closed


async def test_a_body_is_not_read_far_ahead_of_its_reader() -> None:
    connection, pipe = await answered(b"Content-Length: %d\r\n" % (3 * READ_AHEAD), bytes(READ_AHEAD))
    assert not pipe.reading
    assert len(await connection.data() or b"") == READ_AHEAD
    assert not pipe.reading
    more = asyncio.create_task(connection.data())
    await asyncio.sleep(0)
    assert pipe.reading
    receive(connection, bytes(READ_AHEAD - 1))
    assert pipe.reading
    receive(connection, bytes(2))
    assert not pipe.reading
    assert len(await more or b"") == READ_AHEAD - 1


class ManualLoop:
    """An event loop whose time a test moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.create_future = asyncio.get_running_loop().create_future

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        self.timers.append((when, call))
        return asyncio.TimerHandle(when, call, (), asyncio.get_running_loop())

    async def move(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.now += seconds
        due = [timer for timer in self.timers if timer[0] <= self.now]
        self.timers = [timer for timer in self.timers if timer[0] > self.now]
        for _, call in due:
            call()
        await asyncio.sleep(0)


async def test_each_wait_has_its_own_timeout_though_one_timer_serves_many() -> None:
    connection, _ = await answered(b"Content-Length: 4\r\n", b"")
    loop = ManualLoop()
    connection._loop = loop  # type: ignore[assignment]
    for _ in range(3):
        piece = asyncio.create_task(connection.data())
        await loop.move(4)
        assert len(loop.timers) == 1
        receive(connection, b".")
        assert await piece == b"."
    last = asyncio.create_task(connection.data())
    await loop.move(4)
    assert not last.done()
    await loop.move(1)
    with pytest.raises(NetworkError) as caught:
        await last
    assert caught.value.kind is ErrorKind.TIMEOUT


async def test_a_later_wait_may_time_out_before_an_earlier_one_would_have() -> None:
    connection, _ = await answered(b"Content-Length: 1\r\n", b"")
    loop = ManualLoop()
    connection._loop = loop  # type: ignore[assignment]
    piece = asyncio.create_task(connection.data())
    await loop.move(1)
    receive(connection, b".")
    assert await piece == b"."
    assert connection.make_reusable()
    connection.send(REQUEST, TIMEOUTS)
    head = asyncio.create_task(connection.head(3.0))
    await loop.move(2)
    assert head.done()
    with pytest.raises(NetworkError, match="no complete response head in time"):
        await head


async def test_a_head_that_trickles_in_has_a_timeout_of_its_own() -> None:
    connection, _ = connected()
    loop = ManualLoop()
    connection._loop = loop  # type: ignore[assignment]
    connection.send(REQUEST, TIMEOUTS)
    head = asyncio.create_task(connection.head(7.0))
    await loop.move(4)
    receive(connection, b"HTTP/1.1 200")
    await loop.move(2.9)
    assert not head.done()
    await loop.move(0.1)
    with pytest.raises(NetworkError, match="no complete response head in time"):
        await head


async def test_a_body_is_incomplete_if_we_close_the_connection() -> None:
    connection, _ = await answered(b"", b"half an im")
    assert await connection.data() == b"half an im"
    rest = asyncio.create_task(connection.data())
    await asyncio.sleep(0)
    connection.abort()
    with pytest.raises(NetworkError) as caught:
        await rest
    assert caught.value.kind is ErrorKind.INCOMPLETE
