"""PNG and APNG, by the W3C's PNG Specification (Third Edition).

    signature ─▶ IHDR ─▶ (PLTE · acTL · …) ─▶ (fcTL? IDAT…) ─▶ (fcTL fdAT…)… ─▶ IEND ─▶ tail

Every chunk has a CRC, so no search for lost data is needed. Bytes behind IEND are tolerated: no decoder
reads them, and screenshots cropped in place have the rest of the uncropped file there.

A chunk that no pixel depends on (text, time, a colour profile) may have a wrong CRC: browsers ignore such a
chunk and show the image, so the walk adds a note. acTL, fcTL and fdAT are ancillary by their names, but hold
the animation, and tRNS holds alpha values: browsers drop frames or transparency, so the file is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING
from zlib import crc32

from imgfetch.formats.walker import MOST_PARTS, FormatError, corrupt, name, truncated
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    from imgfetch.formats.walker import WalkState


def walk(data: memoryview, state: WalkState) -> None:
    """Walk a file that begins with the PNG signature."""
    offset = 8
    progress = _Progress()
    for _ in range(MOST_PARTS):
        length, kind = _CHUNK.unpack_from(data, offset)
        start, stop = offset + 8, offset + 8 + length
        readable = _check_chunk(data, kind, start, stop)
        if (offset == 8) != (kind == b"IHDR"):
            raise _wrong_first_chunk(kind)
        if progress.data and kind != b"IDAT":
            progress.data_ended = True
        if readable:
            _read_chunk(data[start:stop], kind, progress, state)
        else:
            progress.bad_crc = progress.bad_crc or f"the {name(kind)} chunk at offset {offset:,}"
        offset = stop + 4
        if kind == b"IEND":
            break
    else:
        raise corrupt(f"more than {MOST_PARTS:,} chunks")
    _check_complete(progress, state)
    if progress.bad_crc:
        state.notes.append(f"bad_checksum: the CRC of {progress.bad_crc} does not match")
    state.tail = len(data) - offset


_CHUNK = Struct(">I4s")
_CRC = Struct(">I")
_IHDR = Struct(">IIBBBBB")
_FCTL = Struct(">IIIII")
_MIN_LENGTHS = {b"IHDR": 13, b"acTL": 8, b"fcTL": 26, b"fdAT": 4}
_AFFECT_PIXELS = frozenset((b"acTL", b"fcTL", b"fdAT", b"tRNS"))
"""The ancillary chunks on which pixels depend."""
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""The bit depths allowed for each colour type (§11.2.1, table 11.1)."""


@dataclass(slots=True)
class _Progress:
    bad_crc: str = ""
    """The first ancillary chunk with a wrong CRC; empty if there is none."""
    needs_palette: bool = False
    has_palette: bool = False
    data: int = 0
    """Bytes of IDAT so far."""
    data_ended: bool = False
    announced_frames: int | None = None
    """The number of frames in acTL; None before it."""
    early_fctl: memoryview | None = None
    """The payload of an fcTL before acTL."""
    frames: int = 0
    sequence: int = 0
    frame_empty: bool = False
    """True between an fcTL and its first IDAT or fdAT."""


def _check_chunk(data: memoryview, kind: bytes, start: int, stop: int) -> bool:
    """Check a chunk's name, extent and CRC (§5.3, §5.5); return False for a wrong CRC that no pixel needs."""
    if not kind.isalpha():
        raise corrupt(f"the chunk at offset {start - 8:,} is named {name(kind)}")
    if stop - start > 2**31 - 1 or stop - start < _MIN_LENGTHS.get(kind, 0):
        raise corrupt(
            f"a length of {stop - start:,} bytes for the {name(kind)} chunk at offset {start - 8:,}"
        )
    if stop + 4 > len(data):
        raise truncated(f"ends after {len(data):,} bytes, in the {name(kind)} chunk at offset {start - 8:,}")
    if _CRC.unpack_from(data, stop)[0] == crc32(data[start - 4 : stop]):
        return True
    if kind[0] & 0x20 and kind not in _AFFECT_PIXELS:  # ancillary (§5.4)
        return False
    raise corrupt(f"the CRC of the {name(kind)} chunk at offset {start - 8:,} does not match")


def _wrong_first_chunk(kind: bytes) -> FormatError:
    if kind == b"CgBI":
        return FormatError(
            ErrorKind.UNSUPPORTED_FORMAT, "the body is a PNG image changed by Apple's tools (CgBI)"
        )
    return corrupt(f"its first chunk is {name(kind)}, not IHDR" if kind != b"IHDR" else "a second IHDR chunk")


