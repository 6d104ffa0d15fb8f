"""What fetching costs beside other tools: the same files from the same origin, in turn, in one run.

    corpus ─▶ nginx on the loopback interface ─▶ each tool in a process of its own, round after round
           ─▶ CPU seconds, wall, peak memory ─▶ medians ─▶ tables, a plot, and figures to reach

`python benchmarks/fetching.py [PART …]` needs nginx; the peers that are not there are
named, and not measured. Every run has a fresh folder on a real disk, and must leave as many files there as
it was asked for.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import contestants as who
from goals import goals, since
from origins import nginx
from parts import PARTS, cold, drawn
from running import Bench, Broken
from showing import put

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from contestants import Tool

ROOT = Path(__file__).parents[1]
PAGE, PLOT = ROOT / "docs/performance.md", ROOT / "docs/performance.svg"
PEERS, BEFORE = ROOT / "build/peers/bin/python", ROOT / "build/before"


def main(arguments: Sequence[str]) -> int:
    """Measure, and print the tables or put them into the page."""
    options = _options(arguments)
    if shutil.which("nginx") is None:
        raise SystemExit(
            "nginx is not here, and it is the origin: install it, as with apt-get install nginx-light"
        )
    corpus = [sys.executable, Path(__file__).with_name("corpus.py"), options.corpus]
    subprocess.run([*corpus, "--count", str(options.count)], check=True)
    earlier = who.before(options.before) if options.before.is_dir() else ()
    versions = {
        tool: who.version(tool, options.peers) for tool in (*who.TOOLS, *earlier, who.OLD_CURL, who.FLOOR)
    }
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.scratch)))
        origin = stack.enter_context(nginx(scratch / "nginx", options.corpus))
        for variable in ("SSL_CERT_FILE", "CURL_CA_BUNDLE"):
            os.environ[variable] = str(origin.authority)
            stack.callback(os.environ.pop, variable)
        bench = Bench(options, tuple(tool for tool in versions if versions[tool]), scratch, origin)
        for part in options.parts or PARTS:
            try:
                _show(part, PARTS[part](bench), options)
            except Broken as error:  # the others are worth an hour
                print(f"{part}: {error}", file=sys.stderr)
    if cold.__name__ in (options.parts or PARTS):
        if earlier:
            _show("since", since(bench), options)
        if options.write:
            PLOT.write_text(drawn(bench), encoding="utf-8")
    if not options.parts:
        _show("goals", goals(bench), options)
    _show("versions", _versions(versions), options)
    return 0


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
        "--turns", type=int, default=32, help="how often all in flight are answered, for latency"
    )
    parser.add_argument(
        "--lines", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], help="of manifests"
    )
    parser.add_argument("--widths", type=int, nargs="+", default=[480, 1280], help="of the cold part")
    parser.add_argument("--scratch", default="/var/tmp", help="where the tools write: a disk, no tmpfs")
    own = str(PEERS) if PEERS.exists() else sys.executable
    parser.add_argument("--peers", default=own, metavar="PYTHON", help="the interpreter that has the peers")
    parser.add_argument(
        "--before", type=Path, default=BEFORE, metavar="CHECKOUT", help="of an earlier version, to race with"
    )
    parser.add_argument("--write", action="store_true", help=f"put tables and plot into {PAGE.name}")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
