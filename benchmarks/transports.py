"""What a request costs an httpx program: httpx's own pool, and `imgfetch.PooledTransport`.

`python benchmarks/transports.py` prints the CPU time that a request of 10 KB takes in this process, on the
loopback interface, with 1 and 32 requests in flight. The transports take turns; the median of seven rounds
counts.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import sys
import time
from typing import TYPE_CHECKING

import httpx

from imgfetch import PooledTransport

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

ROUNDS = 7
REQUESTS = 1_000
SIZE = 10_000
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: image/webp\r\nContent-Length: %d\r\n\r\n" % SIZE + bytes(SIZE)
LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=100)
TRANSPORTS = {
    "httpx.AsyncHTTPTransport": lambda: httpx.AsyncHTTPTransport(limits=LIMITS),
    "imgfetch.PooledTransport": lambda: PooledTransport(["127.0.0.1"], limits=LIMITS, per_address=100),
}


class Origin(asyncio.Protocol):
    """Answers every request alike."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the way to write."""
        self.transport = transport
        self.received = b""

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete."""
        self.received += data
        while b"\r\n\r\n" in self.received:
            self.received = self.received.partition(b"\r\n\r\n")[2]
            self.transport.write(RESPONSE)  # type: ignore[attr-defined] # it is a Transport


def serve(port: Connection) -> None:
    """Serve until the process is ended; send the port first."""

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Origin, "127.0.0.1", 0)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


async def microseconds(transport: httpx.AsyncBaseTransport, url: str, in_flight: int) -> float:
    """Return the CPU time of a request, with so many in flight."""
    left = REQUESTS
    headers = httpx.AsyncClient(transport=transport).headers
    timeouts = {"timeout": httpx.Timeout(5).as_dict()}

    async def work() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            request = httpx.Request("GET", url, headers=headers, extensions=timeouts)
            response = await transport.handle_async_request(request)
            await response.aread()
            await response.aclose()

    began = time.process_time()
    await asyncio.gather(*(work() for _ in range(in_flight)))
    return (time.process_time() - began) / REQUESTS * 1e6


async def measure(url: str) -> None:
    """Print a line for each transport and number of requests in flight."""
    sys.stdout.write("| transport | in flight | µs a request |\n|---|---|---|\n")
    for in_flight in (1, 32):
        transports = {name: make() for name, make in TRANSPORTS.items()}
        found: dict[str, list[float]] = {name: [] for name in transports}
        for turn in range(1 + ROUNDS):
            for name, transport in transports.items():
                spent = await microseconds(transport, url, in_flight)
                if turn:
                    found[name].append(spent)
        for name, transport in transports.items():
            await transport.aclose()
            sys.stdout.write(f"| {name} | {in_flight} | {statistics.median(found[name]):.0f} |\n")


def main() -> None:
    """Measure against an origin in another process."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    origin = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    origin.start()
    try:
        asyncio.run(measure(f"http://127.0.0.1:{ours.recv()}/a"))
    finally:
        origin.terminate()


if __name__ == "__main__":
    main()
