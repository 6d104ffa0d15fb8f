"""Bytes on their way into a cache: in memory while they are few, else in a file of their own.

    write … ─▶ flush ─▶ move:  the file is made once, by who keeps it, or once it does not fit into memory
       │
     mark ─▶ leave:             or by who lets go of it, where it can be gone on with some other time

Most images of a page never take more than a few reads, and are kept at once: a file that is made for each
as it comes, and one note beside it, would cost as much as all the rest.
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
"""Bytes up to which a body stays in memory: most images do, and a thousand at once are as many MB as a few
decoded photographs. It is also the most that a process that is killed can lose of a body."""


class StagedBody:
    """One body: what has come of it, and where that lies."""

    def __init__(self, path: str) -> None:
        """`path`: of its file, once it has one."""
        self.path = path
        self.length = 0
        self.descriptor: int | None = None
        """Of its file, open for reading and writing; None while there is none."""
        self._pieces: list[bytes] = []
        """What is in memory: all, or nothing."""
        self._hash: hashlib._Hash | None = None
        """Of all that has come; None where that is yet to be hashed."""
        self._mark: tuple[Key, Head] | None = None
        self._note: str | None = None
        self._is_moved = False

    @classmethod
    def resumed(cls, stem: str, descriptor: int) -> StagedBody:
        """With what another has left, marked, in a file that is open."""
        writer = cls(f"{stem}.partial")
        writer.descriptor, writer._note = descriptor, f"{stem}.json"
        writer.length = os.lseek(descriptor, 0, os.SEEK_END)
        return writer

    def write(self, chunk: bytes) -> None:
        """Add bytes. Raises `OSError`."""
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
        """Of all bytes. What another writer has left is read first."""
        if self._hash is None:
            self._hash = hash_of(self.descriptor) if self.descriptor is not None else sha256(self._whole())
        return Digest(self._hash.hexdigest())

    def contents(self) -> Contents:
        """All bytes, in memory no second time, and their digest. Raises `OSError`."""
        digest = self.digest()
        if self.descriptor is None or not self.length:  # nothing cannot be mapped
            return Contents(self._whole(), digest)
        try:
            return Contents(mmap(self.descriptor, self.length, access=ACCESS_COPY), digest)
        except ValueError as error:
            raise OSError(errno.EIO, "a file was cut short while it was written", self.path) from error

    def flush(self) -> int:
        """See to it that the bytes are in a file; its descriptor. Raises `OSError`."""
        if self.descriptor is None:
            self.descriptor = create(self.path)
            _write(self.descriptor, self._whole())
            self._pieces.clear()
        return self.descriptor

    def move(self, path: str) -> None:
        """Give the file, which there is, its last name. Raises `OSError`."""
        os.rename(self.path, path)
        self._is_moved = True

    @property
    def is_marked(self) -> bool:
        """Whether it is known of what these bytes are the beginning."""
        return self._mark is not None or self._note is not None

    def mark(self, key: Key, head: Head) -> None:
        """Have these bytes outlive their writer, as the beginning of `key`."""
        self._mark = key, head
        self._write_note()

    def suspend(self) -> None:
        """Let go of the bytes: where they are marked they stay, for whoever comes next."""
        if self.is_marked:
            with suppress(OSError):
                self.flush()
                self._write_note()
        if self._note is None or self.descriptor is None:
            self.drop()
        else:
            _close(self.descriptor)

    def _write_note(self) -> None:
        """Say of what a file is the beginning, if that is known: by its name, and by a note beside it."""
        if self.descriptor is None or self._mark is None or self._note is not None:
            return
        key, head = self._mark
        folder, _, name = self.path.removesuffix(".part").rpartition("/")
        stem = f"{folder}/{stem_of(key)}-{name}"
        with suppress(OSError):  # it only saves bytes, some other time
            # Locked before it has the name: who finds the name must see that its writer is alive.
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            write_new(f"{stem}.json", _note(key, head).encode())
            try:
                os.rename(self.path, f"{stem}.partial")
            except BaseException:
                os.unlink(f"{stem}.json")
                raise
            self.path, self._note = f"{stem}.partial", f"{stem}.json"

    def drop(self) -> None:
        """Forget the bytes, but for a file that was moved."""
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
    """All bytes of a body, and their digest, to be looked at within a `with`."""

    def __init__(self, data: bytes | mmap, digest: Digest) -> None:
        self._data = data
        self._digest = digest

    def __enter__(self) -> tuple[Buffer, Digest]:
        return self._data, self._digest

    def __exit__(self, *_: object) -> None:
        if isinstance(self._data, mmap):
            with suppress(BufferError):  # somebody still looks into it: it goes when the last look ends
                self._data.close()


def stem_of(key: Key) -> str:
    """The beginning of the names of what is begun of `key`: 32 digits."""
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def read_note(path: str, key: Key) -> Head:
    """Which head a note has of `key`. Raises where it has none, or is of another time."""
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
    """Since when this machine has been up; the empty string where it does not say.

    What is written and not synced outlives its writer, and no power cut: it may come back as zeros. And a
    lock on a network file system may be seen on one machine only.
    """
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def write_new(path: str, data: bytes) -> None:
    """Make a file, whole, that only its owner may look into. Raises `OSError`, also where there is one."""
    descriptor = create(path)
    try:
        _write(descriptor, data)
    except BaseException:
        os.unlink(path)
        raise
    finally:
        os.close(descriptor)


_LONGEST_NOTE = 1 << 22
"""Characters: more than any head that is taken."""


def create(path: str) -> int:
    """A file that was not there, open for reading and writing."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)


def _close(descriptor: int) -> None:
    """Let go of a file. What a network file system says only now is of bytes that nobody counts on."""
    with suppress(OSError):  # it is closed all the same
        os.close(descriptor)


def _write(descriptor: int, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
