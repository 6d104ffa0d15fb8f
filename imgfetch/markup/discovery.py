"""Discovery: every image that a page offers, wherever it says so.

    html ─▶ elements that may name an image ─▶ a SourceSet each ─▶ lazy image and noscript joined ─▶ absolute

What a browser shows is only a part of it: `kind` says where each was found, so that a caller can choose.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.frozen import replace
from imgfetch.markup import html, urls
from imgfetch.markup.css import find_css_images, with_problems_of_others
from imgfetch.markup.lines import Lines
from imgfetch.markup.links import read_link_header
from imgfetch.markup.media import media_problems
from imgfetch.markup.sizes import sizes_problems
from imgfetch.markup.srcset import excerpt, parse_srcset, read_srcset
from imgfetch.model import Candidate, Kind, Problem, Source, SourceSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import TypeAlias

    import turbohtml

    Attributes: TypeAlias = Mapping[str, str]

_SELECTOR = ",".join(
    (
        "img, source, link, meta, style, script, noscript, video, input, amp-img, amp-anim, amp-video",
        "image, feImage",
        '[style*="url(" i], [style*="image-set(" i], [style*="\\\\"], [background]',
        "[data-bg], [data-background], [data-background-image], [data-bg-src], [data-lazy-background]",
        "[data-bgset], [data-flickity-bg-lazyload], [data-lazy-bg]",
    )
)

# The attributes of the common lazy loading plugins, the most telling first.
_LAZY_SRCSET = (
    "data-srcset",  # lazysizes, vanilla-lazyload, lozad, a3
    "data-lazy-srcset",  # WP Rocket, Jetpack
    "data-original-set",
    "data-orig-srcset",  # Avada
    "data-ezsrcset",  # Ezoic
    "data-brsrcset",  # Breeze
    "data-opt-srcset",  # Optimole
    "data-wpfc-original-srcset",  # WP Fastest Cache
    "data-pagespeed-lazy-srcset",  # mod_pagespeed
    "data-flickity-lazyload-srcset",
    "nitro-lazy-srcset",  # NitroPack
)
_LAZY_SRC = (
    "data-src",
    "data-lazy-src",
    "data-original",  # jQuery Lazy Load
    "data-lazy",  # Slick
    "data-orig-src",
    "data-cfsrc",  # Cloudflare Mirage
    "data-ezsrc",
    "data-breeze",
    "data-opt-src",
    "data-wpfc-original-src",
    "data-pagespeed-lazy-src",
    "data-flickity-lazyload",
    "data-flickity-lazyload-src",
    "nitro-lazy-src",
    "data-lazyload",  # Slider Revolution
    "data-echo",
    "data-hi-res-src",
    "data-image-src",
)
_BEGINS_LAZILY = re.compile("data-|nitro-").match
_LAZY_SIZES = ("data-sizes", "data-lazy-sizes", "data-ezsizes", "data-brsizes", "nitro-lazy-sizes")
_LAZY_BACKGROUND = (
    "data-bg",
    "data-background",
    "data-background-image",
    "data-bg-src",
    "data-lazy-background",
    "data-lazy-bg",
    "data-flickity-bg-lazyload",
)

_META = frozenset(
    {
        "og:image",
        "og:image:url",
        "og:image:secure_url",
        "twitter:image",
        "twitter:image:src",
        "image",
        "thumbnail",
        "thumbnailurl",
        "msapplication-tileimage",
    }
)
_META_LINKS = frozenset({"image_src", "thumbnail"})
_ICONS = frozenset({"icon", "apple-touch-icon", "apple-touch-icon-precomposed", "mask-icon", "fluid-icon"})
_JSON_IMAGES = frozenset({"image", "thumbnailurl", "thumbnail", "logo", "photo", "primaryimageofpage"})

_HTML_SPACE = " \t\n\f\r"
_LEGACY_BACKGROUND = frozenset({"body", "table", "thead", "tbody", "tfoot", "tr", "td", "th"})

_TEMPLATE = re.compile(r"\{width\}|%7Bwidth%7D", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{1,9}")
_MEDIA_OF_BGSET = re.compile(r"\[[^\]]*+\]?|\|")
_NAMED_BLANK = re.compile(
    r"(?:^|[/_-])(?:blank|spacer|transparent|placeholder|pixel|1x1|clear|lazy|loading|grey|gray|empty)"
    r"(?:[_-][\w-]*+)?\.(?:gif|png|svg)(?:[?#]|$)",
    re.IGNORECASE,
)
"""What has nothing to show needs no photograph's format: `clear.jpg` may well be the sky."""
_SVG_SHAPE = re.compile(
    r"(?:<|%3c)(?:\w+:)?(?:path|rect|circle|ellipse|line|poly|text|image|use|foreignobject)", re.IGNORECASE
)
_MOST_WIDTHS = 100
"""How many widths a template is filled in for: a page may name both at length, and the product is longer."""
_ONE_PIXEL = 150
"""A data URL shorter than this is one pixel, or near it: the header of its format takes up the rest."""

