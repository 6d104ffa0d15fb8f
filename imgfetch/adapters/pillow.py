"""Decodes images with Pillow, only to see whether they can be.

    bytes ─▶ what the picture depends on ─▶ the one plugin ─▶ frame after frame ─▶ None │ Defect

The plugin's class is used, never `Image.open`, so that no other plugin is imported or asked. Nothing
the host program sets changes what is found, and nothing is set for it: `MAX_IMAGE_PIXELS` and its
warnings belong to `Image.open` (our limits are judged here), and `LOAD_TRUNCATED_IMAGES` is undone by
`_Strict`. Metadata is kept from Pillow, which warns of it or stumbles over it, as no picture needs it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from contextlib import closing
from itertools import accumulate, count
from struct import Struct
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageFile

from imgfetch.errors import printable
from imgfetch.formats.webp import bitstreams, in_doubt
from imgfetch.model import Defect, Format, Reason, Structure
from imgfetch.rules.verify import admit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imgfetch.model import Buffer, Limits


class PillowDecoder:
    """A `Decoder`. Keeps nothing between calls, and may be called from any thread.

    A WebP bitstream that looks as if data had been lost from it is decoded a second time without its last
    bytes, which must fail. With `thorough` every WebP is: that sees 95 of 100 changed bits in lossy
    images, where decoding alone sees 14, and takes twice as long.
    """

    def __init__(self, *, thorough: bool = False) -> None:
        self._thorough = thorough

    def decode(self, data: Buffer, format: Format, limits: Limits) -> Defect | None:  # noqa: A002 (the port's word)
        """Decode every frame as `format`; say what was wrong, or None."""
        with memoryview(data) as view:
            try:
                with closing(_open(view, format)) as image:
                    defect = _decode(image, format, limits)
                if defect is None and format is Format.WEBP:
                    defect = _unread(view, thorough=self._thorough)
                return defect
            except MemoryError:
                return Defect(Reason.TOO_MANY_PIXELS, "not enough memory to decode it")
            except Image.DecompressionBombError as error:  # of WebP and GIF, whatever our own limit
                return Defect(Reason.TOO_MANY_PIXELS, _one_line(error))
            except Exception as error:  # plugins let out what their parsers met: TypeError, zlib.error, …
                return _defect(error)


def _decode(image: ImageFile.ImageFile, form: Format, limits: Limits) -> Defect | None:
    # a GIF tells its number only once it is read to the end, where its walk has been
    announced = 1 if form is Format.GIF else getattr(image, "n_frames", 1)
    # an APNG may hold one picture more, for readers that know no animations
    extra = int(getattr(image, "default_image", False))
    for number in count():
        try:
            image.seek(number)
        except EOFError:
            if number < announced:
                cut = f"{announced:,} frames are announced, {number:,} can be decoded"
                return Defect(Reason.TRUNCATED, cut)
            return None
        defect = admit(Structure(form, image.width, image.height, number + 1 - extra), limits)
        if defect is not None:
            return defect
        _decode_frame(image, form)
    return None


def _decode_frame(image: ImageFile.ImageFile, form: Format) -> None:
    """Decode the frame that was sought, the shortest way there is."""
    if form is Format.WEBP:
        # `load` goes on to copy what libwebp made into an image of Pillow's own: a fifth of the time
        getattr(image, "_get_next", image.load)()
        return
    if form is Format.JPEG:
        # every coefficient is read all the same; what is saved is turning them into colours
        image.draft("L", (max(1, image.width // 8), max(1, image.height // 8)))
    image.tile = [_strictly(tile) for tile in image.tile]
    image.load()


def _unread(view: memoryview, *, thorough: bool) -> Defect | None:
    """A WebP bitstream that can be decoded without its last bytes is not the one that was encoded.

    An arithmetic or prefix decoder that went astray ends too early or too late. Too late is an error; too
    early is not, and is what lost data lead to.
    """
    for fourcc, at, length in bitstreams(view):
        if length > _MIN_BITSTREAM and (thorough or in_doubt(view, at, length)):
            data = bytes(view[at : at + length - _SPARE])
            body = _RIFF_CHUNK.pack(fourcc, len(data)) + data + bytes(len(data) & 1)
            head = b"RIFF" + _RIFF_SIZE.pack(4 + len(body)) + b"WEBP"
            try:
                with closing(_open(memoryview(head + body), Format.WEBP)) as image:
                    _decode_frame(image, Format.WEBP)
            except Exception:  # as it should be
                continue
            return Defect(Reason.CORRUPT, f"image data is lost or changed: its last {_SPARE} bytes are never read")
    return None


_SPARE = 16
_MIN_BITSTREAM = 64
_RIFF_CHUNK = Struct("<4sI")
_RIFF_SIZE = Struct("<I")


def _defect(error: Exception) -> Defect:
    said = _one_line(error)
    cut = isinstance(error, EOFError) or "truncated" in said.lower()
    return Defect(Reason.TRUNCATED if cut else Reason.CORRUPT, f"cannot be decoded: {said}")


def _one_line(error: Exception) -> str:
    return printable(" ".join(str(error).split()) or type(error).__name__)[:200]


class _Strict(ImageFile.PyDecoder):
    """One of Pillow's own decoders, whose failure is heard even where the host program wants none heard."""

    def init(self, args: tuple[Any, ...]) -> None:
        self._codec = getattr(Image.core, f"{args[0]}_decoder")(self.mode, *args[1:])
        self._over = False

    def setimage(self, im: Any, extents: tuple[int, int, int, int] | None = None) -> None:
        self._codec.setimage(im, extents)

    def decode(self, buffer: Any) -> tuple[int, int]:
        consumed, error = self._codec.decode(buffer)
        self._over = consumed < 0
        if error < 0:
            raise OSError(Image.core.getcodecstatus(error))
        return consumed, error

    def cleanup(self) -> None:
        self._codec.cleanup()
        if not self._over:
            raise OSError("image data is truncated")


