"""libwebp itself, as Pillow brings it: whether an image can be decoded, without a picture being made of it.

    bytes ─▶ canvas: the container, as libwebp's demuxer takes it ─▶ can_decode: every bit of every frame

Pillow has each frame drawn onto a canvas, and copies that. All that can go wrong does so where bits are
read; filtering, colours and pixels only cost. What is left out here is a third of the time, and all memory
but a few rows of pixels.

Types and names are those of libwebp's `decode.h` and `demux.h`, whose versions each call gives.
"""

from __future__ import annotations

import ctypes
from contextlib import contextmanager
from ctypes import POINTER, byref, c_int, c_size_t, c_uint32, c_void_p
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.ports import never_stop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from imgfetch.model import Buffer
    from imgfetch.ports import Checkpoint

_DECODER, _DEMUX = 0x0209, 0x0107
"""The versions of the interfaces that are spoken; of another major one libwebp lets nothing be asked."""
_OK, _RGBA = 0, 1
_WIDTH, _HEIGHT, _FRAMES = 1, 2, 5
"""WebPFormatFeature."""


class Canvas(NamedTuple):
    """What an image claims to be."""

    width: int
    height: int
    frames: int


class Libwebp:
    """The library, with what it is asked for. May be called from any thread, and lets go of the lock."""

    def __init__(self, library: ctypes.CDLL) -> None:
        """Raises `AttributeError` where a function is not to be had."""
        self._demux = library.WebPDemuxInternal
        self._demux.argtypes = [POINTER(_Data), c_int, POINTER(c_int), c_int]
        self._demux.restype = c_void_p
        self._feature = library.WebPDemuxGetI
        self._feature.argtypes = [c_void_p, c_int]
        self._feature.restype = c_uint32
        self._first = library.WebPDemuxGetFrame
        self._first.argtypes = [c_void_p, c_int, POINTER(_Frame)]
        self._next = library.WebPDemuxNextFrame
        self._next.argtypes = [POINTER(_Frame)]
        self._leave = library.WebPDemuxReleaseIterator
        self._leave.argtypes = [POINTER(_Frame)]
        self._leave.restype = None
        self._close = library.WebPDemuxDelete
        self._close.argtypes = [c_void_p]
        self._close.restype = None
        self._begin = library.WebPInitDecoderConfigInternal
        self._begin.argtypes = [POINTER(_Config), c_int]
        self._decode = library.WebPDecode
        self._decode.argtypes = [c_void_p, c_size_t, POINTER(_Config)]
        self._free = library.WebPFreeDecBuffer
        self._free.argtypes = [POINTER(_Pixels)]
        self._free.restype = None

    @classmethod
    @cache
    def of_pillow(cls) -> Self | None:
        """The one that Pillow decodes with; None where it is not there, or is not as it should be."""
        try:
            from PIL import _webp

            # what a shared library has linked is found through it
            found = cls(ctypes.CDLL(_webp.__file__))
        except (ImportError, OSError, AttributeError):
            return None
        return found if found._begin(byref(_Config()), _DECODER) else None

    def canvas(self, data: Buffer) -> Canvas | None:
        """Size, and number of frames, of an image whose container is whole; None of anything else."""
        with self._opened(data) as opened:
            if not opened:
                return None
            return Canvas(*(self._feature(opened, each) for each in (_WIDTH, _HEIGHT, _FRAMES)))

    def can_decode(self, data: Buffer, checkpoint: Checkpoint = never_stop) -> bool:
        """Whether every macroblock, row and alpha value of every frame can be decoded.

        Calls `checkpoint` before each frame.
        """
        with self._opened(data) as opened:
            frame = _Frame()
            more = opened and self._first(opened, 1, byref(frame))
            if not more:
                return False
            try:
                while more:
                    checkpoint()
                    if not (frame.complete and self._can_decode(frame)):
                        return False
                    more = self._next(byref(frame))
            finally:
                self._leave(byref(frame))
        return True

    @contextmanager
    def _opened(self, data: Buffer) -> Iterator[int | None]:
        pinned = _pinned(data)
        described = _Data(_place(pinned), len(data))
        opened = self._demux(byref(described), 0, byref(c_int()), _DEMUX)
        try:
            yield opened
        finally:
            self._close(opened)

    def _can_decode(self, frame: _Frame) -> bool:
        config = _Config()
        if not self._begin(byref(config), _DECODER):
            return False
        config.output.colorspace = _RGBA
        options = config.options
        options.bypass_filtering = 1
        # Of the last pixels alone a picture is made. What comes before them has to be read all the same.
        options.use_cropping = 1
        options.crop_left, options.crop_top = (frame.width - 1) & ~1, (frame.height - 1) & ~1
        options.crop_width = frame.width - options.crop_left
        options.crop_height = frame.height - options.crop_top
        try:
            return bool(self._decode(frame.bytes, frame.size, byref(config)) == _OK)
        finally:
            self._free(byref(config.output))


