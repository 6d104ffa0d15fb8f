"""A bare aiohttp script: every URL of a file into a folder, nothing verified, nothing synced."""

import asyncio
import sys
from pathlib import Path

import aiohttp


async def main(listing: str, folder: str, at_once: int) -> None:
    places = asyncio.Semaphore(at_once)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=at_once)) as session:

        async def one(number: int, url: str) -> None:
            async with places, session.get(url) as response:
                response.raise_for_status()
                data = await response.read()
            (Path(folder) / f"{number}.webp").write_bytes(data)

        await asyncio.gather(*(one(*item) for item in enumerate(Path(listing).read_text().split())))


asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
