"""The decoder: images that it accepts and refuses, without effect on the host program's Pillow."""

from __future__ import annotations

import mmap
import os
import random
import resource
import struct
import subprocess
import sys
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from zlib import compress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

import damage
from image_files import png, webp
from imgfetch.decode.pillow import PillowDecoder
from imgfetch.formats import gif, walk
from imgfetch.model.image import Format
from imgfetch.model.request import Limits
from imgfetch.model.result import ErrorKind
from imgfetch.ports import DecodingStopped
from pictures import EXIF, Sample, animation, banded, encoded, flat, samples, save

if TYPE_CHECKING:
    from pathlib import Path

    from imgfetch.model.values import Buffer

FORMS = ("webp", "jpeg", "png", "gif", "avif")
SMALL = {form: encoded(form, 24, 16) for form in FORMS}
SEEDS = int(os.environ.get("IMGFETCH_SEEDS", "1"))
"""For the long run: `IMGFETCH_SEEDS=5` decodes 2,000 valid images."""


def check(
    data: Buffer, reason: ErrorKind | None = None, *words: str, thorough: bool = False, **limits: int
) -> None:
    """Decode as the format that the walk finds, and compare the defect with the expected one."""
    form = walk(data).format
    assert form
    defect = PillowDecoder().decode(data, form, Limits(**limits), thorough=thorough)
    assert (defect.kind if defect else None) is reason, defect
    for word in words:
        assert defect
        assert word in defect.message, defect.message
    assert not defect or (defect.message.isprintable() and len(defect.message) < 250)


@pytest.mark.parametrize("form", ["png", "gif", "webp"])
def test_decoding_stops_between_two_frames_when_no_caller_waits(form: str) -> None:
    frames = 0

    def stop_at_the_third() -> None:
        nonlocal frames
        frames += 1
        if frames == 3:
            raise DecodingStopped

    with pytest.raises(DecodingStopped):
        PillowDecoder().decode(
            animation(form, 24, 16, 8), Format(form), Limits(), checkpoint=stop_at_the_third
        )
    assert frames == 3


def test_decoding_stops_between_two_pieces_of_a_large_jpeg() -> None:
    pieces = 0

    def stop_at_the_second() -> None:
        nonlocal pieces
        pieces += 1
        if pieces == 2:
            raise DecodingStopped

    data = save(Image.frombytes("L", (512, 512), os.urandom(512 * 512)), "jpeg", quality=95)
    assert len(data) > 150_000
    with pytest.raises(DecodingStopped):
        PillowDecoder().decode(data, Format.JPEG, Limits(), checkpoint=stop_at_the_second)


def test_no_valid_image_is_refused() -> None:
    decoder = PillowDecoder()
    count = 0
    for sample in samples(((64, 48), (1, 1), (33, 17), (130, 97)), tuple(range(SEEDS))):
        structure = walk(sample.data)
        assert structure.format
        defect = decoder.decode(sample.data, structure.format, Limits(), thorough=True)
        assert (structure.defect, defect) == (None, None), sample.name
        count += 1
    assert count >= 400 * SEEDS


def test_no_large_plain_image_is_refused() -> None:
    for picture in (flat(1200, 900), flat(1200, 900, "#123456"), banded(1200, 900)):
        for method in (0, 4):
            check(save(picture, "webp", quality=80, method=method), thorough=True)
        for options in ({"optimize": True}, {"progressive": True}, {"subsampling": 0, "optimize": True}):
            check(save(picture, "jpeg", quality=40, **options))


def test_a_photo_above_a_plain_area_has_zeros_and_is_whole() -> None:
    upside_down = banded(480, 320).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    data = save(upside_down, "webp", quality=80, method=0)
    assert bytes(600) in data
    check(data)


@pytest.mark.parametrize("form", FORMS)
def test_every_kind_of_buffer_is_decoded(form: str, tmp_path: Path) -> None:
    data = SMALL[form]
    file = tmp_path / "image"
    file.write_bytes(data)
    check(bytearray(data))
    check(memoryview(b"x" + data)[1:])
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        mapped.seek(5)
        check(mapped)
        assert mapped.tell() == 5


@pytest.mark.parametrize("form", FORMS)
def test_only_the_format_that_was_named_is_decoded(form: str) -> None:
    for other in FORMS:
        defect = PillowDecoder().decode(SMALL[form], Format(other), Limits())
        assert (defect is None) is (form == other)


# ---------------------------------------------------------------------------------------------------
# What only a decoder sees


def test_a_jpeg_that_was_cut_and_closed_is_truncated() -> None:
    for options in ({}, {"progressive": True}, {"mode": "L"}, {"mode": "CMYK"}, {"subsampling": 0}):
        data = encoded("jpeg", 160, 120, **options)
        for share in (0.5, 0.8, 0.95):
            check(
                data[: int(len(data) * share)].rstrip(b"\xff") + b"\xff\xd9",
                ErrorKind.TRUNCATED,
            )


