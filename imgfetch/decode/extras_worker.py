"""The process that decodes the formats of extras; as `sandbox_worker`, but that libde265 may have threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.decode import extras
from imgfetch.decode.sandbox_worker import serve
from imgfetch.model.image import Defect
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    from imgfetch.model.image import Format
    from imgfetch.model.request import Limits
    from imgfetch.model.values import Buffer
    from imgfetch.ports import Warn


def decode(data: Buffer, form: Format, limits: Limits, *, thorough: bool, warn: Warn) -> Defect | None:
    """Decode every frame; return what was wrong, or None."""
    del thorough, warn
    with memoryview(data) as view:
        try:
            return extras.decode_here(view, form, limits)
        except MemoryError:
            raise
        except Exception as error:  # each library has its own
            if "NEED_MORE_INPUT" in str(error):
                return Defect(ErrorKind.TRUNCATED, "its data end before the picture is complete")
            words = " ".join(str(error).split())[:200] or type(error).__name__
            return Defect(ErrorKind.CORRUPT, f"cannot be decoded: {words}")


if __name__ == "__main__":
    serve(decode, extras.load, has_threads=True)
