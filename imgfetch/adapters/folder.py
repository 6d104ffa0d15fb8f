"""A folder of copies, for people and for other programs."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from imgfetch.errors import CacheError
from imgfetch.model import Reason


def place(path: Path, directory: str | Path, name: str) -> Path:
    """Copy the file at `path` to `directory` under `name`; what is there of that name is replaced at once.

    A copy, never a link: who edits it must not change what the cache has verified. Raises `CacheError`.
    """
    target = Path(directory) / name
    partial = target.with_name(f".{name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, partial)
        partial.replace(target)
    except OSError as error:
        raise CacheError(Reason.IO, f"cannot be written: {error.strerror or error}", str(target)) from error
    finally:
        with suppress(OSError):  # it was renamed, or never made
            partial.unlink()
    return target
