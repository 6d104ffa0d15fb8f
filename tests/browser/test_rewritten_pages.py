"""Pages drawn at random have other URLs for their images after a rewriting, and are else the same."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

import drawing
import offering
from imgfetch import find_images, rewrite
from imgfetch.markup.encoding import decode

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch import Candidate, SourceSet

PAGES = 120
"""Pages of each kind."""
FIRST = 100


@pytest.mark.parametrize("draw", [drawing.draw, offering.draw], ids=["shown", "offered"])
def test_a_drawn_page_changes_in_the_urls_alone(
    draw: Callable[[int], drawing.Case | offering.Offer],
) -> None:
    for seed in range(FIRST, FIRST + PAGES):
        drawn = draw(seed)
        page = drawn.page if isinstance(drawn.page, bytes) else drawn.page.encode()
        check(page, drawn.base_url, drawn.content_type)


def check(page: bytes, base_url: str, content_type: str) -> None:
    """Hold a page against the one with a new URL for each image, and with the same."""
    before = find_images(page, base_url=base_url, media_type=content_type)
    mapping = {url: moved(url) for image in before if image.places for url in urls_of(image)}
    same = {url: url for url in mapping}
    assert rewrite(page, same, base_url=base_url, media_type=content_type, cards=True) == page
    new = rewrite(page, mapping, base_url=base_url, media_type=content_type, cards=True)
    after = find_images(new, base_url=base_url, media_type=content_type)
    assert [said(image, lambda url: mapping.get(url, url)) for image in before] == [
        said(image, str) for image in after
    ]
    assert without_values(page, before, content_type) == without_values(new, after, content_type)


def moved(url: str) -> str:
    """Return the URL on another host, but for a data URL; its name stays, which says what it is."""
    return url if url[:5] in ("", "data:") else "https://new.test/m/" + url.partition("://")[2]


def urls_of(image: SourceSet) -> list[str]:
    every = (image.candidates, *(source.candidates for source in image.sources))
    return [image.placeholder, *(each.url for candidates in every for each in candidates)]


def said(image: SourceSet, spelled: Callable[[str], str]) -> object:
    """Return what a page says of an image, with its URLs spelled otherwise."""

    def each(candidates: tuple[Candidate, ...]) -> list[object]:
        return [(type(c), spelled(c.url), c.width, c.height, c.density) for c in candidates]

    sources = [(each(source.candidates), *source[1:]) for source in image.sources]
    return image.kind, each(image.candidates), sources, image.sizes, image.alt, spelled(image.placeholder)


def without_values(page: bytes, images: tuple[SourceSet, ...], content_type: str) -> str:
    """Return the text of a page without the values that name images, and without `crossorigin`."""
    text = decode(page, content_type)
    parts, done = [], 0
    for start, length in sorted({place[2:4] for image in images for place in image.places}):
        parts.append(text[done:start])
        done = max(done, start + length)
    return re.sub(r"\s+(?:crossorigin|integrity)[^\s>]*", "", "".join((*parts, text[done:])))
