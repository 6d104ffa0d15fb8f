"""The connection pool: which connections serve another request, and which are closed."""

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
from imgfetch.http.pool import IDLE_SECONDS, Http1Pool
from imgfetch.http.tls import trust
from imgfetch.model.request import Limits, Request
from imgfetch.model.result import ErrorKind
from imgfetch.transports.factory import Network
from raw_server import listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nimage"
MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone"
UNCHANGED = b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n'
HANG_UP = b""


class World:
    """A server that gives these responses in turn, one to each request, and a pool that sends to it."""

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
    async with listening(made):
        yield made


async def loop_turns(count: int = 20) -> None:
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
async def test_a_response_with_too_few_or_too_many_bytes_ends_the_connection(answer: bytes) -> None:
    async with world(answer, WHOLE) as it:
        await it.get(read=False)
        assert await it.get() == (200, b"image")
        assert it.connections == 2


async def test_a_request_with_connection_close_ends_the_connection() -> None:
    async with world(WHOLE, WHOLE, WHOLE) as it:
        assert await it.get(("accept", "*/*")) == (200, b"image")
        assert await it.get(("connection", "close")) == (200, b"image")
        assert it.connections == 1
        assert await it.get() == (200, b"image")
        assert it.connections == 2


async def test_a_request_that_cannot_be_written_costs_no_connection() -> None:
    async with world(WHOLE, WHOLE) as it:
        await it.get()
        with pytest.raises(PolicyError, match="not a valid request"):
            await it.get(("accept", "a\r\nhost: other.example"))
        assert await it.get() == (200, b"image")
        assert it.connections == 1


async def test_plain_responses_and_others_share_a_connection() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nimage\r\n0\r\n\r\n"
    interim = b"HTTP/1.1 103 Early Hints\r\n\r\n" + WHOLE
    async with world(WHOLE, chunked, WHOLE, interim, chunked) as it:
        for _ in range(5):
            assert await it.get() == (200, b"image")
        assert it.connections == 1


async def test_a_response_without_a_request_is_discarded_with_its_connection() -> None:
    async with world(WHOLE, WHOLE) as it:
        await it.get()
        it.writers[0].write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother")
        await loop_turns()
        assert await it.get() == (200, b"image")
        assert it.connections == 2


async def test_an_idle_connection_that_closed_costs_another_connection_and_no_error() -> None:
    async with world(WHOLE, HANG_UP, WHOLE) as it:
        await it.get()
        assert await it.get() == (200, b"image")
        assert it.connections == 2


async def test_a_new_connection_that_closes_without_a_response_is_an_error() -> None:
    async with world(HANG_UP, WHOLE) as it:
        with pytest.raises(NetworkError, match="closed before a response came") as caught:
            await it.get()
        assert caught.value.kind is ErrorKind.RESET


async def test_idle_connections_are_limited_in_number_and_age() -> None:
    async with world(*[WHOLE] * 9) as it:
        for number in range(1, 4):
            await it.get(host=f"127.0.0.{number}")
        assert len(it.transport._idle) == 2
        await it.get(host="127.0.0.1")
        assert it.connections == 4
        await it.get(host="127.0.0.3")
        assert it.connections == 4
        it.time += IDLE_SECONDS + 1
        await it.get(host="127.0.0.3")
        assert it.connections == 5
        assert len(it.transport._idle) == len(it.transport._idle_at) == 1


async def test_idle_connections_are_closed_when_too_many_files_are_open() -> None:
    """A child may open 40 files, and sends to 120 hosts, six at a time."""
    code = """if True:
        import asyncio, resource, sys, time
        from imgfetch.http.connect import Connector
        from imgfetch.http.pool import Http1Pool
        from imgfetch.model.request import Limits, Request

        async def main():
            resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
            connector = Connector(("127.0.0.0/8",), time.monotonic)
            transport = Http1Pool(Limits(), connector, None, time.monotonic, idle=256)
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


def test_idle_connections_take_a_quarter_of_the_open_files_at_most() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        for files, jobs, idle in ((1024, 32, 256), (1024, 512, 512), (256, 32, 64), (256, 100, 100)):
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, limits[1]))
            transport = Network().open(Limits(jobs=jobs))
            assert isinstance(transport, Http1Pool)
            assert transport._max_idle == idle
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


async def test_cancelling_a_request_closes_its_connection() -> None:
    async with world(WHOLE[:-1], WHOLE) as it:
        asking = asyncio.create_task(it.get())
        await loop_turns()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await it.get() == (200, b"image")
        assert it.connections == 2


async def test_closing_the_pool_ends_requests_under_way() -> None:
    async with world(WHOLE[:-1]) as it:
        asking = asyncio.create_task(it.get())
        await loop_turns()
        await it.transport.close()
        with pytest.raises(NetworkError, match="got 4 of 5 bytes, then the connection ended"):
            await asking
        assert not it.transport._connections


async def test_a_connection_made_after_the_pool_was_closed_is_not_kept() -> None:
    async with world(WHOLE) as it:
        late = asyncio.create_task(it.get())
        await asyncio.sleep(0)
        await it.transport.close()
        assert await late == (200, b"image")
        assert it.transport._idle == {}


async def test_a_cancelled_close_still_closes_the_connections() -> None:
    surprises: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: surprises.append(context))
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    transport = Http1Pool(Limits(), Connector(("127.0.0.0/8",), _now), lambda: trust(None), _now, idle=2)
    connection = await transport._connect(("http", "127.0.0.1", server.sockets[0].getsockname()[1]), 5)
    closing = asyncio.create_task(transport.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await connection.closed
    server.close()
    await server.wait_closed()
    assert surprises == []


def _now() -> float:
    return asyncio.get_running_loop().time()
