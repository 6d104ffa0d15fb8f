"""The parts of a mail: their header fields, and where their bodies lie (RFC 2045, RFC 2046, RFC 5322).

    bytes, a span ─▶ read_part: fields, span of the body ─▶ parts_of: the spans of the parts inside ─▶ decoded

The standard library reads the fields and undoes the encodings. The parts are found here: its parser looks for
every boundary in every line, takes minutes for a mail of 2 MB with 100 parts inside one another, and raises
`RecursionError` at about 1,000. A part is a span of the mail: nothing is copied until it is decoded.
"""

from __future__ import annotations

import binascii
import re
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.charsets import codec_of, decode_as

if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap

MAX_HEADER = 256 * 1024
"""Bytes of a header that are read; fields behind them are not."""


class Part(NamedTuple):
    """A part of a mail, or the mail itself."""

    mail: bytes | mmap
    """The whole mail."""
    start: int
    """Offset of the body in it."""
    end: int
    fields: Message
    """Those of its fields that say how to read it."""
    media_type: str
    """The media type in lower case, `text/plain` where none is given (RFC 2045 §5.2)."""

    @property
    def is_plain(self) -> bool:
        """True if the body stands in the mail as it is, without a transfer encoding."""
        return self.field("content-transfer-encoding").lower() not in ("base64", "quoted-printable")

    @property
    def file_name(self) -> str:
        """The name of an attachment, decoded; empty without one."""
        try:
            name = self.fields.get_filename() or ""
            return str(make_header(decode_header(name))) if "=?" in name else name
        except (HeaderParseError, UnicodeError, LookupError, ValueError):
            return ""

    def field(self, name: str) -> str:
        """Return the value of a field without white space at its ends; empty without it."""
        return str(self.fields.get(name, "")).strip()

    def url(self, name: str) -> str:
        """Return the URL in a field, without the white space of a folded one (RFC 2557 §4.4.2)."""
        value = self.field(name)
        if "=?" in value:
            try:
                value = str(make_header(decode_header(value)))
            except (HeaderParseError, UnicodeError, LookupError, ValueError):
                return ""
        return "".join(value.split()).strip("<>")

    def decoded(self, most: int | None = None) -> bytes:
        """Return the body with its transfer encoding undone (RFC 2045 §6): its beginning, if it is damaged.

        Where the body has more than `most` bytes, return at least one more than `most`.
        """
        encoding = self.field("content-transfer-encoding").lower()
        end = self.end if most is None else min(self.end, self.start + 4 * most + 4096)
        body = bytes(self.mail[self.start : end])
        if encoding == "base64":
            return _from_base64(body)
        if encoding == "quoted-printable":
            return binascii.a2b_qp(body)
        return body

    def text(self) -> str:
        """Return the body as text, in its charset."""
        charset = self.fields.get_content_charset("utf-8")
        return decode_as(codec_of(charset) or "utf-8", self.decoded())


def read_part(mail: bytes | mmap, start: int, end: int) -> Part:
    """Read the header of the part in a span of a mail."""
    if empty := _EMPTY_LINE.match(mail, start, end):
        header_end, body = start, empty.end()
    else:
        found = _END_OF_HEADER.search(mail, start, end)
        header_end, body = found.span() if found else (end, end)
    fields = Message()
    for match in _FIELD.finditer(mail, start, min(header_end, start + MAX_HEADER)):
        name = match[1].decode("ascii").lower()
        longest = _READ.get(name, 0)
        if len(match[2]) <= longest and name not in fields:
            fields[name] = _text(_FOLD.sub(b" ", match[2]))
    return Part(mail, body, end, fields, fields.get_content_type())


def parts_of(part: Part) -> Iterator[Part]:
    """Yield the parts of a multipart body (RFC 2046 §5.1.1). The last one may lack its end."""
    try:
        boundary = str(part.fields.get_boundary("") or "").encode("utf-8", "surrogateescape")
    except (UnicodeError, ValueError):
        return
    if not boundary:
        return
    begins: int | None = None
    for start, stop, is_last in _delimiters(part, b"--" + boundary.rstrip()):
        if begins is not None:
            yield read_part(part.mail, begins, max(begins, _without_line_end(part.mail, start)))
        if is_last:
            return
        begins = stop
    if begins is not None and begins < part.end:
        yield read_part(part.mail, begins, part.end)


def messages_of(data: bytes | mmap) -> Iterator[Part]:
    """Yield the mail, or each of the mails of an mbox (RFC 4155)."""
    if data[:5] != b"From ":
        blank = _BLANK_LINES.match(data)
        yield read_part(data, blank.end() if blank else 0, len(data))
        return
    begins: int | None = None
    for found in _FROM_LINE.finditer(data):
        if begins is not None:
            yield read_part(data, begins, found.start())
        begins = found.end()
    if begins is not None:
        yield read_part(data, begins, len(data))


def _delimiters(part: Part, delimiter: bytes) -> Iterator[tuple[int, int, bool]]:
    """Yield the start and the end of each delimiter line, and whether it is the closing one."""
    mail, at = part.mail, part.start
    while (at := mail.find(delimiter, at, part.end)) >= 0:
        is_at_line_start = at == part.start or mail[at - 1] in b"\r\n"
        rest = _REST_OF_LINE.match(mail, at + len(delimiter), part.end) if is_at_line_start else None
        if rest is None:
            at += len(delimiter)
            continue
        yield at, rest.end(), rest[1] is not None
        at = rest.end()


def _without_line_end(mail: bytes | mmap, end: int) -> int:
    """Return the end of a body: the line end before a delimiter belongs to the delimiter."""
    if mail[end - 1 : end] == b"\n":
        end -= 1
    return end - 1 if mail[end - 1 : end] == b"\r" else end


def _from_base64(body: bytes) -> bytes:
    characters = body.translate(None, _NOT_BASE64)
    left_over = len(characters) % 4
    if left_over == 1:
        characters = characters[:-1]
    try:
        return binascii.a2b_base64(characters + b"=" * (-len(characters) % 4))
    except binascii.Error:
        return b""


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


_BLANK_LINES = re.compile(rb"[\r\n]*+")
_EMPTY_LINE = re.compile(rb"\r?\n")
_END_OF_HEADER = re.compile(rb"\r?\n\r?\n|\r\r")
_FIELD = re.compile(rb"(?m)^([!-9;-~]++):[ \t]*+([^\r\n]*+(?:\r?\n[ \t][^\r\n]*+)*+)")
_FOLD = re.compile(rb"\r?\n[ \t]")
_REST_OF_LINE = re.compile(rb"(--)?+[ \t]*+(?:\r?\n|\r|\Z)")
_FROM_LINE = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\r\n]*+\r?\n")
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64 = bytes(set(range(256)).difference(_ALPHABET))
_READ = {
    **dict.fromkeys(("content-type", "content-disposition", "content-transfer-encoding"), 2_000),
    **dict.fromkeys(("content-id", "content-location", "content-base", "snapshot-content-location"), 16_000),
}
"""The fields that say how to read a part, and the bytes of each at most: a longer one says nothing."""
