"""Boxes of the ISO base media file format (ISO 14496-12 §4.2): the parts of an AVIF."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from imgfetch.formats.walker import MOST_PARTS, FormatError, corrupt, name, truncated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.formats.walker import WalkState

Span = tuple[int, int]
"""The offsets of the beginning and the end of the contents of a box."""

_BOX = Struct(">I4s")
_LONG = Struct(">Q")


def outermost_boxes(data: memoryview, state: WalkState) -> dict[bytes, Span]:
    """Return the boxes of the file, and store the number of bytes behind the last one in the state."""
    boxes: dict[bytes, Span] = {}
    offset = 0
    for _ in range(MOST_PARTS):
        if offset == len(data):
            return boxes
        try:
            kind, contents, stop = _read_box(data, offset, len(data))
            if stop > len(data):
                raise truncated(_too_short(data, offset, stop, len(data)))
        except FormatError:
            if boxes.keys().isdisjoint((b"meta", b"moov")):
                raise
            break  # if these bytes belong to the image, an extent or a sample lies in them
        if kind == b"ftyp" and boxes:  # a file has one (ISO 14496-12 §4.3): another file follows
            break
        boxes.setdefault(kind, (contents, stop))
        offset = stop
    else:
        raise corrupt(f"more than {MOST_PARTS:,} boxes")
    state.tail = len(data) - offset
    return boxes


def boxes_between(data: memoryview, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield type, start and end of the contents of each box between two offsets."""
    for _ in range(MOST_PARTS):
        if start == end:
            return
        kind, contents, stop = _read_box(data, start, end)
        if stop > end:
            raise corrupt(_too_short(data, start, stop, end))
        yield kind, contents, stop
        start = stop
    raise corrupt(f"more than {MOST_PARTS:,} boxes")


def _read_box(data: memoryview, start: int, end: int) -> tuple[bytes, int, int]:
    """Return type, start and end of the contents of the box at `start`; the end may be behind `end`."""
    if end - start < 8:
        raise truncated(f"{end - start} bytes at offset {start:,} are not a box")
    size, kind = _BOX.unpack_from(data, start)
    contents = start + 8
    if not kind.isascii() or not kind.decode("ascii").isprintable():
        raise corrupt(f"the bytes at offset {start:,} are not a box")
    if size == 1:  # "the actual size is in the field largesize"
        if end - start < 16:
            raise truncated(f"{end - start} bytes at offset {start:,} are not a box")
        (size,) = _LONG.unpack_from(data, contents)
        contents += 8
    elif size == 0:  # "this box is the last one in the file, and its contents extend to the end"
        size = end - start
    stop = start + size
    if stop < contents:
        raise corrupt(f"the box {name(kind)} at offset {start:,} has an impossible size of {size}")
    return kind, contents, stop


def _too_short(data: memoryview, start: int, stop: int, end: int) -> str:
    kind = bytes(data[start + 4 : start + 8])
    return f"the box {name(kind)} at offset {start:,} has {stop - start:,} bytes, {end - start:,} are there"


def require(boxes: dict[bytes, Span], kind: bytes) -> Span:
    """Return the contents of a box. Raises `FormatError` if it is missing."""
    if kind not in boxes:
        raise truncated(f"no {name(kind)} box in the file")
    return boxes[kind]


def children(data: memoryview, span: Span) -> dict[bytes, Span]:
    """Return the boxes inside the contents of a box; the last one of each type."""
    return {kind: (start, stop) for kind, start, stop in boxes_between(data, *span)}


class BoxReader:
    """Reads big-endian numbers of 0 to 8 bytes, one after another, within a box."""

    def __init__(self, data: memoryview, start: int, stop: int) -> None:
        self._data = data
        self._offset = start
        self._stop = stop

    def read(self, size: int) -> int:
        """Return the next number of `size` bytes. Raises `FormatError` at the end of the box."""
        offset = self._offset
        self._offset += size
        if self._offset > self._stop:
            raise corrupt("a box is too short for its contents")
        return int.from_bytes(self._data[offset : self._offset])
