"""How a browser takes one rendition of a source set: the policy `browser`.

    candidates ─▶ a density each, twins dropped ─▶ rank: the one that is shown, and what may be shown instead

Densities are single precision floats, as they are in browsers: 1.00000001x is 1x.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgfetch.model.markup import Descriptors

_SHOWN_BY_BOTH = frozenset(
    f"image/{name}"
    for name in (
        "apng", "avif", "bmp", "gif", "jpeg", "jpg", "pjpeg", "png", "svg+xml",
        "vnd.microsoft.icon", "webp", "x-icon", "x-png",
    )
)  # fmt: skip
_SHOWN_BY_CHROMIUM = _SHOWN_BY_BOTH | {"image/jxl", "image/x-xbitmap"}
_SHOWN_BY_FIREFOX = _SHOWN_BY_BOTH | {"image/vnd.mozilla.apng", "image/x-ms-bmp", "image/icon"}

_SINGLE = struct.Struct("f")

_MOST_REMEMBERED = 64
"""Candidates of a list: what is longer is not met twice."""


def normalise(
    urls: Sequence[str], descriptors: Descriptors, source_size: float, *, src: str = ""
) -> tuple[tuple[str, float], ...]:
    """Each candidate's URL and density in device pixels a CSS pixel, in the order written.

    `src` joins as 1x where no candidate has a width; of equal densities the first written stays
    (HTML §4.8.4.3.4, §4.8.4.3.9, and step 1 of §4.8.4.3.6). `source_size` is in CSS pixels.
    """
    places = _places(descriptors, source_size, bool(src))
    every = (*urls, src)
    return tuple((every[place], number) for number, place in places.items())


def rank(
    urls: Sequence[str], descriptors: Descriptors, source_size: float, dpr: float, *, src: str = ""
) -> list[str]:
    """The URLs that a browser may show, in the order in which it thinks of them; none of no candidates.

    The last is the lowest density that covers `dpr`, else the highest. Before it stand the denser ones,
    the densest first: of those the first that costs nothing is shown instead.
    """
    ranks = _ranks if len(descriptors) <= _MOST_REMEMBERED else _ranks.__wrapped__
    every = (*urls, src) if src else urls
    return [every[place] for place in ranks(descriptors, source_size, dpr, bool(src))]


@lru_cache(maxsize=1024)
def _ranks(descriptors: Descriptors, source_size: float, dpr: float, has_src: bool) -> tuple[int, ...]:
    """The places of what `rank` gives."""
    places = _places(descriptors, source_size, has_src)
    wanted = single(dpr)
    covering = sorted((number for number in places if number >= wanted), reverse=True)
    return tuple(places[number] for number in covering or sorted(places)[-1:])


def _places(descriptors: Descriptors, source_size: float, has_src: bool) -> dict[float, int]:
    """Where the first of each density stands: `src` behind all others, if it joins them."""
    places: dict[float, int] = {}
    for place, (width, written) in enumerate(descriptors):
        places.setdefault(density(width, written, source_size), place)
    if has_src and all(width is None for width, _ in descriptors):
        places.setdefault(1.0, len(descriptors))
    return places


def rungs(descriptors: Descriptors) -> tuple[list[int], ...]:
    """The places of candidates with a width, and of those without, the sparsest first at whatever size."""
    kinds: tuple[dict[float, int], dict[float, int]] = {}, {}
    for place, (width, written) in enumerate(descriptors):
        kinds[width is None].setdefault(density(width, written, 1.0), place)
    return tuple([places[number] for number in sorted(places)] for places in kinds if places)


def lowest(rung: Sequence[int], descriptors: Descriptors, source_size: float, dpr: float) -> int:
    """The place of the lowest density of one kind that covers `dpr`, else of the highest: by halves."""
    at = bisect_left(rung, single(dpr), key=lambda place: density(*descriptors[place], source_size))
    return rung[min(at, len(rung) - 1)]


@lru_cache(maxsize=4096)  # the images of a page are cut to the same few widths
def density(width: int | None, written: float | None, source_size: float) -> float:
    """The density of a candidate by its descriptors: `width`, or a density `written`, or none."""
    if width is None:
        return 1.0 if written is None else single(written)
    size = single(source_size)
    return single(single(width) / size) if size else float("inf")


def can_show(media_type: str | None, browser: str = "chromium") -> bool:
    """Whether a browser takes a `<source>` of this `type`; one that says nothing is taken.

    Parameters are not looked at (HTML §4.8.4.3.8 asks for the type alone).
    """
    shown = _SHOWN_BY_FIREFOX if browser == "firefox" else _SHOWN_BY_CHROMIUM
    if not media_type or media_type in shown:
        return True
    essence = media_type.partition(";")[0].strip(" \t\n\v\f\r").lower()
    return not essence or essence in shown


@lru_cache(maxsize=1024)
def single(number: float) -> float:
    """The nearest single precision number."""
    try:
        rounded: float = _SINGLE.unpack(_SINGLE.pack(number))[0]
    except OverflowError:
        return float("inf")
    return rounded
