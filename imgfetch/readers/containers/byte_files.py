"""Files on bytes in memory, or on a file that is mapped into it: each with its own position, and no copy."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmap import mmap

    from imgfetch.model.document import Document
    from imgfetch.model.values import Buffer


class ByteFile:
    """A file to read, as `zipfile` and warcio want one."""

    def __init__(self, data: Buffer, position: int = 0) -> None:
        self._data = data
        self._position = position

    def read(self, size: int | None = -1) -> bytes:
        """Return so many bytes, fewer at the end."""
        end = len(self._data) if size is None or size < 0 else self._position + size
        piece = bytes(self._data[self._position : end])
        self._position += len(piece)
        return piece

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set the position, and return it. Raises `OSError` for one before the beginning."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: len(self._data)}[whence]
        if start + offset < 0:
            raise OSError("before the beginning")
        self._position = start + offset
        return self._position

    def seekable(self) -> bool:
        """Return True."""
        return True

    def close(self) -> None:
        """Do nothing: the bytes belong to the document."""


def bytes_of(document: Document) -> bytes | mmap:
    """Return all bytes of a document, without a copy."""
    if document.mapped is not None:
        return document.mapped
    return document.data if isinstance(document.data, bytes) else document.data.encode("utf-8", "replace")