_SHOWN = frozenset({Kind.IMG, Kind.PICTURE, Kind.LAZY, Kind.AMP})


_MIME_TYPE = re.compile(
    r"[ \t\n\v\f\r]*+(?:[!#$%&'*+.^_`|~0-9a-z-]++/[!#$%&'*+.^_`|~0-9a-z-]++[ \t\n\v\f\r]*+)?(?:;|\Z)",
    re.IGNORECASE,
)
"""As far as browsers look: up to its parameters, and nothing at all is as good."""


class _Found(NamedTuple):
    source_set: SourceSet
    named: frozenset[str] = frozenset()
    """Every URL that the element names, chosen from or not."""
    beside: bool = False
    """Whether this is in a noscript, and an image stands next to that."""
    element: turbohtml.Element | None = None
    """Where in the page it is said."""


def find_page_images(
    page: str, *, base_url: str = "", link_headers: Iterable[str] = ()
) -> Iterator[SourceSet]:
    """Yield every image of an HTML page, in document order, with absolute URLs where `base_url` is given.

    Before them goes what the `Link` fields of its response offer. A lazy image is joined with its
    placeholder, and with the `noscript` that stands beside it. Never raises: what could not be read is in
    `problems`, and a source set without candidates has only those. What concerns no single image, such as a
    `<base href>` that is no URL, or CSS in which no image could be read, is among the problems of the next
    image, or of the last. The page is read at the first image, each image at its turn.
    """
    document = html.parse(page)
    lines = Lines(page)
    due: list[Problem] = []
    base = _base(document, base_url, lines, due)
    of_fields = ((True, each) for value in link_headers for each in _images_of_field(value, base_url, due))
    of_page = (
        (_names_an_image(found.source_set), _finished(found, base, lines)) for found in _join(_read(document))
    )
    said = ((names, each) for names, each in chain(of_fields, of_page) if _says_anything(each))
    return with_problems_of_others(said, due)


def _says_anything(said: SourceSet) -> bool:
    return bool(said.candidates or said.sources or said.problems)


def _names_an_image(said: SourceSet) -> bool:
    """Whether it is about an image, be it one that cannot be had; of what is broken, no one knows."""
    return bool(said.candidates or said.sources) or said.kind not in (Kind.CSS, Kind.JSON_LD)


def _base(document: turbohtml.Document, base_url: str, lines: Lines, problems: list[Problem]) -> str:
    element = html.base_element(document)
    if element is None:
        return base_url
    href = element.attr("href") or ""
    base = urls.base_url(href, base_url) or base_url
    if base == base_url and urls.resolve(href, base_url) != base_url:
        reason = "no URL that a page may have for its base (in base href)"
        problems.append(_at(element, Problem(0, excerpt(href), reason), lines))
    return base


