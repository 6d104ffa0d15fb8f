"""URLs as a browser reads them: the WHATWG URL standard, and where Chromium departs from it.

URL of the document ─▶ base_url, with what <base href> says ─▶ resolve: where to fetch from
                                                            └▶ shown: what `currentSrc` says
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from imgfetch.frozen import replace
from imgfetch.markup.srcset import excerpt
from imgfetch.model import Candidate, Problem, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.model import SourceSet

_ABSOLUTE = re.compile(r"[\x00-\x20]*[A-Za-z][A-Za-z0-9+.\-]*:")
_HIERARCHICAL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:/")
_FETCHED = re.compile(r"[\x00-\x20]*(?:https?|ftp|file):", re.IGNORECASE)
_NOT_LOADED = re.compile(r"file:|(?:https?|ftp)://[^/?#]*@")
"""Local files, and URLs that carry a password: no page of the web may load them."""
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_ESCAPED_BLANK = str.maketrans({"\t": "%09", "\n": "%0A", "\r": "%0D"})
_HOST = r"(?:(?!xn--)[a-z0-9-]++\.)*+(?!xn--)[a-z][a-z0-9-]*+"
"""A name in ASCII: no IP address, which ends in a number, and no Punycode, which may be wrong."""
_PATH = r"[A-Za-z0-9._~!$&'()*+,;=:@%/-]*+"
_QUERY = r"(?:\?[A-Za-z0-9._~!$&()*+,;=:@%/?-]*+)?"
_PLAIN = re.compile(
    rf"(?:(https?://{_HOST})(?=/)|(?=/(?!/))|[\w~-][\w.~%-]*+(?=[/?]|\Z)){_PATH}{_QUERY}", re.ASCII
)
_BLANK = "".join(map(chr, range(0x21)))
"""C0 controls and space: what the URL parser takes off both ends (URL §4.4, step 1)."""


def resolve(url: str, base: str, *, encoding: str = "utf-8") -> str | None:
    """`url` against `base` by the WHATWG URL standard, serialised; None where that is no URL.

    `encoding` is the document's: queries are written in it (URL §4.4, query state). Where `base` is
    empty, or relative itself, a relative URL stays relative.
    """
    plain = resolved_plainly(url, base)
    if plain is not None:
        return plain
    url = _LONE_SURROGATE.sub("\ufffd", url)
    if encoding != "utf-8" and _FETCHED.match(url if _ABSOLUTE.match(url) else base):
        url = _with_query_in(encoding, url)
    try:
        if _ABSOLUTE.match(base):
            return _ada().join(base, url)
        if _ABSOLUTE.match(url):
            return _ada().normalize(url)
        return urljoin(base, url.strip(_BLANK))
    except ValueError:
        return None


def resolved_plainly(url: str, base: str) -> str | None:
    """What `resolve` gives where `url` and `base` are plain, and None otherwise.

    Nearly every URL of an image is plain: a path, or http and a host before it, that the URL parser would
    write back as it stands. To be set behind the host or the folder of the base is then all it needs.
    """
    found = _PLAIN.fullmatch(url)
    if found is None or "/." in url or "/%" in url:  # maybe `.`, `..`, or `%2e`, which stands for a dot
        return None
    before = _before(base)
    if before is None:
        return url if found[1] and not base else None
    if found[1]:
        return url
    return (before[0] if url[0] == "/" else before[1]) + url


@lru_cache(maxsize=64)
def _before(base: str) -> tuple[str, str] | None:
    """What stands in a plain base before `/path`, and before `path`."""
    found = _PLAIN.fullmatch(base)
    if found is None or not found[1] or "/." in base or "/%" in base:
        return None
    path = base.partition("?")[0]
    return found[1], path[: path.rindex("/") + 1]


def absolute(source_set: SourceSet, base: str) -> SourceSet:
    """The same image with its URLs resolved; what is no URL is left out, and said in its problems."""
    problems: list[Problem] = []

    def resolved(candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
        kept = []
        for candidate in candidates:
            url = resolve(candidate.url, base)
            if url is None:
                problems.append(Problem(source_set.position, excerpt(candidate.url), "not a URL"))
            elif url == candidate.url:
                kept.append(candidate)
            else:
                kept.append(Candidate(url, candidate.width, candidate.height, candidate.density))
        return tuple(kept)

    candidates = resolved(source_set.candidates)
    sources = tuple(
        Source(resolved(source.candidates), source.media, source.type, source.sizes)
        for source in source_set.sources
    )
    return replace(
        source_set,
        candidates=candidates,
        sources=sources,
        placeholder=resolve(source_set.placeholder, base) or "" if source_set.placeholder else "",
        problems=(*source_set.problems, *problems),
    )


def base_url(href: str | None, document: str, *, browser: str = "standard") -> str | None:
    """The base URL of a document at `document` whose first `<base href>` is `href` (HTML §2.4.3).

    None is a base against which nothing relative resolves: Chromium keeps a `<base>` that it cannot
    parse, where the standard and Firefox fall back to the document's own URL.
    """
    if href is None:
        return document
    base = resolve(href, document)
    if base is None:
        return None if browser == "chromium" else document
    return document if base.startswith(("data:", "javascript:")) else base


def shown(url: str, base: str | None, *, encoding: str = "utf-8", browser: str = "chromium") -> str | None:
    """What `currentSrc` says of an image chosen by `url`; None where there is nothing to ask for.

    Chromium shows a URL that it cannot parse, or will not load, as it was written.
    """
    if browser != "chromium":
        return _with_its_last_space(url, resolve(url, base or "", encoding=encoding))
    absolute = _ABSOLUTE.match(url)
    if not url.strip(_BLANK) or (base is None and not absolute):
        return None
    url = _escaped_as_chromium_does(url)
    resolved = _with_its_last_space(url, resolve(url, base or "", encoding=encoding))
    if resolved is None:
        return url if absolute or _HIERARCHICAL.match(base or "") else None
    if _NOT_LOADED.match(resolved):
        return url
    end = re.search(r"[?#]|\Z", resolved) if "|" in resolved and _FETCHED.match(resolved) else None
    return resolved if end is None else resolved[: end.start()].replace("|", "%7C") + resolved[end.start() :]


def _escaped_as_chromium_does(url: str) -> str:
    """Inside a data URL Chromium keeps line ends and tabs, which the standard drops everywhere."""
    bare = url.strip(_BLANK)
    return bare.translate(_ESCAPED_BLANK) if bare[:5].lower() == "data:" else url


def _with_its_last_space(url: str, resolved: str | None) -> str | None:
    """No browser escapes yet the space that ends an opaque path, as the standard has it since 2025."""
    if resolved is not None and resolved.startswith("data:") and url.partition("#")[0].endswith(" "):
        return resolved.replace("%20#", " #", 1)
    return resolved


def _with_query_in(encoding: str, url: str) -> str:
    before, hash_, fragment = url.partition("#")
    path, mark, query = before.partition("?")
    query = _NOT_ASCII.sub(lambda run: _percent_encoded(run[0], encoding), query)
    return path + mark + query + hash_ + fragment


def _percent_encoded(text: str, encoding: str) -> str:
    """Percent-encode after encoding (URL §1.3): what the encoding lacks becomes a character reference."""
    try:
        encoded = text.encode(encoding)
    except UnicodeEncodeError:
        if len(text) == 1:
            return f"%26%23{ord(text)}%3B"
        return "".join(_percent_encoded(character, encoding) for character in text)
    return "".join(chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in encoded)


class _Ada:
    """The URL parser this room stands on, loaded when the first URL comes."""

    def __init__(self) -> None:
        from ada_url import join_url, normalize_url

        self.join: Callable[[str, str], str] = join_url
        self.normalize: Callable[[str], str] = normalize_url


_ada = cache(_Ada)
