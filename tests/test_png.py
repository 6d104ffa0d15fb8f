"""`formats.png`: the walk over a PNG and an APNG."""

from __future__ import annotations

import struct
from zlib import compress

from image_files import check, png, with_wrong_crc
from imgfetch.model.result import ErrorKind
from pictures import animation


def test_png() -> None:
    header = (b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 0))
    data = (b"IDAT", compress(b"\0\1\2\0\3\4"))
    end = (b"IEND", b"")
    check(png(header, data, end))
    check(png(header, (b"abCd", b"?"), data, (b"tIME", bytes(7)), end))
    check(png(header, data, (b"IDAT", b""), end))
    check(png(data, header, end), ErrorKind.CORRUPT, "not IHDR")
    check(png(header, header, data, end), ErrorKind.CORRUPT, "second IHDR")
    check(png(header, end), ErrorKind.CORRUPT, "no IDAT")
    check(png(header, data), ErrorKind.TRUNCATED)
    check(png(header, data, (b"tEXt", b"a\0b"), data, end), ErrorKind.CORRUPT, "do not follow")
    check(png(header, (b"ABCD", b""), data, end), ErrorKind.CORRUPT, "critical")
    check(png((b"CgBI", bytes(4)), header, data, end), ErrorKind.UNSUPPORTED_FORMAT, "CgBI")
    check(
        png((b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 3, 0, 0, 0)), data, end), ErrorKind.CORRUPT, "palette"
    )
    check(png((b"IHDR", struct.pack(">IIBBBBB", 0, 2, 8, 0, 0, 0, 0)), data, end), ErrorKind.CORRUPT, "0 x 2")
    check(
        png((b"IHDR", struct.pack(">IIBBBBB", 2, 2, 7, 0, 0, 0, 0)), data, end), ErrorKind.CORRUPT, "7 bits"
    )
    check(png((b"IHDR", b"short"), data, end), ErrorKind.CORRUPT, "length of 5")
    flipped = bytearray(png(header, data, end))
    flipped[45] ^= 4
    check(flipped, ErrorKind.CORRUPT, "CRC of the IDAT chunk")


def test_a_png_has_one_palette_ahead_of_its_data() -> None:
    indexed = (b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 3, 0, 0, 0))
    coloured = (b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0))
    palette, end = (b"PLTE", bytes(768)), (b"IEND", b"")
    data = (b"IDAT", compress(b"\0\1\2\0\3\4"))
    for header in (indexed, coloured):
        check(png(header, palette, data, end))
        check(png(header, palette, palette, data, end), ErrorKind.CORRUPT, "second palette")
        check(png(header, palette, data, palette, end), ErrorKind.CORRUPT, "second palette")
        check(png(header, data, palette, end), ErrorKind.CORRUPT, "behind the image data")


def test_a_wrong_crc_of_a_chunk_that_no_pixel_depends_on_is_a_note() -> None:
    header = (b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 0))
    data, end = (b"IDAT", compress(b"\0\1\2\0\3\4")), (b"IEND", b"")
    for kind in (b"tEXt", b"zTXt", b"iTXt", b"pHYs", b"iCCP", b"gAMA", b"eXIf", b"tIME", b"abCd"):
        for chunks in ((header, (kind, b"?"), data, end), (header, data, (kind, b"?"), end)):
            found = check(with_wrong_crc(png(*chunks), kind))
            assert [note.split(" at ")[0] for note in found.notes] == [
                f"bad_checksum: the CRC of the {kind.decode()} chunk"
            ]
    for kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"ABCD"):
        damaged = png(header, *([] if kind in png(header, data, end) else [(kind, bytes(3))]), data, end)
        check(with_wrong_crc(damaged, kind), ErrorKind.CORRUPT, f"CRC of the {kind.decode()} chunk")
    check(with_wrong_crc(png((b"tEXt", b"?"), header, data, end), b"tEXt"), ErrorKind.CORRUPT, "not IHDR")
    between = png(header, data, (b"tEXt", b"?"), data, end)
    check(with_wrong_crc(between, b"tEXt"), ErrorKind.CORRUPT, "do not follow")


def test_a_wrong_crc_in_an_animation_is_refused_where_a_frame_would_be_lost() -> None:
    data = animation("png", 24, 16)
    for kind in (b"acTL", b"fcTL", b"fdAT"):
        check(with_wrong_crc(data, kind), ErrorKind.CORRUPT, f"CRC of the {kind.decode()} chunk")
    at = data.index(b"acTL") - 4
    text = png((b"tEXt", b"a\0b"))[8:]
    found = check(with_wrong_crc(data[:at] + text + data[at:], b"tEXt"))
    assert (found.frames, len(found.notes)) == (3, 1)


def test_apng() -> None:
    header = (b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 0))
    pixels = compress(b"\0\1\2\0\3\4")
    data, end = (b"IDAT", pixels), (b"IEND", b"")

    def control(sequence: int, width: int = 2) -> tuple[bytes, bytes]:
        return b"fcTL", struct.pack(">IIIIIHHBB", sequence, width, 2, 0, 0, 1, 10, 0, 0)

    def frames(number: int) -> tuple[bytes, bytes]:
        return b"acTL", struct.pack(">II", number, 0)

    more = (b"fdAT", struct.pack(">I", 2) + pixels)
    assert check(png(header, frames(2), control(0), data, control(1), more, end)).frames == 2
    assert check(png(header, control(0), frames(1), data, end)).frames == 1
    assert check(png(header, data, frames(9), end)).frames == 1
    check(
        png(header, frames(3), control(0), data, control(1), more, end),
        ErrorKind.CORRUPT,
        "3 frames",
        "2 are",
    )
    check(
        png(header, frames(2), control(0), data, control(2), more, end), ErrorKind.CORRUPT, "where 1 was due"
    )
    check(png(header, frames(2), control(0), data, control(1), end), ErrorKind.CORRUPT, "no data")
    check(png(header, frames(1), control(0, width=3), data, end), ErrorKind.CORRUPT, "beyond the canvas")
    check(png(header, frames(0), data, end), ErrorKind.CORRUPT, "0 frames")
