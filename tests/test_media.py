"""`markup.media`: media queries as a desktop browser answers them. For what all share see tests/vectors."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgfetch.markup.media import matches
from imgfetch.model.markup import Viewport
from measuring import cpu_seconds

LAPTOP = Viewport(1280, 720, 2.0)
PHONE = Viewport(412, 915, 2.625, color_scheme="dark")
SMALL = Viewport(117, 76)


def check(viewport: Viewport, true: str, false: str = "") -> None:
    """Of the queries, one a line, the first match in that viewport and the second do not."""
    for query in true.strip().splitlines():
        assert matches(query.strip(), viewport), query
    for query in false.strip().splitlines():
        assert not matches(query.strip(), viewport), query


def check_known(features: str) -> None:
    """Each feature, one between bars, is known: it is either true or false."""
    for feature in features.split("|"):
        assert matches(f"({feature})", LAPTOP) is not matches(f"not ({feature})", LAPTOP), feature


def check_unknown(features: str) -> None:
    """Each feature, one between bars, is neither true nor false."""
    for feature in features.split("|"):
        assert not matches(f"({feature})", LAPTOP), feature
        assert not matches(f"not ({feature})", LAPTOP), feature
        assert matches(f"({feature}) or (width)", LAPTOP), feature


# Queries -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nothing", ["", " ", "\n\t ", "/* all */", " /**/ /* open"])
def test_an_empty_list_matches(nothing: str) -> None:
    assert matches(nothing, LAPTOP)


def test_media_types() -> None:
    check(
        LAPTOP,
        """
        all
        screen
        SCREEN
        only screen
        not print
        not handheld
        not unknown-type
        s\\63reen
        /**/screen/**/
        """,
        """
        print
        speech
        foo
        initial
        handheld
        not all
        not screen
        only print
        and
        or
        not
        only
        layer
        not not screen
        only not screen
        screen screen
        screen and
        screen and screen
        and screen
        screen {}
        "screen"
        """,
    )


def test_lists_match_where_one_query_does() -> None:
    check(
        LAPTOP,
        """
        print, screen
        , all
        all,
        foo bar, all
        (, ) , all
        (]), all
        """,
        """
        ,
        print,
        ,,
        (, all
        (((, all
        """,
    )


def test_conditions_are_joined_by_one_operator() -> None:
    check(
        LAPTOP,
        """
        (min-width: 600px) and (max-width: 2000px)
        (min-width: 600px)and (max-width: 2000px)
        (min-width: 3000px) or (max-width: 2000px)
        (min-width: 1px) OR (foo)
        not (min-width: 3000px)
        (not (min-width: 3000px)) and (width)
        ((min-width: 1px) or (foo)) and ((width))
        screen and (min-width: 1px) and (max-width: 9999px)
        screen and not (min-width: 9999px)
        only screen and (((width)))
        not screen and (min-width: 9999px)
        not print and (min-width: 9999px)
        (width:1280px)and/**/(height:720px)
        """,
        """
        (min-width: 1px) and (max-width: 1px) and (width)
        (width) or (width) and (width)
        (width) and (width) or (width)
        (width) and not (foo: bar)
        (width) and not (height: 1px)
        (width) and
        (width) (width)
        (width) and and (width)
        (width) and(width)
        not(width)
        not not (width: 1px)
        screen and (width) or (width)
        screen or (width)
        screen and(width)
        only (width)
        not screen and (width)
        and (width)
        (width) and screen
        (width){}
        (width);
        width
        """,
    )


def test_blocks_left_open_are_closed_by_the_end() -> None:
    check(
        LAPTOP,
        """
        (min-width: 600px
        ((min-width: 600px
        (min-width: calc(500px + 100px
        screen and (width
        """,
        "(min-width: 3000px",
    )


def test_unknown_things_are_neither_true_nor_false() -> None:
    check_unknown("foo|foo: bar|foo: 1px|1px|!|;|.|'x'|foo !|\"x\" y|foo(1)|x and y|")
    check_unknown("--custom|--custom: 1|width: 1px 2px")
    check(
        LAPTOP,
        "(width) or (foo)\n(width) or foo(bar)\n(width) or (!)\nnot (not ((width) or (foo)))",
        """
        (width) and (foo)
        not ((width) and (foo))
        foo(bar)
        not foo(bar)
        screen and (foo)
        not screen and (foo)
        """,
    )


def test_an_invalid_condition_makes_its_query_fail() -> None:
    broken = (
        "(])",
        "(})",
        "((]))",
        "(url(a b))",
        "('a\n')",
        "foo(])",
        "!",
        "]",
        "1px",
        "'x'",
        "[width]",
        "{width}",
    )
    for thing in broken:
        assert not matches(f"(width) or {thing}", LAPTOP), thing
        assert not matches(f"not {thing}", LAPTOP), thing


# Features ------------------------------------------------------------------------------------------------


def test_width_and_height() -> None:
    check(
        SMALL,
        """
        (width)
        (height)
        (width: 117px)
        (min-width: 117px)
        (min-width: 116px)
        (max-width: 117px)
        (max-width: 118px)
        (min-width: 6em)
        (max-width: 9em)
        (height: 76px)
        (min-height: 3em)
        (max-height: 77px)
        (device-width: 117px)
        (max-device-height: 76px)
        (MIN-WIDTH: 117PX)
        (min-width :117px)
        (min-width:/* x */117px)
        (min-width: +117px)
        (min-width: 1.17e2px)
        (min-width: 0)
        (min-width: -0)
        (width > 0)
        (min-width: 100vw)
        (max-height: 100vh)
        """,
        """
        (width: 116px)
        (min-width: 118px)
        (max-width: 116px)
        (min-width: 9em)
        (max-width: 6em)
        (height: 77px)
        (height: 0)
        (min-width: 117)
        (min-width: 117%)
        (min-width: 1deg)
        (min-width)
        (max-width)
        (min-width: )
        (min-width 117px)
        (width: auto)
        (min-width: var(--x))
        """,
    )
    check(Viewport(0, 0), "(min-width: 0)\nnot (width)", "(width)\n(height)")


def test_ranges() -> None:
    check(
        LAPTOP,
        """
        (width >= 1280px)
        (width <= 1280px)
        (width = 1280px)
        (width>1279px)
        (1280px = width)
        (1279px < width)
        (1280px >= width)
        (1000px < width < 2000px)
        (1280px <= width <= 1280px)
        (2000px > width >= 1280px)
        (79em <= width < 90em)
        (400px <= height <= 800px)
        (resolution >= 2x)
        (1 < aspect-ratio < 2)
        (calc(1000px + 10px) < width)
        """,
        """
        (width > 1280px)
        (width < 1280px)
        (1280px < width)
        (1280px > width)
        (1280px < width < 2000px)
        (2000px < width < 1000px)
        """,
    )
    check_unknown(
        "400px < width > 900px|400px <= width >= 900px|width > 1920px > 5px|1px = width = 2px"
        "|1px < width = 2px|1px < 2px|width < height|width < |< width|width =< 5px|width < = 5px|width == 5px"
        "|min-width > 1px|1px < min-width|width: < 5px|hover = none|1px < hover|1px 2px < width|grid = 0"
        "|1px < width < 5px x"
    )


def test_negative_bounds_are_below_everything() -> None:
    check(
        LAPTOP,
        "(min-width: -1px)\n(width > -1px)\n(-1px < width)\n(min-color: -1)\nnot (max-width: -1px)",
        "(max-width: -1px)\n(width: -1px)\n(width < -1px)\n(color: -1)\nnot (min-width: -1px)",
    )
    check_unknown("aspect-ratio: -1/1|aspect-ratio: 1/-1|min-resolution: -1dppx")


def test_lengths_are_compared_to_a_64th_of_a_pixel() -> None:
    check(
        LAPTOP,
        "(min-width: 1280.015px)\n(max-width: 1279.985px)\n(width: 1280.01px)\n(width < 1280.001px)",
        "(min-width: 1280.02px)\n(max-width: 1279.98px)\n(width: 1280.02px)\n(width < 1280px)",
    )


def test_aspect_ratio_and_orientation() -> None:
    check(
        Viewport(59, 80),
        """
        (aspect-ratio: 59 / 80)
        (aspect-ratio: 0.7375)
        (aspect-ratio: calc(59)/calc(8 * 10))
        (max-aspect-ratio: 1)
        (device-aspect-ratio: 59/80)
        (orientation: PORTRAIT)
        """,
        """
        (aspect-ratio: 58/80)
        (orientation: landscape)
        """,
    )
    check(Viewport(80, 80), "(orientation: portrait)\n(aspect-ratio: 1)", "(orientation: landscape)")
    check(Viewport(81, 80), "(orientation: landscape)\n(aspect-ratio > 1)", "(orientation: portrait)")
    check_unknown(
        "aspect-ratio: 16/|aspect-ratio: /9|aspect-ratio: 16 9|aspect-ratio: 16/9/1|aspect-ratio: a/b"
    )


def test_resolution() -> None:
    check(
        LAPTOP,
        """
        (resolution)
        (resolution: 2dppx)
        (resolution: 2x)
        (resolution: 192dpi)
        (min-resolution: 1.5dppx)
        (max-resolution: 2dppx)
        (resolution: 75.59dpcm)
        (resolution: calc(1x + 96dpi))
        (-webkit-device-pixel-ratio)
        (-webkit-device-pixel-ratio: 2)
        (-webkit-min-device-pixel-ratio: 1.5)
        (-webkit-max-device-pixel-ratio: 2)
        (-webkit-device-pixel-ratio > 1)
        (resolution > 0x)
        """,
        """
        (resolution: 1dppx)
        (min-resolution: 2.01dppx)
        (max-resolution: 191dpi)
        (-webkit-min-device-pixel-ratio: 3)
        """,
    )
    check(
        PHONE,
        "(min-resolution: 2.625dppx)\n(max-resolution: 2.625x)\n(resolution: 252dpi)",
        "(max-resolution: 2.62dppx)",
    )
    check(Viewport(1, 1, 1.1), "(resolution: 1.1x)\n(min-resolution: 1.1dppx)\n(max-resolution: 1.1dppx)")
    check_unknown(
        "max-resolution: infinite|resolution: 2|resolution: 2px|min-resolution|min-device-pixel-ratio: 1"
        "|-webkit-min-device-pixel-ratio: 3/2|-webkit-device-pixel-ratio: 2x"
    )


def test_colours_and_grids() -> None:
    check(
        LAPTOP,
        """
        (color)
        (min-color: 8)
        (color >= 1)
        (color-index: 0)
        (monochrome: 0)
        (max-monochrome: 0)
        (grid: 0)
        (color-gamut)
        (color-gamut: srgb)
        (min-color: calc(4 * 2))
        """,
        """
        (min-color: 9)
        (color-index)
        (monochrome)
        (min-monochrome: 1)
        (grid)
        (grid: 1)
        (color-gamut: p3)
        (color-gamut: rec2020)
        """,
    )
    check_unknown(
        "color: 8.0|color: 1.5|min-color|grid: 2|grid: -1|min-grid: 0|color: 8px|color-gamut: adobe|colour"
    )


def test_preferences_and_devices() -> None:
    check(
        LAPTOP,
        """
        (prefers-color-scheme: light)
        not (prefers-color-scheme: dark)
        (prefers-reduced-motion: no-preference)
        (hover)
        (any-hover: hover)
        (pointer: fine)
        (any-pointer: fine)
        (scripting)
        """,
        """
        (prefers-color-scheme: dark)
        (prefers-reduced-motion: reduce)
        (forced-colors: active)
        (any-hover: none)
        (any-pointer: coarse)
        (scripting: none)
        """,
    )
    check(
        PHONE,
        "(prefers-color-scheme: dark)\n(not (prefers-color-scheme: light))",
        "(prefers-color-scheme: light)",
    )
    check_unknown("prefers-color-scheme: no-preference|hover: yes|hover: 1|min-hover: hover")
    check_unknown(
        "prefers-contrast: forced|video-dynamic-range|-moz-device-pixel-ratio|-moz-device-orientation"
    )
    check_unknown(
        "-moz-touch-enabled: 1|prefers-reduced-data: reduce|inverted-colors: none|video-dynamic-range: high"
    )
    assert matches(
        "(video-dynamic-range: standard) and (-moz-device-pixel-ratio: 2)", LAPTOP, browser="firefox"
    )
    for unknown in (
        "inverted-colors: none",
        "prefers-reduced-transparency: no-preference",
        "display-mode: tabbed",
    ):
        assert not matches(f"({unknown})", LAPTOP, browser="firefox")
        assert not matches(f"not ({unknown})", LAPTOP, browser="firefox")
    assert matches("not (scan: progressive)", LAPTOP)
    assert not matches("(device-posture: continuous)", LAPTOP, browser="firefox")


def test_calculations_in_values() -> None:
    check(
        LAPTOP,
        """
        (min-width: calc(600px + 10em))
        (min-width: calc(100px*12))
        (width: max(1280px, 1px))
        (width: min(1280px, 2000px))
        (width: clamp(1px, 1280px, 2000px))
        (width: round(1279px, 10px))
        (min-width: calc(pow(2, 3) * 1px))
        (min-width: calc(-1px * infinity))
        (max-width: calc(1px / 0))
        """,
        "(min-width: calc(1px * infinity))",
    )
    check_unknown("width: calc(1px+ 2px)|width: calc(1px * 1px)|width: calc(1 / 1px)|width: calc(5)")
    check_unknown("width: calc(50%)|width: foo(1px)")


# Whatever is asked ---------------------------------------------------------------------------------------

TRUTHS = [("(width >= 1px)", 1.0), ("(max-width: 1px)", 0.0), ("(foo)", 0.5), ("foo(bar)", 0.5)]
CONDITIONS = st.recursive(
    st.sampled_from(TRUTHS),
    lambda inner: (
        inner.map(lambda one: (f"(not {one[0]})", 1 - one[1]))
        | st.lists(inner, min_size=1, max_size=4).map(
            lambda some: (f"({' and '.join(text for text, _ in some)})", min(truth for _, truth in some))
        )
        | st.lists(inner, min_size=1, max_size=4).map(
            lambda some: (f"({' or '.join(text for text, _ in some)})", max(truth for _, truth in some))
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(CONDITIONS)
def test_conditions_follow_the_logic_of_kleene(condition: tuple[str, float]) -> None:
    text, truth = condition
    assert matches(text, LAPTOP) is (truth == 1)
    assert matches(f"not {text}", LAPTOP) is (truth == 0)
    assert matches(f"screen and {text}", LAPTOP) is (truth == 1)
    assert matches(f"not screen and {text}", LAPTOP) is (truth == 0)
    assert matches(f"print, {text}", LAPTOP) is (truth == 1)


@given(st.integers(0, 4000), st.integers(0, 4000), st.integers(0, 4000))
def test_bounds_are_bounds(width: int, least: int, most: int) -> None:
    viewport = Viewport(width, 1000)
    assert matches(f"(min-width: {least}px) and (max-width: {most}px)", viewport) is (least <= width <= most)
    assert matches(f"({least}px < width <= {most}px)", viewport) is (least < width <= most)


SIGNS = "()[]{},:;<>=!'\"\\/ \n\0\ud800-+.1e"
WORDS = [
    "not ",
    " and ",
    " or ",
    "screen",
    "width",
    "min-width:",
    "1px",
    "calc(",
    "/*",
    "*/",
    "url(",
    "(width)",
]
PIECES = st.sampled_from([*SIGNS, *WORDS, "9" * 5000])


@settings(deadline=None)
@given(st.lists(PIECES).map("".join) | st.text())
def test_no_text_is_too_odd(text: str) -> None:
    assert isinstance(matches(text, LAPTOP), bool)


@pytest.mark.parametrize(
    "piece",
    [*"([,'\\", "not (", "(a", "(a)", "(width) and ", "calc(", "screen,", "/*", "(]) or ", "(1<", "url("],
)
def test_the_time_is_linear_in_the_text(piece: str) -> None:
    def seconds(size: int) -> float:
        text = piece * (size // len(piece))
        return cpu_seconds(lambda: matches(text, LAPTOP))

    # A quadratic reader would need 400 times as long for 20 times the text.
    assert seconds(20_000) < 100 * seconds(1_000) + 0.2
