"""Documents: what a source holds in the place of an image, such as a page, a feed, a mail or an archive."""

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from mmap import mmap

    from imgfetch.model.markup import SourceSet


class DocumentType(StrEnum):
    """The type of a document, which decides by what reader it is read."""

    HTML = "html"
    XHTML = "xhtml"
    XML = "xml"
    """XML of a vocabulary that has no type of its own here."""
    SVG = "svg"
    FEED = "feed"
    """RSS 0.9x, 1.0 and 2.0, and Atom."""
    JSON_FEED = "json-feed"
    SITEMAP = "sitemap"
    MARKDOWN = "markdown"
    MAIL = "mail"
    MHTML = "mhtml"
    EPUB = "epub"
    JSON = "json"
    """One JSON value, or one on each line."""
    WEB_MANIFEST = "web-manifest"
    HAR = "har"
    WARC = "warc"
    CSS = "css"
    TEXT = "text"
    """Prose, or the lists of candidates that crawlers save."""
    GZIP = "gzip"
    """Any document, compressed, such as `sitemap.xml.gz`."""


class Document(NamedTuple):
    """A document as it came, and all that is known of it without reading it."""

    data: bytes | str
    content_type: str = ""
    """The Content-Type field of its response, or a media type; empty where neither is known."""
    name: str = ""
    """The name of its file, or its URL: the extension counts where there is no Content-Type."""
    base_url: str = ""
    """The URL that relative URLs are resolved against, before a `<base>` is read."""
    link_headers: tuple[str, ...] = ()
    """The `Link` fields of its response."""
    depth: int = 0
    """Number of documents that contain it: a page in a mail in an archive has 2."""
    mapped: "mmap | None" = None
    """The whole file, where it is larger than what is read of it into `data`."""

    @property
    def size(self) -> int:
        """Its size in bytes; of a text, in characters."""
        return len(self.data if self.mapped is None else self.mapped)


class Recognised(NamedTuple):
    """What a document is, and by what."""

    type: DocumentType | None
    """None for data that no reader reads."""
    why: str
    """The reason in words: “by its Content-Type text/html”; without a type, what it is: “a ZIP archive”."""


EachImage: TypeAlias = "Callable[[Document], Iterator[SourceSet]]"
"""The way from a document to its images, which a reader is given for the documents inside its own."""
