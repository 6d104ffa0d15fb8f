"""WebP, by RFC 9649 (the container and VP8L) and RFC 6386 (VP8).

    RIFF size WEBP ─▶ VP8 │ VP8L                                                 a simple file
                    ─▶ VP8X ─▶ ICCP? ─▶ ALPH? (VP8 │ VP8L) ─▶ EXIF? XMP?         an extended still
                    ─▶ VP8X ─▶ ICCP? ─▶ ANIM ─▶ ANMF{ALPH? (VP8 │ VP8L)}… ─▶ …    an animation

Lost data. VP8 decodes zeros without an error, and valid files contain them: the arithmetic coder writes zero
bytes for symbols that are certain, 27 % of a file in one run for a photograph above a plain area (libwebp's
method 0). All symbols of a macroblock of 16 × 16 pixels take at most 32 zero bytes: 25 ends of block and 16
modes, of 8 bits at most each. Only a longer run for each is proof, and VP8L has no such bound. `bitstreams`
and `may_be_damaged` serve a better test by a decoder: does it read the data to the end? Of 1,700 valid files,
none has more than 3 last bytes that the decoder does not read.

Tolerated: bytes behind the end that the RIFF header states, which browsers and dwebp ignore. They may also
come from the middle, in a file that was cut and sent again, or into which bytes were inserted. In such a file
the coded data must not contain a second file, and `may_be_damaged` is always true.
"""

from __future__ import annotations

import re
from struct import Struct
from typing import TYPE_CHECKING

