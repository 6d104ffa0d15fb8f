"""Shared by the walkers: the state of a walk, the exception that ends it, and the search for lost data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.model.image import Defect
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    import re

MOST_PARTS = 65_536
"""Chunks, segments, boxes or blocks of one file at most: 50 MB of PNG in chunks of 8 KiB have 6,100."""


class WalkState:
    """The facts that a walk has found so far; they remain when an error ends the walk."""

    __slots__ = ("frames", "height", "most_pixels", "notes", "plane_bytes", "tail", "width")

    def __init__(self) -> None:
        self.width = self.height = self.frames = self.tail = self.most_pixels = 0
        self.plane_bytes = 0.0
        self.notes: list[str] = []


class FormatError(Exception):
    """The first error of a file, which ends the walk. Never leaves this package."""

    def __init__(self, reason: ErrorKind, message: str) -> None:
        self.defect = Defect(reason, message)
        super().__init__(message)


def truncated(message: str) -> FormatError:
    """Return the error of a file that stops before its end."""
    return FormatError(ErrorKind.TRUNCATED, message)


def corrupt(message: str) -> FormatError:
    """Return the error of a file that contradicts itself or its specification."""
    return FormatError(ErrorKind.CORRUPT, message)


def name(fourcc: bytes) -> str:
    """Return four bytes in the form for messages."""
    return ascii(fourcc)[2:-1]


def refuse_zeros(data: memoryview, start: int, stop: int, limit: int) -> None:
    """Raise if over `limit` zero bytes in a row stand between `start` and `stop`: a lost write or a hole."""
    offset = find_zeros(data, start, stop, limit + 1)
    if offset is not None:
        raise corrupt(f"the image data is lost from offset {offset:,}: over {limit:,} zero bytes")


def refuse_second_file(data: memoryview, magic: re.Pattern[bytes], start: int, stop: int) -> None:
    """Raise if `magic` begins a second file between `start` and `stop`: the file was cut and sent again."""
    found = magic.search(data, start)
    if found and found.start() < stop:
        raise corrupt(f"another image begins in its image data, at offset {found.start():,}")


def find_zeros(data: memoryview, start: int, stop: int, run: int) -> int | None:
    """Return the offset of the first `run` zero bytes in a row between `start` and `stop`; None if absent."""
    # Such a run covers one byte of every `run`: only around a zero one is a search needed.
    samples = bytes(data[start:stop:run])
    number = samples.find(0)
    while number >= 0:
        middle = start + number * run
        before = bytes(data[max(start, middle - run + 1) : middle])
        after = bytes(data[middle : min(middle + run, stop)])
        first = middle - len(before) + len(before.rstrip(b"\0"))
        if middle + len(after) - len(after.lstrip(b"\0")) - first >= run:
            return first
        number = samples.find(0, number + 1)
    return None
