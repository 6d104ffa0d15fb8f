"""Documents compressed by gzip (RFC 1952), such as `sitemap.xml.gz`.

bytes ─▶ decompressed, at most 64 MB ─▶ the document inside, with the name without `.gz`
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING

from imgfetch.model.document import Document
from imgfetch.readers.decoded import unread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.model.document import EachImage
    from imgfetch.model.markup import SourceSet

MAX_SIZE = 64_000_000
"""Bytes of the document: as many as one that is not compressed may have."""


def images(document: Document, each_image: EachImage) -> Iterator[SourceSet]:
    """Yield the images of the document inside. Never raise."""
    data = document.data.encode("latin-1", "replace") if isinstance(document.data, str) else document.data
    inside, problem = _decompressed(data)
    name = re.sub(r"\.gz(?=[?#]|\Z)", "", document.name, count=1, flags=re.IGNORECASE)
    yield from each_image(Document(inside, name=name, base_url=document.base_url, depth=document.depth + 1))
    if problem:
        yield unread(problem)


def _decompressed(data: bytes) -> tuple[bytes, str]:
    """Return the data of all members, as far as they can be read, and what is wrong with the rest."""
    pieces: list[bytes] = []
    left = MAX_SIZE
    while data and left:
        member = zlib.decompressobj(wbits=31)
        try:
            piece = member.decompress(data, left)
        except zlib.error as error:
            # Padding and other bytes behind a member are no problem.
            return b"".join(pieces), "" if pieces else f"damaged gzip data: {error}"
        pieces.append(piece)
        left -= len(piece)
        if not left:
            return b"".join(pieces), f"more than {MAX_SIZE:,} bytes inside; the rest was not read"
        if not member.eof:
            return b"".join(pieces), "gzip data that ends too early"
        data = member.unused_data
    return b"".join(pieces), ""