_STRICT = "imgfetch-strict"
Image.register_decoder(_STRICT, _Strict)


def _strictly(tile: ImageFile._Tile) -> ImageFile._Tile:
    args = tile.args if isinstance(tile.args, tuple) else (tile.args,)
    return tile._replace(codec_name=_STRICT, args=(tile.codec_name, *args))


# ---------------------------------------------------------------------------------------------------
# Opening


def _open(view: memoryview, form: Format) -> ImageFile.ImageFile:
    """Imports the plugin that is needed, and no other."""
    match form:
        case Format.WEBP:
            from PIL.WebPImagePlugin import WebPImageFile

            return WebPImageFile(_Parts([view]))
        case Format.JPEG:
            from PIL.JpegImagePlugin import JpegImageFile

            parts = _Parts(_essential_segments(view))
            image = JpegImageFile(parts)
            vars(image)["load_read"] = parts.read  # its own invents an end where LOAD_TRUNCATED_IMAGES is set
            return image
        case Format.PNG:
            from PIL.PngImagePlugin import PngImageFile

            return PngImageFile(_Parts(_essential_chunks(view)))
        case Format.GIF:
            from PIL.GifImagePlugin import GifImageFile

            return GifImageFile(_Parts([view]))
        case Format.AVIF:
            from PIL.AvifImagePlugin import AvifImageFile

            return AvifImageFile(_Parts(_without_exif(view)))


_MARKER = re.compile(rb"\xff[^\x00\xff]")
_LENGTH = Struct(">H")
_CHUNK = Struct(">I4s")
_BOX = Struct(">I4s")
_PNG_CHUNKS = frozenset((b"IHDR", b"PLTE", b"acTL", b"fcTL", b"IDAT", b"fdAT", b"IEND"))
_EXIF_ITEM = re.compile(rb"(infe[\x02\x03].{3}(?:.{4}|.{6}))Exif", re.DOTALL)


def _essential_segments(view: memoryview) -> Iterator[memoryview]:
    """A JPEG without APPn and COM, and without what stands between segments, up to its first scan."""
    yield view[:2]
    at = 2
    while found := _MARKER.search(view, at):
        code, at = view[found.end() - 1], found.start()
        if code == 0xDA or at + 4 > len(view):
            break
        stop = at + 2 + _LENGTH.unpack_from(view, at + 2)[0]
        if code < 0xE0:
            yield view[at:stop]
        at = stop
    yield view[at:]


def _essential_chunks(view: memoryview) -> Iterator[memoryview]:
    """A PNG without text, profiles and whatever else no pixel is made of."""
    kept, at = 0, 8
    while at + 8 <= len(view):
        length, kind = _CHUNK.unpack_from(view, at)
        if kind not in _PNG_CHUNKS:
            yield view[kept:at]
            kept = at + 12 + length
        at += 12 + length
    yield view[kept:]


def _without_exif(view: memoryview) -> Iterator[memoryview]:
    """An AVIF whose Exif items have a name that nobody knows."""
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


class _Parts:
    """Some parts of a buffer, read as one file. Copies nothing but what is read."""

    def __init__(self, parts: Iterable[memoryview]) -> None:
        self._parts = [part for part in parts if len(part)]
        self._ends = list(accumulate(map(len, self._parts)))
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        length = self._ends[-1] if self._ends else 0
        stop = length if size < 0 else min(length, self._at + size)
        read = []
        while self._at < stop:
            number = bisect_right(self._ends, self._at)
            first = self._ends[number] - len(self._parts[number])
            end = min(stop, self._ends[number])
            read.append(bytes(self._parts[number][self._at - first : end - first]))
            self._at = end
        return read[0] if len(read) == 1 else b"".join(read)

    def seek(self, offset: int, whence: int = 0) -> int:
        origin = (0, self._at, self._ends[-1] if self._ends else 0)[whence]
        self._at = max(0, origin + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        self._parts.clear()
        self._ends.clear()
