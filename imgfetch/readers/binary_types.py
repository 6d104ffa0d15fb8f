"""Recognise documents that are not text, and name other data.

bytes ─▶ EPUB │ WARC │ gzip │ text: None │ the name of what no reader reads
"""

from __future__ import annotations

import zlib

from imgfetch.formats import sniff
from imgfetch.formats.other_types import name_of_data, name_of_image
from imgfetch.model.document import DocumentType, Recognised


def recognise_binary(data: bytes, extension: str = "") -> Recognised | None:
    """Return what data is by its first bytes; None where it may be text.

    Of an archive that does not say what it is, the `extension` decides.
    """
    if data.startswith(b"\x1f\x8b"):
        if _beginning_of_gzip(data).startswith(b"WARC/"):
            return Recognised(DocumentType.WARC, "by its content")
        return Recognised(DocumentType.GZIP, "by its content")
    if data.startswith(b"WARC/"):
        return Recognised(DocumentType.WARC, "by its content")
    name = known_name(data)
    if name == "an EPUB book" or (name == "a ZIP archive" and extension == "epub"):
        return Recognised(DocumentType.EPUB, "by its content" if extension != "epub" else "by its name .epub")
    if name is not None:
        return Recognised(None, name)
    is_text = data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" not in data[:1024]
    return None if is_text or extension in _WITH_BINARY_PARTS else Recognised(None, "binary data")


def known_name(data: bytes) -> str | None:
    """Return the name of an image, or of other data that is not text, by its first bytes; else None."""
    form = sniff(data[:4096])
    if form is not None:
        return f"{'an' if form == 'avif' else 'a'} {form.upper()} image"
    name = name_of_image(data[:64]) if b"\0" in data[:64] else None
    return name or name_of_data(data)


def _beginning_of_gzip(data: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(data[:4096], 64)
    except zlib.error:
        return b""


_WITH_BINARY_PARTS = ("eml", "mbox", "mht", "mhtml")
"""Extensions of mails: their parts may be binary."""
