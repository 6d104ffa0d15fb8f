"""Copies of stored images in a folder, for people and for other programs."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from filecmp import cmp
from pathlib import Path
from typing import TYPE_CHECKING

from imgfetch.errors import CacheError
from imgfetch.model.result import ErrorKind
from imgfetch.system.atomic_files import create_temporary, make_folders

if TYPE_CHECKING:
    from typing import BinaryIO


def copy_to(path: Path, directory: str | Path, name: str, *, link: bool = False) -> Path:
    """Copy the file at `path` to `directory` under `name`; a file of that name is replaced at once.

    A copy is a file of its own: an edit of it does not change the object in the cache. Where the file system
    can, both share their blocks until one is changed (`copy_file_range`, ioctl_ficlone(2)). Other users may
    read a copy if the umask allows it, and never write it.

    With `link` it is a hard link, and a copy only on another file system. Both names are one file then: it is
    made read-only, since an edit in place would damage the object. Raises `CacheError`.
    """
    target = Path(directory) / name
    partial = None
    try:
        make_folders(directory)
        partial = _linked(path, f"{directory}/.{name}") if link else None
        if partial is None:
            partial, descriptor = create_temporary(f"{directory}/.{name}", 0o644)
            with path.open("rb") as original, open(descriptor, "wb") as copy:
                _copy(original, copy)
        os.replace(partial, target)
    except OSError as error:
        raise CacheError(
            ErrorKind.IO, f"cannot be written: {error.strerror or error}", str(target)
        ) from error
    finally:
        if partial is not None:
            with suppress(OSError):  # it was renamed
                os.unlink(partial)
    return target


def has_bytes_of(path: Path, target: Path) -> bool:
    """Return whether `target` is a regular file with the bytes of `path`. Raises `OSError`."""
    try:
        return not target.is_symlink() and target.is_file() and cmp(path, target, shallow=False)
    except FileNotFoundError:
        return False


def is_placed(path: Path, target: Path, *, link: bool = False) -> bool:
    """Return whether `target` is what `copy_to` would make of `path`. Raises `OSError`."""
    if target.is_symlink() or not target.exists():
        return False
    if link and path.stat().st_dev == target.stat().st_dev:
        return target.samefile(path)
    return not target.samefile(path) and has_bytes_of(path, target)


def _linked(path: Path, stem: str) -> str | None:
    """Make a hard link under a temporary name, and return that; None where the file system cannot."""
    partial = f"{stem}.{os.urandom(16).hex()}.part"
    try:
        os.link(path, partial)
    except OSError as error:
        if error.errno in _CANNOT_LINK:
            return None
        raise
    os.chmod(partial, path.stat().st_mode & 0o444)
    return partial


_CANNOT_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP})
"""Another file system, one without hard links, or too many of them (link(2))."""


def _copy(original: BinaryIO, copy: BinaryIO) -> None:
    """Copy a file, in the kernel if it can."""
    size = os.fstat(original.fileno()).st_size
    copied = 0
    with suppress(OSError, AttributeError):  # AttributeError: macOS has no such call
        while copied < size and (done := os.copy_file_range(original.fileno(), copy.fileno(), size - copied)):
            copied += done
    if copied < size:
        original.seek(copied)
        copy.seek(copied)
        shutil.copyfileobj(original, copy, _PIECE)


_PIECE = 1 << 20
"""Bytes that are copied at a time."""
