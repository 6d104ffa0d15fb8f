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

    from imgfetch.model.values import Buffer
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


class Corner(NamedTuple):
    """What libwebp tells of a frame, and its last pixels."""

    size: tuple[int, int]
    has_alpha: bool
    duration: int
    """In milliseconds."""
    pixels: bytes
    """RGBA, of the last two columns and rows that begin at an even place."""


def disagreement() -> str | None:
    """Decode a known animation by the structures described here and by Pillow; return how the two differ.

    None where they do not. Raises `LookupError` where there is no libwebp to be asked, or no Pillow.
    """
    from imgfetch.formats.samples import ANIMATED  # decoding images needs no sample

    library = Libwebp.of_pillow()
    if library is None:
        raise LookupError("libwebp cannot be asked directly")
    try:
        told = library.canvas(ANIMATED), library.corners(ANIMATED)
    except ValueError as error:
        return str(error)
    expected = _as_pillow_has_it(ANIMATED)
    if told[0] != expected[0]:
        return f"the canvas is {told[0]}, by Pillow {expected[0]}"
    return None if told[1] == expected[1] else f"the frames are {told[1]}, by Pillow {expected[1]}"


def _as_pillow_has_it(data: bytes) -> tuple[Canvas, list[Corner]]:
    from io import BytesIO

    from PIL.WebPImagePlugin import WebPImageFile

    corners = []
    with WebPImageFile(BytesIO(data)) as image:
        width, height = image.size
        canvas = Canvas(width, height, image.n_frames)
        for number in range(image.n_frames):
            image.seek(number)
            image.load()
            last = image.convert("RGBA").crop(((width - 1) & ~1, (height - 1) & ~1, width, height))
            has_alpha = image.mode == "RGBA"
            corners.append(Corner(image.size, has_alpha, image.info["duration"], last.tobytes()))
    return canvas, corners


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

    def corners(self, data: Buffer) -> list[Corner]:
        """Return what libwebp writes into each structure that is described here, frame by frame.

        Behind each structure are bytes that nobody may change. Raises `ValueError` where one was changed.
        """
        found: list[Corner] = []
        with self._opened(data) as opened:
            guarded = _GuardedFrame(guard=_GUARD)
            frame = guarded.frame
            more = opened and self._first(opened, 1, byref(frame))
            try:
                while more:
                    if len(found) == self._feature(opened, _FRAMES):
                        raise ValueError("there are more frames than were told")
                    found.append(self._corner(frame))
                    _check(guarded.guard)
                    more = self._next(byref(frame))
            finally:
                self._leave(byref(frame))
        return found

    def _corner(self, frame: _Frame) -> Corner:
        guarded = _GuardedConfig(guard=_GUARD)
        config = guarded.config
        if not (1 <= frame.width <= _LARGEST and 1 <= frame.height <= _LARGEST):
            raise ValueError(f"a frame of {frame.width} x {frame.height} pixels is not in the image")
        if not self._prepare(config, frame):
            raise ValueError("it is of another version")
        try:
            if self._decode(frame.bytes, frame.size, byref(config)) != _OK:
                raise ValueError("a whole image is refused")
            _check(guarded.guard)
            image, output, asked = config.input, config.output, config.options
            if (output.width, output.height) != (
                asked.crop_width,
                asked.crop_height,
            ):  # before it is relied on
                raise ValueError(f"a picture of {output.width} x {output.height} pixels was not asked for")
            rgba = _Rgba.from_address(ctypes.addressof(output.planes))
            if rgba.size != rgba.stride * (output.height - 1) + output.width * 4:
                raise ValueError(f"{rgba.size} bytes are not those of the picture")
            rows = [
                ctypes.string_at(rgba.pixels + row * rgba.stride, output.width * 4)
                for row in range(output.height)
            ]
            size = image.width, image.height
            return Corner(size, bool(image.has_alpha), frame.duration, b"".join(rows))
        finally:
            self._free(byref(config.output))

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
        if not self._prepare(config, frame):
            return False
        try:
            return bool(self._decode(frame.bytes, frame.size, byref(config)) == _OK)
        finally:
            self._free(byref(config.output))

    def _prepare(self, config: _Config, frame: _Frame) -> bool:
        """Ask for the last pixels of a frame; return False where libwebp is of another version."""
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
        return True


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


class _Rgba(ctypes.Structure):
    """WebPRGBABuffer, the smaller one."""

    _fields_ = (("pixels", c_void_p), ("stride", c_int), ("size", c_size_t))


class _Config(ctypes.Structure):
    """WebPDecoderConfig."""

    _fields_ = (("input", _Features), ("output", _Pixels), ("options", _Options))


_LARGEST = 16384
"""Pixels of a side, in WebP."""

_GUARD = tuple(range(1, 256))
_Guard = ctypes.c_ubyte * len(_GUARD)


class _GuardedFrame(ctypes.Structure):
    _fields_ = (("frame", _Frame), ("guard", _Guard))


class _GuardedConfig(ctypes.Structure):
    _fields_ = (("config", _Config), ("guard", _Guard))


def _check(guard: ctypes.Array[ctypes.c_ubyte]) -> None:
    if tuple(guard) != _GUARD:
        raise ValueError("a structure is larger than it is described")
