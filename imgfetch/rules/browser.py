"""How a browser takes one rendition of a source set: the policy `browser`.

    candidates ─▶ normalise: a density each, twins dropped ─▶ select: the one that is shown

Densities are single precision floats, as they are in browsers: 1.00000001x is 1x.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from imgfetch.model import Described

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
_DENSITY = itemgetter(1)


def normalise(
    candidates: Iterable[Described], source_size: float, *, src: str = ""
) -> tuple[tuple[str, float], ...]:
    """Each candidate's URL and density in device pixels a CSS pixel, in the order written.

    `src` joins as 1x where no candidate has a width; of equal densities the first written stays
    (HTML §4.8.4.3.4, §4.8.4.3.9, and step 1 of §4.8.4.3.6). `source_size` is in CSS pixels.
    """
    densities: dict[float, str] = {}
    widths = False
    for url, width, _, written in candidates:
        if width is not None:
            widths = True
        densities.setdefault(density(width, written, source_size), url)
    if src and not widths:
        densities.setdefault(1.0, src)
    return tuple(zip(densities.values(), densities, strict=True))


@lru_cache(maxsize=4096)  # the images of a page are cut to the same few widths
def density(width: int | None, written: float | None, source_size: float) -> float:
    """The density of a candidate by its descriptors: `width`, or a density `written`, or none."""
    if width is None:
        return 1.0 if written is None else single(written)
    size = single(source_size)
    return single(single(width) / size) if size else float("inf")


def select(
    source_set: Sequence[tuple[str, float]],
    dpr: float,
    *,
    at_hand: Callable[[str], bool] | None = None,
) -> str | None:
    """The URL a browser shows: the lowest density that covers `dpr`, else the highest.

    A denser one that costs nothing, because it is `at_hand`, is taken instead, the densest first.
    None of an empty set.
    """
    if not source_set:
        return None
    wanted = single(dpr)
    covering = [candidate for candidate in source_set if candidate[1] >= wanted]
    if not covering:
        return max(source_set, key=_DENSITY)[0]
    winner = min(covering, key=_DENSITY)
    if at_hand is not None and len(covering) > 1:
        for url, number in sorted(covering, key=_DENSITY, reverse=True):
            if number > winner[1] and at_hand(url):
                return url
    return winner[0]


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
