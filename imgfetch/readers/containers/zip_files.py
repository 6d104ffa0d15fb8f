"""The files of a ZIP archive that anyone may have made: bounded in number, size and work.

    bytes ─▶ few enough entries? ─▶ zipfile: list of files │ zip_remains ─▶ read: the bytes of one │ Defect

Nothing is written to disk: a name in the archive is a key here, and not a path.
"""

from __future__ import annotations

import re
import struct
import zlib
from threading import Lock
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from imgfetch.model.image import Defect
from imgfetch.model.result import ErrorKind
from imgfetch.readers.containers.byte_files import ByteFile
from imgfetch.readers.containers.zip_remains import Remains, remains_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imgfetch.model.values import Buffer

MAX_FILES = 20_000
"""Files of an archive: each takes 1 KB of memory as soon as the list is read."""

MAX_UNPACKED = 1_000_000_000
"""Bytes that all reads of one archive may unpack: entries may overlap, and 10 KB may say 10 MB."""

_ENTRY = re.compile(rb"PK\x01\x02")
"""The signature of an entry of the list (APPNOTE.TXT §4.3.12)."""

_ENCRYPTED = 0x1


class ZipFiles:
    """The files of an archive, by name. It may be read from several threads."""

    def __init__(self, data: Buffer, archive: ZipFile | None, files: Iterable[ZipInfo | Remains]) -> None:
        """Without an `archive`, `files` are what remains of one that was cut off."""
        self._data = data
        self._archive = archive
        self._lock = Lock()
        self._left = MAX_UNPACKED
        self._files = {each.filename.lstrip("/"): each for each in files}
        self.defect = "" if archive else "the ZIP archive is cut off: its list of files is missing"

    @classmethod
    def of(cls, data: Buffer) -> ZipFiles | str:
        """Read the list of files, or find what remains without it; return what is wrong with the archive."""
        count = sum(1 for _ in _ENTRY.finditer(data))
        if count > MAX_FILES:
            return f"a ZIP archive of {count:,} files, the limit is {MAX_FILES:,}"
        try:
            archive = ZipFile(ByteFile(data))
        except _DAMAGE:
            remains = cls(data, None, remains_of(data, MAX_FILES))
            return (
                remains if remains._files else "the ZIP archive is damaged: its list of files cannot be read"
            )
        return cls(data, archive, (each for each in archive.infolist() if not each.filename.endswith("/")))

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def read(self, name: str, most: int) -> bytes | Defect:
        """Unpack a file. Of one that is larger than `most` bytes, return one byte more than `most`."""
        entry = self._files.get(name)
        if entry is None:
            return Defect(ErrorKind.CORRUPT, "it is missing in the ZIP archive")
        refused = _refused(entry)
        if refused is not None:
            return refused
        with self._lock:
            if self._left <= 0:
                return Defect(
                    ErrorKind.TOO_LARGE, f"the ZIP archive unpacks to more than {MAX_UNPACKED:,} bytes"
                )
            try:
                data = self._unpacked(entry, most)
            except _DAMAGE:
                return Defect(ErrorKind.CORRUPT, "it is damaged in the ZIP archive")
            self._left -= len(data) + _LEAST
            return data

    def _unpacked(self, entry: ZipInfo | Remains, most: int) -> bytes:
        if isinstance(entry, Remains):
            return entry.unpacked(self._data, most)
        assert self._archive is not None  # noqa: S101 (an entry of its list)
        with self._archive.open(entry) as file:
            return file.read(most + 1)


def _refused(entry: ZipInfo | Remains) -> Defect | None:
    if entry.flag_bits & _ENCRYPTED:
        return Defect(ErrorKind.UNSUPPORTED_FORMAT, "it is encrypted in the ZIP archive")
    if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):  # OCF 3.3 §4.2 permits these two
        return Defect(ErrorKind.UNSUPPORTED_FORMAT, "it is compressed in a way that is not read here")
    return None


_LEAST = 100
"""Bytes that a read counts at least."""

_DAMAGE = (BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, RuntimeError)
"""The errors of `zipfile` about damaged archives."""
