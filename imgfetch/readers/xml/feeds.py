"""Feeds: RSS 0.9x, 1.0 and 2.0, Atom (RFC 4287), with Media RSS 1.5.1 and the podcast vocabularies.

    XML ─▶ items: pictures that elements name, and content in HTML ─▶ each item's images, in their order

Content comes escaped, in CDATA, or as XHTML. Relative URLs in it are resolved against `xml:base`, else
against the address of the item, or of the site: it is a part of that page. Those of elements are resolved
against `xml:base`, else against the URL of the feed, and only without it against the same addresses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import unescape
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.markup import urls
from imgfetch.markup.data_urls import may_be_image
from imgfetch.markup.image_urls import with_ampersands
from imgfetch.markup.srcset import parse_srcset
from imgfetch.model.document import Document
from imgfetch.model.markup import Candidate, SourceKind, SourceSet
from imgfetch.readers.decoded import charset_of, located, placed
from imgfetch.readers.string_urls import urls_in
from imgfetch.readers.strings import StringType, is_image_url, string_type
from imgfetch.readers.xml.elements import Elements
from imgfetch.readers.xml.feed_items import Media, MediaOfPart, Picture, number, picture, pictures_of_item
from imgfetch.readers.xml.repair import read_repaired

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imgfetch.model.document import EachImage
    from imgfetch.readers.xml.elements import Open


def images(document: Document, each_image: EachImage) -> Iterator[SourceSet]:
    """Yield the images of a feed, item by item, in the order of the document. Never raise."""
    feed, read, unread = read_repaired(
        document.data,
        lambda: _Feed(document.base_url),
        charset=charset_of(document.content_type),
        contents=_CONTENTS,
    )
    feed.end_part(feed.channel)
    found = (
        image
        for part, link in ((feed.channel.found, ""), *feed.items)
        for image in _images_of(part, link or feed.channel.link, document, each_image)
    )
    yield from located((*unread,), read.text)
    yield from located(found, read.text)


def _images_of(
    part: Iterable[Picture | _Markup], link: str, document: Document, each_image: EachImage
) -> Iterator[SourceSet]:
    """Yield the images of an item, each once: its content often repeats what its elements name."""
    seen: set[tuple[str, ...]] = set()
    for found in part:
        if isinstance(found, Picture):
            base = found.base or link
            spelled = (each._replace(url=with_ampersands(each.url)) for each in found.candidates)
            candidates = tuple(each for each in spelled if may_be_image(each.url))
            if not candidates:
                continue
            image = SourceSet(candidates, found.kind, alt=found.alt, position=found.position)
            some: Iterator[SourceSet] = iter((urls.absolute(image, base) if base else image,))
        else:
            has_own_base = found.base != document.base_url
            base = found.base if has_own_base else link or found.base
            inside = Document(found.html, "text/html", base_url=base, depth=document.depth + 1)
            some = (placed(image, found.position) for image in each_image(inside))
        for image in some:
            names = tuple(candidate.url for candidate in image.candidates)
            if names not in seen or image.sources or image.problems:
                yield image
            seen.update(((*names,), *((name,) for name in names)))


class _Markup(NamedTuple):
    """HTML in an item."""

    html: str
    base: str
    position: int


@dataclass(slots=True)
class _Part:
    """An item, or the channel around all items."""

    found: list[Picture | _Markup] = field(default_factory=list)
    media: MediaOfPart = field(default_factory=lambda: MediaOfPart([], []))
    link: str = ""
    """The address of its page."""


_PAGES = frozenset(("link", "guid", "id", "comments", "docs", "url", "uri", "generator"))
"""Elements with the address of a page, or of a feed."""
_CONTENTS = ("description", "content:encoded", "content", "summary", "encoded")
"""Elements with HTML as their content."""
_PLAIN = frozenset(("text", "plain", "text/plain"))
"""Types of texts that hold no HTML (RFC 4287 §3.1.1.1, Media RSS 1.5.1)."""
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_ICONS = frozenset(("icon", "logo"))
_PICTURES = frozenset(("image", "images", "cover"))


class _Feed(Elements):
    """Collects what the items of a feed say."""

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.channel = _Part()
        self.items: list[tuple[tuple[Picture | _Markup, ...], str]] = []
        """What each item says that says anything of images, and the address of its page."""
        self._part = self.channel
        self._scopes: list[tuple[Open, MediaOfPart]] = []
        """Each open `media:group` or `media:content`, and the media inside it."""

    def opened(self, inside: Open) -> None:
        """Read what the attributes of an element say."""
        get = inside.element.get
        match inside.local:
            case "item" | "entry":
                self._part = _Part()
            case "group":
                self._scopes.append((inside, MediaOfPart([], [])))
            case "content" if get("url"):
                is_image = get("medium") == "image" or (
                    not get("medium") and _is_image(get("url"), get("type"))
                )
                contents = [_media(inside, get("url"))] if is_image else []
                self._scopes.append((inside, MediaOfPart(contents, [])))
            case "thumbnail" if get("url"):
                self._media.thumbnails.append(_media(inside, get("url")))
            case "enclosure" if _is_image(url := get("url") or get("resource", namespace=_RDF), get("type")):
                self._media.contents.append(_media(inside, url))
            case "link" if get("href"):
                self._link(inside)
            case "content" if _is_image(get("src"), get("type")):
                self._add(inside, get("src"))
            case local if (local in _PICTURES or local == "img") and get("srcset"):
                self._add(inside, *parse_srcset(get("srcset")))
            case "img":  # HTML that is neither escaped nor in its namespace
                self._add(inside, get("src"))
            case local if local in _PICTURES or local in _ICONS:
                self._add(inside, get("href") or get("image") or get("url"))

    def closed(self, inside: Open, text: str) -> None:
        """Read what the text of an element says, or gather what stood inside it."""
        if self._scopes and self._scopes[-1][0] is inside:
            self._end_scope(inside, self._scopes.pop()[1])
            return
        text = text.strip()
        match inside.local:
            case "item" | "entry":
                self.end_part(self._part)
                if self._part is not self.channel and self._part.found:
                    self.items.append((tuple(self._part.found), self._part.link))
                self._part = self.channel
            case "link" if text and not self._part.link and not self.is_inside("image"):
                self._part.link = _web_url(text, inside.base)
            case "origLink":  # FeedBurner's `link` leads to itself
                self._part.link = _web_url(text, inside.base) or self._part.link
            case "url" if self.is_inside("image") or self.is_inside("logo"):
                self._add(
                    inside, text, kind=SourceKind.ICON if self._part is self.channel else SourceKind.FEED
                )
            case "icon" | "logo":
                self._add(inside, text)
            case local if text and local not in _PAGES:
                self._text(inside, text)

    def markup(self, html: str, outside: Open, position: int) -> None:
        """Add XHTML that an element contains."""
        self._part.found.append(_Markup(html, outside.base, position))

    def end_part(self, part: _Part) -> None:
        """Add the pictures that an item names by elements, in the order of the document."""
        pictures = [*pictures_of_item(part.media)]
        if pictures:
            part.found = sorted((*part.found, *pictures), key=attrgetter("position"))
        part.media = MediaOfPart([], [])

    @property
    def _media(self) -> MediaOfPart:
        """The media of the innermost group, content or item that is open."""
        return self._scopes[-1][1] if self._scopes else self._part.media

    def _end_scope(self, inside: Open, media: MediaOfPart) -> None:
        """Make an image of the media of a group, or of a content with its thumbnails."""
        if inside.local == "content" and (self._scopes or not media.thumbnails):
            self._media.contents.extend(media.contents)
            self._media.thumbnails.extend(media.thumbnails)
        elif media.contents:
            self._part.found.append(picture(*media))
        else:
            self._part.found.extend(pictures_of_item(media))

    def _link(self, inside: Open) -> None:
        """Read a link of Atom: to an enclosure, or to the page of the entry (RFC 4287 §4.2.7)."""
        element = inside.element
        relation, href = element.get("rel", "alternate"), element.get("href")
        if relation == "enclosure" and _is_image(href, element.get("type")):
            self._media.contents.append(_media(inside, href))
        elif relation == "alternate" and not self._part.link:
            self._part.link = _web_url(href, inside.base)

    def _text(self, inside: Open, text: str) -> None:
        is_plain = inside.element.get("type").lower() in _PLAIN
        found = string_type(text, inside.local)
        named = urls_in(text, inside.local, found) if found is not StringType.HTML else ()
        html = text if found is StringType.HTML else unescape(text) if "&lt;" in text else ""
        for each in named:
            self._add(inside, each)
        if not (named or is_plain) and string_type(html) is StringType.HTML:
            self._part.found.append(_Markup(html, inside.base, inside.element.position))

    def _add(self, inside: Open, *found: str | Candidate, kind: SourceKind | None = None) -> None:
        """Add an image that an element names, if its URL is not empty."""
        candidates = tuple(Candidate(each) if isinstance(each, str) else each for each in found if each)
        if candidates:
            kind = kind or (SourceKind.ICON if inside.local in _ICONS else SourceKind.FEED)
            self._part.found.append(Picture(candidates, kind, inside.base, inside.element.position))


def _media(inside: Open, url: str) -> Media:
    get = inside.element.get
    return Media(url, number(get("width")), number(get("height")), inside.base, inside.element.position)


def _is_image(url: str, media_type: str) -> bool:
    """Return whether a URL is of an image, by its type, or by its extension where it has no telling type."""
    media_type = media_type.strip().lower()
    if media_type in ("", "application/octet-stream"):
        return is_image_url(url) or is_image_url(f"/{url}")
    return bool(url) and (media_type.startswith("image/") or is_image_url(f"/a.{media_type}"))


def _web_url(text: str, base: str) -> str:
    text = (urls.resolve(text, base) or "") if base else text
    return text if text.startswith(("https://", "http://")) else ""
