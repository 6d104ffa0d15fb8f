"""Errors of the file system, as the errors of a cache that they mean."""

from __future__ import annotations

import errno

from imgfetch.errors import CacheError
from imgfetch.model.result import ErrorKind


class TranslateErrors:
    """A `with` that turns an `OSError` into the `CacheError` that it means."""

    def __init__(self, root: str) -> None:
        self._root = root

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            raise self.translated(error) from error

    def translated(self, error: OSError, needed: int | None = None) -> CacheError:
        """Return what an error means; `needed`: bytes that were to be written."""
        path, message = error.filename or self._root, error.strerror
        match error.errno:
            case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
                wanted = "" if needed is None else f": needed {needed:,} bytes"
                full = f"no space left on {self._root}{wanted} ({message})"
                return CacheError(ErrorKind.DISK_FULL, full, hint="make room")
            case errno.EACCES | errno.EPERM | errno.EROFS:
                return CacheError(ErrorKind.PERMISSION, f"{path}: {message}", hint="name another directory")
            case errno.ELOOP:
                return not_a_cache(self._root, "is a symbolic link that leads round in a circle")
            case _:
                return CacheError(ErrorKind.IO, f"{path}: {message}")


def not_a_cache(root: str, why: str) -> CacheError:
    """Return the error for a directory that cannot be a cache; `why` continues the sentence."""
    return CacheError(
        ErrorKind.NOT_A_CACHE, f"{root} {why}", hint="name a new or an empty directory for the cache"
    )
