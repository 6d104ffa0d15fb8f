"""Proves that some bytes are one whole image of the kind that was wanted.

bytes ─▶ length ─▶ walk ─▶ admit ─▶ weigh ─▶ decode ─▶ judge ─▶ Verified │ Defect
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.formats import walk
from imgfetch.model import Defect, Facts, Level, Reason, Verified
from imgfetch.rules import digests, verify

if TYPE_CHECKING:
    from imgfetch.model import Buffer, Digest, Limits, Scratch, Wanted
    from imgfetch.ports import Decoder
    from imgfetch.rules.digests import Claim


def prove(
    data: Buffer,
    digest: Digest,
    scratch: Scratch,
    *,
    length: int | None,
    wanted: Wanted,
    limits: Limits,
    decoder: Decoder,
    claims: tuple[Claim, ...] = (),
) -> Verified | Defect:
    """Check `data` as far as `wanted.level` asks; blocks while it decodes.

    `length` is what the origin promised, in bytes of `data`, or None, and `claims` are the digests that it
    offered. At level NONE a body of any known
    format passes, whole or not: an object needs a format for its name.
    """
    checks = []
    notes: list[str] = []
    if length is not None:
        if length != len(data):
            return _other_length(len(data), length)
        checks.append("length")
    structure = walk(data)
    if structure.format is None:
        return structure.defect or Defect(Reason.NOT_IMAGE, "the body is no image")
    if wanted.level is not Level.NONE:
        defect = verify.admit(structure, limits)
        if defect is not None:
            return verify.excusable(defect, Level.NONE)
    weighed = digests.weigh(claims, data, digest)
    if isinstance(weighed, Defect):
        return weighed
    if wanted.level.decodes:
        thorough = wanted.level is Level.THOROUGH
        defect = decoder.decode(data, structure.format, limits, thorough=thorough, warn=notes.append)
        if defect is not None:
            return verify.excusable(defect, Level.STRUCTURE)
    checks += verify.proofs(structure.format, wanted.level)
    checks += weighed
    facts = Facts(
        format=structure.format,
        width=structure.width,
        height=structure.height,
        frames=structure.frames,
        bytes=len(data),
        sha256=digest,
        verified=tuple(checks),
    )
    return verify.judge(facts, scratch, wanted, tail=structure.tail, notes=(*structure.notes, *notes))


def _other_length(real: int, promised: int) -> Defect:
    if real < promised:
        return Defect(Reason.INCOMPLETE, f"got {real:,} of {promised:,} bytes")
    return Defect(Reason.CORRUPT, f"got {real:,} bytes, {promised:,} were promised")
