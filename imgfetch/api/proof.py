"""Proof of bytes that the caller holds already."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from imgfetch.adapters.pillow import PillowDecoder
from imgfetch.engine.proof import prove
from imgfetch.errors import error_for
from imgfetch.model import Defect, Digest, Facts, Failed, Limits, Scratch, Wanted

if TYPE_CHECKING:
    from imgfetch.model import Buffer


def check_image(data: Buffer, *, limits: Limits | None = None) -> Facts:
    """What some bytes are, if they are one whole image: structure walked, every frame decoded.

    Raises `ContentError` where they are not, `PolicyError` where `limits` forbid to find out.
    """
    proved = prove(
        data,
        Digest(hashlib.sha256(data).hexdigest()),
        Scratch(""),
        length=None,
        wanted=Wanted(),
        limits=limits or Limits(),
        decoder=PillowDecoder(),
    )
    if isinstance(proved, Defect):
        raise error_for(Failed(proved.reason, proved.message, ""))
    return proved.facts
