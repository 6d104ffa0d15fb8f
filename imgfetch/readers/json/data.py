"""JSON: the images that its strings name, and those in the HTML of its strings.

    text ─▶ tokens ─▶ strings that name images, by object ─▶ one source set for the sizes of an image
                 └──▶ HTML, Markdown or JSON in a string ─▶ a document inside

WordPress REST answers, exports of Ghost, JSON Feed (versions 1 and 1.1), rows of tables and notebooks are
read alike: by what the strings say and the names that they stand under. An image that is named twice is one.
"""

from __future__ import annotations

from html import unescape
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.markup import urls
from imgfetch.markup.image_urls import with_ampersands
from imgfetch.model.document import Document, DocumentType
from imgfetch.model.markup import Candidate, SourceKind, SourceSet
from imgfetch.readers.decoded import located, placed, text_of, unread
from imgfetch.readers.document_type import recognise
from imgfetch.readers.json.scanner import TokenType, tokens
from imgfetch.readers.string_urls import urls_in
from imgfetch.readers.strings import StringType, says_icon, string_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.model.document import EachImage
    from imgfetch.readers.json.scanner import Token


def images(document: Document, each_image: EachImage) -> Iterator[SourceSet]:
    """Yield the images of JSON in its order, each once. Never raise."""
    text = text_of(document)
    is_feed = recognise(document).type is DocumentType.JSON_FEED
    scan = _Scan(document.base_url, SourceKind.FEED if is_feed else SourceKind.DATA)
    for token in tokens(text):
        scan.read(token)
    scan.end()
    if not scan.has_values:
        yield from located((unread("not JSON", text[:80]),), text)
    in_sets = {each.url for named in scan.found if len(named.candidates) > 1 for each in named.candidates}
    found = (
        image
        for each in sorted(scan.found, key=_position_of)
        if len(each.candidates) != 1 or each.candidates[0].url not in in_sets
        for image in _images_of(each, scan.bases.get(id(each), document.base_url), document, each_image)
    )
    seen: set[tuple[str, ...]] = set()
    for image in located(found, text):
        names = tuple(candidate.url for candidate in image.candidates)
        if names not in seen or image.sources or image.problems:
            yield image
        seen.update((names, *((name,) for name in names)))


class _Named(NamedTuple):
    """An image that JSON names, or the text of a document inside it."""

    candidates: tuple[Candidate, ...]
    kind: SourceKind
    text: str
    media_type: str
    """Empty for an image."""
    position: int
    alt: str = ""


def _position_of(found: _Named) -> int:
    return found.position


def _images_of(found: _Named, base: str, document: Document, each_image: EachImage) -> Iterator[SourceSet]:
    if found.media_type:
        inside = Document(found.text, found.media_type, base_url=base, depth=document.depth + 1)
        yield from (placed(image, found.position) for image in each_image(inside))
        return
    image = SourceSet(found.candidates, found.kind, alt=found.alt, position=found.position)
    yield urls.absolute(image, base) if base else image


_MEDIA_TYPES = {
    StringType.HTML: "text/html",
    StringType.MARKDOWN: "text/markdown",
    StringType.LIST: "text/plain",
    StringType.JSON: "application/json",
}
_MOST_DEEP = 10_000
"""Levels that are told apart; what is deeper belongs to the last of them."""
_SIZES = frozenset(
    {"sizes", "formats", "renditions", "variants", "thumbnails", "derivatives", "versions", "resolutions"}
    | {"media_details", "candidates", "image_versions2", "sources", "source", "srcset"}
)
"""Names of members that hold one image in several sizes: WordPress, Strapi, YouTube, Instagram, Reddit."""
_PAGES = frozenset({"link", "url", "permalink", "external_url", "home_page_url", "canonical_url"})
"""Names of the address of a page: relative URLs in its HTML are resolved against it, others where there is no
base URL."""
_TYPES = frozenset({"mime_type", "mimetype", "media_type", "content_type", "contenttype", "type", "mime"})
_ADDRESSES = frozenset({"source_url", "url", "src", "href", "contenturl"})
_ALTS = ("alt", "alt_text", "alttext")
_GHOST = "__GHOST_URL__"
"""What exports of Ghost write in place of the address of the site."""


class _Frame:
    """An object or array that is open."""

    __slots__ = (
        "addresses",
        "alt",
        "first",
        "is_image",
        "is_object",
        "link",
        "member",
        "name",
        "renditions",
        "urls",
        "width",
    )

    def __init__(self, name: str, first: int, *, is_object: bool) -> None:
        self.name = name
        """The name of the member that it is the value of; that of the array around it in an array."""
        self.member = ""
        """The name of the member that is being read."""
        self.is_object = is_object
        self.first = first
        """Number of images and texts without a base URL of their own that were found before."""
        self.urls: list[tuple[str, str, int]] = []
        """The names, URLs and positions of images."""
        self.addresses: list[tuple[str, str, int]] = []
        """The same of what is an image only if the object says so."""
        self.renditions: list[tuple[Candidate, int]] = []
        """The candidates of objects inside that hold sizes of one image."""
        self.width: int | None = None
        self.is_image = False
        """True if the object says that it has a type of images."""
        self.link = self.alt = ""


