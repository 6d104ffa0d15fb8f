"""The images of a document of any type: the one way from bytes to source sets.

Document ─▶ document_type.recognise ─▶ the reader of its type ─▶ SourceSet, one for each image
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from imgfetch.model.document import DocumentType
from imgfetch.readers.document_type import recognise

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imgfetch.markup.positions import Lines
    from imgfetch.model.document import Document
    from imgfetch.model.markup import SourceSet


def each_image(document: Document) -> Iterator[SourceSet]:
    """Yield the images of a document in its order, with absolute URLs where its base URL is known.

    URLs stay as they are written elsewhere. Never raise; take time linear in the document. A document of
    another type has none.
    """
    match recognise(document).type:
        case None:
            return iter(())
        case DocumentType.HTML:
            from imgfetch.markup.page.discovery import find_page_images

            return find_page_images(
                text_of(document), base_url=document.base_url, link_headers=document.link_headers
            )
        case DocumentType.CSS:
            from imgfetch.markup.css.css_images import find_css_images

            text = text_of(document)
            return _located(find_css_images(text, base_url=document.base_url), text)
        case DocumentType.TEXT:
            from imgfetch.markup.plain_text import find_source_sets

            text = text_of(document)
            return _located(find_source_sets(text, base_url=document.base_url), text)
        case other:
            assert_never(other)


def text_of(document: Document) -> str:
    """Return the text of a document, decoded as a browser does (HTML §13.2.3.2)."""
    data = document.data
    if isinstance(data, str):
        return data
    from imgfetch.markup.encoding import decode

    return decode(data, document.content_type)


def _located(found: Iterable[SourceSet], text: str) -> Iterator[SourceSet]:
    """Yield the images with a line and a column for each problem."""
    lines: Lines | None = None
    for each in found:
        if each.problems:
            if lines is None:
                from imgfetch.markup.positions import Lines

                lines = Lines(text)
            yield each._replace(problems=tuple(map(lines.locate, each.problems)))
        else:
            yield each
