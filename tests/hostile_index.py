"""Caches with an index that another program has changed, and every way to use one."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

import imgfetch
from imgfetch import CachingTransport, Client, Lock
from imgfetch.cli import main
from imgfetch.cli.fast_path import answer
from imgfetch.errors import CacheError
from imgfetch.model.image import Verified
from imgfetch.model.markup import Rendition
from imgfetch.model.request import Head
from imgfetch.model.values import Key
from imgfetch.store.disk_store import DiskStore
from imgfetch.store.index import Index
from imgfetch.store.layout import INDEX
from imgfetch.system.clock import SystemClock
from keeping import CAT, DOG, facts, keep, keep_proved, written
from pictures import encoded

if TYPE_CHECKING:
    import pytest

INDEX_PATH = Path("cache") / INDEX
FOREVER = "WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n) "
LASTING = (("cache-control", "max-age=86400"),)
WEBP = encoded("webp", 96, 54)


def fill(url: str = CAT) -> None:
    """Store an image under two URLs that a page lists as renditions, and pin one."""
    now = time.time() - 10
    with closing(DiskStore("cache")) as store:
        for key, width in ((url, 96), (DOG, 96)):
            proof = Verified(facts(WEBP, verified=("length", "structure", "decode")), written(store, WEBP))
            keep_proved(
                store,
                proof,
                Key(key),
                Head(key, 200, LASTING),
                request_time=now,
                response_time=now,
                renditions=(Rendition(Key(url), width), Rendition(DOG, width + 1)),
            )
        store.pin(Key(url))
    os.utime(INDEX_PATH, (now, now))


def run(*arguments: str) -> int:
    """Run a command in this process, and check that it ends without an exception."""
    code = main(arguments)
    assert code in (0, 1, 3, 4), (code, arguments)
    return code


def use(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Use a cache in every way that leads to a hit or lists it."""

    async def many() -> None:
        async with Client(allow_hosts=["127.0.0.1"], offline=True) as client:
            [_ async for _ in client.get_many([url])]
            with suppress(imgfetch.ImgfetchError):
                await client.get(url, width=48)

    async def by_httpx() -> None:
        async with httpx.AsyncClient(transport=CachingTransport(allow_hosts=["127.0.0.1"])) as client:
            assert (await client.get(url)).content == WEBP

    with suppress(CacheError):
        asyncio.run(many())
    asyncio.run(by_httpx())
    with suppress(imgfetch.ImgfetchError):
        imgfetch.fetch(url, lock=Lock.read("imgfetch.lock"), locked=True, offline=True)
    answer(["get", url])
    run("get", url, "--allow-host", "127.0.0.1", "-q")
    run("explain", url)
    run("cache", "ls", "--json")
    run("cache", "ls")
    run("cache", "info")
    run("cache", "prune", "--max-cache", "1G", "--max-age", "1d", "--dry-run")
    run("cache", "verify")
    run("cache", "prune", "--max-cache", "1", "--grace", "0")
    run("cache", "pin", url)
    run("cache", "rm", url)
    told = capsys.readouterr()
    assert "internal error" not in told.err + told.out


def endless(where: Path) -> Index:
    """Return an index on which a test may run a statement without end."""
    with closing(DiskStore(where)) as store:
        keep(store, CAT, b"a cat")
    return Index(str(where / INDEX), building=str(where), busy_timeout=1, elapsed=SystemClock().elapsed)
