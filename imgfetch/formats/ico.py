"""ICO and CUR, the icons and cursors of Windows: several images of one picture, each a PNG or a bitmap.

    header ─▶ directory ─▶ (PNG │ bitmap header ─▶ palette? ─▶ rows ─▶ mask?)…

The size is that of the largest image, which is the picture; the others are the same for other sizes. Every
image is walked. Its length in the directory is not believed: browsers do not use it either.

Tolerated: a bitmap of 32 bits without its mask, since its pixels have alpha.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.formats import bmp, png
from imgfetch.formats.walker import WalkState, corrupt, truncated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.formats.bmp import Bitmap


class Part(NamedTuple):
    """One image of an icon."""

    start: int
    stop: int
    width: int
    height: int
    bitmap: Bitmap | None
    """The header of a bitmap, with the height of the picture alone; None for a PNG."""


def walk(data: memoryview, state: WalkState) -> None:
    """Walk a file that begins with the header of an icon or of a cursor."""
    end = walked = 0
    for part in parts(data, state):
        end = max(end, part.stop)
        walked += part.stop - part.start
        if walked > 2 * len(data):
            raise corrupt("its images overlap")
    state.frames = 1
    state.tail = len(data) - end


def parts(data: memoryview, state: WalkState | None = None) -> Iterator[Part]:
    """Yield every image, and keep the largest size in `state`. Raise `FormatError`, `struct.error`."""
    count = _HEADER.unpack_from(data)[1]
    if not count:
        raise corrupt("no image in the file")
    largest = 0
    for number in range(count):
        length, start = _ENTRY.unpack_from(data, 6 + 16 * number)
        if start < 6 + 16 * count:
            raise corrupt(f"image {number + 1} begins at offset {start:,}, inside the directory")
        part = _read_part(data, start, length, number + 1)
        if part.width * part.height > largest and state is not None:
            largest = part.width * part.height
            state.width, state.height = part.width, part.height
        yield part


_HEADER = Struct("<HxxH")
_ENTRY = Struct("<8xII")


def _read_part(data: memoryview, start: int, length: int, number: int) -> Part:
    if start + 8 > len(data):
        raise truncated(f"ends after {len(data):,} bytes, before image {number}, which begins at {start:,}")
    if bytes(data[start : start + 8]) == b"\x89PNG\r\n\x1a\n":
        state = WalkState()
        png.walk(data[start:], state)
        return Part(start, len(data) - state.tail, state.width, state.height, None)
    bitmap = bmp.read_header(data, start)
    if bitmap.compression in (bmp.RLE8, bmp.RLE4) or bitmap.height % 2:
        raise corrupt(f"image {number} is a bitmap of {bitmap.height} rows, compression {bitmap.compression}")
    bitmap = bitmap._replace(height=bitmap.height // 2)  # the mask counts as well
    rows = start + bitmap.header + bitmap.palette + bitmap.rows
    mask = (bitmap.width + 31) // 32 * 4 * bitmap.height
    end = rows if bitmap.bits == 32 else rows + mask
    if end > len(data):
        raise truncated(f"ends after {len(data):,} bytes, in image {number}, which ends at {end:,}")
    stop = min(len(data), max(end, min(rows + mask, start + length)))
    return Part(start, stop, bitmap.width, bitmap.height, bitmap)
