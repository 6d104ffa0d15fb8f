"""The images that style sheets name."""

# ruff: noqa: E501 (vectors, one a line)

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgfetch.markup.css.css_images import find_css_images
from imgfetch.model.markup import Candidate, Source, SourceKind


def check(css: str, *expected: str) -> None:
    """Each image as its URL; an image set as "a 1x | b 2x type"."""
    found = [each for each in find_css_images(css) if each.candidates or each.sources]
    assert [_written(each.candidates, each.sources) for each in found] == list(expected)


def _written(candidates: tuple[Candidate, ...], sources: tuple[Source, ...]) -> str:
    parts = [_option(each) for each in candidates]
    parts += [f"{_option(each)} {source.type}" for source in sources for each in source.candidates]
    return " | ".join(parts)


def _option(candidate: Candidate) -> str:
    return candidate.url if candidate.density is None else f"{candidate.url} {candidate.density:g}x"


@pytest.mark.parametrize(
    ("css", "expected"),
    [
        ("a{background:url(x.png)}", ["x.png"]),
        ("a{background:URL( 'x y.png' )}", ["x y.png"]),
        ('background-image:url("a"),url(b)', ["a", "b"]),
        ("url(x", ["x"]),
        ("url('x", ["x"]),
        ("url(a\\)b)", ["a)b"]),
        ("url(a\\20 b)", ["a b"]),
        ("\\75 rl(x)", ["x"]),
        ("url(a b) url(c)", ["c"]),
        ("url(a(b) url(c)", ["c"]),
        ("url() url('') url(#clip)", []),
        ("/* url(no) */ url(yes)", ["yes"]),
        ("content:'url(no)'; b:url(yes)", ["yes"]),
        ("'broken\n url(yes)", ["yes"]),
        ("src('a')", ["a"]),
        ("cross-fade(url(a), linear-gradient(red, url(b)))", ["a", "b"]),
        ("@import url(no); a{b:url(yes)}", ["yes"]),
        ("@media print{@import 'x' url(no)} a{b:url(yes)}", ["yes"]),
        ("@font-face{src:url(no) format('woff'), url(no)} a{b:url(yes)}", ["yes"]),
        ("@namespace svg url(no);url(yes)", ["yes"]),
        ("@media (min-width:1px){a{b:url(yes)}}", ["yes"]),
        ("--x: url(a); mask: url(b.svg#m)", ["a", "b.svg#m"]),
        (")}] url(a)", ["a"]),
        ("burl(x) curl('y')", []),
        ("#url(no) <!--url(yes)-->", ["yes"]),
        ("url('no\n) url(yes)", ["yes"]),
        (
            "url(about:blank) url(data:image/png;base64,) url(data:font/woff,x) url({{x}}) url(a{b}.png)",
            ["a{b}.png"],
        ),
        ("\\url(x) u\\52\\6C(y) \\00075\r\nrl(z)", ["x", "y", "z"]),
    ],
)
def test_a_url_names_an_image(css: str, expected: list[str]) -> None:
    check(css, *expected)


@pytest.mark.parametrize(
    "declaration",
    [
        "behavior:url(x.htc)", "-moz-binding:url(x.xml#b)", "clip-path:url(c.svg#c)", "FILTER : url('f.svg#f') blur(2px)",
        "fill:url(g.svg#g)", "marker-start:url(m.svg#m)", "src:url(no.woff), url(no.ttf)", "cl\\69p-path:url(c.svg)",
    ],
)  # fmt: skip
def test_a_property_without_an_image_names_none(declaration: str) -> None:
    check(f".a:hover,b{{color:red;{declaration};background:url(yes)}}", "yes")
    check(f"{declaration}; mask:url(yes)", "yes")
    check(f"@media (x:y){{a{{b:c}} a:filter{{background:url(yes);{declaration}}}}}", "yes")


@pytest.mark.parametrize(
    ("css", "expected"),
    [
        ("image-set('a' 1x, url(b) 2x)", "a 1x | b 2x"),
        ("-webkit-image-set(url(a) 1x, url('b') 2dppx)", "a 1x | b 2x"),
        ("IMAGE-SET('a', 'b' 192dpi, 'c' 1.5X)", "a 1x | b 2x | c 1.5x"),
        ("image-set('a' type('image/avif') 2x, 'b' 2x type(\"image/avif\"), 'c')", "c 1x | a 2x image/avif | b 2x image/avif"),
        ("image-set('a' /* c */ 2x, )", "a 2x"),
        ("image-set('a'", "a 1x"),
    ],
)  # fmt: skip
def test_an_image_set_is_one_image(css: str, expected: str) -> None:
    check(css, expected)


