"""`manifest.jsonl`: a line for each image of a batch, beside the files; it tells which rows are done.

    existing file ─▶ tidied: only rows that are done stay ─▶ rows looked up ─▶ rows appended
                  ─▶ at the end: without the earlier lines of rows that were fetched anew

Written lines survive any end of a run. The next run drops a line that was cut in the middle.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
from array import array
from bisect import bisect_left, bisect_right
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from imgfetch.errors import CacheError
from imgfetch.model.result import ErrorKind
from imgfetch.rules.store import manifest as rule
from imgfetch.system.atomic_files import create_temporary, make_folders

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import BufferedReader, BufferedWriter
    from types import TracebackType

    from imgfetch.rules.store.manifest import Record

NAME = "manifest.jsonl"


class Manifest:
    """A context manager that locks the folder against other batches. Raises `CacheError`."""

    def __init__(self, directory: str | Path, *, under: str = "", again: bool = False) -> None:
        """`under`: the `terms` of this run. `again` drops all failures, so that they are asked for again."""
        self._under, self._again = under, again
        self._folder = Path(directory)
        self._path = self._folder / NAME
        self._done = array("Q")
        """Identities of the rows that are done, sorted: 8 bytes each, instead of 100 in a set."""
        self._failed = array("Q")
        """Those of the rows with an image that failed for good; once for each such image."""
        self._superseded = array("Q")
        self._begun_at = 0
        """Bytes of the lines of earlier runs."""

    def __enter__(self) -> Self:
        try:
            make_folders(self._folder)
            self._lock = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise _unusable(self._folder, error) from error
        try:
            _lock(self._lock, self._folder)
            self._tidy()
            # The file has whole URLs, with their signatures.
            self._descriptor = os.open(
                self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600
            )
            self._begun_at = os.fstat(self._descriptor).st_size
        except BaseException as error:
            os.close(self._lock)
            if isinstance(error, OSError):
                raise _unusable(self._path, error) from error
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if self._superseded and kind is None:
                self._rewrite(self._copy_current)
        except OSError as why:
            raise _unusable(self._path, why) from why
        finally:
            os.close(self._descriptor)
            os.close(self._lock)

    def __len__(self) -> int:
        """Return the number of rows that were done before."""
        return len(self._done)

    def has(self, row: int) -> bool:
        """Return True if the row with this identity was done before this run, and its files still exist."""
        return bool(_count(self._done, row))

    def failed(self, row: int) -> int:
        """Return how many images of a row failed for good in an earlier run; 0 if it is not `has`."""
        return _count(self._failed, row) // max(1, _count(self._done, row))  # a source may have several rows

    def write(self, lines: str) -> None:
        """Append the lines of a row at once; they survive the death of this process."""
        rest = memoryview(lines.encode())
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            raise _unusable(self._path, error) from error

    def supersede(self, row: int) -> None:
        """Leave out the lines of earlier runs about a row when this run ends: it has written new ones."""
        self._superseded.append(row)

    def _tidy(self) -> None:
        """Read the rows that are done, and drop all other lines: those rows will be written again.

        Raises `OSError`, and `CacheError` if another program wrote the file.
        """
        self._rewrite(self._copy_done)
        self._done = array("Q", sorted(self._done))
        self._failed = array("Q", sorted(self._failed))

    def _rewrite(self, copy: Callable[[BufferedReader, BufferedWriter], None]) -> None:
        partial = None
        try:
            with open(self._path, "rb", opener=_open_regular) as old:
                if not rule.may_be_manifest(old.readline(_LONGEST)):
                    raise CacheError(ErrorKind.IO, _FOREIGN, str(self._path), hint=_ANOTHER)
                old.seek(0)
                partial, descriptor = create_temporary(f"{self._folder}/.{NAME}")
                with open(descriptor, "wb") as new:
                    # The mode first: the copy has the same secrets.
                    os.fchmod(new.fileno(), os.fstat(old.fileno()).st_mode & 0o777)
                    copy(old, new)
                    new.flush()
                    os.fsync(new.fileno())
                    changed = new.tell() != os.fstat(old.fileno()).st_size
            if changed:
                Path(partial).replace(self._path)
        except FileNotFoundError:
            return
        finally:
            if partial is not None:
                with suppress(OSError):  # it was renamed
                    Path(partial).unlink()

    def _copy_done(self, old: BufferedReader, new: BufferedWriter) -> None:
        for row in rule.rows(old):
            if all(map(self._is_there, row)):
                self._done.append(row[0].row)
                self._failed.extend(record.row for record in row if record.is_final)
                new.writelines(record.line for record in row)

    def _copy_current(self, old: BufferedReader, new: BufferedWriter) -> None:
        """Copy the lines of earlier runs about rows that this run did not fetch, and all of this run."""
        superseded = array("Q", sorted(self._superseded))
        for row in rule.rows(iter(lambda: old.readline() if old.tell() < self._begun_at else b"", b"")):
            if not _count(superseded, row[0].row):
                new.writelines(record.line for record in row)
        shutil.copyfileobj(old, new)

    def _is_there(self, record: Record) -> bool:
        if record.is_skipped:
            return True
        if record.path is None:
            return not self._again and record.under in ("", self._under)
        try:
            return os.stat(self._folder / record.path).st_size == record.size
        except OSError:
            return False


def _count(identities: array[int], row: int) -> int:
    return bisect_right(identities, row) - bisect_left(identities, row)


_LONGEST = 64_000_000
"""Bytes of a first line that are read to see whether the file is a manifest."""

_FOREIGN = "not a manifest of imgfetch, and so not changed"
_ANOTHER = "name another folder with --to, or move the file away"


def _open_regular(path: str, flags: int) -> int:
    """Open a regular file, not a link or a pipe. Raises `OSError`."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "not a regular file", path)


def _lock(descriptor: int, folder: Path) -> None:
    """Lock a folder if the file system can; correctness does not depend on it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise CacheError(ErrorKind.CACHE_LOCKED, "another batch is writing to it", str(folder)) from error
    except OSError:
        pass


def _unusable(path: Path, error: OSError) -> CacheError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    kind = ErrorKind.DISK_FULL if full else ErrorKind.IO
    return CacheError(kind, f"cannot be written: {error.strerror or error}", str(path))
