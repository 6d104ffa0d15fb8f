"""The media features that the window of a desktop browser knows (Media Queries 4 §2.4, Media Queries 5).

    `width`, `min-width: 600px`, `400px <= width < 600px`, `hover: none` ─▶ true, false, or unknown

Where browsers differ from the standard, Chromium decides: it does not know the resolution `infinite`, it
compares lengths to a 64th of a pixel, and its screen is as large as the window. Firefox compares numbers of
single precision, and allows nothing between them.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

from imgfetch.markup.css.css_values import ALL_MATH, FLT_MAX, Quantity, quantity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imgfetch.markup.css.css_tokens import Token
    from imgfetch.model.markup import Viewport


class Window:
    """A window that evaluates its features. Each result is None if the feature or the value is unknown."""

    def __init__(self, viewport: Viewport, browser: str) -> None:
        self._viewport = viewport
        self._is_firefox = browser == "firefox"
        self._keywords = _FIREFOX if self._is_firefox else _CHROMIUM

    def evaluate(self, tokens: Sequence[Token]) -> bool | None:
        """Evaluate the contents of parentheses, given without white space."""
        name = _word(tokens[:1])
        if len(tokens) == 1:
            return self._boolean(name)
        if name and tokens[1].kind == ":":
            return self._with_value(name, tokens[2:])
        comparisons = [position for position, token in enumerate(tokens) if token.kind in _MIRRORED]
        if len(comparisons) == 1:
            return self._bounded(tokens, *comparisons)
        if len(comparisons) == 2:
            return self._between(tokens, *comparisons)
        return None

    def _boolean(self, name: str) -> bool | None:
        """Evaluate `(hover)`: a feature in a boolean context is true unless its value is 0 or `none`."""
        if _BOUNDS.get(name) == (name, "=") and not self._is_foreign(name):
            extent = {"width": self._viewport.width, "height": self._viewport.height}
            return extent.get(name, name not in ("color-index", "monochrome")) != 0
        if name in _FLAGS:
            return _FLAGS[name] != 0
        if name in ("dynamic-range", "video-dynamic-range", "color-gamut") and self._is_firefox:
            return False
        if name in self._keywords:
            return self._keyword(name) not in ("", "none", "no-preference")
        return None

    def _with_value(self, name: str, value: Sequence[Token]) -> bool | None:
        """Evaluate `(min-width: 600px)`."""
        if name in _BOUNDS:
            return self._compares(*_BOUNDS[name], value)
        if name in _FLAGS:
            number = self._number(value)
            return number == _FLAGS[name] if number in (0, 1) else None
        if _word(value) in self._keywords.get(name, "").split():
            return _word(value) == self._keyword(name)
        return None

    def _bounded(self, tokens: Sequence[Token], index: int) -> bool | None:
        """Evaluate `(width <= 600px)` or `(600px >= width)`; the comparison is at `index`."""
        left, comparison, right = tokens[:index], tokens[index].kind, tokens[index + 1 :]
        truth = self._compares(_word(left), comparison, right)
        return self._compares(_word(right), _MIRRORED[comparison], left) if truth is None else truth

    def _between(self, tokens: Sequence[Token], first: int, second: int) -> bool | None:
        """Evaluate `(400px <= width < 600px)`; both comparisons point the same way."""
        name, comparisons = _word(tokens[first + 1 : second]), (tokens[first].kind, tokens[second].kind)
        if "=" in comparisons or comparisons[0][0] != comparisons[1][0]:
            return None
        truths = (
            self._compares(name, _MIRRORED[comparisons[0]], tokens[:first]),
            self._compares(name, comparisons[1], tokens[second + 1 :]),
        )
        return None if None in truths else all(truths)

    def _keyword(self, name: str) -> str:
        if name in ("orientation", "-moz-device-orientation"):
            return "landscape" if self._viewport.width > self._viewport.height else "portrait"
        if name == "prefers-color-scheme":
            return self._viewport.color_scheme
        return self._keywords[name].partition(" ")[0]

    def _is_foreign(self, name: str) -> bool:
        """Return True if only other browsers have the feature."""
        return name in _SEGMENTS if self._is_firefox else name.startswith("-moz-")

    def _compares(self, name: str, comparison: str, value: Sequence[Token]) -> bool | None:
        if self._is_foreign(name):
            return None
        match name:
            case "width" | "device-width":
                return self._length(self._viewport.width, comparison, value)
            case "height" | "device-height":
                return self._length(self._viewport.height, comparison, value)
            case "aspect-ratio" | "device-aspect-ratio":
                return self._ratio(comparison, value)
            case "resolution":
                return self._resolution(comparison, value)
            case "-webkit-device-pixel-ratio" | "-moz-device-pixel-ratio":
                bound = self._number(value)
                ratio = _single(self._viewport.dpr)
                return None if bound is None else _compare(ratio, comparison, _single(bound))
            case "color" | "color-index" | "monochrome":
                return self._whole(8 if name == "color" else 0, comparison, value)
            case _ if name in _SEGMENTS:
                return self._whole(1, comparison, value)
        return None

    def _length(self, actual: float, comparison: str, value: Sequence[Token]) -> bool | None:
        bound = self._quantity(value)
        if bound is None or (bound.measure != "length" and bound != Quantity(0.0)):
            return None
        if self._is_firefox:
            return _compare(_single(actual), comparison, _single(bound.number))
        return _compare(actual, comparison, bound.number, slack=1 / 64)

    def _ratio(self, comparison: str, value: Sequence[Token]) -> bool | None:
        if len(value) == 3 and value[1].kind == "/":
            numerator, denominator = self._number(value[:1]), self._number(value[2:])
        else:
            numerator, denominator = self._number(value), 1.0
        if numerator is None or denominator is None or min(numerator, denominator) < 0:
            return None
        if numerator == denominator == 0:
            numerator = 1.0  # 0/0 stands for an infinite ratio, as 1/0 does
        width, height = int(self._viewport.width), int(self._viewport.height)
        if self._is_firefox:
            return _compare(width * _single(denominator), comparison, height * _single(numerator))
        return _compare(width * denominator, comparison, height * numerator, slack=1 / 64)

    def _resolution(self, comparison: str, value: Sequence[Token]) -> bool | None:
        bound = self._quantity(value)
        if bound is None or bound.measure != "resolution" or bound.number < 0:
            return None
        actual, limit = _single(self._viewport.dpr), _single(bound.number)
        if (
            value[0].text == "dpcm" and not self._is_firefox
        ):  # whole dots in a centimetre are seldom whole dots in a pixel
            actual, limit = (math.floor(0.5 + 100 * number) / 100 for number in (actual, limit))
        return _compare(actual, comparison, limit)

    def _whole(self, actual: int, comparison: str, value: Sequence[Token]) -> bool | None:
        bound = self._number(value)
        if bound is None or not (value[0].whole or value[0].kind == "function"):
            return None
        return _compare(actual, comparison, math.floor(bound + 0.5))

    def _number(self, value: Sequence[Token]) -> float | None:
        number = self._quantity(value)
        return None if number is None or number.measure else number.number

    def _quantity(self, value: Sequence[Token]) -> Quantity | None:
        return quantity(value[0], self._viewport, ALL_MATH) if len(value) == 1 else None


def _word(tokens: Sequence[Token]) -> str:
    """Return the name if the tokens are one ident, else an empty string."""
    return tokens[0].text if len(tokens) == 1 and tokens[0].kind == "ident" else ""


def _compare(actual: float, comparison: str, bound: float, *, slack: float = 0.0) -> bool:
    if bound < 0:
        return comparison in (">", ">=")  # nothing is negative (Media Queries 4 §2.4.3)
    match comparison:
        case ">":
            return actual > bound
        case ">=":
            return actual >= bound - slack
        case "<":
            return actual < bound
        case "<=":
            return actual <= bound + slack
        case _:
            return abs(actual - bound) <= slack


def _single(number: float) -> float:
    """Return the number in single precision, in which browsers compare resolutions."""
    single: float = struct.unpack("f", struct.pack("f", max(-FLT_MAX, min(number, FLT_MAX))))[0]
    return single


_SEGMENTS = ("horizontal-viewport-segments", "vertical-viewport-segments")
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}

_WITH_BOUNDS = (
    "width",
    "height",
    "aspect-ratio",
    "device-width",
    "device-height",
    "device-aspect-ratio",
    "resolution",
    "color",
    "color-index",
    "monochrome",
)
_BOUNDS: Mapping[str, tuple[str, str]] = {
    **{name: (name, "=") for name in _WITH_BOUNDS},
    **{f"min-{name}": (name, ">=") for name in _WITH_BOUNDS},
    **{f"max-{name}": (name, "<=") for name in _WITH_BOUNDS},
    "-webkit-device-pixel-ratio": ("-webkit-device-pixel-ratio", "="),
    "-webkit-min-device-pixel-ratio": ("-webkit-device-pixel-ratio", ">="),
    "-webkit-max-device-pixel-ratio": ("-webkit-device-pixel-ratio", "<="),
    "-moz-device-pixel-ratio": ("-moz-device-pixel-ratio", "="),
    "min--moz-device-pixel-ratio": ("-moz-device-pixel-ratio", ">="),
    "max--moz-device-pixel-ratio": ("-moz-device-pixel-ratio", "<="),
    "horizontal-viewport-segments": ("horizontal-viewport-segments", "="),
    "vertical-viewport-segments": ("vertical-viewport-segments", "="),
}
"""The range features and their bounds: the feature of each, and the comparison."""

_FLAGS = {"grid": 0, "-webkit-transform-3d": 1}

_COMMON = {
    "any-hover": "hover none",
    "any-pointer": "fine coarse none",
    "color-gamut": "srgb p3 rec2020",
    "display-mode": (
        "browser fullscreen standalone minimal-ui window-controls-overlay tabbed picture-in-picture unframed"
    ),
    "dynamic-range": "standard high",
    "forced-colors": "none active",
    "hover": "hover none",
    "orientation": "portrait landscape",
    "overflow-block": "scroll none paged",
    "overflow-inline": "scroll none",
    "pointer": "fine coarse none",
    "prefers-color-scheme": "light dark",
    "prefers-contrast": "no-preference more less custom",
    "prefers-reduced-motion": "no-preference reduce",
    "prefers-reduced-transparency": "no-preference reduce",
    "scan": " interlace progressive",  # known, but a feature of televisions: a window has neither value
    "scripting": "enabled initial-only none",
    "update": "fast slow none",
}
"""The keywords of the discrete features; a desktop has the first, unless the viewport says otherwise."""
_CHROMIUM = _COMMON | {"device-posture": "continuous folded"}
_FIREFOX = {
    name: keywords for name, keywords in _COMMON.items() if name != "prefers-reduced-transparency"
} | {
    "-moz-device-orientation": "portrait landscape",
    "display-mode": "browser fullscreen standalone minimal-ui picture-in-picture",
    "video-dynamic-range": "standard high",
}
"""As probed in Firefox 153."""
