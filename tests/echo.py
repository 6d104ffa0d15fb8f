"""A loopback server that sends back the bodies it receives."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager, suppress
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Iterator


class Echo:
    """Answers with the body and the method of a request, and counts its connections.

    /stall: the response stops in the middle. /close: a second request on the connection closes it.
    """

    def __init__(self) -> None:
        self.connections = 0
        self.received: list[bytes] = []
        """The requests' bodies."""
        self.closed = asyncio.Event()
        """Set when a client has closed a connection."""
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        served = 0
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                body = await self._body(head, reader)
                self.received.append(body)
                if "/close" in head and served:
                    break
                length = 999 if "/stall" in head else len(body)
                method = head.partition(" ")[0]
                writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nX: {method}\r\n\r\n".encode())
                if method != "HEAD":
                    writer.write(body)
                served += 1
        self.closed.set()
        writer.close()

    async def _body(self, head: str, reader: asyncio.StreamReader) -> bytes:
        if "chunked" in head:
            pieces = []
            while size := int(await reader.readline(), 16):
                pieces.append(await reader.readexactly(size))
                await reader.readline()
            await reader.readline()
            return b"".join(pieces)
        length = re.search(r"(?i)content-length: (\d+)", head)
        return await reader.readexactly(int(length[1])) if length else b""


@asynccontextmanager
async def echo(tls: ssl.SSLContext | None = None) -> AsyncIterator[Echo]:
    """Run a server for the length of a block."""
    server = Echo()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    server.url = f"http{'s' if tls else ''}://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with listener:
        yield server


@contextmanager
def echo_thread() -> Iterator[Echo]:
    """Run a server in a thread of its own for the length of a block: for clients that block."""
    started: Future[tuple[Echo, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        async with echo() as server:
            end = asyncio.Event()
            started.set_result((server, asyncio.get_running_loop(), end))
            await end.wait()

    thread = Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    server, loop, end = started.result()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()
