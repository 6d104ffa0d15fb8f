"""The images that an element names beside `src` and `srcset`: those of scripts, and larger originals.

attributes ─▶ role of each by its name │ by its value ─▶ Named(lazy, others, originals)

A rule, not a list, decides: any attribute names an image if its value is an image URL or a srcset. The lists
below only say which come first, and which values count without the extension of an image.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.markup.page.image_attributes import NUMBER, candidates_of, first
from imgfetch.markup.page.image_urls import ends_as_image, is_image_url, is_json, is_template, may_be_url
from imgfetch.markup.srcset import excerpt, read_srcset
from imgfetch.model.markup import Candidate, Original, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.markup.page.image_attributes import Attributes

# The attributes of the common lazy loading plugins, the most specific first.
LAZY_SRCSET = (
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
LAZY_SRC = (
    "data-src",  # lazysizes, lozad, WeChat
    "data-lazy-src",
    "data-original",  # jQuery Lazy Load, Zhihu
    "data-actualsrc",  # Zhihu
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
    "data-lazyload-src",
    "data-ks-lazyload",  # Taobao
    "real_src",  # Sina
    "data-echo",
    "data-hi-res-src",
    "data-image-src",
    "data-image",  # Squarespace
    "data-url",
    "data-img",
    "data-defer-src",
    "file",  # Discuz
)
LAZY_SIZES = ("data-sizes", "data-lazy-sizes", "data-ezsizes", "data-brsizes", "nitro-lazy-sizes")

_RANKS = {name: rank for rank, name in enumerate((*LAZY_SRCSET, *LAZY_SRC))}

_PLAIN = frozenset(
    (
        *("src", "srcset", "sizes", "alt", "title", "class", "id", "style", "width", "height", "loading"),
        *(
            "decoding",
            "fetchpriority",
            "crossorigin",
            "referrerpolicy",
            "usemap",
            "ismap",
            "longdesc",
            "border",
        ),
        *(
            "align",
            "hspace",
            "vspace",
            "name",
            "role",
            "tabindex",
            "itemprop",
            "itemscope",
            "itemtype",
            "itemid",
        ),
        *(
            "slot",
            "part",
            "is",
            "lang",
            "dir",
            "draggable",
            "hidden",
            "type",
            "media",
            "layout",
            "importance",
        ),
        *("elementtiming", "data-nimg", "data-id", "data-widths", "data-sizes", "data-aspectratio"),
        *("data-bgset", "data-bg", "data-background", "data-background-image", "data-bg-src"),
        *("data-lazy-background", "data-lazy-bg", "data-flickity-bg-lazyload"),
    )
)
"""Attributes with a meaning of their own that is not the URL of an image; nearly all have only these.

