"""The public test vectors of the web platform, Chromium, Gecko and WebKit: tables in tests/vectors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vectors import VectorSet, answer, read

SETS = read()


@pytest.mark.parametrize("vectors", SETS, ids=[each.name for each in SETS])
def test_every_row_is_answered_as_a_browser_does(vectors: VectorSet) -> None:
    wrong = [(row.given, answer(row), row.right) for row in vectors.rows if answer(row) != row.right]
    assert wrong == []


def test_a_row_follows_the_browser_only_where_it_departs_from_the_vector() -> None:
    rows = [row for each in SETS for row in each.rows]
    assert [row for row in rows if row.instead == row.expected] == []


def test_no_row_stands_in_a_set_twice() -> None:
    for each in SETS:
        assert len(set(each.rows)) == len(each.rows), sorted(
            {row.given for row in each.rows if each.rows.count(row) > 1}
        )


def test_the_score_in_the_documentation_is_the_true_one() -> None:
    text = (Path(__file__).parents[1] / "docs/browsers.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+) \| ([0-9]+) \| ([0-9]+) \| ([0-9]+) \|$", text, re.MULTILINE)
    documented = [(name, *map(int, counts)) for name, *counts in rows]
    score = [
        (each.name, len(each.rows), len(each.rows) - each.followed_the_browser, each.followed_the_browser)
        for each in SETS
    ]
    assert documented == [*score, ("all", *(sum(column) for column in list(zip(*score, strict=True))[1:]))]
