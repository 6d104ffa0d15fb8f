"""How a caller chooses: its keywords, and the choice for one image of a source.

SourceSet ─▶ one image, or each of its renditions ─▶ Choice │ Failure
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from imgfetch.api.images import choose, weigh
from imgfetch.errors import ImgfetchError, wanted_formats
from imgfetch.model.markup import Choice, Policy, SourceSet
from imgfetch.rules.image.choose import may_be

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from imgfetch.model.image import Format
    from imgfetch.model.markup import Viewport
    from imgfetch.model.result import Failure


class Keywords(TypedDict, total=False):
    """The keywords of `choose`."""

    width: int | None
    viewport: Viewport | None
    policy: Policy | str
    formats: Collection[Format | str] | None


class Choosing(Keywords, total=False):
    """How to read a source and choose from what it offers."""

    base_url: str
    base_of_folder: bool
    """Whether a file of the current directory gives `base_url`: others may have written that file, so nothing
    of the caller's headers is sent there."""
    every: bool
    """Whether to take every candidate of every image, each as an image of its own."""
    kinds: str | Collection[str]
    """Which images of a document to take, as `--kinds` has it: `content`, where it is absent."""


KEYWORDS = frozenset(Choosing.__annotations__)


def renditions_of(found: Iterator[SourceSet], choosing: Choosing) -> Iterator[SourceSet]:
    """Return the images, or where every rendition is wanted, each rendition as an image of its own."""
    if not choosing.get("every"):
        return found
    return (image for source_set in found for image in _renditions(source_set, choosing.get("formats")))


def _renditions(source_set: SourceSet, formats: Collection[Format | str] | str | None) -> Iterator[SourceSet]:
    """Yield each rendition that may be in one of the formats by itself; all together where none is."""
    formats = wanted_formats(formats)
    offered = [candidate for part in weigh(source_set) for candidate in part.candidates]
    found = False
    for candidate in offered:
        if formats is None or may_be(candidate.url, formats):
            found = True
            yield source_set._replace(candidates=(candidate,), sources=())
    if offered and not found:
        yield source_set._replace(candidates=tuple(offered), sources=())


def choice_or_failure(source_set: SourceSet, choosing: Choosing, name: str, page: str) -> Choice | Failure:
    """Return the choice for an image of the document `name`, which is at the URL `page`, if that is known."""
    try:
        choice = choose(
            source_set,
            width=choosing.get("width"),
            viewport=choosing.get("viewport"),
            policy=choosing.get("policy", Policy.COVER),
            formats=choosing.get("formats"),
        )
        return choice._replace(page=page) if page else choice
    except ImgfetchError as error:
        return error.failed()._replace(url=name)
