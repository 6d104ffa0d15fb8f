"""How many saved pages are read and chosen from in a second of CPU.

`python benchmarks/folder.py` writes 1,000 pages of 60 KB with 40 images of four candidates each, and runs
`imgfetch pick -q FOLDER` on them: every page is read, its base URL found, its content told from icons and
cards, and a rendition chosen for each image. Printed are pages a second of CPU of the whole process, its
start included: the median and the bounds of all rounds.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

PAGES = 1_000
IMAGES = 40
BYTES = 60_000
WIDTHS = (320, 640, 960, 1280)
TEXT = "<p>When a cyclist crossed the quiet harbour, the bridge was still closed, and all was calm.</p>\n"


def page(number: int) -> str:
    """Return a saved page: an article of figures, with an icon and a social card."""
    site = f"https://site{number % 7}.example"
    name = f"/media/{number}"
    head = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Page {number}</title>'
        f'<link rel="icon" href="/favicon.ico"><link rel="canonical" href="{site}/news/{number}.html">'
        f'<meta property="og:image" content="{site}{name}-0-1200x630.jpg">'
        '<script type="application/ld+json">'
        f'{{"@context": "https://schema.org", "image": "{site}{name}-0-1200x630.jpg"}}</script></head>'
        "<body><header><nav><ul>"
        + "".join(f"<li><a href=/section/{each}>Section {each}</a></li>" for each in range(20))
        + "</ul></nav></header><main><article>\n"
    )
    body = "".join(_figure(f"{name}-{each}") for each in range(IMAGES))
    rest = TEXT * ((BYTES - len(head) - len(body)) // len(TEXT))
    return f"{head}{body}{rest}</article></main></body></html>\n"


def _figure(name: str) -> str:
    ladder = ", ".join(f"{name}-{width}.jpg {width}w" for width in WIDTHS)
    return (
        f'<figure><img src="{name}-640.jpg" srcset="{ladder}" sizes="(max-width: 800px) 100vw, 800px" '
        f'alt="Picture" width="640" height="360" loading="lazy"><figcaption>Caption</figcaption></figure>\n'
    )


def main(arguments: list[str]) -> int:
    """Measure, and print a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = max(parser.parse_args(arguments).rounds, 1)
    with TemporaryDirectory() as folder:
        for number in range(PAGES):
            Path(folder, f"page-{number:04}.html").write_text(page(number), encoding="utf-8")
        rates = sorted(PAGES / _seconds(folder) for _ in range(rounds))
    bounds = f"{rates[0]:.0f} to {rates[-1]:.0f}"
    sys.stdout.write(
        f"{PAGES:,} pages of {BYTES // 1000} KB and {IMAGES} images: "
        f"{median(rates):.0f} pages a second of CPU ({bounds}, {rounds} rounds)\n"
    )
    return 0


def _seconds(folder: str) -> float:
    """Return the CPU seconds of one run. Raise `RuntimeError` where it does not choose every image."""
    before = os.times()
    command = [sys.executable, "-m", "imgfetch", "pick", "-q", folder, "--width", "800"]
    chosen = subprocess.run(command, check=True, capture_output=True).stdout.count(b"\n")
    after = os.times()
    if chosen != PAGES * IMAGES:
        raise RuntimeError(f"{chosen:,} images were chosen, {PAGES * IMAGES:,} expected")
    return after.children_user + after.children_system - before.children_user - before.children_system


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
