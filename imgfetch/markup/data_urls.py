"""The bytes of `data:` URLs, as browsers read them (Fetch standard §6, RFC 2397).

data:image/png;base64,iVBOR… ─▶ media type, body: percent-decoded, then decoded from base64
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from typing import NamedTuple
from urllib.parse import unquote_to_bytes


class DataUrl(NamedTuple):
    """A `data:` URL in its two parts."""

    media_type: str
    """The media type with its parameters; `text/plain;charset=US-ASCII` where none is written."""
    data: bytes


def is_data_url(url: str) -> bool:
    """Return True if a URL has the scheme `data`."""
    return url[:5].lower() == "data:" or (url[:1] <= " " and url.lstrip(_BLANK)[:5].lower() == "data:")


def read(url: str) -> DataUrl | None:
    """Return the media type and the bytes of a `data:` URL; None for any other string.

    Take time linear in the URL. Follow the Fetch standard, §6 (data: URL processor): the fragment is cut off,
    escapes are undone, and base64 may have spaces and lack its padding.
    """
    if not is_data_url(url):
        return None
    text = url.strip(_BLANK)
    if _LEFT_OUT.search(text):
        text = _LEFT_OUT.sub("", text)
    end = text.find("#")
    comma = text.find(",", 0, end if end >= 0 else len(text))
    if comma < 0:
        return None
    body = percent_decoded(text[comma + 1 : end if end >= 0 else None])  # one copy: it may have megabytes
    head = text[5:comma].strip(" \t\n\f\r")
    encoding = _BASE64.search(head)
    if encoding is not None:
        decoded = from_base64(body)
        if decoded is None:
            return None
        body, head = decoded, head[: encoding.start()]
    if head.startswith(";"):
        head = "text/plain" + head
    return DataUrl(head if _MEDIA_TYPE.match(head) else _DEFAULT_TYPE, body)


def media_type_of(url: str) -> str:
    """Return the media type that a `data:` URL names, without parameters and in lower case; else empty."""
    if not is_data_url(url):
        return ""
    found = _MEDIA_TYPE.match(url[:_MOST_OF_HEAD].partition(",")[0].strip(_BLANK)[5:].strip())
    return found[0].strip().lower() if found else ""


def may_be_image(url: str) -> bool:
    """Return False for a `data:` URL of another type than an image (a font, a text), and for an empty one.

    `data:,` and `data:image/png;base64,` are what programs write in place of an image that they leave out.
    """
    if is_data_url(url) and not url[:_MOST_OF_HEAD].partition(",")[2].partition("#")[0].strip(_BLANK):
        return len(url) > _MOST_OF_HEAD
    media_type = media_type_of(url)
    return not media_type or media_type.startswith("image/") or media_type in _ANY_TYPE


def percent_decoded(text: str) -> bytes:
    """Return the bytes of a text with its escapes undone; characters beyond ASCII are in UTF-8 (URL §1.3)."""
    if "%" not in text:
        return text.encode("utf-8", "replace")
    decoded, start = bytearray(), 0
    while start < len(text):  # in pieces: a long text with many escapes would take 30 times its size
        end = start + _PIECE
        cut = text.rfind("%", end - 2, end)  # an escape at the end of a piece belongs to the next
        end = end if cut < 0 else cut
        decoded += unquote_to_bytes(text[start:end].encode("utf-8", "replace"))
        start = end
    return bytes(decoded)


def from_base64(data: bytes) -> bytes | None:
    """Return the bytes of a base64 text; None where it is not one (Infra standard §5.1, forgiving-base64)."""
    text = data.translate(None, b" \t\n\f\r")
    if len(text) % 4 == 0:
        text = text[:-2] if text.endswith(b"==") else text[:-1] if text.endswith(b"=") else text
    if len(text) % 4 == 1 or not _BASE64_ALPHABET.fullmatch(text):
        return None
    return a2b_base64(text + b"=" * (-len(text) % 4))


_BLANK = "".join(map(chr, range(0x21)))
"""C0 controls and space, which the URL parser removes from both ends (URL §4.4, step 1)."""
_LEFT_OUT = re.compile(r"[\t\n\r]++")
_BASE64 = re.compile(r";[ ]*base64\Z", re.IGNORECASE)
_BASE64_ALPHABET = re.compile(rb"[A-Za-z0-9+/]*+")
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_MEDIA_TYPE = re.compile(rf"{_WORD}/{_WORD}")
_DEFAULT_TYPE = "text/plain;charset=US-ASCII"
_ANY_TYPE = ("application/octet-stream", "binary/octet-stream")
_PIECE = 1 << 20
_MOST_OF_HEAD = 1024
"""Characters in which the comma of a `data:` URL is looked for where only its head is wanted."""
