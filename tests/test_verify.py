"""The third question, and how much of what can befall a file is seen: `damage.py` has the kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from damage import FORMS, matrix, table
from imgfetch.model.image import Defect, Facts, Format, Requirements, Structure, Verified
from imgfetch.model.request import Limits
from imgfetch.model.result import ErrorKind
from imgfetch.model.values import Digest, StagingId
from imgfetch.rules.image.verify import check, check_size

if TYPE_CHECKING:
    from imgfetch.model.values import LimitName

DIGEST, OTHER = Digest("ab" * 32), Digest("cd" * 32)
FACTS = Facts(Format.WEBP, 320, 200, 1, 5_000, DIGEST, ("structure", "decode"))
FLAW = Defect(ErrorKind.TRUNCATED, "ends after 9 bytes")


def admits(
    width: int, height: int, frames: int = 1, flaw: Defect | None = None, **limits: int
) -> Defect | None:
    return check_size(Structure(Format.PNG, width, height, frames, flaw), Limits(**limits))


def test_accepts_an_image_within_the_limits() -> None:
    assert admits(5_000, 10_000) is None
    assert admits(1_000, 1_000, 300) is None
    assert admits(1_000, 1_000, max_pixels=10**7, max_total_pixels=1) is None
    assert admits(7, 9, 5, max_pixels=63, max_frames=5) is None


@pytest.mark.parametrize(
    ("size", "limit", "message"),
    [
        ((65535, 65535, 1), "max_pixels", "65535 x 65535 pixels, the limit is 50,000,000"),
        ((10_000, 5_001, 1), "max_pixels", "10000 x 5001 pixels, the limit is 50,000,000"),
        ((10, 10, 10_000), "max_frames", "10,000 frames, the limit is 1,000"),
        (
            (5_000, 5_000, 13),
            "max_total_pixels",
            "13 frames of 5000 x 5000 pixels, the limit is 300,000,000 in all",
        ),
    ],
)
def test_rejects_an_image_beyond_the_limits_by_its_header(
    size: tuple[int, int, int], limit: LimitName, message: str
) -> None:
    width, height, frames = size
    kind = ErrorKind.TOO_MANY_FRAMES if limit == "max_frames" else ErrorKind.TOO_MANY_PIXELS
    assert admits(width, height, frames) == Defect(kind, message, limit)
    assert admits(width, height, frames, flaw=FLAW) == Defect(kind, message, limit)


def test_returns_the_defect_of_the_structure() -> None:
    assert admits(10, 10, flaw=FLAW) == FLAW


def test_verifies_the_wanted_image() -> None:
    assert check(FACTS, StagingId("1"), Requirements()) == Verified(FACTS, StagingId("1"))
    proved = check(FACTS, StagingId("1"), Requirements(sha256=DIGEST, width=320))
    assert isinstance(proved, Verified)
    assert proved.facts.verified == ("structure", "decode", "sha256")
    assert proved.warnings == ()


def test_rejects_another_digest() -> None:
    defect = check(FACTS, StagingId("1"), Requirements(sha256=OTHER))
    assert defect == Defect(ErrorKind.INTEGRITY, "sha256 is abababababab…, expected cdcdcdcdcdcd…")


def test_another_width_is_a_warning_or_an_error() -> None:
    proved = check(FACTS, StagingId("1"), Requirements(width=640))
    assert isinstance(proved, Verified)
    assert proved.warnings == ("width_mismatch: promised 640, real 320",)
    strict = check(FACTS, StagingId("1"), Requirements(width=640, strict_width=True))
    assert strict == Defect(ErrorKind.WIDTH_MISMATCH, "promised 640, real 320")


def test_a_note_of_the_structure_is_a_warning() -> None:
    proved = check(FACTS, StagingId("1"), Requirements(), notes=("bad_checksum: the CRC does not match",))
    assert isinstance(proved, Verified)
    assert proved.warnings == ("bad_checksum: the CRC does not match",)


def test_a_part_larger_than_the_image_counts_against_the_limit() -> None:
    structure = Structure(Format.GIF, 10, 10, 2, most_pixels=600)
    assert check_size(structure, Limits(max_pixels=600)) is None
    defect = check_size(structure, Limits(max_pixels=599))
    assert defect == Defect(
        ErrorKind.TOO_MANY_PIXELS, "600 pixels in a part of it, the limit is 599", "max_pixels"
    )


def test_bytes_after_the_end_are_a_warning() -> None:
    proved = check(FACTS, StagingId("1"), Requirements(), tail=1234)
    assert isinstance(proved, Verified)
    assert proved.warnings == ("trailing_data: 1,234 bytes follow the end of the image",)


@given(
    st.integers(0, 70_000),
    st.integers(0, 70_000),
    st.integers(0, 2_000),
    st.integers(1, 10**8),
    st.integers(1, 10**10),
    st.integers(1, 1_000),
)
def test_never_accepts_an_image_beyond_the_limits(
    width: int, height: int, frames: int, max_pixels: int, max_total_pixels: int, max_frames: int
) -> None:
    limits = Limits(max_pixels=max_pixels, max_total_pixels=max_total_pixels, max_frames=max_frames)
    if check_size(Structure(Format.PNG, width, height, frames), limits) is None:
        assert width * height <= max_pixels
        assert frames <= max_frames
        assert frames <= 1 or frames * width * height <= max_total_pixels


# ---------------------------------------------------------------------------------------------------
# What is seen, of 6 files a kind; every one of them must be where nothing else is said

FILES = 6
SEEN_IN_PART = {
    # the codes after the damage may fit together again, and then as many bytes are read as there are
    ("small_hole", "jpeg"): 3,
    ("small_hole", "jpeg restarts"): 5,
    ("bytes_lost", "jpeg"): 0,
    ("bytes_lost", "jpeg restarts"): 0,
    ("bytes_lost", "jpeg progressive"): 4,
    ("bytes_added", "jpeg"): 3,
    ("bytes_added", "jpeg restarts"): 2,
    ("bytes_added", "jpeg progressive restarts"): 4,
    ("line_ends_changed", "jpeg progressive"): 3,
    ("splice", "jpeg"): 3,
    ("splice", "jpeg restarts"): 4,
    ("halves", "jpeg restarts"): 3,
    # AV1 decodes whatever it is given, and only a hole of half a KiB is proof
    ("small_hole", "avif"): 0,
    ("small_hole", "avif animation"): 0,
    ("hole_in_last_frame", "avif animation"): 0,
    ("cut_and_closed", "avif"): 0,
    # one bit in a field that says nothing, or in a code that stands for another of its length
    ("bit_in_header", "webp"): 4,
    ("bit_in_header", "jpeg"): 0,
    ("bit_in_header", "jpeg restarts"): 0,
    ("bit_in_header", "jpeg progressive"): 0,
    ("bit_in_header", "jpeg progressive restarts"): 0,
    ("bit_in_header", "gif animation"): 0,
    ("bit_in_header", "avif animation"): 0,
    ("bit_in_header", "gif"): 0,
    ("bit_in_header", "avif"): 0,
    ("bit_in_data", "webp"): 0,
    ("bit_in_data", "webp lossless"): 0,
    ("bit_in_data", "jpeg"): 0,
    ("bit_in_data", "jpeg restarts"): 0,
    ("bit_in_data", "jpeg progressive"): 0,
    ("bit_in_data", "jpeg progressive restarts"): 3,
    ("bit_in_data", "webp animation"): 0,
    ("bit_in_data", "gif animation"): 0,
    ("bit_in_data", "avif animation"): 0,
    ("bit_in_data", "gif"): 0,
    ("bit_in_data", "avif"): 0,
}


@pytest.mark.parametrize("form", FORMS)
def test_finds_the_usual_damage_of_files(form: str) -> None:
    counts = matrix([form], FILES)
    for (damage, _), seen in counts.items():
        assert seen.structure <= seen.full <= seen.thorough, table(counts)
        assert seen.full >= SEEN_IN_PART.get((damage, form), FILES), table(counts)


def test_a_thorough_decode_finds_most_changed_bits_of_lossy_webp() -> None:
    seen = matrix(["webp"], FILES)["bit_in_data", "webp"]
    assert seen.thorough >= FILES - 1


def test_finds_every_changed_bit_of_a_png() -> None:
    seen = matrix(["png"], FILES)
    assert seen["bit_in_data", "png"].structure == seen["bit_in_header", "png"].structure == FILES
