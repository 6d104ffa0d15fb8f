"""What fetching costs beside other tools: the same files from the same origin, in turn, in one run.

    corpus ─▶ nginx on the loopback interface ─▶ each tool in a process of its own, round after round
           ─▶ CPU seconds, wall, peak memory ─▶ medians ─▶ tables and a plot

`python benchmarks/fetching.py [cold] [warm] [tls] [latency] [memory]` needs nginx; the peers that are not
there are named, and not measured. CPU is that of the tool's process and of every child that it waited for;
the origin's is not counted, but shares the cores. Every run has a fresh folder on a real disk, and must leave
as many files there as it was asked for.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import contestants as who
from contestants import Task, Tool
from origins import LATENCY, nginx, slow
from showing import Cost, figure, plot, put, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

ROOT = Path(__file__).parents[1]
PAGE, PLOT = ROOT / "docs/performance.md", ROOT / "docs/performance.svg"
OWN_PEERS = ROOT / "build/peers/bin/python"
WIDTH = 480
"""Of the images where the connection is what is measured, and not the image."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What the parts share."""

    options: argparse.Namespace
    tools: tuple[Tool, ...]
    """Those that are here."""
    scratch: Path
    http: str
    https: str

    def named(self, *names: str) -> tuple[Tool, ...]:
        """Those of these tools that are here."""
        return tuple(tool for tool in self.tools if tool.name in names)

    def urls(self, base: str, width: int, times: int = 1) -> list[str]:
        """The URL of every image of a width; more than once, with a query that tells them apart."""
        plain = [f"{base}/{width}/{number:04}.webp" for number in range(self.options.count)]
        return plain + [f"{url}?{time}" for time in range(1, times) for url in plain]


@dataclass(frozen=True, slots=True)
class Race:
    """Tools that fetch the same URLs in turn."""

    tools: tuple[Tool, ...]
    urls: list[str]
    width: int
    at_once: int
    rounds: int
    warm: bool = False
    """What is measured is a second run in the same folder."""


class Broken(Exception):
    """A tool has not done its task."""


def main(arguments: Sequence[str]) -> int:
    """Measure, and print the tables or put them into the page."""
    options = _options(arguments)
    if shutil.which("nginx") is None:
        raise SystemExit(
            "nginx is not here, and it is the origin: install it, as with apt-get install nginx-light"
        )
    corpus = [sys.executable, Path(__file__).with_name("corpus.py"), options.corpus]
    subprocess.run([*corpus, "--count", str(options.count)], check=True)
    versions = {tool: who.version(tool, options.peers) for tool in (*who.TOOLS, who.OLD_CURL, who.FLOOR)}
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.scratch)))
        http, https, authority = stack.enter_context(nginx(scratch / "nginx", options.corpus))
        os.environ["SSL_CERT_FILE"] = os.environ["CURL_CA_BUNDLE"] = str(authority)
        bench = Bench(options, tuple(tool for tool in versions if versions[tool]), scratch, http, https)
        for part in options.parts or PARTS:
            _show(part, PARTS[part](bench), options)
    _show("versions", _versions(versions), options)
    return 0


def cold(bench: Bench) -> str:
    """Every tool, into an empty folder, in two widths; and the plot of it."""
    tools = tuple(tool for tool in bench.tools if tool is not who.OLD_CURL)
    start = measured(bench, Race(tools, bench.urls(bench.http, WIDTH)[:1], WIDTH, 1, bench.options.rounds))
    tables, series = [], {}
    for width in bench.options.widths:
        urls = bench.urls(bench.http, width)
        race = Race(tuple(start), urls, width, bench.options.at_once, bench.options.rounds)
        costs = measured(bench, race)
        tables.append(
            _costs(f"{width} px", costs, len(urls), ("proved", lambda tool: tool.proves), start=start)
        )
        series[f"{width} px"] = {tool.name: cost.cpu * 1000 / len(urls) for tool, cost in costs.items()}
    if bench.options.write:
        proves = {tool.name: tool.proves for tool in tools}
        PLOT.write_text(plot("CPU seconds for 1,000 images, cold", series, proves), encoding="utf-8")
    return "\n\n".join(tables)


