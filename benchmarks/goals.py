"""Figures to reach: each of what the parts have found, beside what was aimed at."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import contestants as who
import parts
from origins import LATENCY
from showing import Cost, figure, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Bench


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure."""

    what: str
    against: str
    bound: float
    found: Callable[[Found], float]
    """Raises `LookupError` where it was not measured."""
    form: Callable[[float], str]
    least: bool = False
    """Whether more is better."""

    def row(self, found: Found) -> tuple[str, ...]:
        """What, against what, the goal, and what was reached."""
        value = self.found(found)
        is_reached = value >= self.bound if self.least else value <= self.bound
        goal = f"{'≥' if self.least else '≤'} {self.form(self.bound)}"
        return self.what, self.against, goal, f"{self.form(value)}{'' if is_reached else ', missed'}"


class Found:
    """What was measured, by the parts and by the neighbours of this script."""

    def __init__(self, bench: Bench) -> None:
        self._races = bench.found
        self.options = bench.options
        self._said: dict[str, list[dict[str, Any]]] = {}

    def cost(self, race: str, tool: str) -> Cost:
        """Of a tool in a race."""
        return self._races[race][tool]

    def cpu(self, race: str, tool: str) -> float:
        """CPU seconds for 1,000 images."""
        return self.cost(race, tool).per_thousand

    def net(self, tool: str) -> float:
        """CPU seconds of the pipelines, without the start."""
        race = parts.PIPELINES
        return self.cost(race, tool).cpu - self.cost(f"{parts.START} of {race}", tool).cpu

    def rate(self, at_once: int, tool: str) -> float:
        """Images a second from far away."""
        return parts.far_rate(
            self.cost(parts.FAR.format(at_once), tool), self.cost(parts.FAR.format(1), tool)
        )

    def said(self, script: str, *arguments: str) -> list[dict[str, Any]]:
        """What another script of the benchmark measures."""
        if script not in self._said:
            command = [sys.executable, str(Path(__file__).with_name(script)), *arguments, "--json"]
            ran = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
            self._said[script] = [json.loads(line) for line in ran.stdout.splitlines()]
        return self._said[script]

    def cached(self, title: str, row: str, column: int) -> float:
        """A figure of `cache.py`."""
        tables = self.said("cache.py", "starts", "hits")
        return next(each["rows"][row][column] for each in tables if each["title"].startswith(title))


def goals(bench: Bench) -> str:
    """The table, of what was measured."""
    found, rows = Found(bench), []
    for goal in _goals(bench.options.count, max(bench.options.lines)):
        try:
            rows.append(goal.row(found))
        except LookupError:
            print(f"{goal.what}: not measured in this run", file=sys.stderr)
    return table("what", ("against", "goal", "reached"), rows)


def since(bench: Bench) -> str:
    """What an earlier version took in the same run, and what this one takes."""
    rows = []
    for width in bench.options.widths:
        costs = bench.found[parts.COLD.format(width)]
        for tool in (who.OURS, who.OURS_FULL):
            then = costs.get(tool.replace("imgfetch", who.BEFORE))
            if then and tool in costs:
                now = costs[tool]
                less = f"{then.cpu / now.cpu:.1f} ×"
                rows.append(
                    (f"{tool}, {width} px", figure(then.per_thousand), figure(now.per_thousand), less)
                )
    return table("CPU s per 1,000", ("at first", "now", "less by"), rows)


def _times(value: float) -> str:
    return f"{figure(value)} ×"


def _part(value: float) -> str:
    return f"1/{1 / value:.3g}"


def _share(value: float) -> str:
    return f"{value:.0%}"


def _megabytes(value: float) -> str:
    return f"{value:,.0f} MB"


def _proof(width: int) -> Goal:
    race = parts.COLD.format(width)

    def found(of: Found) -> float:
        return of.cpu(race, who.OURS_FULL) / (of.cpu(race, who.FLOOR.name) + of.cpu(race, who.CURL))

    against = "libwebp's own decode of the files, and curl's download"
    return Goal(f"full proof, {width} px, CPU", against, 1.35, found, _times)


