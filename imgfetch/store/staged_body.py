"""A body on its way into the cache: in memory while it is small, else in a file of its own.

    write … ─▶ flush ─▶ move      the file is made when the body is published, or too large for memory
       │
     mark ─▶ suspend              or when a body that can be resumed is closed

Most bodies take a few reads and are published at once: a file made for each when it begins, and a note beside
it, would cost as much as all the rest.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from functools import cache
from mmap import ACCESS_COPY, mmap
from typing import TYPE_CHECKING

from imgfetch.model.request import Head
from imgfetch.model.values import Digest
from imgfetch.store.hashing import hash_of, sha256
from imgfetch.system.atomic_files import open_regular

if TYPE_CHECKING:
    import hashlib

    from imgfetch.model.values import Buffer, Key

IN_MEMORY = 256 * 1024
"""Bytes up to which a body stays in memory: most images do. A thousand at once take as much memory as a few
decoded photographs. A process that is killed loses at most so much of a body."""


class StagedBody:
    """The bytes of one body that have arrived, in memory or in a file."""

    def __init__(self, path: str) -> None:
        """`path`: that of its file, once it has one."""
        self.path = path
        self.length = 0
        self.descriptor: int | None = None
        """Descriptor of its file, open for reading and writing; None while there is none."""
        self._pieces: list[bytes] = []
        """The bytes in memory: all of them, or none."""
        self._hash: hashlib._Hash | None = None
        """Running digest of all bytes; None if they are still to be hashed."""
        self._mark: tuple[Key, Head] | None = None
        self._note: str | None = None
        self._is_moved = False

    @classmethod
    def resumed(cls, stem: str, descriptor: int) -> StagedBody:
        """Take over a marked body that another process has left, in a file that is open."""
        body = cls(f"{stem}.partial")
        body.descriptor, body._note = descriptor, f"{stem}.json"
        body.length = os.lseek(descriptor, 0, os.SEEK_END)
        return body

    def write(self, chunk: bytes) -> None:
        """Append bytes. Raises `OSError`."""
        if self.descriptor is None and self.length + len(chunk) > IN_MEMORY:
            self.digest()  # so that nothing has to be read back
            self.flush()
            self._write_note()
        if self.descriptor is None:
            self._pieces.append(bytes(chunk))
        else:
            _write(self.descriptor, chunk)
        if self._hash is not None:
            self._hash.update(chunk)
        self.length += len(chunk)

    def digest(self) -> Digest:
        """Return the digest of all bytes. Those that another process has left are read first."""
        if self._hash is None:
            self._hash = hash_of(self.descriptor) if self.descriptor is not None else sha256(self._whole())
        return Digest(self._hash.hexdigest())

    def contents(self) -> Contents:
        """Return all bytes, mapped rather than copied, and their digest. Raises `OSError`."""
        digest = self.digest()
        if self.descriptor is None or not self.length:  # an empty file cannot be mapped
            return Contents(self._whole(), digest)
        try:
            return Contents(mmap(self.descriptor, self.length, access=ACCESS_COPY), digest)
        except ValueError as error:
            raise OSError(errno.EIO, "a file was cut short while it was written", self.path) from error

    def flush(self) -> int:
        """Write the bytes to the file if they are in memory; return its descriptor. Raises `OSError`."""
        if self.descriptor is None:
            self.descriptor = create(self.path)
            _write(self.descriptor, self._whole())
            self._pieces.clear()
        return self.descriptor

    def move(self, path: str) -> None:
        """Rename the file, after `flush`. Raises `OSError`."""
        os.rename(self.path, path)
        self._is_moved = True

    @property
    def is_marked(self) -> bool:
        """True if the response is known that these bytes begin."""
        return self._mark is not None or self._note is not None

    def mark(self, key: Key, head: Head) -> None:
        """Let these bytes outlive their writer, as the beginning of the response `head` under `key`."""
        self._mark = key, head
        self._write_note()

    def suspend(self) -> None:
        """Close the file: marked bytes stay and can be resumed, others are dropped."""
        if self.is_marked:
            with suppress(OSError):
                self.flush()
                self._write_note()
        if self._note is None or self.descriptor is None:
            self.drop()
        else:
            _close(self.descriptor)

    def _write_note(self) -> None:
        """Name the file after its key and write a note beside it, if there is a file and it is marked."""
        if self.descriptor is None or self._mark is None or self._note is not None:
            return
        key, head = self._mark
        folder, _, name = self.path.removesuffix(".part").rpartition("/")
        stem = f"{folder}/{stem_of(key)}-{name}"
        with suppress(OSError):  # resuming only saves a transfer
            # Locked before it has the name: a process that finds the name must see that its writer lives.
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            write_new(f"{stem}.json", _note(key, head).encode())
            try:
                os.rename(self.path, f"{stem}.partial")
            except BaseException:
                os.unlink(f"{stem}.json")
                raise
            self.path, self._note = f"{stem}.partial", f"{stem}.json"

    def drop(self) -> None:
        """Delete the bytes, but not a file that was moved."""
        self._pieces.clear()
        if self.descriptor is None:
            return
        _close(self.descriptor)
        for path in (None if self._is_moved else self.path, self._note):
            if path is not None:
                with suppress(OSError):  # it stays behind, and is swept away later
                    os.unlink(path)

    def _whole(self) -> bytes:
        if len(self._pieces) != 1:
            self._pieces = [b"".join(self._pieces)]
        return self._pieces[0]


class Contents:
    """All bytes of a body, and their digest, for use within a `with`."""

    def __init__(self, data: bytes | mmap, digest: Digest) -> None:
        self._data = data
        self._digest = digest

    def __enter__(self) -> tuple[Buffer, Digest]:
        return self._data, self._digest

    def __exit__(self, *_: object) -> None:
        if isinstance(self._data, mmap):
            with suppress(BufferError):  # a view of it is left: it is freed with the last one
                self._data.close()


def stem_of(key: Key) -> str:
    """Return how the names of all partial bodies of `key` begin: 32 hexadecimal digits."""
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def read_note(path: str, key: Key) -> Head:
    """Return the head in a note for `key`. Raises if it is for another key, or from before the last boot."""
    import json

    with open(open_regular(path), encoding="utf-8") as file:
        note = json.loads(file.read(_LONGEST_NOTE))
    if (note["key"], note["boot"]) != (key, _boot()):
        raise ValueError(path)
    headers = tuple((str(name), str(value)) for name, value in note["headers"])
    return Head(str(note["url"]), int(note["status"]), headers)


def _note(key: Key, head: Head) -> str:
    import json

    fields = {"boot": _boot(), "key": key, "url": head.url, "status": head.status}
    return json.dumps({**fields, "headers": head.headers})


@cache
def _boot() -> str:
    """Return an identifier of the last boot; the empty string if the system has none.

    Bytes that are not synced outlive their writer, but not a power cut, after which they may be zeros. And a
    lock on a network file system may be visible on one machine only.
    """
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def write_new(path: str, data: bytes) -> None:
    """Write a new file that only its owner may read. Raises `OSError`, also if there is one."""
    descriptor = create(path)
    try:
        _write(descriptor, data)
    except BaseException:
        os.unlink(path)
        raise
    finally:
        os.close(descriptor)


_LONGEST_NOTE = 1 << 22
"""Characters of a note that are read: more than any response head has."""


def create(path: str) -> int:
    """Create a file that is not there yet, open for reading and writing."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)


def _close(descriptor: int) -> None:
    """Close a file. An error that a network file system reports only now concerns bytes that are not used."""
    with suppress(OSError):  # it is closed all the same
        os.close(descriptor)


def _write(descriptor: int, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
