"""The third question: is it what we want?

Structure ─▶ admit ─▶ (decode) ─▶ Facts ─▶ judge ─▶ Verified │ Defect
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from imgfetch.model.image import Defect, Format, Verified, VerifyLevel
from imgfetch.model.result import ErrorKind
from imgfetch.rules.http.stored_headers import is_page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgfetch.model.image import Facts, Placeholder, Requirements, Structure
    from imgfetch.model.request import Head, Limits
    from imgfetch.model.values import Digest, StagingId


def check_content_type(head: Head, wanted: Requirements) -> Defect | None:
    """Why a body cannot be what is wanted, by the fields of its response alone."""
    if wanted.image or is_page(head):
        return None
    what = head.get("content-type") or "something without a Content-Type"
    return Defect(ErrorKind.NOT_PAGE, f"the answer is {what}, and a page was wanted")


def checks_of(form: Format, level: VerifyLevel) -> tuple[str, ...]:
    """What an image of that format has been checked for at that level, in the words of `Facts.verified`.

    Only of a WebP does a second decode tell more than the first.
    """
    if level is VerifyLevel.THOROUGH and form is Format.WEBP:
        return (*_PROOFS[VerifyLevel.FULL], "thorough")
    return _PROOFS[level]


def is_quick(length: int | None) -> bool:
    """Whether so many bytes are hashed and walked in less time than handing them to another thread takes."""
    return length is not None and length <= _FEW_BYTES


def check_size(structure: Structure, limits: Limits) -> Defect | None:
    """Why an image must not be decoded, or kept: too much of it, or what its structure lacks.

    Its size comes first: a bomb is a bomb however broken, and asking again will not make it smaller.
    """
    width, height, frames = structure.width, structure.height, structure.frames
    pixels = width * height
    if pixels > limits.max_pixels:
        return Defect(
            ErrorKind.TOO_MANY_PIXELS,
            f"{width} x {height} pixels, the limit is {limits.max_pixels:,}",
            "max_pixels",
        )
    if structure.most_pixels > limits.max_pixels:
        return Defect(
            ErrorKind.TOO_MANY_PIXELS,
            f"{structure.most_pixels:,} pixels in a part of it, the limit is {limits.max_pixels:,}",
            "max_pixels",
        )
    if frames > limits.max_frames:
        return Defect(
            ErrorKind.TOO_MANY_FRAMES, f"{frames:,} frames, the limit is {limits.max_frames:,}", "max_frames"
        )
    if frames > 1 and frames * max(pixels, structure.most_pixels) > limits.max_total_pixels:
        return Defect(
            ErrorKind.TOO_MANY_PIXELS,
            f"{frames:,} frames of {width} x {height} pixels, "
            f"the limit is {limits.max_total_pixels:,} in all",
            "max_total_pixels",
        )
    return structure.defect


def excusable(defect: Defect, level: VerifyLevel) -> Defect:
    """Return the defect with the `level` of checking that does not look for it, unless it is a limit."""
    return defect._replace(kept_at=level) if defect.kind in _OF_BYTES else defect


_OF_BYTES = frozenset((ErrorKind.CORRUPT, ErrorKind.TRUNCATED, ErrorKind.UNSUPPORTED_FORMAT))


def check(
    facts: Facts, scratch: StagingId, wanted: Requirements, *, tail: int = 0, notes: tuple[str, ...] = ()
) -> Verified | Defect:
    """Whether the bytes behind `scratch`, of which `facts` were seen, are what was wanted.

    `tail` is how many bytes follow the end of the image; they are kept, and warned of. `notes` are the
    warnings that the structure gave.
    """
    if wanted.sha256 and wanted.sha256 != facts.sha256:
        return Defect(
            ErrorKind.INTEGRITY, f"sha256 is {_short(facts.sha256)}, where {_short(wanted.sha256)} was wanted"
        )
    if wanted.sha256:
        facts = replace(facts, verified=(*facts.verified, "sha256"))
    warnings = []
    if wanted.width and wanted.width != facts.width:
        found = f"promised {wanted.width}, real {facts.width}"
        if wanted.strict_width:
            return Defect(ErrorKind.WIDTH_MISMATCH, found)
        warnings.append(f"width_mismatch: {found}")
    if tail:
        warnings.append(f"trailing_data: {tail:,} bytes follow the end of the image")
    return Verified(facts, scratch, (*warnings, *notes))


def apply_placeholder_policy(
    verified: Verified, wanted: Requirements, signs: Mapping[Placeholder, str]
) -> Verified | Defect:
    """What becomes of sound bytes that bear these signs of a stand-in: a warning of each, or a Defect."""
    if not signs:
        return verified
    found = tuple(f"{sign}: {why}" for sign, why in signs.items())
    if wanted.reject_fakes:
        return Defect(ErrorKind.PLACEHOLDER, found[0])
    return verified._replace(warnings=verified.warnings + found)


_PROOFS = {
    VerifyLevel.NONE: (),
    VerifyLevel.STRUCTURE: ("structure",),
    VerifyLevel.FULL: ("structure", "decode"),
    VerifyLevel.THOROUGH: ("structure", "decode"),
}

_FEW_BYTES = 256 * 1024


def _short(digest: Digest) -> str:
    return f"{digest[:12]}…"
