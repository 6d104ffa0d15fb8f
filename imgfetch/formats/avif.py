"""AVIF, by ISO 14496-12 (boxes, items and tracks), ISO 23008-12 (HEIF) and the AV1 bitstream specification.

    ftyp ─▶ meta{pitm · iinf · iprp{ipco{ispe} · ipma} · iloc ─▶ extents · idat} ─▶ mdat       a still
    ftyp ─▶ meta? ─▶ moov{trak{mdia{hdlr · minf{stbl{stsd · stsz · stco ─▶ samples}}}}} ─▶ mdat  a sequence

A file of major brand `avis` is judged as its sequence, every other as its primary item, as libavif does.
Every extent of every item, and every sample of a track, must lie inside the file. Tolerated, as browsers and
libavif do: bytes behind the last box that are no whole box, and another file there. They may also come from
the middle, of a file that was cut and sent again: where there are some, no second file may begin before them.

An item may be larger than the primary one: a cell of a grid that is cut, or an image that is not shown. Of
those that a decoder decodes for the primary item, the largest counts against the limit on pixels.

Lost data. Coded AV1 holds hardly any zeros: at most 16 in a row in 930 photographs, flat and half-empty
images up to 12 megapixels, at every quality. More than 512 in a row in a coded image are lost data.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from struct import Struct
from typing import TYPE_CHECKING

from imgfetch.formats.av1 import coded
from imgfetch.formats.walker import (
    MOST_PARTS,
    FormatError,
    corrupt,
    name,
    refuse_second_file,
    refuse_zeros,
    truncated,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.formats.walker import WalkState


def walk(data: memoryview, seen: WalkState) -> None:
    """Walk a file that begins with an `ftyp` box."""
    boxes, whole = _outermost(data, seen), data
    sequence = bytes(data[8:12]) == b"avis"
    data = data[: len(data) - seen.tail]
    try:
        if sequence:
            _sequence(data, _need(boxes, b"moov"), seen)
        if b"meta" in boxes or not sequence:
            _still(data, _need(boxes, b"meta"), seen, sequence=sequence)
    except (struct.error, IndexError):
        raise corrupt("a box is too short for what it says it holds") from None
    if seen.tail:
        refuse_second_file(whole, _MAGIC, 8, len(data))


_MAGIC = re.compile(rb"....ftyp(?:avi[fs]|mif1|msf1)", re.DOTALL)
_MOST_ZEROS = 512
_BOX = Struct(">I4s")
_BYTE = Struct(">B")
_SHORT = Struct(">H")
_WORD = Struct(">I")
_RUN = Struct(">III")
_LONG = Struct(">Q")

_Span = tuple[int, int]


def _outermost(data: memoryview, seen: WalkState) -> dict[bytes, _Span]:
    """Return the boxes of the file, and let `seen` have the number of bytes behind the last of them."""
    boxes: dict[bytes, _Span] = {}
    at = 0
    for _ in range(MOST_PARTS):
        if at == len(data):
            return boxes
        try:
            kind, contents, stop = _box(data, at, len(data))
            if stop > len(data):
                raise truncated(_cut(data, at, stop, len(data)))
        except FormatError:
            if boxes.keys().isdisjoint((b"meta", b"moov")):
                raise
            break  # where these bytes belonged to the image, an extent or a sample lies in them
        if kind == b"ftyp" and boxes:  # there is one in a file (ISO 14496-12 §4.3): another file follows
            break
        boxes.setdefault(kind, (contents, stop))
        at = stop
    else:
        raise corrupt(f"more than {MOST_PARTS:,} boxes")
    seen.tail = len(data) - at
    return boxes


def _boxes(data: memoryview, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, and where the contents begin and end, of each box between two offsets (ISO 14496-12 §4.2)."""
    for _ in range(MOST_PARTS):
        if start == end:
            return
        kind, contents, stop = _box(data, start, end)
        if stop > end:
            raise corrupt(_cut(data, start, stop, end))
        yield kind, contents, stop
        start = stop
    raise corrupt(f"more than {MOST_PARTS:,} boxes")


