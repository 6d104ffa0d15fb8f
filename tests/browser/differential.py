"""Our choice beside a browser's, page by page.

    seeds ─▶ drawn cases ─▶ shown by Chromium or Firefox, read by us ─▶ Verdict each ─▶ a report by feature

Run as a script for a long comparison: `python tests/browser/differential.py --cases 3000 --browser firefox`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from drawing import draw
from imgfetch.api.selection.current_src import current_sources, preload_sources
from imgfetch.model.markup import Viewport

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    from drawing import Case
    from showing import Shows


@dataclass(frozen=True, slots=True)
class Verdict:
    """One image of one case."""

    seed: int
    feature: str
    image: int
    ours: str | None
    theirs: str | None

    @property
    def agreed(self) -> bool:
        """Whether both show the same."""
        return self.ours == self.theirs


def compare(browser: Shows, seeds: Iterable[int]) -> Iterator[Verdict]:
    """What both make of every image of every case."""
    for seed in seeds:
        case = draw(seed)
        seen = browser.show(case.page, case.base_url, case.environment, content_type=case.content_type)
        if case.feature == "preload":
            yield from _preloads(case, seen.requested, browser.name)
            continue
        ours = current_sources(
            case.page,
            base_url=case.base_url,
            viewport=viewport(case),
            content_type=case.content_type,
            browser=browser.name,
        )
        if len(ours) != len(seen.current_sources):
            yield Verdict(seed, f"{case.feature}: count", -1, str(len(ours)), str(len(seen.current_sources)))
        for index, (mine, theirs) in enumerate(zip(ours, seen.current_sources, strict=False)):
            yield Verdict(seed, case.feature, index, mine, theirs)


def _preloads(case: Case, requested: tuple[str, ...], browser: str) -> Iterator[Verdict]:
    """A page of preloads only: what we say is loaded is asked for, and nothing else is."""
    ours = preload_sources(case.page, base_url=case.base_url, viewport=viewport(case), browser=browser)
    asked = {url for url in requested if not url.startswith("data:") and not url.endswith("/favicon.ico")}
    said = [url for url in ours if url is not None]
    for index, url in enumerate(said):
        yield Verdict(case.seed, case.feature, index, url, url if url in asked else None)
    for url in asked.difference(said):
        yield Verdict(case.seed, case.feature, -1, None, url)


def viewport(case: Case) -> Viewport:
    """The screen of a case, as our readers take it."""
    screen = case.environment
    return Viewport(screen.width, screen.height, dpr=screen.dpr, color_scheme=screen.color_scheme)


def started(name: str) -> AbstractContextManager[Shows]:
    """Start the browser of a name."""
    if name == "firefox":
        from firefox import firefox

        return firefox()
    from chromium import chromium

    return chromium()


def main(arguments: list[str]) -> int:
    """Compare, print agreement by feature, and write every disagreement with its seed to a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1, help="the first; the others follow it")
    parser.add_argument("--report", type=Path, default=Path("build/differential.json"))
    parser.add_argument("--browser", choices=("chromium", "firefox"), default="chromium")
    options = parser.parse_args(arguments)
    seeds = range(options.seed, options.seed + options.cases)
    with started(options.browser) as browser:
        version = browser.version
        verdicts = list(compare(browser, seeds))
    differing = [verdict for verdict in verdicts if not verdict.agreed]
    images = Counter(verdict.feature for verdict in verdicts)
    wrong = Counter(verdict.feature for verdict in differing)
    out = sys.stdout.write
    out(f"{options.browser} {version}, seeds {seeds.start} to {seeds.stop - 1}\n")
    for feature, count in sorted(images.items()):
        out(f"{feature:20} {count - wrong[feature]:6} of {count:6}\n")
    out(f"{'in all':20} {len(verdicts) - len(differing):6} of {len(verdicts):6}\n")
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(
        json.dumps(
            {
                options.browser: version,
                "seeds": [seeds.start, seeds.stop - 1],
                "images": len(verdicts),
                "agreed": len(verdicts) - len(differing),
                "by_feature": {name: [count - wrong[name], count] for name, count in sorted(images.items())},
                "differing": [asdict(verdict) for verdict in differing],
            },
            indent=1,
        )
    )
    return 1 if differing else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