Backgrounds are read for every element, see `elements.backgrounds`.
"""


class Role(Enum):
    """What an attribute says of the image, by its name."""

    SRCSET = "the candidates that a script will copy to srcset"
    SRC = "the URL that a script will copy to src"
    ORIGINAL = "a larger picture that opens on a click"
    OTHER = "any picture, if the value is the URL of one"
    NONE = "never a picture"


class Named(NamedTuple):
    """The candidates that the attributes of an element name beside `src` and `srcset`."""

    lazy: tuple[Candidate, ...] = ()
    """What a script will show in place of `src`."""
    others: tuple[Candidate, ...] = ()
    """What the values of other attributes name."""
    originals: tuple[Candidate, ...] = ()
    """Larger pictures, each an `Original`."""
    attributes: tuple[str, ...] = ()
    """The attributes that name them."""


NOTHING = Named()


def named_images(attributes: Attributes, problems: list[Problem]) -> Named:
    """Return what the attributes beside `src` and `srcset` name; append what cannot be read to `problems`."""
    names = [name for name in attributes if name not in _PLAIN and attributes[name]]
    if not names:
        return NOTHING
    found: dict[Role, list[Candidate]] = {Role.SRC: [], Role.OTHER: [], Role.ORIGINAL: []}
    used = []
    for name in sorted(names, key=lambda name: _RANKS.get(name, len(_RANKS))) if len(names) > 1 else names:
        role = role_of(name)
        if role is Role.NONE:
            continue
        candidates = tuple(_candidates(name, role, attributes, problems))
        if candidates:
            used.append(name)
            found[Role.SRC if role is Role.SRCSET else role] += candidates
    if not used:
        return NOTHING
    originals = (Original(*each) for each in found[Role.ORIGINAL])
    return Named(tuple(found[Role.SRC]), tuple(found[Role.OTHER]), tuple(originals), tuple(used))


def lazy_sizes(attributes: Attributes) -> str:
    """Return the `sizes` that a script will copy."""
    return first(attributes, *LAZY_SIZES)


def _candidates(
    name: str, role: Role, attributes: Attributes, problems: list[Problem]
) -> Iterator[Candidate]:
    """Yield the candidates that one attribute names."""
    value = attributes[name].strip(" \t\n\f\r")
    if not value or value[0] in "#<":
        return
    if is_json(value) or value[0] == "[":
        yield from map(Candidate, urls_in_json(value))
    elif role is Role.SRCSET:
        for candidate in candidates_of(attributes, name, problems):
            if may_be_url(candidate.url):
                yield candidate
            elif is_template(candidate.url):
                problems.append(_not_filled_in(candidate.url))
    elif role is Role.SRC:
        if _is_trusted(name, value):
            yield from _of_src(value, attributes, problems)
    elif " " in value or "\n" in value:
        yield from _of_a_list(value)
    elif is_image_url(value) and _is_addressed(value, attributes):
        width = _width_beside(name, attributes) if role is Role.ORIGINAL else None
        yield Candidate(value, width)


def _is_trusted(name: str, value: str) -> bool:
    """Return True if the value of such an attribute is a URL, even without the extension of an image."""
    if name in _WEAK:
        return is_image_url(value) or _WIDTH.search(value) is not None
    return name in _RANKS or "/" in value or is_image_url(value)


_WEAK = frozenset({"data-url", "data-img", "data-image", "file"})
"""Names under which scripts keep other things too, such as the page that a button shares."""


def _of_src(value: str, attributes: Attributes, problems: list[Problem]) -> Iterator[Candidate]:
    """Yield what a script will copy to `src`; a template is filled in with the widths of `data-widths`."""
    if _WIDTH.search(value):
        widths = NUMBER.findall(attributes.get("data-widths", ""))[:_MAX_WIDTHS]
        if not widths or is_template(_WIDTH.sub("1", value)):
            problems.append(_not_filled_in(value))
            return
        yield from (Candidate(_WIDTH.sub(width, value), int(width)) for width in widths)
    elif is_template(value):
        problems.append(_not_filled_in(value))
    elif (" " in value or "\n" in value) and (listed := tuple(_of_a_list(value))):
        yield from listed
    elif may_be_url(value):
        yield Candidate(value)


_WIDTH = re.compile(r"\{width\}|%7Bwidth%7D", re.IGNORECASE)
_MAX_WIDTHS = 100
"""Widths for which a template is filled in: a page may have a long template and many widths."""


def _not_filled_in(url: str) -> Problem:
    template = "a template for a width, but data-widths has no width"
    reason = template if _WIDTH.search(url) else "a template that only a script fills in"
    return Problem(0, excerpt(url), reason)


def _of_a_list(value: str) -> tuple[Candidate, ...]:
    """Return the candidates of a srcset under any name: each has a descriptor and an image's URL."""
    candidates, unread = read_srcset(value)
    described = any(each.width is not None or each.density is not None for each in candidates)
    if unread or not described or not all(is_image_url(each.url) for each in candidates):
        return ()
    return candidates


def _is_addressed(value: str, attributes: Attributes) -> bool:
    """Return True if a value is a URL, and not a path inside some other place, or the mere name of a file."""
    if _ADDRESS.match(value):
        return True
    folder, slash, _ = value.partition("/")
    if not slash:
        return False
    names = (name for name, text in attributes.items() if text.startswith(f"{folder}/") and text != value)
    return any(name == "src" or (name not in _PLAIN and role_of(name) is Role.SRC) for name in names)


_ADDRESS = re.compile(r"https?:|/|\.{1,2}/|data:image/", re.IGNORECASE)


def urls_in_json(text: str) -> Iterator[str]:
    """Yield the image URLs in the JSON of an attribute, each once; take time linear in it."""
    quote = '"' if '"' in text else "'" if "'" in text else ""
    parts = text.replace("\\/", "/").split(quote) if quote else _LISTED.findall(text)
    found = dict.fromkeys(
        part for part in parts if len(part) > 4 and _ADDRESS.match(part) and is_image_url(part)
    )
    yield from found


_LISTED = re.compile(r"[^\s\[\],]{5,}")
"""The parts of a list without quotes, as Foundation has it: `[a.jpg, small], [b.jpg, large]`."""


# ---------------------------------------------------------------------------------------------------
# Names


@lru_cache(maxsize=1024)
def role_of(name: str) -> Role:
    """Return the role of an attribute that is not plain, by the words of its name."""
    if name in _RANKS:
        return Role.SRCSET if name in LAZY_SRCSET else Role.SRC
    words = re.split("[-_:]", name)
    subject = words[-2] if len(words) > 1 and words[-1] in ("src", "url") else words[-1]
    if words[0] in _OTHER_NAMESPACES or (len(words) == 1 and name.startswith("on")) or subject in _SUBJECTS:
        return Role.NONE
    if words[0] in _BOUND or not ("a" <= name[0] <= "z" or name[0] == "_"):
        return Role.OTHER
    if not _ORIGINALS.isdisjoint(words) or name.endswith(_ORIGINAL_ENDS):
        return Role.ORIGINAL
    if not _PREVIEWS.isdisjoint(words) or words[-1].removesuffix("src") in _PREVIEWS:
        return Role.OTHER
    if name.endswith(("srcset", "src-set")):
        return Role.SRCSET
    return Role.SRC if name.endswith("src") or not _LATER.isdisjoint(words[-2:]) else Role.OTHER


