"""HTML: the elements of a page that request images, in the tree of the HTML parser (HTML §13.2).

    text ─▶ parse: the tree that a browser builds ─▶ read_page: the attributes of img, source, base and link

turbohtml is the parser. Of those measured, only turbohtml takes linear time on every hostile page tried
(nested lists, 10⁵ attributes). It stops nesting at 512 elements as browsers do, has the scripting flag and
preserves lone surrogates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeAlias

    import turbohtml

    Attr: TypeAlias = Callable[[str], str | None]
    """The getter of an element's attributes: the value of the named one, None if it is absent."""


class Image(NamedTuple):
    """An `<img>`."""

    attr: Attr
    sources: Sequence[Attr]
    """The `<source>` children of its picture, before and after it."""
    before: int
    """The number of sources before it: only these can be chosen in its place."""
    in_picture: bool = False
    """True for the child of a `<picture>`, with sources or without."""
    after_base: bool = True
    """False where the `<base>` that has a `href` comes later: its URLs were resolved before that."""


class Link(NamedTuple):
    """A `<link>`; None for an absent attribute."""

    rel: str | None
    href: str | None
    as_: str | None
    media: str | None
    type: str | None
    imagesrcset: str | None
    imagesizes: str | None
    referrerpolicy: str | None = None


class Page(NamedTuple):
    """The images and links of a page, in document order."""

    base: str | None
    """The `href` of the first `<base>` that has one."""
    images: tuple[Image, ...]
    links: tuple[Link, ...]


_LINK_ATTRIBUTES = ("rel", "href", "as", "media", "type", "imagesrcset", "imagesizes", "referrerpolicy")
"""The attributes of a link, in the order of the fields of `Link`."""


def read_page(markup: str, *, scripting: bool = True) -> Page:
    """Return the images and links of a page; without `scripting`, the content of `noscript` is read too."""
    from turbohtml import Namespace

    document = parse(markup, scripting=scripting)
    images: list[Image] = []
    links: list[Link] = []
    # The images of a picture share one list of sources: a thousand images among a thousand sources are two
    # thousand objects, not a million.
    pictures: dict[turbohtml.Node | None, list[Attr]] = {}
    base = base_element(document)
    after_base = base is None
    for element in document.select("img, picture > source, link, base"):  # find_all takes thrice as long
        if element.namespace is not Namespace.HTML:  # <svg><source> is another element
            continue
        match element.tag:
            case "img":
                sources = pictures.get(element.parent, ())
                in_picture = getattr(element.parent, "tag", "") == "picture"
                images.append(Image(element.attr, sources, len(sources), in_picture, after_base))
            case "base":
                after_base = after_base or element == base
            case "source":
                pictures.setdefault(element.parent, []).append(element.attr)
            case _:
                links.append(Link._make(map(element.attr, _LINK_ATTRIBUTES)))
    href = None if base is None else base.attr("href")
    return Page(href, tuple(images), tuple(links))


def metas(markup: str) -> tuple[tuple[str, str], ...]:
    """Return the `name` and `content` of each `meta` of a page that has both."""
    return tuple(metas_of(parse(markup)))


def metas_of(document: turbohtml.Document) -> Iterator[tuple[str, str]]:
    """Yield the `name` and `content` of each `meta` of a document that has both."""
    for element in document.find_all("meta"):
        name, content = element.attr("name"), element.attr("content")
        if name is not None and content is not None:
            yield name, content


def parse(
    markup: str, *, scripting: bool = True, locations: bool = False, shadows: bool = False
) -> turbohtml.Document:
    """Parse a page, without the contents of its templates: only a script makes these a part of the page.

    Declarative shadow roots (HTML §13.2.6.4.4) are left out too, as `document.querySelector` does; with
    `shadows`, they are read in their place. With `locations`, each element knows where it and its attributes
    are in the page.
    """
    import turbohtml

    shadows = shadows and ("hadow" in markup or "HADOW" in markup) and _SHADOW_ROOT in markup.lower()
    document = turbohtml.parse(
        markup,
        scripting=scripting,
        source_locations=locations,
        allow_declarative_shadow_roots=not shadows,
    )
    hosts: set[turbohtml.Node] = set()
    for template in document.find_all("template"):
        if template.namespace.name == "HTML" and not (shadows and _is_shadow_root(template, hosts)):
            template.decompose()
    return document


_SHADOW_ROOT = "shadowrootmode"
_SHADOW_HOSTS = frozenset(
    (
        *("article", "aside", "blockquote", "body", "div", "footer", "h1", "h2", "h3", "h4", "h5", "h6"),
        *("header", "main", "nav", "p", "section", "span"),
    )
)
"""Elements that may have a shadow root, beside custom elements (DOM §4.9, attach a shadow root)."""


def _is_shadow_root(template: turbohtml.Element, hosts: set[turbohtml.Node]) -> bool:
    """Return True if a template is the first declarative shadow root of an element that may have one."""
    host = template.parent
    tag = getattr(host, "tag", "")
    mode = (template.attr(_SHADOW_ROOT) or "").lower()
    if host is None or host in hosts or mode not in ("open", "closed"):
        return False
    if tag not in _SHADOW_HOSTS and "-" not in tag:
        return False
    hosts.add(host)
    return True


def base_element(document: turbohtml.Document) -> turbohtml.Element | None:
    """Return the first `<base>` that has a `href`; the others have no effect (HTML §4.2.3)."""
    for element in document.find_all("base"):
        if element.attr("href") is not None and element.namespace.name == "HTML":
            return element
    return None
