"""`formats`: the structure check of every format, the tolerated files, and the cost of hostile ones."""

from __future__ import annotations

import mmap
import struct
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_files import FORMS, SMALL, check, png, vp8x, webp
from imgfetch.formats import walk
from imgfetch.model.image import Structure
from imgfetch.model.result import ErrorKind
from measuring import cpu_seconds
from pictures import EXIF, ICC, XMP, animation, banded, encoded, flat, photo, samples, save

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


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
        (b"<?xml?><!DOCTYPE l [<!ENTITY a 'a'>]><l>&a;</l>", ErrorKind.NOT_IMAGE, "XML"),
        (b'{"error": "gone"}', ErrorKind.NOT_IMAGE, "JSON"),
        (b"[1, 2]", ErrorKind.NOT_IMAGE, "JSON"),
        (b"404 page not found\n", ErrorKind.NOT_IMAGE, "text"),
        (b"%PDF-1.7", ErrorKind.NOT_IMAGE, "PDF"),
        (b"\x1f\x8b\x08", ErrorKind.NOT_IMAGE, "gzip"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", ErrorKind.NOT_IMAGE, "video"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1jpeg", ErrorKind.UNSUPPORTED_FORMAT, "HEIF"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", ErrorKind.UNSUPPORTED_FORMAT, "JPEG 2000"),
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
