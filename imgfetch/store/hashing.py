"""SHA-256 of bytes and of files; OpenSSL is loaded when the first is computed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import hashlib


def sha256(data: bytes = b"") -> hashlib._Hash:
    """Return a running digest that begins with `data`."""
    import hashlib  # loads OpenSSL, which a cache hit does not need

    return hashlib.sha256(data)


def hash_of(descriptor: int) -> hashlib._Hash:
    """Return the running digest of a whole file."""
    running, position = sha256(), 0
    while chunk := os.pread(descriptor, 1 << 20, position):
        running.update(chunk)
        position += len(chunk)
    return running
