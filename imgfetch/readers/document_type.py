"""Decide what a document is: by its Content-Type, then by its name, then by its first bytes.

    Document ─▶ Content-Type │ extension │ content ─▶ Recognised(type, why)

A Content-Type that says nothing (`application/octet-stream`, `text/plain`) leaves the decision to the others.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgfetch.model.document import DocumentType, Recognised

if TYPE_CHECKING:
    from imgfetch.model.document import Document


def recognise(document: Document) -> Recognised:
    """Return the type of a document and the reason. Never raise."""
    media_type = document.content_type.partition(";")[0].strip().lower()
    if media_type in _MEDIA_TYPES:
        return Recognised(_MEDIA_TYPES[media_type], f"by its Content-Type {media_type}")
    extension = _EXTENSION.search(document.name.lower())
    if extension and extension[1] in _EXTENSIONS:
        return Recognised(_EXTENSIONS[extension[1]], f"by its name .{extension[1]}")
    return Recognised(_by_content(document.data), "by its content")


_MEDIA_TYPES = {
    "text/html": DocumentType.HTML,
    "application/xhtml+xml": DocumentType.HTML,
    "text/css": DocumentType.CSS,
}
_EXTENSIONS = {"css": DocumentType.CSS}
_EXTENSION = re.compile(r"\.([a-z0-9]{1,8})(?:[?#]|\Z)")

_PAGE = (
    r"(?i)<(?:!doctype\s+html|html|head|body|img|picture|source|link|meta|style|amp-img|figure|noscript|video|svg)"
    r"[\s>/]"
)
"""Compiled when a document is read: most sources are URLs."""


def _by_content(data: bytes | str) -> DocumentType:
    found = re.search(_PAGE, data) if isinstance(data, str) else re.search(_PAGE.encode(), data)
    return DocumentType.HTML if found else DocumentType.TEXT
