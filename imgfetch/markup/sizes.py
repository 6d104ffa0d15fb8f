"""The `sizes` attribute: "parse a sizes attribute" of the HTML standard (§4.8.4.2.3), as browsers do it.

    text ─▶ entries between commas ─▶ a length at the end, a condition before it ─▶ the first that holds

Chromium sees `auto` wherever it gets to an entry that begins with it, whatever the image; Firefox passes over
an `auto` that the image does not allow.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from imgfetch.markup import media
from imgfetch.markup.css_tokens import entries, entries_with_offsets, without_space
from imgfetch.markup.css_values import ALL_MATH, CHROMIUM_SIZES, quantity
from imgfetch.markup.srcset import excerpt
from imgfetch.model import Problem, Viewport

if TYPE_CHECKING:
    from imgfetch.markup.css_tokens import Token

_LONGEST_REMEMBERED = 1_000
"""Characters; the images of a page share few `sizes`, all of them short."""


def source_size(
    sizes: str, viewport: Viewport, *, auto_width: float | None = None, browser: str = "chromium"
) -> float:
    """The width in CSS px that `sizes` promises an image: the first entry that holds, else 100vw.

    `auto_width` is the width at which an image that allows `auto` is laid out: a lazy one; None for others.
    """
    answer = _remembered if len(sizes) <= _LONGEST_REMEMBERED else _source_size
    return answer(sizes, viewport, auto_width, browser)


def unread_sizes(sizes: str) -> tuple[Problem, ...]:
    """The entries of `sizes` that a browser passes over on any screen, and why."""
    answer = _remembered_unread if len(sizes) <= _LONGEST_REMEMBERED else _unread
    return answer(sizes)


def may_say_auto(sizes: str | None) -> bool:
    """Whether `auto` may stand in it, as it is or with escapes: if not, no layout need be looked at."""
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
        if size is not None and (len(tokens) == 1 or media.holds(tokens[:-1], viewport, browser=browser)):
            return size
    return viewport.width


_remembered = lru_cache(maxsize=1024)(_source_size)


def _unread(sizes: str) -> tuple[Problem, ...]:
    return tuple(
        Problem(start, excerpt(sizes[start:end].strip()), reason)
        for entry, start, end in entries_with_offsets(sizes)
        if (reason := _why_passed_over(without_space(entry)))
    )


def _why_passed_over(tokens: list[Token]) -> str | None:
    if not tokens or (tokens[0].kind == "ident" and tokens[0].text == "auto"):
        return None
    if _length(tokens[-1], _ANY_SCREEN, "chromium") is None:
        return "a source size ends with a length such as 50vw or 300px, not negative and not a percentage"
    return media.why_never(tokens[:-1]) if len(tokens) > 1 else None


_remembered_unread = lru_cache(maxsize=256)(_unread)

_ANY_SCREEN = Viewport(1000, 1000)
"""What can be read can be read on every screen."""


def _length(token: Token, viewport: Viewport, browser: str) -> float | None:
    """The px of a `<source-size-value>`; a negative one is none, but a calculation stops at 0."""
    found = quantity(token, viewport, ALL_MATH if browser == "firefox" else CHROMIUM_SIZES)
    if found is None or (found.measure != "length" and (token.kind, found) != ("number", (0, ""))):
        return None
    if found.number < 0 and token.kind != "function":
        return None
    return max(0.0, found.number)