from imgfetch.formats.walker import (
    MOST_PARTS,
    corrupt,
    find_zeros,
    name,
    refuse_second_file,
    refuse_zeros,
    truncated,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.formats.walker import WalkState


def walk(data: memoryview, state: WalkState) -> None:
    """Walk a file that begins with `RIFF????WEBP`."""
    riff_size, _, fourcc, length = _HEADER.unpack_from(data, 4)
    end = 8 + riff_size
    flags = 0
    if fourcc == b"VP8X":
        flags, state.width, state.height = _canvas(data, length)
    else:
        state.width, state.height = _bitstream(data, fourcc, 20, length)
    if len(data) < end:
        raise truncated(f"has {len(data):,} of the {end:,} bytes that its RIFF header states")
    if flags & _ANIMATION:
        _animation(data, end, state)
    else:
        _still(data, 12, end, (state.width, state.height))
        state.frames = 1
    # "The file SHOULD NOT contain any data after the data specified by File Size" (RFC 9649 §2.4)
    state.tail = len(data) - end
    if state.tail:
        for _, offset, length in bitstreams(data):
            refuse_second_file(data, _MAGIC, offset, offset + length)


def bitstreams(data: memoryview) -> Iterator[tuple[bytes, int, int]]:
    """Yield fourcc, offset and length of every VP8 and VP8L bitstream of a file that `walk` has accepted."""
    for fourcc, offset, length in _chunks(data, 12, _end(data)):
        inner = (
            _chunks(data, offset + 16, offset + length) if fourcc == b"ANMF" else [(fourcc, offset, length)]
        )
        yield from (chunk for chunk in inner if chunk[0] in (b"VP8 ", b"VP8L"))


def may_be_damaged(data: memoryview, offset: int, length: int) -> bool:
    """Return True if it is worth a test whether a decoder reads the bitstream to its end."""
    return len(data) > _end(data) or find_zeros(data, offset, offset + length, _LONG_ZERO_RUN) is not None


def _end(data: memoryview) -> int:
    (riff_size,) = _SIZE.unpack_from(data, 4)
    return 8 + int(riff_size)


_LONG_ZERO_RUN = 64
_MAGIC = re.compile(rb"RIFF....WEBP", re.DOTALL)
_SIZE = Struct("<I")
_HEADER = Struct("<I4s4sI")
_CHUNK = Struct("<4sI")
_CANVAS = Struct("<BxxxHBHB")
_FRAME = Struct("<HBHBHBHB")
_VP8 = Struct("<HB3sHH")
_VP8L = Struct("<BI")
_ANIMATION = 0x02


def _canvas(data: memoryview, length: int) -> tuple[int, int, int]:
    if length < 10:
        raise corrupt(f"its VP8X chunk has {length} bytes, 10 are needed")
    flags, width, width_high, height, height_high = _CANVAS.unpack_from(data, 20)
    return flags, 1 + width + (width_high << 16), 1 + height + (height_high << 16)


def _still(data: memoryview, start: int, end: int, size: tuple[int, int]) -> None:
    """Check the image between `start` and `end`, which must be as large as its canvas or frame."""
    found = False
    for fourcc, offset, length in _chunks(data, start, end):
        if fourcc in (b"VP8 ", b"VP8L"):
            if found:
                raise corrupt(f"a second image begins at offset {offset - 8:,}")
            found = True
            coded = _bitstream(data, fourcc, offset, length)
            if coded != size:
                raise corrupt(f"a frame of {size[0]} x {size[1]} holds {coded[0]} x {coded[1]} pixels")
            if fourcc == b"VP8 ":
                macroblocks = (size[0] + 15 >> 4) * (size[1] + 15 >> 4)
                refuse_zeros(data, offset + 10, offset + length, 32 * macroblocks)
        elif fourcc == b"ALPH":
            _alpha(data, offset, length)
    if not found:
        raise corrupt("no VP8 or VP8L chunk in the file")


def _animation(data: memoryview, end: int, state: WalkState) -> None:
    for fourcc, offset, length in _chunks(data, 12, end):
        if fourcc == b"ANMF":
            state.frames += 1
            _frame(data, offset, length, state)
    if not state.frames:
        raise corrupt("an animation without a frame")


def _frame(data: memoryview, offset: int, length: int, state: WalkState) -> None:
    if length < 16:
        raise corrupt(f"the ANMF chunk at offset {offset - 8:,} has {length} bytes, 16 are needed")
    x, x_high, y, y_high, width, width_high, height, height_high = _FRAME.unpack_from(data, offset)
    # "The X coordinate of the upper left corner of the frame is Frame X * 2" (RFC 9649 §2.7.1.1)
    left, top = 2 * (x + (x_high << 16)), 2 * (y + (y_high << 16))
    width, height = 1 + width + (width_high << 16), 1 + height + (height_high << 16)
    if left + width > state.width or top + height > state.height:
        raise corrupt(f"frame {state.frames} reaches beyond the canvas of {state.width} x {state.height}")
    _still(data, offset + 16, offset + length, (width, height))


def _chunks(data: memoryview, start: int, end: int) -> list[tuple[bytes, int, int]]:
    """Return fourcc, offset of the payload and its length, for every chunk between `start` and `end`."""
    chunks = []
    while start < end:
        if start + 8 > end:
            raise corrupt(f"{end - start} bytes at offset {start:,} are not a chunk")
        fourcc, length = _CHUNK.unpack_from(data, start)
        if start + 8 + length > end:
            raise corrupt(
                f"the {name(fourcc)} chunk at offset {start:,} has {length:,} bytes, "
                f"there is room for {end - start - 8:,}"
            )
        chunks.append((fourcc, start + 8, length))
        if len(chunks) > MOST_PARTS:
            raise corrupt(f"more than {MOST_PARTS:,} chunks")
        # "If Chunk Size is odd, a single padding byte [...] is added" (RFC 9649 §2.3). Decoders tolerate that
        # the last one is missing.
        start += 8 + length + (length & 1)
    return chunks


def _bitstream(data: memoryview, fourcc: bytes, offset: int, length: int) -> tuple[int, int]:
    if fourcc == b"VP8 ":
        return _lossy(data, offset, length)
    if fourcc == b"VP8L":
        return _lossless(data, offset, length)
    raise corrupt(f"its first chunk is {name(fourcc)}, where VP8, VP8L or VP8X was due")


def _lossy(data: memoryview, offset: int, length: int) -> tuple[int, int]:
    """Check the frame tag and start code of a key frame (RFC 6386 §9.1), and return its size."""
    tag, tag_high, start_code, width, height = _VP8.unpack_from(data, offset)
    if tag & 1:
        raise corrupt("its VP8 data does not begin with a key frame")
    if start_code != b"\x9d\x01\x2a":
        raise corrupt(f"the VP8 start code at offset {offset + 3:,} is {start_code.hex()}, not 9d012a")
    first_partition = (tag | tag_high << 16) >> 5
    if 10 + first_partition > length:
        raise corrupt(f"the first VP8 partition has {first_partition:,} bytes, its chunk {length:,}")
    if tag >> 1 & 7 > 3 or not tag & 0x10:
        raise corrupt("its VP8 frame has an unknown version, or is hidden")
    width, height = width & 0x3FFF, height & 0x3FFF
    if not width or not height:
        raise corrupt(f"{width} x {height} pixels in its VP8 header")
    return width, height


def _lossless(data: memoryview, offset: int, length: int) -> tuple[int, int]:
    """Check the signature and version of a VP8L image (RFC 9649 §3.3), and return its size."""
    signature, bits = _VP8L.unpack_from(data, offset)
    if signature != 0x2F or length < 5:
        raise corrupt(f"the VP8L signature at offset {offset:,} is {signature:02x}, not 2f")
    if bits >> 29:
        raise corrupt(f"VP8L version {bits >> 29}, only 0 is known")
    return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)


def _alpha(data: memoryview, offset: int, length: int) -> None:
    # Compression method, "0: No compression. 1: Compressed using the WebP lossless format" (§2.7.1.2)
    if not length or data[offset] & 3 > 1:
        raise corrupt(f"the ALPH chunk at offset {offset - 8:,} is empty or compressed by an unknown method")
