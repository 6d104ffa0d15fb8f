"""HTML: the elements of a page that ask for images, as the HTML parser makes its tree (HTML §13.2).

    text ─▶ parse: the tree a browser builds ─▶ read_page: what each img, source, base and link says

turbohtml is the parser: of those measured it alone takes linear time on every hostile page tried (nested
lists, 10⁵ attributes), stops nesting at 512 elements as browsers do, knows the scripting flag and keeps
lone surrogates.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import turbohtml


class Source(NamedTuple):
    """A `<source>` of a picture; None where an attribute is absent."""

    srcset: str | None
    sizes: str | None
    media: str | None
    type: str | None
    width: str | None


class Image(NamedTuple):
    """An `<img>`; None where an attribute is absent."""

    src: str | None
    srcset: str | None
    sizes: str | None
    loading: str | None
    width: str | None
    style: str | None
    picture: tuple[Source, ...] = ()
    """The `<source>` children of its picture, whether before or after it."""
    before: int = 0
    """How many of them come before it: only those can stand for it."""


class Link(NamedTuple):
    """A `<link>`; None where an attribute is absent."""

    rel: str | None
    href: str | None
    as_: str | None
    media: str | None
    type: str | None
    imagesrcset: str | None
    imagesizes: str | None


class Page(NamedTuple):
    """What a page says of its images, in document order."""

    base: str | None
    """The `href` of the first `<base>` that has one."""
    images: tuple[Image, ...]
    links: tuple[Link, ...]


def read_page(markup: str, *, scripting: bool = True) -> Page:
    """The images and links of a page; without `scripting` the content of `noscript` is read too."""
    from turbohtml import Namespace

    document = parse(markup, scripting=scripting)
    reader = _Reader()
    for element in document.select("img, source, link"):  # find_all takes three times as long
        if element.namespace is not Namespace.HTML:  # <svg><source>: not ours, whatever its name
            continue
        match element.tag:
            case "img":
                reader.image(element)
            case "source":
                reader.source(element)
            case _:
                reader.link(element)
    return Page(base_href(document), tuple(reader.images()), tuple(reader.links))


def parse(markup: str, *, scripting: bool = True) -> turbohtml.Document:
    """The document, without what its templates hold: that is no part of the page until a script says so."""
    import turbohtml

    document = turbohtml.parse(markup, scripting=scripting, positions=False)
    for template in document.find_all("template"):
        if template.namespace.name == "HTML":
            template.decompose()
    return document


def base_href(document: turbohtml.Document) -> str | None:
    """The `href` of the first `<base>` that has one: the others say nothing (HTML §4.2.3)."""
    for element in document.find_all("base"):
        href = element.attr("href")
        if href is not None and element.namespace.name == "HTML":
            return href
    return None


@dataclass(slots=True)
class _Reader:
    """Gathers images and the pictures they stand in.

    An image shares the sources of its picture with the others in it, so that a thousand images among a
    thousand sources are two thousand things, and not a million.
    """

    links: list[Link] = field(default_factory=list)
    _found: list[tuple[turbohtml.Element, turbohtml.Node | None, int]] = field(default_factory=list)
    _pictures: dict[turbohtml.Node, list[Source]] = field(default_factory=dict)

    def image(self, element: turbohtml.Element) -> None:
        parent = element.parent
        self._found.append((element, parent, len(self._pictures.get(parent, ())) if parent else 0))

    def source(self, element: turbohtml.Element) -> None:
        parent = element.parent
        if parent is not None and _is_picture(parent):
            names = ("srcset", "sizes", "media", "type", "width")
            source = Source(*map(element.attr, names))
            self._pictures.setdefault(parent, []).append(source)

    def link(self, element: turbohtml.Element) -> None:
        names = ("rel", "href", "as", "media", "type", "imagesrcset", "imagesizes")
        self.links.append(Link(*map(element.attr, names)))

    def images(self) -> list[Image]:
        pictures = {picture: tuple(sources) for picture, sources in self._pictures.items()}
        images = []
        for element, parent, before in self._found:
            picture = pictures[parent] if parent is not None and before else ()
            get = element.attr
            image = Image(
                get("src"),
                get("srcset"),
                get("sizes"),
                get("loading"),
                get("width"),
                get("style"),
                picture,
                before,
            )
            images.append(image)
        return images


def _is_picture(node: turbohtml.Node) -> bool:
    return getattr(node, "tag", None) == "picture" and getattr(node, "namespace").name == "HTML"  # noqa: B009
