"""URLs as a browser spells them: with escapes, and hosts in ASCII."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgfetch.rules.http.urls import is_plain

if TYPE_CHECKING:
    from imgfetch.model.markup import Candidate, SourceSet
    from imgfetch.model.values import Buffer


def spelled(url: str) -> str:
    """Return a URL as a browser requests it (URL §4.4); a relative or invalid one unchanged."""
    if is_plain(url):
        return url
    from imgfetch.markup.urls import resolve

    return resolve(url, "") or url


def markup_of(given: str | Buffer) -> str | bytes:
    """Return a document as a text or as `bytes`, whatever buffer holds it. Raises `InputError`."""
    if isinstance(given, str | bytes):
        return given
    if isinstance(given, bytearray | memoryview):
        return bytes(given)
    from imgfetch.errors import InputError
    from imgfetch.model.result import ErrorKind

    why = "no str and no bytes, where a document was expected"
    raise InputError(ErrorKind.BAD_INPUT, why, f"a {type(given).__name__}")


def is_one_url(text: str) -> bool:
    """Return whether a text is one URL, as people type it into an address bar.

    It is one word that begins with a scheme, or a line with raw spaces that begins with `scheme://` (URL §4.4
    escapes them). The line is a text where it has markup, another URL, or a descriptor such as `2x`. A
    `data:` URL may have white space within its base64 or its SVG.
    """
    if _URL_WORD.fullmatch(text):
        return True
    if text[:5].lower() == "data:":
        return bool(re.match(_DATA_URL, text)) and not re.search(_ENDS_WITH_DESCRIPTOR, text[-20:])
    if "://" not in text or not re.fullmatch(_URL_LINE, text) or re.search(_ANOTHER_URL, text):
        return False
    described = re.search(_DESCRIPTOR, text)
    if described is None:
        return True
    # `photo 2x (1).jpg` has a descriptor in the middle of its name; `a.webp 2x is the picture` is prose.
    is_list = described[1] is not None or re.search(_IMAGE_NAME, text[: described.start()])
    return not is_list and re.search(_IMAGE_NAME, text) is not None


def all_spelled(image: SourceSet) -> SourceSet:
    """Return the image with every URL spelled as a browser does."""
    urls = [each.url for each in image.candidates]
    for source in image.sources:
        urls += [each.url for each in source.candidates]
    together = "".join(urls)  # one search for the characters that are escaped, for nearly every image
    if ("'" not in together and is_plain(together)) or all(map(is_plain, urls)):
        return image

    def each(candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
        return tuple(candidate._replace(url=spelled(candidate.url)) for candidate in candidates)

    sources = tuple(source._replace(candidates=each(source.candidates)) for source in image.sources)
    embedded = tuple(body._replace(url=spelled(body.url)) for body in image.embedded)
    return image._replace(candidates=each(image.candidates), sources=sources, embedded=embedded)


_URL_WORD = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S*")
_URL_LINE = r"[A-Za-z][A-Za-z0-9+.-]*://[^\n\r<>]*"
# Compiled by their first use: most URLs have neither white space nor data.
_DATA_URL = (
    r"(?i)data:[^,]{0,200};\s*base64\s*,[A-Za-z0-9+/=%\s]*+\Z|data:image/svg\+xml[^,]{0,200},\s*(?:<|%3c)"
)
_ENDS_WITH_DESCRIPTOR = r"\s[0-9.]+[wxh]\Z"
_EXTENSION = r"\.(?:avif|webp|jpe?g|jfif|jxl|a?png|gif|svg|bmp|ico|tiff?|hei[cf])"
_ANOTHER_URL = rf"(?i)[\s,(\[\"']https?://|{_EXTENSION},\s"
_DESCRIPTOR = r"\s(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)[wxh](?:\s*(,|\Z)|(?=\s))"
_IMAGE_NAME = rf"(?i){_EXTENSION}\Z"
