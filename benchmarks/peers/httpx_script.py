"""A bare httpx script: every URL of a file into a folder, nothing verified, nothing synced."""

import asyncio
import sys
from pathlib import Path

import httpx


async def main(listing: str, folder: str, at_once: int) -> None:
    places = asyncio.Semaphore(at_once)
    limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once)
    async with httpx.AsyncClient(limits=limits, timeout=60) as session:

        async def one(number: int, url: str) -> None:
            async with places:
                response = await session.get(url)
            response.raise_for_status()
            (Path(folder) / f"{number}.webp").write_bytes(response.content)

        await asyncio.gather(*(one(*item) for item in enumerate(Path(listing).read_text().split())))


asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
