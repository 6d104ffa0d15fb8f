"""Names for strings and bytes that are not to be confused."""

from __future__ import annotations

from typing import TYPE_CHECKING, NewType, TypeAlias

if TYPE_CHECKING:
    from mmap import mmap
    from typing import Literal


Key = NewType("Key", str)
"""What was asked: a URL without its signature, in one spelling for all that name the same resource."""


Digest = NewType("Digest", str)
"""What bytes are: their SHA-256 in 64 lower-case hexadecimal digits."""


StagingId = NewType("StagingId", str)
"""A store's ticket for bytes not yet proved. Opaque: never a path, of no use to any other store."""


LimitName: TypeAlias = """Literal[
    "connect_timeout", "read_timeout", "total_timeout", "lowest_speed", "max_bytes", "max_pixels",
    "max_total_pixels", "max_frames", "max_images", "decode_memory", "max_redirects"
]"""
"""A field of `Limits` that a fetch can run into."""


Buffer: TypeAlias = "bytes | bytearray | memoryview | mmap"
"""Bytes one can look into without copying them."""
