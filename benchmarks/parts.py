"""The parts of the benchmark: each races some tools, and gives a table of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import contestants as who
from origins import LATENCY, slow
from running import Race, cost_of, measured, peak
from showing import figure, plot, table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from contestants import Tool
    from running import Bench
    from showing import Cost

WIDTH = 480
"""Of the images where the connection is what is measured, and not the image."""
COLD, TWICE, START = "cold {}", "twice as many", "start"
WARM, DURABLE, PIPELINES = "warm", "durable", "pipelines"
FAR, NEAR, MEMORY, CORES = "far {}", "near {} {}", "memory {}", "cores"
LIBRARY, GET = "`get_many`, a generator", "`get -i FILE --report`"
BATCH, AGAIN = "`batch FILE --report`", "the same `batch` again"
TITLE = "CPU seconds for 1,000 images, cold"


def cold(bench: Bench) -> str:
    """Every tool, into an empty folder, in two widths."""
    tools = tuple(tool for tool in bench.tools if tool is not who.OLD_CURL)
    start = _start(bench, tools, COLD)
    tables = []
    for width in bench.options.widths:
        race = _race(bench, COLD.format(width), start, bench.urls(bench.origin.http, width), width)
        what = ("proved", lambda tool: tool.proves)
        tables.append(_costs(f"{width} px", measured(bench, race), what, start=start))
    return "\n\n".join((*tables, _twice(bench)))


def _twice(bench: Bench) -> str:
    """Twice as many, so that the start weighs less, of those that decode nothing and are nearest."""
    tools = bench.named(who.OURS, who.CURL, who.AIOHTTP, who.PYCURL)
    urls = bench.urls(bench.origin.http, WIDTH, 2 * bench.options.count)
    costs = measured(bench, _race(bench, TWICE, tools, urls))
    return _costs(f"{len(urls):,} images of {WIDTH} px", costs, ("proved", lambda tool: tool.proves))


def drawn(bench: Bench) -> str:
    """The plot of what is cold, in SVG."""
    series = {
        f"{width} px": {
            name: cost.per_thousand
            for name, cost in bench.found[COLD.format(width)].items()
            if not name.startswith(who.BEFORE)
        }
        for width in bench.options.widths
    }
    return plot(TITLE, series, {tool.name: tool.proves for tool in bench.tools})


def warm(bench: Bench) -> str:
    """Who looks at what is there, a second time in the same folder."""
    tools = tuple(tool for tool in bench.tools if tool.again)
    race = _race(bench, WARM, tools, bench.urls(bench.origin.http, WIDTH), warm=True)
    what = ("what it does", lambda tool: tool.again)
    return _costs("again, 480 px", measured(bench, race), what, bases=(who.OURS_FULL,))


def durable(bench: Bench) -> str:
    """With every sync and without any."""
    tools = (*bench.named(who.OURS), who.UNDURABLE)
    costs = measured(bench, _race(bench, DURABLE, tools, bench.urls(bench.origin.http, WIDTH)))
    return _costs("480 px", costs, ("proved", lambda tool: tool.proves), bases=(who.UNDURABLE.name,))


def pipelines(bench: Bench) -> str:
    """Who decodes every image, and gallery-dl: twice as many, so that the start weighs less."""
    tools = bench.named(who.OURS_FULL, who.SCRAPY, who.IMG2DATASET)
    tools += (who.UNSKIPPED,) if bench.named(who.GALLERY) else ()
    start = _start(bench, tools, PIPELINES)
    urls = bench.urls(bench.origin.http, WIDTH, 2 * bench.options.count)
    costs = measured(bench, _race(bench, PIPELINES, start, urls))
    net = {tool: cost.cpu - start[tool].cpu for tool, cost in costs.items()}
    own = next(tool for tool in costs if tool.name == who.OURS_FULL)
    rows = [
        (
            tool.name,
            figure(cost.cpu),
            figure(cost.cpu / costs[own].cpu),
            figure(net[tool]),
            figure(net[tool] / net[own]),
            peak(cost),
        )
        for tool, cost in costs.items()
    ]
    columns = ("CPU s", "× imgfetch", "without the start", "× imgfetch", "peak MB")
    return table(f"{len(urls):,} images of 480 px", columns, rows)


def tls(bench: Bench) -> str:
    """From an origin that offers HTTP/2 and HTTP/1.1 over TLS."""
    tools = bench.named(who.OURS, who.CURL, who.OLD_CURL.name, who.AIOHTTP, who.HTTPX)
    costs = measured(bench, _race(bench, "tls", tools, bench.urls(bench.origin.https, WIDTH)))
    spoken = ("spoken", lambda tool: "HTTP/2" if tool.name == who.CURL else "HTTP/1.1")
    return _costs("TLS, 480 px", costs, spoken)


def hosts(bench: Bench) -> str:
    """One host and two hundred, that answer at once; for the first time and for the second."""
    tools = bench.named(who.OURS, who.OURS_FULL, who.CURL, who.AIOHTTP, who.PYCURL)
    columns, cells = [], {tool: [] for tool in tools}
    for name, base in (("1 host", bench.origin.http), ("200 hosts", bench.origin.hosts)):
        for again in (False, True):
            racing = tuple(tool for tool in tools if tool.again or not again)
            race = NEAR.format(name, "again" if again else "cold")
            costs = measured(bench, _race(bench, race, racing, bench.urls(base, WIDTH), warm=again))
            columns += [f"{name}{', again' * again}: CPU s per 1,000", "images/s"]
            for tool in tools:
                cost = costs.get(tool)
                cells[tool] += [figure(cost.per_thousand), f"{cost.rate:,.0f}"] if cost else ["", ""]
    return table("480 px", columns, [(tool.name, *row) for tool, row in cells.items()])


def latency(bench: Bench) -> str:
    """From two hundred hosts that take 100 ms for an answer; what one image alone takes is the start."""
    tools = bench.named(who.OURS, who.PYCURL, who.CURL, who.AIOHTTP, who.HTTPX)
    columns, cells = [], {tool: [] for tool in tools}
    with slow(bench.options.corpus / str(WIDTH)) as far:
        one = measured(bench, _race(bench, FAR.format(1), tools, _far(far, 1, bench), at_once=1))
        for at_once in (64, 256):
            urls = _far(far, at_once * bench.options.turns, bench)
            costs = measured(bench, _race(bench, FAR.format(at_once), tuple(one), urls, at_once=at_once))
            columns += [f"{at_once} in flight: images/s", f"of {at_once / LATENCY:,.0f}", "CPU s per 1,000"]
            for tool in tools:
                if tool in costs:
                    rate = far_rate(costs[tool], one[tool])
                    share = f"{rate * LATENCY / at_once:.0%}"
                    cells[tool] += [f"{rate:,.0f}", share, figure(costs[tool].per_thousand)]
                else:
                    cells[tool] += ["broke", "", ""]
    return table("100 ms away", columns, [(tool.name, *row) for tool, row in cells.items()])


def far_rate(cost: Cost, one: Cost) -> float:
    """Images a second from far away: without the start, which is what one image takes but for its way."""
    return cost.images / (cost.wall - (one.wall - LATENCY))


def _far(far: Sequence[str], count: int, bench: Bench) -> list[str]:
    images = bench.options.count
    return [f"{far[turn % len(far)]}/{turn % images:04}.webp?{turn}" for turn in range(count)]


def cores(bench: Bench) -> str:
    """One process that decodes in threads, and two that share a cache."""
    tools = (*bench.named(who.OURS_FULL), who.HALVED)
    urls = bench.urls(bench.origin.http, WIDTH, 2 * bench.options.count)
    costs = measured(bench, _race(bench, CORES, tools, urls))
    rows = [
        (tool.name, figure(cost.cpu), figure(cost.wall), f"{cost.cpu / cost.wall:.2f}", peak(cost))
        for tool, cost in costs.items()
    ]
    columns = ("CPU s", "wall s", "cores used", "peak MB of a process")
    return table(f"{len(urls):,} images of 480 px", columns, rows)


def memory(bench: Bench) -> str:
    """Ten times the images."""
    tools = bench.named(who.OURS, who.OURS_FULL, who.CURL, who.AIOHTTP)
    counts = (bench.options.count, 10 * bench.options.count)
    peaks = []
    for count in counts:
        urls = bench.urls(bench.origin.http, WIDTH, count)
        peaks.append(measured(bench, _race(bench, MEMORY.format(count), tools, urls, rounds=1)))
    columns = [f"{count:,} images: peak MB" for count in counts]
    rows = [
        (tool.name, *(peak(costs[tool]) if tool in costs else "broke" for costs in peaks)) for tool in tools
    ]
    return table("", columns, rows)


def manifest(bench: Bench) -> str:
    """Some lines are in the cache, others cannot be read, are not there, or may not be asked for."""
    cache, lines = bench.scratch / "lasting", bench.scratch / "lines.txt"
    own = ("--allow-host", "127.0.0.0/8", "--verify", "structure", "--cache", str(cache), "-q")
    lines.write_text("\n".join(bench.urls(bench.origin.http, WIDTH)))
    cost_of([*who.IMGFETCH, "get", *own, "-i", str(lines)], 0)
    report = ("--report", str(bench.scratch / "report.jsonl"))
    library = str(who.SCRIPTS / "library_run.py")
    to = bench.scratch / "to"
    ways = {
        LIBRARY: [who.IMGFETCH[0], library, str(lines), str(cache)],
        GET: [*who.IMGFETCH, "get", *own, *report, "-i", str(lines)],
    }
    ways[BATCH] = ways[AGAIN] = [*who.IMGFETCH, "batch", str(lines), *own, *report, "--to", str(to)]
    rows: dict[str, list[str]] = {way: [] for way in ways}
    for count in bench.options.lines:
        _write(lines, count, bench)
        for way, command in ways.items():
            cost = cost_of(command, count, may_fail=True)
            bench.found.setdefault(manifest.__name__, {})[way] = cost
            rows[way] += [peak(cost), figure(cost.per_thousand)]
        (to / "manifest.jsonl").unlink()  # or the next would pass over what these have done
    columns = [c for count in bench.options.lines for c in (f"{count:,} lines: peak MB", "CPU s per 1,000")]
    return table("", columns, [(way, *cells) for way, cells in rows.items()])


def _write(lines: Path, count: int, bench: Bench) -> None:
    """Write a line after the other, so that this process stays small too."""
    held = bench.urls(bench.origin.http, WIDTH)
    with lines.open("w", encoding="utf-8") as file:
        for turn in range(count):
            if turn % 4 == 3:
                line = held[turn // 4 % len(held)]
            elif turn % 80 == 0:
                line = f"http://10.{turn >> 16}.{turn >> 8 & 255}.{turn & 255}/refused.webp"
            elif turn % 80 == 1:
                line = f"{bench.origin.http}/not-there/{turn}.webp"
            else:
                line = f"http://{turn}.invalid:99999/no-such-port.webp"
            file.write(line + "\n")


PARTS: Mapping[str, Callable[[Bench], str]] = {
    part.__name__: part
    for part in (cold, warm, durable, pipelines, hosts, tls, latency, cores, memory, manifest)
}


def _start(bench: Bench, tools: Sequence[Tool], part: str) -> dict[Tool, Cost]:
    """What one image alone takes, of those tools that bring it."""
    urls = bench.urls(bench.origin.http, WIDTH, 1)
    return measured(bench, _race(bench, f"{START} of {part}", tools, urls, at_once=1))


def _race(
    bench: Bench,
    name: str,
    tools: Sequence[Tool] | Mapping[Tool, Cost],
    urls: list[str],
    width: int = WIDTH,
    *,
    at_once: int | None = None,
    rounds: int | None = None,
    warm: bool = False,
) -> Race:
    options = bench.options
    return Race(name, tuple(tools), urls, width, at_once or options.at_once, rounds or options.rounds, warm)


def _costs(
    head: str,
    costs: Mapping[Tool, Cost],
    note: tuple[str, Callable[[Tool], str]],
    *,
    bases: Sequence[str] = (who.CURL, who.AIOHTTP),
    start: Mapping[Tool, Cost] | None = None,
) -> str:
    """A table of costs: ratios to those of `bases`, and how much one image alone has cost."""
    base = {tool.maker: cost.cpu for tool, cost in costs.items() if tool.name in bases}
    columns = ["CPU s per 1,000", *(f"× {name}" for name in base), "images/s", "peak MB", note[0]]
    rows = []
    for tool, cost in costs.items():
        ratios = [figure(cost.cpu / cpu) for cpu in base.values()]
        rows.append(
            [tool.name, figure(cost.per_thousand), *ratios, f"{cost.rate:,.0f}", peak(cost), note[1](tool)]
        )
        if start:
            rows[-1].insert(2, figure(start[tool].cpu))
    if start:
        columns.insert(1, "one image, CPU s")
    return table(head, columns, rows)
