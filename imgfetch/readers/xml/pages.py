"""XHTML and SVG: pages in the syntax of XML (HTML §14, SVG 2 §5).

    XML ─▶ events ─▶ the same elements as HTML ─▶ the reader of HTML ─▶ images at their positions in the XML

A browser shows an error where a page is not well-formed. People want its images: what stands behind the error
is read as HTML.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgfetch.markup.positions import Lines
from imgfetch.model.document import Document
from imgfetch.readers.decoded import charset_of, located, unread
from imgfetch.readers.xml.html_writer import HtmlWriter
from imgfetch.readers.xml.repair import not_well_formed
from imgfetch.xml.reader import read_xml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.model.document import EachImage
    from imgfetch.model.markup import SourceSet


def images(document: Document, each_image: EachImage) -> Iterator[SourceSet]:
    """Yield the images of a page in XML, in its order. Never raise."""
    writer = HtmlWriter()
    read = read_xml(document.data, writer, charset=charset_of(document.content_type), html_entities=True)
    if read.defect is not None:
        at = _beginning(read.text, read.defect.position)
        reason = not_well_formed(read.defect, "read from there as HTML")
        yield from located((unread(reason, read.text[at : at + 80], at),), read.text)
        writer.append(_closed(read.text[at:]), at)
    lines = Lines(read.text)
    # The HTML has another encoding than the document; only its queries are written in that of the document.
    content_type = f"text/html; charset={read.encoding}"
    html = Document(
        writer.html(),
        content_type,
        base_url=document.base_url,
        link_headers=document.link_headers,
        depth=document.depth + 1,
    )
    for image in each_image(html):
        problems = tuple(
            lines.locate(each._replace(position=writer.position_of(each.position))) if each.line else each
            for each in image.problems
        )
        yield image._replace(position=writer.position_of(image.position), problems=problems)


def _beginning(text: str, error: int) -> int:
    """Return the position of the tag that an error is in; that of the error where it is in none."""
    tag = text.rfind("<", 0, error + 1)
    return tag if tag > text.rfind(">", 0, error) else error


_EMPTY = re.compile(
    r"<(title|script|style|textarea|iframe|noscript|noframes|noembed)\b((?:[^<>\"'/]|\"[^\"]*+\"|'[^']*+'|/(?!>))*+)/>"
)


def _closed(text: str) -> str:
    """Return the text with end tags for elements that would never end in HTML."""
    return _EMPTY.sub(r"<\1\2></\1>", text)
