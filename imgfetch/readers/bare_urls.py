"""The images that a text names by their URLs alone, or by the marks of reStructuredText, AsciiDoc and BBCode.

    see https://host/a.jpg, and … · .. image:: a.png · image::a.png[] · [img]a.png[/img] ─▶ SourceSet

A URL counts by the extension of an image. A list of URLs is read line by line, by another command.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgfetch.markup import urls
from imgfetch.model.markup import Candidate, SourceKind, SourceSet
from imgfetch.readers.lines import bare_line
from imgfetch.readers.strings import is_image_url

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAMED = re.compile(
    r"(https?://[^\s<>\"'`{}|\\^\[\]]++)"
    r"|^[ \t]*+\.\.(?:[ \t]++\|[^|\n]{1,200}+\|)?[ \t]++(?:image|figure)::[ \t]++([^\s]++)"  # reST
    r"|\bimage::?([^\s:\[\]][^\s\[\]]{0,500}+)(?=\[)"  # AsciiDoc
    r"|\[img(?:[= ][^\[\]\n]{0,200}+)?\][ \t]*+([^\s\[\]]++)"  # BBCode
    r"|^=>[ \t]*+([^\s]++)",  # gemtext
    re.IGNORECASE | re.MULTILINE,
)
_JOINED = re.compile(r",(?=https?://)", re.IGNORECASE)
_CLOSING = ".,;:!?…’”»"


def images(text: str, base_url: str) -> Iterator[SourceSet]:
    """Yield the images that a text names, each once. Take time linear in the text.

    A list of URLs, one a line, has none: each of its lines may be a page as well.
    """
    if not _may_name_any(text) or _is_list(text):
        return
    seen: set[str] = set()
    for found in _NAMED.finditer(text):
        group = found.lastindex or 1
        for part in _JOINED.split(found[group]) if group == 1 else (found[group],):
            url = _without_end(part)
            if url in seen or not (is_image_url(url) or (group > 1 and is_image_url(f"/{url}"))):
                continue
            seen.add(url)
            image = SourceSet((Candidate(url),), SourceKind.TEXT, position=found.start(group))
            yield urls.absolute(image, base_url) if base_url else image


def _may_name_any(text: str) -> bool:
    return "://" in text or "::" in text or "[img" in text.lower() or "=>" in text or "image:" in text


def _is_list(text: str) -> bool:
    lines = [line for each in text.splitlines() if (line := bare_line(each))]
    return all(re.fullmatch(r"https?://\S++", line, re.IGNORECASE) for line in lines)


def _without_end(url: str) -> str:
    """Return a URL without the punctuation of the sentence that it stands in."""
    url = url.rstrip(_CLOSING)
    return url.rstrip(").,;") if ")" in url and "(" not in url else url
