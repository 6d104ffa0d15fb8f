"""Connections of our own: which serve another request, and which are dropped, under whatever event loop."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from imgfetch.errors import NetworkError, PolicyError
from imgfetch.http.connect import Connector
from imgfetch.http.pool import AHEAD, IDLE, Connection, Http1Pool
from imgfetch.http.tls import trust
from imgfetch.model.request import Limits, Request
from imgfetch.model.result import ErrorKind
from imgfetch.transports.factory import Network

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = pytest.mark.anyio

WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nimage"
MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone"
UNCHANGED = b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n'
HANG_UP = b""


class World:
    """A server that says these things in turn, one to each request, and a transport that asks it."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = [*answers]
        self.connections = 0
        self.writers: list[asyncio.StreamWriter] = []
        self.time = 0.0
        self.port = 0
        self.transport = Http1Pool(
            Limits(read_timeout=5, connect_timeout=5),
            Connector(("127.0.0.0/8",), self.elapsed),
            lambda: trust(None),
            self.elapsed,
            idle=2,
        )

    def elapsed(self) -> float:
        return self.time

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                answer = self.answers.pop(0)
                if answer == HANG_UP:
                    break
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    async def get(
        self, *fields: tuple[str, str], read: bool = True, host: str = "127.0.0.1"
    ) -> tuple[int, bytes]:
        url = f"http://{host}:{self.port}/a"
        async with self.transport.send(Request(url, fields)) as reply:
            body = b"".join([bytes(piece) async for piece in reply.body()]) if read else b""
        return reply.head.status, body


@asynccontextmanager
async def world(*answers: bytes) -> AsyncIterator[World]:
    made = World(*answers)
    server = await asyncio.start_server(made.serve, "0.0.0.0", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        await made.transport.close()
        server.close()
        for writer in made.writers:
            writer.close()
        await server.wait_closed()


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0.001)


