"""EPUB books: the images of their texts in the order of reading, the cover first (EPUB 3.3, OCF 3.3).

    container.xml ─▶ package document ─▶ manifest, spine ─┬▶ cover
                                                          ├▶ texts in the order of the spine ─▶ images
                                                          └▶ files that no text names

A file of the book has a URL `epub:///path`, against which relative URLs in it are resolved.
"""

from __future__ import annotations

import posixpath
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote

from imgfetch.markup.urls import resolve
from imgfetch.model.document import Document
from imgfetch.model.image import Defect
from imgfetch.model.markup import Candidate, EmbeddedBody, SourceKind, SourceSet
from imgfetch.model.result import ErrorKind
from imgfetch.readers.containers.bodies import Bodies
from imgfetch.readers.containers.byte_files import bytes_of
from imgfetch.readers.containers.zip_files import ZipFiles
from imgfetch.readers.decoded import unread
from imgfetch.readers.xml.repair import read_repaired
from imgfetch.xml.reader import XmlHandler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.model.document import EachImage
    from imgfetch.xml.document import Element

MAX_TEXT = 16_000_000
"""Bytes of one text of a book that are read, each in ten bytes of memory: few whole books are as long."""

MAX_PACKAGE = 8_000_000
"""Bytes of a file that says what the book consists of."""

_CONTAINER, _ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"


def images(document: Document, each_image: EachImage) -> Iterator[SourceSet]:
    """Yield the images of a book: its cover, those that its texts name, and its other image files.

    Never raise; texts are unpacked one by one. What is damaged or encrypted is left out, with a problem.
    """
    files = ZipFiles.of(bytes_of(document))
    if isinstance(files, str):
        yield unread(files)
        return
    yield from _Book(files, document, each_image).images()


class _Item(NamedTuple):
    """A file of the manifest."""

    name: str
    """Its name in the archive."""
    media_type: str


class _Book:
    """One book."""

    def __init__(self, files: ZipFiles, document: Document, each_image: EachImage) -> None:
        self._files = files
        self._document = document
        self._each_image = each_image
        self._encrypted = _encrypted(files)
        self._package = _package(files)
        self._left_out: list[str] = []
        """The texts that could not be read, each with the reason."""

    def images(self) -> Iterator[SourceSet]:
        """Yield the images of the book."""
        bodies = Bodies()
        cover = self._package.cover if self._package.cover in self._files else ""
        if cover:
            body = self._body_of(cover)
            yield SourceSet((Candidate(body.url),), SourceKind.FILE, embedded=(body,))
        for name in self._images():
            bodies.add(self._body_of(name))
        for item in self._package.texts or self._texts_by_name():
            url = _url_of(item.name)
            for image in bodies.attach(self._images_of(item, url)):
                if not (cover and _names_only(image, cover)):
                    yield image
        if self._left_out:
            count = len(self._left_out)
            which = "a text of the book is" if count == 1 else f"{count:,} texts of the book are"
            yield unread(f"{which} left out: {self._left_out[0]}")
        yield from (image for image in bodies.rest() if not _names_only(image, cover))
        if self._files.defect:
            yield unread(self._files.defect)

    def _images_of(self, item: _Item, url: str) -> Iterator[SourceSet]:
        """Return the images that a text of the book names."""
        is_readable = item.name not in self._encrypted
        data = self._files.read(item.name, MAX_TEXT) if is_readable else _ENCRYPTED
        if isinstance(data, Defect):
            self._left_out.append(f"{item.name[:100]}: {data.message}")
            return iter(())
        cut = unread(f"{item.name[:100]}: only its first {MAX_TEXT:,} bytes are read")
        media_type = "" if item.media_type in _OLD_TYPES else item.media_type
        depth = self._document.depth + 1
        inside = Document(data[:MAX_TEXT], media_type, item.name, url, depth=depth)
        return chain((cut,) if len(data) > MAX_TEXT else (), self._each_image(inside))

    def _images(self) -> Iterator[str]:
        """Yield the names of the image files, those of the manifest first."""
        listed, files = self._package.media_types, self._files
        yield from (name for name, kind in listed.items() if kind.startswith("image/") and name in files)
        yield from (name for name in files if name not in listed and _extension(name) in _IMAGES)

    def _texts_by_name(self) -> Iterator[_Item]:
        """Yield the texts of a book without a package document."""
        yield from (_Item(name, "") for name in sorted(self._files) if _extension(name) in _TEXTS)

    def _body_of(self, name: str) -> EmbeddedBody:
        read = (lambda _: _ENCRYPTED) if name in self._encrypted else partial(self._files.read, name)
        return EmbeddedBody(_url_of(name), read, self._package.media_types.get(name, ""))


class _Package(NamedTuple):
    """What the package document says (EPUB 3.3 §5)."""

    texts: tuple[_Item, ...] = ()
    """The texts in the order of reading, then those outside it, then style sheets."""
    media_types: dict[str, str] = {}  # noqa: RUF012 (never changed)
    """The media type of each file, by its name in the archive."""
    cover: str = ""
    """The name of the cover image; empty where none is marked."""


