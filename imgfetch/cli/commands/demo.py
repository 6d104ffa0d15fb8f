"""`imgfetch demo`: the main job, from crawled text to verified file, against a local server."""

from __future__ import annotations

import shlex
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from imgfetch import cli
from imgfetch.cli.process.exit_codes import Exit
from imgfetch.demo import news
from imgfetch.demo.origin import Origin
from imgfetch.demo.pictures import renditions

if TYPE_CHECKING:
    import argparse


def run(_: argparse.Namespace) -> Exit:
    """Run the commands of a user, and explain their output."""
    with TemporaryDirectory(prefix="imgfetch-demo-") as name, Origin(_files()) as origin:
        folder = Path(name)
        text = folder / "news.txt"
        text.write_text(news.text(origin.url), encoding="utf-8")
        cache = ["--cache", str(folder / "cache")]
        get = ["get", str(text), "--width", "800", "--allow-host", "127.0.0.1", *cache]

        _explain(f"An origin at {origin.url} stands in for {news.HOST}. It offers one image in four widths,")
        _explain("and a crawled text, prose and all, says so:\n")
        _explain("    " + text.read_text(encoding="utf-8")[:150].strip() + "…\n")
        _explain("What would be chosen for 800 device pixels, and why:")
        _run(["pick", str(text), "--width", "800"])
        _explain("Fetch it, prove it, keep it:")
        _run(get)
        _explain(f"The origin was asked {len(origin.requests)} time. What is in the cache:")
        _run(["cache", "ls", *cache])
        _explain("Is every file what its name says, and does every frame decode?")
        _run(["cache", "verify", "--deep", *cache])
        _explain("Once more, and all there is to know about it:")
        _run([*get, "--json"])
        _explain(
            f"The origin was asked {len(origin.requests)} time in all: the second answer came from the cache."
        )
        return Exit.OK if len(origin.requests) == 1 else Exit.FAILED


def _files() -> dict[str, bytes]:
    pictures = renditions(tuple(news.PATHS))
    return {path: pictures[width] for width, path in news.PATHS.items()}


def _run(arguments: list[str]) -> None:
    _explain(f"\n  $ imgfetch {shlex.join(arguments)}")
    code = cli.main(arguments)
    if code != Exit.OK:
        raise SystemExit(code)
    _explain("")


def _explain(line: str) -> None:
    print(line, flush=True)  # noqa: T201 (the output of the demo)
