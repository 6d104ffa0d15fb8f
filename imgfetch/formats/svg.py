"""SVG, by Scalable Vector Graphics 2 and XML 1.0: a document, of which no pixel is decoded.

    bytes ─▶ XML, well-formed to its end ─▶ root `svg` in the namespace of SVG ─▶ width, height, warnings

Refused as browsers refuse it in an `img`: XML that is not well-formed, also by Namespaces in XML, an entity
that is not declared, an `svg` without the namespace, more than 5,000 elements inside one another. Unlike
Chromium, which reads every SVG as UTF-8 or UTF-16, the encoding that a document declares is honoured.

Scripts and references to other files are kept, and reported: in an `img` browsers run no script and load no
other file, but in a page or a tab of its own they do.

The size is that of `width` and `height` where they are absolute lengths (CSS Values 4 §6.2), else of
`viewBox`, rounded; 0 where the document does not say. A missing one of the two follows from `viewBox`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgfetch.formats.walker import FormatError, corrupt, truncated
from imgfetch.model.result import ErrorKind
from imgfetch.xml.document import SVG, XHTML, XLINK
from imgfetch.xml.reader import XmlHandler, read_xml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.formats.walker import WalkState
    from imgfetch.xml.document import Element, XmlRead


def walk(data: memoryview, state: WalkState) -> None:
    """Walk a document that `is_svg`."""
    reading = _Reading()
    read = read_xml(data, reading)
    _set_size(reading, state)
    state.frames = 1
    _refuse(read, reading, len(data))
    state.notes.extend(_notes(reading, read))


def _refuse(read: XmlRead, reading: _Reading, size: int) -> None:
    defect = read.defect
    if defect is not None and defect.is_cut:
        raise truncated(f"ends after {size:,} bytes, in the middle of the document")
    if defect is not None:
        raise corrupt(defect.message if defect.is_limit else f"it is not well-formed XML: {defect.message}")
    if read.has_invalid_bytes:
        raise corrupt(f"it has bytes that are not {read.encoding}")
    if read.skipped_entity:
        raise corrupt(f"the entity &{read.skipped_entity[:40]}; is not declared")
    if read.unbound_prefix:
        raise corrupt(f"no namespace is declared for {read.unbound_prefix[:40]}")
    if reading.root != (SVG, "svg"):
        what = "an SVG image without the namespace of SVG (xmlns), which browsers do not show"
        raise FormatError(ErrorKind.UNSUPPORTED_FORMAT, what)


# ---------------------------------------------------------------------------------------------------
# Size

_LENGTH = re.compile(
    r"\s*\+?(\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})(?:e([+-]?\d))?\s*(px|in|cm|mm|q|pt|pc)?\s*", re.I
)
_PIXELS = {
    "": 1.0,
    "px": 1.0,
    "in": 96.0,
    "cm": 96 / 2.54,
    "mm": 9.6 / 2.54,
    "q": 2.4 / 2.54,
    "pt": 4 / 3,
    "pc": 16.0,
}
_NUMBER = re.compile(r"[+-]?(?:\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})(?:e[+-]?\d)?", re.I)


def _set_size(reading: _Reading, state: WalkState) -> None:
    width, height = _pixels(reading.width), _pixels(reading.height)
    across, down = _view_box(reading.view_box)
    ratio = across / down if across and down else None
    if width is None and height is None:
        width, height = across, down
    elif width is None:
        width = height * ratio if ratio and height else 0
    elif height is None:
        height = width / ratio if ratio else 0
    state.width, state.height = round(width or 0), round(height or 0)


def _pixels(length: str) -> float | None:
    """Return a length in CSS pixels; None if it is not an absolute one."""
    found = _LENGTH.fullmatch(length)
    if found is None:
        return None
    return float(found[1]) * 10.0 ** int(found[2] or 0) * _PIXELS[(found[3] or "").lower()]


def _view_box(text: str) -> tuple[float, float]:
    """Return the width and the height of a `viewBox` (SVG 2 §8.6), zeros if it has none."""
    numbers = re.split(r"[\s,]+", text.strip()[:200])
    if len(numbers) != 4 or not all(map(_NUMBER.fullmatch, numbers)):
        return 0.0, 0.0
    width, height = float(numbers[2]), float(numbers[3])
    return (width, height) if width > 0 and height > 0 else (0.0, 0.0)


# ---------------------------------------------------------------------------------------------------
# Scripts and references

_LINKS = frozenset(("a", "metadata"))
"""Elements with references that load nothing by themselves."""
_IN_STYLE = re.compile(r"""(?:url\(\s*|@import\s+)["']?([^"')\s;]{1,2000})""", re.I)
_IN_INSTRUCTION = re.compile(r"""\bhref\s*=\s*["']([^"']{1,2000})["']""")


class _Reading(XmlHandler):
    """Receives a document: its root, its scripts and its references to other files."""

    def __init__(self) -> None:
        self.root: tuple[str, str] | None = None
        self.width = self.height = self.view_box = ""
        self.scripts = 0
        self.references = 0
        self.first_reference = ""
        self._in_style = False

    def start(self, element: Element) -> None:
        if self.root is None:
            self.root = (element.namespace, element.name)
            self.width, self.height = element.get("width"), element.get("height")
            self.view_box = element.get("viewBox")
        is_drawn = element.namespace in (SVG, XHTML, "")
        self._in_style = is_drawn and element.name == "style"
        if is_drawn and element.name == "script":
            self.scripts += 1
        for (namespace, name), value in element.attributes.items():
            if namespace not in ("", XLINK):
                continue
            if name[:2] == "on" and not namespace:
                self.scripts += 1
            elif name in ("href", "src"):
                self._refer(element.name, value)
            elif "url(" in value or name == "style":
                self._find_in_style(value)

    def text(self, text: str) -> None:
        if self._in_style:
            self._find_in_style(text)

    def end(self, namespace: str, name: str) -> None:
        self._in_style = False

    def instruction(self, target: str, data: str) -> None:
        if target == "xml-stylesheet":
            for reference in _IN_INSTRUCTION.finditer(data):
                self._add(reference[1])

    def _refer(self, element: str, value: str) -> None:
        if value.lstrip()[:11].lower() == "javascript:":
            self.scripts += 1
        elif element not in _LINKS:
            self._add(value)

    def _find_in_style(self, text: str) -> None:
        for reference in _IN_STYLE.finditer(text):
            self._add(reference[1])

    def _add(self, value: str) -> None:
        value = value.strip()
        if value and value[0] != "#" and value[:5].lower() != "data:" and value[:4].lower() != "url(":
            self.references += 1
            self.first_reference = self.first_reference or value


def _notes(reading: _Reading, read: XmlRead) -> Iterator[str]:
    if reading.scripts:
        number = "a script" if reading.scripts == 1 else f"{reading.scripts:,} scripts or event handlers"
        yield f"active_content: it has {number}, which browsers run unless an img shows it"
    references = reading.references + len(read.external)
    if references:
        first = (reading.first_reference or read.external[0])[:100]
        more = f" and {references - 1:,} more" if references > 1 else ""
        yield f"external_references: it refers to {first}{more}, which browsers load unless an img shows it"
