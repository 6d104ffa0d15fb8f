"""GIF, by GIF89a (Graphics Interchange Format, version 89a).

    header ─▶ logical screen ─▶ palette? ─▶ (extension │ image)… ─▶ trailer ─▶ tail

Tolerated: a few zero bytes between blocks (GIF87a passes over anything there, and some encoders leave
them), and anything behind the trailer. Not tolerated: a missing trailer, which is how a
file looks that was cut between two frames.

Lost data is not searched for: zeros over the length byte of a sub-block end the image early, and the
walk then meets a block that begins with zero. LZW data of a flat image may itself hold zeros.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from imgfetch.formats.flaw import MOST_PARTS, corrupt, truncated

if TYPE_CHECKING:
    from imgfetch.formats.flaw import Seen


def walk(data: memoryview, seen: Seen) -> None:
    """Walk a file that begins with `GIF87a` or `GIF89a`."""
    seen.width, seen.height, flags = _SCREEN.unpack_from(data, 6)
    try:
        at = _to_the_trailer(data, 13 + _palette(flags), seen)
    except IndexError:
        raise truncated(f"ends after {len(data):,} bytes, without a trailer") from None
    if not seen.frames:
        raise corrupt("no image in it")
    if not seen.width or not seen.height:
        raise corrupt(f"{seen.width} x {seen.height} pixels")
    seen.tail = len(data) - at


_SCREEN = Struct("<HHBxx")
_DESCRIPTOR = Struct("<HHHHB")
_IMAGE, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B
_MOST_PADDING = 16


def _to_the_trailer(data: memoryview, at: int, seen: Seen) -> int:
    padding = 0
    for _ in range(MOST_PARTS):
        introducer = data[at]
        if introducer == _TRAILER:
            return at + 1
        if introducer == _IMAGE:
            at = _image(data, at + 1, seen)
        elif introducer == _EXTENSION:
            at = _blocks(data, at + 2)
        elif introducer == 0 and padding < _MOST_PADDING:
            at += 1
            padding += 1
        else:
            raise corrupt(f"the block at offset {at:,} begins with {introducer:02x}")
    raise corrupt(f"more than {MOST_PARTS:,} blocks")


def _image(data: memoryview, at: int, seen: Seen) -> int:
    """An image descriptor, its palette and its data (§20 to §22); where it ends."""
    left, top, width, height, flags = _DESCRIPTOR.unpack_from(data, at)
    # "Each image must fit within the boundaries of the Logical Screen" (§20): where it does not, the
    # screen grows, as it does for readers, so that the limit on pixels holds
    seen.width, seen.height = max(seen.width, left + width), max(seen.height, top + height)
    seen.frames += 1
    at += 9 + _palette(flags)
    if not 1 <= data[at] <= 11:
        raise corrupt(f"frame {seen.frames} begins with codes of {data[at]} bits")
    if not data[at + 1]:
        raise corrupt(f"frame {seen.frames} has no data")
    return _blocks(data, at + 1)


def _palette(flags: int) -> int:
    """Bytes of a colour table: "3 x 2^(Size of Global Color Table+1)" (§19, §21)."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _blocks(data: memoryview, at: int) -> int:
    """Past a chain of sub-blocks, each led by its length, and the terminator (§15, §16)."""
    while length := data[at]:
        at += length + 1
    return at + 1
