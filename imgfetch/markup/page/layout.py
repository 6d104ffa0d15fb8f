"""The place of an image on its page, as far as its markup says it: size, section, whether it is hidden.

<main> … <img width=640 height=480 style="…"> ─▶ Layout

Style sheets and scripts may say otherwise; they are not consulted.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from imgfetch.model.markup import NO_LAYOUT, Layout

if TYPE_CHECKING:
    from imgfetch.markup.page.image_attributes import Attributes


def layout_of(attributes: Attributes) -> Layout:
    """Return what the attributes `width`, `height` and `style` of an image say about its place.

    A size in `style` overrides that of an attribute, as in a browser.
    """
    width, height, style = attributes.get("width"), attributes.get("height"), attributes.get("style")
    if width is None and height is None and style is None:
        return NO_LAYOUT
    styled = {} if not style else {name.lower(): value for name, value in _STYLED.findall(style)}
    return Layout(
        _pixels(styled.get("width", width)),
        _pixels(styled.get("height", height)),
        style is not None and _HIDDEN.search(style) is not None,
    )


def section_of(element: Any) -> str:  # noqa: ANN401 (an element of the parser; None outside a page)
    """Return the section around an element, as `Layout.section` has it.

    Only the nearest 64 elements around it are looked at, so that deeply nested pages take linear time.
    """
    outer = ""
    for _ in range(_MOST_ANCESTORS):
        element = getattr(element, "parent", None)
        if element is None:
            break
        tag = getattr(element, "tag", "")
        if tag in _SECTIONS:
            return str(tag)
        if tag == "header":
            outer = "header"
        elif tag == "div" and element.attr("role") == "main":
            return "main"
    return outer


_SECTIONS = frozenset({"main", "article", "nav", "aside", "footer"})
_MOST_ANCESTORS = 64

_NUMBER = re.compile(r"[ \t\n\f\r]*+\+?([0-9]{1,6})(?:\.[0-9]*+)?(?:px)?[ \t\n\f\r]*+(?:!|\Z)", re.IGNORECASE)
"""A dimension value in pixels (HTML §2.3.4.4, CSS): not a percentage, nor another unit."""
_HIDDEN = re.compile(
    r"(?:^|;)\s*+(?:display\s*+:\s*+none|visibility\s*+:\s*+hidden|(?:left|top)\s*+:\s*+-[0-9]{3,})",
    re.IGNORECASE,
)
_STYLED = re.compile(r"(?:^|;)\s*+(width|height)\s*+:([^;]*+)", re.IGNORECASE)


def _pixels(text: str | None) -> int | None:
    found = None if text is None else _NUMBER.match(text)
    return int(found[1]) if found else None
