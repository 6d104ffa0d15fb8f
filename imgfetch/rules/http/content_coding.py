"""Content codings: undone while the bytes stream, never to more than there is room for (RFC 9110 §8.4.1)."""

from __future__ import annotations

import zlib

from imgfetch.model.image import Defect
from imgfetch.model.result import ErrorKind

_WINDOW = {"gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}

_MOST = 2**31 - 1
"""Bytes that zlib can be told to stop at, on any machine. No chunk that is read at once means as many."""


class Decoder:
    """Takes coded bytes in pieces and gives the bytes that were meant, `limit` at most.

    `coding` may be empty: then the pieces are what was meant.
    """

    def __init__(self, coding: str, *, limit: int, taken: int = 0) -> None:
        """`taken` of the `limit` are spent already."""
        self._coding = coding
        self._inflate = zlib.decompressobj(_WINDOW[coding]) if coding else None
        self._limit = limit
        self._room = limit - taken

    def feed(self, chunk: bytes) -> bytes | Defect:
        """What `chunk` says; a Defect where it cannot be read, or says more than there is room for."""
        plain = chunk
        if self._inflate is not None:
            try:
                plain = self._inflate.decompress(chunk, min(self._room + 1, _MOST))
            except zlib.error as error:
                return Defect(ErrorKind.BAD_ENCODING, f"the {self._coding} coding is damaged: {error}")
            if self._inflate.unused_data:
                return Defect(ErrorKind.BAD_ENCODING, f"bytes follow the end of the {self._coding} coding")
        self._room -= len(plain)
        if self._room < 0:
            return Defect(ErrorKind.TOO_LARGE, f"more than {self._limit:,} bytes", "max_bytes")
        return plain

    def end(self) -> Defect | None:
        """Say whether the coding was whole, when no bytes are left."""
        if self._inflate is None or self._inflate.eof:
            return None
        return Defect(ErrorKind.BAD_ENCODING, f"the {self._coding} coding is cut short")
