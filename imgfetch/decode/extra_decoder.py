"""Decode the formats of extras in processes of their own.

    decode ─▶ is the library installed? ─no─▶ Defect that names the extra
                  └─yes─▶ a process with limits ─▶ every frame ─▶ None │ Defect

The memory that their libraries need is not known from the header: a frame may be larger than the picture. So
they run within the limits of `sandbox`, with or without `--sandbox`.
"""

from __future__ import annotations

import atexit
from threading import Lock
from typing import TYPE_CHECKING

from imgfetch.decode.extras import ENDING, is_installed, missing
from imgfetch.decode.sandbox import SandboxedDecoder
from imgfetch.ports import ignore_warning, never_stop

if TYPE_CHECKING:
    from imgfetch.model.image import Defect, Format
    from imgfetch.model.request import Limits
    from imgfetch.model.values import Buffer
    from imgfetch.ports import Checkpoint, Warn


def decode_extra(
    data: Buffer,
    form: Format,
    limits: Limits,
    checkpoint: Checkpoint = never_stop,
    warn: Warn = ignore_warning,
) -> Defect | None:
    """Decode every frame in a process of its own; return the first defect, or None. Raise `CacheError`."""
    if not is_installed(form):
        return missing(form)
    return _decoder(limits).decode(data, form, limits, checkpoint=checkpoint, warn=warn)


def sandboxed(limits: Limits) -> SandboxedDecoder:
    """Return a decoder in worker processes that decodes every format, those of extras in others."""
    return SandboxedDecoder(limits, elsewhere=decode_extra)


_lock = Lock()
_decoders: dict[Limits, SandboxedDecoder] = {}


def _decoder(limits: Limits) -> SandboxedDecoder:
    """Return the processes for these limits, which end with this one."""
    with _lock:
        if limits not in _decoders:
            _decoders[limits] = SandboxedDecoder(limits, worker="imgfetch.decode.extras_worker")
            ENDING.append(_decoders[limits].end_idle)
            atexit.register(_decoders[limits].end_idle)
        return _decoders[limits]