class _Scan:
    """Collects what the tokens of JSON say of images."""

    def __init__(self, base_url: str, kind: SourceKind) -> None:
        self.found: list[_Named] = []
        self.bases: dict[int, str] = {}
        """The base URL of each found image or text that has its own."""
        self.has_values = False
        self._kind = kind
        self._has_base = bool(base_url)
        self._without_base: list[_Named] = []
        self._open = [_Frame("", 0, is_object=False)]
        self._deeper = 0
        """Levels below the last that is told apart."""

    def read(self, token: Token) -> None:
        """Read a token."""
        self.has_values = True
        frame = self._open[-1]
        match token.type:
            case TokenType.NAME:
                frame.member = token.value
            case TokenType.STRING:
                self._string(frame, token.value, token.position)
            case TokenType.NUMBER:
                if frame.member.lower() in ("width", "w"):
                    frame.width = int(token.value) or None
            case TokenType.CLOSE:
                if self._deeper:
                    self._deeper -= 1
                elif len(self._open) > 1:
                    self._close(self._open.pop())
            case _ if len(self._open) >= _MOST_DEEP:
                self._deeper += 1
            case _:
                name = frame.member if frame.is_object else frame.name
                is_object = token.type is TokenType.OPEN_OBJECT
                self._open.append(_Frame(name, len(self._without_base), is_object=is_object))

    def end(self) -> None:
        """Close what the text has left open."""
        while self._open:
            self._close(self._open.pop())

    def _string(self, frame: _Frame, text: str, position: int) -> None:
        name = frame.member if frame.is_object else frame.name
        lower = name.lower()
        if lower in _TYPES and text.startswith("image/"):
            frame.is_image = True
        elif lower in _ALTS:
            frame.alt = text
        elif lower in _PAGES and text.startswith(("https://", "http://")):
            frame.link = frame.link or text
        if _GHOST in text:
            text = text.replace(_GHOST, "")
        found = string_type(text, name)
        if found is None and "&lt;" in text and string_type(html := unescape(text)) is StringType.HTML:
            found, text = StringType.HTML, html  # Reddit escapes HTML once more
        named = [with_ampersands(url) for url in urls_in(text, name, found)]
        frame.urls += ((name, url, position) for url in named)
        if found is None and not named and lower in _ADDRESSES and text:
            frame.addresses.append((name, with_ampersands(text.strip()), position))
        elif found is not None and not named:
            self._add(_Named((), SourceKind.TEXT, text, _MEDIA_TYPES[found], position))

    def _close(self, frame: _Frame) -> None:
        """End an object or array: give the sizes of one image to the one around it, or add its images."""
        renditions = self._renditions_of(frame)
        outer = self._open[-1] if self._open else None
        is_size = outer is not None and (frame.name.lower() in _SIZES or outer.name.lower() in _SIZES)
        if renditions and is_size and outer is not None:
            outer.renditions += renditions
            if not frame.urls and outer.width is None:
                outer.width = frame.width  # `media_details` has the width of the original
        elif renditions:
            candidates = tuple(dict.fromkeys(candidate for candidate, _ in renditions))
            position = min(position for _, position in renditions)
            self._add(_Named(candidates, self._kind_of(frame.name), "", "", position, frame.alt))
        if frame.link:
            self._give_base(frame)

    def _renditions_of(self, frame: _Frame) -> list[tuple[Candidate, int]]:
        """Return the sizes of the one image of an object; the other images that it names are added."""
        named = [*frame.urls, *frame.addresses] if frame.is_image else frame.urls
        if frame.is_object and named and (frame.width is not None or frame.renditions):
            (_, url, position), *others = sorted(named, key=_is_address, reverse=True)
            own = [(Candidate(url, frame.width), position)]
        else:
            own, others = [], named
        for name, url, position in others:
            self._add(
                _Named((Candidate(url),), self._kind_of(name or frame.name), "", "", position, frame.alt)
            )
        return [*own, *frame.renditions]

    def _kind_of(self, name: str) -> SourceKind:
        return SourceKind.ICON if says_icon(name) else self._kind

    def _add(self, found: _Named) -> None:
        self.found.append(found)
        if found.media_type or not self._has_base:
            self._without_base.append(found)

    def _give_base(self, frame: _Frame) -> None:
        """Let the address of an object be the base URL of what it contains and has no nearer one."""
        while len(self._without_base) > frame.first:
            self.bases[id(self._without_base.pop())] = frame.link


def _is_address(named: tuple[str, str, int]) -> bool:
    """Return whether a URL stands under a name that says nothing else, as that of the image itself does."""
    return named[0].lower() in _ADDRESSES
