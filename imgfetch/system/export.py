"""Copies of stored images in a folder, for people and for other programs."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from imgfetch.errors import CacheError
from imgfetch.model.result import ErrorKind
from imgfetch.system.atomic_files import create_temporary, make_folders


def copy_to(path: Path, directory: str | Path, name: str) -> Path:
    """Copy the file at `path` to `directory` under `name`; a file of that name is replaced at once.

    A copy, never a link: an edit of the copy must not change the object in the cache. Other users may read it
    if the umask allows it, and never write it. Raises `CacheError`.
    """
    target = Path(directory) / name
    partial = None
    try:
        make_folders(directory)
        partial, descriptor = create_temporary(f"{directory}/.{name}", 0o644)
        with path.open("rb") as original, open(descriptor, "wb") as copy:
            shutil.copyfileobj(original, copy, _PIECE)
        Path(partial).replace(target)
    except OSError as error:
        raise CacheError(
            ErrorKind.IO, f"cannot be written: {error.strerror or error}", str(target)
        ) from error
    finally:
        if partial is not None:
            with suppress(OSError):  # it was renamed
                Path(partial).unlink()
    return target


_PIECE = 1 << 20
"""Bytes that are copied at a time."""
