"""The files of a ZIP archive that was cut off: its list of files, which stands at the end, is missing.

bytes ─▶ local file headers (APPNOTE.TXT §4.3.7) ─▶ name, place, method ─▶ unpacked: the bytes of one
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.model.values import Buffer


class Remains(NamedTuple):
    """A file that stands in an archive."""

    filename: str
    flag_bits: int
    compress_type: int
    start: int
    """Offset of its data."""
    end: int
    """The end of its data; where its header does not tell it, that of the next header, or of the archive."""

    def unpacked(self, data: Buffer, most: int) -> bytes:
        """Unpack it, up to one byte more than `most`. Raises `zlib.error`."""
        if self.compress_type == ZIP_STORED:
            return bytes(data[self.start : min(self.end, self.start + most + 1)])
        decompressor, unpacked = zlib.decompressobj(-zlib.MAX_WBITS), bytearray()
        at = self.start
        while at < self.end and len(unpacked) <= most and not decompressor.eof:
            piece = decompressor.unconsumed_tail or bytes(data[at : min(self.end, at + _PIECE)])
            at += 0 if decompressor.unconsumed_tail else len(piece)
            unpacked += decompressor.decompress(piece, most + 1 - len(unpacked))
        return bytes(unpacked)


def remains_of(data: Buffer, most: int) -> Iterator[Remains]:
    """Yield the files that have a header, so many of them at most."""
    at = 0
    for _ in range(most):
        header = _HEADER.search(data, at)
        if header is None or header.start() + _FIXED.size > len(data):
            return
        _, _, flags, method, _, _, _, packed, _, name_length, extra = _FIXED.unpack_from(data, header.start())
        start = header.start() + _FIXED.size + name_length + extra
        name = bytes(data[start - extra - name_length : start - extra])
        is_told = not flags & _SIZE_FOLLOWS
        following = None if is_told else _HEADER.search(data, start)
        end = start + packed if is_told else following.start() if following else len(data)
        at = max(end, header.end())
        if method in (ZIP_STORED, ZIP_DEFLATED) and not name.endswith(b"/"):
            yield Remains(name.decode("utf-8", "replace"), flags, method, start, min(end, len(data)))


_HEADER = re.compile(rb"PK\x03\x04")
_FIXED = struct.Struct("<4s5H3L2H")
_SIZE_FOLLOWS = 0x8
"""The flag of a file with its size behind its data."""
_PIECE = 64 * 1024
