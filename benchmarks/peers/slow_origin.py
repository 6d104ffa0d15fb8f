"""An origin that waits 100 ms before each answer, on 200 addresses of the loopback interface.

    slow_origin.py FOLDER PORT

It answers with the files that were in the folder when it started, whatever the query, and listens on
127.0.1.1 to 127.0.1.200.
"""

import asyncio
import sys
from pathlib import Path

SECONDS = 0.1
HOSTS = [f"127.0.1.{number}" for number in range(1, 201)]
BODIES = {f"/{path.name}": path.read_bytes() for path in Path(sys.argv[1]).iterdir()}


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            body = BODIES[head.split(b" ", 2)[1].decode().partition("?")[0]]
            await asyncio.sleep(SECONDS)
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: image/webp\r\nCache-Control: max-age=86400\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body)
            )
            writer.write(body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(answer, HOSTS, int(sys.argv[2]), backlog=1024)
    async with server:
        await server.serve_forever()


asyncio.run(main())