def test_a_jpeg_with_unread_data_was_changed_or_padded() -> None:
    data = encoded("jpeg", 160, 120)
    scan = data.index(b"\xff\xda") + 14
    check(
        data[:-2] + data[scan : scan + 60].replace(b"\xff", b"\0") + b"\xff\xd9",
        ErrorKind.CORRUPT,
        "never read",
    )
    for junk in (bytes(100), b"\x55" * 40, bytes(30) + b"\x01" + bytes(20), bytes(20) + b"\xff\0" * 10):
        check(data[:-2] + junk + b"\xff\xd9", ErrorKind.CORRUPT, "never read")


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"mode": "L"}])
def test_padding_before_the_end_of_a_jpeg_is_a_warning(options: dict[str, object]) -> None:
    data = encoded("jpeg", 160, 120, **options)
    heard: list[str] = []
    for padding in (bytes(20), bytes(64)):
        padded = data[:-2] + padding + data[-2:]
        assert PillowDecoder().decode(padded, Format.JPEG, Limits(), warn=heard.append) is None
        assert heard.pop().startswith("padding: ")
    check(data[:-2] + bytes(80) + data[-2:], ErrorKind.CORRUPT)
    for fill in (b"\xff" * 9, b"\xff" * 60):  # which no decoder skips, as it stands before any marker
        padded = data[:-2] + fill + data[-2:]
        assert PillowDecoder().decode(padded, Format.JPEG, Limits(), warn=heard.append) is None
    assert heard == []


def test_bytes_between_the_scans_of_a_jpeg_are_not_padding() -> None:
    for options in ({"progressive": True}, {"progressive": True, "restart_marker_rows": 1}):
        data = encoded("jpeg", 160, 120, **options)
        scan = data.index(b"\xff\xc4", data.index(b"\xff\xda"))
        check(data[:scan] + bytes(30) + data[scan:], ErrorKind.CORRUPT)
    data = encoded("jpeg", 160, 120, restart_marker_rows=1)
    mark = data.index(b"\xff\xd2")
    check(data[:mark] + bytes(30) + data[mark:], ErrorKind.CORRUPT)


RECIPES = (
    *(damage.packet_lost, damage.packet_repeated, damage.zeroed_hole, damage.line_ends_changed),
    *(damage.html_inserted, damage.bytes_added, damage.small_hole),
)


@pytest.mark.parametrize(
    ("form", "share"),
    [("jpeg progressive", 0.93), ("jpeg restarts", 0.85), ("jpeg progressive restarts", 0.95)],
)
def test_a_jpeg_that_was_damaged_in_the_middle_is_refused(form: str, share: float) -> None:
    kinds = [kind for kind in damage.damages_of(form) if kind in (*RECIPES, damage.lost_between_restarts)]
    files = [
        kind(damage.picture(form, seed, 320, 240), random.Random(seed))
        for seed in range(10)
        for kind in kinds
    ]
    files += [damage.halves(form, seed) for seed in range(10)] + [
        damage.splice(form, seed) for seed in range(10)
    ]
    assert damage.count(files).full >= share * len(files)


def test_data_lost_between_restart_markers_are_detected() -> None:
    for form in ("jpeg restarts", "jpeg progressive restarts"):
        files = [
            damage.lost_between_restarts(damage.picture(form, seed), random.Random(seed))
            for seed in range(20)
        ]
        assert damage.count(files).full == 20


def test_a_sequential_jpeg_whose_scan_has_parameters_of_a_progressive_one_is_whole() -> None:
    """Some encoders leave them zero; every decoder ignores them."""
    for options in ({}, {"mode": "L"}, {"restart_marker_rows": 1}):
        data = encoded("jpeg", 160, 120, **options)
        scan = data.index(b"\xff\xda")
        end = scan + 2 + data[scan + 3]
        odd = data[: end - 3] + bytes(3) + data[end:]
        check(odd)
        middle = len(odd) // 2
        check(odd[:middle] + bytes(400) + odd[middle + 400 :], ErrorKind.CORRUPT)


def test_lost_webp_data_are_detected_by_unread_bytes() -> None:
    for lossless in (False, True):
        data = encoded("webp", 200, 150, lossless=lossless)
        for size in (128, 1500):
            check(data[:2000] + bytes(size) + data[2000 + size :], ErrorKind.CORRUPT)
    half = len(SMALL["webp"]) // 2
    assert half < 400
    check(encoded("webp", 200, 150)[:-2000] + bytes(2000), ErrorKind.CORRUPT, "never read")


