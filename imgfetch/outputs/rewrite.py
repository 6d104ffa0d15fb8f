"""Rewriting: a document with other URLs for its images, and every other byte as it was.

bytes │ text ─▶ its type, its encoding ─▶ markup.rewriting: edits ─▶ bytes
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from imgfetch.charsets import decode_as
from imgfetch.markup.encoding import find_encoding, read_text
from imgfetch.markup.page.discovery import without_surrogates
from imgfetch.markup.rewriting.edits import edited, in_order
from imgfetch.markup.rewriting.pages import css_edits, page_edits
from imgfetch.model.document import Document, DocumentType
from imgfetch.readers.document_type import recognise
from imgfetch.readers.documents import end_of_tags

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.markup.rewriting.edits import Edit

_MARK = "\ufeff"


def rewrite(
    markup: str | bytes,
    mapping: Mapping[str, str] | Callable[[str], str | None],
    *,
    base_url: str = "",
    media_type: str | None = None,
    cards: bool = False,
) -> bytes:
    """Return an HTML page or a style sheet in which the URLs of images are replaced, and nothing else.

    `mapping` gives the new URL of an image by its URL as `find_images` spells it with this `base_url`; it is
    a dict, or a function. An image that it does not have, or gives None or "", stays as it is written. A
    new URL is absolute, or relative to the document, whatever `<base>` the page has: what is written leads
    to the same place from there. Where that cannot be said, because the page has a `<base>` and `base_url`
    is not given, the old URL stays. A new URL is a URL: `?` and `#` in the name of a file must be
    percent-encoded. White space, quotes, `<`, `>` and characters beyond ASCII are percent-encoded here, and
    what would end a URL where it stands: a comma at the ends of one in a `srcset`, a separator in a list.

    Replaced are the values that `SourceSet.places` tells, and in a `srcset`, a style or the data of an
    attribute the URLs alone: descriptors, `sizes`, `media` and all other bytes stay, in the encoding and
    with the line ends of the document. An element with a new URL loses `crossorigin` and `integrity`, which
    no local file satisfies. The metadata of the page (`og:image`, JSON-LD, `image_src`) changes only with
    `cards`, to absolute URLs. URLs in scripts stay, and so do those that a script makes of a template.

    A `str` is encoded in the encoding that it declares, or in UTF-8 if that lacks one of its characters.
    Documents of other types come back as they are. Never raise on any markup; take time linear in it.
    """
    if isinstance(markup, str):
        markup = without_surrogates(markup)
    kind = recognise(Document(markup, content_type=media_type or "", base_url=base_url)).type
    text, queries = read_text(markup, media_type)
    if isinstance(markup, bytes):
        data, encoding = markup, find_encoding(markup, media_type)
    else:
        data, encoding = _encoded(markup, queries)
    mark = _mark_of(data, encoding)
    text = text.removeprefix(_MARK)
    new_url = mapping.get if isinstance(mapping, Mapping) else mapping
    edits: list[Edit] = []
    if kind is DocumentType.HTML:
        read = text[: end_of_tags(text)]
        edits = in_order(page_edits(read, new_url, base_url=base_url, encoding=queries, cards=cards))
    elif kind is DocumentType.CSS:
        edits = in_order(css_edits(text, new_url, base_url=base_url))
    if not edits:
        return data
    return mark + edited(data[len(mark) :], text, edits, encoding)


def _encoded(text: str, encoding: str) -> tuple[bytes, str]:
    """Return a text in an encoding, or in UTF-8, and which of them it is."""
    try:
        data = text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return text.encode(), "utf-8"
    return (data, encoding) if decode_as(encoding, data) == text else (text.encode(), "utf-8")


def _mark_of(data: bytes, encoding: str) -> bytes:
    """Return the byte order mark with which a document begins; it is not a part of its text."""
    try:
        mark = _MARK.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return b""
    return mark if data.startswith(mark) else b""
