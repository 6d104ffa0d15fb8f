"""Character encodings: the encoding of a page's bytes, and its text (HTML §13.2.3.2, Encoding §4).

byte order mark ─▶ charset of the Content-Type ─▶ <meta>, <?xml?> ─▶ UTF-8 if it is valid, else windows-1252
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
    "x-user-defined": "windows-1252",  # as the prescan has it; headers do not use it any more
}
"""Python's names of the encodings that it has under another name."""

_REPLACEMENT = "replacement"
"""The encoding of dangerous labels: it decodes any bytes to one U+FFFD (Encoding §14.1)."""

_XML = re.compile(rb"""<\?xml[^>]*?encoding\s*+=\s*+["']([^"'>]++)["']""")
_MAX_HEAD = 1 << 20
"""Bytes in which a <meta> is searched if no <body> ends the search."""

_WINDOWS_1252 = "".join(
    bytes([byte]).decode("cp1252", "ignore") or chr(byte)  # the five unassigned bytes are C1 controls
    for byte in range(256)
)


def decode(data: bytes, content_type: str | None = None) -> str:
    """Return the text of a page. Never raises: bytes that are invalid in the encoding become U+FFFD."""
    encoding = find_encoding(data, content_type)
    if encoding == _REPLACEMENT:
        return "\ufffd" if data else ""
    if encoding == "windows-1252":
        return codecs.charmap_decode(data, "replace", _WINDOWS_1252)[0]
    if encoding == "gbk":  # its decoder is that of gb18030 (Encoding §10.1.1)
        encoding = "gb18030"
    return data.decode(encoding, "replace").removeprefix("\ufeff")


def output_encoding(encoding: str) -> str:
    """Return the encoding of the URLs of a document in `encoding` (Encoding §4.3)."""
    return "utf-8" if encoding.startswith("utf-16") or encoding == _REPLACEMENT else encoding


def find_encoding(data: bytes, content_type: str | None = None) -> str:
    """Return the encoding of a page, as a name that `bytes.decode` knows."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return encoding
    return _of_header(content_type or "") or _of_markup(data) or _guess(data)


def _of_header(content_type: str) -> str | None:
    charset = _CHARSET.search(content_type)
    return _codec(charset[1] or charset[2] or charset[3] or "") if charset else None


def _of_markup(data: bytes) -> str | None:
    """Prescan a byte stream (HTML §13.2.3.2) to the end of its head."""
    head = data[:_MAX_HEAD]
    body = re.search(rb"<body[\s>]", head, re.IGNORECASE)
    head = head[: body.start()] if body else head
    for tag in _PRESCAN.finditer(head):
        if tag[1] is not None and (encoding := _of_meta(tag[1].decode("latin-1"))):
            return encoding
    declaration = _XML.match(head)
    return _ascii_superset(_codec(declaration[1].decode("latin-1"))) if declaration else None


def _of_meta(attributes: str) -> str | None:
    found: dict[str, str] = {}
    for attribute in _ATTRIBUTE.finditer(attributes):
        found.setdefault(attribute[1].lower(), attribute[2] or attribute[3] or attribute[4] or "")
    if "charset" in found:
        return _ascii_superset(_codec(found["charset"]))
    if found.get("http-equiv", "").lower() == "content-type":
        return _ascii_superset(_of_header(found.get("content", "")))
    return None


def _ascii_superset(encoding: str | None) -> str | None:
    """Return UTF-8 in place of UTF-16: a declaration that was readable as ASCII is not in UTF-16."""
    return "utf-8" if encoding is not None and encoding.startswith("utf-16") else encoding


def _codec(label: str) -> str | None:
    """Return the codec for a label of the Encoding standard (§4.2); None for an unknown label."""
    import webencodings

    encoding = webencodings.lookup(label)
    return None if encoding is None else _CODECS.get(encoding.name, encoding.name)


def _guess(data: bytes) -> str:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "windows-1252"
    return "utf-8"
