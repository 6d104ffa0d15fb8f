"""XML as events, by expat: bounded, with nothing loaded, never raising on input.

    bytes │ text ─▶ encoding ─▶ bounds on entities ─▶ expat ─▶ start · text · end ─▶ XmlRead(defect)

A DOCTYPE is read past: an external subset and external entities are never loaded. Entities that the document
declares are expanded, as long as all their expansions together are short (`bounds`). This does not rest on
expat's own limit (since 2.4.1), which permits a hundred times the size of the document.

Namespaces are resolved here (Namespaces in XML 1.0): expat repeats the namespace in each name, so that a long
one makes a document of many names large.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING
from xml.parsers import expat

from imgfetch.charsets import BYTE_ORDER_MARKS, REPLACEMENT, codec_of, decode_as
from imgfetch.xml.bounds import DECLARATION, REFERENCE, limit_defect, refusal
from imgfetch.xml.document import DEFAULT_LIMITS, XML_NAMESPACE, Element, XmlDefect, XmlRead

if TYPE_CHECKING:
    from imgfetch.model.values import Buffer
    from imgfetch.xml.document import XmlLimits


class StopReading(Exception):
    """Raised by a handler that has seen enough; the result then has no defect."""


class XmlHandler:
    """Receives the events of a document, in order. Subclasses override the methods that they need."""

    def start(self, element: Element) -> None:
        """Receive a start tag, also that of an empty element."""

    def text(self, text: str) -> None:
        """Receive the whole text between two tags (or instructions), with CDATA sections, line ends as LF."""

    def end(self, namespace: str, name: str) -> None:
        """Receive an end tag, also that of an empty element."""

    def instruction(self, target: str, data: str) -> None:
        """Receive a processing instruction (`xml-stylesheet`); the XML declaration is none."""


def read_xml(
    data: str | Buffer,
    handler: XmlHandler,
    *,
    charset: str | None = None,
    html_entities: bool = False,
    limits: XmlLimits = DEFAULT_LIMITS,
) -> XmlRead:
    """Read a document, and send its events to `handler`. Never raises on input; takes linear time.

    `charset` is that of the Content-Type, if it has one: it prevails over the declaration (RFC 7303 §3.2).
    With `html_entities` the names of HTML (`&nbsp;`) are known, as in XHTML (HTML §14.2).
    """
    if isinstance(data, str):
        text, encoding, invalid = data.removeprefix("\ufeff"), "utf-8", False
    else:
        text, encoding, invalid = _decoded(bytes(data), charset)
    result = XmlRead(text, encoding, has_invalid_bytes=invalid)
    refused = refusal(text, limits)
    if refused is not None:
        return result._replace(defect=refused)
    return _Reading(text, handler, limits).read(result, html_entities)


# ---------------------------------------------------------------------------------------------------
# The encoding

_UTF_16 = ((b"\0<", "utf-16-be"), (b"<\0", "utf-16-le"))
"""The first bytes of UTF-16 without a byte order mark (XML appendix F.1)."""
_DECLARED = re.compile(rb"""[^<]*+<\?xml\s[^>]*?\bencoding\s*=\s*["']([A-Za-z][A-Za-z0-9._-]*)["']""")


def _decoded(data: bytes, charset: str | None) -> tuple[str, str, bool]:
    encoding = _encoding(data, charset)
    text = decode_as(encoding, data)
    written = "\ufffd".encode(encoding, "ignore") if "\ufffd" in text and encoding != REPLACEMENT else b""
    return text, encoding, text.count("\ufffd") > (data.count(written) if written else 0)


def _encoding(data: bytes, charset: str | None) -> str:
    """Return the encoding: byte order mark, Content-Type, declaration, UTF-8 (RFC 7303 §3, XML §4.3.3)."""
    for mark, encoding in (*BYTE_ORDER_MARKS, *_UTF_16):
        if data.startswith(mark):
            return encoding
    of_header = codec_of(charset) if charset else None
    if of_header is not None:
        return of_header
    declared = _DECLARED.match(data, 0, 1024)
    named = codec_of(declared[1].decode("ascii")) if declared else None
    # A declaration that was readable as ASCII is not in UTF-16.
    return "utf-8" if named is None or named.startswith("utf-16") else named


# ---------------------------------------------------------------------------------------------------
# Events

_Scope = dict[str, str]
_OUTERMOST: _Scope = {"xml": XML_NAMESPACE}
_NO_ATTRIBUTES: dict[tuple[str, str], str] = {}
_MOST_EXTERNAL = 10
_CUT = frozenset(
    (
        expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS],
        expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_TOKEN],
        expat.errors.codes[expat.errors.XML_ERROR_PARTIAL_CHAR],
        expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION],
    )
)
"""Errors of a document that ends too early, wherever it is cut between two characters."""


