"""Read XML that is not well-formed as far as people need it.

    text ─▶ read ─▶ a defect? ─▶ escape what is not markup ─▶ read again ─▶ what stands before the next defect

Feeds are written by hand and by templates: a bare `&`, a control character, and a line before the XML
declaration are the usual faults. They are mended in the text, and it is read a second time.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from imgfetch.readers.decoded import unread
from imgfetch.xml.reader import XmlHandler, read_xml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imgfetch.model.markup import SourceSet
    from imgfetch.xml.document import XmlDefect, XmlRead

H = TypeVar("H", bound=XmlHandler)


def read_repaired(
    data: bytes | str, handler: Callable[[], H], *, charset: str | None = None, contents: Iterable[str] = ()
) -> tuple[H, XmlRead, tuple[SourceSet, ...]]:
    """Read a document, if need be again after a repair, each time with a new handler.

    `contents` are the names of elements with HTML as their content, which some programs forget to escape.
    Return the handler of the last time, its result, and what must be said of the defect. Never raise.
    """
    events = handler()
    read = read_xml(data, events, charset=charset, html_entities=True)
    defect = first = read.defect
    if defect is None or first is None:
        return events, read, ()
    text = read.text
    for repair in () if defect.is_limit else (_begun, _escaped, partial(_with_text, names=contents)):
        repaired = repair(text)
        if repaired == text:
            continue
        text, again = repaired, handler()
        read_again = read_xml(text, again, html_entities=True)
        if read_again.defect is None:
            if repair is _begun and read.text.lstrip().startswith("<?xml"):
                return again, read_again, ()  # an empty line before the declaration says nothing
            # The positions are those of the repaired text, and so its lines: repairs are within a line.
            said = _said(read, first, not_well_formed(first, "read with that mended"))
            return again, read_again, (said,)
        if read_again.defect.position > defect.position:
            events, read, defect = again, read_again, read_again.defect
    return events, read, (_said(read, defect, not_well_formed(defect, "what stands before it was read")),)


def not_well_formed(defect: XmlDefect, remedy: str) -> str:
    """Return the sentence about a defect, with what was done about it."""
    why = defect.message.replace("not well-formed (invalid token)", "invalid token")
    return f"not well-formed XML: {'it ends too early' if defect.is_cut else f'{why}; {remedy}'}"


def _said(read: XmlRead, defect: XmlDefect, reason: str) -> SourceSet:
    return unread(reason, read.text[defect.position : defect.position + 80], defect.position)


_FAULTS = re.compile(
    r"(<!\[CDATA\[.*?\]\]>|<!--.*?-->)|(&(?!(?:[A-Za-z][A-Za-z0-9]*|#[0-9]+|#x[0-9A-Fa-f]+);))"
    r"|([\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff])",
    re.DOTALL,
)
_BEFORE = re.compile(
    r"(?:[^<]++|</?(?:a|b|br|code|div|font|p|pre|span)\b[^<>]*+>)++(?=<[?!a-z])(?:<\?xml\s[^<>]*+>)?",
    re.IGNORECASE,
)
"""What a program wrote before the document, such as an empty line or a warning, and the XML declaration."""


def _begun(text: str) -> str:
    """Return the text with white space in place of what stands before the document.

    So is the XML declaration behind it, which may stand at the beginning alone (XML §2.8).
    """
    before = _BEFORE.match(text)
    return text if before is None else re.sub(r"[^\n]", " ", before[0]) + text[before.end() :]


def _escaped(text: str) -> str:
    """Return the text with bare ampersands escaped and characters that XML forbids replaced (XML §2.2)."""
    return _FAULTS.sub(lambda found: found[1] or ("&amp;" if found[2] else "\ufffd"), text)


def _with_text(text: str, names: Iterable[str]) -> str:
    """Return the document with CDATA sections around the content of elements of these names."""
    pieces: list[str] = []
    at = passed = 0
    endless: set[str] = set()
    for start in re.finditer(rf"<({'|'.join(map(re.escape, names))})(?:\s[^<>]*+)?(?<!/)>", text):
        name = start[1]
        if start.start() < passed or name in endless:
            continue
        end = passed = text.find(f"</{name}>", start.end())
        if end < 0:
            endless.add(name)
        elif "<" in (inner := text[start.end() : end]) and "<![CDATA[" not in inner:
            pieces += (text[at : start.end()], "<![CDATA[", inner.replace("]]>", "]]&gt;"), "]]>")
            at = end
    return "".join((*pieces, text[at:])) if pieces else text
