"""TIFF, by TIFF 6.0 (and BigTIFF): pages, each a directory of tags and the strips or tiles of its pixels.

    header ─▶ directory ─▶ tags ─▶ strips │ tiles
                 └─▶ the next directory …

Every offset and length that a decoder follows is checked against the file. Other tags are not looked at: the
decoder does not get them (`essential_directories`). So damage to most metadata is not seen. Refused as of
another format: compressions other than CCITT, LZW, JPEG, Deflate and PackBits, and camera raw (DNG).
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.formats.walker import MOST_PARTS, FormatError, corrupt, truncated
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imgfetch.formats.walker import WalkState


class _Layout(NamedTuple):
    """The sizes of a file's numbers, by its byte order and version."""

    order: str
    is_big: bool

    @property
    def number(self) -> Struct:
        return Struct(self.order + ("Q" if self.is_big else "H"))

    @property
    def entry(self) -> Struct:
        return Struct(self.order + ("HHQ8s" if self.is_big else "HHI4s"))

    @property
    def offset(self) -> Struct:
        return Struct(self.order + ("Q" if self.is_big else "I"))


class Entry(NamedTuple):
    """An entry of a directory: a tag, and where its values are."""

    tag: int
    type: int
    number: int
    """The number of values."""
    raw: bytes
    """The values, or the offset of them."""
    position: int


class Directory(NamedTuple):
    """One page: its essential entries by tag."""

    entries: dict[int, Entry]
    layout: _Layout


def walk(data: memoryview, state: WalkState) -> None:
    """Walk a file that begins with the header of a TIFF."""
    read = 0
    for page in directories(data):
        state.frames += 1
        read += _check_page(data, page, state)
        if read > len(data) + 4 * state.frames * 64:
            raise corrupt("its directories overlap")
    if not state.frames:
        raise corrupt("no directory in the file")


def directories(data: memoryview) -> Iterator[Directory]:
    """Yield the pages in their order. Raise `FormatError`, `struct.error` where one is cut."""
    layout, at = _header(data)
    seen: set[int] = set()
    entries = 0
    while at:
        if at in seen or len(seen) > MOST_PARTS:
            raise corrupt("its directories form a ring" if at in seen else f"more than {MOST_PARTS:,} pages")
        seen.add(at)
        if at + layout.number.size > len(data):
            raise truncated(f"ends after {len(data):,} bytes, before the directory at offset {at:,}")
        (number,) = layout.number.unpack_from(data, at)
        start = at + layout.number.size
        stop = start + number * layout.entry.size
        entries += number
        if stop + layout.offset.size > len(data):
            raise truncated(f"ends after {len(data):,} bytes, in the directory at offset {at:,}")
        if entries > MOST_PARTS:
            raise corrupt(f"more than {MOST_PARTS:,} tags")
        found: dict[int, Entry] = {}
        for position in range(start, stop, layout.entry.size):
            entry = Entry._make((*layout.entry.unpack_from(data, position), position))
            if entry.tag == _DNG_VERSION:
                raise FormatError(ErrorKind.UNSUPPORTED_FORMAT, "a camera raw image (DNG)")
            if entry.tag in _ESSENTIAL or entry.tag in _METADATA:
                found.setdefault(entry.tag, entry)
        yield Directory(found, layout)
        (at,) = layout.offset.unpack_from(data, stop)


def essential_directories(data: memoryview) -> list[memoryview]:
    """Return the parts of a file with the same pages, and no tags but those that pixels depend on."""
    pages = list(directories(data))
    layout = pages[0].layout
    at = len(data) + len(data) % 2
    head = bytearray(data[: 16 if layout.is_big else 8])
    layout.offset.pack_into(head, 8 if layout.is_big else 4, at)
    written = bytearray(len(data) % 2)
    for number, page in enumerate(pages):
        entries = [page.entries[tag] for tag in sorted(_ESSENTIAL.intersection(page.entries))]
        at += layout.number.size + len(entries) * layout.entry.size + layout.offset.size
        written += layout.number.pack(len(entries))
        for entry in entries:
            written += data[entry.position : entry.position + layout.entry.size]
        written += layout.offset.pack(at if number + 1 < len(pages) else 0)
    return [memoryview(head), data[len(head) :], memoryview(written)]


def _header(data: memoryview) -> tuple[_Layout, int]:
    order = "<" if bytes(data[:2]) == b"II" else ">"
    layout = _Layout(order, Struct(order + "H").unpack_from(data, 2)[0] == 43)
    if not layout.is_big:
        return layout, layout.offset.unpack_from(data, 4)[0]
    sizes = Struct(order + "HH").unpack_from(data, 4)
    if sizes != (8, 0):
        raise corrupt(f"offsets of {sizes[0]} bytes")
    return layout, layout.offset.unpack_from(data, 8)[0]


