"""The ground that a cache stands on, or would: looked at, and left as it is."""

from __future__ import annotations

import errno
import fcntl
import os
from typing import NamedTuple

from imgfetch.adapters.files import file_system_of, syncs_whole
from imgfetch.adapters.leases import kind_of_locks


class Ground(NamedTuple):
    """Of a folder, or of the nearest one above it that is there."""

    folder: str
    writable: bool
    free: int
    """Bytes that this user may still write."""
    file_system: str
    """Its type; the empty string where the system does not tell."""
    syncs_whole: bool
    """Whether one call makes many files durable."""
    flock: bool
    """Whether a whole file can be locked there."""
    leases: str | None
    """What leases are made of; None where there are none."""


def survey(path: str) -> Ground:
    """Look at the ground under `path`. Raises `OSError`."""
    folder = os.path.abspath(path)
    while not os.path.isdir(folder) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    space = os.statvfs(folder)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return Ground(
            folder,
            writable=os.access(folder, os.W_OK | os.X_OK),
            free=space.f_bavail * space.f_frsize,
            file_system=file_system_of(folder),
            syncs_whole=syncs_whole(folder),
            flock=_can_be_locked(descriptor),
            leases=kind_of_locks(descriptor),
        )
    finally:
        os.close(descriptor)


def _can_be_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno == errno.EWOULDBLOCK  # somebody has
    return True
