"""How wide a lazy image is laid out, as far as its own markup says: what `sizes=auto` stands for.

    width in its style ─▶ else the width attribute ─▶ else 300px, or 0; then max- and min-width of its style

A style sheet's word is not heard, and a percentage is taken of the viewport less the body's usual margin.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from imgfetch.markup.css_tokens import entries, without_space
from imgfetch.markup.css_values import ALL_MATH, quantity

if TYPE_CHECKING:
    from imgfetch.markup.html import Attr
    from imgfetch.model.markup import Viewport

_DECLARATION = re.compile(r"""(?:^|;)\s*+((?:min-|max-)?width)\s*+:\s*+([^;!]*+)""", re.IGNORECASE)
_DIMENSION = re.compile(r"[ \t\n\f\r]*+\+?([0-9]++(?:\.[0-9]++)?)(%?)")
"""Rules for parsing dimension values (HTML §2.3.4.4)."""

_DIGITS = 30
"""More of a number than this changes no pixel, and could overflow."""

_SAYS_AUTO = re.compile(r"auto(?:,|\Z)", re.IGNORECASE)
_CONTAINED = 300.0
"""`contain-intrinsic-size` of an image whose sizes begin so (HTML §15.4.3); others wait with no width."""
_WIDEST = float(2**25)
"""Layouts count in 64ths of a pixel, in 32 bits."""

_BODY_MARGIN = 16.0


def image_width(image: Attr, source: Attr | None, viewport: Viewport) -> float:
    """The width that the markup of an image gives it, in whole CSS pixels."""
    styles = {name.lower(): value for name, value in _DECLARATION.findall(image("style") or "")}
    attribute = None if source is None else source("width")
    attribute = image("width") if attribute is None else attribute
    width = _length(styles.get("width"), viewport)
    if width is None:
        width = _dimension(attribute, viewport)
    if width is None:
        width = _CONTAINED if _SAYS_AUTO.match(image("sizes") or "") else 0.0
    most = _length(styles.get("max-width"), viewport)
    least = _length(styles.get("min-width"), viewport)
    width = width if most is None else min(width, most)
    width = width if least is None else max(width, least)
    return float(math.floor(width + 0.5)) if width < _WIDEST else _WIDEST


def _dimension(attribute: str | None, viewport: Viewport) -> float | None:
    found = _DIMENSION.match(attribute or "")
    if found is None:
        return None
    number = float(found[1][:_DIGITS])
    return number / 100 * (viewport.width - _BODY_MARGIN) if found[2] else number


def _length(value: str | None, viewport: Viewport) -> float | None:
    """A CSS length or percentage; None for what is neither."""
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
