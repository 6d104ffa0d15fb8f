"""HTML: the elements of a page that ask for images, as the HTML parser makes its tree (HTML §13.2).

    text ─▶ parse: the tree a browser builds ─▶ read_page: what each img, source, base and link says

turbohtml is the parser: of those measured it alone takes linear time on every hostile page tried (nested
lists, 10⁵ attributes), stops nesting at 512 elements as browsers do, knows the scripting flag and keeps
lone surrogates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    import turbohtml

    Attr: TypeAlias = Callable[[str], str | None]
    """What an attribute of an element says, None where it is absent: read when it is asked for, as most
    of them never are."""


class Image(NamedTuple):
    """An `<img>`."""

    attr: Attr
    sources: Sequence[Attr]
    """The `<source>` children of its picture, whether before or after it."""
    before: int
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


_OF_A_LINK = ("rel", "href", "as", "media", "type", "imagesrcset", "imagesizes")
"""Its attributes, in the order of the fields."""


def read_page(markup: str, *, scripting: bool = True) -> Page:
    """The images and links of a page; without `scripting` the content of `noscript` is read too."""
    from turbohtml import Namespace

    document = parse(markup, scripting=scripting)
    images: list[Image] = []
    links: list[Link] = []
    # An image shares the sources of its picture with the others in it, so that a thousand images among a
    # thousand sources are two thousand things, and not a million.
    pictures: dict[turbohtml.Node | None, list[Attr]] = {}
    for element in document.select("img, picture > source, link"):  # find_all takes three times as long
        if element.namespace is not Namespace.HTML:  # <svg><source>: not ours, whatever its name
            continue
        match element.tag:
            case "img":
                sources = pictures.get(element.parent, ())
                images.append(Image(element.attr, sources, len(sources)))
            case "source":
                pictures.setdefault(element.parent, []).append(element.attr)
            case _:
                links.append(Link._make(map(element.attr, _OF_A_LINK)))
    return Page(base_href(document), tuple(images), tuple(links))


def metas(markup: str) -> tuple[tuple[str, str], ...]:
    """The `name` and `content` of each `meta` of a page that has both."""
    found = ((element.attr("name"), element.attr("content")) for element in parse(markup).find_all("meta"))
    return tuple((name, content) for name, content in found if name is not None and content is not None)


def parse(markup: str, *, scripting: bool = True) -> turbohtml.Document:
    """The document, without what its templates hold: that is no part of the page until a script says so."""
    import turbohtml

    document = turbohtml.parse(markup, scripting=scripting)
    for template in document.find_all("template"):
        if template.namespace.name == "HTML":
            template.decompose()
    return document


def base_href(document: turbohtml.Document) -> str | None:
    """The `href` of the first `<base>` that has one: the others say nothing (HTML §4.2.3)."""
    element = base_element(document)
    return None if element is None else element.attr("href")


def base_element(document: turbohtml.Document) -> turbohtml.Element | None:
    """The first `<base>` that has a `href`."""
    for element in document.find_all("base"):
        if element.attr("href") is not None and element.namespace.name == "HTML":
            return element
    return None
