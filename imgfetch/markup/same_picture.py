"""Tell whether two URLs name the same picture in other sizes, by the habits of publishing systems.

https://i0.wp.com/blog.example/u/hero-1024x683.jpg?w=800 ─▶ "u/hero" ◀─ https://blog.example/u/hero.jpg
"""

from __future__ import annotations

import re

MOST_NESTED = 3
"""URLs inside URLs that are followed: image services take the URL of the original in theirs."""


def picture_name(url: str, *, is_strict: bool = False, nested: int = 0) -> str:
    """Return a name that renditions of one picture share: its folder and its file name without a size.

    Empty where the URL has no name, as a `data:` URL. Scheme, host and query do not count; where the path
    does not end with the extension of an image, the query does, without the parameters that ask for a size.
    With `is_strict`, a bare number (`-600`) is never taken for a size. Take time linear in the URL.
    """
    if url[:5].lower() == "data:":
        return ""
    if (
        nested < MOST_NESTED
        and ("http" in url[8:].lower() or "?" in url)
        and (inner := _INNER.search(url, 8))
    ):
        from urllib.parse import unquote

        return picture_name(unquote(inner[1] or inner[2]), is_strict=is_strict, nested=nested + 1)
    path, _, query = url.partition("#")[0].partition("?")
    segments = _last_segments(path)
    *folder, name = segments or [""]
    stem, _, extension = name.rpartition(".")
    if not stem or extension.lower() not in _EXTENSIONS:
        return "/".join((*segments, _OF_SIZE.sub("", query).lstrip("&")))
    return "/".join((*folder, _without_size(stem.lower(), is_strict=is_strict)))


def _last_segments(path: str) -> list[str]:
    """Return the last two segments of a path that ask for no size; of a URL without its host."""
    root = path.find("//")
    rest = path[path.find("/", root + 2) :] if root >= 0 and path.find("/", root + 2) >= 0 else path
    if root >= 0 and rest is path:
        return []
    found: list[str] = []
    while rest and len(found) < 2:
        rest, _, segment = rest.rpartition("/")
        if segment and not _RESIZE.fullmatch(segment):
            found.append(segment)
    return found[::-1]


_INNER = re.compile(
    r"[/=](https?(?:%3A|:)(?:%2F|/){1,2}[^?&#]++)|[?&](?:url|src|image|img)=((?:%2F|/)[^&#]++)", re.IGNORECASE
)
_RESIZE = re.compile(
    r"(?:[a-z]{1,12}[_:=-])?[0-9]{1,4}x[0-9]{1,4}|fit-in|[a-z]{1,2}_[a-z0-9.:]++(?:,[a-z]{1,3}_[a-z0-9.:_]++)*+"
    r"|(?:width|height|w|h|size|quality|fit|format)[=-][a-z0-9-]++(?:,[a-z]++=[a-z0-9-]++)*+",
    re.IGNORECASE,
)
"""A part of a path that asks a service for a size: `1200x630`, `w_1200,h_630`, `width=800,quality=75`."""
_OF_SIZE = re.compile(
    r"(?:\A|&)(?:w|h|width|height|size|dpr|q|quality|fit|crop|format|fm|auto)=[^&]*+", re.IGNORECASE
)
"""A parameter that asks a service for a size or a format."""
_EXTENSIONS = frozenset(
    (
        *(
            "jpg",
            "jpeg",
            "jpe",
            "jfif",
            "pjpeg",
            "png",
            "apng",
            "gif",
            "webp",
            "avif",
            "avifs",
            "svg",
            "svgz",
        ),
        *("bmp", "ico", "cur", "tif", "tiff", "jxl", "jp2", "heic", "heif"),
    )
)
_SIZE = re.compile(
    r"(?:[-_.@]?(?:[0-9]{2,4}x[0-9]{2,4}|[0-9]{2,4}w|w[0-9]{2,4}|[1-4]x)"
    r"|[-_.](?:scaled|large|medium|small|thumb|thumbnail|original))\Z"
)
_NUMBER = re.compile(r"[-_.]([1-4][0-9]{3}|[1-9][0-9]{2})\Z")
_NUMBERED = frozenset(("img", "dsc", "dscn", "dscf", "p", "pxl", "image", "photo", "picture", "pic", "file"))
"""Beginnings of names that cameras and people number: `IMG_1200` and `IMG_1201` are two pictures."""


def _without_size(stem: str, *, is_strict: bool) -> str:
    for _ in range(3):
        start = max(0, len(stem) - 12)
        found = _SIZE.search(stem, start)
        if found is None and not is_strict:
            found = _NUMBER.search(stem, start)
            if found and not _may_be_width(int(found[1])):
                return stem
        rest = stem[: found.start()] if found else ""
        if not rest or rest in _NUMBERED:
            return stem
        stem = rest
    return stem


def _may_be_width(number: int) -> bool:
    """Return True for a number such as people choose for widths; years and most numbers of things are not."""
    is_year = 1950 <= number < 2040 and number != 2000
    return not is_year and (number % 10 == 0 or number % 64 == 0)
