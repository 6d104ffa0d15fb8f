"""The images of a document of any type: the one way from bytes to source sets.

    Document ─▶ document_type.recognise ─▶ the reader of its type ─▶ SourceSet, one for each image
                          ▲                          │
                          └── a document inside it ──┘

Each reader is a module with one function, `images(document, each_image)`. It gives the documents inside its
own to `each_image`, each with a depth that is one higher, so that no reader imports another.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from imgfetch.model.document import DocumentType
from imgfetch.readers.decoded import located, text_and_encoding, text_of, unread
from imgfetch.readers.document_type import is_table, recognise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.model.document import Document
    from imgfetch.model.markup import SourceSet

MAX_DEPTH = 16
"""Documents inside each other: a page in a mail in an archive in an archive needs 4."""

MAX_NESTED = 256_000_000
"""Bytes or characters of all documents inside one: an archive may say much with few bytes."""

MAX_RATIO = 20
"""The same for each byte of a large document: a web archive has many pages."""

MAX_TAGS = 1_000_000
"""Start and end tags of a page: each element takes 300 bytes, and 10 KB of an archive may have millions."""


def each_image(document: Document) -> Iterator[SourceSet]:
    """Yield the images of a document in its order, with absolute URLs where its base URL is known.

    URLs stay as they are written elsewhere. Never raise; take time linear in the document. A document of
    another type has none.
    """
    return _Reading(document).each_image(document)


def is_page(document: Document) -> bool:
    """Return True for a document with URLs that its reader has resolved, and so spelled, one by one."""
    return recognise(document).type is DocumentType.HTML


class _Reading:
    """The reading of one document and of all inside it; bounds their levels and bytes."""

    def __init__(self, document: Document) -> None:
        self._most = self._left = max(MAX_NESTED, MAX_RATIO * document.size)
        self._left_out: set[str] = set()
        """The reasons for which documents are left out, each told once."""

    def each_image(self, document: Document) -> Iterator[SourceSet]:
        """Yield the images of a document at any depth."""
        if document.depth:
            self._left -= len(document.data)
            if self._left < 0:
                return self._leave_out(f"the documents inside are larger than {self._most:,} bytes")
            if document.depth > MAX_DEPTH:
                return self._leave_out(f"more than {MAX_DEPTH} documents inside each other")
        return self._read(document)

    def _leave_out(self, reason: str) -> Iterator[SourceSet]:
        is_told = reason in self._left_out
        self._left_out.add(reason)
        return iter(() if is_told else (unread(reason),))

    def _read(self, document: Document) -> Iterator[SourceSet]:
        match recognise(document).type:
            case None:
                return iter(())
            case DocumentType.XHTML | DocumentType.SVG:
                from imgfetch.readers.xml import pages

                return pages.images(document, self.each_image)
            case DocumentType.FEED:
                from imgfetch.readers.xml import feeds

                return feeds.images(document, self.each_image)
            case DocumentType.SITEMAP:
                from imgfetch.readers.xml import sitemaps

                return sitemaps.images(document, self.each_image)
            case DocumentType.XML:
                from imgfetch.readers.xml import other

                return other.images(document, self.each_image)
            case DocumentType.HAR:
                from imgfetch.readers.containers import har

                return har.images(document, self.each_image)
            case DocumentType.WARC:
                from imgfetch.readers.containers import warc

                return warc.images(document, self.each_image)
            case DocumentType.GZIP:
                from imgfetch.readers.containers import gzip_data

                return gzip_data.images(document, self.each_image)
            case DocumentType.EPUB:
                from imgfetch.readers.containers import epub

                return epub.images(document, self.each_image)
            case DocumentType.MAIL | DocumentType.MHTML:
                from imgfetch.readers.containers import mail

                return mail.images(document, self.each_image)
            case DocumentType.JSON | DocumentType.JSON_FEED:
                from imgfetch.readers.json import data

                return data.images(document, self.each_image)
            case DocumentType.WEB_MANIFEST:
                from imgfetch.readers.json import manifest

                return manifest.images(document, self.each_image)
            case DocumentType.MARKDOWN:
                from imgfetch.readers import markdown

                return markdown.images(document, self.each_image)
            case DocumentType.CSS:
                from imgfetch.markup.css.css_images import find_css_images

                text = text_of(document)
                return located(find_css_images(text, base_url=document.base_url), text)
            case DocumentType.TEXT:
                return _text_images(document)
            case _:
                return _page_images(document)


def _text_images(document: Document) -> Iterator[SourceSet]:
    """Yield the lists of candidates in a text; where it has none, the images that it names by their URLs."""
    from imgfetch.markup.plain_text import find_source_sets

    text = text_of(document)
    found = located(find_source_sets(text, base_url=document.base_url), text)
    first = next(found, None)
    if first is not None:
        yield first
        yield from found
    elif not is_table(document):
        from imgfetch.readers import bare_urls

        yield from bare_urls.images(text, document.base_url)


def _page_images(document: Document) -> Iterator[SourceSet]:
    """Yield the images of a page, of which `MAX_TAGS` tags are read."""
    from imgfetch.markup.page.discovery import find_page_images

    text, encoding = text_and_encoding(document)
    end = end_of_tags(text)
    yield from find_page_images(
        text[:end], base_url=document.base_url, link_headers=document.link_headers, encoding=encoding
    )
    if end < len(text):
        reason = f"more than {MAX_TAGS:,} tags; what stands behind them was not read"
        yield from located((unread(reason, text[end : end + 80], end),), text)


def end_of_tags(text: str) -> int:
    """Return the offset at which a page has had as many tags as are read."""
    if text.count("<") <= MAX_TAGS:
        return len(text)
    return next(islice(re.finditer("<", text), MAX_TAGS, None)).start()