def _box(data: memoryview, start: int, end: int) -> tuple[bytes, int, int]:
    """Type, and where the contents begin and end, of the box at `start`; it may reach beyond `end`."""
    if end - start < 8:
        raise truncated(f"{end - start} bytes at offset {start:,} are no box")
    size, kind = _BOX.unpack_from(data, start)
    contents = start + 8
    if not kind.isascii() or not kind.decode("ascii").isprintable():
        raise corrupt(f"what stands at offset {start:,} is no box")
    if size == 1:  # "the actual size is in the field largesize"
        if end - start < 16:
            raise truncated(f"{end - start} bytes at offset {start:,} are no box")
        (size,) = _LONG.unpack_from(data, contents)
        contents += 8
    elif size == 0:  # "this box is the last one in the file, and its contents extend to the end"
        size = end - start
    stop = start + size
    if stop < contents:
        raise corrupt(f"the box {name(kind)} at offset {start:,} has an impossible size of {size}")
    return kind, contents, stop


def _cut(data: memoryview, start: int, stop: int, end: int) -> str:
    kind = bytes(data[start + 4 : start + 8])
    return f"the box {name(kind)} at offset {start:,} has {stop - start:,} bytes, {end - start:,} are there"


def _need(boxes: dict[bytes, _Span], kind: bytes) -> _Span:
    if kind not in boxes:
        raise truncated(f"no {name(kind)} box in it")
    return boxes[kind]


def _inside(data: memoryview, span: _Span) -> dict[bytes, _Span]:
    return {kind: (start, stop) for kind, start, stop in _boxes(data, *span)}


# ---------------------------------------------------------------------------------------------------
# A still image: the primary item of a meta box (ISO 14496-12 §8.11)


@dataclass(slots=True)
class _Item:
    kind: bytes = b""
    properties: list[int] = field(default_factory=list)
    """Positions in ipco, counted from 1."""
    extents: list[_Span] = field(default_factory=list)


def _still(data: memoryview, span: _Span, seen: WalkState, *, sequence: bool) -> None:
    meta = _inside(data, (span[0] + 4, span[1]))
    items = {number: _Item(kind) for number, kind in _item_kinds(data, _need(meta, b"iinf"))}
    _locate(data, meta, items)
    if not sequence:
        _properties(data, meta, items, seen)
    parts = _parts(data, meta) if b"pitm" in meta or not sequence else {}
    for number, item in items.items():
        if item.kind == b"av01" and item.extents:
            if number in parts:
                _coded(data, *item.extents[0], seen, alone=parts[number] is None)
            for start, stop in item.extents:
                refuse_zeros(data, start, stop, _MOST_ZEROS)


def _parts(data: memoryview, meta: dict[bytes, _Span]) -> dict[int, int | None]:
    """Return the items that a decoder decodes, each with that which it is a part of.

    They are the primary item, which is a part of none, what it is derived from, and their auxiliary items.
    """
    start, _ = _need(meta, b"pitm")
    found: dict[int, int | None] = {(_WORD if data[start] else _SHORT).unpack_from(data, start + 4)[0]: None}
    sources: dict[int, list[int]] = {}
    for kind, origin, targets in _references(data, meta):
        if kind == b"dimg":  # a derived image, and what it is made of
            sources.setdefault(origin, []).extend(targets)
        elif kind == b"auxl":  # an auxiliary image, and whose it is
            for target in targets:
                sources.setdefault(target, []).append(origin)
    due = [*found]
    while due:
        whole = due.pop()
        for number in sources.pop(whole, ()):
            if number not in found:
                found[number] = whole
                due.append(number)
    return found


def _references(data: memoryview, meta: dict[bytes, _Span]) -> Iterator[tuple[bytes, int, list[int]]]:
    """Type, origin and targets of each reference of iref (ISO 14496-12 §8.11.12)."""
    if b"iref" not in meta:
        return
    start, stop = meta[b"iref"]
    size = 4 if data[start] else 2
    for kind, first, end in _boxes(data, start + 4, stop):
        read = _Reader(data, first, end)
        origin = read.take(size)
        yield kind, origin, [read.take(size) for _ in range(read.take(2))]


def _coded(data: memoryview, start: int, stop: int, seen: WalkState, *, alone: bool = True) -> None:
    """Note the size of coded data; where they `alone` make the image, refuse what is much larger."""
    said = coded(data[start:stop])
    if said is None:
        return
    seen.plane_bytes = max(seen.plane_bytes, said.plane_bytes)
    pixels = said.width * said.height
    if pixels > seen.width * seen.height:
        seen.most_pixels = max(seen.most_pixels, pixels)
    # encoders in hardware round sizes up to their blocks, of 128 pixels at most
    if alone and pixels > 2 * max(seen.width, 128) * max(seen.height, 128):
        raise corrupt(
            f"its coded data has {said.width} x {said.height} pixels, its boxes {seen.width} x {seen.height}"
        )


