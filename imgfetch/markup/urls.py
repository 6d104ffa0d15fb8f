"""URL resolution, as browsers do it: the WHATWG URL standard, and Chromium's departures from it.

    URL of the document, <base href> ─▶ base_url ─▶ resolve: the URL to fetch
                                                └▶ current_src: the value of `currentSrc`

`resolve` is the only place that resolves URLs, redirects included. ada parses them.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from imgfetch.markup.srcset import excerpt
from imgfetch.model.markup import Candidate, Original, Problem, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.model.markup import SourceSet

_ABSOLUTE = re.compile(r"[\x00-\x20]*[A-Za-z][A-Za-z0-9+.\-]*:")
_HIERARCHICAL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:/")
_SPECIAL = re.compile(r"[\x00-\x20]*(?:https?|ftp|file):", re.IGNORECASE)
"""A special scheme (URL §4.2), but for ws and wss."""
_NOT_LOADED = re.compile(r"file:|(?:https?|ftp)://[^/?#]*@")
"""Local files and URLs with a password, which pages of the web may not load."""
_END_OF_PATH = re.compile("[?#]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_ESCAPED_BLANK = str.maketrans({"\t": "%09", "\n": "%0A", "\r": "%0D"})
_HOST = r"(?:(?!xn--)[a-z0-9-]++\.)*+(?!xn--)[a-z][a-z0-9-]*+"
"""A name in ASCII: not an IP address, which ends in a number, and not Punycode, which may be invalid."""
_PATH = r"[A-Za-z0-9._~!$&'()*+,;=:@%/-]*+"
_QUERY = r"(?:\?[A-Za-z0-9._~!$&()*+,;=:@%/?-]*+)?"
_PLAIN = re.compile(
    rf"(?:(https?://{_HOST})(?=/)|(?=/(?!/))|[\w~-][\w.~%-]*+(?=[/?]|\Z)){_PATH}{_QUERY}", re.ASCII
)
_PLAIN_PATHS = re.compile(rf"(?:/(?!/){_PATH}{_QUERY}(?:\n|\Z))++", re.ASCII)
"""Paths from the root, one a line."""
_BLANK = "".join(map(chr, range(0x21)))
"""C0 controls and space, which the URL parser removes from both ends (URL §4.4, step 1)."""


def resolve(url: str, base: str, *, encoding: str = "utf-8") -> str | None:
    """Resolve `url` against `base` by the URL standard, and serialise it; return None if it is not a URL.

    A pipe in the path is `%7C`, as Chromium requests it. `encoding` is that of the document, in which queries
    are written (URL §4.4, query state). If `base` is empty or relative, a relative URL stays relative.
    """
    plain = resolve_plain(url, base)
    if plain is not None:
        return plain
    resolved = _resolve_by_standard(url, base, encoding)
    return _with_escaped_pipes(resolved) if resolved is not None and "|" in resolved else resolved


def _resolve_by_standard(url: str, base: str, encoding: str) -> str | None:
    url = _LONE_SURROGATE.sub("\ufffd", url)
    if encoding != "utf-8":
        absolute = url if _ABSOLUTE.match(url) else base
        # A page whose URL is not known comes from the web: its relative URLs have a special scheme.
        if _SPECIAL.match(absolute) or not _ABSOLUTE.match(absolute):
            url = _with_query_in(encoding, url)
    try:
        if _ABSOLUTE.match(base):
            return _ada().join(base, url)
        if _ABSOLUTE.match(url):
            return _ada().normalize(url)
        return urljoin(base, url.strip(_BLANK))  # two relative references: no URL parser joins them
    except ValueError:
        return None


def _with_escaped_pipes(url: str) -> str:
    if _ABSOLUTE.match(url) and not _SPECIAL.match(url):  # an opaque path
        return url
    end = _END_OF_PATH.search(url)
    at = len(url) if end is None else end.start()
    return url[:at].replace("|", "%7C") + url[at:]


def resolve_plain(url: str, base: str) -> str | None:
    """Return the result of `resolve` if `url` and `base` are plain, else None.

    Nearly every image URL is plain: a path, or http, a host and a path, which the URL parser would not
    change. Such a path only needs the host or the folder of the base in front of it.
    """
    found = _PLAIN.fullmatch(url)
    if found is None or "/." in url or "/%" in url:  # maybe `.`, `..`, or `%2e`, which stands for a dot
        return None
    prefixes = _prefixes(base)
    if prefixes is None:
        return url if found[1] and not base else None
    if found[1]:
        return url
    return (prefixes[0] if url[0] == "/" else prefixes[1]) + url


@lru_cache(maxsize=64)
def _prefixes(base: str) -> tuple[str, str] | None:
    """Return the parts of a plain base that precede `/path` and `path`."""
    found = _PLAIN.fullmatch(base)
    if found is None or not found[1] or "/." in base or "/%" in base:
        return None
    path = base.partition("?")[0]
    return found[1], path[: path.rindex("/") + 1]


def absolute(source_set: SourceSet, base: str, *, encoding: str = "utf-8") -> SourceSet:
    """Return the same image with its URLs resolved; a string that is not a URL becomes a problem.

    `encoding` is that of the document.
    """
    problems: list[Problem] = []

    root = _prefixes(base)

    def resolved(candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
        if root is not None and len(candidates) > 1 and _are_plain_paths(candidates):
            if Original not in map(type, candidates):
                return tuple([Candidate(root[0] + url, w, h, x) for url, w, h, x in candidates])
            return tuple([type(each)(root[0] + each.url, *each[1:]) for each in candidates])
        absolute = []
        for candidate in candidates:
            url = resolve(candidate.url, base, encoding=encoding)
            if url is None:
                problems.append(Problem(source_set.position, excerpt(candidate.url), "not a URL"))
            elif url == candidate.url:
                absolute.append(candidate)
            else:
                absolute.append(type(candidate)(url, *candidate[1:]))
        return tuple(absolute)

    candidates = resolved(source_set.candidates)
    placeholder = source_set.placeholder
    sources = tuple(
        Source(resolved(source.candidates), source.media, source.type, source.sizes)
        for source in source_set.sources
    )
    return source_set._replace(
        candidates=candidates,
        sources=sources,
        placeholder=placeholder and (resolve(placeholder, base, encoding=encoding) or ""),
        problems=(*source_set.problems, *problems),
        base_url=base,
    )


def _are_plain_paths(candidates: tuple[Candidate, ...]) -> bool:
    """Return True if all URLs are paths that `resolve_plain` resolves, as in nearly every srcset."""
    together = "\n".join([each.url for each in candidates])
    return _PLAIN_PATHS.fullmatch(together) is not None and "/." not in together and "/%" not in together


def base_url(href: str | None, document: str, *, browser: str = "standard") -> str | None:
    """Return the base URL of a document at `document` with `href` as its first `<base href>` (HTML §2.4.3).

    None is a base against which no relative URL resolves: Chromium uses a `<base>` that it cannot parse,
    where the standard and Firefox fall back to the URL of the document.
    """
    if href is None:
        return document
    base = resolve(href, document)
    if base is None:
        return None if browser == "chromium" else document
    return document if base.startswith(("data:", "javascript:")) else base


def current_src(
    url: str, base: str | None, *, encoding: str = "utf-8", browser: str = "chromium"
) -> str | None:
    """Return the `currentSrc` of an image with the chosen candidate `url`; None without a URL to fetch.

    Chromium returns a URL that it cannot parse, or refuses to load, as it was written.
    """
    if browser == "firefox":
        url = _without_space_in_base64(url)
        resolved = _with_its_last_space(url, _resolve_by_standard(url, base or "", encoding))
        return None if resolved is None else _parsed_by_firefox(resolved)
    absolute = _ABSOLUTE.match(url)
    if not url.strip(_BLANK) or (base is None and not absolute):
        return None
    url = _escaped_as_chromium_does(url)
    resolved = _with_its_last_space(url, resolve(url, base or "", encoding=encoding))
    if resolved is None:
        return url if absolute or _HIERARCHICAL.match(base or "") else None
    if _NOT_LOADED.match(resolved):
        return url
    return resolved


def _without_space_in_base64(url: str) -> str:
    return "".join(url.split()) if _BASE64.match(url) else url


def _parsed_by_firefox(url: str) -> str | None:
    """Return a URL as Firefox parses it: without the host of a file; None for a host that it refuses."""
    if url.startswith("file://"):
        return "file://" + url[url.find("/", 7) :]
    odd = _ODD_HOST.match(url)
    if odd is None:
        return url
    labels = odd[1].split(".")
    return url if all(_is_host_of_firefox(label) for label in labels) else None


def _is_host_of_firefox(label: str) -> bool:
    """Return False for a label with `*` or `"`, or with Punycode that stands for no name (UTS 46 §4)."""
    if not label.startswith("xn--"):
        return not _NOT_IN_HOSTS.search(label)
    import idna

    try:
        name = label[4:].encode("ascii").decode("punycode")
        is_name = not name.isascii() and idna.uts46_remap(name, std3_rules=False) == name
        return is_name and not _NOT_IN_HOSTS.search(name)
    except (UnicodeError, idna.IDNAError):
        return False


_BASE64 = re.compile(r"[\x00-\x20]*+data:[^,]*;\s*+base64\s*+,", re.IGNORECASE)
_ODD_HOST = re.compile(r'https?://(?=[^/?#]*(?:[*"]|xn--))(?:[^/?#@]*+@)?([^/?#:]*+)')
_NOT_IN_HOSTS = re.compile(r'[*"]')


def _escaped_as_chromium_does(url: str) -> str:
    """Escape line ends and tabs of a data URL, which the standard removes from every URL."""
    bare = url.strip(_BLANK)
    return bare.translate(_ESCAPED_BLANK) if bare[:5].lower() == "data:" else url


def _with_its_last_space(url: str, resolved: str | None) -> str | None:
    """Undo the escape of a space that ends an opaque path: standard since 2025, not yet done by browsers."""
    if resolved is not None and resolved.startswith("data:") and url.partition("#")[0].endswith(" "):
        return resolved.replace("%20#", " #", 1)
    return resolved


def _with_query_in(encoding: str, url: str) -> str:
    before, hash_, fragment = url.partition("#")
    path, mark, query = before.partition("?")
    query = _NOT_ASCII.sub(lambda run: _percent_encoded(run[0], encoding), query)
    return path + mark + query + hash_ + fragment


_BEYOND_PYTHON = {("gbk", "€"): "%80", ("cp932", "¥"): "\\", ("cp932", "‾"): "~"}
"""What the encoders of the standard (Encoding §10.2.2, §12.3.2) can write, and Python's cannot."""
_KEPT = frozenset(map(chr, range(0x21, 0x7F))).difference("\"#'<>")
"""Characters of a query that are not escaped (URL §1.3, special-query percent-encode set)."""


def _percent_encoded(text: str, encoding: str) -> str:
    """Percent-encode after encoding (URL §1.3): a character that the encoding lacks becomes a reference."""
    try:
        encoded = text.encode(encoding)
    except UnicodeEncodeError:
        if len(text) == 1:
            return _BEYOND_PYTHON.get((encoding, text)) or f"%26%23{ord(text)}%3B"
        return "".join(_percent_encoded(character, encoding) for character in text)
    return "".join(chr(byte) if chr(byte) in _KEPT else f"%{byte:02X}" for byte in encoded)


class _Ada:
    """The URL parser, loaded at the first URL that needs it."""

    def __init__(self) -> None:
        from ada_url import join_url, normalize_url

        self.join: Callable[[str, str], str] = join_url
        self.normalize: Callable[[str], str] = normalize_url


_ada = cache(_Ada)