def _read_chunk(payload: memoryview, kind: bytes, progress: _Progress, state: WalkState) -> None:
    match kind:
        case b"IHDR":
            _header(payload, progress, state)
        case b"PLTE":
            _palette(payload, progress)
        case b"IDAT":
            # "The IDAT chunks shall appear consecutively with no other intervening chunks" (§5.6)
            if progress.data_ended:
                raise corrupt("its IDAT chunks do not follow one another")
            progress.data += len(payload)
            progress.frame_empty = False
        case b"acTL" if not progress.data:  # behind IDAT it has no effect, and the image is a still
            _animation(payload, progress, state)
        case b"fcTL" if progress.announced_frames is not None:
            _frame(payload, progress, state)
        case b"fcTL" if not progress.data:
            progress.early_fctl = payload
        case b"fdAT" if progress.announced_frames is not None:
            _check_sequence(payload, progress)
            progress.frame_empty = False
        case _:
            # "Bit 5 of the first byte: 0 (uppercase) = critical" (§5.4)
            if not kind[0] & 0x20 and kind != b"IEND":
                raise corrupt(f"an unknown critical chunk, {name(kind)}")


def _header(payload: memoryview, progress: _Progress, state: WalkState) -> None:
    """Read an IHDR chunk (§11.2.1)."""
    width, height, depth, colour, compression, filtering, interlace = _IHDR.unpack_from(payload)
    if not 0 < width < 2**31 or not 0 < height < 2**31:
        raise corrupt(f"{width} x {height} pixels in its IHDR chunk")
    state.width, state.height = width, height
    if depth not in _DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
        raise corrupt(
            f"colour type {colour} of {depth} bits, methods {compression}, {filtering}, {interlace}"
        )
    progress.needs_palette = colour == 3


def _palette(payload: memoryview, progress: _Progress) -> None:
    """Check a PLTE chunk: the only one, before IDAT (§5.6, table 7), of 1 to 256 colours (§11.2.2)."""
    if progress.has_palette:
        raise corrupt("a second palette")
    if progress.data:
        raise corrupt("a palette behind the image data")
    if len(payload) % 3 or not 3 <= len(payload) <= 768:
        raise corrupt(f"a palette of {len(payload)} bytes")
    progress.has_palette, progress.needs_palette = True, False


def _animation(payload: memoryview, progress: _Progress, state: WalkState) -> None:
    """Read an acTL chunk (§11.3.6.1): "0 is not a valid value"."""
    if progress.announced_frames is not None:
        raise corrupt("a second acTL chunk")
    (progress.announced_frames,) = _CRC.unpack_from(payload)
    if not progress.announced_frames:
        raise corrupt("an animation of 0 frames")
    if progress.early_fctl is not None:
        _frame(progress.early_fctl, progress, state)


def _frame(payload: memoryview, progress: _Progress, state: WalkState) -> None:
    """Read an fcTL chunk (§11.3.6.2): a region of the canvas; its data follow."""
    _check_sequence(payload, progress)
    if progress.frame_empty:
        raise corrupt(f"frame {progress.frames} has no data")
    _, width, height, left, top = _FCTL.unpack_from(payload)
    if not width or not height or left + width > state.width or top + height > state.height:
        raise corrupt(
            f"frame {progress.frames + 1} reaches beyond the canvas of {state.width} x {state.height}"
        )
    progress.frames += 1
    progress.frame_empty = True


def _check_sequence(payload: memoryview, progress: _Progress) -> None:
    # fcTL and fdAT share one sequence, from 0, without gaps or duplicates (§11.3.6)
    (sequence,) = _CRC.unpack_from(payload)
    if sequence != progress.sequence:
        raise corrupt(f"frame data number {sequence} where {progress.sequence} was due")
    progress.sequence += 1


def _check_complete(progress: _Progress, state: WalkState) -> None:
    if not progress.data:
        raise corrupt("no IDAT chunk in it")
    if progress.needs_palette:
        raise corrupt("an image of indexed colours without a palette")
    if progress.frame_empty:
        raise corrupt(f"frame {progress.frames} has no data")
    state.frames = progress.frames or 1
    # "If this does not equal the actual number of frames, it should be treated as an error" (§11.3.6.1)
    if progress.announced_frames is not None and progress.announced_frames != progress.frames:
        raise corrupt(f"{progress.announced_frames:,} frames are announced, {progress.frames:,} are there")