def _piped(tool: str, bound: float, count: int) -> Goal:
    def found(of: Found) -> float:
        return of.cpu(parts.PIPELINES, who.OURS_FULL) / of.cpu(parts.PIPELINES, tool)

    return Goal(f"full proof, {2 * count:,} images of 480 px, CPU", tool, bound, found, _part)


def _goals(count: int, lines: int) -> tuple[Goal, ...]:
    """Of a run with so many images, and so many lines of a manifest."""
    at_480, bare = parts.COLD.format(480), "structure, SHA-256, durable, 480 px, CPU"
    return (
        *(
            Goal(
                bare,
                who.AIOHTTP,
                bound,
                lambda of: of.cpu(at_480, who.OURS) / of.cpu(at_480, who.AIOHTTP),
                _times,
            )
            for bound in (1.2, 0.75)
        ),
        Goal(
            f"the same of {2 * count:,} images",
            who.AIOHTTP,
            1.2,
            lambda of: of.cpu(parts.TWICE, who.OURS) / of.cpu(parts.TWICE, who.AIOHTTP),
            _times,
        ),
        Goal(bare, who.CURL, 3, lambda of: of.cpu(at_480, who.OURS) / of.cpu(at_480, who.CURL), _times),
        _proof(480),
        _proof(1280),
        Goal(
            "durable, CPU",
            "the same with no sync",
            1.15,
            lambda of: of.cpu(parts.DURABLE, who.OURS) / of.cpu(parts.DURABLE, who.UNDURABLE.name),
            _times,
        ),
        Goal(
            "durable, images/s",
            "the same with no sync",
            0.8,
            lambda of: (
                of.cost(parts.DURABLE, who.OURS).rate / of.cost(parts.DURABLE, who.UNDURABLE.name).rate
            ),
            _share,
            least=True,
        ),
        _piped(who.IMG2DATASET, 1 / 6, count),
        Goal(
            "the same without the starts",
            who.IMG2DATASET,
            1 / 2,
            lambda of: of.net(who.OURS_FULL) / of.net(who.IMG2DATASET),
            _part,
        ),
        _piped(who.SCRAPY, 1 / 3, count),
        _piped(who.GALLERY, 1 / 2, count),
        Goal(
            "100 ms away, 64 in flight, images/s",
            "64 / 100 ms",
            0.9,
            lambda of: of.rate(64, who.OURS) * LATENCY / 64,
            _share,
            least=True,
        ),
        Goal(
            "100 ms away, 256 in flight, images/s",
            who.CURL,
            1,
            lambda of: of.rate(256, who.OURS) / of.rate(256, who.CURL),
            _times,
            least=True,
        ),
        Goal(
            "a hit through `get_many`, CPU",
            "the same, fetched and proved",
            1 / 50,
            lambda of: 1 / of.cached("Hits", "imgfetch, fetched and proved", 2),
            _part,
        ),
        Goal(
            "a warm `get` of one URL, CPU",
            "`python -c pass`",
            1.7,
            lambda of: of.cached("A warm hit", "imgfetch get URL", 1),
            _times,
        ),
        Goal(
            "reading a page of 220 KB and choosing, CPU",
            "html5lib's parse alone",
            1 / 20,
            lambda of: 1 / of.said("reading.py")[0]["ratios"]["html5lib over imgfetch"][1],
            _part,
        ),
        *(
            Goal(
                f"memory of {10 * count:,} images, 64 in flight",
                tool,
                120,
                lambda of, tool=tool: of.cost(parts.MEMORY.format(10 * of.options.count), tool).peak,
                _megabytes,
            )
            for tool in (who.OURS, who.OURS_FULL)
        ),
        *(
            Goal(
                f"memory of a manifest of {lines:,} lines",
                way,
                150,
                lambda of, way=way: of.cost("manifest", way).peak,
                _megabytes,
            )
            for way in (parts.LIBRARY, parts.GET, parts.BATCH, parts.AGAIN)
        ),
    )
