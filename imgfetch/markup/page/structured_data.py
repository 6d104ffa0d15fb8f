"""Structured data: the images that a page names in its metadata and in JSON-LD (schema.org, Open Graph).

<meta property="og:image" content="…"> ─▶ SourceSet
all JSON-LD scripts ─▶ Graph: nodes by @id ─▶ every value of `image`, `logo` … ─▶ SourceSet
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from imgfetch.markup.image_urls import is_image_url, may_be_url, with_ampersands
from imgfetch.markup.page.image_attributes import NUMBER, first, single
from imgfetch.markup.srcset import excerpt
from imgfetch.model.markup import Candidate, Problem, SourceKind, SourceSet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.markup.page.image_attributes import Attributes

Json: TypeAlias = "dict[str, object]"

_META_NAMES = frozenset(
    {
        "og:image",
        "og:image:url",
        "og:image:secure_url",
        "twitter:image",
        "twitter:image:src",
        "image",
        "thumbnail",
        "thumbnailurl",
    }
)
"""The names and properties of a `<meta>` with an image URL."""
_META_NAME = re.compile(
    r".*[:._-](?:image|thumbnail|thumb|logo)(?:[:._-](?:url|src|full|thumb|secure_url))?", re.DOTALL
)
"""The same with the prefix of some service; the value has to be an image URL by its spelling."""
_TILE = re.compile(r"msapplication-(?:tileimage|(?:square|wide)[0-9]+x[0-9]+logo)")

_JSON_IMAGES = frozenset({"image", "thumbnailurl", "thumbnail", "logo", "photo", "primaryimageofpage"})
"""The properties of JSON-LD that have images as values, in lower case."""
_OF_NO_VALUE = frozenset({"@context", "@id", "@type"})


def meta_images(attributes: Attributes) -> Iterator[SourceSet]:
    """Yield the image of a `<meta>`."""
    content = with_ampersands(first(attributes, "content"))
    if not content:
        return
    names = [
        text.strip().lower() for name in ("property", "name") if (text := attributes.get(name)) is not None
    ]
    is_known = any(each in _META_NAMES for name in names for each in name.split())
    if any(_TILE.fullmatch(name) for name in names):
        yield from single(SourceKind.ICON, content)
    elif is_known or (any(_META_NAME.fullmatch(name) for name in names) and is_image_url(content)):
        yield from single(SourceKind.META, content)


class Graph:
    """The JSON-LD of a page: one graph over all its scripts (JSON-LD 1.1 §3.3, §4.9).

    `{"@id": …}` alone is a reference to a node, never the address of an image. Each node is read once, and
    each image given once, so that the time is linear in the page.
    """

    def __init__(self) -> None:
        self._scripts: dict[object, tuple[list[object], Problem | None]] = {}
        self._nodes: dict[str, Json] = {}
        self._given: set[str] = set()

    def add(self, script: object, text: str) -> None:
        """Add the text of a script; the nodes of all are known before the images of one are asked for."""
        values, problem = _read(text)
        self._scripts[script] = values, problem
        stack = [*values]
        while stack:
            each = stack.pop()
            if isinstance(each, list):
                stack += each
            elif isinstance(each, dict):
                name = each.get("@id")
                if isinstance(name, str) and len(each) > 1:
                    known = self._nodes.setdefault(name, each)
                    if known is not each and not _urls_of(known):
                        self._nodes[name] = {**known, **each}
                stack += each.values()

    def images(self, script: object) -> Iterator[SourceSet]:
        """Yield the images of a script, in its order; then one with the problem if it is not JSON."""
        values, problem = self._scripts.pop(script)
        stack = values[::-1]
        while stack:
            value = stack.pop()
            if isinstance(value, list):
                stack += reversed(value)
            elif isinstance(value, dict):
                if _is_image(value):
                    yield from self._image(value)
                    continue
                for name, child in value.items():
                    if _term(name) in _JSON_IMAGES:
                        for each in _as_list(child):
                            yield from self._image(each)
                stack += [
                    child
                    for name, child in reversed(value.items())
                    if name not in _OF_NO_VALUE and (_term(name) not in _JSON_IMAGES or _is_node(child))
                ]
        if problem is not None:
            yield SourceSet((), SourceKind.JSON_LD, problems=(problem,))

    def _image(self, value: object) -> Iterator[SourceSet]:
        """Yield the image of the value of a schema.org property: a URL, an ImageObject, or a reference."""
        for node in self._resolved(value):
            urls = [url for url in _urls_of(node) if url not in self._given]
            if not urls:
                continue
            self._given.update(urls)
            width = NUMBER.match(_number(node.get("width")))
            largest, *others = urls
            candidates = (
                Candidate(largest, int(width[0]) or None if width else None),
                *map(Candidate, others),
            )
            yield SourceSet(candidates, SourceKind.JSON_LD)

    def _resolved(self, value: object) -> list[Json]:
        """Return the nodes that a value stands for: itself, or those that it refers to."""
        if isinstance(value, dict) and "@value" in value:
            value = value["@value"]
        if isinstance(value, str):
            node = self._nodes.get(value)
            return [{"url": value} if node is None or not _urls_of(node) else node]
        if not isinstance(value, dict):
            return []
        name = value.get("@id")
        node = self._nodes.get(name) if isinstance(name, str) else None
        if node is not None and not _urls_of(value):
            value = node
        return [] if _is_other_thing(value) else [value]


# ---------------------------------------------------------------------------------------------------
# The text of a script


def _read(text: str) -> tuple[list[object], Problem | None]:
    """Return the values of a JSON-LD script, and the problem where a part of it is not JSON.

    Beyond JSON, take what pages write and consumers read: comments, CDATA marks, commas before a closing
    bracket, line ends in strings, several values, and a script that is escaped as HTML.
    """
    values, rest, error = _values(text)
    if error:
        if '"' not in text and "&quot;" in text:
            from html import unescape

            text = unescape(text)
        for pattern in (_NOT_JSON, _COMMA):
            text = re.sub(pattern, _string_or_blank, text)
        values, rest, error = _values(text)
    if error:
        return values, Problem(0, excerpt(rest), f"the script of type application/ld+json is {error}")
    return values, None


def _values(text: str) -> tuple[list[object], str, str]:
    """Return the JSON values of a text, what stands behind them, and the reason where that is not JSON."""
    import json  # not every page has JSON-LD

    decoder = json.JSONDecoder(strict=False)
    values: list[object] = []
    at = _behind_space(text, 0)
    try:
        while at < len(text) or not values:
            value, at = decoder.raw_decode(text, at)
            values.append(value)
            at = _behind_space(text, at)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno} of it"
        return values, text[at:].strip(), f"not JSON: {error.msg}, {place}"
    except RecursionError:
        return values, text[at:].strip(), "nested too deep"
    except ValueError as error:  # a number with thousands of digits
        return values, text[at:].strip(), f"not JSON: {error}"
    return values, "", ""


def _behind_space(text: str, at: int) -> int:
    found = _BETWEEN.match(text, at)
    return at if found is None else found.end()


def _string_or_blank(found: re.Match[str]) -> str:
    """Return a string as it is, and anything else as spaces, so that every line keeps its length."""
    return found[0] if found[0][0] == '"' else _IN_LINE.sub(" ", found[0])


_BETWEEN = re.compile(r"[\s\ufeff;]*+")
_IN_LINE = re.compile(r"[^\n]")
# Compiled by their first use: few scripts need them.
_STRING = r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)'
_NOT_JSON = rf"(?s){_STRING}|/\*.*?(?:\*/|\Z)|(?://\s*+)?(?:<!\[CDATA\[|\]\]>|<!--|-->)|//[^\n]*+"
"""A string, or what JSON does not have: a comment, and the marks around a script in XHTML."""
_COMMA = rf"(?s){_STRING}|,(?=\s*+[}}\]])"


# ---------------------------------------------------------------------------------------------------
# Its nodes


def _urls_of(node: Json) -> list[str]:
    """Return the addresses of the picture of a node, the picture itself before its thumbnail."""
    values = {_term(name): value for name, value in node.items() if name[:1] != "@"}
    found = dict.fromkeys(
        url for term in _ADDRESSES for value in _as_list(values.get(term)) if (url := _url(value))
    )
    urls = list(found)
    if len(urls) > 1 and any(map(_url, _as_list(values.get("contenturl")))):
        # With the address of the picture known, `url` may be that of a page about it.
        urls = [urls[0], *(url for url in urls[1:] if is_image_url(url))]
    return urls


_ADDRESSES = ("contenturl", "url", "thumbnailurl", "thumbnail")


def _url(value: object) -> str:
    """Return the address in a value, without its fragment; empty for an identifier, a text, a template."""
    if isinstance(value, dict):
        # The value of `url` may be written {"@id": …} as JSON-LD expands it.
        name = value.get("@id")
        is_address = len(value) == 1 and isinstance(name, str) and "#" not in name and is_image_url(name)
        value = name if is_address else value.get("@value") or value.get("contentUrl") or value.get("url")
    if not isinstance(value, str):
        return ""
    url, hash_, _ = with_ampersands(value).strip().partition("#")
    if not may_be_url(url) or url.startswith("_:") or (hash_ and not is_image_url(url)):
        return ""
    if re.search(r"\s", url) and not is_image_url(url):
        return ""
    return url


def _is_image(node: Json) -> bool:
    return any(isinstance(each, str) and _term(each) == "imageobject" for each in _as_list(node.get("@type")))


def _is_other_thing(node: Json) -> bool:
    """Return True for a node of another type: its `url` is that of a page or a video."""
    return node.get("@type") is not None and not _is_image(node) and not _url(node.get("contentUrl"))


def _is_node(value: object) -> bool:
    """Return True if a value has a node that is not an image, which may have images of its own."""
    return any(isinstance(each, dict) and _is_other_thing(each) for each in _as_list(value))


def _number(value: object) -> str:
    if isinstance(value, dict):  # a QuantitativeValue
        value = value.get("value", value.get("@value"))
    return str(value)[:20].strip() if isinstance(value, str | int | float) else ""


def _term(name: str) -> str:
    """Return the name of a term without its vocabulary, in lower case: `schema:image` is `image`."""
    return re.split("[:/#]", name)[-1].lower() if not name.isalpha() else name.lower()


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]
