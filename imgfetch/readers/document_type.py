"""Decide what a document is: by its Content-Type, then by its name, then by its bytes.

    Document ─▶ Content-Type │ binary │ extension │ text ─▶ Recognised(type, why)

A Content-Type or an extension that says too little leaves the decision to what follows: `text/plain` and
`application/octet-stream` say nothing, `application/xml` and `application/json` do not say which vocabulary.
HTML is HTML whatever its bytes are, unless it begins as a feed, a sitemap or JSON (MIME Sniffing §7.3).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgfetch.model.document import DocumentType, Recognised

if TYPE_CHECKING:
    from imgfetch.model.document import Document


def recognise(document: Document) -> Recognised:
    """Return the type of a document and the reason; of data that no reader reads, the name. Never raise."""
    media_type = document.content_type.partition(";")[0].strip().lower()
    known = _MEDIA_TYPES.get(media_type)
    if known is not None:
        return _html_or_data(document, known, f"its Content-Type {media_type}")
    said, name = _said(media_type), document.name.lower().removesuffix(".gz")
    extension = found[1] if (found := _EXTENSION.search(name)) else ""
    data = document.data
    if isinstance(data, bytes):
        binary = _recognise_binary(data, extension)
        if binary is not None:
            return binary
        if said is None and media_type.partition("/")[0] in _NO_DOCUMENTS:
            return Recognised(None, f"data of type {media_type}")
    known = _EXTENSIONS.get(extension)
    if known is not None:
        return _html_or_data(document, known, f"its name .{extension}")
    from imgfetch.readers.text_types import recognise_text

    found_type = recognise_text(data, said or _BROAD_EXTENSIONS.get(extension))
    return Recognised(found_type, "by its content")


def _html_or_data(document: Document, known: DocumentType, label: str) -> Recognised:
    """Return the type that a label says; of HTML, that of its content where it is plainly data."""
    if known is DocumentType.HTML:
        from imgfetch.readers.text_types import recognise_data

        data = recognise_data(document.data)
        if data is not None:
            return Recognised(data, f"by its content, against {label}")
    return Recognised(known, f"by {label}")


def is_table(document: Document) -> bool:
    """Return whether the name or the media type of a document says that it is a table in text."""
    media_type = document.content_type.partition(";")[0].strip().lower()
    extension = _EXTENSION.search(document.name.lower())
    return media_type in _TABLE_TYPES or (extension is not None and f".{extension[1]}" in TABLES)


TABLES = (".csv", ".tsv", ".tab", ".psv")
"""The ends of the names of tables in text."""
_TABLE_TYPES = ("text/csv", "application/csv", "text/tab-separated-values")
_MEDIA_TYPES = {
    "text/html": DocumentType.HTML,
    "application/xhtml+xml": DocumentType.XHTML,
    "image/svg+xml": DocumentType.SVG,
    "application/rss+xml": DocumentType.FEED,
    "application/atom+xml": DocumentType.FEED,
    "application/feed+json": DocumentType.JSON_FEED,
    "application/manifest+json": DocumentType.WEB_MANIFEST,
    "text/markdown": DocumentType.MARKDOWN,
    "text/x-markdown": DocumentType.MARKDOWN,
    "message/rfc822": DocumentType.MAIL,
    "message/global": DocumentType.MAIL,
    "multipart/related": DocumentType.MHTML,
    "application/x-mimearchive": DocumentType.MHTML,
    "application/epub+zip": DocumentType.EPUB,
    "application/warc": DocumentType.WARC,
    "text/css": DocumentType.CSS,
}
_EXTENSIONS = {
    "html": DocumentType.HTML,
    "htm": DocumentType.HTML,
    "xhtml": DocumentType.XHTML,
    "xht": DocumentType.XHTML,
    "svg": DocumentType.SVG,
    "rss": DocumentType.FEED,
    "atom": DocumentType.FEED,
    "md": DocumentType.MARKDOWN,
    "markdown": DocumentType.MARKDOWN,
    "mkd": DocumentType.MARKDOWN,
    "mdx": DocumentType.MARKDOWN,
    "eml": DocumentType.MAIL,
    "mbox": DocumentType.MAIL,
    "mht": DocumentType.MHTML,
    "mhtml": DocumentType.MHTML,
    "webmanifest": DocumentType.WEB_MANIFEST,
    "har": DocumentType.HAR,
    "warc": DocumentType.WARC,
    "css": DocumentType.CSS,
}
_BROAD_EXTENSIONS = {
    "xml": DocumentType.XML,
    "rdf": DocumentType.XML,
    "opf": DocumentType.XML,
    "json": DocumentType.JSON,
    "jsonld": DocumentType.JSON,
    "jsonl": DocumentType.JSON,
    "ndjson": DocumentType.JSON,
    "geojson": DocumentType.JSON,
    "ipynb": DocumentType.JSON,
}
"""Extensions of many vocabularies: the content decides which."""
_EXTENSION = re.compile(r"\.([a-z0-9]{1,11})(?:[?#]|\Z)")
_NO_DOCUMENTS = frozenset({"image", "video", "audio", "font", "model"})


def _recognise_binary(data: bytes, extension: str) -> Recognised | None:
    if data.startswith((b"https://", b"http://")) and b"\0" not in data[:1024]:
        return None  # a srcset or a list: no binary format begins with a URL
    from imgfetch.readers.binary_types import recognise_binary

    return recognise_binary(data, extension)


def _said(media_type: str) -> DocumentType | None:
    """Return XML or JSON for a media type that is one of its many vocabularies (RFC 7303, RFC 6839)."""
    if media_type in ("text/xml", "application/xml") or media_type.endswith("+xml"):
        return DocumentType.XML
    if media_type in ("text/json", "application/json") or media_type.endswith("+json"):
        return DocumentType.JSON
    return None