def _images_of_field(value: str, base_url: str, problems: list[Problem]) -> Iterator[SourceSet]:
    """Every image that a `Link` field offers: preloads, icons."""
    found, unread = read_link_header(value)
    problems += _said_of("a Link field", unread)
    for link in found:
        said = {name.rstrip("_"): text for name, text in link._asdict().items() if text}
        yield from (urls.absolute(image, base_url) for image in _link(said))


def _finished(found: _Found, base: str, lines: Lines) -> SourceSet:
    """The image with absolute URLs, and its problems where its element is."""
    image = urls.absolute(found.source_set, base)
    if not image.problems:
        return image
    return replace(image, problems=tuple(_at(found.element, each, lines) for each in image.problems))


def _at(element: turbohtml.Element | None, problem: Problem, lines: Lines) -> Problem:
    """The problem, where the start tag of its element is; at the beginning, where the page has none."""
    line, column = 1, 1
    if element is not None and element.source_line is not None:
        line, column = element.source_line, (element.source_col or 0) + 1
    return replace(problem, position=lines.offset(line, column), line=line, column=column)


def _read(document: turbohtml.Document) -> Iterator[_Found]:
    pictures: dict[turbohtml.Node, tuple[list[Source], list[Problem]]] = {}
    found: Iterator[_Found]
    for element in document.select(_SELECTOR):
        said = {
            name: text if isinstance(text, str) else " ".join(text or ())
            for name, text in element.attrs.items()
        }
        parent = element.parent
        match element.tag:
            case "img" | "amp-img" | "amp-anim":
                # A picture has one image: sources shared by a thousand would be told a thousand times.
                nothing: tuple[list[Source], list[Problem]] = ([], [])
                sources, unread = pictures.pop(parent, nothing) if parent is not None else nothing
                found = _image(element.tag, said, tuple(sources), unread)
            case "source" if parent is not None and getattr(parent, "tag", "") == "picture":
                sources, unread = pictures.setdefault(parent, ([], []))
                sources.extend(_source(said, unread))
                continue
            case "noscript":
                found = _noscript(element)
            case tag:
                found = map(_Found, chain(_other(element, tag, said), _background(tag, said)))
        yield from (each._replace(element=element) for each in found)


def _noscript(element: turbohtml.Element) -> Iterator[_Found]:
    beside = _stands_beside_an_image(element)
    for found in _read(html.parse(element.text, scripting=False)):
        yield found._replace(source_set=replace(found.source_set, kind=Kind.NOSCRIPT), beside=beside)


def _other(element: turbohtml.Element, tag: str, said: Attributes) -> Iterator[SourceSet]:
    match tag:
        case "link":
            yield from _link(said)
        case "meta":
            yield from _meta(said)
        case "style":
            yield from find_css_images(element.text)
        case "script" if said.get("type", "").strip().lower() == "application/ld+json":
            yield from _json_ld(element.text)
        case "video" | "amp-video":
            yield from _single(Kind.POSTER, _first(said, "poster", "data-poster"))
        case "input" if said.get("type", "").lower() == "image":
            yield from _single(Kind.IMG, _first(said, *_LAZY_SRC, "src"))
        case "image" | "feImage":
            yield from _single(Kind.SVG, _first(said, "href", "xlink:href"))


# ---------------------------------------------------------------------------------------------------
# Images, and what stands in their place


