"""An origin that waits 100 ms before each answer, on 200 addresses of the loopback interface.

    slow_origin.py FOLDER PORT

It answers with the files that were in the folder when it started, whatever the query, and listens on
127.0.1.1 to 127.0.1.200. One core gives some thousands of answers a second, which bounds what is measured.
"""

import asyncio
import sys
from pathlib import Path

SECONDS = 0.1
HOSTS = [f"127.0.1.{number}" for number in range(1, 201)]
FIELDS = b"Content-Type: image/webp\r\nCache-Control: max-age=86400\r\nContent-Length: %d\r\n\r\n"


def answer(path: Path) -> bytes:
    body = path.read_bytes()
    return b"HTTP/1.1 200 OK\r\n" + FIELDS % len(body) + body


ANSWERS = {f"/{path.name}".encode(): answer(path) for path in Path(sys.argv[1]).iterdir()}


class Connection(asyncio.Protocol):
    """One request after the other."""

    def connection_made(self, transport):
        self.transport = transport
        self.head = b""

    def data_received(self, data):
        self.head += data
        if self.head.endswith(b"\r\n\r\n"):
            target = self.head.split(b" ", 2)[1]
            self.head = b""
            wait = asyncio.get_running_loop().call_later
            wait(SECONDS, self.transport.write, ANSWERS[target.partition(b"?")[0]])


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Connection, HOSTS, int(sys.argv[2]), backlog=1024)
    await server.serve_forever()


asyncio.run(main())
