"""The names of other types of data, so that a message can say more than "not an image"."""

from __future__ import annotations

import re

from imgfetch.formats.svg_head import as_ascii
from imgfetch.model.image import Defect
from imgfetch.model.result import ErrorKind


def describe(head: bytes, size: int) -> Defect:
    """Return the defect of `size` bytes that begin with `head` and are not an image of a supported format."""
    if not size:
        return Defect(ErrorKind.EMPTY, "the body is empty")
    if size < 32 and any(magic.startswith(head) for magic in _SUPPORTED):
        return Defect(ErrorKind.TRUNCATED, f"{size} bytes, the beginning of an image")
    if not head.strip(b"\0"):
        return Defect(ErrorKind.CORRUPT, f"the first {len(head):,} bytes are zero")
    for magic, what in _IMAGES.items():
        if head.startswith(magic):
            return Defect(ErrorKind.UNSUPPORTED_FORMAT, f"the body is {what}")
    name = name_of_data(head)
    if name is not None:
        return Defect(ErrorKind.NOT_IMAGE, f"the body is {name}")
    if head[4:8] == b"ftyp":
        return _iso_media(head)
    return _text(head)


def name_of_image(head: bytes) -> str | None:
    """Return what data is that begins as an image of a format that is not supported: “a TIFF image”."""
    return next((what for magic, what in _IMAGES.items() if head.startswith(magic)), None)


def name_of_data(data: bytes) -> str | None:
    """Return what data is that is neither an image nor text: “a PDF document”; None if that is not known.

    Of an archive of parts, such as an Excel workbook, the list of parts at its end may be needed.
    """
    what = next((what for magic, what in _OTHERS.items() if data.startswith(magic)), None)
    if what == _ZIP:
        end = data[-_ZIP_DIRECTORY:]
        return next((name for part, name in _ZIP_PARTS.items() if part in end or part in data[:4096]), what)
    return "a tar archive" if what is None and data[257:262] == b"ustar" else what


def brands(head: bytes) -> frozenset[bytes]:
    """Return the major and compatible brands of an ISO base media file (ISO 14496-12 §4.3)."""
    size = min(int.from_bytes(head[:4]), len(head))
    return frozenset((head[8:12], *(head[at : at + 4] for at in range(16, size - 3, 4))))


_SUPPORTED = (
    *(b"RIFF", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a"),
    *(b"\0\0\1\0", b"\0\0\2\0", b"BM", b"II*\0", b"MM\0*"),
)

_IMAGES = {
    b"II*\0": "a camera raw image (CR2)",
    b"BM": "a BMP image",
    b"\0\0\0\x0cjP  \r\n\x87\n": "a JPEG 2000 image",
    b"\xff\x4f\xff\x51": "a JPEG 2000 image",
    b"II\xbc": "a JPEG XR image",
    b"%!PS": "a PostScript document or image",
    b"\xc5\xd0\xd3\xc6": "an EPS image",
    b"8BPS": "a Photoshop image",
    b"\x8aMNG\r\n\x1a\n": "an MNG animation",
    b"\x8bJNG\r\n\x1a\n": "a JNG image",
    b"icns": "an Apple icon",
    b"qoif": "a QOI image",
    b"DDS ": "a DirectDraw surface",
    b"SIMPLE  =": "a FITS image",
    b"\x76\x2f\x31\x01": "an OpenEXR image",
    b"FLIF": "a FLIF image",
    b"BPG\xfb": "a BPG image",
}
_ZIP = "a ZIP archive"
_ZIP_DIRECTORY = 1 << 20
"""Bytes at the end of an archive in which the names of its parts are searched."""
_ZIP_PARTS = {
    b"mimetypeapplication/epub+zip": "an EPUB book",
    b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet": "an OpenDocument spreadsheet",
    b"mimetypeapplication/vnd.oasis.opendocument.presentation": "an OpenDocument presentation",
    b"mimetypeapplication/vnd.oasis.opendocument": "an OpenDocument text",
    b"xl/workbook": "an Excel workbook",
    b"word/document": "a Word document",
    b"ppt/presentation": "a PowerPoint presentation",
    b"AndroidManifest.xml": "an Android application",
    b"META-INF/MANIFEST.MF": "a Java archive",
}
"""Parts that tell what an archive is: a first entry with its text, or a name (ECMA-376, ODF, EPUB OCF)."""
_OTHERS = {
    b"%PDF-": "a PDF document",
    b"\x1f\x8b": "gzip data",
    b"PK\x03\x04": _ZIP,
    b"PK\x05\x06": "an empty ZIP archive",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"BZh": "bzip2 data",
    b"\xfd7zXZ\0": "xz data",
    b"\x28\xb5\x2f\xfd": "zstd data",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "a document of an old Microsoft Office",
    b"{\\rtf": "an RTF document",
    b"SQLite format 3\0": "an SQLite database",
    b"PAR1": "a Parquet table",
    b"ARROW1": "an Arrow table",
    b"OTTO": "a font",
    b"\0\1\0\0\0": "a font",
    b"wOFF": "a font",
    b"wOF2": "a font",
    b"\xca\xfe\xba\xbe": "a program",
    b"\xcf\xfa\xed\xfe": "a program",
    b"fLaC": "a FLAC recording",
    b"bplist0": "an Apple property list",
    b"\x1aE\xdf\xa3": "a WebM or Matroska video",
    b"OggS": "Ogg media",
    b"RIFF": "RIFF media, not WebP",
    b"ID3": "an MP3 recording",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"\0asm": "a WebAssembly program",
}
_HEIF = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))


def _iso_media(head: bytes) -> Defect:
    # A file with a `mini` box has its codec in the field of the minor version (ISO 23008-12).
    if head[8:12] == b"mif3":
        what = "AVIF" if head[12:16] == b"avif" else "HEIF"
        return Defect(ErrorKind.UNSUPPORTED_FORMAT, f"the body is a minimised {what} image (a mini box)")
    if _HEIF & brands(head):
        return Defect(ErrorKind.UNSUPPORTED_FORMAT, "the body is an HEIF image")
    return Defect(ErrorKind.NOT_IMAGE, "the body is a video or another ISO media file")


# Compiled by its first use: few bodies are a text.
_HTML = rb"(?i)<(?:!doctype\s+html|html|head|body|title|script|meta|div|p|h1|center)[\s>/]"


def _text(head: bytes) -> Defect:
    text = as_ascii(head).lstrip()
    if text.startswith(b"<"):
        if re.search(_HTML, text):
            return Defect(ErrorKind.NOT_IMAGE, "the body is HTML")
        return Defect(ErrorKind.NOT_IMAGE, "the body is XML or other markup")
    if text.startswith((b"{", b"[")):
        return Defect(ErrorKind.NOT_IMAGE, "the body is JSON")
    if not text.translate(None, _PRINTABLE):
        return Defect(ErrorKind.NOT_IMAGE, "the body is text")
    return Defect(ErrorKind.NOT_IMAGE, f"the body begins with {head[:8].hex(' ')}, as no known image does")


_PRINTABLE = bytes((*b"\t\n\r\f\x1b", *range(0x20, 0x7F), *range(0x80, 0x100)))
