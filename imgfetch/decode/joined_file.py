"""Several parts of a buffer, read as one file."""

from __future__ import annotations

from bisect import bisect_right
from io import BytesIO
from itertools import accumulate
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterable


class JoinedFile:
    """A file of the given parts. Copies only the bytes that are read."""

    def __init__(self, parts: Iterable[memoryview]) -> None:
        self._parts = [part for part in parts if len(part)]
        self._ends = list(accumulate(map(len, self._parts)))
        self._position = 0

    @property
    def left(self) -> int:
        """Bytes from the position to the end."""
        return (self._ends[-1] if self._ends else 0) - self._position

    def read(self, size: int = -1) -> bytes:
        """Return the next `size` bytes, or those that are left."""
        stop = self._position + (self.left if size < 0 else min(self.left, size))
        read = []
        while self._position < stop:
            number = bisect_right(self._ends, self._position)
            first = self._ends[number] - len(self._parts[number])
            end = min(stop, self._ends[number])
            read.append(bytes(self._parts[number][self._position - first : end - first]))
            self._position = end
        return read[0] if len(read) == 1 else b"".join(read)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Set the position, and return it."""
        origin = (0, self._position, self._position + self.left)[whence]
        self._position = max(0, origin + offset)
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def close(self) -> None:
        """Release the parts."""
        self._parts.clear()
        self._ends.clear()


def file_of(parts: Iterable[memoryview], size: int) -> IO[bytes]:
    """Return the parts of a body of `size` bytes as a file, as far as Pillow uses one.

    A small body is copied: that costs less than the calls.
    """
    return BytesIO(b"".join(parts)) if size <= _SMALL else cast("IO[bytes]", JoinedFile(parts))


_SMALL = 64 * 1024
"""Bytes."""
