"""The public test vectors, asked of Chromium itself: what it says to each row.

rows ─▶ by screen ─▶ media queries and image sets by script, sizes by the natural width of an image,
                     all else page by page, each in a folder of its own, so that nothing is loaded twice
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from showing import Environment
from vectors import NOTHING, Row, document, known_if_true

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from playwright.sync_api import Page

    from chromium import Chromium

HOST = "http://wpt.test"
MATCHES = "queries => queries.map(query => matchMedia(query).matches)"
SUPPORTS = "values => values.map(value => CSS.supports('background-image', value))"
RESOLVED = "([url, base]) => new URL(url, base).href"
SOURCE_SIZES = """async sizes => Promise.all(sizes.map(async (size, number) => {
  const image = new Image();
  image.sizes = size;
  image.srcset = `natural-120.png?${number} 1w`;
  await image.decode().catch(() => 0);
  return image.naturalWidth / 120;
}))"""
"""An image of 120 px that says to be 1w wide has the natural width 120 times its source size."""

WIDEST = 2**25 / 120
"""Layouts count in 64ths of a pixel, in 32 bits."""

ON_ONE_PAGE = "srcset small large"
PAGE_BY_PAGE = "img auto page choose preload link"
"""The kinds of rows that a browser can be asked; the others are of what is read on the way."""


def ask(browser: Chromium, rows: Sequence[Row], *, page_by_page: bool = True) -> Iterator[tuple[Row, str]]:
    """Each row that Chromium can be asked, and what it says, in the words of the row's table.

    What wants a page of its own takes a tenth of a second, and can be left out.
    """
    screens: dict[Environment, list[Row]] = defaultdict(list)
    for row in rows:
        view = row.viewport
        usual = view.font_size == 16 and view.width % 1 == view.height % 1 == 0
        if row.browser == "chromium" and usual:
            screens[Environment(int(view.width), int(view.height), view.dpr, view.color_scheme)].append(row)
    for screen, asked in screens.items():
        with browser.tab(screen) as tab:
            browser.show_in(tab, "<!doctype html>", f"{HOST}/questions")
            yield from _by_script(tab, asked)
            yield from _on_one_page(browser, tab, asked)
            for number, row in enumerate(_of(asked, PAGE_BY_PAGE)):
                if page_by_page:
                    yield row, _by_page(browser, tab, row, f"{HOST}/{number}/")


def _by_script(tab: Page, rows: Sequence[Row]) -> Iterator[tuple[Row, str]]:
    for kinds, words in (("holds fails", ("false", "true")), ("known unknown", ("unknown", "known"))):
        asked = _of(rows, kinds)
        queries = [known_if_true(row.given) if words[1] == "known" else row.given for row in asked]
        for row, found in zip(asked, tab.evaluate(MATCHES, queries), strict=True):
            yield row, words[found]
    asked = _of(rows, "sizes")
    for row, size in zip(asked, tab.evaluate(SOURCE_SIZES, [row.given for row in asked]), strict=True):
        near = abs(size - min(float(row.right), WIDEST)) <= 0.01
        yield row, row.right if near else f"{size:.6g}"
    asked = _of(rows, "invalid image-set")
    for row, valid in zip(asked, tab.evaluate(SUPPORTS, [row.given for row in asked]), strict=True):
        yield row, (row.right if row.right != NOTHING else "valid") if valid else NOTHING


def _on_one_page(browser: Chromium, tab: Page, rows: Sequence[Row]) -> Iterator[tuple[Row, str]]:
    """The rows whose images do not know each other: their URLs are data, or have a number each."""
    asked = _of(rows, ON_ONE_PAGE)
    markup = [
        re.sub("([ab]) (5[01]w)", rf"\1?{number} \2", document(row)) for number, row in enumerate(asked)
    ]
    page = f"<!doctype html><meta charset=utf-8>{''.join(markup)}"
    for row, shown in zip(asked, browser.show_in(tab, page, f"{HOST}/images").current_sources, strict=True):
        if row.kind == "srcset":
            yield row, _same(tab, shown, row.right, row.right, f"{HOST}/")
        else:
            yield row, "small" if f"{shown}".startswith(f"{HOST}/a?") else "large"


def _by_page(browser: Chromium, tab: Page, row: Row, folder: str) -> str:
    if row.kind == "choose":
        size, src, srcset = row.given.split(" | ", 2)
        sizes = f' sizes="{size}px"' if size else ""
        seen = browser.show_in(tab, f'<img{sizes} src="{src}" srcset="{srcset}">', f"{folder}p")
        return _same(tab, seen.current_sources[0], row.right, row.right.rpartition(" ")[0] or NOTHING, folder)
    link = row.given if row.kind == "link" else None
    markup = f"<!doctype html><meta charset=utf-8><div>{'' if link else document(row)}</div>"
    seen = browser.show_in(tab, markup, f"{folder}p", link=link)
    if row.kind in ("preload", "link"):
        loads = [url.removeprefix(folder) for url in seen.requested if not url.endswith("favicon.ico")]
        return " ".join(loads) or NOTHING
    return " ".join(NOTHING if url is None else url.removeprefix(folder) for url in seen.current_sources)


def _of(rows: Sequence[Row], kinds: str) -> list[Row]:
    return [row for row in rows if row.kind in kinds.split()]


def _same(tab: Page, shown: str | None, right: str, url: str, folder: str) -> str:
    """What is right if its URL is shown, else what is shown."""
    expected = None if url == NOTHING else tab.evaluate(RESOLVED, [url, folder])
    return right if shown == expected else shown or NOTHING
