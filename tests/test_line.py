"""A connection of our own, under whatever event loop: closed, held up, or let go of."""

from __future__ import annotations

import asyncio

import h11
import pytest

from imgfetch.adapters.dial import Dialler
from imgfetch.adapters.network import trust
from imgfetch.adapters.wire import AHEAD, Line, WireTransport
from imgfetch.errors import NetworkError
from imgfetch.model import Limits, Reason

pytestmark = pytest.mark.anyio

REQUEST = h11.Request(method="GET", target="/a", headers=[("Host", "h.example")])


class Pipe:
    """A transport as uvloop's: none of asyncio's own classes, and no good once it is closed."""

    def __init__(self, line: Line) -> None:
        self.reading = True
        self.closed = False
        self._line = line

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
            asyncio.get_running_loop().call_soon(self._line.connection_lost, None)

    def _check(self) -> None:
        if self.closed:
            raise RuntimeError("the handler is closed")


def connected() -> tuple[Line, Pipe]:
    line = Line(("http", "h.example", 80), 5.0, lambda: 0.0)
    pipe = Pipe(line)
    line.connection_made(pipe)  # type: ignore[arg-type] # that is the point
    return line, pipe


async def answered(fields: bytes, body: bytes) -> tuple[Line, Pipe]:
    line, pipe = connected()
    line.ask(REQUEST)
    line.data_received(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n" + body)
    await line.answer(10.0)
    return line, pipe


async def body_of(line: Line) -> bytes:
    body = b""
    while (data := await line.data()) is not None:
        body += data
    return body


async def test_any_event_loops_transport_will_do() -> None:
    line, pipe = await answered(b"Content-Length: 5\r\n", b"image")
    assert await body_of(line) == b"image"
    assert line.start_again()
    line.drop()
    line.drop()
    await line.gone
    assert not line.start_again()
    assert pipe.closed


async def test_a_line_that_was_held_up_hears_again_when_it_is_idle() -> None:
    body = bytes(AHEAD)
    line, pipe = await answered(b"Content-Length: %d\r\n" % len(body), body)
    assert not pipe.reading
    assert await body_of(line) == body
    assert line.start_again()
    assert pipe.reading
    line.data_received(b"HTTP/1.1 200 OK\r\n")
    assert pipe.closed


async def test_what_we_hang_up_on_is_not_whole() -> None:
    line, _ = await answered(b"", b"half an im")
    assert await line.data() == b"half an im"
    rest = asyncio.create_task(line.data())
    await asyncio.sleep(0)
    line.drop()
    with pytest.raises(NetworkError) as caught:
        await rest
    assert caught.value.kind is Reason.INCOMPLETE


async def test_who_is_cancelled_while_he_closes_leaves_the_connections_to_their_end() -> None:
    surprises: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: surprises.append(context))
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    transport = WireTransport(Limits(), Dialler(("127.0.0.0/8",), _now), lambda: trust(None), _now)
    line = await transport._connect(("http", "127.0.0.1", server.sockets[0].getsockname()[1]))
    closing = asyncio.create_task(transport.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await line.gone
    server.close()
    await server.wait_closed()
    assert surprises == []


def _now() -> float:
    return asyncio.get_running_loop().time()