_OTHER_NAMESPACES = frozenset(("aria", "xmlns", "jsaction"))
_SUBJECTS = frozenset(
    (
        *("alt", "title", "caption", "description", "desc", "name", "filename", "label", "text", "credit"),
        *(
            "copyright",
            "author",
            "key",
            "class",
            "tooltip",
            "html",
            "sizes",
            "widths",
            "ratio",
            "color",
            "type",
        ),
        *("style", "link", "permalink", "page", "video", "audio", "mp4", "webm", "iframe", "embed", "pdf"),
        *("share", "media", "post", "attachment"),
    )
)
"""Last words of the names of texts and settings, and of what is another thing than an image."""
_BOUND = frozenset(("v", "ng", "x", "th", "wire"))
"""First words of expressions that a framework evaluates; their values are seldom URLs."""
_ORIGINALS = frozenset(
    (
        *(
            "full",
            "fullsize",
            "fullscreen",
            "large",
            "larger",
            "largest",
            "big",
            "bigger",
            "zoom",
            "zoomfile",
        ),
        *("magnify", "hires", "highres", "hd", "xl", "xlarge", "max", "raw", "lightbox", "fancybox", "pswp"),
        *("photoswipe", "retina", "2x", "3x", "at2x", "src2x", "bigimage", "zoomimage"),
    )
)
"""Words for a larger picture."""
_ORIGINAL_ENDS = (
    *(
        "orig-file",
        "original-image",
        "original-file",
        "original-url",
        "zoom",
        "2x",
        "retina",
        "hi-res",
        "high-res",
    ),
)
_PREVIEWS = frozenset(
    (
        *("thumb", "thumbnail", "small", "medium", "low", "lowres", "lowsrc", "lqip", "placeholder", "blur"),
        *("blurhash", "tiny", "preview", "fallback", "default", "loading", "loader", "spinner", "error"),
        *("dummy", "hover", "rollover", "alt"),
    )
)
"""Words for a picture that stands for another, or is shown beside it."""
_LATER = frozenset(("lazy", "lazyload", "lazysrc", "original", "defer", "delayed", "real"))
"""Words for a picture that a script will show."""


def _width_beside(name: str, attributes: Attributes) -> int | None:
    """Return the width that an attribute beside this one tells of its picture, in pixels."""
    for candidate in (_SIZE_BESIDE.get(name), f"{name}_width", f"{name}-width"):
        found = NUMBER.match(attributes.get(candidate, "").strip()) if candidate else None
        if found:
            return int(found[0]) or None
    return None


_SIZE_BESIDE = {
    "data-orig-file": "data-orig-size",  # Jetpack: 2048,1365
    "data-pswp-src": "data-pswp-width",  # PhotoSwipe
    "data-large_image": "data-large_image_width",  # WooCommerce
}


# ---------------------------------------------------------------------------------------------------
# Originals


def linked_original(attributes: Attributes) -> tuple[tuple[Candidate, ...], tuple[str, ...]]:
    """Return the larger pictures that a link around an image names, and the attributes that name them."""
    found: list[Candidate] = []
    href = first(attributes, "href")
    if may_be_url(href) and ends_as_image(href.partition("#")[0].partition("?")[0]):
        width = NUMBER.match(first(attributes, "data-pswp-width", "data-size", "data-width"))
        found.append(Original(href, int(width[0]) or None if width else None))
    names = ["href"] if found else []
    if any(name.startswith("data-") for name in attributes):
        bare = {name: text for name, text in attributes.items() if name != "href"}
        named = named_images(bare, [])
        found += (
            Original(*each)
            for each in (*named.originals, *named.lazy, *named.others)
            if is_image_url(each.url)
        )
        names += named.attributes
    return tuple(found), tuple(names)


def wiki_original(attributes: Attributes) -> tuple[Candidate, ...]:
    """Return the file of which MediaWiki made a thumbnail, by the URL and the attributes of the thumbnail.

    `/thumb/a/ab/File.jpg/220px-File.jpg` is a rendition of `/a/ab/File.jpg`, `data-file-width` pixels wide.
    """
    width = NUMBER.match(attributes.get("data-file-width", ""))
    thumbnail = _THUMBNAIL.fullmatch(first(attributes, "src")) if width else None
    if width is None or thumbnail is None or int(width[0]) == 0:
        return ()
    return (Original(thumbnail[1] + thumbnail[2], int(width[0])),)


_THUMBNAIL = re.compile(
    r"(.*?/)thumb/((?:[^/]+/)?[0-9a-f]/[0-9a-f]{2}/[^/]+\.(?:jpe?g|png|gif|webp))/[^/]*", re.IGNORECASE
)
