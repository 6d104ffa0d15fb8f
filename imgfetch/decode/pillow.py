"""Decodes images with Pillow, only to see whether they can be.

    bytes ─▶ what the picture depends on ─▶ the one plugin ─▶ frame after frame ─▶ None │ Defect
      └────▶ a WebP ─▶ `libwebp` itself ─▶ None; else the same way as all

The plugin's class is used, not `Image.open`, so that no other plugin is imported or asked. Nothing the
host program has set changes what is found, and none of it is changed: `MAX_IMAGE_PIXELS` and its warnings
belong to `Image.open` (our limits are judged here), and `_load_png` ignores `LOAD_TRUNCATED_IMAGES`.
Metadata is kept from Pillow, which warns of it or stumbles over it: no picture needs it.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from contextlib import closing
from importlib import import_module
from itertools import accumulate, count
from typing import IO, TYPE_CHECKING, Any, cast

from PIL import Image, ImageFile

from imgfetch.decode.libjpeg import WarningCounter
from imgfetch.decode.libwebp import Libwebp
from imgfetch.errors import printable
from imgfetch.formats import gif, jpeg
from imgfetch.formats.footprint import NO_SECOND_TRY
from imgfetch.formats.walker import FormatError
from imgfetch.formats.webp import bitstreams, may_be_damaged
from imgfetch.model.image import Defect, Format, Structure
from imgfetch.model.result import ErrorKind
from imgfetch.ports import DecodingStopped, ignore_warning, never_stop
from imgfetch.rules.image.verify import check_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from imgfetch.model.request import Limits
    from imgfetch.model.values import Buffer
    from imgfetch.ports import Checkpoint, Warn


class PillowDecoder:
    """A `Decoder`. Keeps nothing between calls, and may be called from any thread.

    A WebP bitstream that looks as if data had been lost from it is decoded a second time without its last
    bytes, which must fail. With `thorough` every WebP is: that sees 95 of 100 single bits changed in lossy
    images, where one decode sees 3 (of large images) to 40 (of small), and takes twice as long.
    """

    def decode(
        self,
        data: Buffer,
        format: Format,  # noqa: A002 (the port's word)
        limits: Limits,
        *,
        thorough: bool = False,
        checkpoint: Checkpoint = never_stop,
        warn: Warn = ignore_warning,
    ) -> Defect | None:
        """Decode every frame as `format`; say what was wrong, or None."""
        with memoryview(data) as view:
            try:
                if format is Format.JPEG:
                    return _decode_jpeg(view, limits, checkpoint, warn)
                if format is Format.WEBP:
                    defect = _decode_webp(data, limits, checkpoint)
                    return defect or _unread(view, checkpoint, thorough=thorough)
                if format is Format.GIF:
                    return _decode_gif(view, limits, checkpoint)
                with closing(_open(view, format)) as image:
                    return _decode(image, format, limits, checkpoint)
            except DecodingStopped:
                raise
            except FormatError as flaw:
                return flaw.defect
            except MemoryError:
                return Defect(ErrorKind.TOO_MANY_PIXELS, "not enough memory to decode it")
            except Image.DecompressionBombError as error:  # of WebP and GIF, whatever our own limit
                return Defect(ErrorKind.TOO_MANY_PIXELS, _one_line(error))
            except Exception as error:  # plugins let out what their parsers met: TypeError, zlib.error, …
                return _defect(error)


def load_plugins() -> None:
    """Import and load all there is, and have nothing start threads: for a process that could not do it later.

    Tiff reads the Exif of others.
    """
    names = ("Avif", "Jpeg", "Png", "Tiff", "WebP")
    avif, *_ = (import_module(f"PIL.{name}ImagePlugin") for name in names)
    vars(avif)["DEFAULT_MAX_THREADS"] = 1
    Libwebp.of_pillow()
    WarningCounter.of_pillow()


def libraries() -> dict[str, str | None]:
    """The versions of what Pillow decodes with; None for what it was built without, or has not heard of."""
    from PIL import features

    def version(of: Callable[[str], str | None], name: str) -> str | None:
        try:
            return of(name)
        except ValueError:
            return None

    turbo = version(features.version_feature, "libjpeg_turbo")
    ng = version(features.version_feature, "zlib_ng")
    return {
        "libwebp": version(features.version_module, "webp"),
        "libjpeg-turbo" if turbo else "libjpeg": turbo or version(features.version_codec, "jpg"),
        "zlib-ng" if ng else "zlib": ng or version(features.version_codec, "zlib"),
        "libavif": version(features.version_module, "avif"),
    }


def open_image(path: Path, form: Format) -> Image.Image:
    """Open a verified file for the caller, whose settings of Pillow hold, as `form` and nothing else."""
    return Image.open(path, formats=[form.name])


def _decode(
    image: ImageFile.ImageFile, form: Format, limits: Limits, checkpoint: Checkpoint
) -> Defect | None:
    announced = getattr(image, "n_frames", 1)
    # an APNG may hold one picture more, for readers that know no animations
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
        _decode_frame(image, form)
    return None


def _decode_frame(image: ImageFile.ImageFile, form: Format) -> None:
    """Decode the frame that was sought, the shortest way there is."""
    if form is Format.WEBP:
        # `load` goes on to copy what libwebp made into an image of Pillow's own: a fifth of the time
        getattr(image, "_get_next", image.load)()
        return
    try:
        decoder = getattr(image, "_decoder", None)
        if form is Format.AVIF and decoder is not None:  # as above: a third of the time, and of the memory
            decoder.get_frame(image.tell())
            return
        if form is Format.PNG:
            _load_png(image)
        else:
            image.load()
    except Exception as error:
        # every coefficient was decoded, and libavif knows no RGB for the matrix that the image names
        if not (form is Format.AVIF and str(error).startswith("Conversion from YUV failed")):
            raise


def _decode_webp(data: Buffer, limits: Limits, checkpoint: Checkpoint) -> Defect | None:
    """Decode with libwebp itself; what that does not take with Pillow, which says why, unless it is large."""
    library = Libwebp.of_pillow()
    canvas = library and library.canvas(data)
    if library and canvas:
        defect = check_size(Structure(Format.WEBP, *canvas), limits)
        if defect is not None or library.can_decode(data, checkpoint):
            return defect
        if canvas.width * canvas.height >= NO_SECOND_TRY:
            return Defect(ErrorKind.CORRUPT, "cannot be decoded: failed to read next frame")
    with closing(_open(memoryview(data), Format.WEBP)) as image:
        return _decode(image, Format.WEBP, limits, checkpoint)


def _unread(view: memoryview, checkpoint: Checkpoint, *, thorough: bool) -> Defect | None:
    """A WebP bitstream that can be decoded without its last bytes is not the one that was encoded.

    An arithmetic or prefix decoder that went astray ends too early or too late. Too late is an error; too
    early is not, and is what lost data lead to.
    """
    for fourcc, at, length in bitstreams(view):
        checkpoint()
        doubted = length > _MIN_BITSTREAM and (thorough or may_be_damaged(view, at, length))
        if doubted and _can_decode(fourcc, bytes(view[at : at + length - _SPARE])):
            return Defect(ErrorKind.CORRUPT, _unread_bytes(_SPARE))
    return None


def _can_decode(fourcc: bytes, bitstream: bytes) -> bool:
    """Whether a VP8 or VP8L bitstream, in a file of its own, decodes."""
    body = _RIFF_CHUNK.pack(fourcc, len(bitstream)) + bitstream + bytes(len(bitstream) & 1)
    data = b"RIFF" + _RIFF_SIZE.pack(4 + len(body)) + b"WEBP" + body
    library = Libwebp.of_pillow()
    if library:
        return library.can_decode(data)
    try:
        with closing(_open(memoryview(data), Format.WEBP)) as image:
            _decode_frame(image, Format.WEBP)
    except Exception:
        return False
    return True


_SPARE = 16
_AHEAD = 8
"""Bytes that libjpeg wants to see behind those it decodes: it fills its bit buffer, of 64 bits, first."""
_MIN_BITSTREAM = 64
_RIFF_CHUNK = struct.Struct("<4sI")
_RIFF_SIZE = struct.Struct("<I")


def _unread_bytes(number: int) -> str:
    return f"image data is lost or changed: its last {number} bytes are never read"


def _defect(error: Exception) -> Defect:
    said = _one_line(error)
    cut = isinstance(error, EOFError) or "truncated" in said.lower()
    return Defect(ErrorKind.TRUNCATED if cut else ErrorKind.CORRUPT, f"cannot be decoded: {said}")


def _one_line(error: Exception) -> str:
    return printable(" ".join(str(error).split()) or type(error).__name__)[:200]


def _load_png(image: Any) -> None:  # noqa: ANN401 (a `PngImageFile`, by methods that its types do not show)
    """Decode the frame that was sought, as `image.load` does, without regard to `LOAD_TRUNCATED_IMAGES`."""
    image.load_prepare()
    for tile in image.tile:
        args = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        codec = getattr(_CORE, f"{tile.codec_name}_decoder")(image.mode, *args, *image.decoderconfig)
        codec.setimage(image.im, tile.extents)
        try:
            _feed_png(codec, image)
        finally:
            codec.cleanup()
    image.tile = []
    image.load_end()


def _feed_png(codec: Any, image: Any) -> None:  # noqa: ANN401 (see `_load_png`)
    rest = b""
    while True:
        try:
            data = image.load_read(image.decodermaxblock)
        except (IndexError, struct.error) as error:
            raise OSError("image file is truncated") from error
        if not data:
            raise OSError(f"image file is truncated ({len(rest)} bytes not processed)")
        rest += data
        consumed, error_code = codec.decode(rest)
        if error_code < 0:
            raise OSError(_CORE.getcodecstatus(error_code))
        if consumed < 0:
            return
        rest = rest[consumed:]


_CORE: Any = Image.core  # type: ignore[attr-defined] # Pillow's documents speak of it, its types do not


# ---------------------------------------------------------------------------------------------------
# JPEG


def _decode_jpeg(view: memoryview, limits: Limits, checkpoint: Checkpoint, warn: Warn) -> Defect | None:
    """Decode a JPEG, and check that its data are what the picture needs, no less and no more.

    libjpeg repairs damaged data: it fills up with grey, and skips what it cannot use. It counts a warning
    each time, which `WarningCounter` reads. Without a counter the last bytes of a scan are withheld: without
    them libjpeg must wait, and with them and some more, which it does not need, it must be done.
    """
    from PIL.JpegImagePlugin import JpegImageFile

    outline = jpeg.scan_layout(view)
    with closing(JpegImageFile(_file(_essential_segments(view, outline.end)))) as image:
        defect = check_size(Structure(Format.JPEG, image.width, image.height, 1), limits)
        if defect is not None:
            return defect
        # every coefficient is read all the same; what is saved is turning them into colours
        image.draft("L", (max(1, image.width // 8), max(1, image.height // 8)))
        image.load_prepare()
        (tile,) = image.tile
        codec = _CORE.jpeg_decoder(image.mode, *cast("tuple[object, ...]", tile.args), *image.decoderconfig)
        codec.setimage(image.im, tile.extents)
        try:
            return _feed_jpeg(codec, cast("_Parts", image.fp), outline, checkpoint, warn)
        finally:
            codec.cleanup()


def _feed_jpeg(
    codec: object, file: _Parts, outline: jpeg.ScanLayout, checkpoint: Checkpoint, warn: Warn
) -> Defect | None:
    """Decode all but the last bytes piece by piece, and judge by what becomes of those."""
    counter = WarningCounter.of_pillow()
    fed = _Fed(codec)
    file.seek(0)
    while file.left > _LAST:
        checkpoint()
        if fed.feed(file.read(min(_PIECE, file.left - _LAST))):
            return Defect(ErrorKind.CORRUPT, _unread_bytes(_LAST))
        if counter and counter.read(codec).number > outline.odd_scans:
            return Defect(ErrorKind.CORRUPT, _REPAIRED)
    last = file.read()
    if counter is None:
        return _feed_last_without_warnings(fed, last, single=outline.single)
    if not fed.feed(last + _EOI):
        return Defect(ErrorKind.TRUNCATED, _NOT_WHOLE)
    after = counter.read(codec)
    if after.number <= outline.odd_scans:
        return None
    skipped = after.extraneous(_EOI[1])
    if not skipped:
        return Defect(ErrorKind.TRUNCATED, _NOT_WHOLE)
    if after.number == outline.odd_scans + 1 and _is_padding(last[-skipped:]):
        warn(f"padding: {skipped:,} bytes before the end of the image are no part of it")
        return None
    return Defect(ErrorKind.CORRUPT, _unread_bytes(skipped))


def _feed_last_without_warnings(fed: _Fed, last: bytes, *, single: bool) -> Defect | None:
    done = fed.feed(last[:-_AHEAD])
    spare = last[-_AHEAD:]
    if done:
        return None if _is_padding(spare) else Defect(ErrorKind.CORRUPT, _unread_bytes(_AHEAD))
    whole = fed.feed(spare + bytes(_AHEAD))
    if not single:  # the first row waits for the last scan, and that for EOI
        whole = fed.satisfied and fed.feed(_EOI)
    return None if whole else Defect(ErrorKind.TRUNCATED, _NOT_WHOLE)


def _is_padding(data: bytes) -> bool:
    """Return whether `data` are what some cameras write before EOI: a few bytes, all 00 or FF."""
    return len(data) <= jpeg.MAX_PADDING and set(data) in ({0x00}, {0xFF})


class _Fed:
    """A decoder that is given its data by hand."""

    def __init__(self, codec: Any) -> None:  # noqa: ANN401 (Pillow gives it no name)
        self._codec = codec
        self._rest = b""
        self._done = False

    def feed(self, data: bytes) -> bool:
        """Decode what can be decoded; whether the last row is done."""
        if not self._done:
            self._rest += data
            consumed, error = self._codec.decode(self._rest)
            if error < 0:
                raise OSError(_CORE.getcodecstatus(error))
            self._done = consumed < 0
            self._rest = b"" if self._done else self._rest[consumed:]
        return self._done

    @property
    def satisfied(self) -> bool:
        """Whether it keeps nothing to look at again with what comes next."""
        return not self._rest


_PIECE = 65_536
_EOI = b"\xff\xd9"
_LAST = jpeg.MAX_PADDING + _AHEAD
_NOT_WHOLE = "image data ends before the picture is whole"
_REPAIRED = "image data is lost or changed: libjpeg had to repair it"
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_LENGTH = struct.Struct(">H")
_SOS, _APP = 0xDA, 0xE0


def _essential_segments(view: memoryview, end: int) -> Iterator[memoryview]:
    """A JPEG without APPn and COM, without what stands between segments, and without EOI."""
    end -= 2
    while view[end - 1] == 0xFF:  # a fill byte
        end -= 1
    yield view[:2]
    at = 2
    while found := _MARKER.search(view, at):
        code, at = found[0][1], found.start()
        if code == _SOS:
            break
        stop = at + 2 + _LENGTH.unpack_from(view, at + 2)[0]
        if code < _APP:
            yield view[at:stop]
        at = stop
    yield view[at:end]


# ---------------------------------------------------------------------------------------------------
# GIF


def _decode_gif(view: memoryview, limits: Limits, checkpoint: Checkpoint) -> Defect | None:
    """Decode every frame of a GIF, and check that its data are as much as the frame needs.

    Pillow's plugin gives its decoder the whole rest of the file, so that one whose frame is not full goes on
    in the next one. Here it gets the data of each frame alone, and no picture is put together.
    """
    for number, frame in enumerate(gif.frames(view), 1):
        checkpoint()
        defect = check_size(Structure(Format.GIF, frame.width, frame.height, number), limits)
        defect = defect or _decode_gif_frame(view, frame, number)
        if defect is not None:
            return defect
    return None


def _decode_gif_frame(view: memoryview, frame: gif.Frame, number: int) -> Defect | None:
    if not frame.width or not frame.height:
        return Defect(ErrorKind.CORRUPT, f"frame {number} has {frame.width} x {frame.height} pixels")
    size = (frame.width, frame.height)
    codec = _CORE.gif_decoder("P", frame.bits, frame.interlaced, -1)
    codec.setimage(_CORE.new("P", size), (0, 0, *size))
    most, last = gif.split_data(view, frame, _MOST_UNREAD)
    try:
        for data in (most, gif.sub_blocks(last[:-_MOST_UNREAD])):
            filled = _fill(codec, data)
            if filled:
                return Defect(ErrorKind.CORRUPT, f"frame {number}: {_unread_bytes(_MOST_UNREAD)}")
            if filled is None:
                return Defect(ErrorKind.TRUNCATED, _not_full(number))
        if _fill(codec, gif.sub_blocks(last[-_MOST_UNREAD:])):
            return None
        return Defect(ErrorKind.TRUNCATED, _not_full(number))
    finally:
        codec.cleanup()


def _fill(codec: Any, data: Buffer) -> bool | None:  # noqa: ANN401 (Pillow gives it no name)
    """Decode whole sub-blocks; return whether the frame is full, or None where an end code ends it."""
    if not data:
        return False
    consumed, error = codec.decode(data)
    if error < 0:
        raise OSError(_CORE.getcodecstatus(error))
    if consumed < 0:
        return True
    return None if consumed < len(data) else False


def _not_full(number: int) -> str:
    return f"the image data of frame {number} end before the frame is full"


_MOST_UNREAD = 8
"""Bytes behind the code that fills a frame, at most: of 3,500 frames of 2,060 files none has more than 3,
which hold a clear code and an end code."""


# ---------------------------------------------------------------------------------------------------
# Opening the others


def _open(view: memoryview, form: Format) -> ImageFile.ImageFile:
    """Imports the plugin that is needed, and no other."""
    match form:
        case Format.WEBP:
            from PIL.WebPImagePlugin import WebPImageFile

            return WebPImageFile(_file([view]))
        case Format.PNG:
            from PIL.PngImagePlugin import PngImageFile

            return PngImageFile(_file(_essential_chunks(view)))
        case _:
            from PIL.AvifImagePlugin import AvifImageFile

            return AvifImageFile(_file(_without_exif(view)))


_CHUNK = struct.Struct(">I4s")
_BOX = struct.Struct(">I4s")
_PNG_CHUNKS = frozenset((b"IHDR", b"PLTE", b"acTL", b"fcTL", b"IDAT", b"fdAT", b"IEND"))
_EXIF_ITEM = re.compile(rb"(infe[\x02\x03].{3}(?:.{4}|.{6}))Exif", re.DOTALL)


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


def _file(parts: Iterable[memoryview]) -> IO[bytes]:
    return cast("IO[bytes]", _Parts(parts))


class _Parts:
    """Some parts of a buffer, read as one file. Copies nothing but what is read."""

    def __init__(self, parts: Iterable[memoryview]) -> None:
        self._parts = [part for part in parts if len(part)]
        self._ends = list(accumulate(map(len, self._parts)))
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes from here to the end."""
        return (self._ends[-1] if self._ends else 0) - self._at

    def read(self, size: int = -1) -> bytes:
        stop = self._at + (self.left if size < 0 else min(self.left, size))
        read = []
        while self._at < stop:
            number = bisect_right(self._ends, self._at)
            first = self._ends[number] - len(self._parts[number])
            end = min(stop, self._ends[number])
            read.append(bytes(self._parts[number][self._at - first : end - first]))
            self._at = end
        return read[0] if len(read) == 1 else b"".join(read)

    def seek(self, offset: int, whence: int = 0) -> int:
        origin = (0, self._at, self._at + self.left)[whence]
        self._at = max(0, origin + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        self._parts.clear()
        self._ends.clear()
