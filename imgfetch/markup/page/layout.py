"""The place of an image on its page, as far as its markup says it: size, section, whether it is hidden.

<main> … <img width=640 height=480 style="…"> ─▶ Layout

Style sheets and scripts may say otherwise; they are not consulted.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.model.markup import NO_LAYOUT, Layout

if TYPE_CHECKING:
    import turbohtml

    from imgfetch.markup.page.image_attributes import Attributes


def layout_of(attributes: Attributes, section: str = "") -> Layout:
    """Return what the attributes `width`, `height` and `style` of an image in a section say about its place.

    A size in `style` overrides that of an attribute, as in a browser.
    """
    width, height, style = attributes.get("width"), attributes.get("height"), attributes.get("style")
    if width is None and height is None and style is None:
        return Layout(section=section) if section else NO_LAYOUT
    styled = {} if not style else {name.lower(): value for name, value in _STYLED.findall(style)}
    return Layout(
        _pixels(styled.get("width", width)),
        _pixels(styled.get("height", height)),
        style is not None and _HIDDEN.search(style) is not None,
        section,
    )


class Surroundings(NamedTuple):
    """The elements around an image."""

    section: str = ""
    """As `Layout.section` has it."""
    link: turbohtml.Element | None = None
    """The link around it, if that is near."""


def surroundings_of(element: turbohtml.Element) -> Surroundings:
    """Return the section and the link around an element.

    An `article` in a `nav`, an `aside` or a `footer` is a part of that: a teaser. Only the nearest 64
    elements around the image are looked at, so that deeply nested pages take linear time.
    """
    article = header = ""
    link: turbohtml.Element | None = None
    node = element.parent
    for distance in range(_MOST_ANCESTORS):
        if node is None:
            break
        tag = getattr(node, "tag", "")
        if tag in _ASIDE:
            return Surroundings(tag, link)
        if tag == "main" or (tag == "div" and node.attr("role") == "main"):  # type: ignore[union-attr] # it has a tag
            return Surroundings(article or "main", link)
        if tag == "article":
            article = tag
        elif tag == "header":
            header = tag
        elif tag == "a" and link is None and not article and distance < _NEAR:
            link = node  # type: ignore[assignment] # only an element has a tag
        node = node.parent
    return Surroundings(article or header, link)


_ASIDE = frozenset({"nav", "aside", "footer"})
_MOST_ANCESTORS = 64
_NEAR = 8
"""Elements around an image among which its link is looked for."""

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
