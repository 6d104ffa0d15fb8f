"""libwebp, called directly: it accepts the images that Pillow accepts, and no others, without a picture."""

from __future__ import annotations

import ctypes
import random
import subprocess
import sys
from contextlib import closing
from io import BytesIO
from mmap import ACCESS_COPY, ACCESS_READ, mmap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL.WebPImagePlugin import WebPImageFile

import damage
from imgfetch.decode import pillow
from imgfetch.decode.native import libwebp
from imgfetch.decode.native.libwebp import Libwebp, disagreement
from imgfetch.formats.samples import SMALLEST
from imgfetch.model.image import Defect, Format
from imgfetch.model.request import Limits
from imgfetch.model.result import ErrorKind
from pictures import Sample, encoded, flat, photo, samples, save

IMAGES = [sample for sample in samples(((24, 16), (1, 1), (33, 17))) if sample.format == "webp"]


@pytest.fixture
def library() -> Libwebp:
    found = Libwebp.of_pillow()
    assert found, "the wheels of Pillow have it"
    return found


def pillow_decodes(data: bytes) -> bool:
    try:
        with closing(WebPImageFile(BytesIO(data))) as image:
            for number in range(image.n_frames):
                image.seek(number)
                image._get_next()  # what `load` begins with
    except Exception:
        return False
    return True


def test_every_valid_image_is_decoded(library: Libwebp) -> None:
    assert len(IMAGES) > 50
    for sample in IMAGES:
        assert library.canvas(sample.data) == (sample.width, sample.height, sample.frames), sample.name
        assert library.can_decode(sample.data), sample.name


def test_every_kind_of_buffer_is_read_and_released(library: Libwebp, tmp_path: Path) -> None:
    data = encoded("webp", 24, 16)
    (tmp_path / "x").write_bytes(data)
    with (tmp_path / "x").open("rb") as file:
        for access in (ACCESS_READ, ACCESS_COPY):
            with mmap(file.fileno(), 0, access=access) as mapped:
                assert library.canvas(mapped) == (24, 16, 1)
                assert library.can_decode(mapped)
    for buffer in (bytearray(data), memoryview(data), memoryview(bytearray(data))):
        assert library.can_decode(buffer)
        assert not library.can_decode(buffer[:-30])
    grown = bytearray(data)
    assert library.can_decode(grown)
    grown += b"x"  # which nobody may look into


def test_other_data_are_refused(library: Libwebp) -> None:
    for data in (encoded("png"), b"", b"RIFF", SMALLEST[Format.WEBP][:-1]):
        assert library.canvas(data) is None
        assert not library.can_decode(data)


@settings(deadline=None, max_examples=400)
@given(
    st.sampled_from([s for s in IMAGES if len(s.data) < 4000]),
    st.lists(
        st.tuples(st.integers(0, 3999), st.integers(0, 4), st.binary(max_size=6)), min_size=1, max_size=3
    ),
)
def test_it_decodes_the_damaged_images_that_pillow_decodes(
    sample: Sample, changes: list[tuple[int, int, bytes]]
) -> None:
    library = Libwebp.of_pillow()
    assert library
    data = sample.data
    for at, gone, new in changes:
        at %= len(data)
        data = data[:at] + new + data[at + gone :]
    canvas = library.canvas(data)
    if canvas is not None and canvas.width * canvas.height < 10**6:
        assert library.can_decode(data) == pillow_decodes(data)


@pytest.mark.parametrize("form", ["webp", "webp lossless", "webp alpha"])
def test_it_detects_the_damage_that_pillow_detects(form: str, library: Libwebp) -> None:
    kinds = (
        *(damage.zeroed_tail, damage.zeroed_hole, damage.small_hole, damage.bit_in_header),
        *(damage.bit_in_data, damage.bytes_lost, damage.bytes_added),
    )
    refused = 0
    for seed in range(12):
        if form == "webp alpha":
            whole = save(photo(90, 70, seed).convert("RGBA"), "webp")
        else:
            whole = damage.picture(form, seed, 90, 70)
        for kind in kinds:
            data = kind(whole, random.Random(seed))
            if library.canvas(data) is not None:
                assert library.can_decode(data) == pillow_decodes(data), (kind, seed)
                refused += not library.can_decode(data)
    assert refused


