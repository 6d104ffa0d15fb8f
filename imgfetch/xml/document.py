"""Values of XML: a start tag, the result of reading a document, its bounds and its defect."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace"
XHTML = "http://www.w3.org/1999/xhtml"
SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"


class XmlLimits(NamedTuple):
    """The bounds of one document; a document beyond one has a defect."""

    depth: int = 5_000
    """Elements inside one another, as in browsers."""
    elements: int = 10_000_000
    """Elements of the document: a feed of a million items has some millions."""
    attributes: int = 10_000
    """Attributes of one element."""
    expansion: int = 1_000_000
    """Characters of all expanded entities that the document declares."""
    entities: int = 1_000
    """Declarations of entities."""
    nested_entities: int = 20
    """Entities inside one another."""


DEFAULT_LIMITS = XmlLimits()


class XmlDefect(NamedTuple):
    """The reason why a document was not read to its end."""

    message: str
    """A sentence part for people: `mismatched tag in line 3, column 7`."""
    position: int
    """Characters before it."""
    is_cut: bool = False
    """True if the document is well-formed as far as it goes, and ends too early."""
    is_limit: bool = False
    """True if the document exceeds a field of `XmlLimits`."""


class XmlRead(NamedTuple):
    """The result of reading a document; the events before a defect were delivered."""

    text: str
    """The document as text, without a byte order mark: positions are offsets in it."""
    encoding: str
    """Python's codec that decoded it."""
    defect: XmlDefect | None = None
    has_invalid_bytes: bool = False
    """True if bytes were invalid in the encoding; they were read as U+FFFD."""
    doctype: str | None = None
    """The name in the DOCTYPE; None if there is none."""
    unbound_prefix: str = ""
    """The first name with a prefix that no attribute binds to a namespace; empty if there is none."""
    skipped_entity: str = ""
    """The first entity in the text that is not declared here, but may be where nothing is loaded from."""
    external: tuple[str, ...] = ()
    """System identifiers of the first external entities that were referenced, and not loaded."""


class Element(NamedTuple):
    """A start tag."""

    namespace: str
    """Empty without a namespace, and for a prefix that is bound to none."""
    name: str
    """The local name; with its prefix if that is bound to no namespace (`media:content`)."""
    attributes: Mapping[tuple[str, str], str]
    """Values by namespace and local name, in the order written, without declarations of namespaces.

    An attribute without a prefix has the namespace "". Values are those of the document: entities are
    expanded, and white space is normalised (XML §3.3.3).
    """
    position: int
    """Offset in the text of the `<`; in an expanded entity, that of the reference."""

    def get(self, name: str, default: str = "", *, namespace: str = "") -> str:
        """Return the value of an attribute."""
        return self.attributes.get((namespace, name), default)


def attribute_spans(text: str, position: int, *, most: int = 1_000_000) -> dict[str, tuple[int, int]]:
    """Map the name of each attribute of the start tag at `position`, as written, to the span of its value.

    A span is two offsets in `text`, without the quotes: entities in the value are not expanded. At most
    `most` attributes are read.
    """
    tag = _START_TAG.match(text, position)
    if tag is None:
        return {}
    found: dict[str, tuple[int, int]] = {}
    at = tag.end()
    while len(found) < most and (attribute := _ATTRIBUTE.match(text, at)):
        at = attribute.end()
        found.setdefault(attribute[1], attribute.span(2 if attribute[2] is not None else 3))
    return found


_START_TAG = re.compile(r"<[^\s/>]+(?=\s)")
_ATTRIBUTE = re.compile(r"""\s+([^\s=<>"'/]+)\s*=\s*(?:"([^"<]*)"|'([^'<]*)')""")
