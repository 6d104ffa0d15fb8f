"""The attributes that name images: those of HTML, and those of the scripts that load images late.

attributes ─┬▶ srcset, src ───────────────────────▶ candidates │ a placeholder
            └▶ data-srcset, data-src and the like ─▶ candidates
"""

from __future__ import annotations

import re
from base64 import b64decode
from typing import TYPE_CHECKING

from imgfetch.markup.media import media_problems
from imgfetch.markup.sizes import sizes_problems
from imgfetch.markup.srcset import excerpt, read_srcset
from imgfetch.model.markup import Candidate, Problem, SourceSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import TypeAlias

    from imgfetch.model.markup import SourceKind

    Attributes: TypeAlias = Mapping[str, str]
    """The attributes of an element by name; one without a value is an empty string."""


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
_LAZY_PREFIX = re.compile("data-|nitro-").match
LAZY_SIZES = ("data-sizes", "data-lazy-sizes", "data-ezsizes", "data-brsizes", "nitro-lazy-sizes")
LAZY_BACKGROUND = (
    "data-bg",
    "data-background",
    "data-background-image",
    "data-bg-src",
    "data-lazy-background",
    "data-lazy-bg",
    "data-flickity-bg-lazyload",
)

NUMBER = re.compile(r"[0-9]{1,9}")
"""A whole number that begins a text."""

_HTML_SPACE = " \t\n\f\r"
_TEMPLATE = re.compile(r"\{width\}|%7Bwidth%7D", re.IGNORECASE)
_NAMED_BLANK = re.compile(
    r"(?:^|[/_-])(?:blank|spacer|transparent|placeholder|pixel|1x1|clear|lazy|loading|grey|gray|empty)"
    r"(?:[_-][\w-]*+)?\.(?:gif|png|svg)(?:[?#]|$)",
    re.IGNORECASE,
)
"""The name of an empty image, in a format without photographs: `clear.jpg` may well be the sky."""
_SVG_SHAPE = re.compile(
    r"(?:<|%3c)(?:\w+:)?(?:path|rect|circle|ellipse|line|poly|text|image|use|foreignobject)", re.IGNORECASE
)
_MAX_WIDTHS = 100
"""Widths for which a template is filled in: a page may have a long template and many widths."""
_ONE_PIXEL = 150
"""Characters of a data URL: a shorter one is about one pixel, as its format's header takes the rest."""

_MIME_TYPE = re.compile(
    r"[ \t\n\v\f\r]*+(?:[!#$%&'*+.^_`|~0-9a-z-]++/[!#$%&'*+.^_`|~0-9a-z-]++[ \t\n\v\f\r]*+)?(?:;|\Z)",
    re.IGNORECASE,
)
"""The part of a `type` that browsers check: up to its parameters. An empty one is valid."""


def first(attributes: Attributes, *names: str) -> str:
    """Return the first of these attributes that is not blank, or an empty string."""
    for name in names:
        if text := attributes.get(name, "").strip(_HTML_SPACE):
            return text
    return ""


def single(kind: SourceKind, url: str) -> Iterator[SourceSet]:
    """Yield the source set of one URL, unless the URL is empty or names a part of the page."""
    url = url.strip(_HTML_SPACE)
    if url and not url.startswith("#"):
        yield SourceSet((Candidate(url),), kind)


def candidates_of(attributes: Attributes, name: str, problems: list[Problem]) -> tuple[Candidate, ...]:
    """Return the candidates of an attribute such as `srcset`; append the dropped ones to `problems`."""
    candidates, unread = read_srcset(attributes.get(name, ""))
    problems += located(name, unread)
    return candidates


def with_src(candidates: tuple[Candidate, ...], src: str) -> tuple[Candidate, ...]:
    """Add `src` as 1x, unless a candidate has a width (HTML §4.8.4.3.8, step 4)."""
    if not src or any(each.width is not None or each.url == src for each in candidates):
        return candidates
    return (*candidates, Candidate(src))


def located(name: str, problems: Iterable[Problem]) -> Iterator[Problem]:
    """Yield the problems with the name of their attribute in the reason."""
    return (problem._replace(reason=f"{problem.reason} (in {name})") for problem in problems)


def condition_problems(attributes: Attributes, sizes: str) -> Iterator[Problem]:
    """Yield the unreadable parts of the attributes that decide about a source or a preload."""
    yield from located("sizes", sizes_problems(sizes))
    yield from located("media", media_problems(attributes.get("media", "")))
    if not _MIME_TYPE.match(attributes.get("type", "")):
        yield Problem(0, excerpt(attributes["type"]), "not a MIME type such as image/webp (in type)")


# ---------------------------------------------------------------------------------------------------
# Lazy loading


def has_lazy_attributes(attributes: Attributes) -> bool:
    """Return False if no attribute can belong to a lazy loading plugin."""
    return any(map(_LAZY_PREFIX, attributes))


def lazy_candidates(attributes: Attributes, problems: list[Problem]) -> tuple[Candidate, ...]:
    """Return the candidates that a script will copy to `srcset` and `src`; append problems of the rest."""
    name = next((name for name in LAZY_SRCSET if attributes.get(name, "").strip()), None)
    candidates = candidates_of(attributes, name, problems) if name else ()
    src = first(attributes, *LAZY_SRC)
    if _TEMPLATE.search(src):
        widths = NUMBER.findall(attributes.get("data-widths", ""))[:_MAX_WIDTHS]
        if not widths:
            problems.append(Problem(0, excerpt(src), "a template for a width, but data-widths has no width"))
        return candidates + tuple(Candidate(_TEMPLATE.sub(width, src), int(width)) for width in widths)
    return with_src(candidates, src)


def show_something(candidates: Iterable[Candidate]) -> bool:
    """Return True if a candidate is not certainly a placeholder."""
    return any(not _is_placeholder(candidate.url) for candidate in candidates)


def _is_placeholder(url: str) -> bool:
    """Return True for the URL of one pixel, of an empty drawing, or of a file such as `spacer.gif`."""
    if url[:5].lower() != "data:":
        return _NAMED_BLANK.search(url) is not None
    if len(url) < _ONE_PIXEL and ";base64," in url.lower():
        return "svg+xml" not in url or not _SVG_SHAPE.search(_data_of(url))
    return "svg+xml" in url[:40] and not _SVG_SHAPE.search(_data_of(url))


def _data_of(url: str) -> str:
    """Return the data of a data URL as text; an empty string if it is not valid base64."""
    head, _, data = url.partition(",")
    if not head.lower().endswith(";base64"):
        return data
    try:
        return b64decode(data + "===").decode("utf-8", "replace")
    except ValueError:
        return ""
