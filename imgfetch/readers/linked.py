"""The documents that a document loads, and that name images of their own.

    page ─▶ style sheets, its web app manifest   style sheet ─▶ @import   sitemap index ─▶ sitemaps

`api.following` fetches them.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.markup import urls
from imgfetch.model.document import DocumentType
from imgfetch.readers.decoded import charset_of, text_of
from imgfetch.readers.document_type import recognise

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from imgfetch.model.document import Document


class Linked(NamedTuple):
    """A document that another one loads."""

    url: str
    """Absolute where the base URL of the other one is known."""
    type: DocumentType
    """CSS, WEB_MANIFEST or SITEMAP."""


def linked_documents(document: Document) -> tuple[Linked, ...]:
    """Return the documents that a document loads, each once, in its order. Never raise.

    A style sheet for print or speech alone is left out, and so is an alternate one.
    """
    match recognise(document).type:
        case DocumentType.HTML:
            found = _of_page(text_of(document), document.base_url)
        case DocumentType.XHTML | DocumentType.SVG:
            from imgfetch.readers.xml.html_writer import HtmlWriter
            from imgfetch.xml.reader import read_xml

            writer = HtmlWriter()
            read_xml(document.data, writer, charset=charset_of(document.content_type), html_entities=True)
            found = _of_page(writer.html(), document.base_url)
        case DocumentType.CSS:
            found = _of_style_sheet(text_of(document), document.base_url)
        case DocumentType.SITEMAP:
            from imgfetch.readers.xml.sitemaps import sitemaps_of

            found = (_resolved(url, document.base_url, DocumentType.SITEMAP) for url in sitemaps_of(document))
        case _:
            return ()
    return tuple(dict.fromkeys(each for each in found if each is not None))


def counted(types: Iterable[DocumentType]) -> Mapping[str, int]:
    """Return the numbers of linked documents by what they are: `style sheets`."""
    return {_NAMES[each]: number for each, number in Counter(types).items()}


def in_words(numbers: Mapping[str, int]) -> str:
    """Return the numbers of documents, by what they are, as a text: `1 sitemap, 2 style sheets`."""
    return ", ".join(
        f"{count:,} {what if count > 1 else what.removesuffix('s')}"
        for what, count in sorted(numbers.items())
    )


_NAMES = {
    DocumentType.CSS: "style sheets",
    DocumentType.WEB_MANIFEST: "web app manifests",
    DocumentType.SITEMAP: "sitemaps",
}
_LINKING = ("stylesheet", "manifest", "@import")
"""Words without which a page links nothing: looking for them takes a tenth of a search that ignores case."""
_NOT_SHOWN = re.compile(
    r"\s*+(?:only\s++)?(?:print|speech|aural|braille|tty|projection)\b[^,]*+\Z|\s*+not\s++all\s*+\Z", re.I
)
"""A media query list that holds on no screen: no reader sees the images of its style sheet."""


def _resolved(url: str, base: str, document_type: DocumentType) -> Linked | None:
    absolute = urls.resolve(url, base) if base else url
    return Linked(absolute, document_type) if absolute else None


def _of_page(page: str, base_url: str) -> Iterator[Linked | None]:
    lower = page.lower()
    if not any(word in lower for word in _LINKING):
        return
    from imgfetch.markup.page import html

    parsed = html.parse(page)
    element = html.base_element(parsed)
    base = urls.base_url(element.attr("href") if element is not None else None, base_url) or base_url
    for element in parsed.select("link[href][rel], style"):
        if element.tag == "style":
            if "@import" in element.text.lower():
                yield from _of_style_sheet(element.text, base)
            continue
        relations = (_attribute(element.attr("rel"))).lower().split()
        href = _attribute(element.attr("href")).strip()
        if not href:
            continue
        if "manifest" in relations:
            yield _resolved(href, base, DocumentType.WEB_MANIFEST)
        elif "stylesheet" in relations and "alternate" not in relations and element.attr("disabled") is None:
            media_type = _attribute(element.attr("type")).partition(";")[0].strip().lower()
            if media_type in ("", "text/css") and not _NOT_SHOWN.match(_attribute(element.attr("media"))):
                yield _resolved(href, base, DocumentType.CSS)


def _attribute(value: object) -> str:
    return value if isinstance(value, str) else " ".join(value) if isinstance(value, list | tuple) else ""


def _of_style_sheet(css: str, base_url: str) -> Iterator[Linked | None]:
    from imgfetch.markup.css.css_imports import find_imports

    for each in find_imports(css):
        if each.url.strip() and not _NOT_SHOWN.match(each.media):
            yield _resolved(each.url, base_url, DocumentType.CSS)
