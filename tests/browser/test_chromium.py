"""Chromium and we show the same images on pages drawn at random, and say the same to the public vectors.

IMGFETCH_BROWSER_CASES says how many pages, IMGFETCH_BROWSER_SEED which is the first. Without a Chromium the
test is skipped; where CI is set it must be there.
"""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec

import pytest

from imgfetch.model.markup import Viewport

CASES = int(os.environ.get("IMGFETCH_BROWSER_CASES", "250" if os.environ.get("CI") else "30"))
FIRST = int(os.environ.get("IMGFETCH_BROWSER_SEED", "1"))
MISSING = [
    name
    for name, found in (
        ("Debian's chromium", shutil.which("chromium")),
        ("the Python package playwright", find_spec("playwright")),
    )
    if not found
]


@pytest.mark.skipif(bool(MISSING) and not os.environ.get("CI"), reason=f"needs {' and '.join(MISSING)}")
def test_chromium_shows_the_same() -> None:
    assert not MISSING, "CI compares with a real browser"
    from chromium import chromium
    from differential import compare

    with chromium() as browser:
        verdicts = list(compare(browser, range(FIRST, FIRST + CASES)))
    assert len(verdicts) >= CASES
    assert [verdict for verdict in verdicts if not verdict.agreed] == []


@pytest.mark.skipif(bool(MISSING) and not os.environ.get("CI"), reason=f"needs {' and '.join(MISSING)}")
def test_every_image_that_chromium_requests_is_named_and_nothing_else() -> None:
    assert not MISSING, "CI compares with a real browser"
    from chromium import chromium
    from recall import compare

    pages = CASES // 10  # each is shown in two viewports, until nothing is requested in half a second
    with chromium() as browser:
        recall = compare(browser, range(FIRST, FIRST + pages))
    assert recall.requested.total() > pages
    assert (recall.missed, recall.wrong) == ([], [])


@pytest.mark.skipif(bool(MISSING) and not os.environ.get("CI"), reason=f"needs {' and '.join(MISSING)}")
def test_chromium_says_what_the_tables_of_public_vectors_say() -> None:
    assert not MISSING, "CI asks a real browser"
    from asking import ask
    from chromium import chromium
    from vectors import read

    rows = [row for each in read() for row in each.rows]
    if not os.environ.get("CI"):  # every row takes minutes
        rows = [row for row in rows if row.viewport == Viewport(800, 600)]
    with chromium() as browser:
        said = list(ask(browser, rows, page_by_page=bool(os.environ.get("CI"))))
    assert len(said) > 600
    assert [(row.kind, row.given, answer) for row, answer in said if answer != row.right] == []
