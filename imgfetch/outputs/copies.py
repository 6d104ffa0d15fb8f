"""Copies of stored images in a folder, under readable names: never two images under one name.

    fields of an image ─▶ name by the template ─▶ taken by another image? ──yes──▶ the next: `hero-2.jpg`
                                                     └──no──▶ written, unless the file has these bytes

A name with the digest belongs to its bytes. For any other template a file in the folder records which image a
name belongs to, so that a later run replaces the older copy of an image, and no other.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from imgfetch.errors import CacheError
from imgfetch.model.result import CacheStatus, ErrorKind
from imgfetch.rules.http.urls import key
from imgfetch.rules.image import name_template
from imgfetch.rules.image.safe_names import REFUSED, folded, safe_name
from imgfetch.rules.store import jsonl
from imgfetch.system import export
from imgfetch.system.atomic_files import make_folders, open_regular

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imgfetch.api.results import Image
    from imgfetch.rules.image.name_template import NameTemplate

NAMES = ".imgfetch-names.jsonl"
"""The file that records which image has which name, where a template does not tell them apart."""


class Copies:
    """Places images in one folder. Raises `CacheError` where it cannot be written."""

    def __init__(
        self, folder: str | Path, template: NameTemplate = name_template.DEFAULT, *, link: bool = False
    ) -> None:
        """`link` makes hard links where the file system can; they cannot be written to."""
        self._folder = str(folder)
        self._template = template
        self._link = link
        self._names = None if template.is_unique else _Names(self._folder)

    def place(self, image: Image, fields: Mapping[str, str | int]) -> Path:
        """Write an image under its name, unless it is there already, and return the path."""
        base, extension = self._template.fill(fields), image.format.extension
        try:
            if self._names is None:
                return self._write(image, safe_name(base, extension))
            make_folders(self._folder)
            with self._names.locked():
                is_embedded = image.origin is CacheStatus.EMBEDDED  # many mails have a `cid:1`
                owner = identity(str(image.entry.key if is_embedded else key(image.url) or image.url))
                older = self._names.of(base, owner)
                if older is not None and older.endswith(f".{extension}"):
                    return self._write(image, older)
                name = next(name for name in self._names.free(base, extension) if self._is_free(image, name))
                path = self._write(image, name)
                self._names.record(name, base, owner)
                if older is not None:  # the image has another format now
                    Path(self._folder, older).unlink(missing_ok=True)
                return path
        except OSError as error:
            why = f"cannot be written: {error.strerror or error}"
            raise CacheError(ErrorKind.IO, why, error.filename or self._folder) from error

    def _is_free(self, image: Image, name: str) -> bool:
        path = Path(self._folder, name)
        return not os.path.lexists(path) or export.has_bytes_of(image.path, path)

    def _write(self, image: Image, name: str) -> Path:
        target = Path(self._folder, name)
        if not export.is_placed(image.path, target, link=self._link):
            export.copy_to(image.path, self._folder, name, link=self._link)
        return target


class _Names:
    """The names in a folder, and the images that they belong to.

    Other runs may place images in the same folder: each reads what the others have added, with the lock held.
    """

    def __init__(self, folder: str) -> None:
        self._path = f"{folder}/{NAMES}"
        self._names: dict[int, str] = {}
        """The name of an image, by the identity of its base and of the image."""
        self._taken: set[int] = set()
        self._numbers: dict[int, int] = {}
        """The first number that no image has, by the identity of a base."""
        self._descriptor = -1
        self._known = 0
        """Bytes of the file that were read."""

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of the file, and know all names in it. Raises `OSError`."""
        self._descriptor = open_regular(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW)
        try:
            with suppress(OSError):  # this file system has no locks
                fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            self._read()
            yield
        finally:
            os.close(self._descriptor)

    def of(self, base: str, owner: int) -> str | None:
        """Return the name of an image."""
        return self._names.get(_of(base, owner))

    def free(self, base: str, extension: str) -> Iterator[str]:
        """Yield the names that no image has, the shortest first."""
        number = self._numbers.get(identity(folded(base)), 1)
        while True:
            name = safe_name(base, extension, number=number)
            if identity(folded(name)) not in self._taken:
                yield name
            number += 1

    def record(self, name: str, base: str, owner: int) -> None:
        """Append the name of an image."""
        line = jsonl.line({"base": base, "name": name, "of": f"{owner:016x}"}).encode()
        os.write(self._descriptor, line)
        self._known += len(line)
        self._take(name, base, owner)

    def _take(self, name: str, base: str, owner: int) -> None:
        self._names[_of(base, owner)] = name
        self._taken.add(identity(folded(name)))
        stem = identity(folded(base))
        self._numbers[stem] = self._numbers.get(stem, 0) + 1

    def _read(self) -> None:
        """Read what was added to the file; a line that was cut, or is another program's, is skipped."""
        if os.fstat(self._descriptor).st_size == self._known:
            return
        with open(self._descriptor, "rb", closefd=False) as file:
            file.seek(self._known)
            for line in file:
                with suppress(ValueError):
                    found = jsonl.members_of(line.decode())
                    texts = (jsonl.member(found, each, str) for each in ("name", "base", "of"))
                    name, base, owner = texts
                    if not name.startswith(".") and not REFUSED.intersection(name):  # never out of the folder
                        self._take(name, base, int(owner, 16))
            self._known = file.tell()


def identity(text: str) -> int:
    """Return a number of 64 bits for a text, the same in every run."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8])


def _of(base: str, owner: int) -> int:
    return identity(f"{owner:016x}{folded(base)}")
