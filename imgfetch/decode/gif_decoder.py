"""Decode every frame of a GIF, and check that its data are as long as the frame needs.

    frames ─▶ size within the limits? ─▶ sub-blocks of one frame ─▶ Pillow's LZW decoder ─▶ None │ Defect

Pillow's plugin gives its decoder the whole rest of the file, so that a frame that lacks data is filled from
the next frame. Here the decoder gets the data of one frame at a time, and no picture is composed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imgfetch.decode.pillow_core import CORE, feed, unread_bytes
from imgfetch.formats import gif
from imgfetch.model.image import Defect, Format, Structure
from imgfetch.model.result import ErrorKind
from imgfetch.rules.image.verify import check_size

if TYPE_CHECKING:
    from imgfetch.model.request import Limits
    from imgfetch.ports import Checkpoint

_MAX_UNREAD = 8
"""Bytes at most behind the code that fills a frame: of 3,500 frames of 2,060 files none has more than 3,
which hold a clear code and an end code."""


def decode_gif(view: memoryview, limits: Limits, checkpoint: Checkpoint) -> Defect | None:
    """Decode every frame; return the first defect, or None."""
    for number, frame in enumerate(gif.frames(view), 1):
        checkpoint()
        defect = check_size(Structure(Format.GIF, frame.width, frame.height, number), limits)
        defect = defect or _decode_frame(view, frame, number)
        if defect is not None:
            return defect
    return None


def _decode_frame(view: memoryview, frame: gif.Frame, number: int) -> Defect | None:
    if not frame.width or not frame.height:
        return Defect(ErrorKind.CORRUPT, f"frame {number} has {frame.width} x {frame.height} pixels")
    size = (frame.width, frame.height)
    codec = CORE.gif_decoder("P", frame.bits, frame.interlaced, -1)
    codec.setimage(CORE.new("P", size), (0, 0, *size))
    most, last = gif.split_data(view, frame, _MAX_UNREAD)
    try:
        for data in (most, gif.sub_blocks(last[:-_MAX_UNREAD])):
            filled = _fill(codec, data)
            if filled:
                return Defect(ErrorKind.CORRUPT, f"frame {number}: {unread_bytes(_MAX_UNREAD)}")
            if filled is None:
                return Defect(ErrorKind.TRUNCATED, _not_full(number))
        if _fill(codec, gif.sub_blocks(last[-_MAX_UNREAD:])):
            return None
        return Defect(ErrorKind.TRUNCATED, _not_full(number))
    finally:
        codec.cleanup()


def _fill(codec: Any, data: memoryview | bytes) -> bool | None:  # noqa: ANN401 (Pillow gives it no name)
    """Decode whole sub-blocks; return whether the frame is full, or None where an end code ends it."""
    if not data:
        return False
    consumed = feed(codec, data)
    if consumed < 0:
        return True
    return None if consumed < len(data) else False


def _not_full(number: int) -> str:
    return f"the image data of frame {number} end before the frame is full"
