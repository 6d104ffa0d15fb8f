"""`markup.sizes`: what `sizes` promises. The vectors that browsers share are in tests/vectors."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgfetch.markup.sizes import source_size
from imgfetch.model.markup import Viewport
from measuring import cpu_seconds

WINDOW = Viewport(500, 600, 2.0)


def check(px: float, *sizes: str, viewport: Viewport = WINDOW, browser: str = "chromium") -> None:
    for text in sizes:
        assert source_size(text, viewport, browser=browser) == pytest.approx(px), text


# Entries -------------------------------------------------------------------------------------------------


def test_the_first_entry_that_holds_decides() -> None:
    check(200, "(min-width:500px) 200px, 400px")
    check(250, "(width >= 500px) and (height) 50vw, 1px", "not (max-width: 1px) 250px, 1px")
    check(1, ", 1px", ",, , /**/ ,1px")


def test_without_an_entry_that_holds_it_is_100vw() -> None:
    check(500, "(width:1px) 2px", "screen 1px", "1px foo", "foo-bar")
    check(320.5, "", "foo", viewport=Viewport(320.5, 1))


def test_entries_that_cannot_be_read_are_passed_over() -> None:
    check(1, "foo, 1px", "50asdf, 1px", "(foo) 200px, 1px", "not (foo) 200px, 1px", "print 9px, 1px")
    check(1, "(]) 9px, 1px", "not ! 9px, 1px", "url(x) 9px, 1px", "'x' 9px, 1px")
    check(1, "u\\72l(x,) 9px, 1px", "\\url(x,) 9px, 1px")
    check(1, "(width) and 9px, 1px", "(width) (width) 9px, 1px", "(width)) 9px, 1px", "9px (width), 1px")
    check(
        29, "(min-width: 50em) and 167px, 29px", "max-width: 600px 439px, 29px", "(width < 640px)) 15vw, 29px"
    )


def test_blocks_left_open_take_the_rest() -> None:
    check(1, "1px,(", "calc(1px")
    check(500, "((min-width: 80em) 71vw, 366px")


def test_conditions_that_hold_in_no_doubt() -> None:
    check(1, "(min-width:0) or (foo) 1px", "(min-width:0) or (min-width:foo) 1px", "(width) or foo(bar) 1px")
    check(1, '(min-width:0) or (foo "bar") 1px', "(min-width:0) or (foo !) 1px", "(min-width:calc(0px)) 1px")
    for unknown in (
        "(foo)",
        "(min-width: foo)",
        '(foo "bar")',
        "foo(bar)",
        "(123)",
        "(!)",
        "(;)",
        "(.)",
        '("x")',
    ):
        check(1, f"{unknown} 9px, 1px", f"not {unknown} 9px, 1px", f"(max-width:0) or {unknown} 9px, 1px")
        check(1, f"not ((min-width:0) or {unknown}) 9px, 1px", f"not ((max-width:0) or {unknown}) 9px, 1px")


# Lengths -------------------------------------------------------------------------------------------------


def test_zero_needs_no_unit() -> None:
    check(0, "0", "-0", "+0", "0.0", "-0e-0px", "0px", "0vw", "(width) 0")
    check(500, "1", "0.1", "120", "(width) 1")


def test_numbers_are_read_as_css_writes_them() -> None:
    check(1.1, "+0.11e+01px", "1.1px", "11e-1px", "1.1PX", "1.1\\p\\x", "1.1p\\78 ", "01.1px")
    check(4, ".4E1px", "4px/**/", " /**/ /**/ 4px /**/ /**/ ", "\n4px\t")
    check(500, "1e1.5px", "-1px", "-1e0px", "1.px", "1 px", "１px")


ABSOLUTE = {"px": 1, "in": 96, "cm": 96 / 2.54, "mm": 9.6 / 2.54, "q": 2.4 / 2.54, "pt": 4 / 3, "pc": 16}
FONT = {"em": 16, "rem": 16, "ex": 8, "rex": 8, "ch": 8, "ic": 16, "cap": 11.2, "lh": 19, "rlh": 19}
SIDES = {"w": 5, "h": 6, "i": 5, "b": 6, "min": 5, "max": 6}
VIEWPORT = {kind + side: px for kind in ("v", "sv", "lv", "dv", "cq") for side, px in SIDES.items()}


@pytest.mark.parametrize(("unit", "px"), (ABSOLUTE | FONT | VIEWPORT).items())
def test_units(unit: str, px: float) -> None:
    check(3 * px, f"3{unit}", f"3{unit.upper()}", f"calc(3{unit})", f"calc(1{unit} + 2{unit})")


def test_em_is_the_font_size_of_the_viewport() -> None:
    check(40, "2em", "2rem", "calc(1em + 1rem)", viewport=Viewport(500, 600, font_size=20))


def test_an_entry_without_a_length_is_skipped() -> None:
    for unit in (
        "deg",
        "grad",
        "rad",
        "turn",
        "s",
        "ms",
        "hz",
        "khz",
        "dpi",
        "dpcm",
        "dppx",
        "x",
        "w",
        "fr",
        "%",
    ):
        check(1, f"0.1{unit}, 1px", f"0{unit}, 1px", f"calc(1{unit}), 1px")


# Calculations --------------------------------------------------------------------------------------------


def test_calculations() -> None:
    check(
        400,
        "calc(40vw*2)",
        "(min-width:500px) calc(1200px/3)",
        "calc(100vw - 100px)",
        "calc(2 * (50px + 30vw))",
    )
    check(
        1,
        "calc(1px)",
        "min(1px, 100px)",
        "max(-100px, 1px)",
        "clamp(-1px, 1px, 2px)",
        "calc((((1px))))",
        "min(1px)",
    )
    check(
        58,
        "calc(29px*2)",
        "calc(2*29px)",
        "calc(100px - 42px)",
        "calc(-1 * -58px)",
        "CALC(58px)",
        "calc( 58px )",
    )
    check(450, "min(42vh * 3, 100vw - 50px)", "clamp(450px, 20vw, 30px)", "max(9px, min(450px, 500px), 2px)")
    check(525.85, "calc((clamp(465px, 100vw - 4 * 1rem, 727px) - 26px) * 1.25 - 22.9px)")


def test_a_calculation_stops_at_zero() -> None:
    check(0, "calc(-1px)", "min(-100px, 1px)", "calc(1px - 100vw)", "calc(0px)")


def test_invalid_calculations_are_passed_over() -> None:
    def check_passed_over(*calculations: str) -> None:
        for calculation in calculations:
            check(500, calculation)
            check(7, f"{calculation}, 7px", f"(width) {calculation}, 7px")

    check_passed_over("calc()", "calc(1)", "calc(0)", "calc(50%)", "calc(1foo)", "calc(foo)", "calc(1px 2px)")
    check_passed_over(
        "calc(1px + 1)", "calc(1px + 1deg)", "calc(1px * 1px)", "calc(1 / 1px)", "calc(1px -2px)"
    )
    check_passed_over("calc(1px +)", "calc(+ 1px)", "calc(1px ** 2)", "calc(1px, 2px)", "calc(1px))")
    check_passed_over("calc([1px])", "calc({1px})", "calc('1px')", "calc(1px;)", "calc(1px !)")
    check_passed_over("min()", "min(1px,)", "min(1px, 1)", "clamp(1px, 2px)", "clamp(1px, 2px, 3px, 4px)")
    check_passed_over(
        "calc(244px / 0)", "calc(0px / 0)", "calc(1px/(0*14))", "calc(pi * 1px)", "calc(e * 1px)"
    )
    check_passed_over("random(1px, 2px)", "foo(1px)", "calc(foo(1px))")


def test_chromium_knows_four_functions_and_asks_for_no_spaces() -> None:
    for function in (
        "round(up, 50vw, 100px)",
        "rem(100vw, 139px)",
        "abs(1px)",
        "calc(sign(1px) * 1px)",
        "hypot(3px, 4px)",
    ):
        check(500, function)
    check(3, "calc(1px+ 2px)", "calc(1px +(2px))", "calc(4px -(1px))")


def test_firefox_knows_all_functions_and_asks_for_spaces() -> None:
    def check_firefox(px: float, *sizes: str) -> None:
        check(px, *sizes, browser="firefox")

    check_firefox(150, "round(up, 101px, 50px)", "round(149px, 50px)", "round(nearest, 140px, 50px)")
    check_firefox(
        100, "round(down, 149px, 50px)", "round(to-zero, 149px, 50px)", "abs(-100px)", "hypot(60px, 80px)"
    )
    check_firefox(18, "mod(98px, 20px)", "rem(98px, 20px)", "calc(mod(-2px, 20px))", "calc(18px * sign(3px))")
    check_firefox(50, "calc(sin(30deg) * 100px)", "calc(cos(pi / 3) * 100px)", "calc(tan(atan(0.5)) * 100px)")
    check_firefox(
        8,
        "calc(pow(2, 3) * 1px)",
        "calc(sqrt(64) * 1px)",
        "calc(exp(0) * 8px)",
        "calc(log(8, 2) * 1px + 5px)",
    )
    check_firefox(3, "calc(round(2.5) * 1px)", "calc(round(up, 2.5) * 1px)", "calc(round(pi) * 1px)")
    check_firefox(math.e, "calc(e * 1px)")
    check_firefox(0, "calc(nan * 1px)", "calc(0px / 0)", "calc(sqrt(-1) * 1px)", "calc(-infinity * 1px)")
    check_firefox(3.4028234663852886e38, "calc(infinity * 1px)", "calc(244px / 0)")
    check_firefox(
        500, "calc(1px+ 2px)", "calc(1px +(2px))", "round(1px)", "round(sideways, 1px, 2px)", "sqrt(4px)"
    )
    check_firefox(500, "pow(2, 3)", "random(1px, 2px)", "sin(1px)", "hypot(1px, 1)", "calc(foo * 1px)")
    check_firefox(500, "calc(round(up) * 1px)", "round()", "round(,)", "round(up, 1px)")


def test_numbers_are_clamped_to_the_range_of_a_browser() -> None:
    for huge in ("9" * 5000 + "px", "1e400px", "1" + "0" * 100_000 + "px", "calc(1e300px * 1e300)"):
        assert source_size(huge, WINDOW) == 3.4028234663852886e38
    check(0, "1e-400px", "1e-" + "9" * 5000 + "px")


# auto ----------------------------------------------------------------------------------------------------


def test_auto_is_the_width_of_an_image_that_allows_it() -> None:
    for text in (
        "auto",
        " auto , 300px",
        "AUTO,300px",
        "\\61uto",
        "auto, (min-width: 1px) 50vw",
        "(width: 1px) 2px, auto",
    ):
        for browser in ("chromium", "firefox"):
            assert source_size(text, WINDOW, auto_width=123.0, browser=browser) == 123.0
    assert source_size("50vw, auto", WINDOW, auto_width=123.0) == 250.0
    assert source_size("(width: 1px) auto, 7px", WINDOW, auto_width=123.0) == 7.0


def test_auto_of_an_image_that_does_not_allow_it_is_100vw_in_chromium() -> None:
    check(
        500, "auto", "auto, 300px", "auto, auto, 40vw", "auto, (min-width: 1px) 50vw, 300px", "foo, auto, 1px"
    )
    check(250, "50vw, auto")
    check(300, "auto, 300px", "auto, auto, 300px", "auto 1px, 300px", browser="firefox")


# Whatever is written -------------------------------------------------------------------------------------

NUMBERS = st.integers(0, 50).map(float)
LENGTHS = NUMBERS.map(lambda number: (f"{number:g}px", number)) | NUMBERS.map(lambda n: (f"{n:g}vw", 5 * n))
SUMS = st.recursive(
    LENGTHS,
    lambda inner: (
        st.tuples(inner, inner).map(lambda two: (f"({two[0][0]} + {two[1][0]})", two[0][1] + two[1][1]))
        | st.tuples(inner, inner).map(lambda two: (f"({two[0][0]} - {two[1][0]})", two[0][1] - two[1][1]))
        | st.tuples(inner, NUMBERS).map(lambda two: (f"{two[0][0]} * {two[1]:g}", two[0][1] * two[1]))
        | st.tuples(inner, NUMBERS.filter(bool)).map(
            lambda two: (f"{two[0][0]} / {two[1]:g}", two[0][1] / two[1])
        )
        | st.tuples(inner, inner).map(
            lambda two: (f"min({two[0][0]}, {two[1][0]})", min(two[0][1], two[1][1]))
        )
        | st.tuples(inner, inner).map(
            lambda two: (f"max({two[0][0]}, {two[1][0]})", max(two[0][1], two[1][1]))
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(SUMS, st.sampled_from(["chromium", "firefox"]))
def test_calculations_follow_arithmetic(expression: tuple[str, float], browser: str) -> None:
    text, px = expression
    found = source_size(f"calc({text})", WINDOW, browser=browser)
    assert found == pytest.approx(max(0.0, px), rel=1e-9, abs=1e-9)


ENTRIES = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)))


@given(ENTRIES, st.integers(0, 1000), st.integers(1, 1000))
def test_the_first_bound_that_fits_decides(entries: list[tuple[int, int]], last: int, width: int) -> None:
    text = ", ".join([*(f"(max-width: {bound}px) {px}px" for bound, px in entries), f"{last}px"])
    expected = next((px for bound, px in entries if width <= bound), last)
    assert source_size(text, Viewport(width, 500)) == expected


SIGNS = "()[]{},:;<>=!'\"\\/ \n\0\ud800-+.1e%"
WORDS = [
    "auto",
    "not ",
    " and ",
    "(width)",
    "min-width:",
    "1px",
    " 50vw",
    "calc(",
    "min(",
    "/*",
    "*/",
    "url(",
    "0",
]
PIECES = st.sampled_from([*SIGNS, *WORDS, "9" * 5000])


@settings(deadline=None)
@given(st.lists(PIECES).map("".join) | st.text(), st.sampled_from(["chromium", "firefox"]))
def test_no_text_is_too_odd(text: str, browser: str) -> None:
    size = source_size(text, WINDOW, browser=browser)
    assert 0 <= size < math.inf
    assert source_size(f"{text}, 7px", WINDOW, browser=browser) >= 0


def test_nesting_ends_at_32_levels() -> None:
    check(3, "calc(" + "(" * 31 + "3px" + ")" * 31 + ")", "(" * 32 + "width" + ")" * 32 + " 3px")
    check(7, "calc(" + "(" * 32 + "3px" + ")" * 32 + "), 7px", "(" * 33 + "width" + ")" * 33 + " 3px, 7px")
    check(500, "(" * 100_000, "calc(" * 10_000, "calc(1px + (" * 10_000, "not (" * 10_000, "[({" * 10_000)
    check(7, "(" * 10_000 + ")" * 10_000 + " 3px, 7px", "{" * 10_000 + "}" * 10_000 + ", 7px")


def test_an_entry_of_a_thousand_terms_is_read() -> None:
    check(1, "(width) or " * 1000 + "(width) 1px", "(width) and " * 1000 + "(width) 1px")
    check(100, "calc(" + "0.1px + " * 999 + "0.1px)", "min(" + "200px, " * 1000 + "100px)")


LONG = [
    "calc(",
    "calc(1px + ",
    "1px + ",
    "min(1px,",
    "(width) and ",
    "foo,",
    "url(",
    '"a\n',
    "/*",
    "a ",
    "()",
]


@pytest.mark.parametrize("piece", [*"([,'\\1-+#", *LONG])
def test_the_time_is_linear_in_the_text(piece: str) -> None:
    def seconds(size: int) -> float:
        text = piece * (size // len(piece))
        return cpu_seconds(lambda: source_size(text, WINDOW))

    # A quadratic reader would need 400 times as long for 20 times the text.
    assert seconds(20_000) < 100 * seconds(1_000) + 0.2
