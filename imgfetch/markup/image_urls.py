"""Image URLs as markup and data have them: what is one by its own spelling, and what certainly is none.

value of an attribute │ string in a script ─┬▶ is_image_url: its extension says so
                                            ├▶ may_be_url: nothing is against it
value of src, srcset, poster, url() ────────┴▶ is_requested: as a browser does, without what is never meant
"""

from __future__ import annotations

import re

from imgfetch.markup.data_urls import may_be_image

_LONGEST = 16_384
"""Characters of a URL at most: origins need not accept a longer one."""

_EXTENSIONS = (
    r"(?:avifs?|webp|jpe?g|jpe|jfif|pjpe?g|jxl|jp2|a?png|gif|svgz?|bmp|ico|cur|tiff?|hei[cf])(?![A-Za-z0-9])"
)
_ENDS_AS_IMAGE = re.compile(
    rf".\.{_EXTENSIONS}(?:\Z|(?:[!@:;,_~^]|-(?=large|medium|small|thumb|big|full|orig|[0-9]))[^/.]*+(?:\.{_EXTENSIONS}\Z|\Z))",
    re.IGNORECASE,
)
"""The last part of a path with the extension of an image, and what services for images write behind it."""
# Compiled by their first use: few pages need them.
_QUERY_OF_IMAGE = (
    rf"(?i)(?:\A|[?&;])(?:(?:wx_fmt|fm|fmt|format|output-format|f)={_EXTENSIONS}"
    rf"|[a-z0-9_.-]++=[^&;]*?\.{_EXTENSIONS}(?:[&;?#]|%3F|\Z))"
)
_OF_A_WIKI = re.compile(r"[^:/]++(?::|%3A)(?!\Z)[^/]*\.", re.IGNORECASE)
"""`File:Harbour.jpg` is the name of a page of a wiki about that file."""
_PATH_OF_PAGES = re.compile(r"/(?:blob|wiki)/", re.IGNORECASE)
_SHARE_LINK = re.compile(
    r"[^?#]*/(?:sharer?(?:article|\.php)?|share/link|dialog/\w++|pin/create/[\w/]++|intent/\w++|submit"
    r"|searchbyimage)/?\?",
    re.IGNORECASE,
)
"""A page of a network that is handed a picture in its query, to share it."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_FETCHED = frozenset({"http", "https", "data", "file", "ftp", "cid", "mid"})
"""The schemes of images; `javascript:`, `about:` and `blob:` name none that can be fetched."""

_PLAIN = re.compile(r"(?:https?:)?/[\w./@?=&+,~-]++")
"""What nearly all image URLs are."""
_UNFILLED = r"(?i)\{\{|\$\{|<%|\[\[|\{%-?\s|\{(?:width|height|size)\}|%%[a-z_]++%%"
"""A part that no page means to request: a single brace may belong to a name."""
_TEMPLATE = (
    r"(?i)\{\{|\}\}|\$\{|<%|\[\[|\{%-?\s|\{(?!%)(?![0-9A-Fa-f]{8}-)[ ]?[A-Za-z_$@][\w.$|:( )-]{0,60}\}"
    r"|%7B%7B|%7B(?![0-9A-Fa-f]{8}-)[A-Za-z_]\w{0,40}%7D|%%[A-Za-z_]++%%"
)
"""A part that a script or a server fills in: `{width}`, `{{ image.url }}`, `${src}`, `%7Bheight%7D`."""
_JSON = re.compile(r"\s*+(?:\{\s*+[\"'}]|\[\s*+[\"'{\[\]])")
_WORD = re.compile(
    r"@\w++|(?i:true|false|yes|no|on|off|auto|none|null|undefined|lazy|lazyload|loaded|load|eager|blur|nan)"
    r"|[-+]?[0-9.,%]++(?:px|ms|s)?|\[object[ ]\w+\]",
)
"""A setting of a script, or the name of an account, where others have a URL."""
_ROOT = re.compile(r"(?:(?:https?:)?//[^/?#]*+)?/?\Z", re.IGNORECASE)
"""A site: its first page, which no attribute for images means."""


def is_image_url(url: str) -> bool:
    """Return True if a URL shows by its own spelling that it is that of an image.

    Its path ends with the extension of an image, or a parameter of its query does so or names a format. The
    pages that wikis and code hosts have about an image are none. Take time linear in the URL.
    """
    if not may_be_url(url) or any(character in url for character in '"<>\\'):
        return False
    path, _, query = url.partition("#")[0].partition("?")
    if ends_as_image(path):
        return True
    return bool(query) and re.search(_QUERY_OF_IMAGE, query) is not None and not is_share_link(url)


def is_share_link(url: str) -> bool:
    """Return True for the link that shares a picture on a network: the picture is only in its query."""
    return _SHARE_LINK.match(url) is not None


def ends_as_image(path: str) -> bool:
    """Return True if a path ends with the name of an image file, and is not that of a page about one."""
    name = path[path.rfind("/") + 1 :]
    if _ENDS_AS_IMAGE.search(name[-_MOST_OF_NAME:]) is None:
        return False
    return _OF_A_WIKI.match(name) is None and _PATH_OF_PAGES.search(path) is None


_MOST_OF_NAME = 300
"""Characters of a file name that are looked at."""


def is_pattern(url: str) -> bool:
    """Return True for a string of a program that stands for many URLs: a glob, a format, a route."""
    return _PATTERN.search(url) is not None


_PATTERN = re.compile(
    r"/\*++[./]|\*\.|%(?:[0-9]\$)?(?:s|d(?![0-9A-Fa-f]))|\$[0-9&](?![0-9])|/:[A-Za-z_]|/\[(?:\.{3})?\w++\]"
)
"""A part that stands for any text: of a glob, a format, a replacement, or a route (`/:id`, `/[id]`)."""


def may_be_url(url: str) -> bool:
    """Return False for a string that certainly is not the URL of an image.

    That is a fragment, a template that is not filled in, JSON, a setting, a site without a path, a URL of
    another scheme, or a `data:` URL that is empty or of another type.
    """
    if _ROOT.match(url):
        return False
    if _PLAIN.fullmatch(url):
        return True
    if url[:5].lower() == "data:":
        return may_be_image(url)
    if len(url) > _LONGEST or url[0] in "#<" or "\n" in url.strip() or _is_of_another_scheme(url):
        return False
    return not (is_template(url) or is_json(url) or _WORD.fullmatch(url))


def is_requested(url: str) -> bool:
    """Return False for a string where browsers request an image, if certainly none is meant.

    Other than `may_be_url`, take all that a browser requests and that may exist: `a{b}.jpg`, `%7Bx%7D.png`.
    """
    if _PLAIN.fullmatch(url):
        return True
    if url[:5].lower() == "data:":
        return may_be_image(url)
    if not url or url[0] in "#<" or _is_of_another_scheme(url):
        return False
    return not (is_json(url) or (_may_have_gaps(url) and re.search(_UNFILLED, url) is not None))


def _is_of_another_scheme(url: str) -> bool:
    scheme = _SCHEME.match(url)
    return scheme is not None and scheme[1].lower() not in _FETCHED


def is_template(url: str) -> bool:
    """Return True if a part of a URL still has to be filled in."""
    return _may_have_gaps(url) and re.search(_TEMPLATE, url) is not None


def _may_have_gaps(url: str) -> bool:
    return "{" in url or "%" in url or "[[" in url or "<%" in url


def is_json(text: str) -> bool:
    """Return True if a text is JSON, or was meant to be."""
    return _JSON.match(text) is not None


def with_ampersands(url: str) -> str:
    """Return a URL with `&` where JSON or metadata has it escaped as in HTML, once or more."""
    return _AMPERSAND.sub("&", url) if "&" in url else url


_AMPERSAND = re.compile("&(?:amp;|#0{0,3}38;|#x26;)++", re.IGNORECASE)