def test_a_later_frame_is_decoded_too() -> None:
    data = animation("webp", 64, 48)
    last = data.rindex(b"VP8 ") + 60
    check(data[:last] + bytes(600) + data[last + 600 :], ErrorKind.CORRUPT)
    data = animation("png", 24, 16)
    last = data.rindex(b"fdAT") + 30
    check(data[:last] + bytes(60) + data[last + 60 :], ErrorKind.CORRUPT)
    data = animation("gif", 24, 16)
    check(data[: len(data) - 40] + b";", ErrorKind.TRUNCATED)


@pytest.mark.parametrize("options", [{}, {"interlace": 1}, {"mode": "P"}, {"mode": "1"}])
def test_the_data_of_a_gif_fill_its_frame_and_no_more(options: dict[str, object]) -> None:
    data = encoded("gif", 64, 48, **options)
    check(data)
    (frame,) = gif.frames(memoryview(data))
    check(without_data(data, frame.stop - frame.start - 40), ErrorKind.TRUNCATED, "before the frame is full")
    rows_lost = bytearray(data)
    struct.pack_into("<H", rows_lost, data.index(b",\0\0\0\0@\0\x30\0") + 7, 40)
    check(rows_lost, ErrorKind.CORRUPT, "never read")


def without_data(data: bytes, most: int) -> bytes:
    """Return a GIF whose first frame has so many bytes of data, in whole sub-blocks."""
    frame = next(gif.frames(memoryview(data)))
    head, last = gif.split_data(memoryview(data), frame, 1 << 30)
    assert not head
    return data[: frame.start] + gif.sub_blocks(last[:most]) + data[frame.stop :]


def test_a_gif_frame_is_not_filled_from_the_next_one() -> None:
    data = animation("gif", 64, 48)
    check(without_data(data, 1000), ErrorKind.TRUNCATED, "frame 1")


def test_bytes_after_the_end_of_a_webp_have_it_decoded_twice() -> None:
    for options in ({}, {"lossless": True}, {"mode": "RGBA"}):
        data = encoded("webp", 240, 160, **options)
        check(data + b"\n")
        check(animation("webp") + b"\n")
    flipped = bytearray(encoded("webp", 240, 160))
    flipped[len(flipped) // 2] ^= 4
    check(flipped)  # what only --verify thorough sees
    check(flipped + b"\n", ErrorKind.CORRUPT, "never read")


@pytest.mark.parametrize("matrix", [0, 3, 10, 11, 13, 14])
def test_an_avif_is_whole_whatever_its_matrix_coefficients_are(matrix: int) -> None:
    data = encoded("avif", 64, 48)
    at = data.index(b"nclx") + 8
    check(data[:at] + struct.pack(">H", matrix) + data[at + 2 :])


def test_the_limits_apply_to_the_size_that_pillow_reads() -> None:
    for form in FORMS:
        check(SMALL[form], ErrorKind.TOO_MANY_PIXELS, "24 x 16 pixels, the limit is 383", max_pixels=383)
        check(SMALL[form], max_pixels=384)
    for form in ("gif", "png", "webp", "avif"):
        check(animation(form, 24, 16, 5), ErrorKind.TOO_MANY_FRAMES, "the limit is 4", max_frames=4)
        check(animation(form, 24, 16, 5), max_frames=5)
    check(animation("png", 24, 16, 4, default_image=True), max_frames=3)
    check(animation("gif", 24, 16, 30), ErrorKind.TOO_MANY_PIXELS, "in all", max_total_pixels=11_000)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "rubbish", [b"", b"\0", b"II*\0\x08\0\0\0\xff\xff" + bytes(range(256)), EXIF[6:30], b"8BIM" * 9]
)
def test_metadata_do_not_matter(rubbish: bytes) -> None:
    check(SMALL["jpeg"][:2] + segment(0xE1, b"Exif\0\0" + rubbish) + SMALL["jpeg"][2:])
    check(SMALL["jpeg"][:2] + segment(0xE2, b"ICC_PROFILE\0" + rubbish) + SMALL["jpeg"][2:])
    check(SMALL["jpeg"][:2] + segment(0xED, b"Photoshop 3.0\0" + rubbish) + SMALL["jpeg"][2:])
    check(SMALL["jpeg"][:2] + segment(0xEE, b"Adobe" + rubbish[:3]) + SMALL["jpeg"][2:])
    check(SMALL["jpeg"][:2] + segment(0xE2, b"MPF\0" + rubbish) + SMALL["jpeg"][2:])
    check(encoded("webp", exif=rubbish or b"?", icc_profile=rubbish or b"?"))
    header = (b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 0))
    pixels = (b"IDAT", compress(b"\0\1\2\0\3\4"))
    for kind in (b"iCCP", b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"gAMA", b"cHRM", b"tRNS", b"pHYs", b"sRGB"):
        check(png(header, (kind, rubbish), pixels, (kind, rubbish), (b"IEND", b"")))
    exif = Image.Exif()
    exif[0x010E] = "what is in the picture"
    data = encoded("avif", exif=exif.tobytes())
    at = data.index(b"MM\0*" if b"MM\0*" in data else b"II*\0")
    check(data[:at] + rubbish[:40].ljust(40, b"\xaa") + data[at + 40 :])


