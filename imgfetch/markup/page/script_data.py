"""The image URLs in the data of scripts: `__NEXT_DATA__`, Nuxt, Apollo, JSON of any kind.

text of a script ─▶ strings that are addresses ─▶ escapes undone ─▶ those that are image URLs by spelling

The text is searched, not parsed: JSON inside strings of JSON, and JavaScript, are read the same way, in time
linear in the text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgfetch.markup.image_urls import is_image_url, is_pattern, with_ampersands

if TYPE_CHECKING:
    from collections.abc import Iterator

_SLASH = r"(?:\\{0,3}/|\\{1,2}u002[Ff])"
_ADDRESS = re.compile(
    rf"""(?: (?<=["'`\s,(=>]) | (?<=\\[nt]) ) (?: (?:https?:)? {_SLASH} {_SLASH}? )
         ( (?: [^\s"'<>\\{{}}`|^()] | \\{{1,4}}/ | \\{{1,2}}u[0-9A-Fa-f]{{4}} )++ )
         (?= \\{{0,4}} ["'`] | \\{{1,4}} n | [\s,)<] | & )""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\{1,2}u([0-9A-Fa-f]{4})")
_SLASHES = re.compile(r"\\{1,4}/")
_DATA_TYPES = re.compile(r"(?:application|text)/(?:[\w.-]+\+)?json|", re.IGNORECASE)
_SCRIPT_TYPES = frozenset({"text/javascript", "application/javascript", "module", "application/x-javascript"})
_OTHER_TYPES = frozenset({"application/ld+json", "importmap", "speculationrules"})


def may_hold_data(media_type: str) -> bool:
    """Return True for the types of scripts and of JSON; templates and import maps are other things."""
    media_type = media_type.partition(";")[0].strip().lower()
    if media_type in _OTHER_TYPES:
        return False
    return media_type in _SCRIPT_TYPES or _DATA_TYPES.fullmatch(media_type) is not None


def image_urls(text: str) -> Iterator[tuple[int, str]]:
    """Yield the image URLs in the text of a script, each with its offset: absolute, or from the root."""
    for match in _ADDRESS.finditer(text):
        url = match[0]
        if "\\" in url:
            url = _SLASHES.sub("/", _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), url))
        url = with_ampersands(url)
        url = url.rstrip(",.;:")
        if _HAS_HOST.match(url) and is_image_url(url) and not is_pattern(url):
            yield match.start(), url


_HAS_HOST = re.compile(r"(?:https?:)?//[^/.]++\.[^/]++/.|/[^/]")