_WIDTH, _LENGTH, _BITS, _COMPRESSION = 256, 257, 258, 259
_STRIP_OFFSETS, _SAMPLES, _STRIP_BYTES = 273, 277, 279
_TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, _TILE_BYTES = 322, 323, 324, 325
_DNG_VERSION = 50706
_ESSENTIAL = frozenset(
    (
        *(_WIDTH, _LENGTH, _BITS, _COMPRESSION, 262, 266, _STRIP_OFFSETS, _SAMPLES, 278, _STRIP_BYTES),
        *(284, 292, 293, 317, 320, _TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, _TILE_BYTES),
        *(332, 338, 339, 347, 529, 530, 531, 532),
    )
)
"""The tags that pixels depend on."""
_SINGLE = frozenset((256, 257, 259, 262, 266, 277, 278, 284, 292, 293, 317, 322, 323, 332, 531))
"""The tags of one value."""
_OTHER_TYPES = {347: (1, 7), 529: (5,), 532: (5,)}
"""The types of essential tags that are not whole numbers: bytes, and fractions."""
_METADATA = frozenset((700, 33723, 34377, 34675))
"""XMP, IPTC, Photoshop's and the colour profile: none of them may be cut."""
_COMPRESSIONS = frozenset((1, 2, 3, 4, 5, 7, 8, 32773, 32946))
_SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
"""Bytes of a value of each type (§2, and BigTIFF)."""
_WHOLE_NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_MOST_PIXEL_BYTES, _MOST_SAMPLES = 32, 6
"""The largest pixel, and the samples of one at most, that Pillow decodes."""


def _check_page(data: memoryview, page: Directory, state: WalkState) -> int:
    """Check a page; return the bytes of its values outside the directory."""
    outside = 0
    for entry in page.entries.values():
        start, size = _place(entry, page.layout)
        if start + size > len(data):
            raise truncated(f"ends after {len(data):,} bytes, in the values of tag {entry.tag}")
        outside += size if size > len(entry.raw) else 0
        _check_entry(entry)
    width, length = _number(data, page, _WIDTH), _number(data, page, _LENGTH)
    if not width or not length:
        raise corrupt(f"{width} x {length} pixels on page {state.frames}")
    if state.frames == 1:
        state.width, state.height = width, length
    compression = _number(data, page, _COMPRESSION, 1)
    if compression not in _COMPRESSIONS:
        raise FormatError(ErrorKind.UNSUPPORTED_FORMAT, f"a TIFF image with compression {compression}")
    _check_pixel(data, page, state)
    across, down = _number(data, page, _TILE_WIDTH, 0), _number(data, page, _TILE_LENGTH, 0)
    # A decoder holds the page in whole tiles.
    pixels = -(-width // (across or 1)) * (across or 1) * -(-length // (down or 1)) * (down or 1)
    if pixels > state.width * state.height:
        state.most_pixels = max(state.most_pixels, pixels)
    is_tiled = _TILE_OFFSETS in page.entries
    offsets = _numbers(data, page, _TILE_OFFSETS if is_tiled else _STRIP_OFFSETS)
    lengths = _numbers(data, page, _TILE_BYTES if is_tiled else _STRIP_BYTES)
    if not offsets or len(offsets) != len(lengths):
        raise corrupt(
            f"{len(offsets):,} offsets and {len(lengths):,} lengths of strips on page {state.frames}"
        )
    end = max(map(int.__add__, offsets, lengths))
    if end > len(data):
        raise truncated(f"ends after {len(data):,} bytes, in the image data, which end at {end:,}")
    return outside


def _check_entry(entry: Entry) -> None:
    """Check the type and the number of values, of which Pillow would warn."""
    if entry.tag in _ESSENTIAL and entry.type not in (_OTHER_TYPES.get(entry.tag) or _WHOLE_NUMBERS):
        raise corrupt(f"tag {entry.tag} has values of type {entry.type}")
    if entry.tag in _SINGLE and entry.number != 1:
        raise corrupt(f"tag {entry.tag} has {entry.number:,} values")


def _check_pixel(data: memoryview, page: Directory, state: WalkState) -> None:
    bits, samples = _numbers(data, page, _BITS) or (1,), _number(data, page, _SAMPLES, 1)
    samples = max(samples, len(bits))
    pixel = max(bits) * samples / 8
    if pixel > _MOST_PIXEL_BYTES or samples > _MOST_SAMPLES:
        what = f"a TIFF image of {samples:,} samples of {max(bits)} bits in each pixel"
        raise FormatError(ErrorKind.UNSUPPORTED_FORMAT, what)
    state.plane_bytes = max(state.plane_bytes, pixel)


def _place(entry: Entry, layout: _Layout) -> tuple[int, int]:
    """Return the offset and the size of the values of an entry."""
    size = _SIZES.get(entry.type, 0) * entry.number
    if size <= len(entry.raw):
        return entry.position + layout.entry.size - len(entry.raw), size
    return layout.offset.unpack(entry.raw)[0], size


def _numbers(data: memoryview, page: Directory, tag: int) -> Sequence[int]:
    """Return the values of a tag; none if it is absent, or of another type."""
    entry = page.entries.get(tag)
    if entry is None or entry.type not in _WHOLE_NUMBERS:
        return ()
    start, _ = _place(entry, page.layout)
    values = Struct(f"{page.layout.order}{entry.number}{_WHOLE_NUMBERS[entry.type]}")
    return values.unpack_from(data, start)


def _number(data: memoryview, page: Directory, tag: int, default: int = 0) -> int:
    values = _numbers(data, page, tag)
    return values[0] if values else default