class _TooMuchError(Exception):
    """A limit is exceeded; the message says which."""


@dataclass
class _Reading:
    """One document on its way through expat."""

    document: str
    handler: XmlHandler
    limits: XmlLimits
    scopes: list[_Scope] = field(default_factory=lambda: [_OUTERMOST])
    names: list[tuple[str, str]] = field(default_factory=list)
    """The namespace and name of each open element."""
    pieces: list[str] = field(default_factory=list)
    """The text since the last tag."""
    elements: int = 0
    """Start tags so far."""
    delivered: int = 0
    """Characters in names and values of attributes."""
    unbound: str = ""
    doctype: str | None = None
    external: list[str] = field(default_factory=list)
    skipped: str = ""

    def read(self, result: XmlRead, html_entities: bool) -> XmlRead:
        """Parse the document, and return the result with what was found."""
        self._utf8 = self.document.encode("utf-8", "replace")
        if html_entities:  # which a document that stands alone may not take from an external subset
            self._utf8 = _STANDS_ALONE.sub(rb'\1"no" ', self._utf8, count=1)
        self._is_ascii = self.document.isascii()
        self._known = (0, 0)
        self._most = 10 * len(self.document) + self.limits.expansion
        self._parser = parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.buffer_size = 1 << 16
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self.pieces.append
        parser.ProcessingInstructionHandler = self._instruction
        parser.StartDoctypeDeclHandler = self._doctype
        parser.ExternalEntityRefHandler = self._external
        parser.SkippedEntityHandler = self._skip
        if html_entities:
            self._know_html_entities(parser)
        defect = self._parse(parser)
        return result._replace(
            defect=defect,
            doctype=self.doctype,
            unbound_prefix=self.unbound,
            skipped_entity=self.skipped,
            external=tuple(self.external),
        )

    def _parse(self, parser: expat.XMLParserType) -> XmlDefect | None:
        try:
            parser.Parse(self._utf8, True)
        except StopReading:
            return None
        except _TooMuchError as error:
            return limit_defect(str(error), self._position(parser.CurrentByteIndex))
        except expat.ExpatError as error:
            parser.buffer_text = False  # which delivers the text that expat has kept
            self._flush()
            at = self._position(max(0, parser.ErrorByteIndex))
            where = f"in line {error.lineno:,}, column {error.offset + 1:,}"
            is_cut = error.code in _CUT
            return XmlDefect(f"{expat.ErrorString(error.code)} {where}", at, is_cut=is_cut)
        return None

    def _position(self, byte: int) -> int:
        """Return the characters before a byte; positions mostly ascend, and so all take linear time."""
        if self._is_ascii:
            return byte
        known_byte, known = self._known
        if byte < known_byte:
            known_byte, known = 0, 0
        known += len(self._utf8[known_byte:byte].decode("utf-8", "ignore"))
        self._known = (byte, known)
        return known

    def _flush(self) -> None:
        if self.pieces:
            text = "".join(self.pieces)
            self.pieces.clear()
            self.handler.text(text)

    def _start(self, written: str, attributes: dict[str, str]) -> None:
        if self.pieces:
            self._flush()
        if len(self.names) >= self.limits.depth:
            raise _TooMuchError(f"more than {self.limits.depth:,} elements inside one another")
        self.elements += 1
        if self.elements > self.limits.elements:
            raise _TooMuchError(f"more than {self.limits.elements:,} elements")
        scope, resolved = self.scopes[-1], _NO_ATTRIBUTES
        if attributes:
            self.delivered += len(written) + sum(map(len, chain.from_iterable(attributes.items())))
            if self.delivered > self._most:
                raise _TooMuchError("its attributes expand to many times its size")
            scope = self._scope(attributes)
            resolved = {
                self._resolve(key, scope, "") if ":" in key else ("", key): value
                for key, value in attributes.items()
                if not key.startswith("xmlns") or (key != "xmlns" and key[5] != ":")
            }
        self.scopes.append(scope)
        name = self._resolve(written, scope, scope.get("", ""))
        self.names.append(name)
        byte = self._parser.CurrentByteIndex
        position = byte if self._is_ascii else self._position(byte)
        self.handler.start(Element(*name, resolved, position))

    def _scope(self, attributes: dict[str, str]) -> _Scope:
        """Return the namespaces by prefix inside an element; the default namespace has the prefix ""."""
        declared = {
            key[6:]: value for key, value in attributes.items() if key == "xmlns" or key.startswith("xmlns:")
        }
        if not declared:
            return self.scopes[-1]
        self.delivered += len(self.scopes[-1])
        return self.scopes[-1] | declared

    def _resolve(self, written: str, scope: _Scope, default: str) -> tuple[str, str]:
        """Return the namespace and the local name of a name (Namespaces in XML §6)."""
        prefix, colon, local = written.partition(":")
        if not colon:
            return default, written
        namespace = scope.get(prefix)
        if namespace:
            return namespace, local
        self.unbound = self.unbound or written
        return "", written

    def _end(self, _: str) -> None:
        if self.pieces:
            self._flush()
        self.scopes.pop()
        self.handler.end(*self.names.pop())

    def _instruction(self, target: str, data: str) -> None:
        self._flush()
        self.handler.instruction(target, data)

    def _doctype(self, name: str, *_: object) -> None:
        self.doctype = name

    def _skip(self, name: str, is_parameter_entity: bool) -> None:
        self.skipped = self.skipped or ("" if is_parameter_entity else name)

    def _external(self, context: str | None, base: str | None, system: str | None, public: str | None) -> int:
        """Note an external entity, load nothing, and go on."""
        if len(self.external) < _MOST_EXTERNAL:
            self.external.append(system or public or "")
        return 1

    def _know_html_entities(self, parser: expat.XMLParserType) -> None:
        """Declare the names of HTML that the document uses, in place of an external subset.

        Parameter entities, which expat would read then, can make declarations that were not bounded: a
        document that declares one keeps its own entities alone.
        """
        if any(declaration[1] for declaration in DECLARATION.finditer(self.document)):
            return
        from html.entities import html5

        used = {reference[1] for reference in REFERENCE.finditer(self.document)}
        names = (name for name in used if f"{name};" in html5 and name not in _PREDEFINED)
        declarations = "".join(f'<!ENTITY {name} "{_escaped(html5[name + ";"])}">' for name in sorted(names))

        def declare(context: str | None, base: str | None, system: str | None, public: str | None) -> int:
            if context is not None:
                return self._external(context, base, system, public)
            parser.ExternalEntityParserCreate(context).Parse(declarations, True)
            return 1

        parser.ExternalEntityRefHandler = declare
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_ALWAYS)
        parser.UseForeignDTD(True)


_STANDS_ALONE = re.compile(rb"""\A(<\?xml\s[^>]*?\bstandalone\s*=\s*)["']yes["']""")
_PREDEFINED = frozenset(("amp", "lt", "gt", "quot", "apos"))


def _escaped(text: str) -> str:
    """Return text as the value of an entity that is not read as markup where it is expanded (XML §4.6)."""
    return "".join(f"&#38;#{ord(character)};" for character in text)