def _package(files: ZipFiles) -> _Package:
    """Read the package document; return an empty one where there is none."""
    name = _package_name(files)
    data = files.read(name, MAX_PACKAGE) if name else b""
    if isinstance(data, Defect) or not data:
        return _Package()
    found, _, _ = read_repaired(data, _PackageHandler)
    base = _url_of(name)
    items = {
        identity: _Item(_name_of(href, base), media_type)
        for identity, (href, media_type) in found.items.items()
    }
    spine = [items[identity] for identity in dict.fromkeys(found.spine) if identity in items]
    in_spine = {item.name for item in spine}
    others = [item for item in items.values() if item.name not in in_spine]
    cover = items.get(found.cover)
    return _Package(
        (
            *(item for item in spine if _is_svg(item) or not item.media_type.startswith("image/")),
            *(item for item in others if item.media_type in _TEXT_TYPES),
            *(item for item in others if item.media_type == "text/css"),
        ),
        {item.name: item.media_type for item in items.values()},
        cover.name if cover is not None and cover.media_type.startswith("image/") else "",
    )


def _package_name(files: ZipFiles) -> str:
    """Return the name of the package document (OCF 3.3 §4.2.6.3.1); empty where there is none."""
    found = _ContainerHandler()
    data = files.read(_CONTAINER, MAX_PACKAGE)
    if not isinstance(data, Defect):
        found, _, _ = read_repaired(data, _ContainerHandler)
    name = _name_of(found.package, "epub:///") if found.package else ""
    return name if name in files else next((each for each in files if _extension(each) == "opf"), "")


def _encrypted(files: ZipFiles) -> frozenset[str]:
    """Return the names of the files that the book says are encrypted (OCF 3.3 §4.2.6.3.2)."""
    data = files.read(_ENCRYPTION, MAX_PACKAGE) if _ENCRYPTION in files else b""
    if isinstance(data, Defect) or not data:
        return frozenset()
    found, _, _ = read_repaired(data, _EncryptionHandler)
    return frozenset(_name_of(uri, "epub:///") for uri in found.uris)


class _ContainerHandler(XmlHandler):
    """Finds the first package document that `container.xml` names."""

    package = ""

    def start(self, element: Element) -> None:
        """Receive a `rootfile`."""
        if element.name == "rootfile" and not self.package:
            self.package = element.get("full-path")


class _EncryptionHandler(XmlHandler):
    """Collects the references of `encryption.xml`."""

    def __init__(self) -> None:
        self.uris: list[str] = []

    def start(self, element: Element) -> None:
        """Receive a `CipherReference`."""
        if element.name == "CipherReference":
            self.uris.append(element.get("URI"))


class _PackageHandler(XmlHandler):
    """Collects manifest, spine and cover of a package document."""

    def __init__(self) -> None:
        self.items: dict[str, tuple[str, str]] = {}
        """The reference and the media type of each item, by its `id`."""
        self.spine: list[str] = []
        self.cover = ""
        """The `id` of the cover image."""

    def start(self, element: Element) -> None:
        """Receive an element of the package document."""
        match element.name:
            case "item":
                identity = element.get("id")
                self.items.setdefault(
                    identity, (element.get("href"), element.get("media-type").strip().lower())
                )
                if "cover-image" in element.get("properties").split():  # EPUB 3.3 §D.6.1
                    self.cover = identity
            case "itemref":
                self.spine.append(element.get("idref"))
            case "meta" if element.get("name") == "cover" and not self.cover:  # EPUB 2, by custom
                self.cover = element.get("content")


def _url_of(name: str) -> str:
    return f"epub:///{quote(name, safe=_PATH)}"


def _name_of(reference: str, base: str) -> str:
    """Return the name in the archive of the file that a reference leads to."""
    url = resolve(reference, base) or ""
    return unquote(url.partition("#")[0].partition("?")[0].removeprefix("epub:///"))


def _names_only(image: SourceSet, name: str) -> bool:
    """Return True if an image has no other candidate than a file of the book."""
    return (
        not image.sources
        and bool(image.candidates)
        and all(_name_of(candidate.url, "epub:///") == name for candidate in image.candidates)
    )


def _is_svg(item: _Item) -> bool:
    return item.media_type == "image/svg+xml"


def _extension(name: str) -> str:
    return posixpath.splitext(name)[1][1:].lower()


_ENCRYPTED = Defect(ErrorKind.UNSUPPORTED_FORMAT, "it is encrypted, as the book says")

_PATH = "/!$&'()*+,;=:@-._~"
_TEXT_TYPES = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document")
_OLD_TYPES = ("text/x-oeb1-document", "application/x-dtbook+xml")
_TEXTS = frozenset({"xhtml", "html", "htm", "xht"})
_IMAGES = frozenset(
    {"jpg", "jpeg", "jpe", "png", "gif", "webp", "avif", "svg", "bmp", "tif", "tiff", "jxl", "heic", "ico"}
)
