"""BMP, and ICO and CUR, which hold bitmaps and PNGs: their walks, and their decode."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_files import check
from imgfetch import ContentError, ImgfetchError, Limits, check_image
from imgfetch.decode.pillow import open_image
from imgfetch.formats import walk
from imgfetch.formats.ico import parts
from imgfetch.model.image import Format
from imgfetch.model.result import ErrorKind
from pictures import encoded, in_mode, photo

if TYPE_CHECKING:
    from pathlib import Path

MODES = ("1", "L", "P", "RGB", "RGBA")
BMP = encoded("bmp", 24, 16)


def bitmap(width: int, height: int, bits: int, pixels: bytes, compression: int = 0) -> bytes:
    """Return the header of a bitmap, a palette of two colours, and its pixels."""
    palette = bytes(8) if bits <= 8 else b""
    return (
        struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, 2 if palette else 0, 0)
        + palette
        + pixels
    )


def bmp(width: int, height: int, bits: int, pixels: bytes, compression: int = 0) -> bytes:
    inner = bitmap(width, height, bits, pixels, compression)
    return b"BM" + struct.pack("<IHHI", 14 + len(inner), 0, 0, 14 + len(inner) - len(pixels)) + inner


def icon(*images: bytes, kind: int = 1) -> bytes:
    head, at = struct.pack("<HHH", 0, kind, len(images)), 6 + 16 * len(images)
    for image in images:
        head += struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(image), at)
        at += len(image)
    return head + b"".join(images)


PNG = encoded("png", 48, 48)
COLOURED = bitmap(16, 32, 24, bytes(16 * 3 * 16) + bytes(4 * 16))
TRANSLUCENT = bitmap(32, 64, 32, bytes(32 * 4 * 32))
ICON = icon(COLOURED, PNG, TRANSLUCENT)


def saved_icon(form: str) -> bytes:
    file = BytesIO()
    in_mode(photo(48, 48), "RGBA").save(file, "ico", sizes=[(16, 16), (48, 48)], bitmap_format=form)
    return file.getvalue()


@pytest.mark.parametrize("mode", MODES)
def test_reads_a_bmp_of_any_mode(mode: str) -> None:
    data = encoded("bmp", 25, 16, mode=mode)
    facts = check_image(data)
    assert (facts.format, facts.width, facts.height, facts.frames) == ("bmp", 25, 16, 1)
    assert facts.verified == ("structure", "decode")
    assert check(data).tail == 0


def test_reads_a_bmp_from_the_top_and_one_of_the_first_header() -> None:
    assert check_image(bmp(3, -2, 24, bytes(24))).height == 2
    core = struct.pack("<IHHHH", 12, 3, 2, 1, 24) + bytes(24)
    facts = check_image(b"BM" + struct.pack("<IHHI", 0, 0, 0, 26) + core)
    assert (facts.width, facts.height) == (3, 2)


@pytest.mark.parametrize("mode", MODES)
def test_sees_every_truncation_of_a_bmp(mode: str) -> None:
    data = encoded("bmp", 7, 5, mode=mode)
    for length in range(len(data)):
        assert walk(data[:length]).defect is not None, length


def test_walks_run_length_codes_to_their_end() -> None:
    codes = b"\x03\x01\0\0\0\x03\x01\0\x01\0\0\2\0\0\0\1"
    data = bmp(3, 2, 8, codes, 1)
    assert check(data).tail == 0
    assert check_image(data).width == 3
    assert check_image(bmp(3, 2, 4, b"\x03\x01\0\0\x03\x01\0\1", 2)).width == 3
    for length in range(len(data)):
        assert walk(data[:length]).defect is not None, length


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (bmp(0, 2, 24, b""), ErrorKind.CORRUPT, "0 x 2 pixels"),
        (bmp(3, -(2**31), 24, b""), ErrorKind.CORRUPT, "pixels"),
        (bmp(3, 2, 24, bytes(24), 4), ErrorKind.UNSUPPORTED_FORMAT, "compression 4"),
        (bmp(3, 2, 7, bytes(24)), ErrorKind.CORRUPT, "7 bits"),
        (BMP[:10] + struct.pack("<I", 20) + BMP[14:], ErrorKind.CORRUPT, "inside its header"),
        (bmp(3, 2, 8, b"\1\1" * 9, 1), ErrorKind.TRUNCATED, "the code that ends the bitmap"),
        (b"BMW builds cars in Munich.", ErrorKind.UNSUPPORTED_FORMAT, "BMP"),
    ],
)
def test_says_what_is_wrong_with_a_bmp(data: bytes, kind: ErrorKind, words: str) -> None:
    check(data, kind, words)


def test_takes_a_size_that_a_bmp_does_not_have_for_a_bomb() -> None:
    with pytest.raises(ImgfetchError, match="65535 x 65535 pixels") as caught:
        check_image(bmp(65_535, 65_535, 24, b""))
    assert caught.value.kind == "too_many_pixels"


@pytest.mark.parametrize("data", [ICON, saved_icon("png"), saved_icon("bmp"), icon(PNG, COLOURED, kind=2)])
def test_an_icon_has_the_size_of_its_largest_image(data: bytes) -> None:
    facts = check_image(data)
    assert (facts.format, facts.width, facts.height, facts.frames) == ("ico", 48, 48, 1)
    assert check(data).tail == 0


def test_an_icon_can_be_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.ico"
    path.write_bytes(saved_icon("bmp"))
    with open_image(path, Format.ICO) as picture:
        assert picture.size == (48, 48)


@pytest.mark.parametrize("data", [ICON, icon(TRANSLUCENT + bytes(128), COLOURED), saved_icon("bmp")])
def test_sees_every_truncation_of_an_icon(data: bytes) -> None:
    for length in range(len(data)):
        assert walk(data[:length]).defect is not None, length


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (icon(), ErrorKind.CORRUPT, "no image"),
        (icon(PNG)[:18] + struct.pack("<I", 8) + icon(PNG)[22:], ErrorKind.CORRUPT, "inside the directory"),
        (icon(PNG[:40] + b"x" + PNG[41:]), ErrorKind.CORRUPT, ""),
        (icon(bitmap(16, 31, 24, bytes(9999))), ErrorKind.CORRUPT, "31 rows"),
        (icon(*[b""] * 8, PNG).replace(struct.pack("<I", 0), b"", 0), ErrorKind.CORRUPT, ""),
    ],
)
def test_says_what_is_wrong_with_an_icon(data: bytes, kind: ErrorKind, words: str) -> None:
    check(data, kind, words)


def test_images_of_an_icon_may_not_overlap_often() -> None:
    entry = icon(PNG)[6:18]
    at = 6 + 16 * 60_000
    data = struct.pack("<HHH", 0, 1, 60_000) + (entry + struct.pack("<I", at)) * 60_000 + PNG * 300
    check(data, ErrorKind.CORRUPT, "overlap")


def test_all_images_of_an_icon_are_decoded_within_the_limits() -> None:
    damaged = bytearray(ICON)
    second = next(part for part in parts(memoryview(ICON)) if part.bitmap is None)
    damaged[second.start + 60 : second.start + 64] = b"\0\0\0\0"
    with pytest.raises(ContentError):
        check_image(bytes(damaged))
    with pytest.raises(ImgfetchError, match="limit"):
        check_image(ICON, limits=Limits(max_total_pixels=3 * 48 * 48 - 1, max_pixels=48 * 48 - 1))
    many = icon(*[PNG] * 50)
    with pytest.raises(ImgfetchError, match="frames of 48 x 48 pixels"):
        check_image(many, limits=Limits(max_total_pixels=40 * 48 * 48))


@given(st.binary(max_size=120), st.sampled_from([b"BM", b"\0\0\1\0", b"\0\0\2\0\1\0", BMP[:40], ICON[:60]]))
def test_never_raises(data: bytes, start: bytes) -> None:
    walk(start + data)
