"""How a browser takes one rendition of a source set: the policy `browser`.

    candidates ─▶ normalise: a density each, twins dropped ─▶ select: the one that is shown

Densities are single precision floats, as they are in browsers: 1.00000001x is 1x.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from imgfetch.model import Candidate

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


def normalise(
    candidates: Iterable[Candidate], source_size: float, *, src: str = ""
) -> tuple[tuple[str, float], ...]:
    """Each candidate's URL and density in device pixels a CSS pixel, in the order written.

    `src` joins as 1x where no candidate has a width; of equal densities the first written stays
    (HTML §4.8.4.3.4, §4.8.4.3.9, and step 1 of §4.8.4.3.6). `source_size` is in CSS pixels.
    """
    size = single(source_size)
    densities: dict[float, str] = {}
    widths = False
    for candidate in candidates:
        if candidate.width is not None:
            widths = True
            density = single(single(candidate.width) / size) if size else float("inf")
        else:
            density = 1.0 if candidate.density is None else single(candidate.density)
        densities.setdefault(density, candidate.url)
    if src and not widths:
        densities.setdefault(1.0, src)
    return tuple((url, density) for density, url in densities.items())


def select(
    source_set: Sequence[tuple[str, float]],
    dpr: float,
    *,
    at_hand: Callable[[str], bool] = lambda url: False,
) -> str | None:
    """The URL a browser shows: the lowest density that covers `dpr`, else the highest.

    A denser one that costs nothing, because it is `at_hand`, is taken instead, the densest first.
    None of an empty set.
    """
    if not source_set:
        return None
    wanted = single(dpr)
    covering = [candidate for candidate in source_set if candidate[1] >= wanted]
    winner = min(covering, key=_density) if covering else max(source_set, key=_density)
    denser = sorted((each for each in covering if each[1] > winner[1]), key=_density, reverse=True)
    return next((url for url, _ in denser if at_hand(url)), winner[0])


def can_show(media_type: str | None, browser: str = "chromium") -> bool:
    """Whether a browser takes a `<source>` of this `type`; one that says nothing is taken.

    Parameters are not looked at (HTML §4.8.4.3.8 asks for the type alone).
    """
    essence = (media_type or "").partition(";")[0].strip(" \t\n\v\f\r").lower()
    return not essence or essence in (_SHOWN_BY_FIREFOX if browser == "firefox" else _SHOWN_BY_CHROMIUM)


def _density(candidate: tuple[str, float]) -> float:
    return candidate[1]


def single(number: float) -> float:
    """The nearest single precision number."""
    try:
        rounded: float = _SINGLE.unpack(_SINGLE.pack(number))[0]
    except OverflowError:
        return float("inf")
    return rounded
