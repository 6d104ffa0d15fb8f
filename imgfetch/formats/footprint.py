"""The memory of a decode: an upper estimate from the headers of an image, made without decoding.

    bytes, Structure ─▶ bytes for each pixel, by format and kind ─▶ bytes

The figures are those of Pillow's decoders as `decode.pillow` calls them, measured on images of 12 to 35
million pixels and rounded up; `tests/test_decode_load.py` measures them again.
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
"""Pixels from which Pillow does not decode a WebP that libwebp has refused: it takes 10 bytes for each."""


def decode_load(data: Buffer, structure: Structure) -> DecodeLoad:
    """Return the largest load of a decode of `data`, given the result of their structure check."""
    pixels = max(structure.width * structure.height, structure.most_pixels)
    with memoryview(data) as view:
        try:
            memory = _memory(view, structure, pixels)
        except (struct.error, IndexError, ZeroDivisionError):  # a header that decoders refuse too
            memory = _MAX_PIXEL_BYTES * pixels
    return DecodeLoad(int(memory) + _BASE, pixels * structure.frames)


_BASE = 1_000_000
_MAX_PIXEL_BYTES = 20


def _memory(view: memoryview, structure: Structure, pixels: int) -> float:
    match structure.format:
        case Format.JPEG:
            return _jpeg(view)
        case Format.PNG:
            return _png(view, structure.frames) * pixels
        case Format.WEBP:
            return _webp(view, pixels, structure.frames) * pixels + 2 * len(view)
        case Format.GIF:
            return 2.5 * pixels  # each frame alone: the frames are not composed
        case Format.JXL | Format.HEIC:  # in a process of its own, with a copy of the file
            return 12 * pixels + 2 * len(view)
        case Format.BMP | Format.ICO:
            return 4.1 * pixels + 100_000
        case Format.TIFF:
            picture = 1.1 if structure.plane_bytes <= 1 else 4.1
            return (picture + 1.4 * structure.plane_bytes) * pixels + 1.5 * len(view)
        case _:
            return _avif(view, structure) * pixels + len(view)


_COMPOSED = 19
"""Bytes for each pixel of an animation that Pillow composes: the frame, and the canvas three times."""

# ---------------------------------------------------------------------------------------------------
# JPEG

_SEGMENT = Struct(">BBH")
_SOF = Struct(">BHHB")
_SOFS = frozenset((0xC0, 0xC1, 0xC2))
_PROGRESSIVE, _SOS = 0xC2, 0xDA
_MAX_SEGMENTS = 65_536


def _jpeg(view: memoryview) -> float:
    """Return the bytes of an eighth of each side in grey, and of all coefficients unless one scan has all."""
    offset, coefficients, pixels, parts = 2, 0.0, 0, 0
    kind = 0
    for _ in range(_MAX_SEGMENTS):
        while view[offset] == 0xFF and view[offset + 1] == 0xFF:  # fill bytes
            offset += 1
        mark, code, length = _SEGMENT.unpack_from(view, offset)
        if mark != 0xFF:
            offset += 1
            continue
        if code in _SOFS:
            kind = code
            _, height, width, parts = _SOF.unpack_from(view, offset + 4)
            pixels = width * height
            sampling = [view[offset + 11 + 3 * part] for part in range(parts)]
            whole = max(each >> 4 for each in sampling) * max(each & 15 for each in sampling)
            share = sum((each >> 4) * (each & 15) for each in sampling) / whole
            coefficients = 2 * (width + 16) * (height + 16) * share
        if code == _SOS:
            in_one_scan = kind != _PROGRESSIVE and view[offset + 4] == parts
            return pixels / 64 + (0 if in_one_scan else 1.05 * coefficients)
        offset += 2 + (0 if 0xD0 <= code <= 0xD8 or code == 1 else length)
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
    """Return True if an acTL chunk precedes the first IDAT (PNG, third edition, §11.3.6.1)."""
    offset = 8
    for _ in range(_MAX_SEGMENTS):
        if offset + 8 > len(view):
            return False
        length, kind = _CHUNK.unpack_from(view, offset)
        if kind in (b"acTL", b"IDAT"):
            return bool(kind == b"acTL")
        offset += 12 + length
    return False


# ---------------------------------------------------------------------------------------------------
# WebP


def _webp(view: memoryview, pixels: int, frames: int) -> float:
    """Return the bytes for each pixel; libwebp builds an image of alpha and of lossless bitstreams alone."""
    if pixels < NO_SECOND_TRY:
        return 12 if frames > 1 else 10
    first = bytes(view[12:16])
    return 1 if first == b"VP8 " else 5


# ---------------------------------------------------------------------------------------------------
# AVIF

_ALPHA = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha"
_HEAD_SIZE = 1 << 20
_REFERENCES = 9
"""Frames in memory: 8 reference frames (AV1 §7.20), and the one that is decoded."""


def _avif(view: memoryview, structure: Structure) -> float:
    """Return the bytes for each pixel: the coded planes, and the pixels of libavif and of Pillow."""
    alpha = _ALPHA in bytes(view[:_HEAD_SIZE])
    planes = structure.plane_bytes or _MAX_PLANE_BYTES
    planes += 2 * planes / 3 if alpha else 0
    decoded = planes * (_REFERENCES if structure.frames > 1 else 1)
    return decoded + 2 * (4 if alpha else 3) + (2 if alpha else 1.2)


_MAX_PLANE_BYTES = 6.0
