"""The URLs in the value of an attribute, and how each is written there.

name of the attribute ─▶ the ways in which its value can be read ─▶ UrlSpan: offsets, URL, spelling
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from imgfetch.markup import srcset
from imgfetch.markup.css.css_urls import find_css_urls
from imgfetch.markup.image_urls import with_ampersands
from imgfetch.markup.page.attribute_roles import Role, role_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    Reading: TypeAlias = Callable[[str], Iterator["UrlSpan"]]

_HTML_SPACE = " \t\n\f\r"


class UrlSpan(NamedTuple):
    """A URL in a value: its offsets, and what it says."""

    start: int
    end: int
    url: str
    spell: Callable[[str], str]
    """Spells a printable URL so that it is read back here."""


def readings_of(attribute: str) -> tuple[Reading, ...]:
    """Return the ways in which the value of an attribute may be read, the likeliest first."""
    if attribute in _KNOWN:
        return _KNOWN[attribute]
    if role_of(attribute) is Role.SRCSET:
        return candidates, whole, pieces
    return whole, candidates, css, pieces


def whole(value: str) -> Iterator[UrlSpan]:
    """Yield the value, without the white space around it."""
    url = value.strip(_HTML_SPACE)
    start = value.find(url)
    yield UrlSpan(start, start + len(url), url, str)


def card(value: str) -> Iterator[UrlSpan]:
    """Yield the value of metadata, in which `&` may be escaped more than once."""
    return (span._replace(url=with_ampersands(span.url)) for span in whole(value))


def candidates(value: str) -> Iterator[UrlSpan]:
    """Yield the URLs of a `srcset`."""
    for start, end in srcset.url_spans(value):
        yield UrlSpan(start, end, value[start:end], _in_srcset)


def css(value: str) -> Iterator[UrlSpan]:
    """Yield the URLs of images in CSS."""
    for start, end, url, mark in find_css_urls(value):
        yield UrlSpan(start, end, url, _IN_CSS[mark])


def backgrounds(value: str) -> Iterator[UrlSpan]:
    """Yield the URLs of a `data-bgset` (lazysizes): lists of candidates, with media conditions between."""
    lists = _CONDITION.sub(lambda found: "," * len(found[0]), value)
    for start, end in srcset.url_spans(lists):
        yield UrlSpan(start, end, value[start:end], lambda url: _escaped(_LISTED, _in_srcset(url)))


def pieces(value: str) -> Iterator[UrlSpan]:
    """Yield the parts between quotes, as in JSON, or between bars or commas, where there are no quotes."""
    mark = next((each for each in "\"'|" if each in value), r"\s\[\],")
    for found in re.finditer(f"[^{mark}]+", value):
        yield UrlSpan(*found.span(), found[0].replace("\\/", "/"), lambda url: _escaped(_LISTED, url))


def json_strings(value: str) -> Iterator[UrlSpan]:
    """Yield the strings of JSON in a script."""
    for found in _JSON_STRING.finditer(value):
        try:
            url = json.loads(found[0], strict=False)
        except ValueError:
            continue
        url = with_ampersands(url).strip()
        yield UrlSpan(found.start() + 1, found.end() - 1, url, lambda url: url.replace("\\", "\\\\"))


_ONE: tuple[Reading, ...] = (whole,)
_KNOWN: dict[str, tuple[Reading, ...]] = {
    **dict.fromkeys(("src", "href", "xlink:href", "poster", "data", "background"), _ONE),
    "content": (card,),
    **dict.fromkeys(("srcset", "imagesrcset"), (candidates,)),
    "style": (css,),
    "data-bgset": (backgrounds,),
}
_CONDITION = re.compile(r"\[[^\]]*+\]?|\|")
_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
"""A string of JSON; one that does not end is read to the end, so that no other search begins inside it."""
_LISTED = re.compile(r"[\[\]|,'\\]")
_IN_URL = re.compile(r"[\\'()]")
_IN_STRING = re.compile(r"[\\']")
_IN_CSS: dict[str, Callable[[str], str]] = {
    "": lambda url: _IN_URL.sub(r"\\\g<0>", url),
    "'": lambda url: _IN_STRING.sub(r"\\\g<0>", url),
    '"': lambda url: url.replace("\\", "\\\\"),
}
"""How a URL is written in such quotes in CSS (CSS Syntax §4.3.5, §4.3.6); `"` is percent-encoded."""


def _in_srcset(url: str) -> str:
    """Percent-encode commas at the ends, which would separate candidates (HTML §4.8.4.2.2, steps 4 and 8)."""
    inner = url.strip(",")
    before = url.find(inner)
    return "%2C" * before + inner + "%2C" * (len(url) - before - len(inner))


def _escaped(unsafe: re.Pattern[str], url: str) -> str:
    return unsafe.sub(lambda found: quote(found[0], safe=""), url)
