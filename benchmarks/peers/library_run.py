"""The library over a file of lines, drawn by a generator: `get_many`, and nothing kept of what it yields."""

import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path

from imgfetch import Client


async def main(lines: Iterable[str], cache: str) -> None:
    async with Client(cache, verify="structure", allow_hosts=["127.0.0.0/8"]) as client:
        async for _ in client.get_many(line.strip() for line in lines):
            pass


with Path(sys.argv[1]).open(encoding="utf-8") as file:
    asyncio.run(main(file, sys.argv[2]))
