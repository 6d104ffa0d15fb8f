"""The attributes that name images by HTML: their candidates, and the parts that cannot be read.

attributes ─▶ srcset, src ─▶ candidates │ a placeholder
"""

from __future__ import annotations

import re
from base64 import b64decode
from typing import TYPE_CHECKING

from imgfetch.markup.image_urls import is_requested, may_be_url
from imgfetch.markup.media import media_problems
from imgfetch.markup.sizes import sizes_problems
from imgfetch.markup.srcset import excerpt, read_srcset
from imgfetch.model.markup import Candidate, Problem, SourceKind, SourceSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import TypeAlias

    Attributes: TypeAlias = Mapping[str, str]
    """The attributes of an element by name; one without a value is an empty string."""


NUMBER = re.compile(r"[0-9]{1,9}")
"""A whole number that begins a text."""

_HTML_SPACE = " \t\n\f\r"
# Compiled by their first use: few images have a preview.
_NAMED_BLANK = (
    r"(?i)(?:^|[/_-])(?:(?:blank|spacer|placeholder|holder|lazy|lazy-?load|loading|loader|preloader|dummy|stub"
    r"|no-?(?:image|img|pic|photo))(?:[_-][\w-]*+)?\.(?:gif|png|svg|jpe?g|webp)"
    r"|(?:transparent|trans|pixel|1x1|1px|px|clear|space|grey|gray|white|black|empty|none|default|load|dot|b|s|0)"
    r"(?:[_-][\w-]*+)?\.(?:gif|png|svg))(?:[?#]|$)"
)
_SVG_SHAPE = re.compile(
    r"(?:<|%3c)(?:\w+:)?(?:path|rect|circle|ellipse|line|poly|text|image|use|foreignobject)", re.IGNORECASE
)
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
    """Yield the source set of one URL, unless it is certainly not that of an image (see `image_urls`)."""
    url = url.strip(_HTML_SPACE)
    if is_requested(url) if kind in _REQUESTED else may_be_url(url):
        yield SourceSet((Candidate(url),), kind)


_REQUESTED = frozenset({SourceKind.IMG, SourceKind.POSTER, SourceKind.SVG, SourceKind.OBJECT})
"""Kinds with attributes that browsers request as they are."""


def candidates_of(attributes: Attributes, name: str, problems: list[Problem]) -> tuple[Candidate, ...]:
    """Return the candidates of an attribute such as `srcset`; append the dropped ones to `problems`."""
    candidates, unread = read_srcset(attributes.get(name, ""))
    problems += located(name, unread)
    return candidates


def with_src(candidates: tuple[Candidate, ...], src: str) -> tuple[Candidate, ...]:
    """Add `src` as 1x, unless a candidate has a width (HTML §4.8.4.3.8, step 4)."""
    if not src or (candidates and candidates[0].width is not None):  # the usual case
        return candidates
    if any(each.width is not None or each.url == src for each in candidates):
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


def shows_something(url: str) -> bool:
    """Return False for a data URL of one pixel or of an empty drawing.

    Only data URLs are judged: the name of a file proves nothing.
    """
    if url[:5].lower() != "data:":
        return True
    if len(url) < _ONE_PIXEL and ";base64," in url.lower():
        return "svg+xml" in url and _SVG_SHAPE.search(_data_of(url)) is not None
    return "svg+xml" not in url[:40] or _SVG_SHAPE.search(_data_of(url)) is not None


def is_blank_by_name(url: str) -> bool:
    """Return True for a URL that is named like an empty image: a sign for the order, not a proof."""
    return re.search(_NAMED_BLANK, url) is not None


def _data_of(url: str) -> str:
    """Return the data of a data URL as text; an empty string if it is not valid base64."""
    head, _, data = url.partition(",")
    if not head.lower().endswith(";base64"):
        return data
    try:
        return b64decode(data + "===").decode("utf-8", "replace")
    except ValueError:
        return ""
