"""Character encodings: which one a page's bytes are in, and its text (HTML §13.2.3.2, Encoding §4).

byte order mark ─▶ charset of the Content-Type ─▶ <meta>, <?xml?> ─▶ UTF-8 if it is, else windows-1252
"""

from __future__ import annotations

import codecs
import re

_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xfe\xff", "utf-16-be"), (b"\xff\xfe", "utf-16-le"))

_CHARSET = re.compile(r"""charset\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s;"']++))""", re.IGNORECASE)
_PRESCAN = re.compile(
    rb"""<!--.*?(?:-->|\Z) | <meta(?=[\s/])((?:[^>"']++|"[^"]*+"?|'[^']*+'?)*+)
      | <[/a-z](?:[^>"']++|"[^"]*+"?|'[^']*+'?)*+ | <[!?/][^>]*+""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_ATTRIBUTE = re.compile(
    r"""[\s/]*+([^\s/>=]++[^\s/>=]*+)(?:\s*+=\s*+(?:"([^"]*+)"?|'([^']*+)'?|([^\s>"']*+)))?""",
)
_CODECS = {
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    "iso-8859-8-i": "iso-8859-8",
    "windows-874": "cp874",
    "shift_jis": "cp932",
    "euc-kr": "cp949",
    "big5": "big5hkscs",
    "x-mac-cyrillic": "mac-cyrillic",
    "x-user-defined": "windows-1252",  # what the prescan makes of it; in a header it is not met any more
}
"""Python's names for encodings that it knows under another."""

_REPLACEMENT = "replacement"
"""The encoding of labels that are a danger: whatever the bytes, one U+FFFD (Encoding §14.1)."""

_XML = re.compile(rb"""<\?xml[^>]*?encoding\s*+=\s*+["']([^"'>]++)["']""")
_HEAD_LONGEST = 1 << 20
"""How far a <meta> is looked for where no <body> ends the search, in bytes."""

_WINDOWS_1252 = "".join(
    bytes([byte]).decode("cp1252", "ignore") or chr(byte)  # the five unassigned bytes are C1 controls
    for byte in range(256)
)


def decode(data: bytes, content_type: str | None = None) -> str:
    """The text of a page; never raises: what the encoding cannot say becomes U+FFFD."""
    encoding = find_encoding(data, content_type)
    if encoding == _REPLACEMENT:
        return "\ufffd" if data else ""
    if encoding == "windows-1252":
        return codecs.charmap_decode(data, "replace", _WINDOWS_1252)[0]
    if encoding == "gbk":  # written as GBK, read as all of it (Encoding §10.1)
        encoding = "gb18030"
    return data.decode(encoding, "replace").removeprefix("\ufeff")


def output_encoding(encoding: str) -> str:
    """The encoding that a document in `encoding` writes its URLs in (Encoding §4.3)."""
    return "utf-8" if encoding.startswith("utf-16") or encoding == _REPLACEMENT else encoding


def find_encoding(data: bytes, content_type: str | None = None) -> str:
    """The encoding of a page, as a name that `bytes.decode` knows."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return encoding
    return _said_by_header(content_type or "") or _said_by_markup(data) or _guessed(data)


def _said_by_header(content_type: str) -> str | None:
    charset = _CHARSET.search(content_type)
    return _named(charset[1] or charset[2] or charset[3] or "") if charset else None


def _said_by_markup(data: bytes) -> str | None:
    """Prescan a byte stream (HTML §13.2.3.2), as far as the head goes."""
    head = data[:_HEAD_LONGEST]
    body = re.search(rb"<body[\s>]", head, re.IGNORECASE)
    head = head[: body.start()] if body else head
    for tag in _PRESCAN.finditer(head):
        if tag[1] is not None and (encoding := _said_by_meta(tag[1].decode("latin-1"))):
            return encoding
    declared = _XML.match(head)
    return _of_ascii(_named(declared[1].decode("latin-1"))) if declared else None


def _said_by_meta(attributes: str) -> str | None:
    found: dict[str, str] = {}
    for attribute in _ATTRIBUTE.finditer(attributes):
        found.setdefault(attribute[1].lower(), attribute[2] or attribute[3] or attribute[4] or "")
    if "charset" in found:
        return _of_ascii(_named(found["charset"]))
    if found.get("http-equiv", "").lower() == "content-type":
        return _of_ascii(_said_by_header(found.get("content", "")))
    return None


def _of_ascii(encoding: str | None) -> str | None:
    """What a declaration that was readable as ASCII must mean where it says UTF-16."""
    return "utf-8" if encoding is not None and encoding.startswith("utf-16") else encoding


def _named(label: str) -> str | None:
    """The codec for a label of the Encoding standard (§4.2), None for a label it does not know."""
    import webencodings

    encoding = webencodings.lookup(label)
    return None if encoding is None else _CODECS.get(encoding.name, encoding.name)


def _guessed(data: bytes) -> str:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "windows-1252"
    return "utf-8"
