"""GIF, by GIF89a (Graphics Interchange Format, version 89a).

    header ─▶ logical screen ─▶ palette? ─▶ (extension │ image)… ─▶ trailer ─▶ tail

Tolerated: a few zero bytes between blocks (GIF87a passes over anything there, and some encoders leave
them), and anything behind the trailer. Not tolerated: a missing trailer, which is how a
file looks that was cut between two frames.

The size is what browsers report: the logical screen, enlarged to hold the first frame. They cut off what a
later frame has beyond it.

Lost data is not searched for: zeros over the length byte of a sub-block end the image early, and the
walk then meets a block that begins with zero. LZW data of a flat image may itself hold zeros. A decoder can
tell more: whether the data of each of `frames` fill it.
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
    """One image of a file, and where its LZW data are."""

    left: int
    top: int
    width: int
    height: int
    interlaced: bool
    bits: int
    """The LZW minimum code size (§22)."""
    start: int
    """Where the first sub-block of the data begins."""
    stop: int
    """Where the block terminator behind the data stands."""


def walk(data: memoryview, seen: WalkState) -> None:
    """Walk a file that begins with `GIF87a` or `GIF89a`."""
    seen.width, seen.height, _ = _SCREEN.unpack_from(data, 6)
    end = len(data)
    for part in _parts(data, seen):
        if isinstance(part, int):
            end = part
        elif part.start == part.stop:
            raise corrupt(f"frame {seen.frames} has no data")
    if not seen.frames:
        raise corrupt("no image in it")
    if not seen.width or not seen.height:
        raise corrupt(f"{seen.width} x {seen.height} pixels")
    seen.tail = len(data) - end


def frames(data: memoryview) -> Iterator[Frame]:
    """Yield every frame. Raises `Flaw`, but not for a file that has been walked."""
    return (part for part in _parts(data) if isinstance(part, Frame))


def parted(data: memoryview, frame: Frame, least: int) -> tuple[memoryview, bytes]:
    """Part the data of a frame: the sub-blocks of most of them, and the last bytes, without their sub-blocks.

    The last bytes are `least` or more, or all.
    """
    at = frame.start
    last: deque[tuple[int, int]] = deque()
    behind = 0
    while length := data[at]:
        last.append((at, length))
        behind += length
        while behind - last[0][1] >= least:
            behind -= last.popleft()[1]
        at += length + 1
    joined = b"".join(data[start + 1 : start + 1 + size] for start, size in last)
    return data[frame.start : last[0][0]], joined


def sub_blocks(data: bytes) -> bytes:
    """Return data as sub-blocks, each led by its length (§15)."""
    return b"".join(
        bytes((len(part),)) + part for part in (data[at : at + 255] for at in range(0, len(data), 255))
    )


_SCREEN = Struct("<HHBxx")
_DESCRIPTOR = Struct("<HHHHB")
_IMAGE, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B
_INTERLACED = 0x40
_MOST_PADDING = 16


def _look(right: int, bottom: int, bits: int, seen: WalkState) -> None:
    """Note a frame that reaches so far, before its data are looked for: a bomb may be cut there."""
    # "Each image must fit within the boundaries of the Logical Screen" (§20): where the first does not, the
    # screen grows. The limit on pixels must hold for what a reader makes of the others, too.
    if not seen.frames:
        seen.width, seen.height = max(seen.width, right), max(seen.height, bottom)
    pixels = max(seen.width, right) * max(seen.height, bottom)
    if pixels > seen.width * seen.height:
        seen.most_pixels = max(seen.most_pixels, pixels)
    seen.frames += 1
    if not 1 <= bits <= 11:
        raise corrupt(f"frame {seen.frames} begins with codes of {bits} bits")


def _parts(data: memoryview, seen: WalkState | None = None) -> Iterator[Frame | int]:
    """Yield every frame, and last where the trailer ends. Raises `Flaw`."""
    try:
        yield from _parts_to_the_trailer(data, seen)
    except (IndexError, struct_error):
        raise truncated(f"ends after {len(data):,} bytes, without a trailer") from None


def _parts_to_the_trailer(data: memoryview, seen: WalkState | None) -> Iterator[Frame | int]:
    _, _, flags = _SCREEN.unpack_from(data, 6)
    at = 13 + _palette(flags)
    padding = 0
    for _ in range(MOST_PARTS):
        introducer = data[at]
        if introducer == _TRAILER:
            yield at + 1
            return
        if introducer == _IMAGE:
            left, top, width, height, flags = _DESCRIPTOR.unpack_from(data, at + 1)
            at += 10 + _palette(flags)
            bits, start = data[at], at + 1
            if seen is not None:
                _look(left + width, top + height, bits, seen)
            at = _blocks(data, start)
            yield Frame(left, top, width, height, bool(flags & _INTERLACED), bits, start, at - 1)
        elif introducer == _EXTENSION:
            at = _blocks(data, at + 2)
        elif introducer == 0 and padding < _MOST_PADDING:
            at += 1
            padding += 1
        else:
            raise corrupt(f"the block at offset {at:,} begins with {introducer:02x}")
    raise corrupt(f"more than {MOST_PARTS:,} blocks")


def _palette(flags: int) -> int:
    """Bytes of a colour table: "3 x 2^(Size of Global Color Table+1)" (§19, §21)."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _blocks(data: memoryview, at: int) -> int:
    """Past a chain of sub-blocks, each led by its length, and the terminator (§15, §16)."""
    while length := data[at]:
        at += length + 1
    return at + 1
