"""Leases: which process, of all that share a cache, fetches which key. They are locks in a file.

    take ─▶ locked: ours
       └──▶ held by another ─▶ its lease: the one seen before, that of its successor, or a new one

The file stays empty: the locks are on bytes far beyond its end (fcntl(2), advisory record locks), and the
kernel releases them when a process dies.

    byte  0          2^33        2·2^33                     2^28·2^33
          │ key 0    │ key 1     │ …                        │ liveness: one byte for each process
          ├─ n ─┤                                             locked while the process lives
            └ a holder locks the first n bytes of the key's range

Two holders of a range always conflict, and n identifies the holder: n - 1 is its process number times 1,024
plus a counter. The byte of liveness tells a holder that released its lease from one that has died.

If two keys have the same range, by chance, one waits for the other. Leases save work; nothing rests on them.
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

_RANGES, _RANGE_SIZE = 1 << 28, 1 << 33
_COUNTED = 1 << 10
"""Leases of one process until its counter starts again, and two of them have the same length."""
_PROCESSES = _RANGE_SIZE // _COUNTED - 1
_LIVENESS = _RANGES * _RANGE_SIZE
"""The first byte beyond all ranges."""


class _Holder(NamedTuple):
    """Another process that was seen to hold a lease."""

    name: str
    """The name of the lease, which a successor of a dead holder takes over."""
    length: int
    """The length of the lock."""


class Leases:
    """The leases of one process in the file `path`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = Lock()
        self._pid = os.getpid()
        self._descriptor: int | None = None
        self._process_number = 0
        self._count = 0
        self._ours: dict[str, tuple[int, int]] = {}
        """Range and length of the lock of each of our leases, by token."""
        self._names: dict[int, str] = {}
        """The names of our leases, by range."""
        self._holders: dict[int, _Holder] = {}
        """The holder that was last seen, by range."""

    def make(self) -> None:
        """Make the file if there is none. Raises `OSError`."""
        self._leave_to_parent()
        with self._lock:
            if self._descriptor is None or not os.fstat(self._descriptor).st_nlink:
                self._close()
                self._descriptor = self._open(os.O_CREAT)

    def take(self, name: str) -> Lease:
        """Acquire the lease of `name`, or return that of its holder.

        Raises `OSError` if the file does not exist, or no lock can be had.
        """
        self._leave_to_parent()
        number = int.from_bytes(sha256(name.encode("utf-8", "surrogatepass")).digest()[:8]) % _RANGES
        start = number * _RANGE_SIZE
        with self._lock:
            if number in self._names:
                return Lease(ours=False, holder=self._names[number])
            if self._descriptor is None:
                self._descriptor = self._open(0)
            self._count += 1
            length = 1 + self._process_number * _COUNTED + self._count % _COUNTED
            if not self._set(fcntl.F_WRLCK, start, length):
                other = self._length_of_other(start)
                if other:
                    holder = self._holders[number] = _Holder(self._name(number, other), other)
                    return Lease(ours=False, holder=holder.name)
                # It was released in between. If another was quicker even now, both fetch.
                if not self._set(fcntl.F_WRLCK, start, length):
                    return Lease(ours=True)
            token, holder_name = f"{id(self):x}-{self._count}", self._name(number, length)
            self._holders.pop(number, None)
            self._ours[token], self._names[number] = (number, length), holder_name
            return Lease(ours=True, holder=holder_name, token=token)

    def release(self, lease: Lease) -> None:
        """Release a lease, or stop following another's. One that was released already is left alone."""
        self._leave_to_parent()
        with self._lock:
            if not lease.ours:
                others = self._holders.items()
                self._holders = {number: other for number, other in others if other.name != lease.holder}
            elif lease.token in self._ours:
                number, length = self._ours.pop(lease.token)
                del self._names[number]
                with suppress(OSError):  # it goes with the descriptor
                    self._set(fcntl.F_UNLCK, number * _RANGE_SIZE, length)

    def close(self) -> None:
        """Release all leases, and close the file."""
        self._leave_to_parent()
        with self._lock:
            self._close()

    def _leave_to_parent(self) -> None:
        """Close the file of the parent process, if this process was forked: the leases are the parent's.

        The kernel releases the locks of an open file when the last process that has it open closes it. So a
        child that never uses the store holds the leases of a parent that was killed, until the child ends.
        """
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._lock = Lock()  # a thread of the parent may have held it
            self._close()

    def _open(self, flag: int) -> int:
        descriptor = open_regular(self._path, os.O_RDWR | os.O_NOFOLLOW | flag)
        self._process_number = int.from_bytes(os.urandom(8)) % _PROCESSES
        with suppress(OSError):  # then other processes cannot tell whether we live
            fcntl.fcntl(descriptor, _SET, _packed(fcntl.F_WRLCK, _LIVENESS + self._process_number, 1))
        return descriptor

    def _close(self) -> None:
        self._ours.clear()
        self._names.clear()
        self._holders.clear()
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _name(self, number: int, length: int) -> str:
        """Return the name of the lease with this lock; the successor of a dead holder keeps the name."""
        before = self._holders.get(number)
        if before is None or (
            before.length != length and self._length_of_other(_liveness_byte(before.length))
        ):
            return f"{number:x}-{length:x}"
        return before.name

    def _set(self, kind: int, start: int, length: int) -> bool:
        """Lock, or unlock; return False if another process holds a lock there."""
        assert self._descriptor is not None  # noqa: S101 (it was opened)
        try:
            fcntl.fcntl(self._descriptor, _SET, _packed(kind, start, length))
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return False
            raise
        return True

    def _length_of_other(self, start: int) -> int:
        """Return the length of another's lock that begins here; 0 if there is none."""
        assert self._descriptor is not None  # noqa: S101 (it was opened)
        found = fcntl.fcntl(self._descriptor, _GET, _packed(fcntl.F_WRLCK, start, 1))
        kind, length = _unpacked(found)
        return 0 if kind == fcntl.F_UNLCK else length


def kind_of_locks(descriptor: int) -> str | None:
    """Return which locks leases are made of on the file system of a file or folder; None if it has none."""
    try:
        fcntl.fcntl(descriptor, _GET, _packed(fcntl.F_WRLCK, _LIVENESS, 1))
    except OSError:
        return None
    return "locks of an open file (OFD)" if sys.platform == "linux" else "locks of a process"


def _liveness_byte(length: int) -> int:
    """Return the position of the liveness byte of a holder that locks so many bytes."""
    return _LIVENESS + (length - 1) // _COUNTED


# On Linux a lock may belong to an open file, so that the stores in one process know of each other. Elsewhere
# it belongs to the process: its stores do not see each other's leases, and the first that is closed releases
# the leases of all, so that some keys are fetched twice.
if sys.platform == "linux":
    # F_OFD_SETLK and F_OFD_GETLK, with the same numbers on all of Linux: a Python built against a C library
    # from before 2.20 has no names for them.
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
