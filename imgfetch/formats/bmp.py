"""BMP, by Microsoft's description of device-independent bitmaps (wingdi.h), and those inside icons.

    file header ─▶ bitmap header ─▶ masks? palette? ─▶ rows │ run-length codes ─▶ tail

Not tolerated: rows that are missing, also where the header says nothing of their size. The size in the file
header is not believed: many writers fill in nothing, or something else. So the loss of a colour profile
behind the rows is not seen. Run-length codes are walked to their end; a decoder fills what they leave out.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.formats.walker import FormatError, corrupt, truncated
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    from imgfetch.formats.walker import WalkState


class Bitmap(NamedTuple):
    """The header of a bitmap, and the place of its rows."""

    width: int
    height: int
    bits: int
    compression: int
    palette: int
    """Bytes of masks and palette between the header and the rows, at least."""
    header: int
    """Bytes of the header."""

    @property
    def rows(self) -> int:
        """Bytes of all rows, each of which is filled up to 4 bytes."""
        return (self.width * self.bits + 31) // 32 * 4 * self.height


def walk(data: memoryview, state: WalkState) -> None:
    """Walk a file that begins with `BM`."""
    size, start = _FILE.unpack_from(data)
    bitmap = read_header(data, 14)
    state.width, state.height, state.frames = bitmap.width, bitmap.height, 1
    if start < 14 + bitmap.header:
        raise corrupt(f"its rows begin at offset {start:,}, inside its header")
    if bitmap.compression in (RLE8, RLE4):
        end = _end_of_codes(data, start, bitmap.compression == RLE4)
    else:
        end = start + bitmap.rows
    if end > len(data):
        raise truncated(f"ends after {len(data):,} bytes, in the image data, which end at {end:,}")
    state.tail = len(data) - (size if end <= size <= len(data) else min(len(data), end + _MAX_PADDING))


_FILE = Struct("<xxI4xI")
_CORE = Struct("<4xHHHH")
_INFO = Struct("<4xiiHHI4x8xI")
_MAX_PADDING = 3
"""Bytes that some writers add so that the size of the file is divisible by 4."""

RGB, RLE8, RLE4, BITFIELDS, _JPEG, _PNG, ALPHA_BITFIELDS = range(7)
_BITS = {
    RGB: (1, 4, 8, 16, 24, 32),
    RLE8: (8,),
    RLE4: (4,),
    BITFIELDS: (16, 32),
    ALPHA_BITFIELDS: (16, 32),
}
_HEADERS = frozenset((12, 40, 52, 56, 64, 108, 124))
_MAX_CODES = 4_000_000


def read_header(data: memoryview, at: int) -> Bitmap:
    """Read the header of a bitmap at an offset. Raise `FormatError`, `struct.error` where it is cut."""
    size = int.from_bytes(data[at : at + 4], "little")
    if len(data) >= at + 4 and size not in _HEADERS:
        raise corrupt(f"a bitmap header of {size:,} bytes")
    compression = colours = 0
    if size == 12:
        width, height, planes, bits = _CORE.unpack_from(data, at)
    else:
        width, height, planes, bits, compression, colours = _INFO.unpack_from(data, at)
    if width <= 0 or not height or height == -(2**31):
        raise corrupt(f"{width} x {height} pixels")
    if compression not in _BITS or (size == 64 and compression == BITFIELDS):
        raise FormatError(ErrorKind.UNSUPPORTED_FORMAT, f"a BMP image with compression {compression}")
    if bits not in _BITS[compression] or planes != 1:
        raise corrupt(f"{bits} bits in {planes} planes with compression {compression}")
    masks = 12 if compression == BITFIELDS and size == 40 else 0
    palette = 0
    if bits <= 8:
        palette = (3 if size == 12 else 4) * min(colours or 1 << bits, 1 << bits)
    return Bitmap(width, abs(height), bits, compression, masks + palette, size)


def _end_of_codes(data: memoryview, at: int, is_rle4: bool) -> int:
    """Return the offset behind the code that ends a bitmap of run-length codes."""
    for _ in range(_MAX_CODES):
        if at + 2 > len(data):
            raise truncated(f"ends after {len(data):,} bytes, without the code that ends the bitmap")
        count, value = data[at], data[at + 1]
        at += 2
        if count:  # a run
            continue
        if value == 1:  # the end of the bitmap
            return at
        if value == 2:  # a step to the right and up
            at += 2
        elif value > 2:  # so many pixels as they are, filled up to 2 bytes
            at += ((value + 1) // 2 + 1) // 2 * 2 if is_rle4 else (value + 1) // 2 * 2
    raise corrupt(f"more than {_MAX_CODES:,} run-length codes")