def warm(bench: Bench) -> str:
    """Who looks at what is there, a second time in the same folder."""
    tools = tuple(tool for tool in bench.tools if tool.again)
    urls = bench.urls(bench.http, WIDTH)
    costs = measured(bench, Race(tools, urls, WIDTH, bench.options.at_once, bench.options.rounds, warm=True))
    what = ("what it does", lambda tool: tool.again)
    return _costs("again, 480 px", costs, len(urls), what, bases=(who.OURS_FULL,))


def tls(bench: Bench) -> str:
    """From an origin that offers HTTP/2 and HTTP/1.1 over TLS."""
    tools = bench.named(who.OURS, who.CURL, who.OLD_CURL.name, who.AIOHTTP, who.HTTPX)
    urls = bench.urls(bench.https, WIDTH)
    costs = measured(bench, Race(tools, urls, WIDTH, bench.options.at_once, bench.options.rounds))
    spoken = ("spoken", lambda tool: "HTTP/2" if tool.name == who.CURL else "HTTP/1.1")
    return _costs("TLS, 480 px", costs, len(urls), spoken)


def latency(bench: Bench) -> str:
    """From two hundred hosts that take 100 ms for an answer; the start, of one image alone, is taken off."""
    tools = bench.named(who.OURS, who.CURL, who.AIOHTTP, who.HTTPX)
    columns = []
    cells: dict[Tool, list[str]] = {tool: [] for tool in tools}
    with slow(bench.options.corpus / str(WIDTH)) as hosts:
        one = measured(bench, Race(tools, _far(hosts, 1, bench), WIDTH, 1, 1))
        for at_once in (64, 256):
            count, possible = at_once * bench.options.turns, at_once / LATENCY
            costs = measured(bench, Race(tuple(one), _far(hosts, count, bench), WIDTH, at_once, 1))
            columns += [f"{at_once} in flight: images/s", f"of {possible:,.0f}", "CPU s per 1,000"]
            for tool in tools:
                if tool in costs:
                    rate = count / (costs[tool].wall - one[tool].wall)
                    cells[tool] += [f"{rate:,.0f}", f"{rate / possible:.0%}"]
                    cells[tool].append(figure(costs[tool].cpu * 1000 / count))
                else:
                    cells[tool] += ["broke", "", ""]
    return table("100 ms away", columns, [(tool.name, *row) for tool, row in cells.items()])


def _far(hosts: Sequence[str], count: int, bench: Bench) -> list[str]:
    """So many URLs, the hosts in turn."""
    images = bench.options.count
    return [f"{hosts[turn % len(hosts)]}/{turn % images:04}.webp?{turn}" for turn in range(count)]