async def test_one_connection_serves_one_request_after_another() -> None:
    async with world(WHOLE, WHOLE, UNCHANGED, MISSING, WHOLE) as it:
        assert await it.get() == (200, b"image")
        assert await it.get() == (200, b"image")
        assert await it.get(read=False) == (304, b"")
        assert await it.get(read=False) == (404, b"")
        assert await it.get() == (200, b"image")
        assert it.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        WHOLE[:-1],
        WHOLE + b"!",
        WHOLE + WHOLE,
        WHOLE.replace(b"OK", b"OK\r\nConnection: close"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_not_whole_or_more_than_an_answer_ends_the_connection(answer: bytes) -> None:
    async with world(answer, WHOLE) as it:
        await it.get(read=False)
        assert await it.get() == (200, b"image")
        assert it.connections == 2


async def test_a_request_that_asks_for_an_end_ends_the_connection() -> None:
    async with world(WHOLE, WHOLE, WHOLE) as it:
        assert await it.get(("accept", "*/*")) == (200, b"image")
        assert await it.get(("connection", "close")) == (200, b"image")
        assert it.connections == 1
        assert await it.get() == (200, b"image")
        assert it.connections == 2


async def test_what_can_be_no_request_costs_no_connection() -> None:
    async with world(WHOLE, WHOLE) as it:
        await it.get()
        with pytest.raises(PolicyError, match="not a request that can be made"):
            await it.get(("accept", "a\r\nhost: other.example"))
        assert await it.get() == (200, b"image")
        assert it.connections == 1


async def test_plain_answers_and_others_take_turns_on_a_connection() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nimage\r\n0\r\n\r\n"
    interim = b"HTTP/1.1 103 Early Hints\r\n\r\n" + WHOLE
    async with world(WHOLE, chunked, WHOLE, interim, chunked) as it:
        for _ in range(5):
            assert await it.get() == (200, b"image")
        assert it.connections == 1


async def test_an_answer_that_comes_while_nobody_asks_is_given_to_nobody() -> None:
    async with world(WHOLE, WHOLE) as it:
        await it.get()
        it.writers[0].write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother")
        await turns()
        assert await it.get() == (200, b"image")
        assert it.connections == 2


async def test_an_idle_connection_that_was_ended_costs_another_connection_and_no_error() -> None:
    async with world(WHOLE, HANG_UP, WHOLE) as it:
        await it.get()
        assert await it.get() == (200, b"image")
        assert it.connections == 2


async def test_a_new_connection_that_is_ended_unanswered_is_an_error() -> None:
    async with world(HANG_UP, WHOLE) as it:
        with pytest.raises(NetworkError, match="closed before an answer came") as caught:
            await it.get()
        assert caught.value.kind is ErrorKind.RESET


async def test_idle_connections_are_few_and_none_is_old() -> None:
    async with world(*[WHOLE] * 9) as it:
        for number in range(1, 4):
            await it.get(host=f"127.0.0.{number}")
        assert len(it.transport._idle) == 2
        await it.get(host="127.0.0.1")
        assert it.connections == 4
        await it.get(host="127.0.0.3")
        assert it.connections == 4
        it.time += IDLE + 1
        await it.get(host="127.0.0.3")
        assert it.connections == 5
        assert len(it.transport._idle) == len(it.transport._to) == 1


async def test_idle_connections_are_given_up_before_there_are_too_many_open_files() -> None:
    """A child may open 40 files, and asks 120 hosts in turn, six at a time."""
    code = """if True:
        import asyncio, resource, sys, time
        from imgfetch.http.connect import Connector
        from imgfetch.http.pool import Http1Pool
        from imgfetch.model.request import Limits, Request

        async def main():
            resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
            dialler = Connector(("127.0.0.0/8",), time.monotonic)
            transport = Http1Pool(Limits(), dialler, None, time.monotonic, idle=256)
            hosts = [f"127.0.0.{number}" for number in range(1, 121)]
            most = 0

            async def work():
                nonlocal most
                while hosts:
                    url = f"http://{hosts.pop()}:{sys.argv[1]}/a"
                    async with transport.send(Request(url)) as reply:
                        print(reply.head.status)
                    most = max(most, len(transport._idle))

            await asyncio.gather(*(work() for _ in range(6)))
            assert most > 20, most
            await transport.close()

        asyncio.run(main())
    """
    async with world(*[MISSING] * 120) as it:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, str(it.port), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, err = await child.communicate()
        assert (out.count(b"404"), err.decode()) == (120, "")


def test_most_files_are_left_to_others() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        for files, jobs, idle in ((1024, 32, 256), (1024, 512, 512), (256, 32, 64), (256, 100, 100)):
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, limits[1]))
            transport = Network().open(Limits(jobs=jobs))
            assert isinstance(transport, Http1Pool)
            assert transport._most_idle == idle
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


async def test_who_is_cancelled_takes_the_connection_along() -> None:
    async with world(WHOLE[:-1], WHOLE) as it:
        asking = asyncio.create_task(it.get())
        await turns()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await it.get() == (200, b"image")
        assert it.connections == 2


async def test_closing_hangs_up_on_what_is_under_way() -> None:
    async with world(WHOLE[:-1]) as it:
        asking = asyncio.create_task(it.get())
        await turns()
        await it.transport.close()
        with pytest.raises(NetworkError, match="got 4 of 5 bytes, then the connection ended"):
            await asking
        assert not it.transport._lines


async def test_who_is_still_connecting_when_it_is_closed_leaves_no_connection_behind() -> None:
    async with world(WHOLE) as it:
        late = asyncio.create_task(it.get())
        await asyncio.sleep(0)
        await it.transport.close()
        assert await late == (200, b"image")
        assert it.transport._idle == {}


# One line, closed, held up, or let go of

REQUEST = b"GET /a HTTP/1.1\r\nHost: h.example\r\n\r\n"


class Pipe:
    """A transport as uvloop's: none of asyncio's own classes, and no good once it is closed."""

    def __init__(self, line: Connection) -> None:
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


