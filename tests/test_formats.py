"""The walks: what each format's structure says, what is tolerated, and what a hostile file can make us do."""

from __future__ import annotations

import mmap
import struct
import tracemalloc
from typing import TYPE_CHECKING
from zlib import compress, crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgfetch.formats import walk
from imgfetch.model.image import Structure
from imgfetch.model.result import ErrorKind
from measuring import cpu_seconds
from pictures import EXIF, ICC, XMP, animation, banded, encoded, flat, photo, samples, save

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imgfetch.model.values import Buffer

FORMS = ("webp", "jpeg", "png", "gif", "avif")
SMALL = {form: encoded(form, 24, 16) for form in FORMS}


def check(data: Buffer, reason: ErrorKind | None = None, *words: str) -> Structure:
    """Walk, and hold the outcome against what is expected: whole, or this reason in these words."""
    structure = walk(data)
    defect = structure.defect
    assert (defect.kind if defect else None) is reason, defect
    for word in words:
        assert defect
        assert word in defect.message, defect.message
    assert not defect or (defect.message.isprintable() and len(defect.message) < 200)
    return structure


def test_a_whole_file_is_accepted_with_its_size_and_frames() -> None:
    for sample in samples(((64, 48), (1, 1), (33, 17))):
        found = walk(sample.data)
        wanted = Structure(found.format, sample.width, sample.height, sample.frames)
        assert found._replace(plane_bytes=0.0) == wanted, sample.name
        assert found.format == sample.format


def test_large_plain_images_are_accepted() -> None:
    # their coded data hold thousands of zero bytes in a row
    for picture in (flat(1600, 1200), flat(1600, 1200, "#123456"), banded(1600, 1200)):
        for method in (0, 4):
            check(save(picture, "webp", quality=100, method=method))
        check(save(picture, "jpeg", quality=5, optimize=True, subsampling=0))
        check(save(picture.convert("L"), "jpeg", optimize=True))
        check(save(picture, "png"))


@pytest.mark.parametrize("form", FORMS)
def test_any_kind_of_buffer_will_do(form: str, tmp_path: Path) -> None:
    data = SMALL[form]
    file = tmp_path / "image"
    file.write_bytes(data)
    wanted = check(data)
    assert check(bytearray(data)) == wanted
    assert check(memoryview(b"x" + data)[1:]) == wanted
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert check(mapped) == wanted  # and can be closed afterwards: nothing still looks into it


@pytest.mark.parametrize("form", FORMS)
def test_a_file_cut_anywhere_is_seen(form: str) -> None:
    for data in (
        SMALL[form],
        animation(form, 16, 12, 2) if form != "jpeg" else encoded(form, progressive=True),
    ):
        for end in range(len(data)):
            defect = walk(data[:end]).defect
            assert defect, end
            assert end < 12 or defect.kind in (ErrorKind.TRUNCATED, ErrorKind.CORRUPT), (end, defect)


