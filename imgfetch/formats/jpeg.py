"""JPEG, by ITU-T T.81.

    SOI ─▶ (APPn · DQT · DHT · DRI · COM)… ─▶ SOF ─▶ (… SOS ─▶ entropy-coded data)… ─▶ EOI ─▶ tail

Tolerated, as by every decoder: fill bytes, up to 64 zero bytes directly before EOI, and any bytes behind EOI.
Phones and cameras append gain maps, second pictures and films, servers arbitrary bytes. The MPF segment that
lists the pictures is not checked, as tools that remove them leave it in place. Other bytes between segments
are the trace of lost or inserted data, and libjpeg warns of them.

Lost data. If restart markers are announced, one that is missing or out of sequence proves lost data. Zero
bytes decode to the shortest codes: where these mean "no change", flat images contain long runs, at most 2.3
bits for a block of 8 × 8 samples in 6,600 flat, striped and half-empty images up to 12 megapixels. A run of
more than half a byte for each block proves lost data.
"""

from __future__ import annotations

import re
from struct import Struct
from typing import NamedTuple

from imgfetch.formats.walker import MOST_PARTS, FormatError, WalkState, corrupt, refuse_zeros, truncated
from imgfetch.model.result import ErrorKind


def walk(data: memoryview, state: WalkState) -> None:
    """Walk a file that begins with `FF D8 FF`."""
    state.tail = len(data) - _walk(data, state).end


class ScanLayout(NamedTuple):
    """The facts of a file that a decoder needs first."""

    end: int
    """The offset behind EOI."""
    single: bool
    """True if the file is sequential and has one scan."""
    odd_scans: int
    """The number of sequential scans with the parameters of progressive ones, which decoders ignore."""


def scan_layout(data: memoryview) -> ScanLayout:
    """Return the scan_layout of a file. Raises `FormatError`."""
    return _walk(data, WalkState())


def _walk(data: memoryview, state: WalkState) -> ScanLayout:
    offset = 2
    frame: _Frame | None = None
    interval = scans = odd_scans = 0
    whole = False
    complete: dict[int, int] = {}
    for _ in range(MOST_PARTS):
        code, offset = _marker(data, offset)
        if code == _EOI:
            break
        stop = _segment(data, code, offset)
        if code in _SOFS:
            if frame:
                raise corrupt(f"a second frame header at offset {offset - 2:,}")
            frame = _frame(data, code, offset, stop)
            state.width, state.height, state.frames = frame.width, frame.height, 1
        elif code == _DRI:
            (interval,) = _WORD.unpack_from(data, offset + 2)
        elif code == _SOS:
            scans += 1
            if not frame:
                raise corrupt("a scan before any frame header")
            if scans > _MAX_SCANS:
                raise corrupt(f"more than {_MAX_SCANS} scans")
            components = _components(data, offset, frame)
            whole = len(components) == len(frame.sampling) and not frame.progressive
            if frame.progressive:
                _mark_complete(complete, components, data[stop - 3 : stop])
            elif data[stop - 3 : stop] != _SEQUENTIAL:
                odd_scans += 1
            stop = _scan(data, stop, frame, components, interval)
        offset = stop
    else:
        raise corrupt(f"more than {MOST_PARTS:,} segments")
    if not frame or not scans:
        raise corrupt("no scan in the file")
    if frame.progressive and any(complete.get(each) != _ALL_COEFFICIENTS for each in frame.sampling):
        raise truncated("its last scans are missing: some coefficients lack their last bits")
    return ScanLayout(offset, whole and scans == 1, odd_scans)


_SOI, _EOI, _SOS, _DRI, _TEM = 0xD8, 0xD9, 0xDA, 0xDD, 0x01
_SOFS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # DHT, JPG and DAC lie among them (T.81 table B.1)
_PROGRESSIVE = 0xC2
_DECODABLE = frozenset((0xC0, 0xC1, _PROGRESSIVE))
"""Baseline, extended and progressive Huffman coding: browsers support no other."""
_MAX_SCANS = 100
"""Scans of a file at most: each costs a pass over the image. Encoders that optimise write a dozen."""
_SEQUENTIAL = b"\x00\x3f\x00"
"""The spectral selection and successive approximation of a sequential scan (T.81 table B.3)."""
MAX_PADDING = 64
"""Bytes directly before EOI at most that belong to no scan: some cameras and programs write them."""
_ALL_COEFFICIENTS = (1 << 64) - 1
_WORD = Struct(">H")
_SOF = Struct(">HBHHB")
_SOS_HEAD = Struct(">HB")
_MARKER = re.compile(rb"\xff([^\x00\xff])")
_MARKER_BUT_RST = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
_RST = re.compile(rb"\xff([\xd0-\xd7])")


