"""The files of an index: made whole under another name, linked to their own, and moved aside when damaged."""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from imgfetch.store.index.schema import SALT_BYTES, fill
from imgfetch.store.index.sql import Damaged, sqlite3

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMPANIONS = ("-wal", "-shm", "-journal")
"""Suffixes of the files that SQLite makes beside a database."""


class IndexFiles:
    """The index at `path`, and the files beside it; a new one is built in the folder `building`."""

    def __init__(self, path: str, building: str) -> None:
        self.path = path
        self.notices: list[str] = []
        """Messages for the user, of one line each."""
        self.new_salt = os.urandom(SALT_BYTES)
        """The salt of an index that this process makes."""
        self._building = building

    def exists(self) -> bool:
        """Return whether there is something under the name of the index."""
        return os.path.lexists(self.path)

    def has_log(self) -> bool:
        """Return whether a write-ahead log has rows that may not be in the index itself."""
        try:
            return os.stat(f"{self.path}-wal").st_size > 0
        except FileNotFoundError:
            return False

    def identity(self) -> tuple[int, int] | None:
        """Return device and inode of the index; None where there is none."""
        try:
            status = os.lstat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return status.st_dev, status.st_ino

    def refuse_other_types(self) -> None:
        """Raise if the index, or a file beside it, is not a regular file."""
        for companion in ("", *_COMPANIONS):
            with suppress(FileNotFoundError):
                if not stat.S_ISREG(os.lstat(self.path + companion).st_mode):
                    raise Damaged(f"{os.path.basename(self.path + companion)} is not a regular file")

    def is_permitted(self) -> bool:
        """Return whether this user may read and write the index and its folder."""
        return all(os.access(path, os.R_OK | os.W_OK) for path in (self.path, os.path.dirname(self.path)))

    def create(self) -> tuple[int, int] | None:
        """Make an index unless another process has; return the identity of the one that is there."""
        built = self._build()
        try:
            with self._locked_folder():
                if self.identity() is None:
                    # The log of an index that was deleted would be read into the new one.
                    for companion in _COMPANIONS:
                        try:
                            _unlink(self.path + companion)
                        except (IsADirectoryError, PermissionError):
                            os.rename(self.path + companion, self._free_name() + companion)
                    _link(built, self.path)
        finally:
            _unlink(built)
        return self.identity()

    def _build(self) -> str:
        built = f"{self._building}/{os.urandom(16).hex()}.sqlite"
        descriptor = os.open(built, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            try:
                fill(built, "WAL", self.new_salt)
            except sqlite3.OperationalError as error:
                os.ftruncate(descriptor, 0)
                fill(built, "DELETE", self.new_salt)
                self.notices.append(
                    f"{self.path}: this file system takes no write-ahead log ({error}), so processes that"
                    " share the cache will wait for each other"
                )
            os.fsync(descriptor)
        except BaseException:
            _unlink(built)
            raise
        finally:
            os.close(descriptor)
            for companion in _COMPANIONS:
                _unlink(built + companion)
        return built

    def set_aside(self, error: sqlite3.Error, identity: tuple[int, int] | None) -> None:
        """Move a damaged index aside, unless another file than the one with this identity is there now."""
        with self._locked_folder():
            if self.identity() != identity:
                return
            aside = self._free_name()
            for companion in (*_COMPANIONS, ""):  # the name itself last, see `create`
                with suppress(FileNotFoundError):
                    os.rename(self.path + companion, aside + companion)
            self.notices.append(
                f"{self.path} was damaged ({error}): moved to {aside}; the images are kept, and will be asked"
                " for once more"
            )

    def _free_name(self) -> str:
        """Return a name for a damaged index that neither it nor a file beside it has yet."""
        number = 1
        while any(os.path.lexists(f"{self.path}.damaged-{number}{each}") for each in ("", *_COMPANIONS)):
            number += 1
        return f"{self.path}.damaged-{number}"

    @contextmanager
    def _locked_folder(self) -> Iterator[None]:
        """Admit one process and thread at a time, if the file system has locks.

        The lock saves work, and keeps a new index from being taken for the damaged one that it replaced.
        """
        folder = os.open(os.path.dirname(self.path), os.O_RDONLY | os.O_DIRECTORY)
        try:
            with suppress(OSError):
                fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)


def _unlink(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


def _link(built: str, path: str) -> None:
    try:
        os.link(built, path)
    except FileExistsError:
        pass
    except OSError:  # no hard links here
        os.rename(built, path)
