"""The images of all elements but `img`: links, metadata, videos, objects, backgrounds.

element ─▶ its tag and attributes ─▶ Images: a SourceSet each, and the attributes that name them
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.markup import referrer_policy
from imgfetch.markup.css.css_images import find_css_images
from imgfetch.markup.image_urls import ends_as_image, is_image_url, is_requested, may_be_url
from imgfetch.markup.page.image_attributes import (
    candidates_of,
    condition_problems,
    first,
    single,
    with_src,
)
from imgfetch.markup.page.lazy import lazy_sizes
from imgfetch.markup.page.microdata import item_image
from imgfetch.markup.page.structured_data import meta_images
from imgfetch.markup.srcset import parse_srcset
from imgfetch.model.markup import Candidate, Problem, SourceKind, SourceSet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.markup.page.image_attributes import Attributes

_OWN_BACKGROUND = (
    *("data-bg", "data-background", "data-background-image", "data-bg-src", "data-bg-image", "data-bg-img"),
    *("data-bg-url", "data-lazy-background", "data-lazy-bg", "data-flickity-bg-lazyload"),
)
LAZY_BACKGROUND = (*_OWN_BACKGROUND, "data-image-src", "data-src", "data-original")
"""Attributes with the background that a script will show of an element that is not an image."""
_BACKGROUNDS = frozenset(("style", "background", "data-bgset", *LAZY_BACKGROUND))
IMAGE_TAGS = (
    *("img", "source", "link", "meta", "style", "script", "noscript", "video", "input", "object", "embed"),
    *("iframe", "amp-img", "amp-anim", "amp-video", "image", "feImage"),
)
"""The elements that may name an image."""
IMAGE_ATTRIBUTES = ("itemprop", "style", "background", "data-bgset", *LAZY_BACKGROUND)
"""The attributes by which any other element may name one."""
_MAY_BE_OTHER = frozenset(("data-src", "data-original"))
"""Attributes that name other things too: scripts, videos, the width of a table."""
_WITH_SOURCES = frozenset(("img", "source", "amp-img", "amp-anim", "input"))
_ICONS = frozenset(
    {
        "icon",
        "apple-touch-icon",
        "apple-touch-icon-precomposed",
        "apple-touch-startup-image",
        "mask-icon",
        "fluid-icon",
    }
)
_META_LINKS = frozenset({"image_src", "thumbnail"})
_LEGACY_BACKGROUND = frozenset({"body", "table", "thead", "tbody", "tfoot", "tr", "td", "th"})
_BGSET_MEDIA = re.compile(r"\[[^\]]*+\]?|\|")


class Image(NamedTuple):
    """An image of an element, and the attributes that name it."""

    source_set: SourceSet
    attributes: tuple[str, ...] = ()


def images_of(tag: str, attributes: Attributes, *, in_image_object: bool = False) -> Iterator[Image]:
    """Yield the images of an element other than `img`, `source` and `script`, with its backgrounds.

    `in_image_object` says that it is a property of an item that is an image (see `microdata`).
    """
    found: Iterator[SourceSet] = iter(())
    names: tuple[str, ...] = ()
    match tag:
        case "link":
            found, names = link_images(attributes), ("href", "imagesrcset")
        case "meta":
            found, names = meta_images(attributes), ("content",)
        case "video" | "amp-video":
            names = tuple(name for name in attributes if name.endswith("poster"))
            found = single(SourceKind.POSTER, first(attributes, "poster", *names))
        case "object":
            found, names = _embedded(first(attributes, "data"), attributes.get("type", "")), ("data",)
        case "embed":
            found, names = _embedded(first(attributes, "src"), attributes.get("type", "")), ("src",)
        case "image" | "feImage":
            names = ("href", "xlink:href")
            found = single(SourceKind.SVG, first(attributes, *names))
    images = [Image(each, names) for each in found]
    yield from images
    if "itemprop" in attributes and not images and tag not in ("object", "embed"):
        name, url = item_image(tag, attributes, in_image_object=in_image_object)
        yield from (Image(each, (name,)) for each in single(SourceKind.META, url))
    yield from backgrounds(tag, attributes)


def _embedded(url: str, media_type: str) -> Iterator[SourceSet]:
    """Yield the image of an `object` or `embed`: its type says so, or without one its name."""
    media_type = media_type.partition(";")[0].strip().lower()
    if media_type.startswith("image/") or (not media_type and is_image_url(url)):
        yield from single(SourceKind.OBJECT, url)


def backgrounds(tag: str, attributes: Attributes) -> Iterator[Image]:
    """Yield the background images of an element: in its style, in `background`, in lazy attributes."""
    if _BACKGROUNDS.isdisjoint(attributes):
        return
    style = attributes.get("style", "")
    if style and ("(" in style or "\\" in style):
        yield from (Image(each, ("style",)) for each in find_css_images(style))
    if tag in _LEGACY_BACKGROUND and (legacy := attributes.get("background")):
        yield from (Image(each, ("background",)) for each in single(SourceKind.IMG, legacy))
    bgset = _BGSET_MEDIA.sub(",", attributes.get("data-bgset", ""))
    if candidates := parse_srcset(bgset):
        yield Image(SourceSet(candidates, SourceKind.LAZY, sizes=lazy_sizes(attributes)), ("data-bgset",))
    names = _OWN_BACKGROUND if tag in _WITH_SOURCES else LAZY_BACKGROUND
    name = next((name for name in names if attributes.get(name, "").strip()), "")
    background = attributes.get(name, "").strip()
    if background[:4].lower() == "url(":
        found = find_css_images(background)
        yield from (Image(each._replace(kind=SourceKind.LAZY), (name,)) for each in found)
    elif is_image_url(background) or (name not in _MAY_BE_OTHER and ("/" in background or "." in background)):
        # data-background may also be a colour or a flag
        yield from (Image(each, (name,)) for each in single(SourceKind.LAZY, background))


def link_images(attributes: Attributes) -> Iterator[SourceSet]:
    """Yield the image of a `<link>`: a preload, an icon, or the picture that represents the page."""
    policy = referrer_policy.of_attribute(attributes.get("referrerpolicy", ""))
    return (image._replace(referrer_policy=policy) for image in _images_of_link(attributes))


def _images_of_link(attributes: Attributes) -> Iterator[SourceSet]:
    relations = set(attributes.get("rel", "").lower().split())
    href = first(attributes, "href")
    if relations & {"preload", "prefetch"}:
        destination = attributes.get("as", "").lower()
        if destination == "image" or (not destination and _is_prefetched_image(relations, href)):
            problems: list[Problem] = []
            src = href if is_requested(href) else ""
            candidates = with_src(candidates_of(attributes, "imagesrcset", problems), src)
            sizes = attributes.get("imagesizes", "")
            problems += condition_problems(attributes, sizes)
            yield SourceSet(candidates, SourceKind.PRELOAD, sizes=sizes, problems=tuple(problems))
    elif relations & _ICONS:
        # A file may hold several sizes: its largest one is what can be had of it.
        widths = map(int, _ICON_SIZE.findall(attributes.get("sizes", "")))
        if may_be_url(href):
            yield SourceSet((Candidate(href, max(widths, default=None)),), SourceKind.ICON)
    elif relations & _META_LINKS:
        yield from single(SourceKind.META, href)


_ICON_SIZE = re.compile(r"(?<!\S)([1-9][0-9]{0,5})[xX][1-9][0-9]{0,5}(?!\S)")
"""A size of an icon (HTML §4.6.7.8)."""


def _is_prefetched_image(relations: set[str], href: str) -> bool:
    return "prefetch" in relations and ends_as_image(href.partition("#")[0].partition("?")[0])
