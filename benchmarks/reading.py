# ruff: noqa: E501 (markup, as it stands in pages)
"""How long a page takes to read: every image found, resolved and chosen, beside html5lib's parse alone.

`python benchmarks/reading.py` needs html5lib and the PyPI package srcset beside imgfetch; it prints CPU
milliseconds, the best of several rounds in turn, so that another load on the machine disturbs all alike.
"""

from __future__ import annotations

import argparse
import json
import sys
from time import process_time
from typing import TYPE_CHECKING

import html5lib
import srcset as peer

from imgfetch.api.pages import current_sources
from imgfetch.markup.discovery import find_page_images
from imgfetch.markup.html import read_page
from imgfetch.markup.srcset import parse_srcset
from imgfetch.model import Viewport

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


def main(arguments: list[str]) -> int:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    markup = page()
    lists = [
        text
        for image in read_page(markup).images
        for text in (image.srcset, *(source.srcset for source in image.picture))
        if text
    ]
    screens = iter(SCREENS * options.rounds)
    jobs: dict[str, Callable[[], object]] = {
        "html5lib: parse alone": lambda: html5lib.parse(markup),
        "imgfetch: read, resolve, choose": lambda: current_sources(
            markup, base_url="https://news.test/today/", viewport=next(screens)
        ),
        "imgfetch: find every image": lambda: find_page_images(markup, base_url="https://news.test/today/"),
        "imgfetch: HTML alone": lambda: read_page(markup),
        "imgfetch: the srcsets alone": lambda: [parse_srcset(text) for text in lists],
        "PyPI srcset: the srcsets alone": lambda: [peer.parse(text) for text in lists],
    }
    best = dict.fromkeys(jobs, float("inf"))
    for _ in range(options.rounds):
        for name, job in jobs.items():
            start = process_time()
            job()
            best[name] = min(best[name], process_time() - start)
    html5, ours = best["html5lib: parse alone"], best["imgfetch: read, resolve, choose"]
    result = {
        "bytes": len(markup.encode()),
        "elements": ELEMENTS,
        "cpu_ms": {name: round(seconds * 1000, 2) for name, seconds in best.items()},
        "html5lib_over_imgfetch": round(html5 / ours, 1),
        "peer_over_imgfetch": round(
            best["PyPI srcset: the srcsets alone"] / best["imgfetch: the srcsets alone"], 1
        ),
    }
    out = sys.stdout.write
    if options.json:
        out(json.dumps(result) + "\n")
        return 0
    out(f"{result['bytes'] / 1000:.0f} KB, {ELEMENTS} img and source elements; CPU ms\n")
    for name, seconds in best.items():
        out(f"{name:34}{seconds * 1000:8.2f}\n")
    out(
        f"read, resolved and chosen in 1/{result['html5lib_over_imgfetch']} of html5lib's parse (goal: at most 1/12)\n"
    )
    out(f"srcsets {result['peer_over_imgfetch']} times as fast as PyPI srcset\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
