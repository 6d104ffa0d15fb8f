"""Source sets inside plain text: the lists of `URL descriptor, URL descriptor…` that crawlers save.

    text ─▶ a descriptor after white space ─▶ the URL before it, and those that commas join to it ─▶ the list
            forward from there, to its last comma or descriptor ─▶ read_srcset ─▶ SourceSet

Prose has many URLs but few descriptors, so the search begins at the descriptors. It reads each part of the
text a few times at most: the time is linear in the text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgfetch.markup.srcset import read_srcset, walk
from imgfetch.model.markup import Candidate, Problem, SourceSet

if TYPE_CHECKING:
    from collections.abc import Iterator

_DESCRIBED = r"(?:[0-9]++(?:\.[0-9]++)?|\.[0-9]++)[wxh](?![\w%/\\@#$+*=~^(-]|[.:]\w)"
"""A descriptor that is not the beginning of another word, such as 2x2 or 480w.webp."""

_DESCRIPTOR = re.compile(rf"\s{_DESCRIBED}")
_DESCRIPTORS = re.compile(rf"(?:\s++{_DESCRIBED})++")
_COMMA = re.compile(r"\s*+,++")
_URL = re.compile(r'\s*+([^\s"<>]++)')
_ODD_DESCRIPTORS = re.compile(r'(?:[^\S\n]++[^\s,"<>]++){1,2}+')
_END_OF_LINE = re.compile(r"""["<>]|[^\S\n]*+(?:\n|\Z)""")
_CLOSING = ".;:!?…)]}'’”»"

_AMPERSAND = re.compile("&((?:amp;|#0{0,3}38;|#x26;)*)", re.IGNORECASE)
"""An ampersand, and what an escape adds to it; HTML that was escaped twice has `&amp;amp;`."""

_TOKEN = re.compile(r"\S++")
_CHAIN_BACKWARDS = re.compile(r"\s*+\S++(?:\s++,\S*+)*+")

