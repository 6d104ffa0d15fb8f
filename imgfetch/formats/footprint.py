"""How much memory a decode takes, from the header of an image: an upper estimate, made without decoding.

    bytes, Structure ─▶ bytes a pixel, by format and kind ─▶ bytes

The figures are those of the decoders that Pillow brings, as they are asked by `decode.pillow`, measured on
images of 12 to 35 million pixels and rounded up; `tests/test_footprint_of_decoding.py` measures them anew.
"""

from __future__ import annotations

import struct
from struct import Struct
from typing import TYPE_CHECKING

from imgfetch.model.image import DecodeLoad, Format

if TYPE_CHECKING:
    from imgfetch.model.image import Structure
    from imgfetch.model.values import Buffer

NO_SECOND_TRY = 16_000_000
"""Pixels from which on a WebP that libwebp refuses is not given to Pillow too: that takes 10 bytes each."""


def decode_load(data: Buffer, structure: Structure) -> DecodeLoad:
    """Return what a decode of `data`, whose walk gave `structure`, takes at most."""
    pixels = max(structure.width * structure.height, structure.most_pixels)
    with memoryview(data) as view:
        try:
            memory = _memory(view, structure, pixels)
        except (struct.error, IndexError, ZeroDivisionError):  # a header that no decoder takes either
            memory = _MOST * pixels
    return DecodeLoad(int(memory) + _BASE, pixels * structure.frames)


_BASE = 1_000_000
_MOST = 20


def _memory(view: memoryview, structure: Structure, pixels: int) -> float:
    match structure.format:
        case Format.JPEG:
            return _jpeg(view)
        case Format.PNG:
            return _png(view, structure.frames) * pixels
        case Format.WEBP:
            return _webp(view, pixels, structure.frames) * pixels + 2 * len(view)
        case Format.GIF:
            return 2.5 * pixels  # each frame by itself: no picture is put together
        case _:
            return _avif(view, structure) * pixels + len(view)


_COMPOSED = 19
"""Of an animation that Pillow composes: the frame, the canvas before and after, and what it disposes to."""

# ---------------------------------------------------------------------------------------------------
# JPEG

_SEGMENT = Struct(">BBH")
_SOF = Struct(">BHHB")
_SOFS = frozenset((0xC0, 0xC1, 0xC2))
_PROGRESSIVE, _SOS = 0xC2, 0xDA
_MOST_SEGMENTS = 65_536


def _jpeg(view: memoryview) -> float:
    """Return an eighth of each side in grey, and all coefficients at 2 bytes unless one scan has them all."""
    at, coefficients, pixels, parts = 2, 0.0, 0, 0
    kind = 0
    for _ in range(_MOST_SEGMENTS):
        while view[at] == 0xFF and view[at + 1] == 0xFF:  # fill bytes
            at += 1
        mark, code, length = _SEGMENT.unpack_from(view, at)
        if mark != 0xFF:
            at += 1
            continue
        if code in _SOFS:
            kind = code
            _, height, width, parts = _SOF.unpack_from(view, at + 4)
            pixels = width * height
            sampling = [view[at + 11 + 3 * part] for part in range(parts)]
            whole = max(each >> 4 for each in sampling) * max(each & 15 for each in sampling)
            share = sum((each >> 4) * (each & 15) for each in sampling) / whole
            coefficients = 2 * (width + 16) * (height + 16) * share
        if code == _SOS:
            in_one_scan = kind != _PROGRESSIVE and view[at + 4] == parts
            return pixels / 64 + (0 if in_one_scan else 1.05 * coefficients)
        at += 2 + (0 if 0xD0 <= code <= 0xD8 or code == 1 else length)
    return 1.05 * coefficients + pixels / 64


# ---------------------------------------------------------------------------------------------------
# PNG

_CHUNK = Struct(">I4s")
_GREY, _PALETTE = 0, 3


def _png(view: memoryview, frames: int) -> float:
    depth, colour = view[24], view[25]
    if frames > 1 or _is_animated(view):
        return _COMPOSED
    if colour == _PALETTE:
        return 1.1
    if colour == _GREY:
        return 2.1 if depth == 16 else 1.1
    return 4.1


def _is_animated(view: memoryview) -> bool:
    """Whether an acTL chunk stands before the first IDAT (PNG, third edition, §11.3.6.1)."""
    at = 8
    for _ in range(_MOST_SEGMENTS):
        if at + 8 > len(view):
            return False
        length, kind = _CHUNK.unpack_from(view, at)
        if kind in (b"acTL", b"IDAT"):
            return bool(kind == b"acTL")
        at += 12 + length
    return False


# ---------------------------------------------------------------------------------------------------
# WebP


def _webp(view: memoryview, pixels: int, frames: int) -> float:
    """No picture is made of a lossy one; of an alpha channel and of a lossless bitstream one is."""
    if pixels < NO_SECOND_TRY:
        return 12 if frames > 1 else 10
    first = bytes(view[12:16])
    return 1 if first == b"VP8 " else 5


# ---------------------------------------------------------------------------------------------------
# AVIF

_ALPHA = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha"
_HEAD = 1 << 20
_REFERENCES = 9
"""Frames that AV1 decodes from (§7.20: 8), and the one under way."""


def _avif(view: memoryview, structure: Structure) -> float:
    """Planes as the coded data say, and pixels twice: as libavif gives them, and as Pillow does."""
    alpha = _ALPHA in bytes(view[:_HEAD])
    planes = structure.plane_bytes or _MOST_PLANE_BYTES
    planes += 2 * planes / 3 if alpha else 0
    held = planes * (_REFERENCES if structure.frames > 1 else 1)
    return held + 2 * (4 if alpha else 3) + (2 if alpha else 1.2)


_MOST_PLANE_BYTES = 6.0
