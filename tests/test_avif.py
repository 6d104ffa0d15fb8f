"""`formats.avif`: the walk over an AVIF, a still or a sequence."""

from __future__ import annotations

import struct

from image_files import SMALL, avif_with, boxes, check, two_ipma, with_larger_item
from imgfetch.model.result import ErrorKind
from pictures import animation, encoded


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
