from __future__ import annotations

import struct
import subprocess
import sys
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_files import check
from imgfetch import ImgfetchError, Limits, check_image
from imgfetch.decode.pillow import PillowDecoder
from imgfetch.formats import walk
from imgfetch.formats.tiff import essential_directories
from imgfetch.model.image import Format
from imgfetch.model.result import ErrorKind
from pictures import encoded, in_mode, photo

if TYPE_CHECKING:
    from pathlib import Path

COMPRESSIONS = (None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
KINDS = [
    *(("RGB", compression) for compression in COMPRESSIONS),
    *((mode, None) for mode in ("1", "L", "LA", "P", "RGBA", "CMYK", "I;16")),
    ("1", "group3"),
    ("1", "group4"),
    ("RGBA", "tiff_lzw"),
]


def tiff(mode: str = "RGB", compression: str | None = None, **options: object) -> bytes:
    return encoded(
        "tiff", 24, 16, mode=mode, **({"compression": compression} if compression else {}), **options
    )


def pages(number: int, **options: object) -> bytes:
    file = BytesIO()
    first, *others = (photo(24, 16, page) for page in range(number))
    first.save(file, "tiff", save_all=True, append_images=others, **options)
    return file.getvalue()


def made(*tags: tuple[int, int, int, int], order: str = "<", after: int = 0, data: bytes = b"") -> bytes:
    """Return a file of one directory: tags, each with type, number and value, then the next and its data."""
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    entries = b"".join(
        struct.pack(order + ("HHIHxx" if kind == 3 else "HHII"), tag, kind, n, value)
        for tag, kind, n, value in tags
    )
    return head + struct.pack(order + "H", len(tags)) + entries + struct.pack(order + "I", after) + data


def grey(width: int = 4, height: int = 2, *more: tuple[int, int, int, int], order: str = "<") -> bytes:
    tags = {
        256: (256, 4, 1, width),
        257: (257, 4, 1, height),
        258: (258, 3, 1, 8),
        259: (259, 3, 1, 1),
        262: (262, 3, 1, 1),
        273: (273, 4, 1, 0),
        278: (278, 4, 1, height),
        279: (279, 4, 1, 8),
    }
    tags |= {tag[0]: tag for tag in more}
    start = 8 + 2 + 12 * len(tags) + 4
    if 273 not in {tag[0] for tag in more}:
        tags[273] = (273, 4, 1, start)
    return made(*(tags[tag] for tag in sorted(tags)), order=order, data=bytes(range(8)))


@pytest.mark.parametrize(("mode", "compression"), KINDS)
def test_reads_every_usual_kind(mode: str, compression: str | None) -> None:
    facts = check_image(tiff(mode, compression))
    assert (facts.format, facts.width, facts.height, facts.frames) == ("tiff", 24, 16, 1)
    assert facts.verified == ("structure", "decode")


def test_reads_both_byte_orders_and_large_files() -> None:
    for data in (grey(), grey(order=">"), tiff(big_tiff=True)):
        assert check_image(data).format == "tiff"


def test_reads_every_page() -> None:
    facts = check_image(pages(3))
    assert facts.frames == 3
    with pytest.raises(ImgfetchError, match="3 frames, the limit is 2"):
        check_image(pages(3), limits=Limits(max_frames=2))


@pytest.mark.parametrize(("mode", "compression"), KINDS)
def test_sees_every_truncation(mode: str, compression: str | None) -> None:
    data = tiff(mode, compression)
    for length in range(len(data) - 1):  # a last byte may fill up to an even length
        assert walk(data[:length]).defect is not None, length


def test_sees_a_cut_page_and_a_cut_profile() -> None:
    for data in (pages(3), tiff(icc_profile=bytes(300), compression="tiff_lzw")):
        for length in range(len(data) - 16):  # Pillow fills up to 16 bytes
            assert walk(data[:length]).defect is not None, length


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (made(), ErrorKind.CORRUPT, "0 x 0 pixels"),
        (b"II*\0" + bytes(4), ErrorKind.CORRUPT, "no directory"),
        (grey(0), ErrorKind.CORRUPT, "0 x 2 pixels"),
        (grey(4, 2, (259, 3, 1, 34712)), ErrorKind.UNSUPPORTED_FORMAT, "compression 34712"),
        (grey(4, 2, (50706, 4, 1, 0x401)), ErrorKind.UNSUPPORTED_FORMAT, "camera raw"),
        (grey(4, 2, (277, 3, 1, 999)), ErrorKind.UNSUPPORTED_FORMAT, "999 samples"),
        (grey(4, 2, (277, 3, 1, 7)), ErrorKind.UNSUPPORTED_FORMAT, "7 samples"),
        (grey(4, 2, (279, 4, 1, 9)), ErrorKind.TRUNCATED, "in the image data, which end at"),
        (grey(4, 2, (273, 4, 1, 2**31)), ErrorKind.TRUNCATED, "in the image data"),
        (grey(4, 2, (279, 4, 2, 0)), ErrorKind.CORRUPT, "1 offsets and 2 lengths"),
        (grey(4, 2, (273, 4, 10**6, 8)), ErrorKind.TRUNCATED, "in the values of tag 273"),
        (grey(4, 2, (256, 2, 4, 0x41414141)), ErrorKind.CORRUPT, "tag 256 has values of type 2"),
        (grey(4, 2, (284, 3, 2, 1)), ErrorKind.CORRUPT, "tag 284 has 2 values"),
        (b"II*\0\x10\0\0\0CR\x02\0", ErrorKind.UNSUPPORTED_FORMAT, "CR2"),
    ],
)
def test_says_what_is_wrong(data: bytes, kind: ErrorKind, words: str) -> None:
    check(data, kind, words)


