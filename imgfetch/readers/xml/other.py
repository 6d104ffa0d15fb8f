"""XML of other vocabularies: catalogues, exports, book packages, FictionBook, notes of Evernote.

XML ─▶ texts and attributes that name an image, HTML in them, XHTML and SVG between them ─▶ images
    └▶ texts that are an image, in base64 ─▶ `data:` URLs
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imgfetch.markup import urls
from imgfetch.markup.image_urls import with_ampersands
from imgfetch.model.document import Document
from imgfetch.model.markup import Candidate, SourceKind, SourceSet
from imgfetch.readers.decoded import charset_of, located, placed
from imgfetch.readers.string_urls import urls_in
from imgfetch.readers.strings import StringType, string_type
from imgfetch.readers.xml.elements import Elements
from imgfetch.readers.xml.repair import read_repaired

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.model.document import EachImage
    from imgfetch.readers.xml.elements import Open


def images(document: Document, each_image: EachImage) -> Iterator[SourceSet]:
    """Yield the images that a document names, each once, in its order. Never raise."""
    other, read, unread = read_repaired(
        document.data, lambda: _Other(document.base_url), charset=charset_of(document.content_type)
    )
    yield from located(unread, read.text)
    found = (image for each in other.found for image in _images_of(each, document, each_image))
    seen: set[tuple[str, ...]] = set()
    for image in located(found, read.text):
        names = tuple(candidate.url for candidate in image.candidates)
        if names not in seen or image.sources or image.problems:
            yield image
        seen.add(names)


def _images_of(found: _Named, document: Document, each_image: EachImage) -> Iterator[SourceSet]:
    if found.media_type:
        inside = Document(found.text, found.media_type, base_url=found.base, depth=document.depth + 1)
        yield from (placed(image, found.position) for image in each_image(inside))
        return
    image = SourceSet((Candidate(with_ampersands(found.text)),), SourceKind.DATA, position=found.position)
    yield urls.absolute(image, found.base) if found.base else image


class _Named(NamedTuple):
    """The URL of an image, or a part of a document of another type."""

    text: str
    media_type: str
    """Empty for a URL."""
    base: str
    position: int


_MEDIA_TYPES = {
    StringType.HTML: "text/html",
    StringType.MARKDOWN: "text/markdown",
    StringType.LIST: "text/plain",
}


_ADDRESSES = frozenset(("href", "src", "url", "uri", "value", "loc"))
"""Names that say nothing of what they are the address of."""


class _Other(Elements):
    """Collects the texts and attributes that name images."""

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.found: list[_Named] = []

    def opened(self, inside: Open) -> None:
        """Read the attributes of an element; one that is not said to be of another type."""
        element = inside.element
        said = element.get("media-type") or element.get("type") or element.get("mime-type")
        kind = "image" if said.startswith("image/") else inside.local
        for (_, name), value in element.attributes.items():
            self._add(value, kind if name in _ADDRESSES else name, inside)

    def closed(self, inside: Open, text: str) -> None:
        """Read the text of an element."""
        outside = self.parent
        is_address = inside.local in _ADDRESSES and outside is not None
        self._add(text, outside.local if is_address and outside is not None else inside.local, inside)

    def markup(self, html: str, outside: Open, position: int) -> None:
        """Add XHTML or SVG that an element contains."""
        self.found.append(_Named(html, "text/html", outside.base, position))

    def _add(self, text: str, name: str, inside: Open) -> None:
        text = text.strip()
        found = string_type(text, name)
        media_type = _MEDIA_TYPES.get(found, "") if found is not None else ""
        for each in (text,) if media_type else urls_in(text, name, found):
            self.found.append(_Named(each, media_type, inside.base, inside.element.position))
