"""What each fault costs: met by itself, by `imgfetch get` in a process of its own.

python tests/costs.py    writes the section in docs/faults.md, from processes that Python starts in anew
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from alone import Alone, Ran
from faults import COSTS, DOCUMENT, FAULTS, PEERS, Fault
from origin import Origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TIME_LIMIT = 30.0
"""Seconds that a fault may take which sets no limit of its own."""

_OPTIONS = (
    *("--allow-host", "127.0.0.1", "-R", "2", "--backoff-base", "10ms"),
    *("--connect-timeout", "1s", "--read-timeout", "400ms", "--total-timeout", f"{TIME_LIMIT}s"),
)


class Met(NamedTuple):
    """What came of a fault."""

    url: str
    ran: Ran
    kept: tuple[bytes, ...]
    """What a user could take for an image."""


def meet(faults: Iterable[Fault], *, anew: bool = False, at_once: int = 8) -> dict[str, Met]:
    """Meet with each fault by itself; `anew` is that of `Alone`."""
    with ExitStack() as stack:
        origin = stack.enter_context(Origin())
        folder = Path(stack.enter_context(TemporaryDirectory()))
        idle: SimpleQueue[Alone] = SimpleQueue()
        for _ in range(at_once):
            idle.put(stack.enter_context(Alone(anew=anew)))

        def one(fault: Fault) -> Met:
            cache = folder / fault.name
            url = origin.route(fault.path, *fault.answers)
            alone = idle.get()
            try:
                ran = alone.run("get", url, "--cache", str(cache), *_OPTIONS, *_limits(fault))
            finally:
                idle.put(alone)
            kept = tuple(path.read_bytes() for path in (cache / "objects-v1").rglob("*") if path.is_file())
            return Met(url, ran, kept)

        with ThreadPoolExecutor(at_once) as pool:
            longest_first = sorted(faults, key=lambda fault: fault.words != "too slow")
            came = pool.map(one, longest_first)
            return {fault.name: met for fault, met in zip(longest_first, came, strict=True)}


def deadline(fault: Fault) -> float:
    """Seconds after which a fault must have ended."""
    return float(fault.limits.get("total_timeout", TIME_LIMIT))


def _limits(fault: Fault) -> Iterator[str]:
    for name, value in fault.limits.items():
        if name != "lowest_speed_time":  # which is no option
            yield f"--{name.replace('_', '-')}"
            yield f"{value}s" if name.endswith("timeout") else str(value)


def main() -> None:
    """Measure, and write down what was highest."""
    met = meet(FAULTS, anew=True, at_once=2)
    by_peak = sorted(FAULTS, key=lambda fault: -met[fault.name].ran.peak)
    longest = max(met[fault.name].ran.seconds - deadline(fault) for fault in FAULTS)
    lines = [
        f"| {fault.story} | {met[fault.name].ran.peak / 1e6:.0f} MB | {met[fault.name].ran.seconds:.1f} s |"
        for fault in by_peak[:_SHOWN]
    ]
    rest = met[by_peak[_SHOWN].name].ran.peak / 1e6
    over = f"{longest:.1f} s after" if longest > 0 else "before"
    section = INTRODUCTION.format(shown=_SHOWN, rest=rest, over=over) + "\n".join(lines) + "\n"
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(
        text.partition(COSTS)[0] + COSTS + section + "".join(text.partition(PEERS)[1:]), encoding="utf-8"
    )


_SHOWN = 5

INTRODUCTION = """
## What they cost

Each fault met `imgfetch get` alone, in a process of its own, with the default limits of bytes and pixels. Two
faults of `--max-bytes` set a lower limit. These {shown} took the most memory (the highest resident size, most
of it Python and the modules), and no other took more than {rest:.0f} MB. The last ended {over} its time
limit. A test holds each of them to 200 MB, and to its time limit and a second.
`python tests/costs.py` writes this table.

| the origin … | memory | time |
|---|---|---|
"""

if __name__ == "__main__":
    main()
