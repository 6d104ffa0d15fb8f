"""The images that Chromium requests of a page, beside those that `find_images` names.

    seeds ─▶ drawn pages ─┬▶ requested by Chromium without scripts ─┬▶ Recall, by kind of place
                          └▶ named by find_images: every candidate ─────┘

Run as a script for a long comparison: `python tests/browser/recall.py --pages 500 --seed 1`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from chromium import chromium
from imgfetch.api.images import find_images
from offering import MARK, draw
from showing import Environment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chromium import Chromium
    from offering import Offer

SCREENS = (Environment(1280, 720), Environment(390, 844, dpr=3.0))


@dataclass(slots=True)
class Recall:
    """What was compared, by kind of place, and the pages that differ."""

    pages: int = 0
    requested: Counter[str] = field(default_factory=Counter)
    """Images that Chromium requests."""
    missed: list[tuple[int, str]] = field(default_factory=list)
    """Images that Chromium requests and no candidate names, each with the seed of its page."""
    named: int = 0
    """Candidates of all pages, each URL once a page."""
    wrong: list[tuple[int, str]] = field(default_factory=list)
    """Candidates that name no image of their page, each with its seed."""

    @property
    def found(self) -> float:
        """The share of the requested images that is named."""
        return 1 - len(self.missed) / max(1, self.requested.total())


def compare(browser: Chromium, seeds: Iterable[int]) -> Recall:
    """Compare what Chromium requests of the pages of these seeds with what is named."""
    recall = Recall()
    for seed in seeds:
        offer = draw(seed)
        recall.pages += 1
        named = named_by(offer)
        recall.named += len(named)
        recall.wrong += ((seed, url) for url in sorted(named) if MARK not in url)
        requested = {url for screen in SCREENS for url in requested_by(browser, offer, screen)}
        for url in sorted(requested):
            recall.requested[kind_of(url)] += 1
            if url not in named:
                recall.missed.append((seed, url))
    return recall


def named_by(offer: Offer) -> set[str]:
    """Return the URLs of all candidates of a page, without `data:` URLs and fragments."""
    images = find_images(offer.page, base_url=offer.base_url, media_type=offer.content_type)
    every = (
        candidate
        for image in images
        for candidates in (image.candidates, *(source.candidates for source in image.sources))
        for candidate in candidates
    )
    return {each.url.partition("#")[0] for each in every if not each.url.startswith("data:")}


def requested_by(browser: Chromium, offer: Offer, screen: Environment) -> set[str]:
    """Return the URLs of the images that Chromium requests, without `data:` URLs and decoys."""
    seen = browser.images_without_scripts(offer.page, offer.base_url, screen, content_type=offer.content_type)
    urls = {url.partition("#")[0] for url in seen if url.startswith("http")}
    return {url for url in urls if MARK in url}


def kind_of(url: str) -> str:
    """Return the kind of place that the name of an image tells."""
    found = re.search(rf"([a-z-]+){re.escape(MARK)}", url)
    return found[1] if found else "other"


def main(arguments: list[str]) -> int:
    """Compare, print the shares by kind, and write what is missed and wrong with its seeds to a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1, help="the first; the others follow it")
    parser.add_argument("--report", type=Path, default=Path("build/recall.json"))
    options = parser.parse_args(arguments)
    seeds = range(options.seed, options.seed + options.pages)
    with chromium() as browser:
        version = browser.version
        recall = compare(browser, seeds)
    missed = Counter(kind_of(url) for _, url in recall.missed)
    out = sys.stdout.write
    out(f"Chromium {version}, {recall.pages} pages, seeds {seeds.start} to {seeds.stop - 1}\n")
    for kind, count in sorted(recall.requested.items()):
        out(f"{kind:20} {count - missed[kind]:6} of {count:6}\n")
    total = recall.requested.total()
    out(f"{'in all':20} {total - len(recall.missed):6} of {total:6}: {recall.found:.2%} found\n")
    out(f"{len(recall.wrong)} of {recall.named} named are no image\n")
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(
        json.dumps(
            {
                "chromium": version,
                "pages": recall.pages,
                "requested": recall.requested,
                "missed": recall.missed,
                "named": recall.named,
                "wrong": recall.wrong,
            },
            indent=1,
        )
    )
    return 1 if recall.missed or recall.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
