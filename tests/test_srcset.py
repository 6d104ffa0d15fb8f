"""`markup.srcset` against the state machine of the standard, read letter by letter, and browsers' vectors."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgfetch.markup.srcset import parse_srcset, read_srcset, urls_and_descriptors, walk
from imgfetch.model.markup import Candidate, Problem
from measuring import cpu_seconds
from srcset_standard import check_urls_and_descriptors, parse_by_the_letter

Row = str | tuple[str, str]
"""A URL, or a URL and its descriptors in the order w, h, x."""


def check(text: str, *expected: Row) -> None:
    rows = tuple((row, "") if isinstance(row, str) else row for row in expected)
    assert tuple((candidate.url, written(candidate)) for candidate in parse_srcset(text)) == rows


def check_dropped(descriptors: str) -> None:
    """A candidate with these descriptors is dropped, alone, and the one after it is kept."""
    candidates, problems = read_srcset(f"data:,a {descriptors}, data:,b 2x")
    assert candidates == (Candidate("data:,b", density=2.0),), descriptors
    assert [(problem.position, problem.found) for problem in problems] == [(0, f"data:,a {descriptors}")]
    assert problems[0].reason


def words(text: str, separator: str = " ") -> list[str]:
    return text.split(separator)


def written(candidate: Candidate) -> str:
    parts = ((candidate.width, "w"), (candidate.height, "h"), (candidate.density, "x"))
    return " ".join(f"{number:g}{unit}" for number, unit in parts if number is not None)


# The rows that browsers share ---------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", ",", ",,,", " ", "  , ,, \t\n\f\r ,"])
def test_separators_alone_hold_no_candidate(text: str) -> None:
    assert read_srcset(text) == ((), ())


@pytest.mark.parametrize("space", ["  ", "\t\t", "\n\n", "\f\f", "\r\r"])
def test_ascii_whitespace_surrounds_urls_and_descriptors(space: str) -> None:
    check(f"{space}data:,a{space}1x{space}", ("data:,a", "1x"))


@pytest.mark.parametrize(
    "letter", ["\v", "\x0e", "\x0f", "\x10", "\x00", "\xa0", "\u2003", "\u2028", "\ufeff"]
)
def test_no_other_character_is_whitespace(letter: str) -> None:
    text = f"{letter}{letter}data:,a{letter}{letter}1x{letter}"
    check(text, text)
    check_dropped(f"1x{letter}")
    check_dropped(f"{letter}1x")


@pytest.mark.parametrize(
    "text",
    [
        "data:,a",
        "data:,a ",
        "data:,a ,",
        "data:,a,",
        "data:,a, ",
        "data:,a,,,",
        "data:,a,, , ",
        " data:,a",
        ",,,data:,a",
        " , ,,data:,a",
    ],
)
def test_commas_around_a_url_are_not_part_of_it(text: str) -> None:
    check(text, "data:,a")


def test_commas_inside_a_url_are_part_of_it() -> None:
    check("a/w_10,h_20/x.png, b/w_30,h_40/y.png 2x", "a/w_10,h_20/x.png", ("b/w_30,h_40/y.png", "2x"))
    check("a.png 2x,b,png 1x", ("a.png", "2x"), ("b,png", "1x"))
    check("a.png,b.png 2x", ("a.png,b.png", "2x"))


def test_parentheses_hide_commas_but_do_not_nest() -> None:
    check("data:,a ( , data:,b 1x, ), data:,c", "data:,c")
    check("data:,a ((( , data:,b 1x, ), data:,c", "data:,c")
    check("data:,a (, data:,b")
    check("data:,a, data:,b (", "data:,a")
    check("data:,a, data:,b (  ", "data:,a")
    check("data:,a, data:,b (,", "data:,a")
    check("data:,a, data:,b (x", "data:,a")
    check("data:,a, data:,b ()", "data:,a")
    check("a.png ), b.png 2x", ("b.png", "2x"))
    check("a.png 1x, b.png 2x (, c.png 3x", ("a.png", "1x"))
    check("a.png 2x(,), b.png (1x) 2x, c.png 3x", ("c.png", "3x"))


def test_nothing_but_parentheses_hides_a_comma() -> None:
    for opening, closing in ("[]", "{}", '""'):
        first, *_ = parse_srcset(f"data:,a {opening} , data:,b 1x, {closing}, data:,c")
        assert first == Candidate("data:,b", density=1.0)
    check("data:,a \\,data:;\\,b, data:,c", "data:;\\,b", "data:,c")
    check("data:,a /*, data:,b, data:,c */", "data:,b")
    check("data:,a //, data:,b", "data:,b")
    check("a.png 1x; b.png 2x")


@pytest.mark.parametrize(
    ("descriptors", "kept"),
    [
        ("1w", "1w"),
        ("480w", "480w"),
        ("0600w", "600w"),
        ("2147483647w", "2.14748e+09w"),
        ("1w 1h", "1w 1h"),
        ("1h 1w", "1w 1h"),
        ("600w 50h", "600w 50h"),
        ("1x", "1x"),
        ("0x", "0x"),
        ("-0x", "0x"),
        ("-0.0e5x", "0x"),
        ("1e0x", "1x"),
        ("1E0x", "1x"),
        ("1e-1x", "0.1x"),
        ("1e+1x", "10x"),
        ("15e-1x", "1.5x"),
        ("1.5e1x", "15x"),
        (".5x", "0.5x"),
        (".5e1x", "5x"),
        ("1.0x", "1x"),
        ("007x", "7x"),
        ("1e3x", "1000x"),
        ("3e38x", "3e+38x"),
        ("1e-400x", "0x"),
        ("  2x  ", "2x"),
    ],
)
def test_valid_descriptors_are_accepted(descriptors: str, kept: str) -> None:
    check(f"data:,a {descriptors}", ("data:,a", kept))
    check(f"data:,a {descriptors},data:,b 2x", ("data:,a", kept), ("data:,b", "2x"))


NOT_WHOLE = words("0 -1 1.0 1e0 +1 Infinity NaN 0x1 0X1 1w ٦ ६०० 1\x01 2147483648 99999999999")
NOT_REAL = words("-1 - . -. 1. + +1 Infinity NaN 0x1 0X1 −1 1.5.2 1e400 -1e400 1e 1e+ e1 1.e5 1e1.5 १ 1\x01")
CLASHES = words(
    "foo|foo foo|foo 1x|foo 1x foo|foo 1w|foo 1w foo|1h foo|foo 1h|1W|1w 1H|1X|600px|x|w|1 x|600w (x)"
    "|1x 1x|1w 1w|1w 1x|1x 1w|1h 1h|1h 1x|1h 1w 1x|1x 1w 1h|1h|1x 1h|600w 2x 3x|50h 60h 600w"
    "|1x -0x|1x -1x|1x 1.5e1x|1x 1.0x",
    "|",
)


@pytest.mark.parametrize(
    "descriptors",
    [f"{number}w" for number in NOT_WHOLE]
    + [f"1w {number}w" for number in NOT_WHOLE]
    + [f"1w {number}h" for number in NOT_WHOLE]
    + [f"{number}x" for number in NOT_REAL]
    + CLASHES,
)
def test_invalid_descriptors_drop_the_candidate(descriptors: str) -> None:
    check_dropped(descriptors)


@pytest.mark.parametrize("unit", ["w", "x", "1w h"])
@pytest.mark.parametrize(
    "letter",
    [chr(code) for code in (1, 0xA0, 0x1680, *range(0x2000, 0x200E), 0x202F, 0x205F, 0x3000, 0xFEFF)],
)
def test_no_space_of_unicode_is_allowed_in_a_descriptor(letter: str, unit: str) -> None:
    *before, unit = unit.split()
    check_dropped(" ".join([*before, f"1{letter}{unit}"]))
    check_dropped(" ".join([*before, f"{letter}1{unit}"]))


@pytest.mark.parametrize("unit", ["w", "x", "1w h"])
def test_a_number_of_a_hundred_thousand_digits_is_none(unit: str) -> None:
    *before, unit = unit.split()
    candidates, problems = read_srcset(" ".join(["a.webp", *before, "9" * 100_000 + unit]))
    assert (candidates, len(problems)) == ((), 1)
    check(
        " ".join(["a.webp", *before, "0" * 100_000 + "1" + unit]), ("a.webp", " ".join([*before, "1" + unit]))
    )


# The problems of dropped candidates ---------------------------------------------------------------------


def test_a_dropped_candidate_is_reported_with_position_and_reason() -> None:
    text = "a.webp 480w, b.webp 12q, c.webp 1w 2w ,d.webp 7h, e.webp 0w"
    candidates, problems = read_srcset(text)
    assert [candidate.url for candidate in candidates] == ["a.webp"]
    assert problems == (
        Problem(13, "b.webp 12q", "12q is not a descriptor such as 480w or 2x"),
        Problem(25, "c.webp 1w 2w", "2w stands beside another w or x descriptor"),
        Problem(39, "d.webp 7h", "an h descriptor needs a w descriptor"),
        Problem(50, "e.webp 0w", "0w is not a width in whole pixels"),
    )


def test_a_problem_quotes_no_more_than_a_line() -> None:
    (problem,) = read_srcset("a.webp (" + "x" * 10_000)[1]
    assert len(problem.found) == len(problem.reason.partition(" is not")[0]) == 120


def test_nothing_is_read_before_it_is_asked_for() -> None:
    items = walk("a.webp 480w, b.webp oops")
    assert next(items) == Candidate("a.webp", 480)
    assert isinstance(next(items), Problem)


# The same result as the algorithm of the standard -------------------------------------------------------

LETTERS = words("|,|, |\t|\f|\v|\xa0|(|)|a|data:,b|1|0|99999999999|.|e|-|+|w|x|h|\ud800|\0| | ", "|")
WORDS = words("1w|480w|2x|1.5x|.5x|-0x|0w|7h|1e3x|2147483648w", "|")
SYNTAX = st.lists(st.sampled_from(LETTERS + WORDS)).map("".join)


@settings(deadline=None, max_examples=400)
@given(SYNTAX | st.text())
def test_every_text_is_read_as_the_standard_reads_it(text: str) -> None:
    assert parse_srcset(text) == read_srcset(text)[0] == parse_by_the_letter(text)
    check_urls_and_descriptors(text)


@pytest.mark.parametrize("end", ["", ",", " , ", ", b", ", 2x", ", b 1w 2h", ", b oops"])
@pytest.mark.parametrize("descriptor", ["1w", "2x", "1.5x"])
@pytest.mark.parametrize("count", [1, 3, 63, 64, 65])
def test_urls_and_descriptors_are_returned_side_by_side(count: int, descriptor: str, end: str) -> None:
    check_urls_and_descriptors(", ".join(f"/{number} {descriptor}" for number in range(count)) + end)


@given(
    st.lists(
        st.from_regex(r"[a-z/:.,?&=]*[a-z]", fullmatch=True)
        .filter(lambda url: url[0] != ",")
        .map(lambda url: Candidate(url))
        | st.tuples(st.integers(1, 2**31 - 1), st.none() | st.integers(1, 2**31 - 1)).map(
            lambda sizes: Candidate("a,b", *sizes)
        )
        | st.floats(0, allow_infinity=False, allow_nan=False).map(
            lambda density: Candidate("/c", density=density)
        )
    )
)
def test_candidates_written_out_are_read_back(candidates: list[Candidate]) -> None:
    def line(candidate: Candidate) -> str:
        width = "" if candidate.width is None else f" {candidate.width}w"
        height = "" if candidate.height is None else f" {candidate.height}h"
        density = "" if candidate.density is None else f" {candidate.density!r}x"
        return candidate.url + width + height + density

    assert read_srcset(", ".join(map(line, candidates))) == (tuple(candidates), ())


@pytest.mark.parametrize(
    "piece",
    [
        ",",
        " ",
        "(",
        "a ",
        "a, ",
        "a ()",
        "()",
        "a (,",
        "a 1w, ",
        "a b, ",
        "9",
        "1w ",
        "a\ud800\0",
        "a 1e9",
        ".",
        "-",
    ],
)
def test_the_time_is_linear_in_the_text(piece: str) -> None:
    def seconds(size: int) -> float:
        text = "a " + piece * (size // len(piece))
        return cpu_seconds(lambda: (read_srcset(text), parse_srcset(text), urls_and_descriptors(text)))

    # A quadratic reader would need 400 times as long for 20 times the text.
    assert seconds(400_000) < 100 * seconds(20_000) + 0.2
