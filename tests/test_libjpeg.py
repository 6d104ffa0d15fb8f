"""The warnings of libjpeg: none for a valid image, some for each repair, and no crash in reading them."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from io import BytesIO
from random import Random
from typing import Any

import pytest
from PIL import Image

from damage import lost_between_restarts
from imgfetch.decode.native import libjpeg
from imgfetch.decode.native.libjpeg import WarningCounter, Warnings
from imgfetch.decode.pillow import PillowDecoder
from imgfetch.formats.samples import SMALLEST
from imgfetch.model.image import Format
from imgfetch.model.request import Limits
from pictures import encoded, samples

VALID = [
    sample for sample in samples(((64, 48), (1, 1), (33, 17), (130, 97))) if sample.format == Format.JPEG
]


@pytest.fixture
def counter() -> WarningCounter:
    found = WarningCounter.of_pillow()
    assert found, "it reads those of the Pillow that is tested with"
    return found


def warnings(counter: WarningCounter, data: bytes, piece: int = 1 << 20) -> Warnings:
    """Return the warnings about a whole file that is fed to Pillow in pieces."""
    with Image.open(BytesIO(data)) as image:
        mode, size = image.mode, image.size
    decoder: Any = Image.core.jpeg_decoder(mode, mode, "")  # type: ignore[attr-defined]
    decoder.setimage(Image.core.new(mode, size), (0, 0, *size))  # type: ignore[attr-defined]
    rest = b""
    for start in range(0, len(data), piece):
        rest += data[start : start + piece]
        consumed, error = decoder.decode(rest)
        assert error == 0
        if consumed < 0:
            break
        rest = rest[consumed:]
    return counter.read(decoder)


def test_a_valid_image_has_no_warnings(counter: WarningCounter) -> None:
    assert len(VALID) > 80
    for sample in VALID:
        for piece in (7, 1000, 1 << 20):
            assert warnings(counter, sample.data, piece).number == 0, (sample.name, piece)


def test_each_repair_is_counted(counter: WarningCounter) -> None:
    for options in (
        {},
        {"progressive": True},
        {"restart_marker_rows": 1},
        {"mode": "L", "progressive": True},
    ):
        data = encoded("jpeg", 160, 120, **options)
        middle = len(data) // 2
        assert warnings(counter, data[:middle] + data[middle + 400 : -2] + data[-2:]).number >= 1


def test_extraneous_bytes_are_counted(counter: WarningCounter) -> None:
    data = encoded("jpeg", 64, 48)
    found = warnings(counter, data[:-2] + bytes(100) + data[-2:])
    assert found.number == 1
    assert 92 <= found.extraneous(0xD9) <= 100
    assert found.extraneous(0xD0) == 0


def test_a_decoder_that_has_read_nothing_has_no_warnings(counter: WarningCounter) -> None:
    decoder = Image.core.jpeg_decoder("L", "L", "")  # type: ignore[attr-defined]
    assert counter.read(decoder).number == 0


def test_the_search_is_repeated_once_files_can_be_opened() -> None:
    script = """if True:
        import resource
        from imgfetch.decode.native.libjpeg import WarningCounter
        import PIL.Image

        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
        print(WarningCounter.of_pillow())
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        print(WarningCounter.of_pillow() is not None)
    """
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert run.stdout == b"None\nTrue\n"


def test_two_decoders_at_once_have_their_own_counts(counter: WarningCounter) -> None:
    whole = SMALLEST[Format.JPEG]
    with libjpeg._decoder(whole) as one, libjpeg._decoder(whole[:-3] + whole[-2:]) as other:
        assert (counter.read(one).number, counter.read(other).number) == (0, 1)


def test_unmapped_memory_gives_no_bytes() -> None:
    with libjpeg._Memory() as memory:
        for address in (0, 8, 2**47 - 4096, 2**64 - 8):
            assert memory.read(address, 64) == b""
            assert memory.pointers(address, 4) == []
        text = ctypes.create_string_buffer(b"mapped")
        assert memory.read(ctypes.addressof(text), 6) == b"mapped"


class WrongCounter(WarningCounter):
    """A counter that reads wrong counts."""

    def read(self, decoder: object) -> Warnings:
        return Warnings(1, (0, 0))


def test_offsets_that_give_wrong_counts_are_not_trusted() -> None:
    assert WarningCounter._find.__wrapped__(WrongCounter) is None


def test_a_pillow_of_another_layout_has_no_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libjpeg, "_CONTEXT_POINTERS", 1)
    assert WarningCounter._find.__wrapped__(WarningCounter) is None


def test_a_pillow_without_its_private_names_has_no_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "core", object())
    assert WarningCounter._find.__wrapped__(WarningCounter) is None


@pytest.fixture
def _without_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WarningCounter, "of_pillow", lambda: None)


@pytest.mark.usefixtures("_without_counter")
def test_without_a_counter_the_last_bytes_are_withheld() -> None:
    decoder = PillowDecoder()
    for sample in VALID:
        assert decoder.decode(sample.data, Format.JPEG, Limits()) is None, sample.name
    for options in ({}, {"progressive": True}):
        data = encoded("jpeg", 160, 120, **options)
        assert decoder.decode(data[: len(data) * 4 // 5] + b"\xff\xd9", Format.JPEG, Limits())
    data = encoded("jpeg", 160, 120)
    assert decoder.decode(data[:-2] + bytes(40) + data[-2:], Format.JPEG, Limits()) is None
    assert decoder.decode(data[:-2] + b"\x55" * 40 + data[-2:], Format.JPEG, Limits())
    assert decoder.decode(data[:-2] + bytes(100) + data[-2:], Format.JPEG, Limits())


def test_a_process_that_opens_no_more_files_can_still_read_warnings() -> None:
    script = """if True:
        import resource, sys
        from imgfetch.decode.pillow import PillowDecoder, load_plugins
        from imgfetch.model.image import Format
        from imgfetch.model.request import Limits

        load_plugins()
        data = sys.stdin.buffer.read()
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
        print(PillowDecoder().decode(data, Format.JPEG, Limits()))
    """
    data = lost_between_restarts(encoded("jpeg", 160, 120, restart_marker_rows=1), Random(1))
    run = subprocess.run([sys.executable, "-c", script], input=data, capture_output=True, check=True)
    assert b"corrupt" in run.stdout
