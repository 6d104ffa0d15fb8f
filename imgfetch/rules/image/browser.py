"""Select an image of a source set as browsers do: the policy `browser`.

    candidates ─▶ densities, without duplicates ─▶ rank: the selected one, and those that may replace it

Densities are floats of single precision, as in Chromium: 1.00000001x is 1x. In Firefox they are `double`.
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
_SHOWN_BY_FIREFOX = _SHOWN_BY_BOTH | {"image/x-ms-bmp", "image/icon"}
_SPACES = str.maketrans("", "", " \t\n\f\r")

_SINGLE = struct.Struct("f")

_MOST_CACHED = 64
"""Candidates of a cached list: longer lists do not repeat."""


def normalise(
    urls: Sequence[str], descriptors: Descriptors, source_size: float, *, src: str = ""
) -> tuple[tuple[str, float], ...]:
    """Return the URL and the density of each candidate, in the order written.

    Densities are in device pixels per CSS pixel, `source_size` is in CSS pixels. `src` is a candidate of 1x
    if no candidate has a width. Of equal densities only the first is returned (HTML §4.8.4.3.4, §4.8.4.3.9,
    and step 1 of §4.8.4.3.6).
    """
    positions = _positions(descriptors, source_size, bool(src))
    every = (*urls, src)
    return tuple((every[position], number) for number, position in positions.items())


def rank(
    urls: Sequence[str],
    descriptors: Descriptors,
    source_size: float,
    dpr: float,
    *,
    src: str = "",
    double: bool = False,
) -> list[str]:
    """Return the URLs that a browser may show; an empty list without candidates.

    The last one has the lowest density that covers `dpr`, else the highest density. Denser ones stand before
    it, the densest first: a browser shows the first of them that it has in its cache.
    """
    ranks = _ranks if len(descriptors) <= _MOST_CACHED else _ranks.__wrapped__
    every = (*urls, src) if src else urls
    return [every[position] for position in ranks(descriptors, source_size, dpr, bool(src), double)]


@lru_cache(maxsize=1024)
def _ranks(
    descriptors: Descriptors, source_size: float, dpr: float, has_src: bool, double: bool
) -> tuple[int, ...]:
    """Return the positions of the candidates that `rank` returns."""
    positions = _positions(descriptors, source_size, has_src, double)
    wanted = single(dpr)
    covering = sorted((number for number in positions if number >= wanted), reverse=True)
    return tuple(positions[number] for number in covering or sorted(positions)[-1:])


def _positions(
    descriptors: Descriptors, source_size: float, has_src: bool, double: bool = False
) -> dict[float, int]:
    """Map each density to the position of its first candidate; `src` comes after all others."""
    positions: dict[float, int] = {}
    for position, (width, written) in enumerate(descriptors):
        positions.setdefault(density(width, written, source_size, double), position)
    if has_src and all(width is None for width, _ in descriptors):
        positions.setdefault(1.0, len(descriptors))
    return positions


def rungs(descriptors: Descriptors, *, double: bool = False) -> tuple[list[int], ...]:
    """Return the positions of the candidates with a width, and of those without, by ascending density.

    The order holds for every source size.
    """
    kinds: tuple[dict[float, int], dict[float, int]] = {}, {}
    for position, (width, written) in enumerate(descriptors):
        kinds[width is None].setdefault(density(width, written, 1.0, double), position)
    return tuple([positions[number] for number in sorted(positions)] for positions in kinds if positions)


def lowest(
    rung: Sequence[int], descriptors: Descriptors, source_size: float, dpr: float, *, double: bool = False
) -> int:
    """Return the position of the lowest density of one kind that covers `dpr`, else of the highest.

    Time is logarithmic in the number of candidates.
    """

    def density_of(position: int) -> float:
        return density(*descriptors[position], source_size, double)

    at = bisect_left(rung, single(dpr), key=density_of)
    return rung[min(at, len(rung) - 1)]


@lru_cache(maxsize=4096)  # the images of a page have the same few widths
def density(width: int | None, written: float | None, source_size: float, double: bool = False) -> float:
    """Return the density of a candidate by its descriptors: a `width`, a density as `written`, or neither."""
    if width is None:
        return 1.0 if written is None else written if double else single(written)
    if double:
        return width / source_size if source_size else float("inf")
    size = single(source_size)
    return single(single(width) / size) if size else float("inf")


def can_show(media_type: str | None, browser: str = "chromium") -> bool:
    """Return True if a browser selects a `<source>` of this `type`, or one without a type.

    Parameters of the media type are ignored (HTML §4.8.4.3.8). Firefox ignores spaces too.
    """
    shown = _SHOWN_BY_FIREFOX if browser == "firefox" else _SHOWN_BY_CHROMIUM
    if not media_type or media_type in shown:
        return True
    essence = media_type.partition(";")[0].strip(" \t\n\v\f\r").lower()
    if browser == "firefox":
        essence = essence.translate(_SPACES)
    return not essence or essence in shown


@lru_cache(maxsize=1024)
def single(number: float) -> float:
    """Round to the nearest single precision number."""
    try:
        rounded: float = _SINGLE.unpack(_SINGLE.pack(number))[0]
    except OverflowError:
        return float("inf")
    return rounded
