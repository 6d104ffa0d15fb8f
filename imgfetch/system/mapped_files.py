"""Files that are mapped into memory: read where they are needed, and not copied."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO, TextIO


def mapped(stream: BinaryIO | TextIO, read: int) -> mmap.mmap | None:
    """Map the file of a stream of which the first `read` bytes were read; None for a pipe and the like."""
    try:
        if stream.tell() != read:
            return None
        return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError, AttributeError):
        return None
