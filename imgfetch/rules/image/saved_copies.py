"""Tell the copies that a browser saved beside a page from the images of the web.

page.html, SourceSet ─▶ the source set without candidates such as `page_files/a.jpg`

A name in a page opens no file, so that such a copy is not read; nor is it at that URL of the web.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from imgfetch.model.markup import Candidate, SourceSet


def may_name_copies(page: bytes | str) -> bool:
    """Return whether a page may name such copies: most do not."""
    return "_files/" in page if isinstance(page, str) else b"_files/" in page


def without_copies(image: SourceSet, stem: str) -> SourceSet:
    """Return the image without the candidates in the folder `<stem>_files` beside its page."""
    sources = tuple(
        source._replace(candidates=_elsewhere(source.candidates, stem)) for source in image.sources
    )
    return image._replace(
        candidates=_elsewhere(image.candidates, stem),
        sources=tuple(source for source in sources if source.candidates),
    )


def has_copies(image: SourceSet, stem: str) -> bool:
    """Return whether a candidate of the image is a copy that was saved beside its page."""
    lists = (image.candidates, *(source.candidates for source in image.sources))
    return any(_is_copy(candidate.url, stem) for candidates in lists for candidate in candidates)


def _elsewhere(candidates: tuple[Candidate, ...], stem: str) -> tuple[Candidate, ...]:
    return tuple(candidate for candidate in candidates if not _is_copy(candidate.url, stem))


def _is_copy(url: str, stem: str) -> bool:
    if not may_name_copies(url):
        return False
    path = unquote(url).partition("?")[0]
    return f"/{stem}_files/" in path or path.startswith(f"{stem}_files/")
