"""Placeholders: valid images that stand for another one.

    Facts, promised width, requested key, final URL ─▶ detect ─▶ {Placeholder: reason}

A sign is not a proof: a caller may want a spacer. So a sign is a warning, and an error only if the caller
says so (`verify.apply_placeholder_policy`). A blurred picture of full size is not detected: its bytes are
like those of a drawing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgfetch.model.image import Format, Placeholder
from imgfetch.model.thresholds import REPEATED_BYTES, REPEATED_KEYS
from imgfetch.rules.http import urls

if TYPE_CHECKING:
    from collections.abc import Collection

    from imgfetch.model.image import Facts
    from imgfetch.model.values import Key

MOST_BYTES = REPEATED_BYTES
"""Bytes of a file at most to be a notice under many URLs: a notice is small, and a photo may be repeated."""

MANY_KEYS = REPEATED_KEYS
"""Different file names with the same bytes: files of one name may be renditions of one picture."""


def detect(
    facts: Facts,
    promised: int | None,
    *,
    requested: Key,
    final_url: str,
    sharing: Collection[Key] = (),
    stand_in: bool = False,
) -> dict[Placeholder, str]:
    """Return the signs of a placeholder, each with a reason in a few words.

    `promised` is the width of its descriptor, in pixels. `requested` is the key of the request, and
    `final_url` the URL after all redirects. `sharing` are other keys with the same stored bytes. A `stand_in`
    is what an image shows until a script has loaded it: so small, it is a preview.
    """
    width, height = facts.width, facts.height
    signs: dict[Placeholder, str] = {}
    if facts.format is Format.SVG:
        pass  # it has no pixels, and may be shown at any size
    elif max(width, height) <= _MOST_OF_PIXEL:
        signs[Placeholder.TRACKING_PIXEL] = f"{width} x {height} pixels"
    elif promised is not None and width <= _MOST_OF_BLUR and width * _FACTOR_OF_BLUR <= promised:
        signs[Placeholder.BLUR_PLACEHOLDER] = f"{width} pixels wide, {promised} were promised"
    elif stand_in and max(width, height) <= _MOST_OF_BLUR:
        signs[Placeholder.BLUR_PLACEHOLDER] = f"{width} x {height} pixels, in place of another picture"
    if _leads_to_notice(requested, final_url):
        signs[Placeholder.REMOVED] = f"redirected to {urls.redact(final_url)}"
    many = facts.bytes <= MOST_BYTES and len(sharing) >= MANY_KEYS - 1
    if many and len(names := _file_names(requested, sharing)) >= MANY_KEYS:
        signs[Placeholder.REPEATED] = f"{len(names)} files of this host have the same bytes"
    return signs


_MOST_OF_PIXEL = 2
"""Pixels of the width and the height of a tracking pixel at most."""
_MOST_OF_BLUR = 64
"""Pixels of the width of a blurred placeholder at most: frameworks make them 8 to 64 wide."""
_FACTOR_OF_BLUR = 4
"""The promised width is at least so many times that of a blurred placeholder."""

_NOTICE = (
    r"(?i:(?:(?:image|img|photo|picture|media|file)[-_. ]?)?(?:is[-_. ])?"
    r"(?:removed|deleted|unavailable|not[-_. ]?available|not[-_. ]?found|missing|placeholder|404"
    r"|no[-_. ]?(?:image|img|photo|picture|thumb(?:nail)?))"
    r"(?:[-_. ]?(?:image|img|photo|picture|[0-9]{1,4}(?:x[0-9]{1,4})?|[a-z]))?)"
)
"""File names, without extension, that hosts give to the picture of a notice that an image is missing."""


def _leads_to_notice(requested: Key, final_url: str) -> bool:
    """Return True if a redirect led to a file with the name of a notice, and that name was not requested."""
    if final_url == requested or requested.startswith("ni:"):  # the usual case; or nothing was requested
        return False
    there = urls.read(final_url)
    if not isinstance(there, urls.Address) or _last_segment(there.target) == _file_name(requested):
        return False
    stem = _last_segment(there.target).rpartition(".")
    return re.fullmatch(_NOTICE, stem[0] or stem[2]) is not None  # compiled here: few runs need it


def _file_names(requested: Key, sharing: Collection[Key]) -> frozenset[str]:
    """Return the different file names among those keys that have the origin of `requested`.

    Names, not URLs: a host may serve one picture under many paths and queries, one for each size.
    """
    here = urls.origin(requested)
    return frozenset(_file_name(key) for key in (requested, *sharing) if urls.origin(key) == here)


def _file_name(url: str) -> str:
    there = urls.read(url)
    return _last_segment(there.target) if isinstance(there, urls.Address) else ""


def _last_segment(target: str) -> str:
    path = target.partition("?")[0]
    return next((part for part in reversed(path.split("/")) if part), "")
