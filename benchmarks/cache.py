"""What the cache costs: starting for a warm hit, finding one entry among a million, and serving many hits.

`python benchmarks/cache.py [starts] [entries] [hits]` makes its own data in a temporary directory and needs
the extra `bench`. Figures are CPU time (user and system, of the process that is measured alone), medians of
rounds in which the contestants take turns, so that another load on the machine disturbs all alike.

What each does for a hit:

- `imgfetch get` sees whether the rendition is fresh and the file is as it was proved, and prints the path;
- `Client.get_many` of a list looks the URLs up, 64 at once, sees by RFC 9111 that each may be served and that
  the file is as it was proved, and gives an `Image`: path, facts, headers, choice. It opens no
  file. Once the path is read, and once the entry too;
- hishel (`rfc=True`, its SQLite storage) answers a request of httpx by RFC 9111: a response with the body;
- diskcache looks a key up and gives the bytes, or an open file with a path. It reads no URL, decides nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import http.server
import itertools
import json
import multiprocessing
import os
import random
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from contextlib import AsyncExitStack, closing, contextmanager
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from time import perf_counter, process_time, time
from typing import TYPE_CHECKING, Any

import diskcache
import httpx
from hishel import AsyncSqliteStorage
from hishel.httpx import AsyncCacheTransport
from PIL import Image

from imgfetch import Client
from imgfetch.model.image import Entry, Facts, Format, PendingEntry, Verified
from imgfetch.model.request import Head
from imgfetch.model.values import Digest, Key
from imgfetch.rules.policy.stored_response import fresh_until
from imgfetch.store.disk_store import DiskStore
from imgfetch.store.index import Index
from imgfetch.store.index import entries as statements
from imgfetch.store.index.rows import lines
from imgfetch.store.layout import INDEX
from showing import figure, put, table

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from multiprocessing.connection import Connection

LASTING = "max-age=31536000"
PAGE = Path(__file__).parents[1] / "docs/performance.md"


def main(arguments: list[str]) -> int:
    """Measure, and print tables or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (all)")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--images", type=int, default=300, help="for the hits")
    parser.add_argument("--entries", type=int, nargs="+", default=[2_000, 100_000, 1_000_000])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.name}")
    options = parser.parse_args(arguments)
    for part in options.parts or PARTS:
        with tempfile.TemporaryDirectory(prefix="imgfetch-bench-") as folder:
            tables = list(PARTS[part](Path(folder), options))
        for each in tables:
            sys.stdout.write(json.dumps(each) + "\n" if options.json else _drawn(each))
        if options.write:
            put(PAGE, f"cache: {part}", "\n\n".join(map(_in_markdown, tables)))
    return 0


def _in_markdown(measured: dict[str, Any]) -> str:
    rows = [[name, *map(figure, values)] for name, values in measured["rows"].items()]
    return table(measured["title"], [column.replace("x ", "× ") for column in measured["columns"]], rows)


def _drawn(table: dict[str, Any]) -> str:
    columns = ["", *table["columns"]]
    rows = [
        [name, *(f"{value:,.3g}" if value < 1000 else f"{value:,.0f}" for value in values)]
        for name, values in table["rows"].items()
    ]
    widths = [max(len(row[i]) for row in [columns, *rows]) for i in range(len(columns))]
    lines = [
        "  ".join(cell.ljust(widths[0]) if not i else cell.rjust(widths[i]) for i, cell in enumerate(row))
        for row in [columns, *rows]
    ]
    return "\n".join([table["title"], *lines, "", ""])


# ---------------------------------------------------------------------------------------------------
# A process that prints the path of what is held