def _image(
    tag: str, said: Attributes, sources: tuple[Source, ...], problems: list[Problem]
) -> Iterator[_Found]:
    """An `img` or `amp-img`: what a browser reads, or what a script will copy to there.

    `problems` are those of its sources, and take in its own.
    """
    own = _candidates(said, "srcset", problems)
    src = written = _first(said, "src")
    sizes = said.get("sizes", "")
    is_lazy = _has_lazy_attributes(said)
    lazy = _lazy_candidates(said, problems) if is_lazy else ()
    backgrounds = list(_background(tag, said))

    kind = Kind.PICTURE if sources else Kind.IMG
    if lazy and not (_is_real(own) and lazy[0].url == src):
        own, src = lazy, ""
        kind, sizes = Kind.LAZY, _first(said, *_LAZY_SIZES) or sizes
    if tag != "img":
        kind = Kind.AMP
    problems += _said_of("sizes", sizes_problems(sizes))
    candidates = own if _is_real(own) and src.startswith("data:") else _with_src(own, src)
    in_place = [written, *(c.url for c in candidates), *_blurred(backgrounds)]
    shown = {candidate.url for candidate in candidates} if _is_real(candidates) else set()
    image = SourceSet(
        candidates if shown else (),
        kind,
        sizes=sizes,
        alt=said.get("alt", ""),
        problems=tuple(problems),
        sources=sources,
        placeholder=next((url for url in in_place if url and url not in shown), ""),
    )
    named = _urls(image).union(each.url for each in (*lazy, *own))
    if is_lazy:
        named.add(_first(said, *_LAZY_SRC))
    yield _Found(image, frozenset(named - {""}))
    yield from (_Found(each) for each in backgrounds if not _blurred([each]))


def _candidates(said: Attributes, name: str, problems: list[Problem]) -> tuple[Candidate, ...]:
    candidates, unread = read_srcset(said.get(name, ""))
    problems += _said_of(name, unread)
    return candidates


def _said_of(name: str, problems: Iterable[Problem]) -> Iterator[Problem]:
    return (replace(problem, reason=f"{problem.reason} (in {name})") for problem in problems)


def _conditions(said: Attributes, sizes: str) -> Iterator[Problem]:
    """What cannot be read of the attributes that say when a source or a preload is taken, and how large."""
    yield from _said_of("sizes", sizes_problems(sizes))
    yield from _said_of("media", media_problems(said.get("media", "")))
    if not _MIME_TYPE.match(said.get("type", "")):
        yield Problem(0, excerpt(said["type"]), "not a MIME type such as image/webp (in type)")


def _has_lazy_attributes(said: Attributes) -> bool:
    return any(map(_BEGINS_LAZILY, said))


def _lazy_candidates(said: Attributes, problems: list[Problem]) -> tuple[Candidate, ...]:
    name = next((name for name in _LAZY_SRCSET if said.get(name, "").strip()), None)
    candidates = _candidates(said, name, problems) if name else ()
    src = _first(said, *_LAZY_SRC)
    if _TEMPLATE.search(src):
        widths = _NUMBER.findall(said.get("data-widths", ""))[:_MOST_WIDTHS]
        if not widths:
            problems.append(Problem(0, excerpt(src), "a template for a width, and data-widths names none"))
        return candidates + tuple(Candidate(_TEMPLATE.sub(width, src), int(width)) for width in widths)
    return _with_src(candidates, src)


def _with_src(candidates: tuple[Candidate, ...], src: str) -> tuple[Candidate, ...]:
    """`src` joins as 1x where no candidate has a width (HTML §4.8.4.3.8, step 4)."""
    if not src or any(each.width is not None or each.url == src for each in candidates):
        return candidates
    return (*candidates, Candidate(src))


def _is_real(candidates: Iterable[Candidate]) -> bool:
    return any(not _is_placeholder(candidate.url) for candidate in candidates)


def _is_placeholder(url: str) -> bool:
    """Whether a URL is that of nothing to look at: one pixel, an empty drawing, `spacer.gif`."""
    if url[:5].lower() != "data:":
        return _NAMED_BLANK.search(url) is not None
    if len(url) < _ONE_PIXEL and ";base64," in url.lower():
        return "svg+xml" not in url or not _SVG_SHAPE.search(_decoded(url))
    return "svg+xml" in url[:40] and not _SVG_SHAPE.search(_decoded(url))