def _item_kinds(data: memoryview, span: _Span) -> Iterator[tuple[int, bytes]]:
    """Item numbers and types, of iinf and its infe boxes (ISO 14496-12 §8.11.6)."""
    at = span[0] + (6 if data[span[0]] == 0 else 8)
    for kind, start, _ in _boxes(data, at, span[1]):
        version = data[start]
        if kind == b"infe" and version >= 2:
            wide = version > 2
            number = (_WORD if wide else _SHORT).unpack_from(data, start + 4)[0]
            yield number, bytes(data[start + (10 if wide else 8) : start + (14 if wide else 12)])


def _locate(data: memoryview, meta: dict[bytes, _Span], items: dict[int, _Item]) -> None:
    """Fill in the extents of iloc (ISO 14496-12 §8.11.3), each of which must lie inside the file or idat."""
    read = _Reader(data, *_need(meta, b"iloc"))
    version = read.take(4) >> 24
    offset_size, length_size = divmod(read.take(1), 16)
    base_size, index_size = divmod(read.take(1), 16)
    total = 0
    for _ in range(read.take(2 if version < 2 else 4)):
        number = read.take(2 if version < 2 else 4)
        method = read.take(2) & 15 if version else 0
        read.take(2)  # data_reference_index: 0, "this file"
        base = read.take(base_size)
        extents = read.take(2)
        total += extents
        if total > MOST_PARTS:
            raise corrupt(f"more than {MOST_PARTS:,} extents")
        for _ in range(extents):
            if version and index_size:
                read.take(index_size)
            start, length = base + read.take(offset_size), read.take(length_size)
            if method < 2:  # method 2 reads from another item, whose own extents are looked at
                span = _extent(len(data), meta, method, start, length)
                items.setdefault(number, _Item()).extents.append(span)


def _extent(size: int, meta: dict[bytes, _Span], method: int, start: int, length: int) -> _Span:
    if method == 1:
        first, stop = _need(meta, b"idat")
        if first + start + length > stop:
            raise corrupt(f"an item of {length:,} bytes reaches beyond its idat box")
        return first + start, first + start + length
    if start + length > size:
        raise truncated(f"its boxes end after {size:,} bytes, an item reaches to {start + length:,}")
    # "If the value is 0, the length of the item is the length of the file" (§8.11.3.3)
    return start, start + length if length else size


def _properties(data: memoryview, meta: dict[bytes, _Span], items: dict[int, _Item], seen: WalkState) -> None:
    """Read iprp: one ipco, and one or several ipma, of different versions and flags (ISO 23008-12 §9.3.1)."""
    shared: dict[bytes, _Span] = {}
    for kind, start, stop in _boxes(data, *_need(meta, b"iprp")):
        if kind == b"ipma":
            _associate(data, (start, stop), items)
        shared.setdefault(kind, (start, stop))
    _need(shared, b"ipma")
    _measure(data, meta, _need(shared, b"ipco"), items, seen)


def _associate(data: memoryview, span: _Span, items: dict[int, _Item]) -> None:
    """Fill in the properties of ipma (ISO 23008-12 §9.3.2)."""
    read = _Reader(data, *span)
    head = read.take(4)
    for _ in range(read.take(4)):
        item = items.setdefault(read.take(4 if head >> 24 else 2), _Item())
        for _ in range(read.take(1)):
            item.properties.append(read.take(2) & 0x7FFF if head & 1 else read.take(1) & 0x7F)


def _measure(
    data: memoryview, meta: dict[bytes, _Span], ipco: _Span, items: dict[int, _Item], seen: WalkState
) -> None:
    """The size of the primary item, from its ispe property (ISO 23008-12 §6.5.3)."""
    start, _ = _need(meta, b"pitm")
    (number,) = (_WORD if data[start] else _SHORT).unpack_from(data, start + 4)
    primary = items.get(number)
    if primary is None or not primary.kind:
        raise corrupt(f"its primary item, number {number}, is not there")
    properties = list(_boxes(data, *ipco))
    for position in primary.properties:
        if 0 < position <= len(properties) and properties[position - 1][0] == b"ispe":
            at = properties[position - 1][1] + 4
            seen.width, seen.height = _WORD.unpack_from(data, at)[0], _WORD.unpack_from(data, at + 4)[0]
    if not seen.width or not seen.height:
        raise corrupt(f"{seen.width} x {seen.height} pixels in its ispe box")
    seen.frames = 1


