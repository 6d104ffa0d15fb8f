"""Runs: tools in turn on the same task, each in a process of its own with a fresh folder, and what they took.

CPU is that of the tool's process and of every child that it waited for; the origin's is not counted, but
shares the cores. What every run took stays in `Bench.found`, under the name of its race.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import contestants as who
from contestants import Task, Tool
from showing import Cost

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Iterable, Sequence

    from origins import Origin


@dataclass(frozen=True, slots=True)
class Bench:
    """What the parts share."""

    options: argparse.Namespace
    tools: tuple[Tool, ...]
    """Those that are here."""
    scratch: Path
    origin: Origin
    found: dict[str, dict[str, Cost]] = field(default_factory=dict)
    """By the name of a race and of a tool."""

    def named(self, *names: str) -> tuple[Tool, ...]:
        """Those of these tools that are here."""
        return tuple(tool for tool in self.tools if tool.name in names)

    def urls(self, base: str | Sequence[str], width: int, count: int | None = None) -> list[str]:
        """So many URLs of images of a width, on one host or on several in turn.

        Where the corpus has fewer, they come again with a query that tells them apart.
        """
        hosts, images = [base] if isinstance(base, str) else base, self.options.count
        return [
            f"{hosts[turn % len(hosts)]}/{width}/{turn % images:04}.webp"
            + (f"?{turn // images}" if turn >= images else "")
            for turn in range(images if count is None else count)
        ]


@dataclass(frozen=True, slots=True)
class Race:
    """Tools that fetch the same URLs in turn."""

    name: str
    tools: Collection[Tool]
    urls: list[str]
    width: int
    at_once: int
    rounds: int
    warm: bool = False
    """What is measured is a second run in the same folder."""


class Broken(Exception):
    """A tool has not done its task."""


def measured(bench: Bench, race: Race) -> dict[Tool, Cost]:
    """The median cost of each tool, the cheapest first; without a tool that broke, which is said."""
    runs: dict[Tool, list[Cost]] = {tool: [] for tool in race.tools}
    for turn in range(race.rounds):
        for tool in [tool for tool in runs if not (tool.slow and turn)]:
            try:
                runs[tool].append(_run(bench, race, tool))
            except Broken as error:
                print(f"{tool.name}: {error}", file=sys.stderr)
                del runs[tool]
    costs = {tool: Cost(*map(_median, zip(*costs, strict=True))) for tool, costs in runs.items()}
    costs = dict(sorted(costs.items(), key=lambda item: item[1].cpu))
    bench.found[race.name] = {tool.name: cost for tool, cost in costs.items()}
    return costs


def cost_of(command: Sequence[str], images: int, *, may_fail: bool = False) -> Cost:
    """What a process takes; `may_fail` is whether it may say that some images failed."""
    with (
        tempfile.TemporaryFile() as said
    ):  # what it says is not to be held in memory: children inherit the peak
        start = time.monotonic()
        # without what a shell may say of Python: its settings change what a program costs
        settings = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said, env=settings)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in ({0, 1} if may_fail else {0}):
            said.seek(max(0, said.tell() - 300))
            words = said.read().decode(errors="replace").strip()
            raise Broken(f"exit {process.returncode}, {words}")
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, images)


def peak(cost: Cost) -> str:
    """A child begins with the peak of the process that starts it: what is no higher cannot be seen."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"{cost.peak:.0f}" if cost.peak > own * 1.05 else f"under {own * 1.05:.0f}"


def _run(bench: Bench, race: Race, tool: Tool) -> Cost:
    folder = Path(tempfile.mkdtemp(dir=bench.scratch))
    listing = bench.scratch / "urls.txt"
    listing.write_text("\n".join(race.urls) + "\n")
    images = bench.options.corpus / str(race.width)
    command = tool.command(Task(listing, folder, race.at_once, bench.options.peers, images))
    if race.warm:
        cost_of(command, 0)
    os.sync()  # nobody pays for what another left to be written
    cost = cost_of(command, len(race.urls))
    _check(tool, folder, min(len(race.urls), bench.options.count))
    # What is there stays until all is over: ext4 looks over every inode that was freed in the last minute
    # whenever a file is made, so that each tool would pay for having the one before it swept away.
    return cost


def _check(tool: Tool, folder: Path, count: int) -> None:
    """See that the images are there."""
    found = sum(1 for path in folder.rglob("*.*") if path.suffix in {".webp", ".jpg"} and path.stat().st_size)
    if found < count and tool is not who.FLOOR:
        raise Broken(f"of {count} images, {found} are there")


def _median(values: Iterable[float]) -> float:
    ordered = sorted(values)
    return (ordered[len(ordered) // 2] + ordered[(len(ordered) - 1) // 2]) / 2