@pytest.mark.parametrize(
    ("css", "found"),
    [
        ("image-set(foo 1x, 'b')", "foo 1x"),
        ("image-set('a' 2w, 'b')", "'a' 2w"),
        ("image-set('a' -1x, 'b')", "'a' -1x"),
        ("image-set('a' 'c', 'b')", "'a' 'c'"),
        ("image-set('a' 1x 2x, 'b')", "'a' 1x 2x"),
        ("image-set(type('image/png') 'a', 'b')", "type('image/png') 'a'"),
        ("image-set('a' type(image/png), 'b')", "'a' type(image/png)"),
        ("image-set('a' type('c') type('d'), 'b')", "'a' type('c') type('d')"),
        ("image-set(linear-gradient(red, blue) 1x, 'b')", "linear-gradient(red, blue) 1x"),
        ("image-set(url(a) url(c), 'b')", "url(a) url(c)"),
    ],
)
def test_an_option_that_cannot_be_read_is_named(css: str, found: str) -> None:
    (image,) = find_css_images(css)
    assert [candidate.url for candidate in image.candidates] == ["b"]
    (problem,) = image.problems
    assert problem.found == found
    assert css[problem.position :].startswith(found)


@pytest.mark.parametrize("url", ["url(a)", "url('a')", "url( 'a' )", "src('a')", "URL(\\61)", "url('a'"])
def test_an_image_is_where_its_function_begins(url: str) -> None:
    (image,) = find_css_images(f"b{{c:d({{}}) {url}")
    assert image.position == len("b{c:d({}) ")
    assert image.candidates == (Candidate("a"),)


@pytest.mark.parametrize("bad", ["url(a b)", "url(a(b)", "url(data:image/svg+xml,<svg id='a'>)"])
def test_a_url_that_needs_quotes_is_named(bad: str) -> None:
    css = f"a{{b:{bad}}} c{{d:url(e)}}"
    (image,) = find_css_images(css)
    (problem,) = image.problems
    assert [each.url for each in image.candidates] == ["e"]
    assert css[problem.position :].startswith(problem.found)
    assert problem.found == bad
    assert "quotes" in problem.reason
    (nothing,) = find_css_images(f"a{{b:{bad}}}")
    assert (nothing.candidates, nothing.problems) == ((), image.problems)


def test_a_string_that_its_line_cuts_off_is_named() -> None:
    (nothing,) = find_css_images("a{b:url('c\n)}")
    (problem,) = nothing.problems
    assert (nothing.candidates, problem.position, problem.found) == ((), 4, "url('c")
    assert "line" in problem.reason


def test_a_url_that_needs_quotes_spoils_its_option_alone() -> None:
    (image,) = find_css_images("image-set(url(a b) 1x, url(c) 2x)")
    assert [candidate.url for candidate in image.candidates] == ["c"]
    assert [problem.found for problem in image.problems] == ["url(a b) 1x"]


def test_urls_are_made_absolute() -> None:
    first, second = find_css_images(
        "url(../a) image-set('b' 1x type('c'))", base_url="https://x.test/css/s.css"
    )
    assert first.candidates == (Candidate("https://x.test/a"),)
    assert second.sources == (Source((Candidate("https://x.test/css/b", density=1.0),), type="c"),)
    assert first.kind is second.kind is SourceKind.CSS


@pytest.mark.parametrize(
    "piece",
    ["(", "[", "{", "a(", "url(", "url('", "image-set(", "image-set('a',", "/*", "'", "\\", "@import ", "1", "a ", "url(a)", "image-set(url(a) 1x),", "\\75", "-"],
)  # fmt: skip
def test_a_hostile_style_sheet_is_read_whole(piece: str) -> None:
    css = "url(first)" + piece * (300_000 // len(piece))
    assert next(find_css_images(css)).candidates == (Candidate("first"),)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["url(", "image-set(", "type(", "'", '"', ")", ",", "a", " ", "2x", "\\", "{", "}", "@import ", ";", "/*", "*/", "\n", "\ud800", "\0"])))  # fmt: skip
def test_any_style_sheet_is_read(pieces: list[str]) -> None:
    for image in find_css_images("url(x)" + "".join(pieces)):
        assert image.candidates or image.sources or image.problems