# ---------------------------------------------------------------------------------------------------
# A sequence: the first picture track of a moov box (ISO 14496-12 §8.2 to §8.7)


def _sequence(data: memoryview, span: _Span, seen: WalkState) -> None:
    for kind, start, stop in _boxes(data, *span):
        if kind == b"trak":
            media = _inside(data, _need(_inside(data, (start, stop)), b"mdia"))
            handler, _ = _need(media, b"hdlr")
            handler_type = bytes(data[handler + 8 : handler + 12])
            if handler_type in _PICTURES or handler_type == _AUXILIARY:
                tables = _inside(data, _need(_inside(data, _need(media, b"minf")), b"stbl"))
                _track(data, tables, seen, shown=handler_type in _PICTURES and not seen.frames)
    if not seen.frames:
        raise corrupt("a sequence without a track of pictures")


_PICTURES, _AUXILIARY = (b"pict", b"vide"), b"auxv"
"""Handler types (ISO 23008-12 §7.2.2, ISO 14496-12 §12.1.1); an auxiliary track holds alpha values."""


def _track(data: memoryview, tables: dict[bytes, _Span], seen: WalkState, *, shown: bool) -> None:
    """Check that every sample of a track lies inside the file; note size and number of what is `shown`."""
    entries = list(_boxes(data, _need(tables, b"stsd")[0] + 8, tables[b"stsd"][1]))
    sizes, sizes_end = _need(tables, b"stsz")
    alike, samples = _WORD.unpack_from(data, sizes + 4)[0], _WORD.unpack_from(data, sizes + 8)[0]
    if not alike and sizes + 12 + 4 * samples > sizes_end:
        raise corrupt(f"{samples:,} samples in a stsz box of {sizes_end - sizes:,} bytes")
    if shown:
        if entries:
            seen.width, seen.height = struct.unpack_from(">HH", data, entries[0][1] + 24)
        seen.frames = samples
        if not seen.width or not seen.height or not seen.frames:
            raise corrupt(f"{seen.frames} frames of {seen.width} x {seen.height} pixels")
    number = 0
    for at, in_chunk in _chunks(data, tables):
        if number == samples:
            break
        in_chunk = min(in_chunk, samples - number)
        first = sizes + 12 + 4 * number
        size = alike * in_chunk or sum(n for (n,) in _WORD.iter_unpack(data[first : first + 4 * in_chunk]))
        if at + size > len(data):
            raise truncated(f"its boxes end after {len(data):,} bytes, a frame reaches to {at + size:,}")
        if not number:
            _coded(data, at, at + (alike or _WORD.unpack_from(data, first)[0]), seen, alone=shown)
        number += in_chunk
    if number < samples:
        raise corrupt(f"{samples:,} samples are announced, {number:,} are in its chunks")


def _chunks(data: memoryview, tables: dict[bytes, _Span]) -> Iterator[tuple[int, int]]:
    """Offset of each chunk and the number of samples in it (ISO 14496-12 §8.7.4, §8.7.5)."""
    table, offset = (b"co64", _LONG) if b"co64" in tables else (b"stco", _WORD)
    start, stop = _need(tables, table)
    (chunks,) = _WORD.unpack_from(data, start + 4)
    if 8 + chunks * offset.size > stop - start:
        raise corrupt(f"{chunks:,} chunks in a {name(table)} box of {stop - start:,} bytes")
    runs, runs_stop = _need(tables, b"stsc")
    (number,) = _WORD.unpack_from(data, runs + 4)
    if 8 + number * _RUN.size > runs_stop - runs:
        raise corrupt(f"{number:,} runs of chunks in a stsc box of {runs_stop - runs:,} bytes")
    left = _RUN.iter_unpack(data[runs + 8 : runs + 8 + number * _RUN.size])
    in_chunk, following = 0, next(left, None)
    offsets = offset.iter_unpack(data[start + 8 : start + 8 + chunks * offset.size])
    for chunk, (at,) in enumerate(offsets, 1):
        while following and following[0] <= chunk:
            in_chunk, following = following[1], next(left, None)
        yield at, in_chunk


class _Reader:
    """Big-endian numbers of 0 to 8 bytes, one after another, within a box."""

    def __init__(self, data: memoryview, start: int, stop: int) -> None:
        self._data = data
        self._at = start
        self._stop = stop

    def take(self, size: int) -> int:
        at = self._at
        self._at += size
        if self._at > self._stop:
            raise corrupt("a box is too short for what it says it holds")
        return int.from_bytes(self._data[at : self._at])
