"""Whether bytes are one whole image, from the length to the last frame: what `check_image` promises."""

from __future__ import annotations

import resource
import zlib

import pytest

from imgfetch import Facts, ImgfetchError, Limits, check_image
from imgfetch.decode.pillow import PillowDecoder
from imgfetch.engine.verification import conclude, decode, inspect
from imgfetch.model.image import Defect, Format, Requirements, Verified, VerifyLevel
from imgfetch.model.result import ErrorKind
from imgfetch.model.values import Digest, StagingId
from imgfetch.ports import never_stop
from pictures import encoded, samples

SMALL = {name: encoded(name, 24, 16) for name in ("jpeg", "png", "gif", "webp", "avif")}


def kind_of(data: bytes, **limits: int) -> ErrorKind:
    with pytest.raises(ImgfetchError) as caught:
        check_image(data, limits=Limits(**limits))
    assert str(caught.value).isprintable()
    return caught.value.kind


def whole(data: bytes) -> bool:
    try:
        check_image(data)
    except ImgfetchError:
        return False
    return True


def test_every_kind_of_valid_image_is_found_whole() -> None:
    count = 0
    for sample in samples():
        facts = check_image(sample.data)
        found = (facts.format, facts.width, facts.height, facts.frames)
        assert found == (sample.format, sample.width, sample.height, sample.frames), sample.name
        assert facts.verified == ("structure", "decode")
        count += 1
    assert count > 50


@pytest.mark.parametrize("name", SMALL)
def test_an_image_cut_anywhere_is_not_whole(name: str) -> None:
    data = SMALL[name]
    assert whole(data)
    assert [end for end in range(len(data)) if whole(data[:end])] == []


@pytest.mark.parametrize("name", SMALL)
def test_an_image_cut_and_another_one_appended_is_not_whole(name: str) -> None:
    data = SMALL[name]
    for end in range(len(data) // 4, len(data), len(data) // 7):
        assert not whole(data[:end] + data), end


@pytest.mark.parametrize(
    ("body", "reason", "word"),
    [
        (b"", ErrorKind.EMPTY, ""),
        (b"<!DOCTYPE html><title>404</title>", ErrorKind.NOT_IMAGE, "HTML"),
        (b"  <html><body>", ErrorKind.NOT_IMAGE, "HTML"),
        (b'{"error": "gone"}', ErrorKind.NOT_IMAGE, "JSON"),
        (b"%PDF-1.7\n", ErrorKind.NOT_IMAGE, "PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", ErrorKind.UNSUPPORTED_FORMAT, ""),
        (b"\0" * 4000, ErrorKind.CORRUPT, "zero"),
        (b"\x89PNG\r\n\x1a\n" + b"\0\0\0\x0dJUNK" + b"." * 99, ErrorKind.CORRUPT, "JUNK"),
    ],
)
def test_what_is_no_image_is_called_what_it_is(body: bytes, reason: ErrorKind, word: str) -> None:
    with pytest.raises(ImgfetchError) as caught:
        check_image(body)
    assert caught.value.kind is reason
    assert word in caught.value.message


def test_a_bomb_is_refused_by_its_header_before_a_pixel_is_decoded() -> None:
    bomb = bytearray(SMALL["png"])
    bomb[16:24] = (65535).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert kind_of(bytes(bomb)) is ErrorKind.TOO_MANY_PIXELS
    assert kind_of(SMALL["webp"], max_pixels=24 * 16 - 1) is ErrorKind.TOO_MANY_PIXELS
    assert kind_of(SMALL["png"], decode_memory=1_000_000) is ErrorKind.TOO_MANY_PIXELS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KB


def proof(data: bytes, length: int | None = None, **options: object) -> Verified | Defect:
    wanted, limits = Requirements(**options), Limits()  # type: ignore[arg-type]
    inspected = inspect(data, Digest("a" * 64), length=length, wanted=wanted, limits=limits)
    if isinstance(inspected, Defect):
        return inspected
    decoded = decode(data, inspected, wanted, limits, PillowDecoder(), never_stop) if inspected.load else ()
    if isinstance(decoded, Defect):
        return decoded
    return conclude(inspected, decoded, StagingId("1"), wanted)


def facts(proved: Verified | Defect) -> Facts:
    assert isinstance(proved, Verified), proved
    return proved.facts


def test_a_length_that_was_promised_is_held_to() -> None:
    data = SMALL["webp"]
    assert facts(proof(data, len(data))).verified == ("length", "structure", "decode")
    short, long = proof(data, len(data) + 5), proof(data, len(data) - 5)
    assert isinstance(short, Defect)
    assert isinstance(long, Defect)
    assert (short.kind, long.kind) == (ErrorKind.INCOMPLETE, ErrorKind.CORRUPT)


def test_a_warning_of_the_decoder_is_kept() -> None:
    data = SMALL["jpeg"]
    proved = proof(data[:-2] + bytes(40) + data[-2:])
    assert isinstance(proved, Verified)
    (warning,) = proved.warnings
    assert warning.startswith("padding: ")


def test_each_level_says_how_far_it_went() -> None:
    assert facts(proof(SMALL["png"], level=VerifyLevel.NONE)).verified == ()
    assert facts(proof(SMALL["png"], level=VerifyLevel.STRUCTURE)).verified == ("structure",)
    assert facts(proof(SMALL["png"][:-5], level=VerifyLevel.NONE)).format is Format.PNG
    assert isinstance(proof(SMALL["png"][:-5], level=VerifyLevel.STRUCTURE), Defect)
    assert facts(proof(SMALL["png"], level=VerifyLevel.THOROUGH)).verified == ("structure", "decode")
    assert facts(proof(SMALL["webp"], level=VerifyLevel.THOROUGH)).verified == (
        "structure",
        "decode",
        "thorough",
    )
    assert isinstance(proof(b"<html>", level=VerifyLevel.NONE), Defect)


def test_a_thorough_look_finds_the_bit_that_a_decode_does_not() -> None:
    data = bytearray(encoded("webp", 240, 160))
    data[len(data) // 2] ^= 4
    assert isinstance(proof(bytes(data), level=VerifyLevel.FULL), Verified)
    found = proof(bytes(data), level=VerifyLevel.THOROUGH)
    assert isinstance(found, Defect)
    assert found.kind is ErrorKind.CORRUPT


def test_the_callers_digest_and_width_are_held_against_the_file() -> None:
    data = SMALL["gif"]
    assert facts(proof(data, sha256=Digest("a" * 64))).verified[-1] == "sha256"
    wrong = proof(data, sha256=Digest("b" * 64))
    assert isinstance(wrong, Defect)
    assert wrong.kind is ErrorKind.INTEGRITY
    narrow = proof(data, width=640)
    assert isinstance(narrow, Verified)
    assert narrow.warnings == ("width_mismatch: promised 640, real 24",)
    strict = proof(data, width=640, strict_width=True)
    assert isinstance(strict, Defect)
    assert strict.kind is ErrorKind.WIDTH_MISMATCH
