"""Discovery: every image that a page offers, in any element, attribute or style.

    html ─▶ elements that may name an image ─▶ a SourceSet each ─▶ lazy image and noscript joined ─▶ absolute

A browser shows only some of them: `kind` names the place of each, so that a caller can choose.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.markup import referrer_policy, urls
from imgfetch.markup.css.css_images import find_css_images, with_problems_of_others
from imgfetch.markup.page import html
from imgfetch.markup.page.image_attributes import (
    LAZY_BACKGROUND,
    LAZY_SIZES,
    LAZY_SRC,
    LAZY_SRCSET,
    NUMBER,
    candidates_of,
    condition_problems,
    first,
    has_lazy_attributes,
    lazy_candidates,
    located,
    show_something,
    single,
    with_src,
)
from imgfetch.markup.page.layout import layout_of, section_of
from imgfetch.markup.page.links import read_link_header
from imgfetch.markup.page.structured_data import json_ld_images, meta_images
from imgfetch.markup.positions import Lines
from imgfetch.markup.sizes import sizes_problems
from imgfetch.markup.srcset import excerpt, parse_srcset, read_srcset
from imgfetch.model.markup import Candidate, Problem, Source, SourceKind, SourceSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import turbohtml

    from imgfetch.markup.page.image_attributes import Attributes
    from imgfetch.model.markup import ReferrerPolicy

_SELECTOR = ",".join(
    (
        "img, source, link, meta, style, script, noscript, video, input, amp-img, amp-anim, amp-video",
        "image, feImage",
        '[style*="url(" i], [style*="image-set(" i], [style*="\\\\"], [background]',
        *(f"[{name}]" for name in ("data-bgset", *LAZY_BACKGROUND)),
    )
)
_ICONS = frozenset({"icon", "apple-touch-icon", "apple-touch-icon-precomposed", "mask-icon", "fluid-icon"})
_META_LINKS = frozenset({"image_src", "thumbnail"})
_LEGACY_BACKGROUND = frozenset({"body", "table", "thead", "tbody", "tfoot", "tr", "td", "th"})
_BGSET_MEDIA = re.compile(r"\[[^\]]*+\]?|\|")
_SHOWN = frozenset({SourceKind.IMG, SourceKind.PICTURE, SourceKind.LAZY, SourceKind.AMP})
"""The kinds of images that a `noscript` may repeat."""


class _Found(NamedTuple):
    source_set: SourceSet
    urls: frozenset[str] = frozenset()
    """All URLs that the element names, chosen or not."""
    is_adjacent: bool = False
    """True if the image is in a noscript next to another image."""
    element: turbohtml.Element | None = None
    """The element of the page that names the image."""


def find_page_images(
    page: str, *, base_url: str = "", link_headers: Iterable[str] = (), encoding: str = "utf-8"
) -> Iterator[SourceSet]:
    """Yield every image of an HTML page, in document order, with absolute URLs if `base_url` is given.

    `encoding` is that of the page: queries are written in it (URL §4.4, query state).
    The images of its response's `Link` fields come first. A lazy image is joined with its placeholder, and
    with the `noscript` next to it. Never raises: parts that could not be read are in `problems`, and a source
    set without candidates has only those. A problem that concerns no single image, such as an invalid
    `<base href>` or unreadable CSS, is among those of the next image, or of the last. The page is parsed at
    the first image, each image at its turn.
    """
    document = html.parse(page)
    lines = Lines(page)
    pending: list[Problem] = []
    base = _base(document, base_url, lines, pending)
    policy = referrer_policy.of_metas(html.metas_of(document))
    of_fields = ((True, each) for value in link_headers for each in _field_images(value, base_url, pending))
    of_page = (
        (_names_an_image(found.source_set), _finished(found, base, encoding, lines, policy))
        for found in _join(_read(document))
    )
    found = ((names, each) for names, each in chain(of_fields, of_page) if _has_content(each))
    return with_problems_of_others(found, pending)


def _has_content(image: SourceSet) -> bool:
    return bool(image.candidates or image.sources or image.problems)


def _names_an_image(found: SourceSet) -> bool:
    """Return False for broken CSS or JSON-LD, which may have no image at all."""
    return bool(found.candidates or found.sources) or found.kind not in (SourceKind.CSS, SourceKind.JSON_LD)


def _base(document: turbohtml.Document, base_url: str, lines: Lines, problems: list[Problem]) -> str:
    element = html.base_element(document)
    if element is None:
        return base_url
    href = element.attr("href") or ""
    base = urls.base_url(href, base_url) or base_url
    if base == base_url and urls.resolve(href, base_url) != base_url:
        reason = "not a URL that a page may have as its base (in base href)"
        problems.append(_at(element, Problem(0, excerpt(href), reason), lines))
    return base


def _field_images(value: str, base_url: str, problems: list[Problem]) -> Iterator[SourceSet]:
    """Yield the images of a `Link` field: preloads, icons."""
    found, unread = read_link_header(value)
    problems += located("a Link field", unread)
    for link in found:
        attributes = {name.rstrip("_"): text for name, text in link._asdict().items() if text}
        yield from (urls.absolute(image, base_url) for image in _link_images(attributes))


def _finished(
    found: _Found, base: str, encoding: str, lines: Lines, policy: ReferrerPolicy | None
) -> SourceSet:
    """Return the image with absolute URLs, and its problems at the position of its element.

    `policy` is that of the page, for elements that have none of their own.
    """
    image = urls.absolute(found.source_set, base, encoding=encoding)
    if policy and not image.referrer_policy:
        image = image._replace(referrer_policy=policy)
    section = section_of(found.element)
    if section:
        image = image._replace(layout=image.layout._replace(section=section))
    if not image.problems:
        return image
    return image._replace(problems=tuple(_at(found.element, each, lines) for each in image.problems))


def _at(element: turbohtml.Element | None, problem: Problem, lines: Lines) -> Problem:
    """Return the problem at the start tag of its element; at the beginning, if the page does not have it."""
    line, column = 1, 1
    if element is not None and element.source_line is not None:
        line, column = element.source_line, (element.source_col or 0) + 1
    return problem._replace(position=lines.offset(line, column), line=line, column=column)


# ---------------------------------------------------------------------------------------------------
# Elements


def _read(document: turbohtml.Document) -> Iterator[_Found]:
    """Yield the images of all elements of a document, in its order."""
    pictures: dict[turbohtml.Node, tuple[list[Source], list[Problem]]] = {}
    found: Iterator[_Found]
    for element in document.select(_SELECTOR):
        attributes = {
            name: text if isinstance(text, str) else " ".join(text or ())
            for name, text in element.attrs.items()
        }
        parent = element.parent
        match element.tag:
            case "img" | "amp-img" | "amp-anim":
                # A picture has one image: a thousand images would each repeat all its sources.
                nothing: tuple[list[Source], list[Problem]] = ([], [])
                sources, unread = pictures.pop(parent, nothing) if parent is not None else nothing
                found = _image(element.tag, attributes, tuple(sources), unread)
            case "source" if parent is not None and getattr(parent, "tag", "") == "picture":
                sources, unread = pictures.setdefault(parent, ([], []))
                sources.extend(_source(attributes, unread))
                continue
            case "noscript":
                found = _noscript(element)
            case tag:
                of_element = _other_images(element, tag, attributes)
                found = map(_Found, chain(of_element, _background(tag, attributes)))
        yield from (each._replace(element=element) for each in found)


def _other_images(element: turbohtml.Element, tag: str, attributes: Attributes) -> Iterator[SourceSet]:
    """Yield the images of an element other than `img` and `source`, without its background."""
    match tag:
        case "link":
            yield from _link_images(attributes)
        case "meta":
            yield from meta_images(attributes)
        case "style":
            yield from find_css_images(element.text)
        case "script" if attributes.get("type", "").strip().lower() == "application/ld+json":
            yield from json_ld_images(element.text)
        case "video" | "amp-video":
            yield from single(SourceKind.POSTER, first(attributes, "poster", "data-poster"))
        case "input" if attributes.get("type", "").lower() == "image":
            yield from single(SourceKind.IMG, first(attributes, *LAZY_SRC, "src"))
        case "image" | "feImage":
            yield from single(SourceKind.SVG, first(attributes, "href", "xlink:href"))


def _image(
    tag: str, attributes: Attributes, sources: tuple[Source, ...], problems: list[Problem]
) -> Iterator[_Found]:
    """Yield an `img` or `amp-img`, as a browser reads it or as a script will change it, and its backgrounds.

    `problems` are those of its sources, and receive its own.
    """
    own = candidates_of(attributes, "srcset", problems)
    src = written = first(attributes, "src")
    sizes = attributes.get("sizes", "")
    is_lazy = has_lazy_attributes(attributes)
    lazy = lazy_candidates(attributes, problems) if is_lazy else ()
    backgrounds = list(_background(tag, attributes))

    kind = SourceKind.PICTURE if sources else SourceKind.IMG
    if lazy and not (show_something(own) and lazy[0].url == src):
        own, src = lazy, ""
        kind, sizes = SourceKind.LAZY, first(attributes, *LAZY_SIZES) or sizes
    if tag != "img":
        kind = SourceKind.AMP
    problems += located("sizes", sizes_problems(sizes))
    candidates = own if show_something(own) and src.startswith("data:") else with_src(own, src)
    in_place = [written, *(c.url for c in candidates), *_data_urls(backgrounds)]
    shown = {candidate.url for candidate in candidates} if show_something(candidates) else set()
    image = SourceSet(
        candidates if shown else (),
        kind,
        sizes=sizes,
        alt=attributes.get("alt", ""),
        problems=tuple(problems),
        sources=sources,
        placeholder=next((url for url in in_place if url and url not in shown), ""),
        referrer_policy=referrer_policy.of_attribute(attributes.get("referrerpolicy", "")),
        layout=layout_of(attributes),
    )
    named = _urls(image).union(each.url for each in (*lazy, *own))
    if is_lazy:
        named.add(first(attributes, *LAZY_SRC))
    yield _Found(image, frozenset(named - {""}))
    yield from (_Found(each) for each in backgrounds if not _data_urls([each]))


def _data_urls(backgrounds: Iterable[SourceSet]) -> list[str]:
    """Return the data URLs among the backgrounds of an image: blurred previews, which the image covers."""
    found = (candidate.url for each in backgrounds for candidate in each.candidates)
    return [url for url in found if url.startswith("data:")]


def _urls(source_set: SourceSet) -> set[str]:
    every = [source_set.candidates, *(source.candidates for source in source_set.sources)]
    return {candidate.url for candidates in every for candidate in candidates}


def _source(attributes: Attributes, problems: list[Problem]) -> Iterator[Source]:
    """Yield the `source` of a picture, if it has candidates."""
    lazy = (*LAZY_SRCSET, *LAZY_SRC) if has_lazy_attributes(attributes) else ()
    candidates, unread = read_srcset(first(attributes, *lazy, "srcset"))
    problems += located("a source", unread)
    if candidates:
        sizes = first(attributes, *(LAZY_SIZES if lazy else ()), "sizes")
        problems += located("a source", condition_problems(attributes, sizes))
        yield Source(candidates, attributes.get("media", ""), attributes.get("type", ""), sizes)


def _background(tag: str, attributes: Attributes) -> Iterator[SourceSet]:
    """Yield the background images of an element: in its style, in `background`, in lazy attributes."""
    yield from find_css_images(attributes.get("style", ""))
    if not has_lazy_attributes(attributes):
        legacy = attributes.get("background") if tag in _LEGACY_BACKGROUND else None
        yield from single(SourceKind.IMG, legacy or "")
        return
    bgset = _BGSET_MEDIA.sub(",", attributes.get("data-bgset", ""))
    if candidates := parse_srcset(bgset):
        yield SourceSet(candidates, SourceKind.LAZY, sizes=first(attributes, *LAZY_SIZES))
    background = first(attributes, *LAZY_BACKGROUND)
    if background[:4].lower() == "url(":
        yield from (each._replace(kind=SourceKind.LAZY) for each in find_css_images(background))
    elif "/" in background or "." in background:  # data-background may also be a colour or a flag
        yield from single(SourceKind.LAZY, background)


def _link_images(attributes: Attributes) -> Iterator[SourceSet]:
    """Return the image of a `<link>`: a preload, an icon, or the picture that represents the page."""
    policy = referrer_policy.of_attribute(attributes.get("referrerpolicy", ""))
    return (image._replace(referrer_policy=policy) for image in _images_of_link(attributes))


def _images_of_link(attributes: Attributes) -> Iterator[SourceSet]:
    relations = set(attributes.get("rel", "").lower().split())
    href = first(attributes, "href")
    if relations & {"preload", "prefetch"}:
        if attributes.get("as", "").lower() == "image":
            problems: list[Problem] = []
            candidates = with_src(candidates_of(attributes, "imagesrcset", problems), href)
            sizes = attributes.get("imagesizes", "")
            problems += condition_problems(attributes, sizes)
            yield SourceSet(candidates, SourceKind.PRELOAD, sizes=sizes, problems=tuple(problems))
    elif relations & _ICONS and not href.startswith("data:,"):
        width = NUMBER.match(attributes.get("sizes", "").strip())
        if href:
            yield SourceSet((Candidate(href, int(width[0]) or None if width else None),), SourceKind.ICON)
    elif relations & _META_LINKS or attributes.get("itemprop", "").lower() == "image":
        yield from single(SourceKind.META, href)


# ---------------------------------------------------------------------------------------------------
# Images without scripts


def _noscript(element: turbohtml.Element) -> Iterator[_Found]:
    is_adjacent = _is_next_to_an_image(element)
    for found in _read(html.parse(element.text, scripting=False)):
        image = found.source_set._replace(kind=SourceKind.NOSCRIPT)
        yield found._replace(source_set=image, is_adjacent=is_adjacent)


def _is_next_to_an_image(noscript: turbohtml.Element) -> bool:
    """Return True if the element before, after or around is an image, or one next to it contains one."""
    if getattr(noscript.parent, "tag", "") in ("amp-img", "amp-anim"):
        return True
    before, after = noscript.previous_sibling, noscript.next_sibling
    while before is not None and not hasattr(before, "tag"):
        before = before.previous_sibling
    while after is not None and not hasattr(after, "tag"):
        after = after.next_sibling
    neighbours = (each for each in (before, after) if each is not None)
    return any(getattr(each, "tag", "") == "img" or each.find("img") is not None for each in neighbours)


def _join(found: Iterable[_Found]) -> Iterator[_Found]:
    """Yield the images; a lazy image and the `noscript` before or after it become one."""
    last: _Found | None = None
    for each in found:
        if last is not None and (joined := _joined(last, each)) is not None:
            yield joined
            last = None
            continue
        if last is not None:
            yield _unjoined(last)
        last = each
    if last is not None:
        yield _unjoined(last)


def _joined(one: _Found, other: _Found) -> _Found | None:
    """Join a lazy image and the image of a `noscript`; return None if they are not the same image."""
    match one.source_set.kind, other.source_set.kind:
        case (shown, SourceKind.NOSCRIPT) if shown in _SHOWN:
            lazy, plain = one, other
        case (SourceKind.NOSCRIPT, shown) if shown in _SHOWN:
            lazy, plain = other, one
        case _:
            return None
    image, fallback = lazy.source_set, plain.source_set
    alt = image.alt or fallback.alt
    if image.candidates or image.sources:
        is_same = lazy.urls & plain.urls or (plain.is_adjacent and image.kind is SourceKind.LAZY)
        return lazy._replace(source_set=image._replace(alt=alt)) if is_same else None
    if not (plain.is_adjacent and image.placeholder):
        return None
    problems = image.problems + fallback.problems
    policy = fallback.referrer_policy or image.referrer_policy
    joined = fallback._replace(
        alt=alt, placeholder=image.placeholder, problems=problems, referrer_policy=policy
    )
    return lazy._replace(source_set=joined)


def _unjoined(found: _Found) -> _Found:
    """Make a placeholder that was not joined the image, unless it is certainly empty."""
    image = found.source_set
    placeholder = image.placeholder
    if image.candidates or image.sources or not placeholder or placeholder.startswith("data:"):
        return found
    return found._replace(source_set=image._replace(candidates=(Candidate(placeholder),), placeholder=""))
