"""Sitemaps: the images of pages, by the image and video extensions of the Sitemaps protocol 0.9.

XML ─▶ image:image (image:loc, image:caption) · video:thumbnail_loc ─▶ SourceSet
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.markup import urls
from imgfetch.model.markup import Candidate, SourceKind, SourceSet
from imgfetch.readers.decoded import charset_of, located
from imgfetch.readers.xml.elements import Elements
from imgfetch.readers.xml.repair import read_repaired

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.model.document import Document, EachImage
    from imgfetch.readers.xml.elements import Open


def images(document: Document, each_image: EachImage) -> Iterator[SourceSet]:
    """Yield the images of a sitemap in its order. Never raise."""
    sitemap, read, unread = read_repaired(
        document.data, lambda: _Sitemap(document.base_url), charset=charset_of(document.content_type)
    )
    yield from located(unread, read.text)
    for kind, url, alt, base, position in sitemap.found:
        image = SourceSet((Candidate(url),), kind, alt=alt, position=position)
        yield urls.absolute(image, base) if base else image


def sitemaps_of(document: Document) -> list[str]:
    """Return the addresses of the sitemaps in a sitemap index. Never raise."""
    sitemap, _, _ = read_repaired(
        document.data, lambda: _Sitemap(document.base_url), charset=charset_of(document.content_type)
    )
    return sitemap.sitemaps


class _Sitemap(Elements):
    """Collects the images of a sitemap."""

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.found: list[tuple[SourceKind, str, str, str, int]] = []
        """Kind, URL, text, base URL and position of each image."""
        self.sitemaps: list[str] = []
        """The addresses in an index."""
        self._url = self._title = self._caption = ""

    def opened(self, inside: Open) -> None:
        """Begin an image."""
        if inside.local == "image":
            self._url = self._title = self._caption = ""

    def closed(self, inside: Open, text: str) -> None:
        """Read the text of an element, or end an image."""
        text = text.strip()
        is_in_image = (parent := self.parent) is not None and parent.local == "image"
        match inside.local:
            case "loc" if is_in_image:
                self._url = text
            case "loc" if text and parent is not None and parent.local == "sitemap":
                self.sitemaps.append(text)
            case "title" if is_in_image:
                self._title = text
            case "caption" if is_in_image:
                self._caption = text
            case "image" if self._url:
                self._add(SourceKind.FEED, self._url, inside, self._caption or self._title)
            case "thumbnail_loc" if text:
                self._add(SourceKind.POSTER, text, inside)

    def _add(self, kind: SourceKind, url: str, inside: Open, alt: str = "") -> None:
        self.found.append((kind, url, alt, inside.base, inside.element.position))
