"""JPEG XL and HEIC, whose decoders an extra brings."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_files import check
from imgfetch import Client, ContentError, ImgfetchError, Limits, PolicyError, check_image, choose
from imgfetch.api import doctor
from imgfetch.api.doctor import examine
from imgfetch.api.images import is_decodable
from imgfetch.decode import extra_decoder, extras, pillow, sandbox
from imgfetch.decode.pillow import open_image
from imgfetch.formats import walk
from imgfetch.model.image import Format
from imgfetch.model.markup import Candidate, Source, SourceSet
from imgfetch.model.result import ErrorKind
from imgfetch.rules.store.requirements import Status
from origin import Origin, whole
from pictures import encoded, photo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

HEIC = extras.EXTRAS[Format.HEIC].sample


def pixels(width: int = 60, height: int = 40) -> NDArray[np.uint8]:
    return np.asarray(photo(width, height))


@cache
def jxl(width: int = 60, height: int = 40, **options: Any) -> bytes:  # noqa: ANN401 (options of libjxl)
    return bytes(imagecodecs.jpegxl_encode(pixels(width, height), **options))


@cache
def jxl_animation() -> bytes:
    first = pixels()
    return bytes(imagecodecs.jpegxl_encode(np.stack([first, first[::-1], first[:, ::-1]])))


@pytest.fixture(autouse=True, scope="module")
def processes() -> Iterator[None]:
    yield
    extras.end_processes()


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_installed(form: Format) -> bool:
        return False

    for module in (extras, extra_decoder, pillow, sandbox, doctor):
        monkeypatch.setattr(module, "is_installed", is_installed)


@pytest.mark.parametrize(
    ("width", "height", "options"),
    [
        (60, 40, {}),
        (60, 40, {"usecontainer": True}),
        (64, 48, {"lossless": True}),
        (8, 8, {}),
        (256, 256, {}),
        (1, 3, {"lossless": True}),
        (700, 1, {"lossless": True}),
        (640, 360, {}),
    ],
)
def test_reads_the_size_of_a_jpeg_xl(width: int, height: int, options: dict[str, object]) -> None:
    facts = check_image(jxl(width, height, **options))
    assert (facts.format, facts.width, facts.height, facts.frames) == ("jxl", width, height, 1)
    assert facts.verified == ("structure", "decode")


def test_reads_a_heic() -> None:
    facts = check_image(HEIC)
    assert (facts.format, facts.width, facts.height, facts.frames) == ("heic", 1, 1, 1)
    assert facts.verified == ("structure", "decode")


@pytest.mark.parametrize("data", [jxl(), jxl(usecontainer=True), HEIC])
def test_sees_every_truncation(data: bytes) -> None:
    for length in range(0, len(data), max(1, len(data) // 40)):
        with pytest.raises(ImgfetchError):
            check_image(data[:length])


def test_sees_a_cut_container_without_a_decoder() -> None:
    data = jxl(usecontainer=True)
    for length in range(len(data)):
        assert walk(data[:length]).defect is not None, length


def test_an_animation_says_that_its_frames_are_not_counted() -> None:
    structure = check(jxl_animation())
    assert structure.notes[0].startswith("frames_not_counted: ")
    assert check_image(jxl_animation()).format == "jxl"
    with pytest.raises(ImgfetchError, match="3 frames, the limit is 2") as caught:
        check_image(jxl_animation(), limits=Limits(max_frames=2))
    assert caught.value.kind == "too_many_frames"
    with pytest.raises(ContentError, match="data end before the picture is complete"):
        check_image(jxl_animation()[:-9])


def test_a_bomb_is_known_by_its_header() -> None:
    side = (1 << 30) - 1  # the largest form of both sides
    header = 0 | 3 << 1 | side << 3 | 0 << 33 | 3 << 36 | side << 38
    data = b"\xff\x0a" + (header | 1 << 68).to_bytes(12, "little")
    with pytest.raises(ImgfetchError, match="1073741824 x 1073741824 pixels") as caught:
        check_image(data)
    assert caught.value.kind == "too_many_pixels"


def test_damage_is_seen_by_the_decoder() -> None:
    damaged = bytearray(jxl())
    damaged[len(damaged) // 2 :] = bytes(len(damaged) - len(damaged) // 2)
    with pytest.raises(ContentError):
        check_image(bytes(damaged))
    damaged = bytearray(HEIC)
    damaged[-20:] = b"\xff" * 20
    structure = walk(bytes(damaged))
    assert structure.defect is None


@pytest.mark.parametrize(
    ("data", "name"), [(jxl(), "jxl"), (HEIC, "heic"), (HEIC[:60] + bytes(400), "heic"), (jxl()[:9], "jxl")]
)
@pytest.mark.usefixtures("nothing_installed")
def test_without_its_extra_an_image_is_named_and_so_is_the_extra(data: bytes, name: str) -> None:
    with pytest.raises(
        PolicyError, match=rf"the body is {name}; .*pip install 'imgfetch\[{name}\]'"
    ) as caught:
        check_image(data)
    assert caught.value.kind == "unsupported_format"


def test_the_doctor_tells_which_extras_are_there(nothing_installed: None) -> None:
    del nothing_installed
    findings = {finding.name: finding for finding in examine()}
    assert findings["jxl"].status is findings["heic"].status is Status.WITHOUT
    assert "imgfetch[heic]" in findings["heic"].hint


def test_the_doctor_tries_what_is_installed() -> None:
    findings = {finding.name: finding for finding in examine()}
    assert findings["jxl"].status is findings["heic"].status is Status.OK


def test_with_its_extra_a_format_is_chosen_like_any_other() -> None:
    offered = SourceSet((Candidate("a.jpg"),), sources=(Source((Candidate("a.jxl"),), type="image/jxl"),))
    assert is_decodable(Format.JXL)
    assert choose(offered).url == "a.jxl"


def test_pictures_can_be_opened(tmp_path: Path) -> None:
    for name, data, size in (
        ("jxl", jxl(), (60, 40)),
        ("heic", HEIC, (1, 1)),
        ("jxl", jxl_animation(), (60, 40)),
    ):
        path = tmp_path / f"a.{name}"
        path.write_bytes(data)
        with open_image(path, Format(name)) as picture:
            assert picture.size == size


@pytest.mark.usefixtures("nothing_installed")
def test_opening_without_the_extra_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "a.jxl"
    path.write_bytes(jxl())
    with pytest.raises(PolicyError, match="pip install"):
        open_image(path, Format.JXL)


@pytest.mark.anyio
@pytest.mark.parametrize("apart", [False, True])
async def test_keeps_them_with_and_without_a_sandbox(origin: Origin, cache: Path, apart: bool) -> None:
    url, other = origin.route("/a", whole(jxl())), origin.route("/b", whole(HEIC))
    async with Client(cache, allow_hosts=["127.0.0.1"], sandbox=apart) as client:
        image = await client.get(url)
        assert (image.format, image.path.suffix) == ("jxl", ".jxl")
        assert image.verified == ("length", "structure", "decode")
        assert (await client.get(other)).format == "heic"


@pytest.mark.anyio
@pytest.mark.usefixtures("nothing_installed")
async def test_falls_back_to_what_can_be_decoded(origin: Origin, cache: Path) -> None:
    url, other = origin.route("/a.bin", whole(jxl())), origin.route("/b.jpg", whole(encoded("jpeg", 96, 54)))
    async with Client(cache, allow_hosts=["127.0.0.1"]) as client:
        image = await client.get(f"{url} 900w, {other} 300w", width=800)
        assert image.format == "jpeg"
        assert "pip install 'imgfetch[jxl]'" in image.warnings[0]


@given(st.binary(max_size=150), st.sampled_from([b"\xff\x0a", jxl(usecontainer=True)[:60], HEIC[:300]]))
def test_never_raises(data: bytes, start: bytes) -> None:
    walk(start + data)


def test_a_picture_of_many_channels_is_refused() -> None:
    # all_default and extra_fields off, 8 bits, and the largest number of extra channels
    header = 1 | 0 << 1 | 1 << 6 | 0 << 9 | 0 << 10 | 0 << 11 | 0 << 12 | 0 << 14 | 3 << 15 | 4095 << 17
    data = b"\xff\x0a" + header.to_bytes(12, "little")
    check(data, ErrorKind.UNSUPPORTED_FORMAT, "4,096 extra channels")
