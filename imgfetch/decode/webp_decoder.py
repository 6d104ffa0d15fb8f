"""Decode a WebP with libwebp itself, and look for bitstreams that end too early.

    bytes ─▶ libwebp ─▶ decoded ─▶ a doubtful bitstream, without its last bytes ─▶ must fail ─▶ None │ Defect
                └─────▶ refused ─▶ Pillow, which says why

An arithmetic or prefix decoder that went astray ends too early or too late. Too late is an error; too early
is not, and is the effect of lost data. Such a bitstream can be decoded without its last bytes.
"""

from __future__ import annotations

from contextlib import closing
from struct import Struct
from typing import TYPE_CHECKING

from imgfetch.decode.native.libwebp import Libwebp
from imgfetch.decode.pillow_core import unread_bytes
from imgfetch.decode.pillow_plugins import decode_frame, decode_frames, open_with_plugin
from imgfetch.formats.footprint import NO_SECOND_TRY
from imgfetch.formats.webp import bitstreams, may_be_damaged
from imgfetch.model.image import Defect, Format, Structure
from imgfetch.model.result import ErrorKind
from imgfetch.rules.image.verify import check_size

if TYPE_CHECKING:
    from imgfetch.model.request import Limits
    from imgfetch.model.values import Buffer
    from imgfetch.ports import Checkpoint

_WITHHELD = 16
"""Bytes at the end of a bitstream without which it must not be decodable."""
_MIN_BITSTREAM = 64
_RIFF_CHUNK = Struct("<4sI")
_RIFF_SIZE = Struct("<I")


def decode_webp(data: Buffer, limits: Limits, checkpoint: Checkpoint) -> Defect | None:
    """Decode with libwebp; if it refuses the image, and that is not large, with Pillow, which says why."""
    library = Libwebp.of_pillow()
    canvas = library and library.canvas(data)
    if library and canvas:
        defect = check_size(Structure(Format.WEBP, *canvas), limits)
        if defect is not None or library.can_decode(data, checkpoint):
            return defect
        if canvas.width * canvas.height >= NO_SECOND_TRY:
            return Defect(ErrorKind.CORRUPT, "cannot be decoded: failed to read next frame")
    with closing(open_with_plugin(memoryview(data), Format.WEBP)) as image:
        return decode_frames(image, Format.WEBP, limits, checkpoint)


def find_unread_data(view: memoryview, checkpoint: Checkpoint, *, thorough: bool) -> Defect | None:
    """Decode bitstreams without their last bytes; return a defect if one succeeds.

    Without `thorough` only doubtful bitstreams are tried.
    """
    for fourcc, at, length in bitstreams(view):
        checkpoint()
        doubtful = length > _MIN_BITSTREAM and (thorough or may_be_damaged(view, at, length))
        if doubtful and _can_decode(fourcc, bytes(view[at : at + length - _WITHHELD])):
            return Defect(ErrorKind.CORRUPT, unread_bytes(_WITHHELD))
    return None


def _can_decode(fourcc: bytes, bitstream: bytes) -> bool:
    """Return whether a VP8 or VP8L bitstream, in a file of its own, can be decoded."""
    body = _RIFF_CHUNK.pack(fourcc, len(bitstream)) + bitstream + bytes(len(bitstream) & 1)
    data = b"RIFF" + _RIFF_SIZE.pack(4 + len(body)) + b"WEBP" + body
    library = Libwebp.of_pillow()
    if library:
        return library.can_decode(data)
    try:
        with closing(open_with_plugin(memoryview(data), Format.WEBP)) as image:
            decode_frame(image, Format.WEBP)
    except Exception:
        return False
    return True