def segment(code: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, code, 2 + len(data)) + data


def test_a_compressed_text_is_not_decompressed() -> None:
    bomb = compress(bytes(300_000_000), 9)
    header = (b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 0))
    text = (b"zTXt", b"bomb\0\0" + bomb)
    data = png(
        header,
        text,
        (b"iCCP", b"bomb\0\0" + bomb),
        (b"IDAT", compress(b"\0\1\2\0\3\4")),
        text,
        (b"IEND", b""),
    )
    tracemalloc.start()
    try:
        check(data)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


# ---------------------------------------------------------------------------------------------------
# The host program


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set Pillow as a host program does that accepts damaged and huge images."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("form", FORMS)
def test_lenient_settings_of_the_host_program_are_ignored(form: str) -> None:
    check(SMALL[form])
    for data in (encoded(form, 64, 48), *([] if form == "jpeg" else [animation(form, 32, 24)])):
        for end in range(len(data) * 2 // 3, len(data) - 30, len(data) // 20):
            structure = walk(data)
            assert structure.format
            assert PillowDecoder().decode(data[:end], structure.format, Limits()), end
    check(SMALL[form], ErrorKind.TOO_MANY_PIXELS, max_pixels=300)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True
    assert Image.MAX_IMAGE_PIXELS is None


@pytest.mark.usefixtures("lenient")
def test_a_lenient_host_program_does_not_hide_broken_data() -> None:
    header = (b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 0))
    check(png(header, (b"IDAT", b"not zlib at all"), (b"IEND", b"")), ErrorKind.CORRUPT)
    check(png(header, (b"IDAT", compress(b"\0\1\2\0\3\4")[:-7]), (b"IEND", b"")), ErrorKind.TRUNCATED)


@pytest.mark.parametrize("form", FORMS)
def test_a_small_limit_of_the_host_program_causes_no_warning(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 24 * 16 - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(SMALL[form])


def test_many_threads_may_decode_at_once() -> None:
    files = [sample for sample in samples() if len(sample.data) < 20_000] * 3
    broken = [
        Sample("cut", s.format, s.data[:-9] + bytes(9), s.width, s.height) for s in files if s.format == "png"
    ]

    def refused(sample: Sample) -> bool:
        return PillowDecoder().decode(sample.data, Format(sample.format), Limits()) is not None

    with ThreadPoolExecutor(8) as pool:
        assert not any(pool.map(refused, files))
        assert all(pool.map(refused, [s._replace(data=s.data[: len(s.data) // 2]) for s in broken]))


def test_memory_is_given_back() -> None:
    data = encoded("webp", 1200, 900)
    check(data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(12):
        check(data)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KB; one picture is 4,200


def test_only_the_plugin_that_is_needed_is_imported() -> None:
    script = (
        "import sys; from imgfetch.decode.pillow import PillowDecoder\n"
        "from imgfetch.model.image import Format; from imgfetch.model.request import Limits\n"
        "assert PillowDecoder().decode(sys.stdin.buffer.read(), Format.PNG, Limits()) is None\n"
        "print(*(m for m in sys.modules if m.startswith('PIL.') and m.endswith('Plugin')))"
    )
    run = subprocess.run([sys.executable, "-c", script], input=SMALL["png"], capture_output=True, check=True)
    assert run.stdout.decode().split() == ["PIL.PngImagePlugin"]
    assert run.stderr == b""


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from([s for s in samples(((24, 16),)) if len(s.data) < 4000]),
    st.lists(
        st.tuples(st.integers(0, 3999), st.integers(0, 4), st.binary(max_size=6)), min_size=1, max_size=3
    ),
)
def test_no_damage_makes_the_decoder_raise(sample: Sample, changes: list[tuple[int, int, bytes]]) -> None:
    data = sample.data
    for at, gone, new in changes:
        at %= len(data)
        data = data[:at] + new + data[at + gone :]
    structure = walk(data)
    if structure.width * structure.height < 10**6:  # as `admit` sees to
        defect = PillowDecoder().decode(data, Format(sample.format), Limits(max_pixels=10**6))
        assert defect is None or defect.message.isprintable()


def test_an_empty_bitstream_is_refused() -> None:
    check(webp((b"VP8 ", SMALL["webp"][20:30] + bytes(200))), ErrorKind.CORRUPT)
