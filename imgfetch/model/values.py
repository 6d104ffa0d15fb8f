"""Names for strings and bytes that are not to be confused."""

from __future__ import annotations

from typing import TYPE_CHECKING, NewType, TypeAlias

if TYPE_CHECKING:
    from mmap import mmap
    from typing import Literal


Key = NewType("Key", str)
"""A key of the cache: a URL without its signature, normalized, so that equal resources have equal keys."""


Digest = NewType("Digest", str)
"""A SHA-256 of bytes, in 64 lower-case hexadecimal digits."""


StagingId = NewType("StagingId", str)
"""A store's name for a body that is not verified. Opaque: not a path, and of no use to another store."""


LimitName: TypeAlias = """Literal[
    "connect_timeout", "read_timeout", "total_timeout", "lowest_speed", "max_bytes", "max_pixels",
    "max_total_pixels", "max_frames", "max_images", "decode_memory", "max_redirects"
]"""
"""A field of `Limits` that a fetch can hit."""


Buffer: TypeAlias = "bytes | bytearray | memoryview | mmap"
"""Bytes that can be read without a copy."""
