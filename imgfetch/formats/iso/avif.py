"""AVIF, by ISO 14496-12 (boxes, items and tracks), ISO 23008-12 (HEIF) and the AV1 bitstream specification.

    ftyp ─▶ meta{pitm · iinf · iprp{ipco{ispe} · ipma} · iloc ─▶ extents · idat} ─▶ mdat       a still
    ftyp ─▶ meta? ─▶ moov{trak{mdia{hdlr · minf{stbl{stsd · stsz · stco ─▶ samples}}}}} ─▶ mdat  a sequence

The image of a file of major brand `avis` is its sequence, of every other file its primary item, as in
libavif. Every extent of every item, and every sample of a track, must lie inside the file. Tolerated, as by
browsers and libavif: bytes behind the last box that are not a whole box, and another file there. Such bytes
may come from the middle, in a file that was cut and sent again: then no second file may begin before them.

An item may be larger than the primary one: a cell of a cropped grid, or a hidden image. The largest of the
items that a decoder decodes for the primary item counts against the limit on pixels.

Lost data. Coded AV1 contains hardly any zeros: at most 16 in a row in 930 photographs, flat and half-empty
images up to 12 megapixels, at every quality. More than 512 in a row in a coded image prove lost data.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from struct import Struct
from typing import TYPE_CHECKING

from imgfetch.formats.iso.av1 import sequence_header
from imgfetch.formats.iso.iso_boxes import BoxReader, Span, boxes_between, children, outermost_boxes, require
from imgfetch.formats.walker import MOST_PARTS, corrupt, name, refuse_second_file, refuse_zeros, truncated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.formats.walker import WalkState


def walk(data: memoryview, state: WalkState) -> None:
    """Walk a file that begins with an `ftyp` box."""
    boxes, whole = outermost_boxes(data, state), data
    sequence = bytes(data[8:12]) == b"avis"
    data = data[: len(data) - state.tail]
    try:
        if sequence:
            _sequence(data, require(boxes, b"moov"), state)
        if b"meta" in boxes or not sequence:
            _still(data, require(boxes, b"meta"), state, sequence=sequence)
    except (struct.error, IndexError):
        raise corrupt("a box is too short for its contents") from None
    if state.tail:
        refuse_second_file(whole, _MAGIC, 8, len(data))


_MAGIC = re.compile(rb"....ftyp(?:avi[fs]|mif1|msf1)", re.DOTALL)
_MAX_ZEROS = 512
_SHORT = Struct(">H")
_WORD = Struct(">I")
_RUN = Struct(">III")
_LONG = Struct(">Q")


# ---------------------------------------------------------------------------------------------------
# A still image: the primary item of a meta box (ISO 14496-12 §8.11)


@dataclass(slots=True)
class _Item:
    kind: bytes = b""
    properties: list[int] = field(default_factory=list)
    """The positions of its properties in ipco, counted from 1."""
    extents: list[Span] = field(default_factory=list)


def _still(data: memoryview, span: Span, state: WalkState, *, sequence: bool) -> None:
    meta = children(data, (span[0] + 4, span[1]))
    items = {number: _Item(kind) for number, kind in _item_kinds(data, require(meta, b"iinf"))}
    _read_extents(data, meta, items)
    if not sequence:
        _properties(data, meta, items, state)
    decoded = _decoded_items(data, meta) if b"pitm" in meta or not sequence else {}
    for number, item in items.items():
        if item.kind == b"av01" and item.extents:
            if number in decoded:
                _check_coded_size(data, *item.extents[0], state, alone=decoded[number] is None)
            for start, stop in item.extents:
                refuse_zeros(data, start, stop, _MAX_ZEROS)


def _decoded_items(data: memoryview, meta: dict[bytes, Span]) -> dict[int, int | None]:
    """Return the items that a decoder decodes, each with the item of which it is a part.

    They are the primary item (None: a part of no other), its sources, and the auxiliary items of all these.
    """
    start, _ = require(meta, b"pitm")
    found: dict[int, int | None] = {(_WORD if data[start] else _SHORT).unpack_from(data, start + 4)[0]: None}
    sources: dict[int, list[int]] = {}
    for kind, origin, targets in _references(data, meta):
        if kind == b"dimg":  # from a derived image to its sources
            sources.setdefault(origin, []).extend(targets)
        elif kind == b"auxl":  # from an auxiliary image to its master
            for target in targets:
                sources.setdefault(target, []).append(origin)
    pending = [*found]
    while pending:
        whole = pending.pop()
        for number in sources.pop(whole, ()):
            if number not in found:
                found[number] = whole
                pending.append(number)
    return found


def _references(data: memoryview, meta: dict[bytes, Span]) -> Iterator[tuple[bytes, int, list[int]]]:
    """Yield type, origin and targets of each reference of iref (ISO 14496-12 §8.11.12)."""
    if b"iref" not in meta:
        return
    start, stop = meta[b"iref"]
    size = 4 if data[start] else 2
    for kind, first, end in boxes_between(data, start + 4, stop):
        reader = BoxReader(data, first, end)
        origin = reader.read(size)
        yield kind, origin, [reader.read(size) for _ in range(reader.read(2))]


def _check_coded_size(
    data: memoryview, start: int, stop: int, state: WalkState, *, alone: bool = True
) -> None:
    """Record the size of coded data; if they are the whole image (`alone`), refuse a much larger size."""
    header = sequence_header(data[start:stop])
    if header is None:
        return
    state.plane_bytes = max(state.plane_bytes, header.plane_bytes)
    pixels = header.width * header.height
    if pixels > state.width * state.height:
        state.most_pixels = max(state.most_pixels, pixels)
    # Hardware encoders round sizes up to their blocks, of 128 pixels at most.
    if alone and pixels > 2 * max(state.width, 128) * max(state.height, 128):
        coded, stated = f"{header.width} x {header.height}", f"{state.width} x {state.height}"
        raise corrupt(f"its coded data has {coded} pixels, its boxes {stated}")


def _item_kinds(data: memoryview, span: Span) -> Iterator[tuple[int, bytes]]:
    """Yield item numbers and types, from iinf and its infe boxes (ISO 14496-12 §8.11.6)."""
    offset = span[0] + (6 if data[span[0]] == 0 else 8)
    for kind, start, _ in boxes_between(data, offset, span[1]):
        version = data[start]
        if kind == b"infe" and version >= 2:
            wide = version > 2
            number = (_WORD if wide else _SHORT).unpack_from(data, start + 4)[0]
            yield number, bytes(data[start + (10 if wide else 8) : start + (14 if wide else 12)])


def _read_extents(data: memoryview, meta: dict[bytes, Span], items: dict[int, _Item]) -> None:
    """Read the extents from iloc (ISO 14496-12 §8.11.3); each must lie inside the file or idat."""
    reader = BoxReader(data, *require(meta, b"iloc"))
    version = reader.read(4) >> 24
    offset_size, length_size = divmod(reader.read(1), 16)
    base_size, index_size = divmod(reader.read(1), 16)
    total = 0
    for _ in range(reader.read(2 if version < 2 else 4)):
        number = reader.read(2 if version < 2 else 4)
        method = reader.read(2) & 15 if version else 0
        reader.read(2)  # data_reference_index: 0, "this file"
        base = reader.read(base_size)
        extents = reader.read(2)
        total += extents
        if total > MOST_PARTS:
            raise corrupt(f"more than {MOST_PARTS:,} extents")
        for _ in range(extents):
            if version and index_size:
                reader.read(index_size)
            start, length = base + reader.read(offset_size), reader.read(length_size)
            if method < 2:  # method 2 reads from another item, whose own extents are checked
                span = _extent(len(data), meta, method, start, length)
                items.setdefault(number, _Item()).extents.append(span)


def _extent(size: int, meta: dict[bytes, Span], method: int, start: int, length: int) -> Span:
    if method == 1:
        first, stop = require(meta, b"idat")
        if first + start + length > stop:
            raise corrupt(f"an item of {length:,} bytes reaches beyond its idat box")
        return first + start, first + start + length
    if start + length > size:
        raise truncated(f"its boxes end after {size:,} bytes, an item reaches to {start + length:,}")
    # "If the value is 0, the length of the item is the length of the file" (§8.11.3.3)
    return start, start + length if length else size


def _properties(data: memoryview, meta: dict[bytes, Span], items: dict[int, _Item], state: WalkState) -> None:
    """Read iprp: one ipco, and one or several ipma, of different versions and flags (ISO 23008-12 §9.3.1)."""
    shared: dict[bytes, Span] = {}
    for kind, start, stop in boxes_between(data, *require(meta, b"iprp")):
        if kind == b"ipma":
            _read_associations(data, (start, stop), items)
        shared.setdefault(kind, (start, stop))
    require(shared, b"ipma")
    _read_size(data, meta, require(shared, b"ipco"), items, state)


def _read_associations(data: memoryview, span: Span, items: dict[int, _Item]) -> None:
    """Read the properties of items from ipma (ISO 23008-12 §9.3.2)."""
    reader = BoxReader(data, *span)
    head = reader.read(4)
    for _ in range(reader.read(4)):
        item = items.setdefault(reader.read(4 if head >> 24 else 2), _Item())
        for _ in range(reader.read(1)):
            item.properties.append(reader.read(2) & 0x7FFF if head & 1 else reader.read(1) & 0x7F)


def _read_size(
    data: memoryview, meta: dict[bytes, Span], ipco: Span, items: dict[int, _Item], state: WalkState
) -> None:
    """Read the size of the primary item from its ispe property (ISO 23008-12 §6.5.3)."""
    start, _ = require(meta, b"pitm")
    (number,) = (_WORD if data[start] else _SHORT).unpack_from(data, start + 4)
    primary = items.get(number)
    if primary is None or not primary.kind:
        raise corrupt(f"its primary item, number {number}, is missing")
    properties = list(boxes_between(data, *ipco))
    for position in primary.properties:
        if 0 < position <= len(properties) and properties[position - 1][0] == b"ispe":
            offset = properties[position - 1][1] + 4
            state.width, state.height = (
                _WORD.unpack_from(data, offset)[0],
                _WORD.unpack_from(data, offset + 4)[0],
            )
    if not state.width or not state.height:
        raise corrupt(f"{state.width} x {state.height} pixels in its ispe box")
    state.frames = 1


# ---------------------------------------------------------------------------------------------------
# A sequence: the first picture track of a moov box (ISO 14496-12 §8.2 to §8.7)


def _sequence(data: memoryview, span: Span, state: WalkState) -> None:
    for kind, start, stop in boxes_between(data, *span):
        if kind == b"trak":
            media = children(data, require(children(data, (start, stop)), b"mdia"))
            handler, _ = require(media, b"hdlr")
            handler_type = bytes(data[handler + 8 : handler + 12])
            if handler_type in _PICTURES or handler_type == _AUXILIARY:
                tables = children(data, require(children(data, require(media, b"minf")), b"stbl"))
                _track(data, tables, state, shown=handler_type in _PICTURES and not state.frames)
    if not state.frames:
        raise corrupt("a sequence without a track of pictures")


_PICTURES, _AUXILIARY = (b"pict", b"vide"), b"auxv"
"""Handler types (ISO 23008-12 §7.2.2, ISO 14496-12 §12.1.1); an auxiliary track holds alpha values."""


def _track(data: memoryview, tables: dict[bytes, Span], state: WalkState, *, shown: bool) -> None:
    """Check that every sample of a track lies inside the file; record size and frames of a `shown` track."""
    entries = list(boxes_between(data, require(tables, b"stsd")[0] + 8, tables[b"stsd"][1]))
    sizes, sizes_end = require(tables, b"stsz")
    sample_size, samples = _WORD.unpack_from(data, sizes + 4)[0], _WORD.unpack_from(data, sizes + 8)[0]
    if not sample_size and sizes + 12 + 4 * samples > sizes_end:
        raise corrupt(f"{samples:,} samples in a stsz box of {sizes_end - sizes:,} bytes")
    if shown:
        if entries:
            state.width, state.height = struct.unpack_from(">HH", data, entries[0][1] + 24)
        state.frames = samples
        if not state.width or not state.height or not state.frames:
            raise corrupt(f"{state.frames} frames of {state.width} x {state.height} pixels")
    number = 0
    for offset, in_chunk in _chunks(data, tables):
        if number == samples:
            break
        in_chunk = min(in_chunk, samples - number)
        first = sizes + 12 + 4 * number
        size = sample_size * in_chunk or sum(
            n for (n,) in _WORD.iter_unpack(data[first : first + 4 * in_chunk])
        )
        if offset + size > len(data):
            raise truncated(f"its boxes end after {len(data):,} bytes, a frame reaches to {offset + size:,}")
        if not number:
            _check_coded_size(
                data, offset, offset + (sample_size or _WORD.unpack_from(data, first)[0]), state, alone=shown
            )
        number += in_chunk
    if number < samples:
        raise corrupt(f"{samples:,} samples are announced, {number:,} are in its chunks")


def _chunks(data: memoryview, tables: dict[bytes, Span]) -> Iterator[tuple[int, int]]:
    """Yield the offset of each chunk and the number of samples in it (ISO 14496-12 §8.7.4, §8.7.5)."""
    table, entry = (b"co64", _LONG) if b"co64" in tables else (b"stco", _WORD)
    start, stop = require(tables, table)
    (chunks,) = _WORD.unpack_from(data, start + 4)
    if 8 + chunks * entry.size > stop - start:
        raise corrupt(f"{chunks:,} chunks in a {name(table)} box of {stop - start:,} bytes")
    runs, runs_stop = require(tables, b"stsc")
    (number,) = _WORD.unpack_from(data, runs + 4)
    if 8 + number * _RUN.size > runs_stop - runs:
        raise corrupt(f"{number:,} runs of chunks in a stsc box of {runs_stop - runs:,} bytes")
    left = _RUN.iter_unpack(data[runs + 8 : runs + 8 + number * _RUN.size])
    in_chunk, following = 0, next(left, None)
    offsets = entry.iter_unpack(data[start + 8 : start + 8 + chunks * entry.size])
    for chunk, (offset,) in enumerate(offsets, 1):
        while following and following[0] <= chunk:
            in_chunk, following = following[1], next(left, None)
        yield offset, in_chunk
