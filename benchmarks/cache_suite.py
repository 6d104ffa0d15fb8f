"""How caches for httpx do in the cases of the public suite for HTTP caches, side by side.

    python benchmarks/cache_suite.py    writes the table at the end of docs/caching.md

It needs the extra `bench`. hishel takes part as a private cache.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

from hishel import AsyncSqliteStorage, CacheOptions
from hishel.httpx import AsyncCacheTransport

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from cache_cases import CASES
from origin import Origin
from test_cache_suite import Play

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from cache_cases import Case

DOCUMENT = Path(__file__).parents[1] / "docs" / "caching.md"
MARK = "<!-- what follows is written by benchmarks/cache_suite.py -->\n"
KINDS = ("required", "optimal")
SECONDS = 20


class HishelPlay(Play):
    """The same stage for hishel, which takes the time from the system."""

    def cached(self, plain: httpx.AsyncBaseTransport, cache: Path) -> httpx.AsyncBaseTransport:
        """The cache on trial."""
        storage = AsyncSqliteStorage(database_path=f"{cache}.db")
        return AsyncCacheTransport(plain, storage=storage, rfc=CacheOptions(shared=False))

    async def act(self) -> str | None:
        """What went wrong, or None."""
        with patch("time.time", self.clock.now):
            try:
                return await asyncio.wait_for(super().act(), SECONDS)
            except Exception as error:  # whatever it is, the case is not passed
                return repr(error)


def main() -> None:
    """Play every case with each, and write the scores down."""
    ours, its = _passed(Play), _passed(HishelPlay)
    total = Counter((case.section, case.kind) for case in CASES)
    sections = list(dict.fromkeys(case.section for case in CASES if case.kind in KINDS))

    def row(name: str, some: list[str]) -> str:
        cells = []
        for kind in KINDS:
            of = sum(total[section, kind] for section in some)
            got = (sum(passed[section, kind] for section in some) for passed in (ours, its))
            cells += [f"{number} of {of}" if of else "" for number in got]
        return f"| {' | '.join([name, *cells])} |"

    lines = [row(section, [section]) for section in sections] + [row("**all**", sections)]
    text = DOCUMENT.read_text(encoding="utf-8").partition(MARK)[0]
    section = INTRODUCTION.format(version=version("hishel")) + "\n".join(lines) + "\n"
    DOCUMENT.write_text(text + MARK + section, encoding="utf-8")


def _passed(play: Callable[[Case, Origin, Path], Play]) -> Counter[tuple[str, str]]:
    passed: Counter[tuple[str, str]] = Counter()
    with Origin() as origin, tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(CASES):
            if case.kind in KINDS:
                problem = asyncio.run(play(case, origin, Path(folder) / str(number)).act())
                passed[case.section, case.kind] += problem is None
    return passed


INTRODUCTION = """
The score by section, beside hishel {version} as a private cache (`rfc=CacheOptions(shared=False)`), which
keeps bodies of any kind: *required* is what the standard demands, *optimal* what a good cache does besides.
Cases that leave a choice to the cache have no score. `make bench-cache_suite` writes this table.

| section | required: imgfetch | hishel | optimal: imgfetch | hishel |
|---|---|---|---|---|
"""

if __name__ == "__main__":
    main()
