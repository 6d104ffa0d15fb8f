"""The file system under a cache, or under the place for one: inspected, and left as it is."""

from __future__ import annotations

import errno
import fcntl
import os
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.store.leases import kind_of_locks
from imgfetch.system.atomic_files import file_system_of, syncs_whole

if TYPE_CHECKING:
    from collections.abc import Iterable


class FileSystem(NamedTuple):
    """The properties of a folder, or of the nearest existing one above it."""

    barred: str | None
    """The path that may not be written: the folder, or one of its parts; None if all may."""
    free: int
    """Bytes that this user may still write."""
    file_system: str
    """The type; the empty string if the system does not tell."""
    syncs_whole: bool
    """Whether one call makes many files durable."""
    flock: bool
    """Whether a whole file can be locked there."""
    leases: str | None
    """The locks that leases are made of; None if there are none."""


def survey(path: str, parts: Iterable[str] = ()) -> FileSystem:
    """Inspect the file system under `path`, and whether `parts` of it, if they are there, may be written.

    Raises `OSError`.
    """
    folder = os.path.abspath(path)
    while not os.path.isdir(folder) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    space = os.statvfs(folder)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return FileSystem(
            barred=_barred(folder, [f"{path}/{part}" for part in parts]),
            free=space.f_bavail * space.f_frsize,
            file_system=file_system_of(folder),
            syncs_whole=syncs_whole(folder),
            flock=_can_be_locked(descriptor),
            leases=kind_of_locks(descriptor),
        )
    finally:
        os.close(descriptor)


def _barred(folder: str, parts: list[str]) -> str | None:
    if not os.access(folder, os.W_OK | os.X_OK):
        return folder
    return next((part for part in parts if os.path.exists(part) and not os.access(part, os.W_OK)), None)


def _can_be_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno == errno.EWOULDBLOCK  # another process has locked it
    return True
