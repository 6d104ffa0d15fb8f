"""Firefox and we show the same images on pages drawn at random.

IMGFETCH_BROWSER_CASES says how many pages, IMGFETCH_BROWSER_SEED which is the first. Without a Firefox the
test is skipped; where CI is set it must be there.
"""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec

import pytest

CASES = int(os.environ.get("IMGFETCH_BROWSER_CASES", "60" if os.environ.get("CI") else "15"))
FIRST = int(os.environ.get("IMGFETCH_BROWSER_SEED", "1"))
MISSING = [
    name
    for name, found in (
        ("Debian's firefox-esr", shutil.which("firefox-esr") or shutil.which("firefox")),
        ("the Python package websockets", find_spec("websockets")),
    )
    if not found
]


@pytest.mark.skipif(bool(MISSING) and not os.environ.get("CI"), reason=f"needs {' and '.join(MISSING)}")
def test_firefox_shows_the_same() -> None:
    assert not MISSING, "CI compares with a real browser"
    from differential import compare
    from firefox import firefox

    with firefox() as browser:
        verdicts = list(compare(browser, range(FIRST, FIRST + CASES)))
    assert len(verdicts) >= CASES
    assert [verdict for verdict in verdicts if not verdict.agreed] == []
