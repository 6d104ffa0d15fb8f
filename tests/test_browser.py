"""The rule by which a browser takes one rendition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgfetch.rules.browser import can_show, normalise, select, single


def check(densities: str, dpr: float, expected: str) -> None:
    """`densities` such as "a1 b2"; a letter is the URL, the rest its density."""
    source_set = [(word[0], single(float(word[1:]))) for word in densities.split()]
    assert select(source_set, dpr) == expected


@pytest.mark.parametrize(
    ("densities", "dpr", "expected"),
    [
        ("a1 b2 c3", 2, "b"),
        ("c3 a1 b2", 2, "b"),
        ("a1 b3", 2, "b"),
        ("a1 b2", 3, "b"),
        ("a1.5 b2", 1, "a"),
        ("a1 b10", 1.01, "b"),
        ("a1 b1.1 c4", 1.1, "b"),
        ("a2 b2", 1, "a"),
        ("a0 b0.5", 1, "b"),
        ("a1 binf", 2, "b"),
    ],
)
def test_the_lowest_density_that_covers_else_the_highest(densities: str, dpr: float, expected: str) -> None:
    check(densities, dpr, expected)


def test_of_no_candidates_nothing_is_shown() -> None:
    assert select([], 1) is None


def test_what_is_at_hand_and_denser_is_taken_instead() -> None:
    source_set = [("a", 1.0), ("b", 2.0), ("c", 3.0), ("d", 4.0)]
    assert select(source_set, 1, at_hand={"b", "c"}.__contains__) == "c"
    assert select(source_set, 3, at_hand={"a", "b"}.__contains__) == "c"


def normalised(text: str, source_size: float, *, src: str = "") -> tuple[tuple[str, float], ...]:
    """`text` such as "a 400w, b 1.5x, c"."""
    candidates = []
    for url, *descriptors in map(str.split, text.split(", ") if text else ()):
        width = next((int(each[:-1]) for each in descriptors if each.endswith("w")), None)
        density = next((float(each[:-1]) for each in descriptors if each.endswith("x")), None)
        candidates.append((url, width, None, density))
    return normalise(candidates, source_size, src=src)


def test_densities_are_normalised_in_single_precision() -> None:
    assert normalised("a 400w, b 1.5x, c, d 100w", 300.0) == (
        ("a", single(4 / 3)),
        ("b", 1.5),
        ("c", 1.0),
        ("d", single(1 / 3)),
    )
    assert normalised("a 1.00000001x, b", 0) == (("a", 1.0),)
    assert normalised("a 1w, b 2w", 0.0) == (("a", float("inf")),)


def test_src_joins_as_1x_where_no_candidate_has_a_width() -> None:
    assert normalised("a 2x", 0, src="s") == (("a", 2.0), ("s", 1.0))
    assert normalised("a", 0, src="s") == (("a", 1.0),)
    assert normalised("a 100w", 100.0, src="s") == (("a", 1.0),)
    assert normalised("", 0, src="s") == (("s", 1.0),)
    assert normalised("", 0) == ()


@pytest.mark.parametrize(
    ("media_type", "chromium", "firefox"),
    [
        (None, True, True),
        ("", True, True),
        ("image/webp", True, True),
        (" IMAGE/Webp ; q=1", True, True),
        (";image/foo", True, True),
        ("image/jxl", True, False),
        ("image/x-ms-bmp", False, True),
        ("image/jp2", False, False),
        ("image/png,image/webp", False, False),
        ("webp", False, False),
    ],
)
def test_a_type_is_taken_if_the_browser_says_it_knows_it(
    media_type: str | None, chromium: bool, firefox: bool
) -> None:
    assert can_show(media_type) is chromium
    assert can_show(media_type, "firefox") is firefox


@given(
    st.lists(st.tuples(st.text(max_size=2), st.floats(0, 1e9, width=32)), min_size=1),
    st.floats(0.5, 4, width=32),
)
def test_whenever_any_density_covers_the_chosen_one_does(
    source_set: list[tuple[str, float]], dpr: float
) -> None:
    named = [(f"{url}{index}", density) for index, (url, density) in enumerate(source_set)]
    chosen = dict(named)[str(select(named, dpr))]
    covering = [density for _, density in named if density >= dpr]
    assert chosen == (min(covering) if covering else max(density for _, density in named))
