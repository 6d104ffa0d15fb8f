"""Web archives (WARC 1.0 and 1.1, ISO 28500; ARC): the images of their pages, and those that they recorded.

    file ─▶ warcio: each record once ─▶ Record: URL, date, status, offset
    offset ─▶ warcio again, at the body that is needed

Records are read one by one, so that an archive may be larger than memory. The extra is `imgfetch[warc]`.
"""

from __future__ import annotations

import re
import zlib
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from imgfetch.formats import sniff
from imgfetch.markup.urls import resolve
from imgfetch.model.image import Defect
from imgfetch.model.result import ErrorKind
from imgfetch.readers.containers.byte_files import ByteFile, bytes_of
from imgfetch.readers.containers.records import KEPT, Record, images_of, seconds_of
from imgfetch.readers.decoded import unread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.model.document import Document, EachImage
    from imgfetch.model.markup import SourceSet
    from imgfetch.model.values import Buffer

MAX_UNPACKED = 256_000_000
"""Bytes of the records of an archive at least before it counts as a bomb."""

MAX_RATIO = 100
"""Bytes of the records for each byte of the archive: real archives have 10."""


def images(document: Document, each_image: EachImage) -> Iterator[SourceSet]:
    """Yield the images of a web archive.

    Never raise. Where the archive is damaged or cut off, what stands before is read, and a problem tells so.
    """
    try:
        import warcio  # noqa: F401 (an extra)
    except ImportError:
        yield unread("a WARC archive needs the extra: pip install 'imgfetch[warc]'")
        return
    archive = _Archive(bytes_of(document))
    yield from images_of(archive.records(), document, each_image)
    if archive.defect:
        yield unread(archive.defect)


class _Revisit(NamedTuple):
    """A record that says: the same as an earlier one."""

    record: Record
    digest: str
    refers_to: str
    """The URL of the earlier record, where it is told."""


class _Archive:
    """The records of an archive."""

    def __init__(self, data: Buffer) -> None:
        self._data = data
        self._left = self._left_of_bodies = max(MAX_UNPACKED, MAX_RATIO * len(data))
        self.defect = ""
        """Why the archive was not read to its end."""

    def records(self) -> Iterator[Record]:
        """Yield the responses; a revisit has the body of the response that it repeats."""
        revisits: list[_Revisit] = []
        by_digest: dict[str, Record] = {}
        by_url: dict[str, Record] = {}
        for found, digest, refers_to, is_revisit in self._each():
            if is_revisit:
                revisits.append(_Revisit(found, digest, refers_to))
                continue
            if digest:
                by_digest.setdefault(digest, found)
            by_url.setdefault(found.url, found)
            yield found
        for each in revisits:
            first = by_digest.get(each.digest) if each.digest else None
            first = first or by_url.get(each.refers_to or each.record.url)
            if first is not None:
                date, url = each.record.date, each.record.url
                yield first._replace(url=url, date=date)

    def _each(self) -> Iterator[tuple[Record, str, str, bool]]:
        """Yield each response with its digest, the URL that a revisit refers to, and whether it is one."""
        iterator = _iterator(self._data, 0)
        try:
            for record in iterator:
                offset = iterator.offset
                found = _record(record, partial(self._body_at, offset))
                if found is not None:
                    fields = record.rec_headers
                    yield (
                        found,
                        fields.get_header("WARC-Payload-Digest") or "",
                        fields.get_header("WARC-Refers-To-Target-URI") or "",
                        record.rec_type == "revisit",
                    )
                while piece := record.raw_stream.read(_PIECE):
                    self._left -= len(piece)
                    if self._left < 0:
                        self.defect = "the web archive unpacks to too much; the rest is not read"
                        return
        except _damage() as error:
            what = (
                "is one gzip stream; warcio recompress makes it one for each record"
                if _is_one_stream(error)
                else "is damaged or cut off; the rest is not read"
            )
            self.defect = f"the web archive {what}"

    def _body_at(self, offset: int, most: int) -> bytes | Defect:
        """Decode the body of the record at an offset: within bounds, since its own coding may be a bomb."""
        if self._left_of_bodies < 0:
            return Defect(ErrorKind.TOO_LARGE, "the web archive unpacks to too much")
        body = _body_at(self._data, offset, most)
        if not isinstance(body, Defect):
            self._left_of_bodies -= len(body)
        return body


def _iterator(data: Buffer, offset: int) -> Any:  # noqa: ANN401 (warcio has no types)
    from imgfetch.readers.containers.warc_streams import records_of

    return records_of(ByteFile(data, offset))


def _record(record: Any, read: partial[bytes | Defect]) -> Record | None:  # noqa: ANN401 (warcio)
    """Return the response of a record; None for a request, metadata and the like."""
    fields, response = record.rec_headers, record.http_headers
    url = fields.get_header("WARC-Target-URI") or fields.get_header("uri") or ""
    if record.rec_type not in ("response", "resource", "revisit") or not url:
        return None
    date = seconds_of(fields.get_header("WARC-Date") or "")
    if response is None:  # a resource that was not fetched by HTTP
        status = 200 if record.rec_type != "response" or not url.startswith("http") else 0
        return Record(url, status, fields.get_header("Content-Type") or "", read, date)
    code = response.get_statuscode()
    status = int(code) if code.isascii() and code.isdigit() and len(code) == 3 else 0
    location = response.get_header("Location") or "" if 300 <= status < 400 else ""
    kept = tuple((name.lower(), value) for name, value in response.headers if name.lower() in KEPT)
    content_type = response.get_header("Content-Type") or ""
    target = (resolve(location, url) or "") if location else ""
    return Record(url, status, content_type, read, date, target, kept)


def _body_at(data: Buffer, offset: int, most: int) -> bytes | Defect:
    """Decode the body of the record at an offset, without its transfer and content codings."""
    from imgfetch.readers.containers.warc_streams import coding_of, content_of

    body, coding = bytearray(), ""
    try:
        record = next(_iterator(data, offset))
        stream, coding = content_of(record), coding_of(record)
        while len(body) <= most and (piece := stream.read(_PIECE)):
            body += piece
    except _damage():
        if not body:
            return Defect(ErrorKind.CORRUPT, "it is damaged in the web archive")
    if coding not in _READ_CODINGS and not _is_decoded(body[:_HEAD]):
        return Defect(ErrorKind.BAD_ENCODING, f"its content coding {coding[:20]!r} is not read here")
    return bytes(body)


def _is_decoded(head: bytearray) -> bool:
    """Return True for an image or a text: some archives keep the field of a coding that they have undone."""
    return sniff(bytes(head)) is not None or not _CONTROL.search(head)


def _damage() -> tuple[type[Exception], ...]:
    from warcio.bufferedreaders import ChunkedDataException
    from warcio.exceptions import ArchiveLoadFailed
    from warcio.statusandheaders import StatusAndHeadersParserException

    ours = (ArchiveLoadFailed, ChunkedDataException, StatusAndHeadersParserException)
    return (
        *ours,
        StopIteration,
        zlib.error,
        EOFError,
        OSError,
        ValueError,
        KeyError,
        AttributeError,
        TypeError,
        IndexError,
    )


def _is_one_stream(error: Exception) -> bool:
    return "non-chunked gzip" in str(error)


_READ_CODINGS = frozenset({"", "gzip", "x-gzip", "deflate"})
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
"""Characters that no text has."""
_HEAD = 1024
_PIECE = 64 * 1024
