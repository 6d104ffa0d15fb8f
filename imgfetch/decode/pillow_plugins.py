"""Open an image with one plugin of Pillow, and decode its frames: all but JPEG, GIF and most WebP.

    bytes ─▶ without metadata ─▶ the one plugin ─▶ frame after frame ─▶ None │ Defect

Metadata is withheld from Pillow, which warns of it or fails on it: no picture needs it.
"""

from __future__ import annotations

import re
import struct
from itertools import count
from typing import TYPE_CHECKING, Any

from imgfetch.decode.joined_file import file_of
from imgfetch.decode.native.libtiff import apply_silence
from imgfetch.decode.pillow_core import CORE, feed
from imgfetch.formats.tiff import essential_directories
from imgfetch.model.image import Defect, Format, Structure
from imgfetch.model.result import ErrorKind
from imgfetch.rules.image.verify import check_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import ImageFile

    from imgfetch.model.request import Limits
    from imgfetch.ports import Checkpoint


def open_with_plugin(view: memoryview, form: Format) -> ImageFile.ImageFile:
    """Import the plugin that is needed, and no other, and open the image with it."""
    match form:
        case Format.WEBP:
            from PIL.WebPImagePlugin import WebPImageFile

            return WebPImageFile(file_of([view], len(view)))
        case Format.PNG:
            from PIL.PngImagePlugin import PngImageFile

            return PngImageFile(file_of(essential_chunks(view), len(view)))
        case Format.BMP:
            from PIL.BmpImagePlugin import BmpImageFile

            return BmpImageFile(file_of([view], len(view)))
        case Format.TIFF:
            from PIL.TiffImagePlugin import TiffImageFile

            apply_silence()
            parts = essential_directories(view)

            return TiffImageFile(file_of(parts, sum(map(len, parts))))
        case _:
            from PIL.AvifImagePlugin import AvifImageFile

            return AvifImageFile(file_of(_without_exif(view), len(view)))


def decode_frames(
    image: ImageFile.ImageFile, form: Format, limits: Limits, checkpoint: Checkpoint
) -> Defect | None:
    """Decode every frame; return the first defect, or None."""
    announced = getattr(image, "n_frames", 1)
    # An APNG may hold one picture more, for readers that do not support animation.
    extra = int(getattr(image, "default_image", False))
    for number in count():
        checkpoint()
        try:
            image.seek(number)
        except EOFError:
            if number < announced:
                cut = f"{announced:,} frames are announced, {number:,} can be decoded"
                return Defect(ErrorKind.TRUNCATED, cut)
            return None
        defect = check_size(Structure(form, image.width, image.height, number + 1 - extra), limits)
        if defect is not None:
            return defect
        decode_frame(image, form)
    return None


def decode_frame(image: ImageFile.ImageFile, form: Format) -> None:
    """Decode the frame at the position of `image`, with as few copies of the picture as possible."""
    if form is Format.PNG:
        _load_png(image)
        return
    if form is Format.WEBP:
        # `load` goes on to copy libwebp's picture into an image of Pillow's own: a fifth of the time
        getattr(image, "_get_next", image.load)()
        return
    try:
        decoder = getattr(image, "_decoder", None)
        if decoder is None:
            image.load()
        else:  # as above: a third of the time, and of the memory
            decoder.get_frame(image.tell())
    except Exception as error:
        # Every coefficient was decoded, and libavif has no RGB for the matrix that the image names.
        if not str(error).startswith("Conversion from YUV failed"):
            raise


def _load_png(image: Any) -> None:  # noqa: ANN401 (a `PngImageFile`, by methods that its types do not show)
    """Decode a frame as `image.load` does, but as if `LOAD_TRUNCATED_IMAGES` were off."""
    image.load_prepare()
    for tile in image.tile:
        args = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        codec = getattr(CORE, f"{tile.codec_name}_decoder")(image.mode, *args, *image.decoderconfig)
        codec.setimage(image.im, tile.extents)
        try:
            _feed_png(codec, image)
        finally:
            codec.cleanup()
    image.tile = []
    image.load_end()


def _feed_png(codec: object, image: Any) -> None:  # noqa: ANN401 (see `_load_png`)
    rest = b""
    while True:
        try:
            data = image.load_read(image.decodermaxblock)
        except (IndexError, struct.error) as error:
            raise OSError("image file is truncated") from error
        if not data:
            raise OSError(f"image file is truncated ({len(rest)} bytes not processed)")
        rest += data
        consumed = feed(codec, rest)
        if consumed < 0:
            return
        rest = rest[consumed:]


_CHUNK = struct.Struct(">I4s")
_BOX = struct.Struct(">I4s")
_PNG_CHUNKS = frozenset((b"IHDR", b"PLTE", b"acTL", b"fcTL", b"IDAT", b"fdAT", b"IEND"))
_EXIF_ITEM = re.compile(rb"(infe[\x02\x03].{3}(?:.{4}|.{6}))Exif", re.DOTALL)


def essential_chunks(view: memoryview) -> Iterator[memoryview]:
    """Yield a PNG without text, profiles and other chunks that no pixel depends on."""
    start, at = 0, 8
    while at + 8 <= len(view):
        length, kind = _CHUNK.unpack_from(view, at)
        if kind not in _PNG_CHUNKS:
            yield view[start:at]
            start = at + 12 + length
        at += 12 + length
    yield view[start:]


def _without_exif(view: memoryview) -> Iterator[memoryview]:
    """Yield an AVIF in which Exif items have an unknown type."""
    at = 0
    while at + 8 <= len(view):
        size, kind = _BOX.unpack_from(view, at)
        if kind in (b"mdat", b"free") or size < 8:
            size = size if size >= 8 else len(view)
            yield view[at : at + size]
        else:
            yield memoryview(_EXIF_ITEM.sub(rb"\1skip", bytes(view[at : at + size])))
        at += size
    yield view[at:]