def _decoded(url: str) -> str:
    head, _, data = url.partition(",")
    if not head.lower().endswith(";base64"):
        return data
    try:
        return b64decode(data + "===").decode("utf-8", "replace")
    except ValueError:
        return ""


def _blurred(backgrounds: Iterable[SourceSet]) -> list[str]:
    """The data URLs among an image's own backgrounds: it lies over them once it is there."""
    found = (candidate.url for each in backgrounds for candidate in each.candidates)
    return [url for url in found if url.startswith("data:")]


def _stands_beside_an_image(noscript: turbohtml.Element) -> bool:
    """Whether the element before or after, or the one around, is an image or holds one."""
    if getattr(noscript.parent, "tag", "") in ("amp-img", "amp-anim"):
        return True
    before, after = noscript.previous_sibling, noscript.next_sibling
    while before is not None and not hasattr(before, "tag"):
        before = before.previous_sibling
    while after is not None and not hasattr(after, "tag"):
        after = after.next_sibling
    near = (each for each in (before, after) if each is not None)
    return any(getattr(each, "tag", "") == "img" or each.find("img") is not None for each in near)


def _join(found: Iterable[_Found]) -> Iterator[_Found]:
    """Lazy images and the `noscript` before or after them, as one."""
    held: _Found | None = None
    for each in found:
        if held is not None and (joined := _joined(held, each)) is not None:
            yield joined
            held = None
            continue
        if held is not None:
            yield _alone(held)
        held = each
    if held is not None:
        yield _alone(held)


def _joined(first: _Found, second: _Found) -> _Found | None:
    match first.source_set.kind, second.source_set.kind:
        case (shown, Kind.NOSCRIPT) if shown in _SHOWN:
            lazy, stand_in = first, second
        case (Kind.NOSCRIPT, shown) if shown in _SHOWN:
            lazy, stand_in = second, first
        case _:
            return None
    image, plain = lazy.source_set, stand_in.source_set
    alt = image.alt or plain.alt
    if image.candidates or image.sources:
        same = lazy.named & stand_in.named or (stand_in.beside and image.kind is Kind.LAZY)
        return lazy._replace(source_set=replace(image, alt=alt)) if same else None
    if not (stand_in.beside and image.placeholder):
        return None
    problems = image.problems + plain.problems
    return lazy._replace(source_set=replace(plain, alt=alt, placeholder=image.placeholder, problems=problems))


def _alone(found: _Found) -> _Found:
    """A placeholder that nothing was joined to is the image after all, unless it is certainly empty."""
    image = found.source_set
    placeholder = image.placeholder
    if image.candidates or image.sources or not placeholder or placeholder.startswith("data:"):
        return found
    return found._replace(source_set=replace(image, candidates=(Candidate(placeholder),), placeholder=""))


def _urls(source_set: SourceSet) -> set[str]:
    every = [source_set.candidates, *(source.candidates for source in source_set.sources)]
    return {candidate.url for candidates in every for candidate in candidates}


def _source(said: Attributes, problems: list[Problem]) -> Iterator[Source]:
    lazy = (*_LAZY_SRCSET, *_LAZY_SRC) if _has_lazy_attributes(said) else ()
    candidates, unread = read_srcset(_first(said, *lazy, "srcset"))
    problems += _said_of("a source", unread)
    if candidates:
        sizes = _first(said, *(_LAZY_SIZES if lazy else ()), "sizes")
        problems += _said_of("a source", _conditions(said, sizes))
        yield Source(candidates, said.get("media", ""), said.get("type", ""), sizes)


