"""What a fetch costs with a cache and without one: the same images from the same origin, in turn.

    corpus ─▶ nginx on the loopback interface ─▶ each way in a process of its own, round after round
           ─▶ CPU of that process for an image, wall, peak memory ─▶ medians ─▶ a table

`python benchmarks/uncached.py CORPUS` needs nginx. The imports of a fetch are not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from itertools import product
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from statistics import median
from tempfile import TemporaryDirectory

from origins import nginx

COUNT = 500
LEVELS = ("structure", "full")
WAYS = {
    "cache": "`Client(cache)`",
    "uncached": "`Client(cache=None)`",
    "fetch_many": "`fetch_many(cache=None)`, of an iterator",
}


def main(arguments: list[str]) -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path, help="has 500 images of 480 pixels in 480/: see corpus.py")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--child", nargs=3, metavar=("WAY", "LEVEL", "ORIGIN"))
    options = parser.parse_args(arguments)
    if options.child:
        sys.stdout.write(_child(*options.child))
        return 0
    if shutil.which("nginx") is None:
        raise SystemExit("nginx is not here, and it is the origin: install it, as with apt-get install nginx")
    measured: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
    with TemporaryDirectory() as folder, nginx(Path(folder, "nginx"), options.corpus) as origin:
        for _, level, way in product(range(options.rounds), LEVELS, WAYS):
            command = [sys.executable, __file__, str(options.corpus), "--child", way, level, origin.http]
            ran = subprocess.run(command, capture_output=True, text=True, check=True)
            measured[level, way].append([float(word) for word in ran.stdout.split()])
    sys.stdout.write(
        "| `verify` | way | CPU ms an image | wall ms an image | peak MB |\n|---|---|---|---|---|\n"
    )
    for (level, way), runs in measured.items():
        cpu, wall, peak = (median(values) for values in zip(*runs, strict=True))
        sys.stdout.write(f"| `{level}` | {WAYS[way]} | {cpu:.2f} | {wall:.2f} | {peak:.0f} |\n")
    return 0


def _child(way: str, level: str, origin: str) -> str:
    """Fetch all images; return CPU and wall in ms for an image, and the peak of memory in MB."""
    import imgfetch
    import imgfetch.api.runtime
    import imgfetch.transports.factory  # what a first request imports

    urls = [f"{origin}/480/{number:04}.webp" for number in range(COUNT)]
    with TemporaryDirectory(dir=".") as folder:
        cache = f"{folder}/cache" if way == "cache" else None

        async def fetch_all() -> int:
            async with imgfetch.Client(cache, allow_hosts=["127.0.0.1"], verify=level) as client:
                outcomes = client.get_many(urls)
                return sum([isinstance(outcome, imgfetch.Image) async for outcome in outcomes])

        began, cpu = time.perf_counter(), _cpu()
        if way == "fetch_many":
            outcomes = imgfetch.fetch_many(iter(urls), cache=None, allow_hosts=["127.0.0.1"], verify=level)
            found = sum(isinstance(outcome, imgfetch.Image) for outcome in outcomes)
        else:
            found = asyncio.run(fetch_all())
        spent, wall = _cpu() - cpu, time.perf_counter() - began
    if found != COUNT:
        raise SystemExit(f"{found} of {COUNT} images came")
    peak = getrusage(RUSAGE_SELF).ru_maxrss / 1024
    return f"{spent * 1000 / COUNT} {wall * 1000 / COUNT} {peak}"


def _cpu() -> float:
    used = getrusage(RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
