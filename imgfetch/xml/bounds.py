"""Bounds on a document that hold before expat sees it.

expat expands the references in an attribute, and reads all attributes of an element, before it calls anyone.
So both are bounded from the literal text of the document, which never counts too few.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgfetch.xml.document import XmlDefect, attribute_spans

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgfetch.xml.document import XmlLimits

DECLARATION = re.compile(r"""<!ENTITY\s+(%\s+)?([^\s"'%&;<>]+)\s+(?=["'])""")
"""The beginning of a declaration with a literal value; the value is behind it."""
REFERENCE = re.compile(r"&([^\s;&#]+);")
"""A reference to an entity by its name."""
_AMPERSAND = re.compile(r"&#(?:0*38|x0*26);")


def limit_defect(message: str, position: int) -> XmlDefect:
    """Return the defect of a document that exceeds a limit."""
    return XmlDefect(message, position, is_limit=True)


def refusal(text: str, limits: XmlLimits) -> XmlDefect | None:
    """Return a defect if an element, or the expansion of entities, exceeds the limits."""
    return _refused_element(text, limits) or _refused_entities(text, limits)


def _refused_element(text: str, limits: XmlLimits) -> XmlDefect | None:
    """Return a defect if an element has too many attributes, each of which takes 300 bytes of memory."""
    for tag in re.finditer(f"<[^<]{{{_SHORTEST * limits.attributes},}}+", text):
        if len(attribute_spans(text, tag.start(), most=limits.attributes + 1)) > limits.attributes:
            return limit_defect(f"an element of more than {limits.attributes:,} attributes", tag.start())
    return None


_SHORTEST = 5
"""Characters of an attribute at least: a space, a name, a sign, two quotes."""


def _refused_entities(text: str, limits: XmlLimits) -> XmlDefect | None:
    """Return a defect if the entities that a document declares would expand beyond the limits.

    This counts every declaration and reference, in comments too, and so never too few.
    """
    values: dict[str, list[str]] = {}
    declared = 0
    for number, declaration in enumerate(DECLARATION.finditer(text), 1):
        start = declaration.end()
        stop = text.find(text[start], start + 1)
        declared += stop - start
        if number > limits.entities or declared > limits.expansion:
            what = f"more than {limits.entities:,} entities or {limits.expansion:,} characters of them"
            return limit_defect(f"{what} are declared", declaration.start())
        # `&#38;name;` in the value of an entity is a reference when the entity is expanded (XML §4.4.5).
        value = _AMPERSAND.sub("&", text[start + 1 : stop])
        values.setdefault(declaration[2], []).append(value)
    if not values:
        return None
    sizes = _Sizes(values, limits)
    total = 0
    for reference in REFERENCE.finditer(text):
        total += sizes.of(reference[1])
        if total > limits.expansion:
            what = f"its entities expand to more than {limits.expansion:,} characters"
            return limit_defect(what, reference.start())
    return None


class _Sizes:
    """The lengths of expanded entities: never less than the real ones, and never more than just too long."""

    def __init__(self, values: Mapping[str, list[str]], limits: XmlLimits) -> None:
        self._values = values
        self._depth = limits.nested_entities
        self._too_long = limits.expansion + 1
        self._known: dict[str, int] = {}

    def of(self, name: str, depth: int = 0) -> int:
        """Return the characters of an expanded entity; of one nested too deep or in itself, too many."""
        if name not in self._values:
            return 0
        if name not in self._known:
            if depth >= self._depth:
                return self._too_long
            self._known[name] = self._too_long  # what contains itself
            self._known[name] = max(self._expanded(value, depth) for value in self._values[name])
        return self._known[name]

    def _expanded(self, value: str, depth: int) -> int:
        size = len(value)
        for inner in REFERENCE.finditer(value):
            size += self.of(inner[1], depth + 1)
            if size >= self._too_long:
                return self._too_long
        return size
