"""The images that an item of a feed names by elements, as source sets.

    enclosure · media:content · media:thumbnail ─▶ Pictures ─▶ one set for each image

The candidates of a `media:group` are one image in several sizes, and so are a content and its thumbnails
(Media RSS 1.5.1). Contents outside of a group are one image only where their URLs say so.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.model.markup import Candidate, SourceKind
from imgfetch.readers.strings import is_image_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Picture(NamedTuple):
    """An image that elements of a feed name."""

    candidates: tuple[Candidate, ...]
    kind: SourceKind
    base: str
    position: int
    alt: str = ""


class Media(NamedTuple):
    """A `media:content`, or an enclosure, that is an image, or the thumbnail of one."""

    url: str
    width: int | None
    height: int | None
    base: str
    position: int


class MediaOfPart(NamedTuple):
    """The media of an item or of a group."""

    contents: list[Media]
    thumbnails: list[Media]


def pictures_of_item(media: MediaOfPart) -> Iterator[Picture]:
    """Yield the images of an item by its contents and thumbnails outside of any group."""
    contents, thumbnails = media
    renditions: dict[str, list[Media]] = {}
    for each in contents:
        renditions.setdefault(_without_size(each), []).append(each)
    if len(renditions) == 1:
        yield picture(contents, thumbnails)
    elif renditions:
        yield from map(picture, renditions.values())
    elif len({each.width for each in thumbnails} - {None}) == len(thumbnails):
        # Each has its own width: one image in several sizes.
        yield from (picture(thumbnails),) if thumbnails else ()
    else:
        yield from (picture((each,)) for each in thumbnails)


def picture(contents: Sequence[Media], thumbnails: Sequence[Media] = ()) -> Picture:
    """Return the image with these renditions, of which `thumbnails` are smaller than `contents`.

    Where a content has no width, no candidate has one: the first is taken, the others if that fails.
    """
    unique = list({each.url: each for each in (*thumbnails, *contents)}.values())
    unique = [
        *(each for each in unique if each in contents),
        *(each for each in unique if each not in contents),
    ]
    if all(each.width is not None for each in contents):
        candidates = tuple(Candidate(each.url, each.width) for each in unique if each.width is not None)
    else:
        candidates = tuple(Candidate(each.url) for each in unique)
    return Picture(candidates, SourceKind.FEED, contents[0].base, contents[0].position)


def number(text: str) -> int | None:
    """Return a number of pixels; None if the text is not one."""
    found = re.match(r"\s*+([1-9][0-9]{0,5})(?:px)?\s*+\Z", text)
    return int(found[1]) if found else None


def _without_size(media: Media) -> str:
    """Return a URL with its own size left out: what renditions of one image share.

    The query of a file with the extension of an image is left out too: it asks for a size.
    """
    sizes = [str(each) for each in (media.width, media.height) if each is not None]
    if not sizes:
        return media.url
    path, mark, query = media.url.partition("#")[0].partition("?")
    url = path if is_image_url(path) else path + mark + query
    return re.sub(rf"(?<![0-9])(?:{'|'.join(sizes)})(?![0-9])", "*", url)
