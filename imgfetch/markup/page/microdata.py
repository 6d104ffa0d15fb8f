"""Microdata: the images that elements state as properties of items (HTML §5.2, schema.org).

<div itemprop=image itemscope itemtype=…/ImageObject> <meta itemprop=url content=…> ─▶ the URL
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.markup.image_urls import is_image_url
from imgfetch.markup.page.image_attributes import first

if TYPE_CHECKING:
    import turbohtml

    from imgfetch.markup.page.image_attributes import Attributes

_IMAGES = frozenset({"image", "thumbnailurl", "thumbnail", "logo", "photo", "primaryimageofpage"})
"""The properties of schema.org that have images as values, in lower case."""
_ADDRESSES = frozenset({"url", "contenturl"})
"""The properties that have the address of an image in an item that is one."""


def item_image(tag: str, attributes: Attributes, *, in_image_object: bool) -> tuple[str, str]:
    """Return the attribute with the URL of an image that an element states as a property, and the URL.

    Both are empty where it states none. The value of a `meta` or `link` counts as it is; in another element,
    or as the `contentUrl` of an item of another type, it must be an image URL by its own spelling.
    """
    terms = _terms(attributes)
    is_image = not _IMAGES.isdisjoint(terms) or (in_image_object and not _ADDRESSES.isdisjoint(terms))
    if not is_image and "contenturl" not in terms:
        return "", ""
    for name in ("content", "href"):
        url = first(attributes, name)
        if url and ((is_image and tag in ("meta", "link")) or is_image_url(url)):
            return name, url
    return "", ""


def is_in_image_object(element: turbohtml.Element, attributes: Attributes) -> bool:
    """Return True for a property with an address of an item that is an image: an `ImageObject`.

    The item is the nearest of 16 elements around it that is one (HTML §5.2.5).
    """
    if "itemprop" not in attributes or _ADDRESSES.isdisjoint(_terms(attributes)):
        return False
    node = element.parent
    for _ in range(_MOST_ANCESTORS):
        attribute = getattr(node, "attr", None)
        if node is None or attribute is None:
            break
        if attribute("itemscope") is not None:
            return (attribute("itemtype") or "").rpartition("/")[2].lower() == "imageobject"
        node = node.parent
    return False


_MOST_ANCESTORS = 16


def _terms(attributes: Attributes) -> list[str]:
    """Return the properties that an element states, without their vocabulary and in lower case."""
    return [each.rpartition("/")[2] for each in attributes.get("itemprop", "").lower().split()]
