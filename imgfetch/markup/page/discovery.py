"""Discovery: every image that a page offers, in any element, attribute, style or script.

    html ─▶ elements that may name an image ─▶ a SourceSet each ─▶ noscript joined ─▶ absolute URLs
                     ▲                                  ▲
    page inside ─────┘ noscript, srcdoc, shadow roots   └ image_elements │ elements │ structured_data

A browser shows only some of them: `kind` names the place of each, so that a caller can choose.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING

from imgfetch.markup import referrer_policy, urls
from imgfetch.markup.css.css_images import find_css_images, with_problems_of_others
from imgfetch.markup.page import html
from imgfetch.markup.page.bases import bases_of
from imgfetch.markup.page.elements import (
    IMAGE_ATTRIBUTES,
    IMAGE_TAGS,
    backgrounds,
    images_of,
    link_images,
)
from imgfetch.markup.page.image_attributes import located
from imgfetch.markup.page.image_elements import image_of, source_of
from imgfetch.markup.page.layout import layout_of, surroundings_of
from imgfetch.markup.page.lazy import linked_original
from imgfetch.markup.page.links import read_link_header
from imgfetch.markup.page.microdata import is_in_image_object
from imgfetch.markup.page.noscript import Found, join
from imgfetch.markup.page.places import PageText, at_start_of
from imgfetch.markup.page.structured_data import Graph
from imgfetch.markup.positions import Lines
from imgfetch.model.markup import Candidate, Layout, Place, Problem, Source, SourceKind, SourceSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import turbohtml

    from imgfetch.markup.page.bases import Bases
    from imgfetch.markup.page.image_attributes import Attributes
    from imgfetch.model.markup import Layout, ReferrerPolicy

_SELECTOR = ",".join(
    (
        *(tag for tag in IMAGE_TAGS if tag != "iframe"),
        "iframe[srcdoc]",
        '[style*="url(" i], [style*="image-set(" i], [style*="\\\\"]',
        *(f"[{name}]" for name in IMAGE_ATTRIBUTES if name != "style"),
    )
)
_JSON_LD = "application/ld+json"
_DEEPEST = 3
"""Pages inside pages (`srcdoc`) that are read."""


def find_page_images(
    page: str, *, base_url: str = "", link_headers: Iterable[str] = (), encoding: str = "utf-8"
) -> Iterator[SourceSet]:
    """Yield every image of an HTML page, in document order, with absolute URLs if `base_url` is given.

    `encoding` is that of the page: queries are written in it (URL §4.4, query state).
    The images of its response's `Link` fields come first, and those that only its scripts name last. A lazy
    image is joined with its placeholder, and with the `noscript` that stands for it. Never raises: parts that
    could not be read are in `problems`, and a source set without candidates has only those. A problem that
    concerns no single image, such as an invalid `<base href>` or unreadable CSS, is among those of the next
    image, or of the last. The page is parsed at the first image, each image at its turn.
    """
    page = without_surrogates(page)
    document = html.parse(page, locations=True, shadows=True)
    lines = Lines(page)
    pending: list[Problem] = []
    bases = bases_of(document, base_url, lines, pending)
    of_fields = ((True, each) for value in link_headers for each in _field_images(value, base_url, pending))
    reading = _Reading(bases, encoding, lines, referrer_policy.of_metas(html.metas_of(document)))
    found = ((names, each) for names, each in chain(of_fields, reading.images(document, page)))
    return with_problems_of_others(
        ((names, each) for names, each in found if each.candidates or each.sources or each.problems), pending
    )


def without_surrogates(page: str) -> str:
    """Return the page with U+FFFD for each lone surrogate, which the parser does not take in names."""
    try:
        page.encode()
    except UnicodeEncodeError:
        return re.sub("[\ud800-\udfff]", "\ufffd", page)
    return page


def _field_images(value: str, base_url: str, problems: list[Problem]) -> Iterator[SourceSet]:
    """Yield the images of a `Link` field: preloads, icons."""
    found, unread = read_link_header(value)
    problems += located("a Link field", unread)
    for link in found:
        attributes = {name.rstrip("_"): text for name, text in link._asdict().items() if text}
        yield from (urls.absolute(image, base_url) for image in link_images(attributes))


class _Reading:
    """One reading of a page, and of the pages inside it."""

    def __init__(self, bases: Bases, encoding: str, lines: Lines, policy: ReferrerPolicy | None) -> None:
        self._bases = bases
        self._encoding = encoding
        self._lines = lines
        self._policy = policy

    def images(self, document: turbohtml.Document, page: str) -> Iterator[tuple[bool, SourceSet]]:
        """Yield the images with absolute URLs, and False with broken CSS or JSON-LD, which may have none."""
        part = _Part(document, PageText(page))
        seen: set[str] | None = set() if part.scripts else None
        for found in join(part.images()) if part.has_noscript else part.images():
            image = self._finished(found)
            if seen is not None:
                seen.update(each.url for each in image.candidates)
                seen.update(each.url for source in image.sources for each in source.candidates)
            names = bool(image.candidates or image.sources)
            yield names or image.kind not in (SourceKind.CSS, SourceKind.JSON_LD), image
        for found in part.script_images():
            image = self._finished(found)
            url = image.candidates[0].url if image.candidates else ""
            if seen is not None and url not in seen:
                seen.add(url)
                yield True, image

    def _finished(self, found: Found) -> SourceSet:
        """Return the image with absolute URLs, and its problems at the position of its element.

        It has the referrer policy of the page if its element has none of its own.
        """
        image = urls.absolute(found.source_set, self._bases.of(found), encoding=self._encoding)
        if self._policy and not image.referrer_policy:
            image = image._replace(referrer_policy=self._policy)
        if not image.problems:
            return image
        problems = tuple(at_start_of(found.element, each, self._lines) for each in image.problems)
        return image._replace(problems=problems)


class _Part:
    """A document of its own: the page, the content of a `noscript`, or a `srcdoc`."""

    def __init__(
        self,
        document: turbohtml.Document,
        text: PageText | None,
        *,
        depth: int = 0,
        is_scripted: bool = True,
    ) -> None:
        self._text = text
        self._depth = depth
        self._is_scripted = is_scripted
        self._elements = document.select(_SELECTOR)
        self._graph: Graph | None = None
        self._linked: set[turbohtml.Node] = set()
        tags = {element.tag for element in self._elements}
        self.has_noscript = "noscript" in tags
        self.scripts = _with_data(self._elements) if "script" in tags else []

    def images(self) -> Iterator[Found]:
        """Yield the images of all elements, in document order."""
        pictures: dict[turbohtml.Node, tuple[list[Source], list[Problem], list[Place]]] = {}
        for element in self._elements:
            tag, parent = element.tag, element.parent
            match tag:
                case "script" if _is_json_ld(element):
                    yield from self._json_ld(element)
                    continue
                case "script":
                    continue
                case "noscript":
                    if self._is_scripted:  # else its elements are those of the document
                        yield from self._noscript(element)
                    continue
                case "style":
                    yield from self._style(element)
                    continue
                case "iframe":
                    yield from self._srcdoc(element)
                    continue
            attributes = _attributes_of(element)
            if tag in _IMAGES and (tag != "input" or attributes.get("type", "").lower() == "image"):
                # A picture has one image: a thousand images would each repeat all its sources.
                nothing: tuple[list[Source], list[Problem], list[Place]] = ([], [], [])
                of_picture = pictures.pop(parent, nothing) if parent is not None else nothing
                yield from self._image(element, attributes, *of_picture)
            elif tag == "source" and parent is not None and getattr(parent, "tag", "") == "picture":
                sources, unread, places = pictures.setdefault(parent, ([], [], []))
                source, names = source_of(attributes, unread)
                if source is not None:
                    sources.append(source)
                    places += self._places(element, names)
            else:
                for image, names in images_of(
                    tag, attributes, in_image_object=is_in_image_object(element, attributes)
                ):
                    yield self._found(element, image, names)
        for picture, (sources, problems, places) in pictures.items():
            # Its img is elsewhere by the rules of the parser; browsers request these before they know.
            if sources:
                image = SourceSet((), SourceKind.PICTURE, problems=tuple(problems), sources=tuple(sources))
                yield self._found(picture, image, (), places=places)  # type: ignore[arg-type]

    def _image(
        self,
        element: turbohtml.Element,
        attributes: Attributes,
        sources: list[Source],
        problems: list[Problem],
        places: list[Place],
    ) -> Iterator[Found]:
        own = [*backgrounds(element.tag, attributes)]
        section, link = surroundings_of(element)
        linked: tuple[Candidate, ...] = ()
        if link is not None and link not in self._linked:
            # The target of a link is the larger form of one image.
            self._linked.add(link)
            linked, names = linked_original(_attributes_of(link))
            if linked:
                places = [*places, *self._places(link, names)]
        data_urls = tuple(
            each.url for back in own for each in back.source_set.candidates if each.url[:5] == "data:"
        )
        image, names = image_of(
            element.tag, attributes, tuple(sources), problems, linked=linked, previews=data_urls
        )
        yield self._found(element, image, names, layout_of(attributes, section), places)
        for each, names in own:
            if not any(candidate.url in data_urls for candidate in each.candidates):
                yield self._found(element, each, names, layout_of({}, section))

    def _found(
        self,
        element: turbohtml.Element,
        image: SourceSet,
        names: Iterable[str],
        layout: Layout | None = None,
        places: Iterable[Place] = (),
    ) -> Found:
        """Return an image with its layout and position, and with the places of its attributes."""
        if layout is None:
            layout = layout_of({}, surroundings_of(element).section)
        if self._text is None:
            return Found(image._replace(layout=layout), element)
        position, own = self._text.locate(element, names)
        image = image._replace(position=position, places=(*places, *own), layout=layout)
        return Found(image, element)

    def _places(self, element: turbohtml.Element, names: Iterable[str]) -> list[Place]:
        return [] if self._text is None else self._text.locate(element, names)[1]

    def _content(self, element: turbohtml.Element) -> tuple[Place, ...]:
        place = None if self._text is None else self._text.content(element)
        return () if place is None else (place,)

    def _style(self, element: turbohtml.Element) -> Iterator[Found]:
        places = self._content(element)
        for image in find_css_images(element.text):
            yield self._found(element, image, (), places=places)

    def _json_ld(self, element: turbohtml.Element) -> Iterator[Found]:
        if self._graph is None:
            self._graph = Graph()
            for each in self._elements:
                if each.tag == "script" and _is_json_ld(each):
                    self._graph.add(each, each.text)
        places = self._content(element)
        for image in self._graph.images(element):
            yield self._found(element, image, (), places=places)

    def script_images(self) -> Iterator[Found]:
        """Yield the images that only the data of scripts name."""
        from imgfetch.markup.page.script_data import image_urls

        for element in self.scripts:
            content = self._content(element)
            for offset, url in image_urls(element.text):
                image = SourceSet((Candidate(url),), SourceKind.SCRIPT)
                found = self._found(element, image, ())
                at = content[0].position + offset if content else 0
                yield found._replace(source_set=found.source_set._replace(position=at))

    def _noscript(self, element: turbohtml.Element) -> Iterator[Found]:
        """Yield the images of a `noscript`, which are elements of the page without scripts."""
        place = None if self._text is None else self._text.content(element)
        markup, text = (element.text, None) if place is None else self._text.part(place)  # type: ignore[union-attr]
        document = html.parse(markup, scripting=False, locations=text is not None, shadows=True)
        part = _Part(document, text, depth=self._depth, is_scripted=False)
        for found in part.images():
            image = found.source_set._replace(kind=SourceKind.NOSCRIPT)
            yield Found(image, element)

    def _srcdoc(self, element: turbohtml.Element) -> Iterator[Found]:
        """Yield the images of the page in a `srcdoc`; its base URL is that of this page (HTML §4.8.5)."""
        if self._depth >= _DEEPEST:
            return
        markup = element.attr("srcdoc") or ""
        part = _Part(html.parse(markup, shadows=True), None, depth=self._depth + 1)
        for found in join(part.images()):
            image = found.source_set
            yield self._found(element, image, ("srcdoc",), image.layout)


def _with_data(elements: Iterable[turbohtml.Element]) -> list[turbohtml.Element]:
    """Return the scripts among the elements that may have data."""
    from imgfetch.markup.page.script_data import may_hold_data

    return [each for each in elements if each.tag == "script" and may_hold_data(each.attr("type") or "")]


def _is_json_ld(script: turbohtml.Element) -> bool:
    return (script.attr("type") or "").partition(";")[0].strip().lower() == _JSON_LD


_IMAGES = frozenset({"img", "amp-img", "amp-anim", "input"})


def _attributes_of(element: turbohtml.Element) -> dict[str, str]:
    try:
        attributes = element.attrs.items()
    except UnicodeDecodeError:  # the parser cannot give the names if one has a lone surrogate
        return {name: text for name in _USUAL if (text := element.attr(name)) is not None}
    return {name: text if isinstance(text, str) else " ".join(text or ()) for name, text in attributes}


_USUAL = ("src", "srcset", "sizes", "alt", "href", "rel", "content", "property", "poster", "style")
