"""Files that a run leaves beside the cache: whole at any instant, whatever becomes of the run."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from imgfetch.errors import InputError
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

MAX_TEXT = 1_000_000_000
"""Bytes from which on a file is refused: no text of a user is as long."""


def open_regular(path: str, flags: int = os.O_RDONLY) -> int:
    """Open a regular file without waiting. Raises `OSError`, also for a file of another type."""
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return descriptor


def read(path: str | Path, *, may_be_pipe: bool = False) -> str | None:
    """Return the text of a regular file, or with `may_be_pipe` of a pipe; None if it does not exist.

    Raises `InputError`.
    """
    name = os.fspath(path)
    try:
        with open(name, "rb", opener=None if may_be_pipe else open_regular) as file:
            data = file.read(MAX_TEXT)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise _unusable("read", name, error) from error
    if len(data) == MAX_TEXT:
        raise InputError(ErrorKind.BAD_INPUT, f"larger than {MAX_TEXT // 1_000_000} MB", name)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(ErrorKind.BAD_INPUT, f"line {line}: not UTF-8", name) from error


def expect_to_write(path: str | Path) -> None:
    """Check before the work that `replace` will be able to create a file. Raises `InputError`."""
    name = os.path.realpath(path)
    folder = os.path.dirname(name)
    if os.path.lexists(name) or os.access(folder, os.W_OK | os.X_OK):
        return
    number = errno.EACCES if os.path.isdir(folder) else errno.ENOENT
    raise _unusable("written", name, OSError(number, os.strerror(number)))


def create_temporary(stem: str, mode: int = 0o600) -> tuple[str, int]:
    """Create `STEM.<32 random digits>.part`; return its path and a descriptor to read and write it.

    The name cannot be guessed, so that another user cannot put a file or a symbolic link there first. If the
    name exists, this fails. The umask may take bits from `mode`. Raises `OSError`.
    """
    path = f"{stem}.{os.urandom(16).hex()}.part"
    return path, os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)


def make_folders(path: str | Path, mode: int = 0o755) -> None:
    """Make a folder and its missing parents, not writable for others under any umask.

    `mode` is that of the folder. Raises `OSError`.
    """
    name = os.path.abspath(path)
    if os.path.isdir(name):
        return
    make_folders(os.path.dirname(name))
    try:
        os.mkdir(name, mode)
    except FileExistsError:
        if not os.path.isdir(name):
            raise


def replace(path: str | Path, text: str) -> None:
    """Replace a file by `text` at once: a reader finds the old text or the new one. Raises `InputError`.

    A file that exists keeps its mode, and a symbolic link stays one. A new file is for its owner alone.
    """
    name = os.path.realpath(path)
    partial = None
    try:
        partial, descriptor = create_temporary(name)
        with open(descriptor, "w", encoding="utf-8", newline="") as file:
            with suppress(FileNotFoundError):
                os.fchmod(descriptor, os.stat(name).st_mode & 0o777)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        os.replace(partial, name)
        sync_folder(os.path.dirname(name))
    except (OSError, ValueError) as error:
        raise _unusable("written", name, error) from error
    finally:
        if partial is not None:
            with suppress(OSError):  # it was renamed
                os.unlink(partial)


class AppendOnlyFile:
    """A file that is written line by line under a temporary name, and renamed when it is complete.

    The temporary name is `FILE.<32 random digits>.part`. The file is readable for its owner alone. A run that
    is killed leaves it, with every line that was written, and `FILE` unchanged; the next run that finishes
    `FILE` removes it. Raises `InputError` if it cannot be written, if another run is writing it, or if `FILE`
    exists and is not of this `kind`, as `may_replace` judges by its first line.
    """

    def __init__(self, path: str | Path, *, kind: str, may_replace: Callable[[bytes], bool]) -> None:
        self._path = os.path.realpath(path)
        self._kind, self._may_replace = kind, may_replace
        self._empty = True
        self.partial: str
        """The temporary name."""
        self._check()
        try:
            self.partial, self._descriptor = create_temporary(self._path)
        except (OSError, ValueError) as error:
            raise _unusable("written", self._path, error) from error
        try:
            # Lock first, then look: if two runs begin at once, at most one continues.
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            self._left_behind = _left_behind(self._path, but=self.partial)
        except OSError as error:
            os.unlink(self.partial)
            os.close(self._descriptor)
            taken = isinstance(error, BlockingIOError)
            why = "another run is writing it" if taken else f"cannot be written: {error.strerror}"
            raise InputError(ErrorKind.BAD_INPUT, why, self._path) from error

    def _check(self) -> None:
        """Raise `InputError` if a file exists that must not be replaced."""
        try:
            first = _first_line(self._path)
        except (OSError, ValueError) as error:
            raise _unusable("written", self._path, error) from error
        if first is not None and not self._may_replace(first):
            raise InputError(
                ErrorKind.BAD_INPUT,
                f"not a {self._kind} of imgfetch, and so not replaced",
                self._path,
                hint="name another file, or move this one away",
            )

    def write(self, line: str) -> None:
        """Append a line; it survives the death of this process. Raises `InputError`."""
        self._empty = False
        rest = memoryview(line.encode())
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            raise _unusable("written", self.partial, error) from error

    def finish(self) -> None:
        """Rename it to its own name. Raises `InputError`."""
        try:
            self._check()  # again: a run may take hours
            os.fsync(self._descriptor)
            os.replace(self.partial, self._path)
            for path in self._left_behind:
                with suppress(OSError):
                    os.unlink(path)
            sync_folder(os.path.dirname(self._path))
        except OSError as error:
            raise _unusable("written", self._path, error) from error
        finally:
            os.close(self._descriptor)

    def leave(self) -> bool:
        """Close it unfinished; return whether the temporary file is left."""
        if self._empty:
            with suppress(OSError):
                os.unlink(self.partial)
        os.close(self._descriptor)
        return not self._empty


def _first_line(path: str) -> bytes | None:
    """Return the first line of a file, or its beginning; None if the file does not exist.

    Raises `OSError`, also for a file of another type, and `ValueError`.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    with open(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        return file.readline(_MAX_FIRST_LINE)


_MAX_FIRST_LINE = 64_000_000
"""Bytes of a first line that are read to find the kind of a file."""


def _left_behind(path: str, *, but: str) -> list[str]:
    """Return the temporary files of `path` that killed runs of this user have left.

    Raises `BlockingIOError` if a run is still writing one, and other `OSError`.
    """
    folder, name = os.path.split(path)
    ours: list[str] = []
    with suppress(PermissionError), os.scandir(folder) as listing:  # a folder need not be readable
        ours += [
            item.path
            for item in listing
            if item.path != but
            and item.name.startswith(f"{name}.")
            and re.fullmatch(r"\.[0-9a-f]{32}\.part", item.name[len(name) :])
        ]
    return [each for each in ours if _is_left_behind(each)]


def _is_left_behind(path: str) -> bool:
    """Return whether this user owns the file, and no run has locked it. Raises `BlockingIOError`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            return False
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # this file system has no locks
        return False
    finally:
        os.close(descriptor)
    return True


def sync_folder(path: str) -> None:
    """Make the names in a folder durable, as `fsync` of a file does not (fsync(2))."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_files(descriptors: Sequence[int], folder: str) -> None:
    """Make the data of open files of a folder durable; for several files sync the whole file system once."""
    if len(descriptors) >= _SEVERAL and syncs_whole(folder):
        _sync_file_system(descriptors[0])
        return
    for descriptor in descriptors:
        os.fsync(descriptor)


def sync_folders(paths: Collection[str]) -> None:
    """Make the names in folders of one file system durable."""
    one = next(iter(paths), "")
    if len(paths) < _SEVERAL or not syncs_whole(one):
        for path in paths:
            sync_folder(path)
        return
    descriptor = os.open(one, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _sync_file_system(descriptor)
    finally:
        os.close(descriptor)


def syncs_whole(folder: str) -> bool:
    """Return whether one call makes the whole file system of a folder durable."""
    return _syncfs() is not None and file_system_of(folder) in _SYNCED_WHOLE


def file_system_of(folder: str) -> str:
    """Return the type of the file system of a folder; empty if it is unknown."""
    return _file_system(os.stat(folder).st_dev)


_SEVERAL = 4
"""Files from which on one sync of the file system costs less than one of each file."""

_SYNCED_WHOLE = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "overlay", "tmpfs"})
"""File systems that syncfs(2) is known to make durable; a FUSE file system is not told of it."""


