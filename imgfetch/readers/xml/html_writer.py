"""Write the elements of XML as HTML, so that pages in both syntaxes are read by one parser.

    <title/><svg:image xlink:href="a.png"/> ─▶ events ─▶ <title></title><image xlink:href="a.png"></image>

The HTML is for the search of images alone: element names of other vocabularies begin with `x-`.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from typing import TYPE_CHECKING

from imgfetch.markup.page.elements import IMAGE_ATTRIBUTES, IMAGE_TAGS
from imgfetch.xml.document import SVG, XHTML, XLINK, XML_NAMESPACE
from imgfetch.xml.reader import XmlHandler

if TYPE_CHECKING:
    from imgfetch.xml.document import Element

MATHML = "http://www.w3.org/1998/Math/MathML"

IN_PAGES = frozenset({XHTML, SVG, MATHML})
"""The namespaces of the elements that a page may have."""

_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr")
)
_RAW = frozenset(("script", "style"))
_TAGS = frozenset((*(tag.lower() for tag in IMAGE_TAGS), "base"))
_ATTRIBUTES = frozenset(IMAGE_ATTRIBUTES)
_RENAMED = frozenset(("plaintext", "xmp", "listing"))
"""Elements of HTML that have no end tag for a parser, or text alone."""
_PREFIXES = {"": "", XLINK: "xlink:", XML_NAMESPACE: "xml:"}
_NOT_A_NAME = re.compile(r"[^\w.-]")
_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;"})
_VALUE = str.maketrans({"&": "&amp;", '"': "&quot;"})
_PSEUDO_ATTRIBUTE = re.compile(r"""([\w-]+)\s*=\s*("[^"]*"|'[^']*')""")


class HtmlWriter(XmlHandler):
    """Receives events of XML; `html` is what they are in HTML, `position_of` finds the way back.

    Only what the search of images looks at is written: its elements, with those around them, and the text of
    scripts and style sheets. The tree of a page takes hundreds of bytes for each element.
    """

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._chunks: list[str] = []
        self._size = 0
        self._open: list[Element] = []
        self._ends: list[str] = []
        """The end tags of the outermost open elements, those that are written; empty for one without."""
        self._is_raw = False
        """True inside a script or a style sheet."""
        self._offsets = array("q", [0])
        self._positions = array("q", [0])

    @property
    def depth(self) -> int:
        """The number of elements that are open."""
        return len(self._open)

    def html(self) -> str:
        """Return what was written so far."""
        return "".join((*self._chunks, *self._pieces))

    def position_of(self, offset: int) -> int:
        """Return the position in the XML of the element that an offset in the HTML belongs to."""
        return self._positions[bisect_right(self._offsets, offset) - 1]

    def append(self, html: str, position: int) -> None:
        """Write HTML as it is: it stands at a position of the XML, and is as long there."""
        self._write_open()
        for offset in range(0, len(html), _STEP):
            self._offsets.append(self._size + offset)
            self._positions.append(position + offset)
        self._write(html)

    def start(self, element: Element) -> None:
        """Receive a start tag."""
        self._open.append(element)
        if _may_name_an_image(element):
            self._write_open()
            self._is_raw = element.name in _RAW and element.namespace in ("", XHTML, SVG)

    def text(self, text: str) -> None:
        """Write the text of scripts and style sheets: it is not escaped in HTML (HTML §13.1.2.1)."""
        if self._is_raw:
            is_html = self._open[-1].namespace in ("", XHTML)
            self._write(text.replace("</", "<\\/") if is_html else text.translate(_TEXT))

    def end(self, namespace: str, name: str) -> None:
        """Write an end tag, if its start tag is written."""
        self._open.pop()
        self._is_raw = False
        if len(self._ends) > len(self._open):
            self._write(self._ends.pop())

    def _write_open(self) -> None:
        """Write the start tags of the open elements that are not written yet."""
        for element in self._open[len(self._ends) :]:
            namespace, name = element.namespace, element.name
            is_html = namespace in ("", XHTML)
            if namespace and namespace not in IN_PAGES:
                name = f"x-{_NOT_A_NAME.sub('-', name)}"
            elif is_html and name.lower() in _RENAMED:
                name = f"x-{name}"
            elif ":" in name:
                name = f"x-{_NOT_A_NAME.sub('-', name)}"
            attributes = "".join(
                f' {_PREFIXES[space]}{key}="{value.translate(_VALUE)}"'
                for (space, key), value in element.attributes.items()
                if space in _PREFIXES
            )
            self._offsets.append(self._size)
            self._positions.append(element.position)
            self._write(f"<{name}{attributes}>")
            self._ends.append("" if is_html and name in _VOID else f"</{name}>")

    def instruction(self, target: str, data: str) -> None:
        """Write the link of a style sheet (xml-stylesheet §3)."""
        if target == "xml-stylesheet":
            said = {name: value[1:-1] for name, value in _PSEUDO_ATTRIBUTE.findall(data)}
            if said.get("type", "text/css") == "text/css":
                written = "".join(f' {name}="{value}"' for name, value in said.items() if '"' not in value)
                self.append(f"<link rel=stylesheet{written}>", 0)

    def _write(self, piece: str) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        if len(self._pieces) >= _MANY:  # a short string takes fifty bytes
            self._chunks.append("".join(self._pieces))
            self._pieces.clear()


_MANY = 4096


def _may_name_an_image(element: Element) -> bool:
    """Return whether the search of images looks at an element, for its name or an attribute."""
    if element.name.lower() in _TAGS:
        return True
    return any(
        name in _ATTRIBUTES and (name != "style" or "(" in value or "\\" in value)
        for (_, name), value in element.attributes.items()
    )


_STEP = 4096
"""Characters of HTML that share one position, where it was not written by element."""
