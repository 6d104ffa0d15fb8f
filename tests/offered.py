# ruff: noqa: E501 (markup, as it stands in pages)
"""What a page offers, written in one line for each image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.markup.page.discovery import find_page_images

if TYPE_CHECKING:
    from imgfetch.model.markup import Candidate, SourceSet

PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
EMPTY_SVG = (
    "data:image/svg+xml,%3Csvg%20viewBox='0%200%203%202'%20xmlns='http://www.w3.org/2000/svg'%3E%3C/svg%3E"
)
DRAWN_SVG = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'><path d='M0 0h9'/></svg>"
BASE = "https://x.test/d/"


def written(image: SourceSet) -> str:
    """`kind: candidates`, each as its URL and descriptor, an original with *; sources in brackets, the placeholder after ~."""
    text = f"{image.kind}: " + ", ".join(map(_candidate, image.candidates))
    for source in image.sources:
        text += f" [{' '.join(filter(None, (source.media, source.type)))} {', '.join(map(_candidate, source.candidates))}]"
    return text + (f" ~ {_short(image.placeholder)}" if image.placeholder else "")


def _candidate(candidate: Candidate) -> str:
    descriptor = f" {candidate.width}w" if candidate.width else ""
    descriptor = descriptor or (f" {candidate.density:g}x" if candidate.density else "")
    return _short(candidate.url) + descriptor + ("*" if candidate.is_original else "")


def _short(url: str) -> str:
    return url[:9] if url.startswith("data:") else url.removeprefix(BASE)


def check(markup: str, *expected: str) -> None:
    assert [written(image) for image in find_page_images(markup, base_url=BASE)] == list(expected)