class _Frame(NamedTuple):
    width: int
    height: int
    progressive: bool
    sampling: dict[int, tuple[int, int]]
    """The horizontal and vertical sampling factors of each component."""

    def blocks(self, component: int) -> tuple[int, int]:
        """Return the blocks of 8 × 8 samples across and down a component (T.81 §A.1.1, §A.2.2)."""
        across, down = self.sampling[component]
        max_across = max(h for h, _ in self.sampling.values())
        max_down = max(v for _, v in self.sampling.values())
        return -(-self.width * across // (8 * max_across)), -(-self.height * down // (8 * max_down))

    def mcus(self, components: tuple[int, ...]) -> int:
        """Return the minimum coded units of a scan (T.81 §A.2)."""
        if len(components) == 1:
            across, down = self.blocks(components[0])
            return across * down
        max_across = max(h for h, _ in self.sampling.values())
        max_down = max(v for _, v in self.sampling.values())
        return -(-self.width // (8 * max_across)) * -(-self.height // (8 * max_down))


def _marker(data: memoryview, offset: int) -> tuple[int, int]:
    """Return the code of the next marker, and the offset behind it."""
    # "Any marker may optionally be preceded by any number of fill bytes, which are bytes assigned code
    # X'FF'" (T.81 §B.1.1.2)
    found = _MARKER.search(data, offset)
    if found is None:
        raise _without_end(data)
    skipped = bytes(data[offset : found.start()])
    fill = b"\0" if found[1][0] == _EOI else b"\xff"
    if len(skipped) > MAX_PADDING or (skipped.strip(fill) and skipped.strip(b"\xff")):
        raise corrupt(f"{len(skipped):,} bytes at offset {offset:,} are not a segment")
    return found[1][0], found.end()


def _segment(data: memoryview, code: int, offset: int) -> int:
    """Return the end of the segment of a marker."""
    if code == _SOI:
        raise corrupt(f"another image begins at offset {offset - 2:,}, before this one has ended")
    if code == _TEM or 0xD0 <= code <= 0xD7:  # these stand alone (T.81 §B.1.1.3)
        return offset
    length: int = _WORD.unpack_from(data, offset)[0]
    if length < 2:
        raise corrupt(
            f"the segment FF {code:02X} at offset {offset - 2:,} has an impossible length of {length}"
        )
    if offset + length > len(data):
        raise truncated(
            f"ends after {len(data):,} bytes, in the segment FF {code:02X} at offset {offset - 2:,}"
        )
    return offset + length


def _frame(data: memoryview, code: int, offset: int, stop: int) -> _Frame:
    """Read a frame header (T.81 §B.2.2)."""
    length, bits, height, width, count = _SOF.unpack_from(data, offset)
    if length != 8 + 3 * count:
        raise corrupt(f"a frame header of {length} bytes for {count} components")
    if not width or not height:
        # A height of 0, which DNL states later (T.81 §B.2.5), is supported by no decoder.
        raise corrupt(f"{width} x {height} pixels in its frame header")
    if code not in _DECODABLE or bits != 8 or count not in (1, 3, 4):
        process = f"FF {code:02X}, {bits} bits, {count} components"
        raise FormatError(
            ErrorKind.UNSUPPORTED_FORMAT, f"the body is a JPEG image of an unsupported kind ({process})"
        )
    sampling = {}
    for component in range(offset + 8, stop, 3):
        across, down = data[component + 1] >> 4, data[component + 1] & 15
        if not 1 <= across <= 4 or not 1 <= down <= 4:
            raise corrupt(f"sampling factors of {across} x {down} in its frame header")
        sampling[data[component]] = across, down
    return _Frame(width, height, code == _PROGRESSIVE, sampling)


def _scan(data: memoryview, start: int, frame: _Frame, components: tuple[int, ...], interval: int) -> int:
    """Return the end of the entropy-coded data of a scan: the first marker that does not belong to it."""
    # An FF in the data is followed by a stuffed 00: with any other byte it is a marker (T.81 §B.1.1.5).
    found = (_MARKER_BUT_RST if interval else _MARKER).search(data, start)
    stop = found.start() if found else len(data)
    blocks = sum(across * down for across, down in map(frame.blocks, frame.sampling))
    refuse_zeros(data, start, stop, max(64, blocks // 2))
    if found is None:
        raise _without_end(data)
    if interval:
        _check_restarts(data[start:stop], frame.mcus(components), interval)
    elif 0xD0 <= found[1][0] <= 0xD7:
        raise corrupt(f"a restart marker at offset {stop:,}, where none was announced")
    return stop


def _components(data: memoryview, offset: int, frame: _Frame) -> tuple[int, ...]:
    """Return the components of a scan (T.81 §B.2.3)."""
    length, count = _SOS_HEAD.unpack_from(data, offset)
    if length != 6 + 2 * count:
        raise corrupt(f"a scan header of {length} bytes for {count} components")
    components = tuple(data[offset + 3 : offset + 3 + 2 * count : 2])
    if not components or not frame.sampling.keys() >= set(components):
        raise corrupt("a scan of components that its frame does not have")
    return components


def _mark_complete(complete: dict[int, int], components: tuple[int, ...], parameters: memoryview) -> None:
    """Mark the coefficients of which a scan has the last bit: `complete` has a bit for each of a component.

    The successive approximation bit position low is then 0 (T.81 §B.2.3).
    """
    first, last, approximation = parameters
    if approximation & 15 == 0:
        for component in components:
            complete[component] = complete.get(component, 0) | (1 << last + 1) - (1 << first)


def _check_restarts(scan: memoryview, mcus: int, interval: int) -> None:
    """Check that they "repeat in sequence from 0 to 7, starting with zero for each scan" (T.81 §B.2.1)."""
    found = [code[0] & 7 for code in _RST.findall(scan)]
    expected = -(-mcus // interval) - 1
    if found != [m & 7 for m in range(len(found))]:
        raise corrupt("its restart markers are out of sequence: part of a scan is missing")
    if len(found) < expected:
        raise corrupt(
            f"{len(found):,} restart markers in a scan that has {expected:,}: part of it is missing"
        )


def _without_end(data: memoryview) -> FormatError:
    if len(data) > 1024 and not any(data[-512:]):
        return corrupt("ends in zero bytes, without an end-of-image marker")
    return truncated(f"ends after {len(data):,} bytes, without an end-of-image marker")
