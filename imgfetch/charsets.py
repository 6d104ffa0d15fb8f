"""Character encodings by their labels (Encoding §4.2), and text from bytes in one of them."""

from __future__ import annotations

import codecs
from functools import cache

BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xfe\xff", "utf-16-be"), (b"\xff\xfe", "utf-16-le"))
"""The byte order marks that browsers sniff, with the encoding of each (Encoding §6, "BOM sniff")."""

REPLACEMENT = "replacement"
"""The encoding of dangerous labels: it decodes any bytes to one U+FFFD (Encoding §14.1)."""

_CODECS = {
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    "iso-8859-8-i": "iso-8859-8",
    "windows-874": "cp874",
    "shift_jis": "cp932",
    "euc-kr": "cp949",
    "big5": "big5hkscs",
    "x-mac-cyrillic": "mac-cyrillic",
    "x-user-defined": "windows-1252",  # as the prescan has it; headers do not use it any more
}
"""Python's names of the encodings that it has under another name."""


@cache
def _windows_1252() -> str:
    """Return the character of each byte; the five that Python leaves unassigned are C1 controls."""
    return "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(256))


def codec_of(label: str) -> str | None:
    """Return Python's codec for a label of the Encoding standard (§4.2); None for an unknown label."""
    import webencodings

    encoding = webencodings.lookup(label)
    return None if encoding is None else _CODECS.get(encoding.name, encoding.name)


def decode_as(encoding: str, data: bytes) -> str:
    """Return the text of bytes in an encoding that `codec_of` names, without a byte order mark.

    Never raises: bytes that are invalid in the encoding become U+FFFD.
    """
    if encoding == REPLACEMENT:
        return "\ufffd" if data else ""
    if encoding == "windows-1252":
        return codecs.charmap_decode(data, "replace", _windows_1252())[0]
    if encoding == "gbk":  # its decoder is that of gb18030 (Encoding §10.1.1)
        encoding = "gb18030"
    return data.decode(encoding, "replace").removeprefix("\ufeff")
