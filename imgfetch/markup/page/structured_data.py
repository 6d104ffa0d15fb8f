"""Structured data: the images that a page names in its metadata and in JSON-LD (schema.org, Open Graph).

<meta property="og:image" content="…"> ─▶ SourceSet
all JSON-LD scripts ─▶ Graph: nodes by @id ─▶ every value of `image`, `logo` … ─▶ SourceSet
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from imgfetch.markup.page.image_attributes import NUMBER, first, single
from imgfetch.markup.page.image_urls import is_image_url, may_be_url
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
    content = first(attributes, "content")
    if not content:
        return
    names = [
        text.strip().lower()
        for name in ("property", "name", "itemprop")
        if (text := attributes.get(name)) is not None
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
        self._values: dict[object, object] = {}
        self._nodes: dict[str, Json] = {}
        self._given: set[str] = set()

    def add(self, script: object, text: str) -> None:
        """Add the text of a script; the nodes of all are known before the images of one are asked for."""
        import json  # not every page has JSON-LD

        try:
            value = json.loads(text.strip().removesuffix(";"), strict=False)
        except (ValueError, RecursionError) as error:
            reason = f"not JSON: {error}" if isinstance(error, ValueError) else "nested too deep"
            self._values[script] = Problem(0, excerpt(text.strip()), reason)
            return
        self._values[script] = value
        stack = [value]
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
        """Yield the images of a script, in its order; one with the problem if it is not JSON."""
        value = self._values.pop(script)
        if isinstance(value, Problem):
            yield SourceSet((), SourceKind.JSON_LD, problems=(value,))
            return
        stack = [value]
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
    url, hash_, _ = value.strip().partition("#")
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
