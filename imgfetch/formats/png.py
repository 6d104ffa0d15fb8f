"""PNG and APNG, by the W3C's PNG Specification (Third Edition).

    signature ─▶ IHDR ─▶ (PLTE · acTL · …) ─▶ (fcTL? IDAT…) ─▶ (fcTL fdAT…)… ─▶ IEND ─▶ tail

Every chunk carries a CRC, so no search for lost data is needed. What follows IEND is tolerated: no
reader looks at it, and screenshots cropped in place carry the rest of their old selves there.

A chunk that no pixel depends on (text, time, a colour profile) may have a wrong CRC: browsers ignore such a
chunk and show the image, so it gets a note. acTL, fcTL and fdAT are ancillary by their names, but hold the
animation, and tRNS holds alpha values: browsers drop frames or transparency, so the file is refused.
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


def walk(data: memoryview, seen: WalkState) -> None:
    """Walk a file that begins with the PNG signature."""
    at = 8
    state = _State()
    for _ in range(MOST_PARTS):
        length, kind = _CHUNK.unpack_from(data, at)
        start, stop = at + 8, at + 8 + length
        sound = _check(data, kind, start, stop)
        if (at == 8) != (kind == b"IHDR"):
            raise _no_header(kind)
        if state.data and kind != b"IDAT":
            state.data_over = True
        if sound:
            _look(data[start:stop], kind, state, seen)
        else:
            state.damaged = state.damaged or f"the {name(kind)} chunk at offset {at:,}"
        at = stop + 4
        if kind == b"IEND":
            break
    else:
        raise corrupt(f"more than {MOST_PARTS:,} chunks")
    _complete(state, seen)
    if state.damaged:
        seen.notes.append(f"bad_checksum: the CRC of {state.damaged} does not match")
    seen.tail = len(data) - at


_CHUNK = Struct(">I4s")
_CRC = Struct(">I")
_IHDR = Struct(">IIBBBBB")
_FCTL = Struct(">IIIII")
_LEAST = {b"IHDR": 13, b"acTL": 8, b"fcTL": 26, b"fdAT": 4}
_OF_PIXELS = frozenset((b"acTL", b"fcTL", b"fdAT", b"tRNS"))
"""The ancillary chunks on which pixels depend."""
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""By colour type, the bit depths allowed (§11.2.1, table 11.1)."""


@dataclass(slots=True)
class _State:
    damaged: str = ""
    """The first ancillary chunk whose CRC does not match."""
    palette_due: bool = False
    has_palette: bool = False
    data: int = 0
    """Bytes of IDAT so far."""
    data_over: bool = False
    announced: int | None = None
    """The frames that acTL announces."""
    early: memoryview | None = None
    """An fcTL that came before acTL."""
    frames: int = 0
    sequence: int = 0
    frame_empty: bool = False
    """Whether the last fcTL still waits for its IDAT or fdAT."""


def _check(data: memoryview, kind: bytes, start: int, stop: int) -> bool:
    """Check a chunk's name, extent and CRC (§5.3, §5.5); return whether the chunk may be read.

    Only a chunk that no pixel depends on may have a wrong CRC.
    """
    if not kind.isalpha():
        raise corrupt(f"the chunk at offset {start - 8:,} is named {name(kind)}")
    if stop - start > 2**31 - 1 or stop - start < _LEAST.get(kind, 0):
        raise corrupt(
            f"a length of {stop - start:,} bytes for the {name(kind)} chunk at offset {start - 8:,}"
        )
    if stop + 4 > len(data):
        raise truncated(f"ends after {len(data):,} bytes, in the {name(kind)} chunk at offset {start - 8:,}")
    if _CRC.unpack_from(data, stop)[0] == crc32(data[start - 4 : stop]):
        return True
    if kind[0] & 0x20 and kind not in _OF_PIXELS:  # ancillary (§5.4)
        return False
    raise corrupt(f"the CRC of the {name(kind)} chunk at offset {start - 8:,} does not match")


def _no_header(kind: bytes) -> FormatError:
    if kind == b"CgBI":
        return FormatError(
            ErrorKind.UNSUPPORTED_FORMAT, "the body is a PNG image changed by Apple's tools (CgBI)"
        )
    return corrupt(f"its first chunk is {name(kind)}, not IHDR" if kind != b"IHDR" else "a second IHDR chunk")


