"""Kill whoever writes to a cache, again and again, and see whether anything in it lies afterwards.

    python tests/kills.py --rounds 200
    python tests/kills.py --rounds 1 --objects 1000000 --work prune

Each round fills a cache, starts one who works on it, and sends SIGKILL after a random time; then everything
is compared: objects with their names, rows with objects, counts with rows. At the end a prune is let run to
its end. A table says what came of it, and the exit code is 1 if anything lied.
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import textwrap
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import litter
from imgfetch.rules.store.eviction import Bounds
from imgfetch.store.disk_store import DiskStore

HERE = Path(__file__).parent
_CHILD = f"""
    import random, sys
    sys.path.insert(0, {str(HERE)!r})
    from imgfetch.store.disk_store import DiskStore
    from imgfetch.rules.store.eviction import Bounds
    from keeping import *
    store = DiskStore(sys.argv[1], bounds=Bounds(int(sys.argv[3])) if sys.argv[3] != "0" else None)
    print("go", flush=True)
"""
_WORK = {
    "keep": """
        first = int(sys.argv[2])
        for number in range(first, first + 100_000):
            keep(store, Key(f"https://photos.example/new/{number}"), b"%d new" % number * 500)
    """,
    "prune": """
        store.prune(Bounds(int(sys.argv[4])), grace=0)
    """,
    "keep, and evict": """
        first = int(sys.argv[2])
        for number in range(first, first + 100_000):
            store.find(Key(f"https://photos.example/{number}"))
            keep(store, Key(f"https://photos.example/new/{number}"), b"%d new" % number * 500)
    """,
    "prune twice": """
        store.prune(Bounds(int(sys.argv[4])), grace=0)
    """,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--objects", type=int, default=3000, help="what is in the cache before")
    parser.add_argument("--work", choices=[*_WORK], action="append", help="only this; may be repeated")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = random.randrange(10**6) if options.seed is None else options.seed
    print(f"{options.rounds} rounds, {options.objects:,} objects, seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        works = options.work or [*_WORK]
        return Rounds(Path(folder), options.objects, works, random.Random(seed)).run(options.rounds)


class Rounds:
    """A cache that is filled once and linked anew for each round."""

    def __init__(self, folder: Path, objects: int, works: list[str], chance: random.Random) -> None:
        self._folder = folder
        self._full = folder / "full"
        self._root = folder / "cache"
        self._objects = objects
        self._works = works
        self._chance = chance
        self._found: Counter[tuple[str, str]] = Counter()
        began = time.monotonic()
        with closing(DiskStore(self._full)) as store:
            litter.fill(store, objects)
            self._bytes = store.stats().bytes
        print(f"filled in {time.monotonic() - began:.0f} s", flush=True)

    def run(self, rounds: int) -> int:
        began = time.monotonic()
        for number in range(rounds):
            self._round(number)
        self._table(rounds, time.monotonic() - began)
        return 1 if any(what == "lies" for _, what in self._found) else 0

    def _round(self, number: int) -> None:
        name = self._works[number % len(self._works)]
        litter.link(self._full, self._root)
        longest = self._longest(name)
        for process in self._start(name, number):
            with process:
                try:
                    process.wait(self._chance.uniform(0, longest))
                    self._found[name, "done"] += 1
                except subprocess.TimeoutExpired:
                    process.kill()
                    self._found[name, "killed"] += 1
        seen = litter.compare(self._root)
        for what, count in seen._asdict().items():
            if what != "lies":
                self._found[name, what] += count
        for lie in seen.lies:
            self._found[name, "lies"] += 1
            print(f"round {number}, {name}: {lie}", flush=True)
        if name.startswith("prune"):
            self._finish(name, number)

    def _longest(self, name: str) -> float:
        """Seconds after which a process is killed at the latest: in which it could do most of its work."""
        return 0.4 if name.startswith("keep") else max(0.3, self._objects / 6000)

    def _start(self, name: str, number: int) -> list[subprocess.Popen[str]]:
        program = textwrap.dedent(_CHILD) + textwrap.dedent(_WORK[name])
        bound = str(self._bytes) if name == "keep, and evict" else "0"
        command = [sys.executable, "-c", program, str(self._root), str(number * 1000), bound]
        command.append(str(self._bytes // 10))
        started = [
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            for _ in range(2 if name == "prune twice" else 1)
        ]
        for process in started:
            assert process.stdout is not None
            process.stdout.readline()
        return started

    def _finish(self, name: str, number: int) -> None:
        """What was cut short is finished by the next, and then all agrees."""
        began = time.monotonic()
        with closing(DiskStore(self._root)) as store:
            pruned = store.prune(Bounds(self._bytes // 10), grace=0)
        spent = time.monotonic() - began
        seen = litter.compare(self._root)
        if self._objects >= 100_000:
            print(f"round {number}, {name}: the next prune took {spent:.0f} s, {pruned}", flush=True)
        if seen.lies or seen.lost or seen.bytes > self._bytes // 10:
            self._found[name, "lies"] += 1
            print(f"round {number}, {name}: after a second prune {seen}, {pruned}", flush=True)

    def _table(self, rounds: int, seconds: float) -> None:
        columns = ("killed", "done", "rows", "lost", "strays", "lies")
        print(f"{'':18}" + "".join(f"{column:>12}" for column in columns))
        for name in self._works:
            print(f"{name:18}" + "".join(f"{self._found[name, column]:>12,}" for column in columns))
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = time.process_time() + spent.ru_utime + spent.ru_stime
        print(f"{rounds} rounds in {seconds:.0f} s ({cpu:.0f} s of CPU)")
        print("lost: rows whose object is gone, which cost a download; strays: objects without a row")


if __name__ == "__main__":
    sys.exit(main())