def _sync_file_system(descriptor: int) -> None:
    sync = _syncfs()
    assert sync is not None  # noqa: S101 (checked by `syncs_whole`)
    import ctypes

    if sync(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@cache
def _file_system(device: int) -> str:
    """Return the file system type of a device (proc(5), mountinfo); empty if it is unknown."""
    number = f"{os.major(device)}:{os.minor(device)}"
    with suppress(OSError), open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
        for line in mounts:
            fields, _, behind = line.partition(" - ")
            if fields.split(" ")[2] == number:
                return behind.split(" ")[0]
    return ""


@cache
def _syncfs() -> Callable[[int], int] | None:
    """Return syncfs(2), which Python lacks. Before Linux 5.8 it did not report write errors."""
    system = os.uname()
    version = re.match(r"([0-9]+)\.([0-9]+)", system.release)
    if system.sysname != "Linux" or version is None or (int(version[1]), int(version[2])) < (5, 8):
        return None
    import ctypes

    with suppress(AttributeError, OSError):
        sync: Callable[[int], int] = ctypes.CDLL(None, use_errno=True).syncfs
        return sync
    return None


def _unusable(done: str, name: str, error: OSError | ValueError) -> InputError:
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return InputError(ErrorKind.BAD_INPUT, f"cannot be {done}: {why}", name)
