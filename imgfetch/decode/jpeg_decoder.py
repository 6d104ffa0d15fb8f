"""Decode a JPEG, and check that its data are what the picture needs, no less and no more.

    segments that the picture needs ─▶ libjpeg, piece by piece ─▶ warnings? rows done? ─▶ None │ Defect

libjpeg repairs damaged data: it fills up with grey, and skips what it cannot use. It counts a warning each
time, which `WarningCounter` reads. Without a counter the last bytes of a scan are withheld: without them
libjpeg must wait, and with them and some more, which it does not need, it must be done.
"""

from __future__ import annotations

import re
from contextlib import closing
from struct import Struct
from typing import IO, TYPE_CHECKING, Any, cast

from imgfetch.decode.joined_file import JoinedFile
from imgfetch.decode.native.libjpeg import WarningCounter
from imgfetch.decode.pillow_core import CORE, feed, unread_bytes
from imgfetch.formats import jpeg
from imgfetch.model.image import Defect, Format, Structure
from imgfetch.model.result import ErrorKind
from imgfetch.rules.image.verify import check_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.model.request import Limits
    from imgfetch.ports import Checkpoint, Warn

_PIECE = 65_536
"""Bytes that are decoded between two checkpoints."""
_LOOKAHEAD = 8
"""Bytes that libjpeg reads beyond those it decodes: it fills its bit buffer, of 64 bits, first."""
_LAST = jpeg.MAX_PADDING + _LOOKAHEAD
"""Bytes at the end that are decoded by themselves."""
_EOI = b"\xff\xd9"
_SOS, _APP = 0xDA, 0xE0
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_LENGTH = Struct(">H")
_NOT_WHOLE = "image data ends before the picture is whole"
_REPAIRED = "image data is lost or changed: libjpeg had to repair it"


def decode_jpeg(view: memoryview, limits: Limits, checkpoint: Checkpoint, warn: Warn) -> Defect | None:
    """Decode the image; return what is wrong, or None."""
    from PIL.JpegImagePlugin import JpegImageFile

    layout = jpeg.scan_layout(view)
    file = JoinedFile(_essential_segments(view, layout.end))
    with closing(JpegImageFile(cast("IO[bytes]", file))) as image:
        defect = check_size(Structure(Format.JPEG, image.width, image.height, 1), limits)
        if defect is not None:
            return defect
        # Every coefficient is read all the same; only the conversion into colours is left out.
        image.draft("L", (max(1, image.width // 8), max(1, image.height // 8)))
        image.load_prepare()
        (tile,) = image.tile
        codec = CORE.jpeg_decoder(image.mode, *cast("tuple[object, ...]", tile.args), *image.decoderconfig)
        codec.setimage(image.im, tile.extents)
        try:
            return _decode_pieces(codec, file, layout, checkpoint, warn)
        finally:
            codec.cleanup()


def _decode_pieces(
    codec: object, file: JoinedFile, layout: jpeg.ScanLayout, checkpoint: Checkpoint, warn: Warn
) -> Defect | None:
    """Decode all but the last bytes piece by piece, and judge by the effect of those."""
    counter = WarningCounter.of_pillow()
    feeder = _Feeder(codec)
    file.seek(0)
    while file.left > _LAST:
        checkpoint()
        if feeder.feed(file.read(min(_PIECE, file.left - _LAST))):
            return Defect(ErrorKind.CORRUPT, unread_bytes(_LAST))
        if counter and counter.read(codec).number > layout.odd_scans:
            return Defect(ErrorKind.CORRUPT, _REPAIRED)
    last = file.read()
    if counter is None:
        return _decode_last_without_warnings(feeder, last, single=layout.single)
    if not feeder.feed(last + _EOI):
        return Defect(ErrorKind.TRUNCATED, _NOT_WHOLE)
    after = counter.read(codec)
    if after.number <= layout.odd_scans:
        return None
    skipped = after.extraneous(_EOI[1])
    if not skipped:
        return Defect(ErrorKind.TRUNCATED, _NOT_WHOLE)
    if after.number == layout.odd_scans + 1 and _is_padding(last[-skipped:]):
        warn(f"padding: {skipped:,} bytes before the end of the image are no part of it")
        return None
    return Defect(ErrorKind.CORRUPT, unread_bytes(skipped))


def _decode_last_without_warnings(feeder: _Feeder, last: bytes, *, single: bool) -> Defect | None:
    done = feeder.feed(last[:-_LOOKAHEAD])
    spare = last[-_LOOKAHEAD:]
    if done:
        return None if _is_padding(spare) else Defect(ErrorKind.CORRUPT, unread_bytes(_LOOKAHEAD))
    whole = feeder.feed(spare + bytes(_LOOKAHEAD))
    if not single:  # the first row waits for the last scan, and that for EOI
        whole = feeder.consumed_all and feeder.feed(_EOI)
    return None if whole else Defect(ErrorKind.TRUNCATED, _NOT_WHOLE)


def _is_padding(data: bytes) -> bool:
    """Return whether `data` are what some cameras write before EOI: a few bytes, all 00 or FF."""
    return len(data) <= jpeg.MAX_PADDING and set(data) in ({0x00}, {0xFF})


class _Feeder:
    """Gives a decoder its data, and keeps what it did not consume."""

    def __init__(self, codec: Any) -> None:  # noqa: ANN401 (Pillow gives it no name)
        self._codec = codec
        self._rest = b""
        self._done = False

    def feed(self, data: bytes) -> bool:
        """Decode as much as possible; return whether the last row is done."""
        if not self._done:
            self._rest += data
            consumed = feed(self._codec, self._rest)
            self._done = consumed < 0
            self._rest = b"" if self._done else self._rest[consumed:]
        return self._done

    @property
    def consumed_all(self) -> bool:
        """Return whether the decoder consumed every byte that it was given."""
        return not self._rest


def _essential_segments(view: memoryview, end: int) -> Iterator[memoryview]:
    """Yield a JPEG without APPn and COM, without bytes between segments, and without EOI."""
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
