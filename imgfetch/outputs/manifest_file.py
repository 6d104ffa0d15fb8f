"""`manifest.jsonl`: a line for each image of a batch, beside the files, and what is done by it.

    what is there ─▶ tidied: only rows that are done stay ─▶ looked up ─▶ written on, a row at a time

Whatever ends a run, the lines it has written stand; one that was cut in the middle is left out by the next.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from array import array
from bisect import bisect_left
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from imgfetch.errors import CacheError
from imgfetch.model.result import ErrorKind
from imgfetch.rules.store import manifest as rule
from imgfetch.system.atomic_files import create_temporary, make_folders

if TYPE_CHECKING:
    from io import BufferedReader, BufferedWriter
    from types import TracebackType

    from imgfetch.rules.store.manifest import Record

NAME = "manifest.jsonl"


class Manifest:
    """A context manager: opened, it holds the folder against other batches. Raises `CacheError`."""

    def __init__(self, directory: str | Path) -> None:
        self._folder = Path(directory)
        self._path = self._folder / NAME
        self._done = array("Q")
        """The identities of the rows that are done, in order: 8 bytes each, where a set takes 100."""

    def __enter__(self) -> Self:
        try:
            make_folders(self._folder)
            self._lock = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise _unusable(self._folder, error) from error
        try:
            _take(self._lock, self._folder)
            self._tidy()
            # It has URLs in full, with whatever signs them.
            self._descriptor = os.open(
                self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600
            )
        except BaseException as error:
            os.close(self._lock)
            if isinstance(error, OSError):
                raise _unusable(self._path, error) from error
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._descriptor)
        os.close(self._lock)

    def __len__(self) -> int:
        """How many rows were done before."""
        return len(self._done)

    def has(self, row: int) -> bool:
        """Whether a row was done before this run, by its identity, and all its files are still there."""
        place = bisect_left(self._done, row)
        return place < len(self._done) and self._done[place] == row

    def write(self, lines: str) -> None:
        """Add the lines of a row at once; they are there even if this process dies now."""
        rest = memoryview(lines.encode())
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            raise _unusable(self._path, error) from error

    def _tidy(self) -> None:
        """Read what is done, and drop all other lines: those rows will be written again.

        Raises `OSError`, and `CacheError` where the file was written by something else.
        """
        partial = None
        try:
            with open(self._path, "rb", opener=_open_regular) as old:
                if not rule.may_be_manifest(old.readline(_LONGEST)):
                    raise CacheError(
                        ErrorKind.IO,
                        "not a manifest of imgfetch, and so not changed",
                        str(self._path),
                        hint=_ANOTHER,
                    )
                old.seek(0)
                partial, descriptor = create_temporary(f"{self._folder}/.{NAME}")
                with open(descriptor, "wb") as new:
                    self._copy_done(old, new)
                    changed = new.tell() != os.fstat(old.fileno()).st_size
            if changed:
                Path(partial).replace(self._path)
        except FileNotFoundError:
            return
        finally:
            if partial is not None:
                with suppress(OSError):  # it was renamed
                    Path(partial).unlink()
        self._done = array("Q", sorted(self._done))

    def _copy_done(self, old: BufferedReader, new: BufferedWriter) -> None:
        # The mode first: the copy has the same secrets.
        os.fchmod(new.fileno(), os.fstat(old.fileno()).st_mode & 0o777)
        for row in rule.rows(old):
            if all(map(self._is_there, row)):
                self._done.append(row[0].row)
                new.writelines(record.line for record in row)
        new.flush()
        os.fsync(new.fileno())

    def _is_there(self, record: Record) -> bool:
        try:
            return os.stat(self._folder / (record.path or "")).st_size == record.size
        except OSError:
            return False


_LONGEST = 64_000_000
"""Bytes of a first line that are read to see whether the file is a manifest."""

_FOREIGN = "not a manifest of imgfetch, and so not changed"
_ANOTHER = "name another folder with --to, or move the file away"


def _open_regular(path: str, flags: int) -> int:
    """Open a regular file, and neither a link to one nor a pipe. Raises `OSError`."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "not a regular file", path)


def _take(descriptor: int, folder: Path) -> None:
    """Hold a folder, where the file system can; for good sense alone, as nothing rests on it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise CacheError(ErrorKind.CACHE_LOCKED, "another batch is writing to it", str(folder)) from error
    except OSError:
        pass


def _unusable(path: Path, error: OSError) -> CacheError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    reason = ErrorKind.DISK_FULL if full else ErrorKind.IO
    return CacheError(reason, f"cannot be written: {error.strerror or error}", str(path))
