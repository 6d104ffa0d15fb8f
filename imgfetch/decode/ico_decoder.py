"""Decode every image of an icon: each is a PNG or a bitmap.

images ─▶ size within the limits? ─▶ Pillow's plugin for PNG │ for bitmaps, without the mask ─▶ None │ Defect

Pillow's plugin for icons opens the largest image alone.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from PIL.BmpImagePlugin import DibImageFile
from PIL.PngImagePlugin import PngImageFile

from imgfetch.decode.joined_file import file_of
from imgfetch.decode.pillow_plugins import decode_frame, essential_chunks
from imgfetch.formats import ico
from imgfetch.model.image import Defect, Format, Structure
from imgfetch.rules.image.verify import check_size

if TYPE_CHECKING:
    from PIL import ImageFile

    from imgfetch.model.request import Limits
    from imgfetch.ports import Checkpoint


def decode_ico(view: memoryview, limits: Limits, checkpoint: Checkpoint) -> Defect | None:
    """Decode every image; return the first defect, or None."""
    for number, part in enumerate(ico.parts(view), 1):
        checkpoint()
        defect = check_size(Structure(Format.ICO, part.width, part.height, number), limits)
        if defect is not None:
            return defect
        with closing(_open(view, part)) as image:
            decode_frame(image, Format.ICO if part.bitmap else Format.PNG)
    return None


def _open(view: memoryview, part: ico.Part) -> ImageFile.ImageFile:
    if part.bitmap is None:
        png = view[part.start : part.stop]
        return PngImageFile(file_of(essential_chunks(png), len(png)))
    height = part.height.to_bytes(4, "little")
    head = view[part.start : part.start + 8], memoryview(height)  # without the rows of the mask
    if part.bitmap.header == 12:
        head = view[part.start : part.start + 6], memoryview(height[:2])
    length = sum(map(len, head))
    return DibImageFile(file_of([*head, view[part.start + length : part.stop]], part.stop - part.start))
