"""Files that a run leaves beside the cache: whole at any instant, whatever becomes of the run."""

from __future__ import annotations

import errno
import fcntl
import os
import re
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from imgfetch.errors import InputError
from imgfetch.model import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

MAX_TEXT = 1_000_000_000
"""Bytes from which on a file is refused: nobody has written as much down."""


def read(path: str | Path) -> str | None:
    """The text of a file; None where there is none. Raises `InputError`."""
    name = os.fspath(path)
    try:
        with open(name, "rb") as file:
            data = file.read(MAX_TEXT)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise _unusable("read", name, error) from error
    if len(data) == MAX_TEXT:
        raise InputError(Reason.BAD_INPUT, f"larger than {MAX_TEXT // 1_000_000} MB", name)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(Reason.BAD_INPUT, f"line {line}: not UTF-8", name) from error


def expect_to_write(path: str | Path) -> None:
    """Find out before the work what would keep `replace` from making a new file. Raises `InputError`."""
    name = os.path.realpath(path)
    folder = os.path.dirname(name)
    if os.path.lexists(name) or os.access(folder, os.W_OK | os.X_OK):
        return
    number = errno.EACCES if os.path.isdir(folder) else errno.ENOENT
    raise _unusable("written", name, OSError(number, os.strerror(number)))


def replace(path: str | Path, text: str) -> None:
    """Put `text` in the place of a file at once: who looks finds the old or the new. Raises `InputError`.

    What is there keeps its mode, and a symbolic link stays one.
    """
    name = os.path.realpath(path)
    partial = f"{name}.{os.getpid()}.part"
    try:
        with open(partial, "w", encoding="utf-8", newline="") as file:
            with suppress(FileNotFoundError):
                os.fchmod(file.fileno(), os.stat(name).st_mode & 0o777)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, name)
        sync_folder(os.path.dirname(name))
    except (OSError, ValueError) as error:
        raise _unusable("written", name, error) from error
    finally:
        with suppress(OSError, ValueError):  # it was renamed, or never made
            os.unlink(partial)


class Growing:
    """A file that is written line by line as `FILE.part`, and gets its name when it is whole.

    Readable for its owner alone. A run that is killed leaves `FILE.part`, with every line it has written, and
    `FILE` as it was. Raises `InputError` where it cannot be written, or another run is writing it.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = os.path.realpath(path)
        self.partial = f"{self._path}.part"
        """What it is called until it is whole."""
        self._empty = True
        try:
            if os.path.isdir(self._path):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), self._path)
            self._descriptor = os.open(
                self.partial, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600
            )
        except (OSError, ValueError) as error:
            raise _unusable("written", self.partial, error) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.fchmod(self._descriptor, 0o600)
            os.ftruncate(self._descriptor, 0)  # of a run that was killed
        except OSError as error:
            os.close(self._descriptor)
            taken = isinstance(error, BlockingIOError)
            why = "another run is writing it" if taken else f"cannot be written: {error.strerror}"
            raise InputError(Reason.BAD_INPUT, why, self.partial) from error

    def write(self, line: str) -> None:
        """Add a line; it is there even if this process dies now. Raises `InputError`."""
        self._empty = False
        rest = memoryview(line.encode())
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            raise _unusable("written", self.partial, error) from error

    def finish(self) -> None:
        """Give it its name. Raises `InputError`."""
        try:
            os.fsync(self._descriptor)
            os.replace(self.partial, self._path)
            sync_folder(os.path.dirname(self._path))
        except OSError as error:
            raise _unusable("written", self._path, error) from error
        finally:
            os.close(self._descriptor)

    def leave(self) -> bool:
        """Let go of it unfinished; whether anything is left of it."""
        if self._empty:
            with suppress(OSError):
                os.unlink(self.partial)
        os.close(self._descriptor)
        return not self._empty


def sync_folder(path: str) -> None:
    """Make the names in a folder durable, as `fsync` of a file does not (fsync(2))."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_files(descriptors: Sequence[int], folder: str) -> None:
    """Make what was written to open files of a folder durable; of several the whole file system at once."""
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
    """Whether one call makes everything durable that lies on the file system of a folder."""
    return _syncfs() is not None and file_system_of(folder) in _SYNCED_WHOLE


def file_system_of(folder: str) -> str:
    """The type of the file system that a folder is on; the empty string where it is not told."""
    return _file_system(os.stat(folder).st_dev)


_SEVERAL = 4
"""Files from which on one sync of everything costs less than one of each."""

_SYNCED_WHOLE = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "overlay", "tmpfs"})
"""File systems that syncfs(2) is known to make durable; to one behind FUSE it says nothing."""


def _sync_file_system(descriptor: int) -> None:
    sync = _syncfs()
    assert sync is not None  # noqa: S101 (`syncs_whole` has said so)
    import ctypes

    if sync(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@cache
def _file_system(device: int) -> str:
    """The type of what is mounted as a device (proc(5), mountinfo); the empty string where it is not told."""
    number = f"{os.major(device)}:{os.minor(device)}"
    with suppress(OSError), open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
        for line in mounts:
            fields, _, behind = line.partition(" - ")
            if fields.split(" ")[2] == number:
                return behind.split(" ")[0]
    return ""


@cache
def _syncfs() -> Callable[[int], int] | None:
    """syncfs(2), which Python does not have. Before Linux 5.8 it kept errors of writing to itself."""
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
    return InputError(Reason.BAD_INPUT, f"cannot be {done}: {why}", name)