def test_damaged_transparency_is_detected(library: Libwebp) -> None:
    picture = photo(90, 70)
    picture.putalpha(photo(90, 70, 3).convert("L"))
    for options in ({"alpha_quality": 100}, {"alpha_quality": 30}):
        data = save(picture, "webp", **options)
        at, refused = data.index(b"ALPH") + 9, 0
        for chance in map(random.Random, range(40)):
            cut = bytearray(data)
            place = at + chance.randrange(20)
            cut[place : place + 8] = chance.randbytes(8)
            assert library.can_decode(bytes(cut)) == pillow_decodes(bytes(cut))
            refused += not library.can_decode(bytes(cut))
        assert refused > 10


def test_without_the_library_pillow_decodes(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = encoded("webp", 64, 48)
    cut = whole[:200] + bytes(len(whole) - 200)

    def found() -> list[Defect | None]:
        decoder = pillow.PillowDecoder()
        return [decoder.decode(data, Format.WEBP, Limits(), thorough=True) for data in (whole, cut)]

    with_it = found()
    monkeypatch.setattr(Libwebp, "of_pillow", lambda: None)
    assert found() == with_it
    assert with_it[0] is None
    assert with_it[1]


def test_a_library_without_the_functions_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AttributeError):
        Libwebp(ctypes.CDLL(None))
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert Libwebp.of_pillow.__wrapped__(Libwebp) is None


def test_the_structures_match_the_library() -> None:
    assert disagreement() is None


@pytest.mark.parametrize(
    ("described", "otherwise"),
    [
        ('("number", "frames", "x", ', '("number", "frames", '),
        ('("number", "frames", "x", ', '("new", "number", "frames", "x", '),
        ('        ("private", c_void_p),\n', ""),
        ('"has_animation", "format")', '"has_animation", "format", "new")'),
        ('for name in ("width", "height", "has_alpha"', 'for name in ("height", "width", "has_alpha"'),
        ('("bypass_filtering", "no_fancy_upsampling")', '("new", "bypass_filtering", "no_fancy_upsampling")'),
        ('"crop_left", "crop_top", "crop_width"', '"crop_top", "crop_left", "crop_width"'),
        ('        ("colorspace", c_int),\n', ""),
        ("_WIDTH, _HEIGHT, _FRAMES = 1, 2, 5", "_WIDTH, _HEIGHT, _FRAMES = 2, 1, 5"),
        ('("input", _Features), ("output", _Pixels)', '("output", _Pixels), ("input", _Features)'),
    ],
)
def test_a_wrong_definition_of_a_structure_is_detected(described: str, otherwise: str) -> None:
    """In a process of its own: a decode with a wrong definition may end the process."""
    text = Path(libwebp.__file__).read_text(encoding="utf-8")
    assert text.count(described) == 1
    program = (
        "import sys, types; it = types.ModuleType('it'); sys.modules['it'] = it\n"
        "exec(compile(sys.stdin.read(), 'it', 'exec'), it.__dict__); print(it.disagreement())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        input=text.replace(described, otherwise),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode != 0 or ran.stdout.strip() not in ("", "None")


def test_the_limits_apply_to_the_canvas_of_libwebp() -> None:
    data = encoded("webp", 24, 16)
    defect = pillow.PillowDecoder().decode(data, Format.WEBP, Limits(max_pixels=383))
    assert defect
    assert defect.kind is ErrorKind.TOO_MANY_PIXELS


def test_a_large_still_is_decoded_without_a_picture() -> None:
    """6,000 by 4,000 pixels take 96 MB in Pillow."""
    script = """if True:
        import resource, sys
        from imgfetch.decode.pillow import PillowDecoder
        from imgfetch.model.image import Format
        from imgfetch.model.request import Limits

        decoder, before = PillowDecoder(), 0
        for data in sys.stdin.buffer.read().split(b"|||"):
            assert decoder.decode(data, Format.WEBP, Limits()) is None
            before, after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, before
        print(before - after)
    """
    parts = encoded("webp", 24, 16), save(flat(6000, 4000), "webp", method=0)
    run = subprocess.run(
        [sys.executable, "-c", script], input=b"|||".join(parts), capture_output=True, check=True
    )
    assert int(run.stdout) < 8_000  # KB
