"""The images that an element names beside `src` and `srcset`: those of scripts, and larger originals.

attributes ─▶ role of each by its name │ by its value ─▶ Named(lazy, others, originals)

A rule, not a list, decides: any attribute names an image if its value is an image URL or a srcset. Its name
only says which comes first, and which value counts without the extension of an image.
"""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.markup.image_urls import ends_as_image, is_image_url, is_json, is_template, may_be_url
from imgfetch.markup.page.attribute_roles import (
    LAZY_SIZES,
    PLAIN,
    RANKS,
    Role,
    role_of,
)
from imgfetch.markup.page.image_attributes import NUMBER, candidates_of, first
from imgfetch.markup.srcset import excerpt, read_srcset
from imgfetch.model.markup import Candidate, Original, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.markup.page.image_attributes import Attributes


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
    names = [name for name in attributes if name not in PLAIN and attributes[name]]
    if not names:
        return NOTHING
    found: dict[Role, list[Candidate]] = {Role.SRC: [], Role.OTHER: [], Role.ORIGINAL: []}
    folders = _folders(attributes)
    used = []
    for name in sorted(names, key=lambda name: RANKS.get(name, len(RANKS))) if len(names) > 1 else names:
        role = role_of(name)
        if role is Role.NONE:
            continue
        candidates = tuple(_candidates(name, role, attributes, folders, problems))
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
    name: str, role: Role, attributes: Attributes, folders: frozenset[str], problems: list[Problem]
) -> Iterator[Candidate]:
    """Yield the candidates that one attribute names."""
    value = attributes[name].strip(" \t\n\f\r")
    if not value or value[0] in "#<":
        return
    if is_json(value) or value[0] == "[":
        yield from images_in_json(value)
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
    elif is_image_url(value) and (_is_addressed(value, folders) or _is_beside(name, value, attributes)):
        width = _width_beside(name, attributes) if role is Role.ORIGINAL else None
        yield Candidate(value, width)


def _is_trusted(name: str, value: str) -> bool:
    """Return True if the value of such an attribute is a URL, even without the extension of an image."""
    if name in _WEAK:
        return is_image_url(value) or _WIDTH.search(value) is not None
    return name in RANKS or "/" in value or is_image_url(value)


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
    elif "|" in value and all(map(is_image_url, halves := value.split("|", 1))):
        yield from (
            Candidate(halves[0]),
            Candidate(halves[1], density=2.0),
        )  # bLazy: for screens of 1x and 2x
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


def _is_addressed(value: str, folders: frozenset[str]) -> bool:
    """Return True if a value is a URL, and not a path inside some other place, or the mere name of a file."""
    if _ADDRESS.match(value):
        return True
    folder, slash, _ = value.partition("/")
    return bool(slash) and folder in folders


def _is_beside(name: str, value: str, attributes: Attributes) -> bool:
    """Return True for the mere name of a file if it is an original, and `src` is a mere name too."""
    src = attributes.get("src", "")
    return role_of(name) is Role.ORIGINAL and bool(src) and "/" not in src and "/" not in value


def _folders(attributes: Attributes) -> frozenset[str]:
    """Return the folders with which the relative URLs of `src` and of lazy attributes begin."""
    return frozenset(
        text.partition("/")[0]
        for name, text in attributes.items()
        if name == "src" or (name not in PLAIN and role_of(name) is Role.SRC)
    )


_ADDRESS = re.compile(r"https?:|/|\.{1,2}/|data:image/", re.IGNORECASE)


def images_in_json(text: str) -> Iterator[Candidate]:
    """Yield the image URLs in the JSON of an attribute, each once; take time linear in it.

    A list of two numbers behind one is its size, as online shops have it: `{"a.jpg": [500, 331]}`.
    """
    quote = '"' if '"' in text else "'" if "'" in text else ""
    parts = text.replace("\\/", "/").split(quote) if quote else _LISTED.findall(text)
    given = set()
    for part, behind in zip_longest(parts, parts[1:], fillvalue=""):
        if len(part) > 4 and part not in given and _ADDRESS.match(part) and is_image_url(part):
            given.add(part)
            size = _SIZE.match(behind) if quote else None
            yield Candidate(part, int(size[1]) or None if size else None)


_SIZE = re.compile(r"\s*:\s*\[\s*([0-9]{1,6})\s*,\s*[0-9]{1,6}\s*\]")
_LISTED = re.compile(r"[^\s\[\],]{5,}")
"""The parts of a list without quotes, as Foundation has it: `[a.jpg, small], [b.jpg, large]`."""


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
        bare = {name: text for name, text in attributes.items() if name not in ("href", "data-url")}
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
