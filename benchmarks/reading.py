# ruff: noqa: E501 (markup, as it stands in pages)
"""How long a page takes to read: every image found, resolved and chosen, beside html5lib's parse alone.

`python benchmarks/reading.py` needs html5lib and the PyPI package srcset beside imgfetch. Every round runs each
job once, one after the other, so that another load on the machine disturbs all alike. Printed are CPU
milliseconds, the median of all rounds, and ratios taken within a round: their median, and between which bounds
the middle four fifths of them lie.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
from statistics import median, quantiles
from time import process_time
from typing import TYPE_CHECKING

import html5lib
import srcset as peer

from imgfetch.api.images import choose, find_images
from imgfetch.api.selection.current_src import current_sources
from imgfetch.markup.page.html import read_page
from imgfetch.markup.srcset import parse_srcset
from imgfetch.model.markup import Viewport

if TYPE_CHECKING:
    from collections.abc import Callable

ELEMENTS = 400
SCREENS = [Viewport(width, 800, dpr=dpr) for width in (360, 768, 1280, 1920) for dpr in (1.0, 1.5, 2.0)]
SIZES = (
    "(min-width: 1240px) 400px, (min-width: 740px) calc((100vw - 4rem) / 3), 100vw",
    "(max-width: 640px) 100vw, (max-width: 1024px) 50vw, 33vw",
    "(min-width: 60em) 640px, calc(100vw - 32px)",
    "100vw",
)
MEDIA = ("(min-width: 1240px)", "(min-width: 740px) and (orientation: landscape)", "(min-width: 46.25em)")
ADDRESS = "https://news.test/today/"
TOPICS = ("harbour", "cycling", "market", "museum")


def page() -> str:
    """The front page of a newspaper: about 220 KB, 400 `img` and `source` elements, no URL twice."""
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>News</title></head>\n<body>\n<main>\n'
        + "".join(map(_card, range(ELEMENTS // 4)))
        + "</main>\n</body>\n</html>\n"
    )


def _card(number: int) -> str:
    name = f"/media/2026/11/story-{number:03}"
    ladder = ", ".join(f"{name}-{width}.webp {width}w" for width in (320, 640, 960, 1280, 1920))
    topics = "".join(
        f'<li class="card__topic"><a class="link link--quiet" href="/topic/{topic}" data-link-name="topic">'
        f"<span>{topic}</span></a></li>"
        for topic in TOPICS
    )
    return f"""<article class="card card--{number % 7}" id="story-{number}" data-id="{number}" data-component="card">
<div class="card__media"><a class="card__link" href="/story/{number}" aria-hidden="true" tabindex="-1"><picture>
<source media="{MEDIA[number % 3]}" type="image/avif" srcset="{name}-wide.avif 1x, {name}-wide@2x.avif 2x">
<source srcset="{ladder}" sizes="{SIZES[number % 4]}" type="image/webp">
<img class="card__image" loading="lazy" decoding="async" width="640" height="360" alt="Story {number}" \
src="{name}-640.jpg" srcset="{ladder.replace("webp", "jpg")}" sizes="{SIZES[number % 3]}"></picture></a></div>
<div class="card__body"><h3 class="card__title"><a class="link" href="/story/{number}"><span class="kicker">Live</span> \
<span class="headline">Story {number}: the market opened its doors</span></a></h3>
<p class="card__text">When a cyclist crossed the <em>quiet</em> harbour, the <b>bridge</b> was still closed.</p>
<ul class="card__topics">{topics}</ul>
<footer class="card__meta"><img class="avatar" src="{name}-author.jpg" srcset="{name}-author@2x.jpg 2x" width="48" \
height="48" alt=""><time datetime="2026-11-22T10:00:00Z">10:00</time><span class="icon" aria-hidden="true"><svg \
viewBox="0 0 9 9" width="9" height="9"><path d="M0 0h9v9z"></path></svg></span></footer></div>
</article>
"""


HTML5LIB = "html5lib: parse alone"
OURS = "imgfetch: read, resolve, choose"
EVERY = "imgfetch: find_images and choose"
LISTS = "imgfetch: the srcsets alone"
PEER = "PyPI srcset: the srcsets alone"

RATIOS = {
    "html5lib over imgfetch": (HTML5LIB, OURS),
    "find_images and choose over current_sources": (EVERY, OURS),
    "PyPI srcset over imgfetch": (PEER, LISTS),
}


def main(arguments: list[str]) -> int:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    markup = page()
    rounds = [_round(markup, screen) for screen in _screens(max(options.rounds, 2))]
    result = {
        "bytes": len(markup.encode()),
        "elements": ELEMENTS,
        "rounds": len(rounds),
        "cpu_ms": {job: round(median(times[job] for times in rounds) * 1000, 2) for job in rounds[0]},
        "ratios": {
            name: _middle([times[one] / times[other] for times in rounds])
            for name, (one, other) in RATIOS.items()
        },
    }
    out = sys.stdout.write
    if options.json:
        out(json.dumps(result) + "\n")
        return 0
    out(
        f"{result['bytes'] / 1000:.0f} KB, {ELEMENTS} img and source elements; CPU ms, {len(rounds)} rounds\n"
    )
    for job, milliseconds in result["cpu_ms"].items():
        out(f"{job:44}{milliseconds:8.2f}\n")
    for name, (low, middle, high) in result["ratios"].items():
        out(f"{name:44}{middle:8.1f} ({low:.1f} to {high:.1f})\n")
    return 0


def _screens(count: int) -> list[Viewport]:
    return (SCREENS * (count // len(SCREENS) + 1))[:count]


def _round(markup: str, screen: Viewport) -> dict[str, float]:
    """The CPU seconds of every job."""
    lists = [
        text
        for image in read_page(markup).images
        for attr in (image.attr, *image.sources)
        if (text := attr("srcset"))
    ]
    jobs: dict[str, Callable[[], object]] = {
        HTML5LIB: lambda: html5lib.parse(markup),
        OURS: lambda: current_sources(markup, base_url=ADDRESS, viewport=screen),
        EVERY: lambda: [
            choose(image, viewport=screen, policy="browser")
            for image in find_images(markup, base_url=ADDRESS)
        ],
        "imgfetch: find_images alone": lambda: find_images(markup, base_url=ADDRESS),
        "imgfetch: HTML alone": lambda: read_page(markup),
        LISTS: lambda: [parse_srcset(text) for text in lists],
        PEER: lambda: [peer.parse(text) for text in lists],
    }
    times = {}
    for name, job in jobs.items():
        gc.collect()  # what the job before has left behind is not this one's to clear away
        start = process_time()
        job()
        times[name] = process_time() - start
    return times


def _middle(ratios: list[float]) -> tuple[float, float, float]:
    """The first decile, the median and the last decile."""
    deciles = quantiles(ratios, n=10, method="inclusive")
    return round(deciles[0], 1), round(median(ratios), 1), round(deciles[-1], 1)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