def connected() -> tuple[Connection, Pipe]:
    line = Connection(("http", "h.example", 80), 5.0, memoryview(bytearray(2 * AHEAD)))
    pipe = Pipe(line)
    line.connection_made(pipe)  # type: ignore[arg-type] # that is the point
    return line, pipe


def receive(line: Connection, data: bytes) -> None:
    line.get_buffer(-1)[: len(data)] = data
    line.buffer_updated(len(data))


async def answered(fields: bytes, body: bytes) -> tuple[Connection, Pipe]:
    line, pipe = connected()
    line.ask(REQUEST)
    receive(line, b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n" + body)
    await line.head(float("inf"))
    return line, pipe


async def body_of(line: Connection) -> bytes:
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
    receive(line, b"HTTP/1.1 200 OK\r\n")
    assert pipe.closed


async def test_no_more_is_read_than_somebody_wants() -> None:
    line, pipe = await answered(b"Content-Length: %d\r\n" % (3 * AHEAD), bytes(AHEAD))
    assert not pipe.reading
    assert len(await line.data() or b"") == AHEAD
    assert not pipe.reading
    more = asyncio.create_task(line.data())
    await asyncio.sleep(0)
    assert pipe.reading
    receive(line, bytes(AHEAD - 1))
    assert pipe.reading
    receive(line, bytes(2))
    assert not pipe.reading
    assert len(await more or b"") == AHEAD - 1


class Hours:
    """A loop whose time moves when it is told to."""

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


async def test_each_wait_has_its_own_time_though_one_timer_does_for_many() -> None:
    line, _ = await answered(b"Content-Length: 4\r\n", b"")
    hours = Hours()
    line._loop = hours  # type: ignore[assignment]
    for _ in range(3):
        piece = asyncio.create_task(line.data())
        await hours.move(4)
        assert len(hours.timers) == 1
        receive(line, b".")
        assert await piece == b"."
    last = asyncio.create_task(line.data())
    await hours.move(4)
    assert not last.done()
    await hours.move(1)
    with pytest.raises(NetworkError) as caught:
        await last
    assert caught.value.kind is ErrorKind.TIMEOUT


async def test_a_wait_may_end_before_the_one_that_set_the_timer() -> None:
    line, _ = await answered(b"Content-Length: 1\r\n", b"")
    hours = Hours()
    line._loop = hours  # type: ignore[assignment]
    piece = asyncio.create_task(line.data())
    await hours.move(1)
    receive(line, b".")
    assert await piece == b"."
    assert line.start_again()
    line.ask(REQUEST)
    head = asyncio.create_task(line.head(3.0))
    await hours.move(2)
    assert head.done()
    with pytest.raises(NetworkError, match="no whole head of an answer in time"):
        await head


async def test_the_time_for_a_whole_head_ends_before_a_wait_would() -> None:
    line, _ = connected()
    hours = Hours()
    line._loop = hours  # type: ignore[assignment]
    line.ask(REQUEST)
    head = asyncio.create_task(line.head(7.0))
    await hours.move(4)
    receive(line, b"HTTP/1.1 200")
    await hours.move(2.9)
    assert not head.done()
    await hours.move(0.1)
    with pytest.raises(NetworkError, match="no whole head of an answer in time"):
        await head


async def test_what_we_hang_up_on_is_not_whole() -> None:
    line, _ = await answered(b"", b"half an im")
    assert await line.data() == b"half an im"
    rest = asyncio.create_task(line.data())
    await asyncio.sleep(0)
    line.drop()
    with pytest.raises(NetworkError) as caught:
        await rest
    assert caught.value.kind is ErrorKind.INCOMPLETE


async def test_who_is_cancelled_while_he_closes_leaves_the_connections_to_their_end() -> None:
    surprises: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: surprises.append(context))
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    transport = Http1Pool(Limits(), Connector(("127.0.0.0/8",), _now), lambda: trust(None), _now, idle=2)
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
