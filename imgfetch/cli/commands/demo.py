"""`imgfetch demo`: the main job, from crawled text to verified file, against an origin of our own."""

from __future__ import annotations

import shlex
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from imgfetch import cli
from imgfetch.cli.exit_codes import Exit
from imgfetch.demo import news
from imgfetch.demo.origin import Origin
from imgfetch.demo.pictures import renditions

if TYPE_CHECKING:
    import argparse


def run(_: argparse.Namespace) -> Exit:
    """Run the commands a user would type, and say what they show."""
    with TemporaryDirectory(prefix="imgfetch-demo-") as name, Origin(_files()) as origin:
        folder = Path(name)
        text = folder / "news.txt"
        text.write_text(news.text(origin.url), encoding="utf-8")
        cache = ["--cache", str(folder / "cache")]
        get = ["get", str(text), "--width", "800", "--allow-host", "127.0.0.1", *cache]

        _tell(f"An origin at {origin.url} stands in for {news.HOST}. It offers one image in four widths,")
        _tell("and a crawled text, prose and all, says so:\n")
        _tell("    " + text.read_text(encoding="utf-8")[:150].strip() + "…\n")
        _tell("What would be chosen for 800 device pixels, and why:")
        _do(["pick", str(text), "--width", "800"])
        _tell("Fetch it, prove it, keep it:")
        _do(get)
        _tell(f"The origin was asked {len(origin.requests)} time. What is in the cache:")
        _do(["cache", "ls", *cache])
        _tell("Is every file what its name says, and does every frame decode?")
        _do(["cache", "verify", "--deep", *cache])
        _tell("Once more, and all there is to know about it:")
        _do([*get, "--json"])
        _tell(
            f"The origin was asked {len(origin.requests)} time in all: the second answer came from the cache."
        )
        return Exit.OK if len(origin.requests) == 1 else Exit.FAILED


def _files() -> dict[str, bytes]:
    pictures = renditions(tuple(news.PATHS))
    return {path: pictures[width] for width, path in news.PATHS.items()}


def _do(arguments: list[str]) -> None:
    _tell(f"\n  $ imgfetch {shlex.join(arguments)}")
    code = cli.main(arguments)
    if code != Exit.OK:
        raise SystemExit(code)
    _tell("")


def _tell(line: str) -> None:
    print(line, flush=True)  # noqa: T201 (the demo speaks here)
