"""`http.address_slots`: the limit of connections to one address, whatever names lead to it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from imgfetch.errors import NetworkError, Unreachable
from imgfetch.http.connect import Connector
from imgfetch.http.pool import Http1Pool
from imgfetch.http.tls import trust
from imgfetch.model.request import Limits, Request
from imgfetch.ports import AddressBusy
from imgfetch.rules.crawl.address_table import canonical
from pictures import encoded
from raw_server import listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nimage"


class World:
    """A server that all names lead to, and a pool that may make two connections to it."""

    def __init__(self) -> None:
        self.opened = self.port = 0
        self.open: Counter[str] = Counter()
        self.most = 0
        self.answers = True
        self.writers: list[asyncio.StreamWriter] = []
        self.addresses = ["127.0.0.1"]
        elapsed = asyncio.get_running_loop().time
        self.transport = Http1Pool(
            Limits(per_address=2),
            Connector(("127.0.0.0/8",), elapsed, lambda _: self.addresses),
            lambda: trust(None),
            elapsed,
            idle=99,
        )

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        address = writer.get_extra_info("sockname")[0]
        self.opened += 1
        self.open[address] += 1
        self.most = max(self.most, self.open[address])
        try:
            while await reader.readexactly(1) == b"G":
                await reader.readuntil(b"\r\n\r\n")
                writer.write(WHOLE if self.answers else b"")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        self.open[address] -= 1
        writer.close()

    @asynccontextmanager
    async def get(self, name: str) -> AsyncIterator[bytes]:
        """Request an image from a host, and use its connection for the length of the block."""
        url = f"http://{name}.example:{self.port}/a"
        async with self.transport.send(Request(url)) as reply:
            yield b"".join([bytes(piece) async for piece in reply.body()])

    async def busy(self, name: str) -> AddressBusy:
        with pytest.raises(AddressBusy, match="127.0.0.1 has 2 connections") as caught:
            async with self.get(name):
                pass
        return caught.value


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    made = World()
    async with listening(made):
        yield made
    assert made.most <= 2
    assert not made.transport._slots.used
    assert not made.transport._slots.waiting


async def test_all_names_of_an_address_share_its_limit() -> None:
    async with world() as it:
        async with it.get("a"), it.get("b") as body:
            assert body == b"image"
            busy = await it.busy("c")
            waiting = asyncio.create_task(busy.wait())
            await asyncio.sleep(0.01)
            assert not waiting.done()
        await waiting
        async with it.get("c"):
            pass
        busy.pass_on()


async def test_an_idle_connection_counts_and_is_closed_for_one_that_is_needed() -> None:
    async with world() as it:
        for name in "abab":
            async with it.get(name):
                pass
        assert it.opened == 2
        async with it.get("c"):  # in the place of a's, which was not used for longest
            pass
        async with it.get("b"):
            pass
        assert it.opened == 3
        async with it.get("a"):
            pass
        assert it.opened == 4


async def test_waiting_requests_get_a_slot_in_turn_and_pass_on_an_unused_one() -> None:
    async with world() as it, AsyncExitStack() as stack:
        await stack.enter_async_context(it.get("a"))
        async with it.get("b"):
            busy = [await it.busy(name) for name in "cdef"]
            waiting = [asyncio.create_task(one.wait()) for one in busy]
            await asyncio.sleep(0)
            waiting[0].cancel()
            await asyncio.sleep(0)
        await waiting[1]
        assert [task.done() for task in waiting[2:]] == [False, False]
        busy[1].pass_on()
        await waiting[2]
        waiting[3].cancel()


async def test_an_attempt_that_fails_to_connect_frees_its_slot() -> None:
    async with world() as it:
        port, it.port = it.port, 1024
        for _ in range(3):
            with pytest.raises(Unreachable, match="connection refused"):
                async with it.get("a"):
                    pass
        it.port = port
        for _ in range(3):
            with pytest.raises(NetworkError):
                async with it.transport.send(Request(f"https://a.example:{port}/a")):
                    pass
        it.answers = False
        asking = [asyncio.create_task(it.get(name).__aenter__()) for name in "ab"]
        await asyncio.sleep(0.05)
        await it.busy("c")
        for task in asking:
            task.cancel()
        await asyncio.wait(asking)
        it.answers = True
        async with it.get("a"), it.get("b"):
            pass


async def test_another_address_of_a_name_is_used_if_the_first_is_busy() -> None:
    async with world() as it, it.get("a"), it.get("b"):
        it.addresses = ["127.0.0.1", "127.0.0.9"]
        async with it.get("c"), it.get("d"):
            await it.busy("e")


def test_an_address_has_one_spelling() -> None:
    spellings = (
        ("::1", "0:0::1"),
        ("127.0.0.1", "::ffff:127.0.0.1", "::ffff:7f00:1"),
        ("fe80::1%eth0", "FE80::1"),
    )
    for same in spellings:
        assert len({canonical(address) for address in same}) == 1


CLIENT = """if True:
    import asyncio, socket, sys
    from imgfetch import Client, Limits

    system = socket.getaddrinfo
    socket.getaddrinfo = lambda host, *rest, **more: system("127.0.0.1", *rest, **more)
    image = bytes.fromhex(sys.argv[2])
    under_way = most = 0

    async def serve(reader, writer):
        global under_way, most
        try:
            while True:
                await reader.readuntil(b"\\r\\n\\r\\n")
                under_way += 1
                most = max(most, under_way)
                await asyncio.sleep(0.01)
                under_way -= 1
                writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(image) + image)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def main():
        server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=200)
        port = server.sockets[0].getsockname()[1]
        urls = [f"http://h{number % 96}.test:{port}/{number}" for number in range(192)]
        async with Client(sys.argv[1], limits=Limits(jobs=96), allow_hosts=["127.0.0.1"]) as client:
            async for outcome in client.get_many(urls):
                assert not hasattr(outcome, "kind"), outcome
        print(most)
        server.close()

    asyncio.run(main())
"""


def test_96_names_of_one_address_have_24_connections_at_a_time(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    code = (sys.executable, "-c", CLIENT, str(tmp_path_factory.mktemp("cache") / "cache"))
    ran = subprocess.run(
        [*code, encoded("webp", 96, 54).hex()], capture_output=True, text=True, timeout=100, check=False
    )
    assert (ran.stdout, ran.stderr) == ("24\n", "")
