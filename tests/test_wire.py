"""Connections of our own: which serve another request, and which are dropped."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from imgfetch.adapters.dial import Dialler
from imgfetch.adapters.network import trust
from imgfetch.adapters.wire import IDLE, WireTransport
from imgfetch.errors import NetworkError
from imgfetch.model import Ask, Key, Limits, Reason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

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
        self.transport = WireTransport(
            Limits(jobs=2, read_timeout=5, connect_timeout=5),
            Dialler(("127.0.0.0/8",), self.elapsed),
            lambda: trust(None),
            self.elapsed,
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

    async def get(self, *, read: bool = True, host: str = "127.0.0.1") -> tuple[int, bytes]:
        url = f"http://{host}:{self.port}/a"
        async with self.transport.send(Ask(Key(url), url, ())) as reply:
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
        assert caught.value.kind is Reason.RESET


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