def _look(payload: memoryview, kind: bytes, state: _State, seen: WalkState) -> None:
    match kind:
        case b"IHDR":
            _header(payload, state, seen)
        case b"PLTE":
            _palette(payload, state)
        case b"IDAT":
            # "The IDAT chunks shall appear consecutively with no other intervening chunks" (§5.6)
            if state.data_over:
                raise corrupt("its IDAT chunks do not follow one another")
            state.data += len(payload)
            state.frame_empty = False
        case b"acTL" if not state.data:  # behind IDAT it says nothing, and the image is a still
            _animation(payload, state, seen)
        case b"fcTL" if state.announced is not None:
            _frame(payload, state, seen)
        case b"fcTL" if not state.data:
            state.early = payload
        case b"fdAT" if state.announced is not None:
            _in_turn(payload, state)
            state.frame_empty = False
        case _:
            # "Bit 5 of the first byte: 0 (uppercase) = critical" (§5.4)
            if not kind[0] & 0x20 and kind != b"IEND":
                raise corrupt(f"a critical chunk named {name(kind)}, which nobody knows")


def _header(payload: memoryview, state: _State, seen: WalkState) -> None:
    """§11.2.1."""
    width, height, depth, colour, compression, filtering, interlace = _IHDR.unpack_from(payload)
    if not 0 < width < 2**31 or not 0 < height < 2**31:
        raise corrupt(f"{width} x {height} pixels in its IHDR chunk")
    seen.width, seen.height = width, height
    if depth not in _DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
        raise corrupt(
            f"colour type {colour} of {depth} bits, methods {compression}, {filtering}, {interlace}"
        )
    state.palette_due = colour == 3


def _palette(payload: memoryview, state: _State) -> None:
    """Check a PLTE chunk: one, ahead of the first IDAT (§5.6, table 7), of 1 to 256 colours (§11.2.2)."""
    if state.has_palette:
        raise corrupt("a second palette")
    if state.data:
        raise corrupt("a palette behind the image data")
    if len(payload) % 3 or not 3 <= len(payload) <= 768:
        raise corrupt(f"a palette of {len(payload)} bytes")
    state.has_palette, state.palette_due = True, False


def _animation(payload: memoryview, state: _State, seen: WalkState) -> None:
    """§11.3.6.1: "0 is not a valid value"."""
    if state.announced is not None:
        raise corrupt("a second acTL chunk")
    (state.announced,) = _CRC.unpack_from(payload)
    if not state.announced:
        raise corrupt("an animation of 0 frames")
    if state.early is not None:
        _frame(state.early, state, seen)


def _frame(payload: memoryview, state: _State, seen: WalkState) -> None:
    """§11.3.6.2: a region of the canvas, whose data comes next."""
    _in_turn(payload, state)
    if state.frame_empty:
        raise corrupt(f"frame {state.frames} has no data")
    _, width, height, left, top = _FCTL.unpack_from(payload)
    if not width or not height or left + width > seen.width or top + height > seen.height:
        raise corrupt(f"frame {state.frames + 1} reaches beyond the canvas of {seen.width} x {seen.height}")
    state.frames += 1
    state.frame_empty = True


def _in_turn(payload: memoryview, state: _State) -> None:
    # fcTL and fdAT share one sequence, from 0, without gaps or duplicates (§11.3.6)
    (sequence,) = _CRC.unpack_from(payload)
    if sequence != state.sequence:
        raise corrupt(f"frame data number {sequence} where {state.sequence} was due")
    state.sequence += 1


def _complete(state: _State, seen: WalkState) -> None:
    if not state.data:
        raise corrupt("no IDAT chunk in it")
    if state.palette_due:
        raise corrupt("no palette in an image of indexed colours")
    if state.frame_empty:
        raise corrupt(f"frame {state.frames} has no data")
    seen.frames = state.frames or 1
    # "If this does not equal the actual number of frames, it should be treated as an error" (§11.3.6.1)
    if state.announced is not None and state.announced != state.frames:
        raise corrupt(f"{state.announced:,} frames are announced, {state.frames:,} are there")
