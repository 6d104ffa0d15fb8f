"""Recognise a document that is text by what it says.

    text ─▶ the root of XML │ the first members of JSON │ the header of a mail │ marks of CSS, Markdown, HTML

The checks read the beginning of the text; only a tag of HTML, an image of Markdown and a member of JSON that
names its type may stand anywhere.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgfetch.model.document import DocumentType

if TYPE_CHECKING:
    from collections.abc import Iterable


def recognise_text(data: bytes | str, said: DocumentType | None = None) -> DocumentType:
    """Return the type of a text; `said` is XML or JSON where it is said to be one of its vocabularies."""
    text = _ascii(data)
    head = text[:_HEAD].lstrip()
    if said is DocumentType.JSON or (head.startswith(("{", "[")) and _is_json(head, text)):
        return _of_json(text)
    if head.startswith("<") or said is DocumentType.XML:
        return _of_markup(head, text, said)
    if head.startswith("WARC/"):
        return DocumentType.WARC
    if (found := _of_mail(head)) is not None:
        return found
    if "![" in text and re.search(_MARKDOWN_IMAGE, text):
        return DocumentType.MARKDOWN
    if "<" in text and re.search(_PAGE, text):
        return DocumentType.HTML
    is_style_sheet = ("{" in head or "@" in head) and re.match(_STYLE_SHEET, head)
    return DocumentType.CSS if is_style_sheet else DocumentType.TEXT


def recognise_data(data: bytes | str) -> DocumentType | None:
    """Return the type of a feed, a sitemap or JSON that is labelled as HTML; None for all else.

    A feed is told by its root (MIME Sniffing §7.3). JSON begins with `{"` or `[{`, as no page does.
    """
    head = _ascii(data[:_HEAD]).lstrip()
    if head[:14].lower() == "<!doctype html" or head[:5].lower() == "<html":  # nearly all are so
        return None
    if head.startswith("<"):
        found = _of_markup(head, head, None) if any(root in head for root in _DATA_ROOTS) else None
        return found if found in (DocumentType.FEED, DocumentType.SITEMAP) else None
    if head.startswith(("{", "[")) and re.match(r"\{\s*+\"|\[\s*+[\[{\"]", head):
        text = _ascii(data)
        return _of_json(text) if _is_json(head, text) else None
    return None


def _ascii(data: bytes | str) -> str:
    """Return a text in which ASCII can be told: each byte as a character, which takes no time."""
    if isinstance(data, bytes):
        data = data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "latin-1", "replace")
        data = data.removeprefix("\xef\xbb\xbf")
    return data.removeprefix("\ufeff")


# An expression is compiled where a document has the characters that it looks for: a srcset has none of them.

_HEAD = 1 << 16
"""Characters in which the beginning of a document is looked for, behind comments and a DOCTYPE."""

_PAGE = (
    r"(?i)<(?:!doctype\s+html|html|head|body|img|picture|source|link|meta|style|amp-img|figure|noscript|video|svg)"
    r"[\s>/]"
)
_PROLOG = (
    r"(?s)(?:\s++|<\?.*?\?>|<!--.*?-->"
    r"|<!(?i:doctype)(?:[^\[\]<>\"']++|\"[^\"]*+\"|'[^']*+'|\[(?:[^\]\"']++|\"[^\"]*+\"|'[^']*+')*+\])*+>)*+"
)
_ROOT = r"<(?:[\w.-]++:)?([A-Za-z_][\w.-]*+)((?:[^<>\"']++|\"[^\"]*+\"|'[^']*+')*+)"
_ROOTS = {
    "rss": DocumentType.FEED,
    "feed": DocumentType.FEED,
    "urlset": DocumentType.SITEMAP,
    "sitemapindex": DocumentType.SITEMAP,
    "svg": DocumentType.SVG,
}
"""The roots of vocabularies, as XML."""
_DATA_ROOTS = ("<rss", "<feed", ":feed", ":RDF", "<urlset", "<sitemapindex")
_RSS_1 = ("purl.org/rss/1.0", "my.netscape.com/rdf")
_XHTML = "http://www.w3.org/1999/xhtml"


def _of_markup(head: str, text: str, said: DocumentType | None) -> DocumentType:
    """Return the type of XML by its root; HTML where nothing says that it is XML."""
    prolog = re.match(_PROLOG, head)
    root = re.compile(_ROOT).match(head, prolog.end() if prolog else 0)
    is_xml = said is DocumentType.XML or head.startswith("<?xml")
    if root is None:
        return (
            DocumentType.XML if is_xml else DocumentType.HTML if re.search(_PAGE, text) else DocumentType.TEXT
        )
    name, attributes = root[1], root[2]
    if name == "html":
        return DocumentType.XHTML if is_xml and _XHTML in attributes else DocumentType.HTML
    if not (is_xml or "xmlns" in attributes or name == "rss"):
        return DocumentType.HTML
    if name == "RDF":
        return DocumentType.FEED if any(each in attributes for each in _RSS_1) else DocumentType.XML
    # An element of HTML with a namespace, such as `<div xmlns=…>`, is a part of a page.
    return _ROOTS.get(name) or (
        DocumentType.XML if is_xml or _XHTML not in attributes else DocumentType.XHTML
    )


def _is_json(head: str, text: str) -> bool:
    """Return whether a text begins and ends as a JSON value; `[1]: url` of Markdown does not."""
    begins = re.match(r"\[\s*+(?:[\[{\"\]]|-?\d[\d.eE+-]*\s*[,\]]|(?:true|false|null)\b)|\{\s*+[\"}]", head)
    return begins is not None and text.rstrip()[-1:] in "]}"


def _of_json(text: str) -> DocumentType:
    """Return the vocabulary of JSON by the members that its standard demands."""
    if re.search(r'"version"\s*+:\s*+"https?:\\?/\\?/jsonfeed\.org\\?/version\\?/', text):
        return DocumentType.JSON_FEED
    if re.match(r'\s*+\{\s*+"log"\s*+:\s*+\{', text) and '"entries"' in text:
        return DocumentType.HAR
    icons = re.search(r'"icons"\s*+:\s*+\[\s*+\{[^{}]*?"src"\s*+:', text)
    if (
        icons
        and re.match(r"\s*+\{", text)
        and re.search(r'"(?:name|short_name|start_url|display)"\s*+:', text)
    ):
        return DocumentType.WEB_MANIFEST
    return DocumentType.JSON


_MAIL_FIELD = r"(?:From |[!-9;-~]++:)"
_MAIL_LINES = r"(?:[^\r\n]*+(?:\r?\n[ \t]+[^\r\n]*+)*+\r?\n)"


def _of_mail(head: str) -> DocumentType | None:
    """Return the type of a text that begins with the header of a mail (RFC 5322 §2.2); None for another."""
    begins = head.lower()
    if "mime-version:" not in begins and "from:" not in begins:
        return None
    found = re.match(rf"(?:{_MAIL_FIELD}{_MAIL_LINES})++", head)
    if found is None:
        return None
    header = found[0].lower()
    names = frozenset(re.findall(r"(?m)^([a-z-]++):", header))
    if not ("mime-version" in names or _has(names, ("from",), ("date", "to", "subject", "message-id"))):
        return None
    is_saved_page = "multipart/related" in header and (
        "snapshot-content-location" in names or "<saved by" in header
    )
    return DocumentType.MHTML if is_saved_page else DocumentType.MAIL


def _has(names: frozenset[str], *groups: Iterable[str]) -> bool:
    """Return whether one name of each group is among the names."""
    return all(any(name in names for name in group) for group in groups)


_MARKDOWN_IMAGE = r"!\[[^\[\]\n]*+\](?:\([^\s)]|\[[^\[\]\n]++\])"
_STYLE_SHEET = (
    r"(?s)(?:\s++|/\*.*?\*/)*+(?:@(?:charset|import|namespace|layer|media|supports|font-face|(?:-\w+-)?keyframes)\b"
    r"|[\w.#:*\[][^<{};\"']*+\{\s*+(?:--)?[a-zA-Z-]++\s*+:)"
)
