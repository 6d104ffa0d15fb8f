"""The `sizes` attribute: "parse a sizes attribute" of the HTML standard (§4.8.4.2.3), as browsers do it.

    text ─▶ entries between commas ─▶ a length at the end, a condition before it ─▶ the first that holds

Chromium stops at the first entry that begins with `auto`, for any image; Firefox skips an `auto` that the
image does not allow. `auto` stands for `layout_width`: the width that the markup of a lazy image gives it.

    width in its style ─▶ else the width attribute ─▶ else 300px, or 0 ─▶ max-width and min-width in its style

Style sheets are not read, and a percentage is taken of the viewport less the usual margin of the body.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from imgfetch.markup import media
from imgfetch.markup.css.css_tokens import entries, entries_with_offsets, without_space
from imgfetch.markup.css.css_values import ALL_MATH, CHROMIUM_SIZES, quantity
from imgfetch.markup.srcset import excerpt
from imgfetch.model.markup import Problem, Viewport

if TYPE_CHECKING:
    from imgfetch.markup.css.css_tokens import Token
    from imgfetch.markup.page.html import Attr

_MAX_CACHED = 1_000
"""Characters of an attribute with a cached result: the images of a page share few `sizes`, all short."""


def source_size(
    sizes: str, viewport: Viewport, *, auto_width: float | None = None, browser: str = "chromium"
) -> float:
    """Return the source size in CSS px: the first entry with a true condition, else 100vw.

    `auto_width` is the layout width of a lazy image, which allows `auto`; None for any other image.
    """
    evaluate = _cached_source_size if len(sizes) <= _MAX_CACHED else _source_size
    return evaluate(sizes, viewport, auto_width, browser)


def sizes_problems(sizes: str) -> tuple[Problem, ...]:
    """Return the entries of `sizes` that browsers skip on every screen, with the reasons."""
    find = _cached_problems if len(sizes) <= _MAX_CACHED else _problems
    return find(sizes)


def allows_auto(sizes: str, browser: str) -> bool:
    """Return whether a lazy image with these `sizes` takes its layout width for those of a source too.

    The standard and Firefox want `auto` alone or before a comma (HTML §4.8.4.2.2), Chromium the letters.
    """
    pattern = _IS_AUTO if browser == "firefox" else _STARTS_WITH_AUTO
    return pattern.match(sizes) is not None


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


# ---------------------------------------------------------------------------------------------------
# The layout width of a lazy image, for which `auto` stands


def layout_width(image: Attr, source: Attr | None, viewport: Viewport) -> float:
    """Return the width that the markup of an image gives it, in whole CSS pixels."""
    styles = {name.lower(): value for name, value in _DECLARATION.findall(image("style") or "")}
    attribute = None if source is None else source("width")
    attribute = image("width") if attribute is None else attribute
    width = _css_length(styles.get("width"), viewport)
    if width is None:
        width = _dimension(attribute, viewport)
    if width is None:
        width = _INTRINSIC_WIDTH if _IS_AUTO.match(image("sizes") or "") else 0.0
    upper = _css_length(styles.get("max-width"), viewport)
    lower = _css_length(styles.get("min-width"), viewport)
    width = width if upper is None else min(width, upper)
    width = width if lower is None else max(width, lower)
    return float(math.floor(width + 0.5)) if width < _MAX_WIDTH else _MAX_WIDTH


def _dimension(attribute: str | None, viewport: Viewport) -> float | None:
    found = _DIMENSION.match(attribute or "")
    if found is None:
        return None
    number = float(found[1][:_MAX_DIGITS])
    return number / 100 * (viewport.width - _BODY_MARGIN) if found[2] else number


def _css_length(value: str | None, viewport: Viewport) -> float | None:
    """Return the px of a CSS length or percentage, None for any other value."""
    entry = next(iter(entries(value or "")), ())
    tokens = without_space(entry)
    if len(tokens) != 1:
        return None
    (token,) = tokens
    if token.kind == "percentage":
        return token.number / 100 * (viewport.width - _BODY_MARGIN) if token.number >= 0 else None
    found = quantity(token, viewport, ALL_MATH)
    if found is None or found.number < 0:
        return None
    return found.number if found.measure == "length" or found.number == 0 else None


_DECLARATION = re.compile(r"""(?:^|;)\s*+((?:min-|max-)?width)\s*+:\s*+([^;!]*+)""", re.IGNORECASE)
_DIMENSION = re.compile(r"[ \t\n\f\r]*+\+?([0-9]++(?:\.[0-9]++)?)(%?)")
"""A value by the rules for parsing dimension values (HTML §2.3.4.4)."""

_MAX_DIGITS = 30
"""Digits of a number that are read: more change no pixel, and could overflow."""

_IS_AUTO = re.compile(r"auto(?:,|\Z)", re.IGNORECASE)
_STARTS_WITH_AUTO = re.compile("auto", re.IGNORECASE)
_INTRINSIC_WIDTH = 300.0
"""Pixels of `contain-intrinsic-size` if `sizes` begins with `auto` (HTML §15.4.3); else the width is 0."""
_MAX_WIDTH = float(2**25)
"""Pixels of the largest width: layouts count in 64ths of a pixel, in 32 bits."""

_BODY_MARGIN = 16.0
"""Pixels: the default margins of the body on both sides."""
