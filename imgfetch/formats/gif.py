"""GIF, by GIF89a (Graphics Interchange Format, version 89a).

    header ─▶ logical screen ─▶ palette? ─▶ (extension │ image)… ─▶ trailer ─▶ tail

Tolerated: a few zero bytes between blocks (GIF87a skips any bytes there, and some encoders write them), and
any bytes behind the trailer. Not tolerated: a missing trailer, the sign of a file that was cut between two
frames.

The size is that of browsers: the logical screen, enlarged to contain the first frame. They crop later frames
to it.

The walk does not search for lost data: zeros over the length byte of a sub-block end the image early, and the
walk then finds a block that begins with zero. LZW data of a flat image may contain zeros. A decoder can check
more: that the data of each of `frames` fill it.
"""

from __future__ import annotations

from collections import deque
from struct import Struct
from struct import error as struct_error
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.formats.walker import MOST_PARTS, corrupt, truncated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.formats.walker import WalkState


class Frame(NamedTuple):
    """An image of a file, and the position of its LZW data."""

    left: int
    top: int
    width: int
    height: int
    interlaced: bool
    bits: int
    """The LZW minimum code size (§22)."""
    start: int
    """The offset of the first sub-block of the data."""
    stop: int
    """The offset of the block terminator behind the data."""


def walk(data: memoryview, state: WalkState) -> None:
    """Walk a file that begins with `GIF87a` or `GIF89a`."""
    state.width, state.height, _ = _SCREEN.unpack_from(data, 6)
    end = len(data)
    for block in _frames_and_end(data, state):
        if isinstance(block, int):
            end = block
        elif block.start == block.stop:
            raise corrupt(f"frame {state.frames} has no data")
    if not state.frames:
        raise corrupt("no image in the file")
    if not state.width or not state.height:
        raise corrupt(f"{state.width} x {state.height} pixels")
    state.tail = len(data) - end


def frames(data: memoryview) -> Iterator[Frame]:
    """Yield every frame. Raises `FormatError`, but never for a file that `walk` has accepted."""
    return (block for block in _frames_and_end(data) if isinstance(block, Frame))


def split_data(data: memoryview, frame: Frame, least: int) -> tuple[memoryview, bytes]:
    """Split the data of a frame: most of them as sub-blocks, and their last bytes without the sub-blocks.

    The last bytes are at least `least`, or all.
    """
    offset = frame.start
    last: deque[tuple[int, int]] = deque()
    size = 0
    while length := data[offset]:
        last.append((offset, length))
        size += length
        while size - last[0][1] >= least:
            size -= last.popleft()[1]
        offset += length + 1
    joined = b"".join(data[start + 1 : start + 1 + size] for start, size in last)
    return data[frame.start : last[0][0]], joined


def sub_blocks(data: bytes) -> bytes:
    """Return data as sub-blocks, each led by its length (§15)."""
    return b"".join(
        bytes((len(block),)) + block
        for block in (data[offset : offset + 255] for offset in range(0, len(data), 255))
    )


_SCREEN = Struct("<HHBxx")
_DESCRIPTOR = Struct("<HHHHB")
_IMAGE, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B
_INTERLACED = 0x40
_MAX_PADDING = 16


def _record_frame(right: int, bottom: int, bits: int, state: WalkState) -> None:
    """Record a frame with these bounds before its data are read: a decompression bomb may be cut there."""
    # "Each image must fit within the boundaries of the Logical Screen" (§20): a larger first frame enlarges
    # the screen. The limit on pixels must also hold for a decoder that enlarges it for later frames.
    if not state.frames:
        state.width, state.height = max(state.width, right), max(state.height, bottom)
    pixels = max(state.width, right) * max(state.height, bottom)
    if pixels > state.width * state.height:
        state.most_pixels = max(state.most_pixels, pixels)
    state.frames += 1
    if not 1 <= bits <= 11:
        raise corrupt(f"frame {state.frames} begins with codes of {bits} bits")


def _frames_and_end(data: memoryview, state: WalkState | None = None) -> Iterator[Frame | int]:
    """Yield every frame, and last the offset behind the trailer. Raises `FormatError`."""
    try:
        yield from _read_blocks(data, state)
    except (IndexError, struct_error):
        raise truncated(f"ends after {len(data):,} bytes, without a trailer") from None


def _read_blocks(data: memoryview, state: WalkState | None) -> Iterator[Frame | int]:
    _, _, flags = _SCREEN.unpack_from(data, 6)
    offset = 13 + _palette_size(flags)
    padding = 0
    for _ in range(MOST_PARTS):
        introducer = data[offset]
        if introducer == _TRAILER:
            yield offset + 1
            return
        if introducer == _IMAGE:
            left, top, width, height, flags = _DESCRIPTOR.unpack_from(data, offset + 1)
            offset += 10 + _palette_size(flags)
            bits, start = data[offset], offset + 1
            if state is not None:
                _record_frame(left + width, top + height, bits, state)
            offset = _skip_sub_blocks(data, start)
            yield Frame(left, top, width, height, bool(flags & _INTERLACED), bits, start, offset - 1)
        elif introducer == _EXTENSION:
            offset = _skip_sub_blocks(data, offset + 2)
        elif introducer == 0 and padding < _MAX_PADDING:
            offset += 1
            padding += 1
        else:
            raise corrupt(f"the block at offset {offset:,} begins with {introducer:02x}")
    raise corrupt(f"more than {MOST_PARTS:,} blocks")


def _palette_size(flags: int) -> int:
    """Return the bytes of a colour table: "3 x 2^(Size of Global Color Table+1)" (§19, §21)."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _skip_sub_blocks(data: memoryview, offset: int) -> int:
    """Return the offset behind a chain of sub-blocks and its terminator (§15, §16)."""
    while length := data[offset]:
        offset += length + 1
    return offset + 1
