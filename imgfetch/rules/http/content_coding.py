"""Content codings (RFC 9110 §8.4.1): decoded while the bytes stream, and never beyond a limit."""

from __future__ import annotations

import zlib

from imgfetch.model.image import Defect
from imgfetch.model.result import ErrorKind

_WINDOW = {"gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}

_MOST = 2**31 - 1
"""The largest number of bytes that zlib can stop at, on any machine. One chunk never decodes to as many."""

_CODINGS = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}
_UNREAD = frozenset(
    {"br", "zstd", "compress", "x-compress", "dcb", "dcz", "exi", "pack200-gzip", "aes128gcm"}
)
"""Registered codings that are not decoded here (IANA, HTTP Content Coding Registry)."""


def coding_of(field: str | None) -> str | None:
    """Return the coding that a Content-Encoding names: `gzip`, `deflate`, or empty; None for another one.

    A word that is not the name of a coding, such as `utf-8` or `none`, is passed over, as Chromium does: the
    body is taken as it comes, and its bytes are verified anyway.
    """
    words = [word.strip() for word in (field or "").lower().split(",")]
    codings = [word for word in words if word in _CODINGS or word in _UNREAD]
    if not codings:
        return ""
    return _CODINGS.get(codings[0]) if len(codings) == 1 else None


class Decoder:
    """Decodes a body in chunks, to at most `limit` bytes.

    With an empty `coding` the chunks are returned unchanged. `taken` bytes of the limit are used up already.
    """

    def __init__(self, coding: str, *, limit: int, taken: int = 0) -> None:
        self._coding = coding
        self._inflate = zlib.decompressobj(_WINDOW[coding]) if coding else None
        self._limit = limit
        self._left = limit - taken

    def feed(self, chunk: bytes) -> bytes | Defect:
        """Decode a chunk; return a Defect if it is damaged, or decodes to more bytes than the limit."""
        plain = chunk
        if self._inflate is not None:
            try:
                plain = self._inflate.decompress(chunk, min(self._left + 1, _MOST))
            except zlib.error as error:
                return Defect(ErrorKind.BAD_ENCODING, f"the {self._coding} coding is damaged: {error}")
            if self._inflate.unused_data:
                return Defect(ErrorKind.BAD_ENCODING, f"bytes follow the end of the {self._coding} coding")
        self._left -= len(plain)
        if self._left < 0:
            return Defect(ErrorKind.TOO_LARGE, f"more than {self._limit:,} bytes", "max_bytes")
        return plain

    def end(self) -> Defect | None:
        """Return a Defect if the coding is incomplete at the end of the body."""
        if self._inflate is None or self._inflate.eof:
            return None
        return Defect(ErrorKind.BAD_ENCODING, f"the {self._coding} coding is cut short")
