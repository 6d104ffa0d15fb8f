"""URLs as a browser spells them: with escapes, and hosts in ASCII."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from imgfetch.rules.http.urls import is_plain

if TYPE_CHECKING:
    from imgfetch.model.markup import Candidate, SourceSet


def spelled(url: str) -> str:
    """Return a URL as a browser requests it (URL §4.4); a relative or invalid one unchanged."""
    if is_plain(url):
        return url
    from imgfetch.markup.urls import resolve

    return resolve(url, "") or url


def all_spelled(image: SourceSet) -> SourceSet:
    """Return the image with every URL spelled as a browser does."""
    offered = (image.candidates, *(source.candidates for source in image.sources))
    if all(is_plain(candidate.url) for candidates in offered for candidate in candidates):
        return image

    def each(candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
        return tuple(replace(candidate, url=spelled(candidate.url)) for candidate in candidates)

    sources = tuple(replace(source, candidates=each(source.candidates)) for source in image.sources)
    return replace(image, candidates=each(image.candidates), sources=sources)
