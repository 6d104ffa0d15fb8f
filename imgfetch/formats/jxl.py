"""JPEG XL, by ISO 18181-1 (the header of a codestream) and 18181-2 (its container).

    codestream ─▶ SizeHeader ─▶ ImageMetadata
    container  ─▶ boxes ─▶ jxlc │ jxlp… ─▶ the same

A codestream does not say how long it is: only a decoder knows where it ends. In a container every box must be
whole, and the last part must be there. Of an animation the frames are not counted, for the same reason; if it
is cut between two frames, and is not in a container, the decoder does not see it either.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from imgfetch.formats.walker import MOST_PARTS, FormatError, corrupt, name, truncated
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    from imgfetch.formats.walker import WalkState


def walk(data: memoryview, state: WalkState) -> None:
    """Walk a codestream, or a container that begins with the signature box."""
    is_bare = bytes(data[:2]) == b"\xff\x0a"
    _read_header(_Bits(bytes(data[2:_HEADER_SIZE]) if is_bare else _codestream(data, state)), state)


_HEADER_SIZE = 128
_BOX = Struct(">I4s")
_LONG = Struct(">Q")
_RATIOS = (None, (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_MOST_EXTRA = 4
"""Channels beside the colours at most: each takes the memory of a picture."""


def _codestream(data: memoryview, state: WalkState) -> bytes:
    """Check the boxes of a container, and return the beginning of its codestream without the signature."""
    head, at, parts, has_last = b"", 0, 0, True
    for _ in range(MOST_PARTS):
        if at == len(data):
            break
        size, kind = _BOX.unpack_from(data, at)
        start = at + 8
        if size == 1:
            (size,) = _LONG.unpack_from(data, start)
            start += 8
        stop = at + size if size else len(data)
        if stop < start:
            raise corrupt(f"the box {name(kind)} at offset {at:,} has an impossible size of {size}")
        if stop > len(data):
            raise truncated(
                f"ends after {len(data):,} bytes, in the box {name(kind)}, which ends at {stop:,}"
            )
        if kind == b"jxlp":
            if int.from_bytes(data[start : start + 4]) & 0x7FFFFFFF != parts:
                raise corrupt(f"part {parts + 1} of its codestream is missing")
            has_last = data[start] >= 0x80
            parts += 1
            start += 4
        if kind in (b"jxlc", b"jxlp") and len(head) < _HEADER_SIZE:
            head += bytes(data[start : min(stop, start + _HEADER_SIZE)])
        at = stop
    if not has_last:
        raise truncated(f"ends after {len(data):,} bytes, without the last part of its codestream")
    if not head.startswith(b"\xff\x0a"):
        raise (
            truncated("no codestream in the file") if not head else corrupt("its codestream has no signature")
        )
    state.tail = 0
    return head[2:_HEADER_SIZE]


class _Bits:
    """Reads numbers of a codestream, the lowest bit first (ISO 18181-1 §6)."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "little")
        self._left = 8 * len(data)

    def read(self, bits: int) -> int:
        """Return the next number of so many bits. Raise `IndexError` at the end."""
        self._left -= bits
        if self._left < 0:
            raise IndexError
        number = self._value & ((1 << bits) - 1)
        self._value >>= bits
        return number

    def choose(self, *forms: tuple[int, int]) -> int:
        """Return a number in one of four forms, each with its bits and what is added (U32, §6.2.2)."""
        bits, added = forms[self.read(2)]
        return self.read(bits) + added


def _read_header(bits: _Bits, state: WalkState) -> None:
    state.width, state.height = _read_size(bits)
    state.frames = 1
    if bits.read(1):  # all_default of ImageMetadata: 8 bits, no more channels
        return
    is_animated = False
    if bits.read(1):
        bits.read(3)  # orientation
        if bits.read(1):
            _read_size(bits)  # intrinsic_size
        if bits.read(1):
            _read_preview(bits)
        is_animated = bool(bits.read(1))
        if is_animated:
            _read_animation(bits)
    _read_depth(bits)
    bits.read(1)  # modular_16bit_buffers
    extra = bits.choose((0, 0), (0, 1), (4, 2), (12, 1))
    if extra > _MOST_EXTRA:
        raise FormatError(ErrorKind.UNSUPPORTED_FORMAT, f"a JPEG XL image of {extra:,} extra channels")
    if is_animated:
        state.notes.append("frames_not_counted: it is an animation, and only a decoder can count its frames")


def _read_size(bits: _Bits) -> tuple[int, int]:
    """Read a SizeHeader (§D.2): width and height."""
    is_small = bits.read(1)

    def read_side() -> int:
        return 8 * (bits.read(5) + 1) if is_small else bits.choose((9, 1), (13, 1), (18, 1), (30, 1))

    height = read_side()
    ratio = _RATIOS[bits.read(3)]
    return read_side() if ratio is None else height * ratio[0] // ratio[1], height


def _read_preview(bits: _Bits) -> None:
    """Read a PreviewHeader (§D.3.3)."""
    is_small = bits.read(1)
    forms = ((0, 16), (0, 32), (5, 1), (9, 33)) if is_small else ((6, 1), (8, 65), (10, 321), (12, 1345))
    bits.choose(*forms)
    if not bits.read(3):
        bits.choose(*forms)


def _read_animation(bits: _Bits) -> None:
    """Read an AnimationHeader (§D.3.4)."""
    bits.choose((0, 100), (0, 1000), (10, 1), (30, 1))
    bits.choose((0, 1), (0, 1001), (8, 1), (10, 1))
    bits.choose((0, 0), (3, 0), (16, 0), (32, 0))
    bits.read(1)


def _read_depth(bits: _Bits) -> None:
    """Read a BitDepth (§D.3.5)."""
    if bits.read(1):
        bits.choose((0, 32), (0, 16), (0, 24), (6, 1))
        bits.read(4)
    else:
        bits.choose((0, 8), (0, 10), (0, 12), (6, 1))