def starts(folder: Path, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Start processes in turn."""
    url = "https://photos.example/cat-480.webp"
    _fill(folder / "cache", [url, "https://photos.example/cat-960.webp"], _pictures([480, 960]))
    (folder / "text").write_text(f"{url} 480w, {url.replace('480', '960')} 960w\n", encoding="utf-8")
    python, script = sys.executable, str(Path(sys.executable).with_name("imgfetch"))
    commands = {
        "python -c pass": [python, "-c", "pass"],
        "python -c 'import argparse, sqlite3, hashlib'": [python, "-c", "import argparse, sqlite3, hashlib"],
        "imgfetch get URL": [script, "get", url],
        "python -m imgfetch get URL": [python, "-m", "imgfetch", "get", url],
        "imgfetch get URL --json (the whole program)": [script, "get", url, "--json"],
        "imgfetch get FILE -w 400": [script, "get", "text", "-w", "400"],
    }
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    runner = [python, "-c", _RUNNER, str(options.rounds), *map(json.dumps, commands.values())]
    ran = subprocess.run(runner, cwd=folder, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    memory = dict.fromkeys(commands, 0)
    for name, line in zip(itertools.cycle(commands), ran.stdout.splitlines(), strict=False):
        used, peak = line.split()
        seconds[name].append(float(used))
        memory[name] = max(memory[name], int(peak))
    median = {name: statistics.median(times) for name, times in seconds.items()}
    bare, imports, *_ = median.values()
    yield {
        "title": "A warm hit in a process of its own",
        "columns": ["CPU ms", "x pass", "x imports", "peak MB"],
        "rows": {
            name: [each * 1000, each / bare, each / imports, memory[name] / 1000]
            for name, each in median.items()
        },
    }


_RUNNER = """
import os, sys
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
for turn in range(-2, int(sys.argv[1])):  # two rounds go before, which warm the caches of the system
    for command in map(eval, sys.argv[2:]):
        _, status, used = os.wait4(os.posix_spawn(command[0], command, os.environ, file_actions=quiet), 0)
        if status:
            sys.exit(f"{command} failed")
        if turn >= 0:
            print(used.ru_utime + used.ru_stime, used.ru_maxrss)
"""
"""Starts the commands in turn. It is as small as the smallest of them, whose peak would else be its own."""


# ---------------------------------------------------------------------------------------------------
# One among many entries


def entries(folder: Path, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Look entries up at random, each number of them in a process of its own."""
    spawn = multiprocessing.get_context("spawn")
    rows = {}
    for count in options.entries:
        with spawn.Pool(1) as pool:
            pool.apply(_fill_index, (folder / str(count), count))
        with spawn.Pool(1) as pool:
            rows[f"{count:,} entries"] = pool.apply(_look_up, (folder / str(count), count, options.rounds))
    yield {
        "title": "A lookup in the index",
        "columns": [
            "open, wall ms",
            "lookup, CPU us",
            "bare query",
            "x bare",
            "MB after 2,000",
            "and at the end",
        ],
        "rows": rows,
    }


def _fill_index(root: Path, count: int) -> None:
    with closing(DiskStore(root)) as store:
        store.staging.discard(store.staging.open())
    model = _entry(_key(0), b"")
    fields = (480, 320, 1, "length structure decode", model.head.url, 200, lines(model.head.headers))
    times = (model.request_time, model.response_time)
    with closing(sqlite3.connect(root / INDEX, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        digests = (f"{number:064x}" for number in range(count))
        connection.executemany(
            "INSERT INTO object VALUES (?, 'webp', 26000, 0, 0, 0)", ((digest,) for digest in digests)
        )
        connection.executemany(
            """
            INSERT INTO entry (key, sha256, width, height, frames, verified, url, status, headers,
                request_time, response_time, fresh_until)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            (
                (_key(number), f"{number:064x}", *fields, *times, fresh_until(model))
                for number in range(count)
            ),
        )
        connection.execute("COMMIT")


def _look_up(root: Path, count: int, rounds: int) -> list[float]:
    path = str(root / INDEX)
    chance = random.Random(1)
    opening = []
    for _ in range(rounds):
        start = perf_counter()
        with closing(Index(path, building="", busy_timeout=1, elapsed=perf_counter)) as index:
            assert index.entries.find(_key(chance.randrange(count)))
            opening.append(perf_counter() - start)
    ours, bare, memory = [], [], []
    with (
        closing(Index(path, building="", busy_timeout=1, elapsed=perf_counter)) as index,
        closing(sqlite3.connect(path, isolation_level=None)) as connection,
    ):
        for _ in range(rounds):
            bare.append(
                _each(lambda key: connection.execute(statements._FIND_ANY, (key,)).fetchall(), chance, count)
            )
            ours.append(_each(index.entries.find, chance, count))
            memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
    lookup, query = statistics.median(ours), statistics.median(bare)
    return [
        statistics.median(opening) * 1e3, lookup * 1e6, query * 1e6, lookup / query, memory[0], memory[-1]
    ]  # fmt: skip


def _each(find: Callable[[Key], object], chance: random.Random, count: int) -> float:
    keys = [_key(chance.randrange(count)) for _ in range(2000)]
    start = process_time()
    for key in keys:
        find(key)
    return (process_time() - start) / len(keys)


# ---------------------------------------------------------------------------------------------------
# Many hits


def hits(folder: Path, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Serve what is held, again and again, beside the peers."""
    for width in (480, 1280):
        pictures = {
            f"/{number}-{width}.webp": data for number, data in enumerate(_pictures([width] * options.images))
        }
        with _origin(pictures) as host:
            urls = [host + path for path in pictures]
            yield asyncio.run(
                _hits(folder / str(width), urls, list(pictures.values()), width, options.rounds)
            )


async def _hits(
    folder: Path, urls: list[str], pictures: list[bytes], width: int, rounds: int
) -> dict[str, Any]:
    folder.mkdir()
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(Client(folder / "ours", allow_hosts=["127.0.0.1"]))
        storage = AsyncSqliteStorage(database_path=folder / "hishel.db")
        transport = AsyncCacheTransport(httpx.AsyncHTTPTransport(), storage, rfc=True)
        theirs = await stack.enter_async_context(httpx.AsyncClient(transport=transport))
        stack.push_async_callback(storage.close)
        plain = stack.enter_context(closing(diskcache.Cache(folder / "plain")))
        opened = stack.enter_context(closing(diskcache.Cache(folder / "opened")))
        for url, data in zip(urls, pictures, strict=True):
            plain.set(url, data)
            opened.set(url, BytesIO(data), read=True)

        async def by_imgfetch() -> int:
            return len([image.path async for image in ours.get_many(urls)])

        async def by_imgfetch_in_full() -> int:
            images = [image async for image in ours.get_many(urls)]
            return len([(image.path, image.entry, image.choice, image.source) for image in images])

        async def by_imgfetch_one_by_one() -> int:
            return len([image.path async for image in ours.get_many(iter(urls))])

        async def by_hishel() -> int:
            return len([(await theirs.get(url)).content for url in urls])

        async def by_diskcache() -> int:
            return len([plain.get(url) for url in urls])

        async def by_diskcache_as_files() -> int:
            names = []
            for url in urls:
                with opened.get(url, read=True) as file:
                    names.append(file.name)
            return len(names)

        cold = await _taken(by_imgfetch, urls)
        await by_hishel()
        ways = {
            "imgfetch, Client.get_many": by_imgfetch,
            "imgfetch, and every value read": by_imgfetch_in_full,
            "imgfetch, of a generator": by_imgfetch_one_by_one,
            "hishel, a response": by_hishel,
            "diskcache, the bytes": by_diskcache,
            "diskcache, an open file": by_diskcache_as_files,
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                seconds[name].append(await _taken(way, urls))
    median = {name: statistics.median(times) for name, times in seconds.items()}
    median["imgfetch, fetched and proved"] = cold
    own = median["imgfetch, Client.get_many"]
    return {
        "title": f"Hits on {len(urls)} images of {width} px, {len(pictures[0]) / 1000:.0f} KB",
        "columns": ["CPU us each", "hits a CPU second", "x imgfetch"],
        "rows": {name: [each * 1e6, 1 / each, each / own] for name, each in median.items()},
    }


async def _taken(way: Callable[[], Awaitable[int]], urls: list[str]) -> float:
    start = process_time()
    found = await way()
    assert found == len(urls)
    return (process_time() - start) / len(urls)


@contextmanager
def _origin(pictures: dict[str, bytes]) -> Iterator[str]:
    """Serve the pictures on the loopback interface, from a process of its own."""
    spawn = multiprocessing.get_context("spawn")
    ours, its = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(pictures, its), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


def _serve(pictures: dict[str, bytes], pipe: Connection) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = pictures[self.path]
            self.send_response(200)
            for name, value in _fields(len(body)):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    pipe.send(server.server_port)
    server.serve_forever()


# ---------------------------------------------------------------------------------------------------
# What is kept


def _pictures(widths: list[int]) -> list[bytes]:
    """A WebP of each width, 16 to 9, about as large as a photograph, no two alike."""
    largest = max(widths)
    grounds = [Image.effect_noise((largest // 3, largest * 9 // 48), spread) for spread in (30, 40, 50)]
    ground = Image.merge("RGB", grounds)
    pictures = []
    for number, width in enumerate(widths):
        picture = ground.resize((width, width * 9 // 16), Image.Resampling.BICUBIC)
        picture.paste((number % 256, number // 256, 0), (0, 0, 16, 16))
        file = BytesIO()
        picture.save(file, "WEBP", quality=50, method=0)
        pictures.append(file.getvalue())
    return pictures


def _fields(length: int) -> list[tuple[str, str]]:
    return [
        ("content-type", "image/webp"),
        ("content-length", str(length)),
        ("cache-control", LASTING),
        ("etag", f'"{length:x}-62f1"'),
        ("last-modified", "Tue, 01 Jul 2025 10:00:00 GMT"),
        ("accept-ranges", "bytes"),
    ]


def _key(number: int) -> Key:
    return Key(f"https://cdn.example/media/2026/{number % 1000:03}/picture-{number}-480.webp")


def _entry(url: Key, data: bytes) -> Entry:
    digest = Digest(sha256(data).hexdigest())
    facts = Facts(Format.WEBP, 480, 270, 1, len(data), digest, ("length", "structure", "decode"))
    return Entry(url, facts, Head(url, 200, tuple(_fields(len(data)))), time() - 60, time() - 60)


def _fill(root: Path, urls: list[str], pictures: list[bytes]) -> None:
    """Keep a picture under each URL, as long ago as makes no difference."""
    with closing(DiskStore(root)) as store:
        for url, data in zip(urls, pictures, strict=True):
            entry = _entry(Key(url), data)
            ticket = store.staging.open()
            store.staging.write(ticket, data)
            proof = Verified(entry.facts, ticket)
            pending = PendingEntry(proof, entry.key, entry.head, entry.request_time, entry.response_time)
            store.commit([pending._replace(fresh_until=fresh_until(entry))])
    os.utime(root / INDEX, (time() - 60, time() - 60))


PARTS = {"starts": starts, "entries": entries, "hits": hits}

if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
