"""The rule by which a browser takes one rendition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgfetch.rules.image.browser import can_show, lowest, normalise, rank, rungs, single


def considered(densities: str, dpr: float) -> str:
    """The URLs that may be shown of "a1 b2" or the like: a letter is the URL, the rest its density."""
    words = densities.split()
    descriptors = tuple((None, float(word[1:])) for word in words)
    return "".join(rank([word[0] for word in words], descriptors, 0, dpr))


def check(densities: str, dpr: float, expected: str) -> None:
    """What is shown where nothing costs less than anything else."""
    assert considered(densities, dpr)[-1:] == expected


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
    check("", 1, "")


def test_what_is_denser_is_considered_first_the_densest_before_all() -> None:
    assert considered("a1 b2 c3 d4", 1) == "dcba"
    assert considered("b2 a1 d4 c3", 2.5) == "dc"
    assert considered("a1 b2", 3) == "b"
    assert considered("a1 b1 c2", 1) == "ca"


@pytest.mark.parametrize("count", [3, 300])
def test_src_is_considered_as_1x_where_no_candidate_has_a_width(count: int) -> None:
    urls = [*map(str, range(count))]
    assert rank(urls, ((None, 2.0),) * count, 0, 1, src="s") == ["0", "s"]
    assert rank(urls, ((None, 1.0),) * count, 0, 1, src="s") == ["0"]
    assert rank(urls, ((100, None),) * count, 100, 1, src="s") == ["0"]
    assert rank([], (), 0, 1, src="s") == ["s"]


def normalised(text: str, source_size: float, *, src: str = "") -> tuple[tuple[str, float], ...]:
    """`text` such as "a 400w, b 1.5x, c"."""
    urls, descriptors = [], []
    for url, *written in map(str.split, text.split(", ") if text else ()):
        width = next((int(each[:-1]) for each in written if each.endswith("w")), None)
        density = next((float(each[:-1]) for each in written if each.endswith("x")), None)
        urls.append(url)
        descriptors.append((width, density))
    return normalise(urls, tuple(descriptors), source_size, src=src)


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
        ("image/ webp", False, True),
        ("image /webp", False, True),
        ("image/vnd.mozilla.apng", False, False),
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


@given(st.lists(st.floats(0, 1e9, width=32), min_size=1), st.floats(0.5, 4, width=32))
def test_whenever_any_density_covers_the_chosen_one_does(densities: list[float], dpr: float) -> None:
    urls = [*map(str, range(len(densities)))]
    considered = rank(urls, tuple((None, density) for density in densities), 0, dpr)
    *denser, chosen = (densities[int(url)] for url in considered)
    covering = sorted({density for density in densities if density >= dpr})
    assert chosen == (covering[0] if covering else max(densities))
    assert denser == covering[:0:-1]


@given(st.lists(st.integers(1, 10_000), min_size=1), st.floats(1, 2000), st.floats(0.5, 4, width=32))
def test_what_is_found_by_halves_is_what_comes_of_ranking(widths: list[int], size: float, dpr: float) -> None:
    descriptors = tuple((width, None) for width in widths)
    (rung,) = rungs(descriptors)
    ranked = rank([*map(str, range(len(widths)))], descriptors, size, dpr)
    assert str(lowest(rung, descriptors, size, dpr)) == ranked[-1]


def test_widths_and_densities_are_rungs_apart() -> None:
    assert rungs(((200, None), (None, 2.0), (100, None), (None, None), (200, None))) == ([2, 0], [3, 1])
    assert rungs(()) == ()
