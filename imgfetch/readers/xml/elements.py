"""The elements of data in XML, with the base URL and the text of each: for feeds, sitemaps and the like.

events ─▶ open elements ─▶ closed(element, text), from the inside out
               └─▶ XHTML and SVG inside ─▶ markup(html)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.markup import urls
from imgfetch.readers.xml.html_writer import IN_PAGES, HtmlWriter
from imgfetch.xml.document import XML_NAMESPACE
from imgfetch.xml.reader import XmlHandler

if TYPE_CHECKING:
    from imgfetch.xml.document import Element


class Open:
    """An element that is open."""

    __slots__ = ("base", "element", "has_children", "local", "text")

    def __init__(self, element: Element, base: str) -> None:
        self.element = element
        self.local = element.name.rpartition(":")[2]
        """The name without its prefix: feeds often forget to bind one."""
        self.base = base
        """The URL that relative URLs inside are resolved against (XML Base)."""
        self.text = ""
        self.has_children = False


class Elements(XmlHandler):
    """Receives events; subclasses override `opened`, `closed` and `markup`."""

    def __init__(self, base_url: str) -> None:
        self._open: list[Open] = []
        self._base_url = base_url
        self._writer: HtmlWriter | None = None
        """Writes the part of a page that an element contains."""

    def opened(self, inside: Open) -> None:
        """Receive an element as it begins; `parent` has the one around it."""

    def closed(self, inside: Open, text: str) -> None:
        """Receive an element as it ends, with its text if it has no elements inside."""

    def markup(self, html: str, outside: Open, position: int) -> None:
        """Receive a part of a page, as HTML, and the element that contains it."""

    @property
    def parent(self) -> Open | None:
        """The innermost open element; in `closed`, that around the closed one."""
        return self._open[-1] if self._open else None

    def is_inside(self, local: str) -> bool:
        """Return whether one of the nearest open elements has that name."""
        return any(each.local == local for each in self._open[-4:])

    def start(self, element: Element) -> None:
        """Receive a start tag."""
        if self._writer is None and element.namespace in IN_PAGES and self._open:
            self._writer, self._position = HtmlWriter(), element.position
        if self._writer is not None:
            self._writer.start(element)
            return
        outside = self.parent
        base = outside.base if outside is not None else self._base_url
        written = element.get("base", namespace=XML_NAMESPACE)
        if outside is not None:
            outside.has_children = True
        inside = Open(element, (urls.resolve(written, base) or base) if written else base)
        self.opened(inside)
        self._open.append(inside)

    def text(self, text: str) -> None:
        """Receive the text between two tags."""
        if self._writer is not None:
            self._writer.text(text)
        elif self._open and not self._open[-1].has_children:
            self._open[-1].text += text

    def end(self, namespace: str, name: str) -> None:
        """Receive an end tag."""
        if self._writer is not None:
            self._writer.end(namespace, name)
            if not self._writer.depth:
                html, self._writer = self._writer.html(), None
                self.markup(html, self._open[-1], self._position)
            return
        inside = self._open.pop()
        self.closed(inside, "" if inside.has_children else inside.text)
        inside.text = ""
