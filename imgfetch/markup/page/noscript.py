"""Join the image of a `noscript` with the image of a script that it stands for, on proof alone.

a noscript and an image near it ─┬▶ one URL in both │ side by side, one picture by its name ─┬▶ one SourceSet
                                 └▶ alone in their element, and a placeholder ───────────────┘
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imgfetch.markup.page.image_attributes import is_blank_by_name
from imgfetch.markup.page.image_elements import distinct
from imgfetch.model.markup import SourceKind, SourceSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import turbohtml

_SHOWN = frozenset({SourceKind.IMG, SourceKind.PICTURE, SourceKind.LAZY, SourceKind.AMP})
"""The kinds of images that a `noscript` may repeat."""
_NEAR = 8
"""Images between a `noscript` and its image at most."""


class Found(NamedTuple):
    """An image, and the elements that name it."""

    source_set: SourceSet
    element: turbohtml.Element | None = None
    """The element of the page that names it; for an image in a `noscript` that one."""
    inner: turbohtml.Element | None = None
    """The element inside the `noscript`."""

    @property
    def urls(self) -> set[str]:
        """All URLs that the element names."""
        image = self.source_set
        every = (image.candidates, *(source.candidates for source in image.sources))
        return {each.url for candidates in every for each in candidates if not each.is_original}


def join(found: Iterable[Found]) -> Iterator[Found]:
    """Yield the images in order; a `noscript` and the image that it stands for become one."""
    waiting: list[Found] = []
    for each in found:
        for at in range(len(waiting) - 1, -1, -1):
            joined = _joined(waiting[at], each)
            if joined is not None:
                waiting[at] = joined
                break
        else:
            waiting.append(each)
        if len(waiting) > _NEAR:
            yield waiting.pop(0)
    yield from waiting


def _joined(one: Found, other: Found) -> Found | None:
    """Join an image and that of a `noscript`; return None if nothing proves that they are the same."""
    kinds = one.source_set.kind, other.source_set.kind
    if kinds[1] is SourceKind.NOSCRIPT and kinds[0] in _SHOWN:
        shown, plain = one, other
    elif kinds[0] is SourceKind.NOSCRIPT and kinds[1] in _SHOWN:
        shown, plain = other, one
    else:
        return None
    image, fallback = shown.source_set, plain.source_set
    urls = shown.urls
    if urls & plain.urls or (_are_together(shown, plain) and _have_one_name(urls, plain.urls)):
        candidates = distinct((*image.candidates, *fallback.candidates))
        kind = image.kind
    elif _is_only_a_placeholder(image) and _are_alone(shown, plain):
        candidates = distinct((*fallback.candidates, *image.candidates))
        kind = SourceKind.LAZY if image.candidates else SourceKind.NOSCRIPT
        image = image._replace(sizes=fallback.sizes, placeholder=image.placeholder or _src(image))
    else:
        return None
    joined = image._replace(
        candidates=candidates,
        kind=kind,
        sizes=image.sizes or fallback.sizes,
        alt=image.alt or fallback.alt,
        sources=image.sources or fallback.sources,
        referrer_policy=fallback.referrer_policy or image.referrer_policy,
        problems=image.problems + fallback.problems,
        places=image.places + fallback.places,
    )
    return shown._replace(source_set=joined)


def _src(image: SourceSet) -> str:
    return image.candidates[0].url if image.candidates else ""


def _is_only_a_placeholder(image: SourceSet) -> bool:
    """Return True if an image names nothing but a data URL of nothing, or a file with the name of a blank."""
    if image.sources:
        return False
    return all(is_blank_by_name(each.url) for each in image.candidates) and bool(
        image.candidates or image.placeholder
    )


def _are_together(shown: Found, plain: Found) -> bool:
    """Return True if a `noscript` is inside the image, beside it, or beside an element that has no other."""
    image, noscript = shown.element, plain.element
    if image is None or noscript is None:
        return False
    around = _wrapper(image)
    outer = around.parent
    return noscript.parent in (image, image.parent, outer) or (
        outer is not None and noscript.parent == outer.parent
    )


def _wrapper(element: turbohtml.Element) -> turbohtml.Element:
    """Return the picture or link around an image, else the image."""
    parent = element.parent
    return parent if getattr(parent, "tag", "") in ("picture", "a") else element  # type: ignore[return-value]


def _are_alone(shown: Found, plain: Found) -> bool:
    """Return True if the image and the `noscript` are the only ones in their element."""
    image, noscript = shown.element, plain.element
    if image is None or noscript is None:
        return False
    if noscript.parent == image:  # <amp-img><noscript>
        return True
    wrapper = _wrapper(image)
    if noscript.parent is None or wrapper.parent != noscript.parent:
        return False
    tags = _tags_beside(noscript)
    return "noscript" not in tags and sum(tag in _IMAGES for tag in tags) == 1


_IMAGES = frozenset({"img", "picture", "a", "amp-img"})
_MOST_BESIDE = 16
"""Nodes beside a `noscript` that are looked at; among more it is not alone."""


def _tags_beside(element: turbohtml.Element) -> list[str]:
    """Return the tags of the elements in the same element; `noscript` too where there are many."""
    tags = []
    for step in ("previous_sibling", "next_sibling"):
        node = getattr(element, step)
        for _ in range(_MOST_BESIDE):
            if node is None:
                break
            tags.append(getattr(node, "tag", ""))
            node = getattr(node, step)
        else:
            return ["noscript"]
    return tags


def _have_one_name(urls: set[str], others: set[str]) -> bool:
    """Return True if two URLs name the same picture in other sizes."""
    from imgfetch.markup.same_picture import picture_name  # large expressions, which few pages need

    return not {picture_name(url) for url in urls}.isdisjoint({picture_name(url) for url in others} - {""})
