"""What an image's bytes say: a walk over the structure of each format, without decoding a pixel.

    bytes ─▶ sniff ─┬▶ webp · jpeg · png · gif · avif ─▶ Structure(width, height, frames)
                    │            └▶ the first flaw ────▶ Structure(…, defect)
                    └▶ foreign ────────────────────────▶ Structure(None, defect)

A walk looks at every length, count, order and checksum that a file states of itself, from the first
byte to the last. It never raises, is linear in the size of the file, and bounds what a file can make
it count. It does not see what the coded pixels say; where a run of zero bytes in them is proof of lost
data, `webp`, `jpeg` and `avif` say how they know, and why the others do not look.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import TYPE_CHECKING

from imgfetch.formats.walker import FormatError, WalkState
from imgfetch.model.image import Defect, Format, Structure
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.model.values import Buffer


def walk(data: Buffer) -> Structure:
    """The structure of an image, walked to its end. Never raises, and copies no more than a block."""
    with memoryview(data) as view:
        head = bytes(view[:_HEAD])
        form = sniff(head)
        if form is None:
            from imgfetch.formats import other_types

            return Structure(None, defect=other_types.describe(head, len(view)))
        seen = WalkState()
        defect = _flaw(_walker(form), view, seen)
        return Structure(
            form,
            seen.width,
            seen.height,
            seen.frames,
            defect,
            seen.tail,
            seen.most_pixels,
            tuple(seen.notes),
            seen.plane_bytes,
        )


def sniff(head: bytes) -> Format | None:
    """The format whose magic bytes `head` begins with, or None. 64 bytes are enough for nearly all."""
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return Format.WEBP
    if head.startswith(b"\xff\xd8\xff"):
        return Format.JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return Format.PNG
    if head.startswith((b"GIF87a", b"GIF89a")):
        return Format.GIF
    if head[4:8] == b"ftyp" and _has_brand_of_avif(head):
        return Format.AVIF
    return None


def _has_brand_of_avif(head: bytes) -> bool:
    from imgfetch.formats.other_types import brands

    return not _AVIF_BRANDS.isdisjoint(brands(head))


_HEAD = 4096
_AVIF_BRANDS = frozenset((b"avif", b"avis"))


def _flaw(
    walker: Callable[[memoryview, WalkState], None], view: memoryview, seen: WalkState
) -> Defect | None:
    try:
        walker(view, seen)
    except FormatError as flaw:
        return flaw.defect
    except (struct.error, IndexError):  # a walker reads what must be there, and finds the end of the file
        return Defect(ErrorKind.TRUNCATED, f"ends after {len(view):,} bytes, in the middle of a header")
    return None


@cache
def _walker(form: Format) -> Callable[[memoryview, WalkState], None]:
    """Imported when met: most programs meet one or two formats."""
    match form:
        case Format.WEBP:
            from imgfetch.formats.webp import walk
        case Format.JPEG:
            from imgfetch.formats.jpeg import walk
        case Format.PNG:
            from imgfetch.formats.png import walk
        case Format.GIF:
            from imgfetch.formats.gif import walk
        case Format.AVIF:
            from imgfetch.formats.avif import walk
    return walk
