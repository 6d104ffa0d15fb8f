"""Structured data: the images that a page names in its metadata and in JSON-LD (schema.org, Open Graph).

<meta property="og:image" content="…"> ─▶ SourceSet
<script type="application/ld+json"> ─▶ every value of `image`, `logo` and the like ─▶ SourceSet
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from imgfetch.markup.page.image_attributes import NUMBER, first, single
from imgfetch.markup.srcset import excerpt
from imgfetch.model.markup import Candidate, Problem, SourceKind, SourceSet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.markup.page.image_attributes import Attributes

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
        "msapplication-tileimage",
    }
)
"""The names and properties of a `<meta>` with an image URL."""
_JSON_IMAGES = frozenset({"image", "thumbnailurl", "thumbnail", "logo", "photo", "primaryimageofpage"})
"""The properties of JSON-LD that have images as values, in lower case."""


def meta_images(attributes: Attributes) -> Iterator[SourceSet]:
    """Yield the image of a `<meta>`."""
    names = (attributes.get(name) for name in ("property", "name", "itemprop"))
    if any(name is not None and name.strip().lower() in _META_NAMES for name in names):
        yield from single(SourceKind.META, first(attributes, "content"))


def json_ld_images(text: str) -> Iterator[SourceSet]:
    """Yield the images of a JSON-LD document; if it cannot be parsed, a source set with the problem."""
    try:
        stack = [json.loads(text.strip().removesuffix(";"), strict=False)]
    except (ValueError, RecursionError) as error:
        reason = f"not JSON: {error}" if isinstance(error, ValueError) else "nested too deep"
        yield SourceSet((), SourceKind.JSON_LD, problems=(Problem(0, excerpt(text.strip()), reason),))
        return
    while stack:
        value = stack.pop()
        if isinstance(value, list):
            stack += reversed(value)
        elif isinstance(value, dict):
            if "ImageObject" in (value.get("@type"), *_as_list(value.get("@type"))):
                yield from _image_of(value)
                continue
            for name, child in value.items():
                if name.lower() in _JSON_IMAGES:
                    for each in _as_list(child):
                        yield from _image_of(each)
            stack += [child for name, child in reversed(value.items()) if name.lower() not in _JSON_IMAGES]


def _image_of(value: object) -> Iterator[SourceSet]:
    """Yield the image of the value of a schema.org property: a URL, or an ImageObject."""
    if isinstance(value, str):
        yield from single(SourceKind.JSON_LD, value)
    elif isinstance(value, dict):
        url = next(
            (value[key] for key in ("url", "contentUrl", "@id") if isinstance(value.get(key), str)), ""
        )
        width = NUMBER.match(str(value.get("width", ""))[:20])
        if url.strip():
            yield SourceSet(
                (Candidate(url.strip(), int(width[0]) or None if width else None),), SourceKind.JSON_LD
            )


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]
