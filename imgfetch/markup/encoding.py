"""Character encodings: the encoding of a page's bytes, and its text (HTML §13.2.3.2, Encoding §4).

byte order mark ─▶ charset of the Content-Type ─▶ <meta>, <?xml?> ─▶ UTF-8 if it is valid, else windows-1252
"""

from __future__ import annotations

import re

from imgfetch.charsets import BYTE_ORDER_MARKS, REPLACEMENT, codec_of, decode_as

# Compiled by their first use: a run whose sources are URLs reads no page.
_CHARSET = r"""(?i)charset\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s;"']++))"""
_PRESCAN = rb"""(?isx)
      <!--.*?(?:-->|\Z) | <meta(?=[\s/])((?:[^>"']++|"[^"]*+"?|'[^']*+'?)*+)
      | <[/a-z](?:[^>"']++|"[^"]*+"?|'[^']*+'?)*+ | <[!?/][^>]*+"""
_ATTRIBUTE = r"""[\s/]*+([^\s/>=]++[^\s/>=]*+)(?:\s*+=\s*+(?:"([^"]*+)"?|'([^']*+)'?|([^\s>"']*+)))?"""
_XML = rb"""<\?xml[^>]*?encoding\s*+=\s*+["']([^"'>]++)["']"""
_NEAR = 4096
_MAX_HEAD = 1 << 20
"""Bytes in which a <meta> is searched if no <body> ends the search."""


def read_text(data: bytes | str, content_type: str | None = None) -> tuple[str, str]:
    """Return the text of a page, and the encoding of the queries of its URLs (URL §4.4, query state).

    A text that was decoded before has the encoding that its Content-Type or its `<meta>` names. Never raise.
    """
    if isinstance(data, bytes):
        encoding = find_encoding(data, content_type)
        return decode_as(encoding, data), output_encoding(encoding)
    return data, output_encoding(_of_header(content_type or "") or _of_text(data) or "utf-8")


def decode(data: bytes, content_type: str | None = None) -> str:
    """Return the text of a page. Never raises: bytes that are invalid in the encoding become U+FFFD."""
    return decode_as(find_encoding(data, content_type), data)


def _of_text(text: str) -> str | None:
    """Return the encoding that a decoded page declares; None if it declares none."""
    head = text[:_MAX_HEAD]
    if "charset" not in head[:_NEAR]:  # nearly all declare it there
        lower = head.lower()
        if "charset" not in lower and "encoding" not in lower:
            return None
    return _of_markup(head.encode("utf-8", "replace"))


def output_encoding(encoding: str) -> str:
    """Return the encoding of the URLs of a document in `encoding` (Encoding §4.3)."""
    return "utf-8" if encoding.startswith("utf-16") or encoding == REPLACEMENT else encoding


def find_encoding(data: bytes, content_type: str | None = None) -> str:
    """Return the encoding of a page, as a name that `bytes.decode` knows."""
    for mark, encoding in BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return encoding
    return _of_header(content_type or "") or _of_markup(data) or _guess(data)


def _of_header(content_type: str) -> str | None:
    charset = re.search(_CHARSET, content_type) if content_type else None
    return codec_of(charset[1] or charset[2] or charset[3] or "") if charset else None


def _of_markup(data: bytes) -> str | None:
    """Prescan a byte stream (HTML §13.2.3.2) to the end of its head."""
    head = data[:_MAX_HEAD]
    if b"<" not in head:
        return None
    body = re.search(rb"<body[\s>]", head, re.IGNORECASE)
    head = head[: body.start()] if body else head
    for tag in re.finditer(_PRESCAN, head):
        if tag[1] is not None and (encoding := _of_meta(tag[1].decode("latin-1"))):
            return encoding
    declaration = re.match(_XML, head)
    return _ascii_superset(codec_of(declaration[1].decode("latin-1"))) if declaration else None


def _of_meta(attributes: str) -> str | None:
    found: dict[str, str] = {}
    for attribute in re.finditer(_ATTRIBUTE, attributes):
        found.setdefault(attribute[1].lower(), attribute[2] or attribute[3] or attribute[4] or "")
    if "charset" in found:
        return _ascii_superset(codec_of(found["charset"]))
    if found.get("http-equiv", "").lower() == "content-type":
        return _ascii_superset(_of_header(found.get("content", "")))
    return None


def _ascii_superset(encoding: str | None) -> str | None:
    """Return UTF-8 in place of UTF-16: a declaration that was readable as ASCII is not in UTF-16."""
    return "utf-8" if encoding is not None and encoding.startswith("utf-16") else encoding


def _guess(data: bytes) -> str:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "windows-1252"
    return "utf-8"
