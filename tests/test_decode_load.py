"""The memory of a decode: the estimate from the header is never less than the measured use."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from imgfetch import Limits
from imgfetch.formats import walk
from imgfetch.formats.footprint import decode_load
from imgfetch.model.image import DecodeLoad, Format, Structure
from imgfetch.model.result import ErrorKind
from imgfetch.rules.image.decode_budget import fits, is_light, refusal
from pictures import animation, encoded, samples

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIDE = 1600


def picture(mode: str = "RGB", side: int = SIDE) -> Image.Image:
    noise = Image.effect_noise((256, 256), 80).resize((side, side))
    return Image.merge("RGB", [noise, noise.rotate(90), noise.rotate(180)]).convert(mode)


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def moving(form: str, **options: object) -> bytes:
    first, *others = (picture("RGBA", 800).rotate(20 * turn) for turn in range(4))
    return saved(first, form, save_all=True, append_images=others, **options)


KINDS: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: saved(picture(), "jpeg"),
    "jpeg progressive 4:2:0": lambda: saved(picture(), "jpeg", progressive=True),
    "jpeg progressive 4:4:4": lambda: saved(picture(), "jpeg", progressive=True, subsampling=0),
    "jpeg progressive cmyk": lambda: saved(picture("CMYK"), "jpeg", progressive=True),
    "png": lambda: saved(picture(), "png", compress_level=1),
    "png palette": lambda: saved(picture("P"), "png", compress_level=1),
    "apng": lambda: moving("png", compress_level=1, disposal=[0, 1, 2, 1], blend=1),
    "gif": lambda: saved(picture("P"), "gif"),
    "gif animation": lambda: moving("gif", disposal=2),
    "webp": lambda: saved(picture(), "webp", method=0),
    "webp alpha": lambda: saved(picture("RGBA"), "webp", method=0),
    "webp lossless": lambda: saved(picture(), "webp", lossless=True, method=0),
    "webp animation": lambda: moving("webp", method=0),
    "webp damaged": lambda: damaged(saved(picture("RGBA"), "webp", lossless=True, method=0)),
    "avif": lambda: saved(picture(), "avif", speed=10),
    "avif 4:4:4": lambda: saved(picture(), "avif", speed=10, subsampling="4:4:4"),
    "avif animation": lambda: moving("avif", speed=10),
    "bmp": lambda: saved(picture(), "bmp"),
    "bmp palette": lambda: saved(picture("P"), "bmp"),
    "tiff": lambda: saved(picture(), "tiff"),
    "tiff palette": lambda: saved(picture("P"), "tiff", compression="tiff_lzw"),
    "tiff of one strip": lambda: saved(
        picture(), "tiff", compression="tiff_adobe_deflate", tiffinfo={278: SIDE}
    ),
    "tiff cmyk": lambda: saved(picture("CMYK"), "tiff", compression="tiff_lzw", tiffinfo={278: SIDE}),
    "tiff of floats": lambda: saved(picture("F"), "tiff", compression="tiff_lzw", tiffinfo={278: SIDE}),
}

MEASURE = """
import json, re, sys
from pathlib import Path
from imgfetch.decode.pillow import PillowDecoder, load_plugins
from imgfetch.formats import walk
from imgfetch.model.request import Limits

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

from PIL import BmpImagePlugin, TiffImagePlugin
from PIL import AvifImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin
took = {}
for path in sorted(Path(sys.argv[1]).iterdir()):
    data = path.read_bytes()
    form = walk(data).format
    Path("/proc/self/clear_refs").write_text("5")
    before = peak()
    PillowDecoder().decode(data, form, Limits())
    took[path.name] = peak() - before
print(json.dumps(took))
"""


def damaged(data: bytes) -> bytes:
    middle = len(data) * 3 // 4
    return data[:middle] + os.urandom(2_000) + data[middle + 2_000 :]


@pytest.mark.skipif(sys.platform != "linux", reason="it is read from /proc")
def test_no_decode_takes_more_than_is_estimated(tmp_path: Path) -> None:
    made = {name: make() for name, make in KINDS.items()}
    for name, data in made.items():
        (tmp_path / re.sub(r"\W", "-", name)).write_bytes(data)
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    told = subprocess.check_output([sys.executable, "-c", MEASURE, str(tmp_path)], env=environment)
    took = json.loads(told)
    over = {}
    for name, data in made.items():
        load = decode_load(data, walk(data))
        if took[re.sub(r"\W", "-", name)] > load.memory + 2_000_000:
            over[name] = (took[re.sub(r"\W", "-", name)], load.memory)
    assert over == {}


def test_by_default_usual_images_are_light_and_a_still_of_50_megapixels_is_accepted() -> None:
    budget = Limits().decode_memory
    for form in ("jpeg", "png", "gif", "webp", "avif"):
        data = encoded(form, 128, 96)
        structure = walk(data)
        assert is_light(decode_load(data, structure), budget)
        usual = decode_load(data, structure._replace(width=1920, height=1280))
        assert form == "jpeg" or is_light(usual, budget), form  # a JPEG's header has the size
        large = structure._replace(width=10_000, height=5_000)
        assert refusal(decode_load(data, large), large, Limits()) is None, form


def test_an_image_beyond_the_budget_is_refused_by_its_header() -> None:
    data = animation("png", 24, 16, 3)
    structure = walk(data)._replace(width=8_000, height=6_000)
    defect = refusal(decode_load(data, structure), structure, Limits())
    assert defect is not None
    assert defect.kind is ErrorKind.TOO_MANY_PIXELS
    needed = "8000 x 6000 pixels need 913,000,000 bytes of memory to decode"
    assert defect.message == f"{needed}, the limit is 448,000,000 for one image"
    assert refusal(decode_load(data, structure), structure, Limits(decode_memory=1_100_000_000)) is None


def test_valid_and_invalid_images_have_an_estimate() -> None:
    for sample in samples(((24, 16),)):
        assert decode_load(sample.data, walk(sample.data)).memory >= 1_000_000
    for form in Format:
        for data in (b"", b"\xff" * 99, bytes(99)):
            load = decode_load(data, Structure(form, 100, 100, 2))
            assert load.pixels == 20_000


def test_an_eighth_of_the_memory_is_reserved_for_light_images() -> None:
    light, heavy = DecodeLoad(100, 10), DecodeLoad(300, 10)
    assert fits(light, 800, used=700, used_by_heavy=700)
    assert not fits(light, 800, used=701, used_by_heavy=700)
    assert fits(heavy, 800, used=400, used_by_heavy=400)
    assert not fits(heavy, 800, used=401, used_by_heavy=401)
    assert not is_light(DecodeLoad(10, 5_000_000), 800)
    assert not is_light(DecodeLoad(101, 10), 800)


@pytest.mark.parametrize(
    ("subsampling", "planes"), [("4:0:0", 1.0), ("4:2:0", 1.5), ("4:2:2", 2.0), ("4:4:4", 3.0)]
)
@pytest.mark.parametrize("frames", [1, 2])
def test_the_memory_of_avif_planes_is_read_from_the_coded_data(
    subsampling: str, planes: float, frames: int
) -> None:
    first, *others = (picture(side=64).rotate(9 * turn) for turn in range(frames))
    data = bytearray(saved(first, "avif", subsampling=subsampling, save_all=frames > 1, append_images=others))
    lie = data.find(b"av1C")
    data[lie + 6] ^= 0b0001_1100  # monochrome and subsampling, as the boxes have them
    assert walk(bytes(data)).plane_bytes == planes
