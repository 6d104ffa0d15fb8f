"""Image files made piece by piece, valid and broken, and the check of their walk."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING
from zlib import crc32

from imgfetch.formats import walk
from pictures import encoded

if TYPE_CHECKING:
    from imgfetch.model.image import Structure
    from imgfetch.model.result import ErrorKind
    from imgfetch.model.values import Buffer


FORMS = ("webp", "jpeg", "png", "gif", "avif")
SMALL = {form: encoded(form, 24, 16) for form in FORMS}


def check(data: Buffer, reason: ErrorKind | None = None, *words: str) -> Structure:
    """Walk a file, and assert that it is whole, or has this defect with these words in its message."""
    structure = walk(data)
    defect = structure.defect
    assert (defect.kind if defect else None) is reason, defect
    for word in words:
        assert defect
        assert word in defect.message, defect.message
    assert not defect or (defect.message.isprintable() and len(defect.message) < 200)
    return structure


def jpeg_with(*pieces: bytes, at: int = 2) -> bytes:
    return SMALL["jpeg"][:at] + b"".join(pieces) + SMALL["jpeg"][at:]


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))
        for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def with_wrong_crc(data: bytes, kind: bytes) -> bytes:
    """Return a PNG with a wrong CRC of its first chunk of a kind."""
    at = data.index(kind)
    stop = at + 4 + int.from_bytes(data[at - 4 : at])
    return data[:stop] + bytes(byte ^ 255 for byte in data[stop : stop + 4]) + data[stop + 4 :]


def gif(width: int, height: int, *frames: tuple[int, int, int, int]) -> bytes:
    """Return a GIF of plain frames, each with left, top, width and height."""
    parts = [b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)]
    for left, top, across, down in frames:
        # a clear code before every second pixel, so that every code has three bits
        codes = [code for pixel in range(across * down) for code in ((4, 0) if pixel % 2 == 0 else (0,))]
        packed = sum(code << 3 * place for place, code in enumerate([*codes, 5]))
        coded = packed.to_bytes(3 * (len(codes) + 1) // 8 + 1, "little")
        blocks = [coded[at : at + 255] for at in range(0, len(coded), 255)]
        parts.append(b"," + struct.pack("<HHHHB", left, top, across, down, 0) + b"\2")
        parts += [bytes((len(block),)) + block for block in blocks]
        parts.append(b"\0")
    return b"".join(parts) + b";"


def webp(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(
        kind + struct.pack("<I", len(data)) + data + bytes(len(data) & 1) for kind, data in chunks
    )
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def vp8x(width: int, height: int, flags: int = 0) -> tuple[bytes, bytes]:
    return b"VP8X", struct.pack(
        "<B3xHBHB", flags, width - 1 & 0xFFFF, width - 1 >> 16, height - 1 & 0xFFFF, height - 1 >> 16
    )


SMALL_VP8L = encoded("webp", 24, 16, lossless=True)[20:]


def box(kind: bytes, *contents: bytes) -> bytes:
    """Return a box of an AVIF."""
    inside = b"".join(contents)
    return struct.pack(">I", 8 + len(inside)) + kind + inside


def boxes(data: bytes) -> dict[bytes, bytes]:
    """Return the contents of consecutive boxes."""
    found, at = {}, 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        found[kind] = data[at + 8 : at + size]
        at += size
    return found


def avif_with(data: bytes, more: bytes = b"", **changed: bytes) -> bytes:
    """Return a still AVIF of Pillow with other boxes in its meta box, and `more` image data."""
    outer = boxes(data)
    meta = boxes(outer[b"meta"][4:]) | {kind.encode(): contents for kind, contents in changed.items()}
    located = bytearray(meta[b"iloc"])

    def file() -> bytes:
        parts = [box(kind, contents) for kind, contents in (meta | {b"iloc": bytes(located)}).items()]
        head = box(b"ftyp", outer[b"ftyp"]) + box(b"meta", bytes(4), *parts)
        return head + box(b"mdat", outer[b"mdat"], more)

    moved = file().index(b"mdat") - data.index(b"mdat")
    for at in range(8, len(located), 14):  # each item with one extent
        (start,) = struct.unpack_from(">I", located, at + 6)
        struct.pack_into(">I", located, at + 6, start + moved)
    return file()


def two_ipma(data: bytes) -> bytes:
    """Return the properties of an AVIF of two items, those of the second in a box with other flags."""
    properties = boxes(boxes(boxes(data)[b"meta"][4:])[b"iprp"])
    listed = properties[b"ipma"]
    first, count = listed[8 : 11 + listed[10]], listed[10]
    number, second = listed[11 + count : 13 + count], listed[14 + count :]
    wide = b"".join(struct.pack(">H", each & 0x7F | (each & 0x80) << 8) for each in second)
    return b"".join(
        (
            box(b"ipco", properties[b"ipco"]),
            box(b"ipma", bytes(4), struct.pack(">I", 1), first),
            box(b"ipma", b"\0\0\0\1", struct.pack(">I", 1), number, bytes((len(second),)), wide),
        )
    )


def with_larger_item(data: bytes, reference: bytes) -> bytes:
    """A still AVIF of one item, and a larger one that refers to it, or that nothing refers to."""
    large = encoded("avif", 400, 300)
    coded = boxes(large)[b"mdat"]
    outer = boxes(data)
    meta = boxes(outer[b"meta"][4:])
    entry = box(b"infe", b"\2\0\0\0", struct.pack(">HH", 2, 0), b"av01", b"Large\0")
    end = data.index(b"mdat") + 4 + len(outer[b"mdat"])
    place = struct.pack(">HHHII", 2, 0, 1, end, len(coded))
    referring = {"iref": bytes(4) + box(reference, struct.pack(">HHH", 2, 1, 1))} if reference else {}
    return avif_with(
        data,
        coded,
        iinf=bytes(4) + struct.pack(">H", 2) + meta[b"iinf"][6:] + entry,
        iloc=meta[b"iloc"][:6] + struct.pack(">H", 2) + meta[b"iloc"][8:] + place,
        **referring,
    )