def _pinned(data: Buffer) -> ctypes.Array[ctypes.c_char] | ctypes.c_char_p:
    """What keeps the bytes where they lie, for as long as it lives: a copy where they cannot be kept."""
    with memoryview(data) as view:
        can_be_kept = len(view) and not view.readonly
    if can_be_kept:
        return (ctypes.c_char * len(data)).from_buffer(data)
    return ctypes.c_char_p(data if isinstance(data, bytes) else bytes(data))


def _place(pinned: ctypes.Array[ctypes.c_char] | ctypes.c_char_p) -> int | None:
    """The address; `ctypes.cast` would have the bytes kept until the next search for garbage."""
    if isinstance(pinned, ctypes.c_char_p):
        return c_void_p.from_buffer(pinned).value
    return ctypes.addressof(pinned)


class _Data(ctypes.Structure):
    """WebPData."""

    _fields_ = (("bytes", c_void_p), ("size", c_size_t))


class _Frame(ctypes.Structure):
    """WebPIterator."""

    _fields_ = (
        *((name, c_int) for name in ("number", "frames", "x", "y", "width", "height")),
        *((name, c_int) for name in ("duration", "dispose_method", "complete")),
        ("bytes", c_void_p),
        ("size", c_size_t),
        *((name, c_int) for name in ("has_alpha", "blend_method")),
        ("pad", c_uint32 * 2),
        ("private", c_void_p),
    )


class _Features(ctypes.Structure):
    """WebPBitstreamFeatures."""

    _fields_ = (
        *((name, c_int) for name in ("width", "height", "has_alpha", "has_animation", "format")),
        ("pad", c_uint32 * 5),
    )


class _Yuva(ctypes.Structure):
    """WebPYUVABuffer, the larger one of the two that share their place in WebPDecBuffer."""

    _fields_ = (
        *((name, c_void_p) for name in "yuva"),
        *((f"{name}_stride", c_int) for name in "yuva"),
        *((f"{name}_size", c_size_t) for name in "yuva"),
    )


class _Pixels(ctypes.Structure):
    """WebPDecBuffer."""

    _fields_ = (
        ("colorspace", c_int),
        ("width", c_int),
        ("height", c_int),
        ("is_external_memory", c_int),
        ("planes", _Yuva),
        ("pad", c_uint32 * 4),
        ("private_memory", c_void_p),
    )


class _Options(ctypes.Structure):
    """WebPDecoderOptions."""

    _fields_ = (
        *((name, c_int) for name in ("bypass_filtering", "no_fancy_upsampling")),
        *((name, c_int) for name in ("use_cropping", "crop_left", "crop_top", "crop_width", "crop_height")),
        *((name, c_int) for name in ("use_scaling", "scaled_width", "scaled_height")),
        *((name, c_int) for name in ("use_threads", "dithering_strength", "flip")),
        ("alpha_dithering_strength", c_int),
        ("pad", c_uint32 * 5),
    )


class _Config(ctypes.Structure):
    """WebPDecoderConfig."""

    _fields_ = (("input", _Features), ("output", _Pixels), ("options", _Options))
