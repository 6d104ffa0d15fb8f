"""What the walkers share: what one has seen so far, how it stops, and the search for lost bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.model.image import Defect
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    import re

MOST_PARTS = 65_536
"""Chunks, segments, boxes or blocks of one file: fifty million bytes of PNG in pieces of 8 KiB are 6,100."""


class WalkState:
    """What a walk knows of an image, filled in on the way, so that a flaw does not undo it."""

    __slots__ = ("frames", "height", "most_pixels", "notes", "plane_bytes", "tail", "width")

    def __init__(self) -> None:
        self.width = self.height = self.frames = self.tail = self.most_pixels = 0
        self.plane_bytes = 0.0
        self.notes: list[str] = []


class FormatError(Exception):
    """The first thing wrong with a file: ends the walk. Never leaves this package."""

    def __init__(self, reason: ErrorKind, message: str) -> None:
        self.defect = Defect(reason, message)
        super().__init__(message)


def truncated(message: str) -> FormatError:
    """The file stops before its end."""
    return FormatError(ErrorKind.TRUNCATED, message)


def corrupt(message: str) -> FormatError:
    """The file says something of itself that is not so."""
    return FormatError(ErrorKind.CORRUPT, message)


def name(fourcc: bytes) -> str:
    """Four bytes as they are to be read in a message."""
    return ascii(fourcc)[2:-1]


def refuse_zeros(data: memoryview, start: int, stop: int, most: int) -> None:
    """Raise where `start` to `stop` holds more than `most` zero bytes in a row: a lost write or a hole."""
    at = zeros(data, start, stop, most + 1)
    if at is not None:
        raise corrupt(f"the image data is lost from offset {at:,}: over {most:,} zero bytes")


def refuse_second_file(data: memoryview, magic: re.Pattern[bytes], start: int, stop: int) -> None:
    """Raise where `magic` begins a second file from `start` to `stop`: one that was cut and sent again."""
    found = magic.search(data, start)
    if found and found.start() < stop:
        raise corrupt(f"another image begins in its image data, at offset {found.start():,}")


def zeros(data: memoryview, start: int, stop: int, run: int) -> int | None:
    """Where the first `run` zero bytes in a row begin between `start` and `stop`."""
    # such a run covers one byte of every `run`: only where that one is zero is there a reason to look
    samples = bytes(data[start:stop:run])
    number = samples.find(0)
    while number >= 0:
        at = start + number * run
        before, after = bytes(data[max(start, at - run + 1) : at]), bytes(data[at : min(at + run, stop)])
        first = at - len(before) + len(before.rstrip(b"\0"))
        if at + len(after) - len(after.lstrip(b"\0")) - first >= run:
            return first
        number = samples.find(0, number + 1)
    return None
