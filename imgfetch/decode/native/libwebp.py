"""The libwebp of Pillow, called directly: find out whether an image can be decoded, without a picture.

    bytes ─▶ canvas: the container, as libwebp's demuxer reads it ─▶ can_decode: every bit of every frame

Pillow draws each frame onto a canvas, and copies that. Defects show where bits are read; filtering, colours
and pixels only cost time. Without them a decode takes a third less time, and memory for a few rows of pixels
only.

Types and names are those of libwebp's `decode.h` and `demux.h`; each call gives the versions of these.
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
"""The ABI versions that this module is written against; libwebp rejects calls of another major version."""
_OK, _RGBA = 0, 1
_WIDTH, _HEIGHT, _FRAMES = 1, 2, 5
"""WebPFormatFeature."""


class Canvas(NamedTuple):
    """The size of an image and its number of frames, by its container."""

    width: int
    height: int
    frames: int


class Corner(NamedTuple):
    """Facts about a frame, by libwebp, and its last pixels."""

    size: tuple[int, int]
    has_alpha: bool
    duration: int
    """Milliseconds."""
    pixels: bytes
    """RGBA of the last columns and rows, from the last even position on."""


def disagreement() -> str | None:
    """Decode a known animation with the structures of this module and with Pillow; return how they differ.

    None if they agree. Raises `LookupError` if libwebp cannot be called directly.
    """
    from imgfetch.formats.samples import ANIMATED  # only this function needs the sample

    library = Libwebp.of_pillow()
    if library is None:
        raise LookupError("libwebp cannot be asked directly")
    try:
        found = library.canvas(ANIMATED), library.corners(ANIMATED)
    except ValueError as error:
        return str(error)
    expected = _decode_with_pillow(ANIMATED)
    if found[0] != expected[0]:
        return f"the canvas is {found[0]}, by Pillow {expected[0]}"
    return None if found[1] == expected[1] else f"the frames are {found[1]}, by Pillow {expected[1]}"


def _decode_with_pillow(data: bytes) -> tuple[Canvas, list[Corner]]:
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
    """The functions of the library. May be called from any thread; releases the interpreter lock."""

    def __init__(self, library: ctypes.CDLL) -> None:
        """Find the functions. Raises `AttributeError` if the library lacks one."""
        self._demux = library.WebPDemuxInternal
        self._demux.argtypes = [POINTER(_Data), c_int, POINTER(c_int), c_int]
        self._demux.restype = c_void_p
        self._feature = library.WebPDemuxGetI
        self._feature.argtypes = [c_void_p, c_int]
        self._feature.restype = c_uint32
        self._first_frame = library.WebPDemuxGetFrame
        self._first_frame.argtypes = [c_void_p, c_int, POINTER(_Frame)]
        self._next_frame = library.WebPDemuxNextFrame
        self._next_frame.argtypes = [POINTER(_Frame)]
        self._release_frame = library.WebPDemuxReleaseIterator
        self._release_frame.argtypes = [POINTER(_Frame)]
        self._release_frame.restype = None
        self._delete = library.WebPDemuxDelete
        self._delete.argtypes = [c_void_p]
        self._delete.restype = None
        self._init_config = library.WebPInitDecoderConfigInternal
        self._init_config.argtypes = [POINTER(_Config), c_int]
        self._decode = library.WebPDecode
        self._decode.argtypes = [c_void_p, c_size_t, POINTER(_Config)]
        self._free_buffer = library.WebPFreeDecBuffer
        self._free_buffer.argtypes = [POINTER(_Pixels)]
        self._free_buffer.restype = None

    @classmethod
    @cache
    def of_pillow(cls) -> Self | None:
        """Return the library that Pillow decodes with; None if it is missing, or has another ABI."""
        try:
            from PIL import _webp

            # The extension module links libwebp, and gives access to its functions.
            found = cls(ctypes.CDLL(_webp.__file__))
        except (ImportError, OSError, AttributeError):
            return None
        return found if found._init_config(byref(_Config()), _DECODER) else None

    def canvas(self, data: Buffer) -> Canvas | None:
        """Return size and number of frames of an image with a whole container; None for other data."""
        with self._opened(data) as opened:
            if not opened:
                return None
            return Canvas(*(self._feature(opened, each) for each in (_WIDTH, _HEIGHT, _FRAMES)))

    def can_decode(self, data: Buffer, checkpoint: Checkpoint = never_stop) -> bool:
        """Return whether every macroblock, row and alpha value of every frame can be decoded.

        Calls `checkpoint` before each frame.
        """
        with self._opened(data) as opened:
            frame = _Frame()
            more = opened and self._first_frame(opened, 1, byref(frame))
            if not more:
                return False
            try:
                while more:
                    checkpoint()
                    if not (frame.complete and self._can_decode(frame)):
                        return False
                    more = self._next_frame(byref(frame))
            finally:
                self._release_frame(byref(frame))
        return True

    def corners(self, data: Buffer) -> list[Corner]:
        """Return the values that libwebp writes into each structure of this module, frame by frame.

        Raises `ValueError` if it writes beyond the end of a structure.
        """
        found: list[Corner] = []
        with self._opened(data) as opened:
            guarded = _GuardedFrame(guard=_GUARD)
            frame = guarded.frame
            more = opened and self._first_frame(opened, 1, byref(frame))
            try:
                while more:
                    if len(found) == self._feature(opened, _FRAMES):
                        raise ValueError("there are more frames than the container says")
                    found.append(self._corner(frame))
                    _check(guarded.guard)
                    more = self._next_frame(byref(frame))
            finally:
                self._release_frame(byref(frame))
        return found

    def _corner(self, frame: _Frame) -> Corner:
        guarded = _GuardedConfig(guard=_GUARD)
        config = guarded.config
        if not (1 <= frame.width <= _MAX_SIDE and 1 <= frame.height <= _MAX_SIDE):
            raise ValueError(f"a frame of {frame.width} x {frame.height} pixels is not in the image")
        if not self._prepare(config, frame):
            raise ValueError("libwebp has another version")
        try:
            if self._decode(frame.bytes, frame.size, byref(config)) != _OK:
                raise ValueError("an undamaged image is refused")
            _check(guarded.guard)
            image, output, options = config.input, config.output, config.options
            if (output.width, output.height) != (
                options.crop_width,
                options.crop_height,
            ):  # checked before it is used
                raise ValueError(f"a picture of {output.width} x {output.height} pixels was not requested")
            rgba = _Rgba.from_address(ctypes.addressof(output.planes))
            if rgba.size != rgba.stride * (output.height - 1) + output.width * 4:
                raise ValueError(f"{rgba.size} bytes do not match the size of the picture")
            rows = [
                ctypes.string_at(rgba.pixels + row * rgba.stride, output.width * 4)
                for row in range(output.height)
            ]
            size = image.width, image.height
            return Corner(size, bool(image.has_alpha), frame.duration, b"".join(rows))
        finally:
            self._free_buffer(byref(config.output))

    @contextmanager
    def _opened(self, data: Buffer) -> Iterator[int | None]:
        pinned = _pinned(data)
        described = _Data(_address(pinned), len(data))
        opened = self._demux(byref(described), 0, byref(c_int()), _DEMUX)
        try:
            yield opened
        finally:
            self._delete(opened)

    def _can_decode(self, frame: _Frame) -> bool:
        config = _Config()
        if not self._prepare(config, frame):
            return False
        try:
            return bool(self._decode(frame.bytes, frame.size, byref(config)) == _OK)
        finally:
            self._free_buffer(byref(config.output))

    def _prepare(self, config: _Config, frame: _Frame) -> bool:
        """Configure a decode of the last pixels only; return False if libwebp has another version."""
        if not self._init_config(byref(config), _DECODER):
            return False
        config.output.colorspace = _RGBA
        options = config.options
        options.bypass_filtering = 1
        # libwebp makes a picture of the last pixels only, and must read all the data before them.
        options.use_cropping = 1
        options.crop_left, options.crop_top = (frame.width - 1) & ~1, (frame.height - 1) & ~1
        options.crop_width = frame.width - options.crop_left
        options.crop_height = frame.height - options.crop_top
        return True


def _pinned(data: Buffer) -> ctypes.Array[ctypes.c_char] | ctypes.c_char_p:
    """Return an object that keeps the bytes at their address while it exists: a copy, if it must be one."""
    with memoryview(data) as view:
        is_writable = len(view) and not view.readonly
    if is_writable:
        return (ctypes.c_char * len(data)).from_buffer(data)
    return ctypes.c_char_p(data if isinstance(data, bytes) else bytes(data))


def _address(pinned: ctypes.Array[ctypes.c_char] | ctypes.c_char_p) -> int | None:
    """Return the address; `ctypes.cast` would keep the bytes until the next garbage collection."""
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
    """WebPYUVABuffer, the larger member of the union in WebPDecBuffer."""

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
    """WebPRGBABuffer, the smaller member."""

    _fields_ = (("pixels", c_void_p), ("stride", c_int), ("size", c_size_t))


class _Config(ctypes.Structure):
    """WebPDecoderConfig."""

    _fields_ = (("input", _Features), ("output", _Pixels), ("options", _Options))


_MAX_SIDE = 16384
"""Pixels: the longest side of a WebP."""

_GUARD = tuple(range(1, 256))
_Guard = ctypes.c_ubyte * len(_GUARD)


class _GuardedFrame(ctypes.Structure):
    _fields_ = (("frame", _Frame), ("guard", _Guard))


class _GuardedConfig(ctypes.Structure):
    _fields_ = (("config", _Config), ("guard", _Guard))


def _check(guard: ctypes.Array[ctypes.c_ubyte]) -> None:
    if tuple(guard) != _GUARD:
        raise ValueError("a structure is larger than its definition in imgfetch")
