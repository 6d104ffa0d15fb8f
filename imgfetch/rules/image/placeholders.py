"""Pictures that stand in for another: sound images, and not what was asked for.

    Facts, the width that was promised, where it was asked for and found ─▶ signs ─▶ {Fake: why}

A sign is no proof: a spacer may be what somebody wants. So none of them is an error unless the caller says
so (`verify.suspect`). A blurred picture of full size is not among them: by its bytes it cannot be told
from a drawing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgfetch.model.image import Placeholder
from imgfetch.model.thresholds import REPEATED_BYTES, REPEATED_KEYS
from imgfetch.rules.http import urls

if TYPE_CHECKING:
    from collections.abc import Collection

    from imgfetch.model.image import Facts
    from imgfetch.model.values import Key

MOST_BYTES = REPEATED_BYTES
"""No larger file is taken for a notice under many URLs: a notice is small, and a photo may be repeated."""

MANY_KEYS = REPEATED_KEYS
"""Files of one name may be renditions of one picture; five names are five pictures."""


def detect(
    facts: Facts, promised: int | None, *, asked: Key, found: str, sharing: Collection[Key] = ()
) -> dict[Placeholder, str]:
    """By what a picture may be known for a stand-in, each with a reason in a few words.

    `promised` is the width its descriptor gives, in pixels; `asked` what was asked for, and `found` the URL
    that gave it after all redirects; `sharing` are keys under which the same bytes are held.
    """
    width, height = facts.width, facts.height
    seen: dict[Placeholder, str] = {}
    if max(width, height) <= _PIXEL:
        seen[Placeholder.TRACKING_PIXEL] = f"{width} x {height} pixels"
    elif promised is not None and width <= _BLUR and width * _FAR <= promised:
        seen[Placeholder.BLUR_PLACEHOLDER] = f"{width} pixels wide, {promised} were promised"
    if _leads_to_a_notice(asked, found):
        seen[Placeholder.REMOVED] = f"redirected to {urls.redact(found)}"
    many = facts.bytes <= MOST_BYTES and len(sharing) >= MANY_KEYS - 1
    if many and len(files := _files_of(asked, sharing)) >= MANY_KEYS:
        seen[Placeholder.REPEATED] = f"{len(files)} files of this host have the same bytes"
    return seen


_PIXEL = 2
_BLUR = 64
"""Frameworks draw what they blur 8 to 64 pixels wide."""
_FAR = 4

_NOTICE = (
    r"(?i:(?:(?:image|img|photo|picture|media|file)[-_. ]?)?(?:is[-_. ])?"
    r"(?:removed|deleted|unavailable|not[-_. ]?available|not[-_. ]?found|missing|placeholder|404"
    r"|no[-_. ]?(?:image|img|photo|picture|thumb(?:nail)?))"
    r"(?:[-_. ]?(?:image|img|photo|picture|[0-9]{1,4}(?:x[0-9]{1,4})?|[a-z]))?)"
)
"""What hosts call the picture that says there is none; the whole of a file's name, but for its extension."""


def _leads_to_a_notice(asked: Key, found: str) -> bool:
    """Whether a redirect led to what is named as a notice; who asks for one by its name shall have it."""
    if found == asked:  # as nearly always
        return False
    there = urls.read(found)
    if not isinstance(there, urls.Address) or _file(there.target) == _file_of(asked):
        return False
    stem = _file(there.target).rpartition(".")
    return re.fullmatch(_NOTICE, stem[0] or stem[2]) is not None  # compiled when needed: few redirects are


def _files_of(asked: Key, sharing: Collection[Key]) -> frozenset[str]:
    """The names of the files of one host that are among some keys, that of `asked` with them.

    Names, not URLs: a picture may stand under many paths and queries, one for each size of it.
    """
    here = urls.origin(asked)
    return frozenset(_file_of(key) for key in (asked, *sharing) if urls.origin(key) == here)


def _file_of(url: str) -> str:
    there = urls.read(url)
    return _file(there.target) if isinstance(there, urls.Address) else ""


def _file(target: str) -> str:
    path = target.partition("?")[0]
    return next((part for part in reversed(path.split("/")) if part), "")