def _background(tag: str, said: Attributes) -> Iterator[SourceSet]:
    """The images behind an element: its style, the attributes a script makes a style of, `background`."""
    yield from find_css_images(said.get("style", ""))
    if not _has_lazy_attributes(said):
        legacy = said.get("background") if tag in _LEGACY_BACKGROUND else None
        yield from _single(Kind.IMG, legacy or "")
        return
    bgset = _MEDIA_OF_BGSET.sub(",", said.get("data-bgset", ""))
    if candidates := parse_srcset(bgset):
        yield SourceSet(candidates, Kind.LAZY, sizes=_first(said, *_LAZY_SIZES))
    background = _first(said, *_LAZY_BACKGROUND)
    if background[:4].lower() == "url(":
        yield from (replace(each, kind=Kind.LAZY) for each in find_css_images(background))
    elif "/" in background or "." in background:  # data-background is also a colour's name, or a flag
        yield from _single(Kind.LAZY, background)


# ---------------------------------------------------------------------------------------------------
# What a page says of itself


def _link(said: Attributes) -> Iterator[SourceSet]:
    relations = set(said.get("rel", "").lower().split())
    href = _first(said, "href")
    if relations & {"preload", "prefetch"}:
        if said.get("as", "").lower() == "image":
            problems: list[Problem] = []
            candidates = _with_src(_candidates(said, "imagesrcset", problems), href)
            sizes = said.get("imagesizes", "")
            problems += _conditions(said, sizes)
            yield SourceSet(candidates, Kind.PRELOAD, sizes=sizes, problems=tuple(problems))
    elif relations & _ICONS and not href.startswith("data:,"):
        width = _NUMBER.match(said.get("sizes", "").strip())
        if href:
            yield SourceSet((Candidate(href, int(width[0]) or None if width else None),), Kind.ICON)
    elif relations & _META_LINKS or said.get("itemprop", "").lower() == "image":
        yield from _single(Kind.META, href)


def _meta(said: Attributes) -> Iterator[SourceSet]:
    names = (said.get(name) for name in ("property", "name", "itemprop"))
    if any(name is not None and name.strip().lower() in _META for name in names):
        yield from _single(Kind.META, _first(said, "content"))


def _json_ld(text: str) -> Iterator[SourceSet]:
    try:
        stack = [json.loads(text.strip().removesuffix(";"), strict=False)]
    except (ValueError, RecursionError) as error:
        reason = f"not JSON: {error}" if isinstance(error, ValueError) else "nested too deep"
        yield SourceSet((), Kind.JSON_LD, problems=(Problem(0, excerpt(text.strip()), reason),))
        return
    while stack:
        value = stack.pop()
        if isinstance(value, list):
            stack += reversed(value)
        elif isinstance(value, dict):
            if "ImageObject" in (value.get("@type"), *_listed(value.get("@type"))):
                yield from _json_image(value)
                continue
            for name, child in value.items():
                if name.lower() in _JSON_IMAGES:
                    for each in _listed(child):
                        yield from _json_image(each)
            stack += [child for name, child in reversed(value.items()) if name.lower() not in _JSON_IMAGES]


def _json_image(value: object) -> Iterator[SourceSet]:
    """The image that a schema.org property names: a URL, or an ImageObject."""
    if isinstance(value, str):
        yield from _single(Kind.JSON_LD, value)
    elif isinstance(value, dict):
        url = next(
            (value[key] for key in ("url", "contentUrl", "@id") if isinstance(value.get(key), str)), ""
        )
        width = _NUMBER.match(str(value.get("width", ""))[:20])
        if url.strip():
            yield SourceSet((Candidate(url.strip(), int(width[0]) or None if width else None),), Kind.JSON_LD)


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


# ---------------------------------------------------------------------------------------------------


def _single(kind: Kind, url: str) -> Iterator[SourceSet]:
    url = url.strip(_HTML_SPACE)
    if url and not url.startswith("#"):
        yield SourceSet((Candidate(url),), kind)


def _first(said: Attributes, *names: str) -> str:
    """The first of these attributes that says anything, or an empty string."""
    for name in names:
        if text := said.get(name, "").strip(_HTML_SPACE):
            return text
    return ""
