"""Errands: what there is to fetch for a run of sources, and what the caller will know each one by.

source ─▶ read ─▶ choose ─▶ Errand, one for each image the source offers
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypedDict, TypeVar, Unpack

from imgfetch.api.reading import choose, weigh
from imgfetch.api.sources import label, read_source
from imgfetch.errors import ImgfetchError, InputError
from imgfetch.model import Digest, Failed, Policy, Reason, Served

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from imgfetch.api.sources import Source
    from imgfetch.model import Choice, Format, SourceSet, Viewport

T = TypeVar("T", bound="Failed | Served")


class Keywords(TypedDict, total=False):
    """The keywords of `choose`."""

    width: int | None
    viewport: Viewport | None
    policy: Policy | str
    formats: Collection[Format | str] | None


class Choosing(Keywords, total=False):
    """How to read a source and choose from what it offers."""

    base_url: str
    every: bool
    """Whether to take every candidate of every image, each as an image of its own."""


@dataclass(frozen=True, slots=True)
class Errand:
    """One image to fetch, or the failure of a source that offers none."""

    choice: Choice | Failed
    source: str
    index: int
    sha256: Digest | None = None
    """The digest that the file must have, if the caller knows it."""

    def sign(self, outcome: T) -> T:
        """Give an outcome the name of the source it belongs to."""
        return replace(outcome, source=self.source, index=self.index)


def errands(sources: Iterable[Source], **choosing: Unpack[Choosing]) -> Iterator[Errand]:
    """Draw sources as they are needed; one that cannot be read gives one errand that has failed."""
    for index, source in enumerate(sources):
        yield from errands_of(source, index, **choosing)


def errands_of(source: Source, index: int, **choosing: Unpack[Choosing]) -> Iterator[Errand]:
    """One errand for each image that `source` offers; what cannot be read or chosen from has failed."""
    name = label(source)
    try:
        for source_set in _images(source, choosing):
            yield Errand(_choice_or_failure(source_set, choosing), name, index)
    except ImgfetchError as error:
        yield Errand(error.failed(), name, index)


def first_choice(source: Source, **choosing: Unpack[Choosing]) -> Choice:
    """Choose a rendition of the first image that `source` offers. Raises `InputError`."""
    source_set = next(iter(_images(source, choosing)))
    return choose(source_set, **_keywords(choosing))


def _images(source: Source, choosing: Choosing) -> Iterable[SourceSet]:
    found = read_source(source, base_url=choosing.get("base_url", ""))
    if not choosing.get("every"):
        return found
    return (
        replace(source_set, candidates=(candidate,), sources=())
        for source_set in found
        for part in weigh(source_set)
        for candidate in part.candidates
    )


def _choice_or_failure(source_set: SourceSet, choosing: Choosing) -> Choice | Failed:
    try:
        return choose(source_set, **_keywords(choosing))
    except ImgfetchError as error:
        return error.failed()


def _keywords(choosing: Choosing) -> Keywords:
    return {
        "width": choosing.get("width"),
        "viewport": choosing.get("viewport"),
        "policy": choosing.get("policy", Policy.COVER),
        "formats": choosing.get("formats"),
    }


def parse_digest(sha256: str | None) -> Digest | None:
    """Read a SHA-256 as people write it. Raises `InputError` (`bad_input`)."""
    if sha256 is None:
        return None
    if not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise InputError(Reason.BAD_INPUT, "not a SHA-256 in 64 hexadecimal digits", sha256[:80])
    return Digest(sha256.lower())
