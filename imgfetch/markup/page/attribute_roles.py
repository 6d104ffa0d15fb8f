"""The roles of attributes by their names: which of them scripts copy to `src`, and which name originals.

data-lazy-src │ data-zoom-image │ data-title ─▶ Role

A name alone makes no candidate: `lazy` reads the values.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache

# The attributes of the common lazy loading plugins, the most specific first.
LAZY_SRCSET = (
    "data-srcset",  # lazysizes, vanilla-lazyload, lozad, a3
    "data-lazy-srcset",  # WP Rocket, Jetpack
    "data-original-set",
    "data-orig-srcset",  # Avada
    "data-ezsrcset",  # Ezoic
    "data-brsrcset",  # Breeze
    "data-opt-srcset",  # Optimole
    "data-wpfc-original-srcset",  # WP Fastest Cache
    "data-pagespeed-lazy-srcset",  # mod_pagespeed
    "data-flickity-lazyload-srcset",
    "nitro-lazy-srcset",  # NitroPack
)
LAZY_SRC = (
    "data-src",  # lazysizes, lozad, WeChat
    "data-lazy-src",
    "data-original",  # jQuery Lazy Load, Zhihu
    "data-actualsrc",  # Zhihu
    "data-lazy",  # Slick
    "data-orig-src",
    "data-cfsrc",  # Cloudflare Mirage
    "data-ezsrc",
    "data-breeze",
    "data-opt-src",
    "data-wpfc-original-src",
    "data-pagespeed-lazy-src",
    "data-flickity-lazyload",
    "data-flickity-lazyload-src",
    "nitro-lazy-src",
    "data-lazyload",  # Slider Revolution
    "data-lazyload-src",
    "data-ks-lazyload",  # Taobao
    "real_src",  # Sina
    "data-echo",
    "data-hi-res-src",
    "data-image-src",
    "data-image",  # Squarespace
    "data-url",
    "data-img",
    "data-defer-src",
    "file",  # Discuz
)
LAZY_SIZES = ("data-sizes", "data-lazy-sizes", "data-ezsizes", "data-brsizes", "nitro-lazy-sizes")

RANKS = {name: rank for rank, name in enumerate((*LAZY_SRCSET, *LAZY_SRC))}

PLAIN = frozenset(
    (
        *("src", "srcset", "sizes", "alt", "title", "class", "id", "style", "width", "height", "loading"),
        *(
            "decoding",
            "fetchpriority",
            "crossorigin",
            "referrerpolicy",
            "usemap",
            "ismap",
            "longdesc",
            "border",
        ),
        *(
            "align",
            "hspace",
            "vspace",
            "name",
            "role",
            "tabindex",
            "itemprop",
            "itemscope",
            "itemtype",
            "itemid",
        ),
        *(
            "slot",
            "part",
            "is",
            "lang",
            "dir",
            "draggable",
            "hidden",
            "type",
            "media",
            "layout",
            "importance",
        ),
        *("elementtiming", "data-nimg", "data-id", "data-widths", "data-sizes", "data-aspectratio"),
        *(
            "data-bgset",
            "data-bg",
            "data-background",
            "data-background-image",
            "data-bg-src",
            "data-bg-image",
        ),
        *("data-bg-img", "data-bg-url"),
        *("data-lazy-background", "data-lazy-bg", "data-flickity-bg-lazyload"),
    )
)
"""Attributes with a meaning of their own that is not the URL of an image; nearly all have only these.

Backgrounds are read for every element, see `elements.backgrounds`.
"""


class Role(Enum):
    """What an attribute says of the image, by its name."""

    SRCSET = "the candidates that a script will copy to srcset"
    SRC = "the URL that a script will copy to src"
    ORIGINAL = "a larger picture that opens on a click"
    OTHER = "any picture, if the value is the URL of one"
    NONE = "never a picture"


@lru_cache(maxsize=1024)
def role_of(name: str) -> Role:
    """Return the role of an attribute that is not plain, by the words of its name."""
    if name in RANKS:
        return Role.SRCSET if name in LAZY_SRCSET else Role.SRC
    words = re.split("[-_:]", name)
    subject = words[-2] if len(words) > 1 and words[-1] in ("src", "url") else words[-1]
    if words[0] in _OTHER_NAMESPACES or (len(words) == 1 and name.startswith("on")) or subject in _SUBJECTS:
        return Role.NONE
    if words[0] in _BOUND or not ("a" <= name[0] <= "z" or name[0] == "_"):
        return Role.OTHER
    if not _ORIGINALS.isdisjoint(words) or name.endswith(_ORIGINAL_ENDS):
        return Role.ORIGINAL
    if not _PREVIEWS.isdisjoint(words) or words[-1].removesuffix("src") in _PREVIEWS:
        return Role.OTHER
    if name.endswith(("srcset", "src-set")):
        return Role.SRCSET
    is_later = not _LATER.isdisjoint(words[-2:]) or (words[-1] == "url" and subject in _PICTURES)
    return Role.SRC if is_later or name.endswith("src") else Role.OTHER


_OTHER_NAMESPACES = frozenset(("aria", "xmlns", "jsaction"))
_SUBJECTS = frozenset(
    (
        *("alt", "title", "caption", "description", "desc", "name", "filename", "label", "text", "credit"),
        *(
            "copyright",
            "author",
            "key",
            "class",
            "tooltip",
            "html",
            "sizes",
            "widths",
            "ratio",
            "color",
            "type",
        ),
        *("style", "link", "permalink", "page", "video", "audio", "mp4", "webm", "iframe", "embed", "pdf"),
        *("share", "post", "attachment"),
    )
)
"""Last words of the names of texts and settings, and of what is another thing than an image."""
_BOUND = frozenset(("v", "ng", "x", "th", "wire"))
"""First words of expressions that a framework evaluates; their values are seldom URLs."""
_ORIGINALS = frozenset(
    (
        *(
            "full",
            "fullsize",
            "fullscreen",
            "large",
            "larger",
            "largest",
            "big",
            "bigger",
            "zoom",
            "zoomfile",
        ),
        *("magnify", "hires", "highres", "hd", "xl", "xlarge", "max", "raw", "lightbox", "fancybox", "pswp"),
        *("photoswipe", "retina", "2x", "3x", "at2x", "src2x", "bigimage", "zoomimage"),
    )
)
"""Words for a larger picture."""
_ORIGINAL_ENDS = (
    *(
        "orig-file",
        "original-image",
        "original-file",
        "original-url",
        "zoom",
        "2x",
        "retina",
        "hi-res",
        "high-res",
    ),
)
_PREVIEWS = frozenset(
    (
        *("thumb", "thumbnail", "small", "medium", "low", "lowres", "lowsrc", "lqip", "placeholder", "blur"),
        *("blurhash", "tiny", "preview", "fallback", "default", "loading", "loader", "spinner", "error"),
        *("dummy", "hover", "rollover", "alt"),
    )
)
"""Words for a picture that stands for another, or is shown beside it."""
_PICTURES = frozenset(("img", "image", "pic", "photo", "picture"))
_LATER = frozenset(
    ("imgurl", "imageurl", "picurl", "lazy", "lazyload", "lazysrc", "original", "defer", "delayed", "real")
)
"""Words for a picture that a script will show."""
