"""Verification of bytes that the caller has."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from imgfetch.decode.memory import OF_PROCESS
from imgfetch.decode.pillow import PillowDecoder
from imgfetch.engine.verification import verify_bytes
from imgfetch.errors import InputError, error_for, limit_hint
from imgfetch.model.image import Defect, Facts, Requirements
from imgfetch.model.request import Limits
from imgfetch.model.result import ErrorKind, Failure
from imgfetch.model.values import Digest

if TYPE_CHECKING:
    from imgfetch.model.values import Buffer


def check_image(data: Buffer, *, limits: Limits | None = None) -> Facts:
    """Return the facts of bytes that are one whole image: walk the structure, decode every frame.

    Raises `ContentError` where they are not, `PolicyError` where `limits` forbid to find out,
    `InputError` where they are not bytes. Waits while other decodes of this process use up the memory that
    `limits.decode_memory` allows. They are decoded in this process: for bytes from strangers
    `Client(sandbox=True)` is safer.
    """
    try:
        digest = hashlib.sha256(data).hexdigest()
    except TypeError as error:
        found = f"a {type(data).__name__}"
        raise InputError(ErrorKind.BAD_INPUT, "not bytes; those of an image were expected", found) from error
    proved = verify_bytes(
        data,
        Digest(digest),
        wanted=Requirements(),
        limits=limits or Limits(),
        decoder=PillowDecoder(),
        memory=OF_PROCESS.taken,
    )
    if isinstance(proved, Defect):
        raise error_for(
            Failure(proved.kind, proved.message, "", hint=limit_hint(proved.limit), limit=proved.limit)
        )
    return proved.facts
