"""The structure check of image files: a walk over each format, without decoding a pixel.

    bytes ─▶ sniff ─┬▶ the walker of the format ─▶ Structure(width, height, frames)
                    │            └▶ the first error ───▶ Structure(…, defect)
                    └▶ another type ───────────────────▶ Structure(None, defect)

A walk checks every length, count, order and checksum in a file, from the first byte to the last. It never
raises, takes time linear in the size of the file, and bounds every count. It does not decode pixels. A run of
zero bytes in coded pixels can prove lost data: `webp`, `jpeg` and `avif` explain the proof, the other two why
they do not search.
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
    """Return the structure of an image, walked to its end. Never raises, and copies at most a block."""
    with memoryview(data) as view:
        head = bytes(view[:_HEAD_SIZE])
        form = sniff(head) or _markup_format(head, view)
        if form is None:
            from imgfetch.formats import other_types

            return Structure(None, defect=other_types.describe(head, len(view)))
        state = WalkState()
        defect = _first_error(_walker(form), view, state)
        return Structure(
            form,
            state.width,
            state.height,
            state.frames,
            defect,
            state.tail,
            state.most_pixels,
            tuple(state.notes),
            state.plane_bytes,
        )


def sniff(head: bytes) -> Format | None:
    """Return the format with the magic bytes that begin `head`; None for others, and for SVG, a text.

    64 bytes suffice for nearly all.
    """
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return Format.WEBP
    if head.startswith(b"\xff\xd8\xff"):
        return Format.JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return Format.PNG
    if head.startswith((b"GIF87a", b"GIF89a")):
        return Format.GIF
    if head[4:8] == b"ftyp":
        return _iso_format(head)
    if head.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")):
        return Format.JXL
    if head.startswith((b"\0\0\1\0", b"\0\0\2\0")):
        return Format.ICO
    if head.startswith(b"BM") and (len(head) < 18 or head[14:18] in _BITMAP_HEADERS):
        return Format.BMP
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")) and head[8:10] != b"CR":
        return Format.TIFF
    return None


def _markup_format(head: bytes, view: memoryview) -> Format | None:
    """Return SVG for a document with that root element, which may stand behind a long comment or DOCTYPE."""
    if not head[:1].isspace() and head[:1] not in (b"<", b"\xef", b"\xff", b"\xfe", b"\0"):
        return None
    from imgfetch.formats.svg_head import is_svg

    return Format.SVG if is_svg(head) or is_svg(bytes(view[:_MARKUP_HEAD_SIZE])) else None


def _iso_format(head: bytes) -> Format | None:
    """Return the format of an ISO base media file, by its brands (ISO 14496-12 §4.3)."""
    from imgfetch.formats.other_types import brands

    found = brands(head)
    if not _AVIF_BRANDS.isdisjoint(found):
        return Format.AVIF
    return None if _HEIC_BRANDS.isdisjoint(found) else Format.HEIC


_HEAD_SIZE = 4096
_BITMAP_HEADERS = frozenset(size.to_bytes(4, "little") for size in (12, 40, 52, 56, 64, 108, 124))
_MARKUP_HEAD_SIZE = 65_536
_AVIF_BRANDS = frozenset((b"avif", b"avis"))
_HEIC_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis"))


def _first_error(
    walker: Callable[[memoryview, WalkState], None], view: memoryview, state: WalkState
) -> Defect | None:
    try:
        walker(view, state)
    except FormatError as error:
        return error.defect
    except (struct.error, IndexError):  # a walker does not check before each read that the file goes on
        return Defect(ErrorKind.TRUNCATED, f"ends after {len(view):,} bytes, in the middle of a header")
    return None


@cache
def _walker(form: Format) -> Callable[[memoryview, WalkState], None]:
    """Import the walker of a format at its first use: most programs use one or two formats."""
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
            from imgfetch.formats.iso.avif import walk
        case Format.ICO:
            from imgfetch.formats.ico import walk
        case Format.BMP:
            from imgfetch.formats.bmp import walk
        case Format.TIFF:
            from imgfetch.formats.tiff import walk
        case Format.JXL:
            from imgfetch.formats.jxl import walk
        case Format.HEIC:
            from imgfetch.formats.iso.heic import walk
        case Format.SVG:
            from imgfetch.formats.svg import walk
    return walk
