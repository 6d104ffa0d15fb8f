"""How a caller chooses: its keywords, and the choice for one image of a source.

SourceSet ─▶ one image, or each of its renditions ─▶ Choice │ Failure
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypedDict

from imgfetch.api.images import choose, weigh
from imgfetch.errors import ContentError, ImgfetchError, InputError, wanted_formats
from imgfetch.model.markup import Choice, Policy, SourceSet
from imgfetch.model.result import ErrorKind
from imgfetch.model.sizes import AtLeast
from imgfetch.rules.http.urls import redact
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
    include: Collection[str]
    """Patterns of URLs, as `rules.image.url_patterns` reads them: take such candidates of documents alone."""
    exclude: Collection[str]
    """Patterns of URLs: leave out such candidates of documents."""
    min_width: int | None
    """Pixels of real width: skip narrower images."""
    min_height: int | None
    """Pixels of real height: skip lower images."""
    min_bytes: int | None
    """Bytes of the file: skip smaller images."""
    require_width: bool | int
    """Pixels of real width without which an image fails; True for the requested width."""


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
        return _at_least(choice._replace(page=page) if page else choice, choosing)
    except ImgfetchError as error:
        return error.failed()._replace(url=error.url or name)


NO_WIDTH = "require_width needs a width, a viewport or a number of pixels"
"""The hint where a width is required that the caller did not request."""


def depends_on_size(choosing: Choosing) -> bool:
    """Return whether the caller asks for a real size."""
    return any(choosing.get(name) for name in ("min_width", "min_height", "min_bytes", "require_width"))


def _check_sizes(choosing: Choosing) -> None:
    """Raise `InputError` for a size that is not a whole number."""
    for name in ("min_width", "min_height", "min_bytes", "require_width"):
        value = choosing.get(name) or 0
        may_be_bool = name == "require_width"
        if not isinstance(value, int) or value < 0 or (value is True and not may_be_bool):
            raise InputError(ErrorKind.BAD_INPUT, f"{name} is {value!r}; give a whole number of at least 1")


def _at_least(choice: Choice, choosing: Choosing) -> Choice:
    """Return the choice with the real size that is asked.

    Raise `ContentError` (`too_narrow`) where no candidate may have it, and `InputError`.
    """
    if not depends_on_size(choosing):
        return choice
    _check_sizes(choosing)
    required = choosing.get("require_width") or 0
    if required is True:
        if choice.width is None:
            raise InputError(ErrorKind.BAD_INPUT, "no width is known that it must have", hint=NO_WIDTH)
        required = math.ceil(choice.width)
    if required:
        from imgfetch.rules.image.sizes import reaching, widest

        reach = reaching(choice, required)
        if reach is None:
            why = f"no candidate is {required:,} pixels wide; the widest has {widest(choice):,}"
            raise ContentError(ErrorKind.TOO_NARROW, why, redact(choice.url))
        choice = reach
    at_least = AtLeast(
        choosing.get("min_width") or 0,
        choosing.get("min_height") or 0,
        choosing.get("min_bytes") or 0,
        required,
    )
    return choice._replace(at_least=at_least)
