"""The ground that a cache stands on, or would: looked at, and left as it is."""

from __future__ import annotations

import errno
import fcntl
import os
from typing import NamedTuple

from imgfetch.adapters.files import file_system_of, syncs_whole


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
    locks: bool
    """Whether a lock can be taken there."""


def survey(path: str) -> Ground:
    """Look at the ground under `path`. Raises `OSError`."""
    folder = os.path.abspath(path)
    while not os.path.isdir(folder) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    space = os.statvfs(folder)
    return Ground(
        folder,
        os.access(folder, os.W_OK | os.X_OK),
        space.f_bavail * space.f_frsize,
        file_system_of(folder),
        syncs_whole(folder),
        _locks(folder),
    )


def _locks(folder: str) -> bool:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno == errno.EWOULDBLOCK  # somebody has
    finally:
        os.close(descriptor)
    return True