def test_a_cut_is_called_a_cut() -> None:
    for form in FORMS:
        check(SMALL[form][:-1], ErrorKind.TRUNCATED)
        check(SMALL[form][: len(SMALL[form]) // 2], ErrorKind.TRUNCATED)
    check(SMALL["webp"][:-9], ErrorKind.TRUNCATED, f"of the {len(SMALL['webp']):,} bytes")
    check(b"RI", ErrorKind.TRUNCATED)


# ---------------------------------------------------------------------------------------------------
# What is none of ours


@pytest.mark.parametrize(
    ("body", "reason", "what"),
    [
        (b"", ErrorKind.EMPTY, "empty"),
        (b"\xef\xbb\xbf \n<!DOCTYPE html><html>", ErrorKind.NOT_IMAGE, "HTML"),
        ("<html><body>".encode("utf-16"), ErrorKind.NOT_IMAGE, "HTML"),
        (b"<!-- x --><script>", ErrorKind.NOT_IMAGE, "HTML"),
        (b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>", ErrorKind.NOT_IMAGE, "XML"),
        (b"<?xml version='1.0'?><!DOCTYPE svg><svg xmlns='x'>", ErrorKind.UNSUPPORTED_FORMAT, "SVG"),
        (b"<?xml?><!DOCTYPE l [<!ENTITY a 'a'>]><l>&a;</l>", ErrorKind.NOT_IMAGE, "XML"),
        (b'{"error": "gone"}', ErrorKind.NOT_IMAGE, "JSON"),
        (b"[1, 2]", ErrorKind.NOT_IMAGE, "JSON"),
        (b"404 page not found\n", ErrorKind.NOT_IMAGE, "text"),
        (b"%PDF-1.7", ErrorKind.NOT_IMAGE, "PDF"),
        (b"\x1f\x8b\x08", ErrorKind.NOT_IMAGE, "gzip"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", ErrorKind.NOT_IMAGE, "video"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", ErrorKind.UNSUPPORTED_FORMAT, "HEIF"),
        (b"\xff\x0a\xfa\x1f", ErrorKind.UNSUPPORTED_FORMAT, "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", ErrorKind.UNSUPPORTED_FORMAT, "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", ErrorKind.UNSUPPORTED_FORMAT, "JPEG 2000"),
        (b"BM6\0\0\0", ErrorKind.UNSUPPORTED_FORMAT, "BMP"),
        (b"II*\0\x08\0\0\0", ErrorKind.UNSUPPORTED_FORMAT, "TIFF"),
        (b"MM\0*\0\0\0\x08", ErrorKind.UNSUPPORTED_FORMAT, "TIFF"),
        (b"\0\0\1\0\1\0", ErrorKind.UNSUPPORTED_FORMAT, "icon"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", ErrorKind.UNSUPPORTED_FORMAT, "PostScript"),
        (b"RIFF\x24\0\0\0WAVEfmt ", ErrorKind.NOT_IMAGE, "RIFF"),
        (b"\x01\x02\x03\x9a\xff\0", ErrorKind.NOT_IMAGE, "01 02 03 9a"),
    ],
)
def test_another_type_of_data_is_named(body: bytes, reason: ErrorKind, what: str) -> None:
    assert check(body, reason, what).format is None
    if body and reason is not ErrorKind.EMPTY:
        check(body + b" " * 5000, reason, what)


# ---------------------------------------------------------------------------------------------------
# What is tolerated, and what is not


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("tail", [b"\0" * 4096, b"<html>" * 9, SMALL["jpeg"], b"\n", b"\r\n", b"12345678"])
def test_bytes_behind_the_end_are_counted_and_tolerated(form: str, tail: bytes) -> None:
    assert check(SMALL[form] + tail).tail == len(tail)
    assert check(SMALL[form] + SMALL[form]).tail == len(SMALL[form])
    if form != "jpeg":
        assert check(animation(form, 16, 12, 2) + tail).tail == len(tail)


@pytest.mark.parametrize("form", ["webp", "avif"])
def test_a_cut_and_a_second_file_are_not_bytes_behind_the_end(form: str) -> None:
    for data in (SMALL[form], encoded(form, 240, 160), encoded(form, 64, 48, mode="RGBA")):
        for cut in (1, 9, 40, len(data) // 2):
            defect = walk(data[:-cut] + data).defect
            assert defect, cut


def test_a_box_behind_the_end_may_be_cut() -> None:
    cut = struct.pack(">I4s", 1000, b"free") + bytes(20)
    assert check(SMALL["avif"] + cut).tail == 28
    data = SMALL["avif"]
    check(data[:32] + cut + data[32:], ErrorKind.TRUNCATED, "the box free")  # that has the image in it


def test_metadata_may_be_anything() -> None:
    rubbish = b"\xff\xd8\xff\xd9\0;IEND" * 50
    check(encoded("jpeg", exif=b"Exif\0\0" + rubbish, icc_profile=rubbish, comment=rubbish))
    check(encoded("png", exif=rubbish, icc_profile=ICC))
    check(encoded("webp", exif=rubbish, xmp=XMP, icc_profile=bytes(4000)))
    check(encoded("avif", exif=EXIF[6:], xmp=bytes(4000)))
    check(encoded("gif", mode="P", comment=rubbish))


def jpeg_with(*pieces: bytes, at: int = 2) -> bytes:
    return SMALL["jpeg"][:at] + b"".join(pieces) + SMALL["jpeg"][at:]


def test_jpeg() -> None:
    data = SMALL["jpeg"]
    scan = data.index(b"\xff\xda")
    check(jpeg_with(b"\xff" * 40))  # fill bytes
    check(jpeg_with(b"\xff" * 30, at=len(data) - 2))
    for stray in (b"\0", b"\0junk", bytes(100), b"\xff" * 30 + b"\0" * 3):
        check(jpeg_with(stray, at=scan), ErrorKind.CORRUPT, "not a segment")
    comment = b"\xff\xfe\0\3c"
    check(jpeg_with(comment, bytes(64), at=len(data) - 2))
    for stray in (bytes(65), b"\1", b"\0\1\0"):
        check(jpeg_with(comment, stray, at=len(data) - 2), ErrorKind.CORRUPT, "not a segment")
    check(jpeg_with(b"\xff\xfe\0\1"), ErrorKind.CORRUPT, "impossible length")
    check(jpeg_with(data, at=len(data) - 40), ErrorKind.CORRUPT, "another image begins")
    check(jpeg_with(b"\xff\xd0", at=len(data) - 20), ErrorKind.CORRUPT, "restart marker")
    check(data[:scan] + b"\xff\xd9", ErrorKind.CORRUPT, "no scan")
    check(data[:2] + data[scan:], ErrorKind.CORRUPT, "before any frame header")
    sof = data.index(b"\xff\xc0")
    check(data[: sof + 5] + b"\0\0" + data[sof + 7 :], ErrorKind.CORRUPT, "24 x 0 pixels")
    check(data[: sof + 4] + b"\x0c" + data[sof + 5 :], ErrorKind.UNSUPPORTED_FORMAT, "12 bits")
    check(data[: sof + 1] + b"\xc3" + data[sof + 2 :], ErrorKind.UNSUPPORTED_FORMAT, "FF C3")
    check(data[: len(data) // 2] + bytes(2000), ErrorKind.CORRUPT, "zero bytes")


def test_a_progressive_jpeg_that_lacks_its_last_scans_is_truncated() -> None:
    for options in ({}, {"mode": "L"}, {"mode": "CMYK"}, {"subsampling": 0, "restart_marker_rows": 1}):
        data = encoded("jpeg", 64, 48, progressive=True, **options)
        check(data)
        scans = [at for at in range(len(data)) if data.startswith((b"\xff\xda", b"\xff\xc4"), at)]
        first = data.index(b"\xff\xda")
        for scan in scans:
            if scan > first:
                check(data[:scan] + b"\xff\xd9", ErrorKind.TRUNCATED, "last scans are missing")


def test_restart_markers_are_counted() -> None:
    data = encoded("jpeg", 64, 48, restart_marker_blocks=1)
    first, third = data.index(b"\xff\xd0"), data.index(b"\xff\xd2")
    check(data[:first] + data[third:], ErrorKind.CORRUPT, "out of sequence")
    ninth = data.index(b"\xff\xd0", third)
    check(data[:first] + data[ninth:], ErrorKind.CORRUPT, "part of it is missing")
    for options in ({}, {"mode": "L"}, {"subsampling": 0}, {"mode": "CMYK"}, {"progressive": True}):
        for width, height in ((64, 48), (65, 49), (7, 90), (1, 1)):
            check(encoded("jpeg", width, height, restart_marker_blocks=1, **options))


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))
        for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


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


def with_wrong_crc(data: bytes, kind: bytes) -> bytes:
    """A PNG in which the CRC of the first chunk of a kind is wrong."""
    at = data.index(kind)
    stop = at + 4 + int.from_bytes(data[at - 4 : at])
    return data[:stop] + bytes(byte ^ 255 for byte in data[stop : stop + 4]) + data[stop + 4 :]


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


def test_gif() -> None:
    data = SMALL["gif"]
    check(data[:-1] + b"\0\0\0;")  # some encoders leave them
    check(data[:-1] + bytes(40) + b";", ErrorKind.CORRUPT, "begins with 00")
    check(data[:-1] + b"G;", ErrorKind.CORRUPT, "begins with 47")
    check(data[:13] + b";", ErrorKind.TRUNCATED)
    check(b"GIF89a\1\0\1\0\0\0\0;", ErrorKind.CORRUPT, "no image")
    outside = data[:6] + b"\1\0\1\0" + data[10:]
    assert (check(outside).width, check(outside).height) == (24, 16)


def gif(width: int, height: int, *frames: tuple[int, int, int, int]) -> bytes:
    """A GIF of plain frames, each at a place and of a size."""
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


@pytest.mark.parametrize(
    ("screen", "frames", "shown", "most"),
    [
        ((10, 10), [(0, 0, 20, 30)], (20, 30), 0),
        ((10, 10), [(5, 5, 8, 8)], (13, 13), 0),
        ((10, 10), [(15, 15, 8, 8)], (23, 23), 0),
        ((10, 10), [(0, 0, 5, 30)], (10, 30), 0),
        ((0, 0), [(4, 4, 8, 8)], (12, 12), 0),
        ((10, 10), [(0, 0, 10, 10), (0, 0, 20, 30)], (10, 10), 600),
        ((10, 10), [(0, 0, 10, 10), (5, 5, 8, 8)], (10, 10), 169),
        ((10, 10), [(0, 0, 20, 30), (0, 0, 40, 40)], (20, 30), 1600),
    ],
)
def test_a_gif_is_as_large_as_browsers_say(
    screen: tuple[int, int], frames: list[tuple[int, int, int, int]], shown: tuple[int, int], most: int
) -> None:
    # as Chromium's naturalWidth and naturalHeight: the first frame enlarges the screen, the others do not
    found = check(gif(*screen, *frames))
    assert (found.width, found.height, found.most_pixels) == (*shown, most)


def webp(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(
        kind + struct.pack("<I", len(data)) + data + bytes(len(data) & 1) for kind, data in chunks
    )
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def vp8x(width: int, height: int, flags: int = 0) -> tuple[bytes, bytes]:
    return b"VP8X", struct.pack(
        "<B3xHBHB", flags, width - 1 & 0xFFFF, width - 1 >> 16, height - 1 & 0xFFFF, height - 1 >> 16
    )


def test_webp() -> None:
    coded = SMALL["webp"][20 : 20 + int.from_bytes(SMALL["webp"][16:20], "little")]
    assert check(webp((b"VP8 ", coded), (b"UNKN", b"odd"))).frames == 1
    check(webp(vp8x(24, 16), (b"VP8 ", coded), (b"EXIF", bytes(500))))
    odd = webp((b"VP8L", SMALL_VP8L if len(SMALL_VP8L) & 1 else SMALL_VP8L + b"\0"))
    check(odd[:4] + struct.pack("<I", len(odd) - 9) + odd[8:-1])  # without the padding byte
    check(webp(vp8x(25, 16), (b"VP8 ", coded)), ErrorKind.CORRUPT, "25 x 16", "24 x 16")
    check(webp(vp8x(24, 16), (b"EXIF", b"")), ErrorKind.CORRUPT, "no VP8")
    check(webp((b"VP8 ", coded), (b"VP8 ", coded)), ErrorKind.CORRUPT, "second image")
    check(webp((b"EXIF", b""), (b"VP8 ", coded)), ErrorKind.CORRUPT, "first chunk is EXIF")
    check(webp((b"VP8 ", b"\1" + coded[1:])), ErrorKind.CORRUPT, "key frame")
    check(webp((b"VP8 ", coded[:3] + b"abc" + coded[6:])), ErrorKind.CORRUPT, "start code")
    check(webp((b"VP8 ", coded[:12])), ErrorKind.CORRUPT, "first VP8 partition")
    check(webp((b"VP8 ", coded[:6] + bytes(4) + coded[10:])), ErrorKind.CORRUPT, "0 x 0")
    check(webp((b"VP8L", b"\x2e" + SMALL_VP8L[1:])), ErrorKind.CORRUPT, "signature")
    check(webp((b"VP8L", SMALL_VP8L[:4] + b"\xff")), ErrorKind.CORRUPT, "version")
    check(webp(vp8x(24, 16), (b"ALPH", b"\3"), (b"VP8 ", coded)), ErrorKind.CORRUPT, "ALPH")
    check(webp(vp8x(24, 16, flags=2), (b"ANIM", bytes(6))), ErrorKind.CORRUPT, "without a frame")
    frame = (
        b"ANMF",
        struct.pack("<HBHBHBHB", 4, 0, 0, 0, 23, 0, 15, 0) + bytes(4) + webp((b"VP8 ", coded))[12:],
    )
    assert check(webp(vp8x(32, 16, flags=2), (b"ANIM", bytes(6)), frame, frame)).frames == 2
    check(webp(vp8x(31, 16, flags=2), (b"ANIM", bytes(6)), frame), ErrorKind.CORRUPT, "beyond the canvas")
    check(b"RIFF\xff\xff\xff\xff" + SMALL["webp"][8:], ErrorKind.TRUNCATED)


SMALL_VP8L = encoded("webp", 24, 16, lossless=True)[20:]


def test_avif() -> None:
    data = SMALL["avif"]
    spatial = data.index(b"ispe") + 8
    check(data[:spatial] + bytes(8) + data[spatial + 8 :], ErrorKind.CORRUPT, "0 x 0")
    small = data[:spatial] + struct.pack(">II", 8, 8) + data[spatial + 8 :]
    check(small)  # a size that encoders in hardware may have rounded up
    large = encoded("avif", 400, 300).replace(struct.pack(">II", 400, 300), struct.pack(">II", 8, 8))
    check(large, ErrorKind.CORRUPT, "400 x 300", "8 x 8")
    check(data.replace(b"pitm", b"free"), ErrorKind.TRUNCATED, "no pitm")
    check(data[: data.index(b"mdat") - 4], ErrorKind.TRUNCATED, "an item reaches")
    check(data.replace(b"meta", b"mete"), ErrorKind.TRUNCATED, "no meta")
    check(data[:4] + b"ftyp" + b"mif1" + data[12:])
    check(b"\0\0\0\x14ftypmif3avifmif3", ErrorKind.UNSUPPORTED_FORMAT, "minimised AVIF")
    check(b"\0\0\0\x14ftypmif3heicmif3", ErrorKind.UNSUPPORTED_FORMAT, "minimised HEIF")
    moving = animation("avif", 24, 16)
    assert check(moving).frames == 3
    check(moving[: moving.index(b"moov") - 4], ErrorKind.TRUNCATED)
    holed = bytearray(encoded("avif", 200, 150))
    holed[-1200:-400] = bytes(800)
    check(holed, ErrorKind.CORRUPT, "lost")


def box(kind: bytes, *contents: bytes) -> bytes:
    """A box of an AVIF."""
    inside = b"".join(contents)
    return struct.pack(">I", 8 + len(inside)) + kind + inside


def boxes(data: bytes) -> dict[bytes, bytes]:
    """The contents of the boxes that stand one after another."""
    found, at = {}, 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        found[kind] = data[at + 8 : at + size]
        at += size
    return found


def avif_with(data: bytes, more: bytes = b"", **changed: bytes) -> bytes:
    """A still AVIF of Pillow's with other boxes in its meta box, and `more` image data."""
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
    """The properties of an AVIF of two items, those of the second in a box of other flags."""
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


def test_an_avif_may_associate_properties_in_several_boxes() -> None:
    data = encoded("avif", 24, 16, mode="RGBA")
    found = check(avif_with(data, iprp=two_ipma(data)))
    assert (found.width, found.height) == (24, 16)
    # in the other order the box of the primary item comes last
    order = boxes(two_ipma(data))
    assert len(order) == 2  # a dict keeps the last of two ipma
    parts = two_ipma(data)
    at = parts.index(b"ipma", parts.index(b"ipma") + 4) - 4
    start = parts.index(b"ipma") - 4
    check(avif_with(data, iprp=parts[:start] + parts[at:] + parts[start:at]))


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


def test_an_avif_may_hold_an_item_larger_than_its_primary_one() -> None:
    for reference in (b"thmb", b"cdsc", b"dimg", b""):
        assert check(with_larger_item(SMALL["avif"], reference)).most_pixels == 0
    # a decoder decodes the alpha item with the primary one, and the limit on pixels holds for it
    assert check(with_larger_item(SMALL["avif"], b"auxl")).most_pixels == 400 * 300


def test_a_track_of_video_is_a_sequence_too() -> None:
    data = animation("avif", 24, 16)
    at = data.index(b"moov")
    assert check(data[:at] + data[at:].replace(b"pict", b"vide")).frames == 3
    check(data[:at] + data[at:].replace(b"pict", b"soun"), ErrorKind.CORRUPT, "without a track")


def test_a_sample_of_a_sequence_that_lies_beyond_the_file_is_a_cut() -> None:
    data = animation("avif", 24, 16)
    for tail in (b"", b"\n"):
        cut = data[:-20] + tail
        check(cut, ErrorKind.TRUNCATED, "a frame reaches to")


def test_data_never_written_are_seen() -> None:
    for form in ("webp", "jpeg", "avif"):
        data = bytearray(encoded(form, 320, 240, seed=3, quality=90))
        data[len(data) // 10 : -2] = bytes(len(data) - len(data) // 10 - 2)
        check(data, ErrorKind.CORRUPT, "lost")


# ---------------------------------------------------------------------------------------------------
# Hostile files


def test_the_size_of_a_canvas_is_reported_as_stated() -> None:
    huge = png(
        (b"IHDR", struct.pack(">IIBBBBB", 65535, 65535, 8, 2, 0, 0, 0)), (b"IDAT", b"x"), (b"IEND", b"")
    )
    assert (check(huge).width, check(huge).height) == (65535, 65535)
    lossless = webp((b"VP8L", b"\x2f" + struct.pack("<I", 16383 | 16383 << 14)))
    assert walk(lossless).width * walk(lossless).height == 2**28
    assert walk(webp(vp8x(16384, 16384, flags=2), (b"ANIM", bytes(6)))).width == 16384
    assert walk(b"GIF89a\xff\xff\xff\xff\0\0\0").width == 65535
    cut = b"GIF89a\1\0\1\0\0\0\0" + b",\0\0\0\0\xff\xff\xff\xff\0\2\xff"
    assert walk(cut).width == 65535


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "PNG chunks": lambda n: png(
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)), *[(b"tEXt", b"a\0b")] * (n // 15)
    ),
    "JPEG SOI": lambda n: b"\xff\xd8" * (n // 2),
    "JPEG fill bytes": lambda n: b"\xff\xd8" + b"\xff" * n,
    "JPEG segments": lambda n: b"\xff\xd8" + b"\xff\xfe\0\2" * (n // 4),
    "JPEG junk": lambda n: b"\xff\xd8\xff\xfe\0\2" + b"\xff\0" * (n // 2),
    "JPEG scans": lambda n: (
        SMALL["jpeg"][:-2] + SMALL["jpeg"][SMALL["jpeg"].index(b"\xff\xda") : -2] * (n // 500)
    ),
    "GIF blocks": lambda n: b"GIF89a\1\0\1\0\0\0\0" + b"!\xfe\0" * (n // 3),
    "GIF sub-blocks": lambda n: b"GIF89a\1\0\1\0\0\0\0!\xfe" + b"\1x" * (n // 2),
    "GIF images": lambda n: b"GIF89a\1\0\1\0\0\0\0" + (b",\0\0\0\0\1\0\1\0\0\2\1\0\0" * (n // 14)),
    "WebP chunks": lambda n: webp(vp8x(1, 1), *[(b"UNKN", b"")] * (n // 8)),
    "WebP frames": lambda n: webp(vp8x(1, 1, flags=2), *[(b"ANMF", bytes(16))] * (n // 24)),
    "WebP nearly zero": lambda n: webp((b"VP8 ", SMALL["webp"][20:30] + (bytes(63) + b"\1") * (n // 64))),
    "AVIF boxes": lambda n: SMALL["avif"] + b"\0\0\0\x08free" * (n // 8),
    "AVIF inner boxes": lambda n: (
        SMALL["avif"].replace(b"meta", b"free")
        + struct.pack(">I", n // 8 * 8 + 12)
        + b"meta"
        + bytes(4)
        + b"\0\0\0\x08free" * (n // 8)
    ),
    "zeros": lambda n: bytes(n),
    "spaces": lambda n: b" " * n,
    "angles": lambda n: b"<" * n,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_take_time_in_proportion_to_their_size_at_most(name: str) -> None:
    make: Callable[[int], bytes] = HOSTILE[name]
    small, large = make(150_000), make(1_200_000)
    first, second = cpu(small), cpu(large)
    assert second < 8 * 4 * max(first, 0.0005), (first, second)


def cpu(data: bytes) -> float:
    def work() -> None:
        structure = walk(data)
        assert structure.defect or structure.frames

    return cpu_seconds(work)


def test_counts_are_bounded() -> None:
    check(HOSTILE["PNG chunks"](4_500_000), ErrorKind.CORRUPT, "65,536 chunks")
    check(HOSTILE["JPEG segments"](600_000), ErrorKind.CORRUPT, "65,536 segments")
    check(HOSTILE["JPEG scans"](100_000), ErrorKind.CORRUPT, "100 scans")
    check(HOSTILE["GIF blocks"](600_000), ErrorKind.CORRUPT, "65,536 blocks")
    check(HOSTILE["WebP chunks"](1_000_000), ErrorKind.CORRUPT, "65,536 chunks")
    check(HOSTILE["AVIF boxes"](1_000_000), ErrorKind.CORRUPT, "65,536 boxes")
    assert walk(b"GIF89a\1\0\1\0\0\0\0" + b",\0\0\0\0\1\0\1\0\0\2\1\0\0" * 10_000 + b";").frames == 10_000


@pytest.mark.parametrize("form", FORMS)
def test_a_large_image_is_not_copied(form: str) -> None:
    large = {
        "webp": lambda: webp((b"VP8 ", SMALL["webp"][20:30] + photo(64, 64).tobytes() * 800)),
        "jpeg": lambda: (
            SMALL["jpeg"][:-2] + photo(64, 64).tobytes().replace(b"\xff", b"\xfe") * 800 + b"\xff\xd9"
        ),
        "png": lambda: png(
            (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)),
            (b"IDAT", bytes(9_000_000)),
            (b"IEND", b""),
        ),
        "gif": lambda: b"GIF89a\1\0\1\0\0\0\0!\xfe" + (b"\xff" + b"x" * 255) * 36_000 + b"\0;",
        "avif": lambda: SMALL["avif"] + struct.pack(">I", 9_000_008) + b"free" + bytes(9_000_000),
    }[form]()
    assert len(large) > 9_000_000
    tracemalloc.start()
    try:
        walk(large)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000, peak


MAGICS = (
    b"",
    b"RIFF\x20\0\0\0WEBP",
    b"RIFF\x20\0\0\0WEBPVP8X",
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF89a",
    b"\0\0\0\x14ftypavif\0\0\0\0avis",
)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(MAGICS), st.binary(max_size=400))
def test_no_bytes_whatever_make_it_raise(magic: bytes, rest: bytes) -> None:
    structure = walk(magic + rest)
    assert structure.defect or structure.format


KINDS = [sample.data for sample in samples(((24, 16),)) if len(sample.data) < 6000]


@settings(deadline=None, max_examples=500)
@given(
    st.sampled_from(KINDS),
    st.lists(
        st.tuples(st.integers(0, 5999), st.integers(0, 6), st.binary(min_size=1, max_size=8)),
        min_size=1,
        max_size=4,
    ),
)
def test_no_damage_whatever_makes_it_raise(data: bytes, changes: list[tuple[int, int, bytes]]) -> None:
    for at, gone, new in changes:
        at %= len(data)
        data = data[:at] + new + data[at + gone :]
    structure = walk(data)
    assert structure.format or structure.defect
    assert structure.defect is None or structure.defect.message.isprintable()
