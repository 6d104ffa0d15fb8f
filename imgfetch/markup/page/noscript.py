"""Join the image of a `noscript` with the image of a script that it stands for, on proof alone.

a noscript and an image near it ─┬▶ one URL in both │ side by side, one picture by its name ─┬▶ one SourceSet
                                 └▶ alone in their element, and a placeholder ───────────────┘
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.markup.page.image_attributes import is_blank_by_name
from imgfetch.markup.page.image_elements import distinct
from imgfetch.model.markup import SourceKind, SourceSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import turbohtml

    from imgfetch.model.markup import Candidate

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
    def candidates(self) -> list[Candidate]:
        """All candidates that the element names, but for originals."""
        image = self.source_set
        every = (image.candidates, *(source.candidates for source in image.sources))
        return [each for candidates in every for each in candidates if not each.is_original]

    @property
    def urls(self) -> set[str]:
        """Their URLs."""
        return {each.url for each in self.candidates}


def join(found: Iterable[Found]) -> Iterator[Found]:
    """Yield the images in order; a `noscript` and the image that it stands for become one.

    A URL in common is the best proof, on either side: an image that shares one with another image nearby is
    not joined on a weaker proof.
    """
    images = iter(found)
    ahead = deque(islice(images, _NEAR))
    waiting: list[Found] = []
    while ahead:
        each = ahead.popleft()
        ahead.extend(islice(images, 1))
        at = _partner(each, waiting, ahead)
        if at is None:
            waiting.append(each)
        else:
            waiting[at] = _joined(waiting[at], each)
        if len(waiting) > _NEAR:
            yield waiting.pop(0)
    yield from waiting


def _partner(each: Found, before: list[Found], behind: Iterable[Found]) -> int | None:
    """Return the position of the image before this one that it is joined with: the nearest that is proved."""
    if each.source_set.kind is not SourceKind.NOSCRIPT and not any(map(_is_plain, before)):
        return None  # nearly all are so
    places = [at for at in range(len(before) - 1, -1, -1) if _may_join(before[at], each)]
    for at in places:
        if before[at].urls & each.urls:
            return at
    behind = [*behind]
    for at in places:
        if _is_proved(*_in_roles(before[at], each)) and not any(
            _may_join(one, other) and one.urls & other.urls for one in (each, before[at]) for other in behind
        ):
            return at
    return None


def _is_plain(found: Found) -> bool:
    return found.source_set.kind is SourceKind.NOSCRIPT


def _may_join(one: Found, other: Found) -> bool:
    """Return True if one of two images is that of a `noscript`, and the other is one that it may repeat."""
    kinds = {one.source_set.kind, other.source_set.kind}
    return SourceKind.NOSCRIPT in kinds and not kinds.isdisjoint(_SHOWN)


def _in_roles(one: Found, other: Found) -> tuple[Found, Found]:
    """Return the image that is shown, and that of the `noscript`."""
    return (other, one) if _is_plain(one) else (one, other)


def _is_proved(shown: Found, plain: Found) -> bool:
    """Return True if an image and that of a `noscript` are the same without a URL in common."""
    image, fallback = shown.source_set, plain.source_set
    if image.candidates and image.alt and fallback.alt and image.alt != fallback.alt:
        return False
    if _is_only_a_placeholder(image):
        return _are_alone(shown, plain)
    if image.layout.is_one_pixel:
        return False  # trackers stand side by side under one name
    return _are_together(shown, plain) and _have_one_name(shown.candidates, plain.candidates)


def _joined(one: Found, other: Found) -> Found:
    """Join an image and that of a `noscript`, which are the same."""
    shown, plain = _in_roles(one, other)
    image, fallback = shown.source_set, plain.source_set
    alt = image.alt or fallback.alt
    if _is_only_a_placeholder(image) and not shown.urls & plain.urls:
        candidates = distinct((*fallback.candidates, *image.candidates))
        kind = SourceKind.LAZY if image.candidates else SourceKind.NOSCRIPT
        alt = fallback.alt or image.alt
        image = image._replace(sizes=fallback.sizes, placeholder=image.placeholder or _src(image))
    else:
        candidates = distinct((*image.candidates, *fallback.candidates))
        kind = image.kind
    joined = image._replace(
        candidates=candidates,
        kind=kind,
        sizes=image.sizes or fallback.sizes,
        alt=alt,
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


def _have_one_name(ones: Iterable[Candidate], others: Iterable[Candidate]) -> bool:
    """Return True if two of the URLs name the same picture in other sizes."""
    return not _names_of(ones).isdisjoint(_names_of(others) - {""})


def _names_of(candidates: Iterable[Candidate]) -> set[str]:
    """Return the names of pictures; a bare number in one is a size only where a width stands beside it."""
    from imgfetch.markup.same_picture import picture_name  # large expressions, which few pages need

    names = {picture_name(each.url, is_strict=True) for each in candidates}
    return names | {picture_name(each.url) for each in candidates if each.width is not None}
