"""Verification: bytes are one whole image of the kind that was wanted.

    inspect: bytes ─▶ length ─▶ walk ─▶ admit ─▶ weigh ─▶ Inspected │ Defect
    decode:  Inspected ─▶ every frame, elsewhere, within time and memory ─▶ None │ Defect
    conclude: Inspected ─▶ judge ─▶ Verified │ Defect

`verify_bytes` does all three in this thread. `Verifier` does them for a staged body, the second elsewhere.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.formats import walk
from imgfetch.formats.footprint import decode_load
from imgfetch.model.image import Defect, Facts, Format, VerifyLevel
from imgfetch.model.result import ErrorKind
from imgfetch.model.values import StagingId
from imgfetch.ports import never_stop
from imgfetch.rules.http import digests
from imgfetch.rules.image import decode_budget, verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from imgfetch.engine.limits.time_budget import TimeBudget
    from imgfetch.model.image import DecodeLoad, Requirements, Structure, Verified
    from imgfetch.model.request import Limits
    from imgfetch.model.values import Buffer, Digest
    from imgfetch.ports import Checkpoint, Decoder, DecodeRunner, Staging
    from imgfetch.rules.http.digests import Claim


class Inspected(NamedTuple):
    """The findings about some bytes before they are decoded."""

    structure: Structure
    facts: Facts
    load: DecodeLoad | None
    """The load of the decode that is wanted; None where none is."""


def verify_bytes(
    data: Buffer,
    digest: Digest,
    *,
    wanted: Requirements,
    limits: Limits,
    decoder: Decoder,
    memory: Callable[[DecodeLoad, int], AbstractContextManager[None]],
    checkpoint: Checkpoint = never_stop,
) -> Verified | Defect:
    """Check bytes in memory as far as `wanted.level` asks; blocks while it decodes.

    `memory` reserves the memory of a decode from the budget for a block.
    """
    inspected = inspect(data, digest, length=None, wanted=wanted, limits=limits, lack=decoder.lack)
    if isinstance(inspected, Defect):
        return inspected
    decoded: Defect | tuple[str, ...] = ()
    if inspected.load is not None:
        with memory(inspected.load, limits.decode_memory):
            decoded = decode(data, inspected, wanted, limits, decoder, checkpoint)
    if isinstance(decoded, Defect):
        return decoded
    return conclude(inspected, decoded, StagingId(""), wanted)


class Verifier:
    """Verifies staged bodies, each within the memory for decodes and within a time budget."""

    def __init__(self, staging: Staging, decoder: Decoder, runner: DecodeRunner, limits: Limits) -> None:
        self._staging = staging
        self._decoder = decoder
        self._runner = runner
        self._limits = limits

    async def verify(
        self,
        staging_id: StagingId,
        wanted: Requirements,
        budget: TimeBudget,
        *,
        length: int | None,
        claims: tuple[Claim, ...] = (),
    ) -> Verified | Defect:
        """Check a body as far as `wanted.level` asks; the decode alone may outlive a cancelled caller.

        `length` and `claims` as in `inspect`. Raises `CacheError`, and `NetworkError` (`timeout`).
        """
        with ExitStack() as stack:
            look = partial(self._inspect, stack, staging_id, wanted, length, claims)
            data, inspected = look() if verify.is_quick(length) else await self._runner.run(look)
            if isinstance(inspected, Defect):
                return inspected
            decoded: Defect | tuple[str, ...] = ()
            if inspected.load is not None:
                work = partial(decode, data, inspected, wanted, self._limits, self._decoder)
                decoded = await self._runner.decode(work, inspected.load, budget.decode)
        if isinstance(decoded, Defect):
            return decoded
        return conclude(inspected, decoded, staging_id, wanted)

    def _inspect(
        self,
        stack: ExitStack,
        staging_id: StagingId,
        wanted: Requirements,
        length: int | None,
        claims: tuple[Claim, ...],
    ) -> tuple[Buffer, Inspected | Defect]:
        data, digest = stack.enter_context(self._staging.read(staging_id))
        limits = self._limits
        return data, inspect(
            data,
            digest,
            length=length,
            wanted=wanted,
            limits=limits,
            claims=claims,
            lack=self._decoder.lack,
        )


def inspect(
    data: Buffer,
    digest: Digest,
    *,
    length: int | None,
    wanted: Requirements,
    limits: Limits,
    claims: tuple[Claim, ...] = (),
    lack: Callable[[Format], Defect | None] = lambda _: None,
) -> Inspected | Defect:
    """Check all of `data` that can be checked without decoding it.

    `length` is what the origin promised, in bytes of `data`, or None; `claims` are the digests that it sent.
    `lack` is that of the decoder. At level NONE a body of any known format passes, whole or not: an object
    needs a format for its name.
    """
    if length is not None and length != len(data):
        return _other_length(len(data), length)
    structure = walk(data)
    if structure.format is None:
        return structure.defect or Defect(ErrorKind.NOT_IMAGE, "the body is not an image")
    if structure.format is Format.SVG and not wanted.svg:
        return Defect(ErrorKind.NOT_IMAGE, "the body is a page that begins with an svg element")
    other = verify.check_format(structure.format, wanted)
    if other is not None:
        return other
    lacking = lack(structure.format) if wanted.level.decodes else None
    if lacking is not None:
        return verify.excusable(lacking, VerifyLevel.STRUCTURE)
    if wanted.level is not VerifyLevel.NONE:
        defect = verify.check_size(structure, limits)
        if defect is not None:
            return verify.excusable(defect, VerifyLevel.NONE)
    weighed = digests.check(claims, data, digest)
    if isinstance(weighed, Defect):
        return weighed
    checks = verify.checks_of(structure.format, wanted.level)
    load = decode_load(data, structure) if "decode" in checks else None
    refused = load and decode_budget.refusal(load, structure, limits)
    if refused:
        return refused
    if length is not None:
        checks = ("length", *checks)
    facts = Facts(
        format=structure.format,
        width=structure.width,
        height=structure.height,
        frames=structure.frames,
        bytes=len(data),
        sha256=digest,
        verified=(*checks, *weighed),
    )
    return Inspected(structure, facts, load)


def decode(
    data: Buffer,
    inspected: Inspected,
    wanted: Requirements,
    limits: Limits,
    decoder: Decoder,
    checkpoint: Checkpoint,
) -> Defect | tuple[str, ...]:
    """Decode every frame; return what is wrong, or the warnings. Touches nothing but the bytes."""
    notes: list[str] = []
    defect = decoder.decode(
        data,
        inspected.facts.format,
        limits,
        thorough=wanted.level is VerifyLevel.THOROUGH,
        checkpoint=checkpoint,
        warn=notes.append,
    )
    return tuple(notes) if defect is None else verify.excusable(defect, VerifyLevel.STRUCTURE)


def conclude(
    inspected: Inspected, notes: tuple[str, ...], staging_id: StagingId, wanted: Requirements
) -> Verified | Defect:
    """Judge bytes that were inspected and, where that is wanted, decoded with these warnings."""
    structure = inspected.structure
    all_notes = (*structure.notes, *notes)
    return verify.check(inspected.facts, staging_id, wanted, tail=structure.tail, notes=all_notes)


def _other_length(real: int, promised: int) -> Defect:
    if real < promised:
        return Defect(ErrorKind.INCOMPLETE, f"got {real:,} of {promised:,} bytes")
    return Defect(ErrorKind.CORRUPT, f"got {real:,} bytes, {promised:,} were promised")
