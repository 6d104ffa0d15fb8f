"""Who fetches what, of all that share a cache: locks in a file, of which the kernel lets go for who dies.

    take ─▶ locked: ours
       └──▶ another's is in the way: whose? ─▶ that of before, or of who took over from it, or a new one

The file is empty and stays so: the locks are on bytes far beyond its end (fcntl(2), advisory record
locks). What is leased has a place of `_ROOM` bytes, and who leases it locks the first so and so many: any
two such locks are in each other's way, and the number of bytes says whose it is. Beyond all places is one
byte for each who leases at all, locked as long as it lives: so one that had a lease, and let go of it, can
be told from one that has died.

Where two things have the same place, by chance, who fetches one waits for the other. Nothing rests on it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import sys
from contextlib import suppress
from threading import Lock
from typing import NamedTuple

from imgfetch.model.request import Lease
from imgfetch.store.hashing import sha256
from imgfetch.system.atomic_files import open_regular

_PLACES, _ROOM = 1 << 28, 1 << 33
_TURNS = 1 << 10
"""Leases of one process until one of them is taken for another that it had before."""
_ASKERS = _ROOM // _TURNS - 1
_BEYOND = _PLACES * _ROOM


class _Leader(NamedTuple):
    """Somebody who was in the way."""

    name: str
    """Of the lease, which outlives the one who had it first."""
    length: int
    """Of the lock."""


class Leases:
    """The leases of one process in the file `path`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = Lock()
        self._process = os.getpid()
        self._descriptor: int | None = None
        self._asker = 0
        self._taken = 0
        self._ours: dict[str, tuple[int, int]] = {}
        """By ticket: place, and length of the lock."""
        self._names: dict[int, str] = {}
        """Of ours, by place."""
        self._followed: dict[int, _Leader] = {}
        """Of those of others that were in our way: who was seen last."""

    def make(self) -> None:
        """Make the file, where there is none. Raises `OSError`."""
        self._leave_to_parent()
        with self._lock:
            if self._descriptor is None or not os.fstat(self._descriptor).st_nlink:
                self._close()
                self._descriptor = self._open(os.O_CREAT)

    def take(self, what: str) -> Lease:
        """Lease `what`, or hear who has. Raises `OSError` where there is no file, or no lock to be had."""
        self._leave_to_parent()
        place = int.from_bytes(sha256(what.encode("utf-8", "surrogatepass")).digest()[:8]) % _PLACES
        with self._lock:
            if place in self._names:
                return Lease(ours=False, holder=self._names[place])
            if self._descriptor is None:
                self._descriptor = self._open(0)
            self._taken += 1
            length = 1 + self._asker * _TURNS + self._taken % _TURNS
            if not self._set(fcntl.F_WRLCK, place * _ROOM, length):
                other = self._in_the_way(place * _ROOM)
                if other:
                    leader = self._followed[place] = _Leader(self._name(place, other), other)
                    return Lease(ours=False, holder=leader.name)
                # It was let go of in between. Who is too late even now leads as well.
                if not self._set(fcntl.F_WRLCK, place * _ROOM, length):
                    return Lease(ours=True)
            ticket, name = f"{id(self):x}-{self._taken}", self._name(place, length)
            self._followed.pop(place, None)
            self._ours[ticket], self._names[place] = (place, length), name
            return Lease(ours=True, holder=name, token=ticket)

    def release(self, lease: Lease) -> None:
        """Let go of a lease, or do without another's; of one that was let go of already nothing happens."""
        self._leave_to_parent()
        with self._lock:
            if not lease.ours:
                others = self._followed.items()
                self._followed = {place: leader for place, leader in others if leader.name != lease.holder}
            elif lease.token in self._ours:
                place, length = self._ours.pop(lease.token)
                del self._names[place]
                with suppress(OSError):  # it goes with the descriptor
                    self._set(fcntl.F_UNLCK, place * _ROOM, length)

    def close(self) -> None:
        """Let go of all, and of the file."""
        self._leave_to_parent()
        with self._lock:
            self._close()

    def _leave_to_parent(self) -> None:
        """Close the file of the parent process, if this process was forked: the leases are the parent's.

        The kernel releases the locks of an open file when the last process that has it open closes it. So a
        child that never uses the store holds the leases of a parent that was killed, until the child ends.
        """
        if self._process != os.getpid():
            self._process = os.getpid()
            self._lock = Lock()  # a thread of the parent may have held it
            self._close()

    def _open(self, flag: int) -> int:
        descriptor = open_regular(self._path, os.O_RDWR | os.O_NOFOLLOW | flag)
        self._asker = int.from_bytes(os.urandom(8)) % _ASKERS
        with suppress(OSError):  # then nobody can tell whether we live
            fcntl.fcntl(descriptor, _SET, _packed(fcntl.F_WRLCK, _BEYOND + self._asker, 1))
        return descriptor

    def _close(self) -> None:
        self._ours.clear()
        self._names.clear()
        self._followed.clear()
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _name(self, place: int, length: int) -> str:
        """Of a lease whose lock has this length. Who takes over from one that has died has the same."""
        before = self._followed.get(place)
        if before is None or (before.length != length and self._in_the_way(_asker_of(before.length))):
            return f"{place:x}-{length:x}"
        return before.name

    def _set(self, kind: int, start: int, length: int) -> bool:
        """Lock, or unlock; false where somebody is in the way."""
        assert self._descriptor is not None  # noqa: S101 (it was opened)
        try:
            fcntl.fcntl(self._descriptor, _SET, _packed(kind, start, length))
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return False
            raise
        return True

    def _in_the_way(self, start: int) -> int:
        """How many bytes the lock of another has that begins here; 0 where there is none."""
        assert self._descriptor is not None  # noqa: S101 (it was opened)
        found = fcntl.fcntl(self._descriptor, _GET, _packed(fcntl.F_WRLCK, start, 1))
        kind, length = _unpacked(found)
        return 0 if kind == fcntl.F_UNLCK else length


def kind_of_locks(descriptor: int) -> str | None:
    """What leases are made of where a file or a folder lies; None where there are no such locks."""
    try:
        fcntl.fcntl(descriptor, _GET, _packed(fcntl.F_WRLCK, _BEYOND, 1))
    except OSError:
        return None
    return "locks of an open file (OFD)" if sys.platform == "linux" else "locks of a process"


def _asker_of(length: int) -> int:
    """Where the byte is of who locks so many."""
    return _BEYOND + (length - 1) // _TURNS


# On Linux a lock may belong to an open file, so that the stores in one process know of each other. Elsewhere
# it belongs to the process: its stores have no regard for each other, and the first that is closed lets go
# of the leases of all, which then are fetched twice.
if sys.platform == "linux":
    # F_OFD_SETLK and F_OFD_GETLK, as all of Linux has them: a Python that is built for any, against a C
    # library from before 2.20, has no names for them.
    _SET, _GET = 37, 36

    def _packed(kind: int, start: int, length: int) -> bytes:
        return struct.pack("hhqqi4x", kind, os.SEEK_SET, start, length, 0)

    def _unpacked(found: bytes) -> tuple[int, int]:
        kind, _, _, length, _ = struct.unpack("hhqqi4x", found)
        return kind, length

else:
    _SET, _GET = fcntl.F_SETLK, fcntl.F_GETLK

    def _packed(kind: int, start: int, length: int) -> bytes:
        return struct.pack("qqihh8x", start, length, 0, kind, os.SEEK_SET)

    def _unpacked(found: bytes) -> tuple[int, int]:
        _, length, _, kind, _ = struct.unpack("qqihh8x", found)
        return kind, length
