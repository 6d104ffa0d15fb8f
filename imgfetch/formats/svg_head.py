"""The first bytes of an SVG: whether markup is one, without a parser of XML."""

from __future__ import annotations

import re

_HEAD = (
    rb"""(?:<\?(?:[^?]|\?(?!>))*+\?>|<!--(?:[^-]|-(?!->))*+-->|<!DOCTYPE(?!\s+svg[\s>\[])(?:[^\[<>]|\[[^\]]*+\])*+>|\s++)*+"""
    rb"""<(?:!DOCTYPE\s+svg[\s>\[]|(?:[\w.-]+:)?svg[\s>/])"""
)
"""The beginning of an XML document with the root element `svg`; compiled by its first use."""
_MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
    b"<\0": "utf-16-le",
    b"\0<": "utf-16-be",
}


def is_svg(head: bytes) -> bool:
    """Return True if bytes begin as XML with the root element, or the document type, `svg`."""
    return re.match(_HEAD, as_ascii(head)) is not None


def as_ascii(head: bytes) -> bytes:
    """Return markup as UTF-8 without a byte order mark, if it is in UTF-8 or UTF-16; else as it is."""
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return head.decode(encoding, "replace").encode("utf-8", "replace")
    return head
