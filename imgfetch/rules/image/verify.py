"""Decide whether bytes are the wanted image.

Structure ─▶ check_size ─▶ (decode) ─▶ Facts ─▶ check ─▶ apply_placeholder_policy ─▶ Verified │ Defect
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.model.image import Defect, Format, Verified, VerifyLevel
from imgfetch.model.result import ErrorKind
from imgfetch.rules.http.stored_headers import may_be_document
from imgfetch.rules.image.sizes import check_size_asked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgfetch.model.image import Facts, Placeholder, Requirements, Structure
    from imgfetch.model.request import Head, Limits
    from imgfetch.model.values import Digest, StagingId


def check_content_type(head: Head, wanted: Requirements) -> Defect | None:
    """Return a Defect if the fields of a response say that the body is not the wanted document."""
    if wanted.image or may_be_document(head):
        return None
    found = head.fields.get("content-type") or "a body without Content-Type"
    return Defect(ErrorKind.NOT_PAGE, f"the response is {found}, expected a page")


def check_format(form: Format, wanted: Requirements) -> Defect | None:
    """Return a Defect if bytes are an image of another format than those that are accepted."""
    if not wanted.formats or form in wanted.formats:
        return None
    names = ", ".join(wanted.formats)
    return Defect(ErrorKind.FORMAT_MISMATCH, f"the body is {form}, and {names} was wanted")


def checks_of(form: Format, level: VerifyLevel) -> tuple[str, ...]:
    """Return the checks of that level for an image of that format, in the words of `Facts.verified`.

    `thorough` decodes a second time. Only a WebP gains by it. An SVG is not decoded.
    """
    if form is Format.SVG:
        return _CHECKS[VerifyLevel.NONE if level is VerifyLevel.NONE else VerifyLevel.STRUCTURE]
    if level is VerifyLevel.THOROUGH and form is Format.WEBP:
        return (*_CHECKS[VerifyLevel.FULL], "thorough")
    return _CHECKS[level]


def is_quick(length: int | None) -> bool:
    """Return True if hashing and walking so many bytes takes less time than a switch to another thread."""
    return length is not None and length <= _FEW_BYTES


def check_size(structure: Structure, limits: Limits) -> Defect | None:
    """Return a Defect if an image must not be decoded or stored: too large, or damaged in its structure.

    The size comes first: a damaged bomb is a bomb, and a retry would not make it smaller.
    """
    width, height, frames = structure.width, structure.height, structure.frames
    if structure.format is Format.SVG:  # it has no pixels
        return structure.defect
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
    """Return the defect with the `level` of verification that accepts it, unless it is a limit."""
    return defect._replace(kept_at=level) if defect.kind in _DAMAGE else defect


_DAMAGE = frozenset((ErrorKind.CORRUPT, ErrorKind.TRUNCATED, ErrorKind.UNSUPPORTED_FORMAT))


def check(
    facts: Facts, scratch: StagingId, wanted: Requirements, *, tail: int = 0, notes: tuple[str, ...] = ()
) -> Verified | Defect:
    """Decide whether the bytes in the staging file `scratch`, with these `facts`, are the wanted image.

    `tail` bytes follow the end of the image: they are stored, with a warning. `notes` are the warnings of the
    structure check.
    """
    other = check_format(facts.format, wanted)
    if other is not None:
        return other
    if wanted.sha256 and wanted.sha256 != facts.sha256:
        return Defect(
            ErrorKind.INTEGRITY, f"sha256 is {_short(facts.sha256)}, expected {_short(wanted.sha256)}"
        )
    if wanted.sha256:
        facts = facts._replace(verified=(*facts.verified, "sha256"))
    warnings = []
    if wanted.width and wanted.width != facts.width and facts.format is not Format.SVG:
        found = f"promised {wanted.width}, real {facts.width}"
        if wanted.strict_width:
            return Defect(ErrorKind.WIDTH_MISMATCH, found)
        warnings.append(f"width_mismatch: {found}")
    wrong_size = check_size_asked(facts, wanted.at_least)
    if wrong_size is not None:
        return wrong_size
    if tail:
        warnings.append(f"trailing_data: {tail:,} bytes follow the end of the image")
    return Verified(facts, scratch, (*warnings, *notes))


def apply_placeholder_policy(
    verified: Verified, wanted: Requirements, signs: Mapping[Placeholder, str]
) -> Verified | Defect:
    """Add a warning for each sign of a placeholder, or return a Defect if the caller rejects them."""
    if not signs:
        return verified
    warnings = tuple(f"{sign}: {why}" for sign, why in signs.items())
    if wanted.reject_fakes or wanted.stand_in:
        return Defect(ErrorKind.PLACEHOLDER, warnings[0])
    return verified._replace(warnings=verified.warnings + warnings)


_CHECKS = {
    VerifyLevel.NONE: (),
    VerifyLevel.STRUCTURE: ("structure",),
    VerifyLevel.FULL: ("structure", "decode"),
    VerifyLevel.THOROUGH: ("structure", "decode"),
}

_FEW_BYTES = 256 * 1024
"""Bytes that are verified in the calling thread at most."""


def _short(digest: Digest) -> str:
    return f"{digest[:12]}…"
