"""Tell what a string of data is: HTML, the URL of an image, a list of candidates, or nothing of these.

    "<p><img src=…>" ─▶ HTML · "https://…/a.jpg", or any URL under `image` ─▶ URL · "a.jpg 480w, …" ─▶ LIST

JSON and XML that are no pages name their images in such strings.
"""

from __future__ import annotations

import re
from enum import Enum

from imgfetch.markup.image_urls import is_pattern, is_share_link


class StringType(Enum):
    """The type of a string that names images."""

    HTML = "html"
    MARKDOWN = "markdown"
    JSON = "json"
    LIST = "list"
    URL = "url"
    BASE64 = "base64"
    """The bytes of an image: `data_url_of` makes a URL of them."""


def string_type(text: str, name: str = "") -> StringType | None:
    """Return the type of a string that stands under a `name`; None if it names no image.

    A URL without the extension of an image counts where its name says that it is one (`image`,
    `thumbnail_url`, `avatar`). Take time linear in the text.
    """
    if len(text) < _SHORTEST:
        return None
    if "<" in text and _MARKUP.search(text):
        return StringType.HTML
    if data_url_of(text):
        return StringType.BASE64
    if len(text) <= _LONGEST_URL and is_image_url(text, name):
        return StringType.URL
    if "](" in text and _MARKDOWN_IMAGE.search(text):
        return StringType.MARKDOWN
    if text[0] in "{[" and text[-1] in "}]" and _JSON.match(text):
        return StringType.JSON
    return StringType.LIST if _DESCRIPTOR.search(text) else None


def data_url_of(text: str) -> str:
    """Return the `data:` URL (RFC 2397) of an image that a text has in base64; empty for any other text.

    Notebooks, books and exports hold images so. The first bytes tell the format.
    """
    begins = _BASE64_BEGINNING.match(text)
    if begins is None or len(text) < _SHORTEST_BASE64 or not _BASE64.fullmatch(text):
        return ""
    return f"data:{_BASE64_BEGINNINGS[begins[1]]};base64,{''.join(text.split())}"


def is_image_url(text: str, name: str = "") -> bool:
    """Return whether a text is one URL, and names an image by its extension or by the `name` of its place."""
    text = text.strip()
    if text[:1] == "#":  # a part of the same document
        return False
    if _IMAGE_URL.fullmatch(text):
        return not (is_share_link(text) or is_pattern(text))
    if not (name and says_image(name)):
        return False
    return bool(_IMAGE_NAME.fullmatch(text) or (_WEB_URL.fullmatch(text) and not _OTHER_FILE.search(text)))


def says_image(name: str) -> bool:
    """Return whether a name, such as `image`, `thumbnail_url` or `coverImageUrl`, is that of an image."""
    words = [word.lower() for word in _WORD.findall(name)]
    while len(words) > 1 and words[-1] in _ADDRESSES:
        words.pop()
    return bool(words) and words[-1].rstrip("s") in _IMAGE_WORDS


def says_icon(name: str) -> bool:
    """Return whether a name is that of an icon, a logo or an avatar."""
    words = [word.lower().rstrip("s") for word in _WORD.findall(name)]
    return not _ICON_WORDS.isdisjoint(words[-2:])


_SHORTEST = 5
_SHORTEST_BASE64 = 48
"""Characters: the smallest GIF has 35 bytes."""
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]++={0,2}\s*+")
_BASE64_BEGINNINGS = {
    "/9j/": "image/jpeg",
    "iVBORw0KGgo": "image/png",
    "R0lGODlh": "image/gif",
    "R0lGODdh": "image/gif",
    "UklGR": "image/webp",
    "PHN2Zy": "image/svg+xml",
    "AAAAIGZ0eXBhdmlm": "image/avif",
    "AAAAHGZ0eXBhdmlm": "image/avif",
}
"""The first bytes of the formats, in base64."""
_BASE64_BEGINNING = re.compile(rf"\s*+({'|'.join(_BASE64_BEGINNINGS)})")
_LONGEST_URL = 8192
_MARKUP = re.compile(
    r"<(?:!doctype\s+html|img|picture|source|amp-img|figure|video|svg|image|link|meta|style|object|embed"
    r"|[a-z][a-z0-9-]*+\s[^<>]*?(?:style|background|poster|srcset)\s*+=)",
    re.IGNORECASE,
)
_EXTENSION = r"\.(?:avif|webp|jpe?g|jfif|jxl|a?png|gif|svg|bmp|ico|tiff?|hei[cf])"
_IMAGE_URL = re.compile(
    rf"(?:https?://|//|\.{{0,2}}/)[^\s<>\"'{{}}|]*?{_EXTENSION}(?:[?#][^\s<>\"]*)?|data:image/[^\s<>\",]*,[^\s<>\"#]+",
    re.IGNORECASE,
)
_IMAGE_NAME = re.compile(rf"[^\s<>\"'{{}}|:]*?{_EXTENSION}(?:[?#][^\s<>\"]*)?", re.IGNORECASE)
_WEB_URL = re.compile(r"https?://[^\s<>\"'{}|]++", re.IGNORECASE)
_OTHER_FILE = re.compile(
    r"\.(?:html?|xhtml|mp[34]|m4[av]|webm|og[gv]|mov|avi|pdf|zip|css|m?js|json|xml|txt|docx?|xlsx?)(?:[?#]|\Z)",
    re.IGNORECASE,
)
_MARKDOWN_IMAGE = re.compile(r"!\[[^\[\]\n]*+\]\([^\s)]")
_JSON = re.compile(r"[\[{]\s*+[\[{\"]")
_DESCRIPTOR = re.compile(r"\.\w{3,4}\S*+\s++[0-9]++(?:\.[0-9]++)?[wx](?:\s*+,|\s*+\Z)")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_ADDRESSES = frozenset(("url", "uri", "src", "href", "link", "path", "file"))
_IMAGE_WORDS = frozenset(
    {"image", "img", "photo", "picture", "thumbnail", "thumb", "poster", "cover", "banner", "artwork"}
    | {"avatar", "logo", "icon", "favicon"}
)
"""In the singular."""
_ICON_WORDS = frozenset({"avatar", "logo", "icon", "favicon", "gravatar"})