_ABSOLUTE = re.compile(r"https?://|data:image/", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*+:")
_OPENING = re.compile(r"""(?:["']?[\w-]++["']?[=:]|[^]]*+](?=\())?+["'`(\[{<>|‘“„«]*+""")
_RELATIVE = re.compile(
    r"\.{0,2}/,*+[^,]|[^?#]*\.(?:avif|webp|jpe?g|jfif|jxl|a?png|gif|svg|bmp|ico|tiff?|hei[cf]),*+(?:[?#]|\Z)",
    re.IGNORECASE,
)


def find_source_sets(text: str, *, base_url: str = "") -> Iterator[SourceSet]:
    """Yield the source sets in a text: the text may be a srcset, or prose with any number of them.

    Relative URLs are resolved against `base_url`; if it is empty, they stay as they are written. `&amp;` is
    undone in a list that was cut from HTML: one in which each `&` is written so.
    """
    whole = _read_whole(text)
    for each in _find_lists(text) if whole is None else (whole,):
        found = _unescaped(each) if "&" in text else each
        candidates = found.candidates
        if base_url:
            candidates = tuple(_resolve(each, base_url) for each in candidates)
        yield found._replace(candidates=candidates) if base_url else found


def _unescaped(found: SourceSet) -> SourceSet:
    """Return the source set with `&` for `&amp;` in its URLs, if all of them are escaped as in HTML."""
    candidates = found.candidates
    ampersands = [_AMPERSAND.findall(each.url) for each in candidates]
    if not any(ampersands) or not all(map(all, ampersands)):
        return found
    undone = tuple(each._replace(url=_AMPERSAND.sub("&", each.url)) for each in candidates)
    return found._replace(candidates=undone)


def _read_whole(text: str) -> SourceSet | None:
    """Return the source set if the whole text is one; else None."""
    candidates: list[Candidate] = []
    described = False
    for item in walk(text):
        if isinstance(item, Problem):
            return None
        if item.width is not None or item.density is not None:
            described = True
        elif _url_offset(item.url) != 0:
            return None
        candidates.append(item)
    if not described and len(candidates) < 2:
        return None
    return SourceSet(tuple(candidates), position=len(text) - len(text.lstrip(" \t\n\f\r,")))


def _find_lists(text: str) -> Iterator[SourceSet]:
    position = 0
    while descriptor := _DESCRIPTOR.search(text, position):
        start = _start(text, position, descriptor.start())
        end = None if start is None else _end(text, start)
        position = descriptor.end()
        if start is None or end is None or end < position:
            continue
        position = end
        source_set = _read(text, start, end)
        if source_set is not None:
            yield source_set


def _start(text: str, lowest: int, descriptor: int) -> int | None:
    """Return the start of the list of the `descriptor`: its URL, or an earlier one that commas join to it.

    It is not before `lowest`. None if no URL precedes the descriptor.
    """
    # Backwards, the regular expression stops at the first word that no comma joins to the next.
    chain = _CHAIN_BACKWARDS.match(text[lowest:descriptor][::-1])
    if chain is None:
        return None
    start = None
    for token in reversed(list(_TOKEN.finditer(text, descriptor - chain.end(), descriptor))):
        offset = _url_offset(token[0])
        if offset is None:
            break
        start = token.start() + offset
        if offset:  # a quote or a word precedes the URL: no comma joins it to an earlier one
            break
    return start


def _end(text: str, start: int) -> int:
    """Return the end of the list that begins with a URL at `start`."""
    end = position = start
    while (url := _URL.match(text, position)) and _url_offset(url[1]) == 0:
        descriptors = _DESCRIPTORS.match(text, url.end())
        if url[1].endswith(","):
            end = url.start(1) + len(url[1].rstrip(","))
            position = url.end()
        elif descriptors and (comma := _COMMA.match(text, descriptors.end())):
            end, position = descriptors.end(), comma.end()
        elif (odd := _ODD_DESCRIPTORS.match(text, url.end())) and (after := _next_candidate(text, odd.end())):
            end, position = odd.end(), after
        elif descriptors:
            return descriptors.end()
        elif _END_OF_LINE.match(text, url.end()):
            return url.start(1) + len(url[1].rstrip(_CLOSING))
        else:
            return end
    return end


def _next_candidate(text: str, position: int) -> int | None:
    """Return the offset behind a comma at `position`, if a URL with descriptors follows; else None."""
    comma = _COMMA.match(text, position)
    url = comma and _URL.match(text, comma.end())
    if comma and url and _url_offset(url[1]) == 0 and _DESCRIPTORS.match(text, url.end()):
        return comma.end()
    return None


def _read(text: str, start: int, end: int) -> SourceSet | None:
    # In prose all white space separates, in a srcset only that of ASCII.
    candidates, problems = read_srcset(re.sub(r"\s", " ", text[start:end]))
    if all(candidate.width is candidate.density is None for candidate in candidates):
        return None
    moved = tuple(Problem(start + problem.position, problem.found, problem.reason) for problem in problems)
    return SourceSet(candidates, problems=moved, position=start)


def _url_offset(token: str) -> int | None:
    """Return the offset of a URL of an image in a word, as after `srcset="`; None if it has none."""
    if _RELATIVE.match(token) and token[0] in "./":
        return 0
    absolute = _ABSOLUTE.search(token)
    if absolute:
        return absolute.start()
    opening = _OPENING.match(token)
    offset = opening.end() if opening else 0
    return offset if _RELATIVE.match(token, offset) else None


def _resolve(candidate: Candidate, base_url: str) -> Candidate:
    if _SCHEME.match(candidate.url):
        return candidate
    from imgfetch.markup.urls import resolve  # loaded late: few texts have relative URLs

    return candidate._replace(url=resolve(candidate.url, base_url) or candidate.url)