def test_a_ring_of_directories_ends() -> None:
    check(made((256, 3, 1, 4), (257, 3, 1, 4), after=8), ErrorKind.CORRUPT, "")
    data = grey()
    at = data.index(struct.pack("<I", 0) + bytes(range(8)))
    check(data[:at] + struct.pack("<I", 8) + data[at + 4 :], ErrorKind.CORRUPT, "ring")


@pytest.mark.parametrize(
    "data",
    [
        grey(65_535, 65_535),
        grey(4, 2, (322, 4, 1, 65_536), (323, 4, 1, 65_536)),  # one tile, larger than the picture
    ],
)
def test_a_bomb_is_known_by_its_sizes(data: bytes) -> None:
    with pytest.raises(ImgfetchError) as caught:
        check_image(data)
    assert caught.value.kind == "too_many_pixels"


def test_many_directories_may_not_share_long_values() -> None:
    zeros = 8 + 2_000 * (2 + 12 * 5 + 4)
    page = [(256, 3, 1, 4), (257, 3, 1, 4), (258, 3, 1, 8), (273, 4, 50_000, zeros), (279, 4, 50_000, zeros)]
    data, at = b"II*\0" + struct.pack("<I", 8), 8
    for _ in range(2_000):
        at += 2 + 12 * len(page) + 4
        data += made(*page, after=at)[8:]
    check(data + bytes(200_000), ErrorKind.CORRUPT, "overlap")


def test_the_decoder_gets_no_tag_that_pixels_do_not_need() -> None:
    data = tiff(icc_profile=b"\xee" * 3000, description="who knows", compression="tiff_lzw")
    essential = b"".join(essential_directories(memoryview(data)))
    assert walk(essential).defect is None
    assert PillowDecoder().decode(essential, Format.TIFF, Limits()) is None
    for name in (270, 34675):
        assert struct.pack("<H", name) in data
        assert struct.pack("<H", name) not in essential[len(data) :]


def test_the_command_line_writes_nothing_of_libtiff(tmp_path: Path) -> None:
    damaged = bytearray(tiff("RGB", "tiff_adobe_deflate"))
    damaged[damaged.index(b"\x78") + 4] ^= 255
    (tmp_path / "a.tiff").write_bytes(damaged)
    program = (
        "import sys; from pathlib import Path; from imgfetch.decode.native.libtiff import silence_messages;"
        "from imgfetch import check_image; silence_messages() if sys.argv[2:] else None\n"
        "try: check_image(Path(sys.argv[1]).read_bytes())\nexcept Exception as e: print(e)"
    )
    ran = [
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "a.tiff"), *more], capture_output=True, text=True
        )
        for more in ([], ["quiet"])
    ]
    assert all("cannot be decoded" in each.stdout for each in ran)
    assert ran[1].stderr == ""


@given(st.binary(max_size=160), st.sampled_from([b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", grey()[:60]]))
def test_never_raises(data: bytes, start: bytes) -> None:
    walk(start + data)


def test_pictures_of_real_size() -> None:
    file = BytesIO()
    in_mode(photo(640, 480), "RGB").save(file, "tiff", compression="tiff_lzw")
    assert check_image(file.getvalue()).width == 640
