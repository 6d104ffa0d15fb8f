"""warcio's readers, with bounds, and without messages on standard error.

file ─▶ records_of: its records ─▶ content_of: the body of one, without its codings

Import this module only where warcio is there: it is an extra.
"""

from __future__ import annotations

import logging
from typing import Any

from warcio.archiveiterator import ArchiveIterator
from warcio.bufferedreaders import BufferedReader, ChunkedDataReader, DecompressingBufferedReader
from warcio.exceptions import ArchiveLoadFailed

_BLOCK = 4096
"""Bytes that are unpacked at once, to a thousand times as many at most."""

_LONGEST_LINE = 64 * 1024
_MOST_LINES = 20_000
"""Lines of a header, with those of the record before, at most."""


def records_of(file: Any) -> Any:  # noqa: ANN401 (warcio has no types)
    """Return an iterator of the records of a file; it raises the exceptions of warcio and zlib."""
    logger = logging.getLogger("warcio.recordloader")
    if not logger.handlers:  # else Python prints its warnings, one for each odd URL
        logger.addHandler(logging.NullHandler())
    return _Records(file)


def content_of(record: Any) -> Any:  # noqa: ANN401 (as above)
    """Return a stream of the body of a record, without its transfer coding, and without gzip or deflate.

    Brotli, which warcio takes where it is installed, has no bound on what a few bytes may unpack to.
    """
    fields, stream = record.http_headers, record.raw_stream
    if fields is None:
        return stream
    coding = _CODINGS.get(coding_of(record))
    if (fields.get_header("transfer-encoding") or "").strip().lower() == "chunked":
        return _Chunked(stream, block_size=_BLOCK, decomp_type=coding)
    return _Coded(stream, block_size=_BLOCK, decomp_type=coding) if coding else stream


def coding_of(record: Any) -> str:  # noqa: ANN401 (as above)
    """Return the content coding of a record in lower case; empty without one."""
    fields = record.http_headers
    coding = "" if fields is None else (fields.get_header("content-encoding") or "").strip().lower()
    return "" if coding == "identity" else coding


_CODINGS = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}


class _Strict:
    """Raises where data is damaged; warcio prints that, and takes it for the end of the data."""

    def _decompress(self, data: bytes) -> bytes:
        if self.decompressor and data and self.num_block_read:  # type: ignore[attr-defined] # a reader has them
            return self.decompressor.decompress(data)  # type: ignore[attr-defined,no-any-return] # as above
        return super()._decompress(data)  # type: ignore[misc,no-any-return] # as above


class _Coded(_Strict, BufferedReader):  # type: ignore[misc] # as above
    """A body with a content coding."""


class _Chunked(_Strict, ChunkedDataReader):  # type: ignore[misc] # as above
    """A body in chunks."""


class _Unpacked(_Strict, DecompressingBufferedReader):  # type: ignore[misc] # as above
    """An archive, with bounds for its headers."""

    _lines = 0

    def read(self, length: int | None = None) -> bytes:
        """Read so many bytes, or fewer at the end of a member."""
        self._lines = 0
        return super().read(length)  # type: ignore[no-any-return] # as above

    def readline(self, length: int | None = None) -> bytes:
        """Read a line, or the beginning of one that is too long."""
        self._lines += 1
        if self._lines > _MOST_LINES:
            raise ArchiveLoadFailed("a header of too many lines")
        return super().readline(min(length or _LONGEST_LINE, _LONGEST_LINE))  # type: ignore[no-any-return] # as above


class _Records(ArchiveIterator):  # type: ignore[misc] # as above
    """The records of an archive."""

    INC_RECORD = ""  # it would be written to standard error

    def __init__(self, file: Any) -> None:  # noqa: ANN401 (as above)
        super().__init__(file)
        self.reader = _Unpacked(self.fh, block_size=_BLOCK)
