"""The `sizes` attribute: "parse a sizes attribute" of the HTML standard (§4.8.4.2.3), as browsers do it.

    text ─▶ entries between commas ─▶ a length at the end, a condition before it ─▶ the first that holds

Chromium stops at the first entry that begins with `auto`, for any image; Firefox skips an `auto` that the
image does not allow.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from imgfetch.markup import media
from imgfetch.markup.css_tokens import entries, entries_with_offsets, without_space
from imgfetch.markup.css_values import ALL_MATH, CHROMIUM_SIZES, quantity
from imgfetch.markup.srcset import excerpt
from imgfetch.model.markup import Problem, Viewport

if TYPE_CHECKING:
    from imgfetch.markup.css_tokens import Token

_MAX_CACHED = 1_000
"""Characters of an attribute whose value is cached: the images of a page share few `sizes`, all short."""


def source_size(
    sizes: str, viewport: Viewport, *, auto_width: float | None = None, browser: str = "chromium"
) -> float:
    """Return the source size in CSS px: the first entry whose condition is true, else 100vw.

    `auto_width` is the layout width of a lazy image, which allows `auto`; None for any other image.
    """
    evaluate = _cached_source_size if len(sizes) <= _MAX_CACHED else _source_size
    return evaluate(sizes, viewport, auto_width, browser)


def sizes_problems(sizes: str) -> tuple[Problem, ...]:
    """Return the entries of `sizes` that browsers skip on every screen, with the reasons."""
    find = _cached_problems if len(sizes) <= _MAX_CACHED else _problems
    return find(sizes)


def may_contain_auto(sizes: str | None) -> bool:
    """Return False if `sizes` certainly has no `auto`, plain or escaped: then no layout width is needed."""
    return sizes is not None and ("auto" in sizes.lower() or "\\" in sizes)


def _source_size(sizes: str, viewport: Viewport, auto_width: float | None, browser: str) -> float:
    for entry in entries(sizes):
        tokens = without_space(entry)
        if not tokens:
            continue
        if tokens[0].kind == "ident" and tokens[0].text == "auto":
            if auto_width is not None and (len(tokens) == 1 or browser != "firefox"):
                return auto_width
            if browser != "firefox":
                break
        size = _length(tokens[-1], viewport, browser)
        if size is not None and (len(tokens) == 1 or media.is_true(tokens[:-1], viewport, browser=browser)):
            return size
    return viewport.width


_cached_source_size = lru_cache(maxsize=1024)(_source_size)


def _problems(sizes: str) -> tuple[Problem, ...]:
    return tuple(
        Problem(start, excerpt(sizes[start:end].strip()), reason)
        for entry, start, end in entries_with_offsets(sizes)
        if (reason := _why_skipped(without_space(entry)))
    )


def _why_skipped(tokens: list[Token]) -> str | None:
    if not tokens or (tokens[0].kind == "ident" and tokens[0].text == "auto"):
        return None
    if _length(tokens[-1], _ANY_SCREEN, "chromium") is None:
        return "a source size ends with a length such as 50vw or 300px, not negative and not a percentage"
    return media.why_unreadable(tokens[:-1]) if len(tokens) > 1 else None


_cached_problems = lru_cache(maxsize=256)(_problems)

_ANY_SCREEN = Viewport(1000, 1000)
"""An arbitrary screen: an entry that one screen can read, every screen can."""


def _length(token: Token, viewport: Viewport, browser: str) -> float | None:
    """Return the px of a `<source-size-value>`: None for a negative length, 0 for a negative calculation."""
    found = quantity(token, viewport, ALL_MATH if browser == "firefox" else CHROMIUM_SIZES)
    if found is None or (found.measure != "length" and (token.kind, found) != ("number", (0, ""))):
        return None
    if found.number < 0 and token.kind != "function":
        return None
    return max(0.0, found.number)