def memory(bench: Bench) -> str:
    """Ten times the URLs."""
    tools = bench.named(who.OURS, who.OURS_FULL, who.CURL, who.AIOHTTP)
    many = bench.urls(bench.http, WIDTH, 10)
    peaks = {
        len(urls): measured(bench, Race(tools, urls, WIDTH, bench.options.at_once, 1))
        for urls in (many[: len(many) // 10], many)
    }
    columns = [f"{count:,} images: peak MB" for count in peaks]
    rows = [
        (tool.name, *(_peak(costs[tool]) if tool in costs else "broke" for costs in peaks.values()))
        for tool in tools
    ]
    return table("", columns, rows)


PARTS: Mapping[str, Callable[[Bench], str]] = {
    "cold": cold,
    "warm": warm,
    "tls": tls,
    "latency": latency,
    "memory": memory,
}


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
    return dict(sorted(costs.items(), key=lambda item: item[1].cpu))


def _run(bench: Bench, race: Race, tool: Tool) -> Cost:
    folder = Path(tempfile.mkdtemp(dir=bench.scratch))
    listing = bench.scratch / "urls.txt"
    listing.write_text("\n".join(race.urls))
    images = bench.options.corpus / str(race.width)
    task = Task(listing, folder, race.at_once, bench.options.peers, images)
    command = tool.command(task)
    try:
        if race.warm:
            _cost(command)
        os.sync()  # nobody pays for what another left to be written
        cost = _cost(command)
        _check(tool, folder, min(len(race.urls), bench.options.count))
    finally:
        shutil.rmtree(folder)
    return cost


def _cost(command: Sequence[str]) -> Cost:
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise Broken(f"exit {process.returncode}, {said.decode(errors='replace')[-300:].strip()}")
    return Cost(usage.ru_utime + usage.ru_stime, time.monotonic() - start, usage.ru_maxrss / 1024)


def _check(tool: Tool, folder: Path, count: int) -> None:
    """See that the images are there."""
    found = sum(1 for path in folder.rglob("*.*") if path.suffix in {".webp", ".jpg"} and path.stat().st_size)
    if found < count and tool is not who.FLOOR:
        raise Broken(f"of {count} images, {found} are there")


def _median(values: Iterable[float]) -> float:
    ordered = sorted(values)
    return (ordered[len(ordered) // 2] + ordered[(len(ordered) - 1) // 2]) / 2


def _costs(
    head: str,
    costs: Mapping[Tool, Cost],
    count: int,
    note: tuple[str, Callable[[Tool], str]],
    *,
    bases: Sequence[str] = (who.CURL, who.AIOHTTP),
    start: Mapping[Tool, Cost] | None = None,
) -> str:
    """A table of costs: ratios to those of `bases`, and how much one image alone has cost."""
    base = {tool.name.split()[0]: cost.cpu for tool, cost in costs.items() if tool.name in bases}
    columns = ["CPU s per 1,000", *(f"× {name}" for name in base), "images/s", "peak MB", note[0]]
    rows = []
    for tool, cost in costs.items():
        ratios = [figure(cost.cpu / cpu) for cpu in base.values()]
        rate = f"{count / cost.wall:,.0f}"
        rows.append([tool.name, figure(cost.cpu * 1000 / count), *ratios, rate, _peak(cost), note[1](tool)])
        if start:
            rows[-1].insert(2, figure(start[tool].cpu))
    if start:
        columns.insert(1, "one image, CPU s")
    return table(head, columns, rows)


def _peak(cost: Cost) -> str:
    """A child begins with the peak of the process that starts it: what is no higher cannot be seen."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"{cost.peak:.0f}" if cost.peak > own * 1.05 else f"under {own * 1.05:.0f}"


def _versions(versions: Mapping[Tool, str]) -> str:
    here = ", ".join(dict.fromkeys(f"{tool.maker} {found}" for tool, found in versions.items() if found))
    missing = ", ".join(tool.name for tool, found in versions.items() if not found)
    said = f"Measured were {here}." + (f" Not here, and not measured: {missing}." if missing else "")
    return "\n".join(wrap(said, 125, break_on_hyphens=False))


def _show(name: str, text: str, options: argparse.Namespace) -> None:
    print(f"\n{text}", flush=True)
    if options.write:
        put(PAGE, f"fetching: {name}", text)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (all)")
    parser.add_argument("--corpus", type=Path, default=ROOT / "build/corpus")
    parser.add_argument("--count", type=int, default=1000, help="images a width")
    parser.add_argument("--rounds", type=int, default=3, help="the slowest tools run in the first alone")
    parser.add_argument("--at-once", type=int, default=64, help="requests in flight, for all but latency")
    parser.add_argument(
        "--turns", type=int, default=20, help="how often all in flight are answered, for latency"
    )
    parser.add_argument("--widths", type=int, nargs="+", default=[480, 1280], help="of the cold part")
    parser.add_argument("--scratch", default="/var/tmp", help="where the tools write: a disk, no tmpfs")
    own = str(OWN_PEERS) if OWN_PEERS.exists() else sys.executable
    parser.add_argument("--peers", default=own, metavar="PYTHON", help="the interpreter that has the peers")
    parser.add_argument("--write", action="store_true", help=f"put tables and plot into {PAGE.name}")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
