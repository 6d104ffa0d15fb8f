# ruff: noqa: E501 (markup, as it stands in pages)
"""Pages drawn at random that name images in every place that publishing systems use, and decoys beside them.

    seed ─▶ blocks, one kind of place each ─▶ Offer(page, base_url): the file name of each image tells its kind

The name of each image has `.i.`, and no other URL of the page has: one without it is a decoy.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drawing import NASTY, SANE, Pen

if TYPE_CHECKING:
    from collections.abc import Callable

MARK = ".i."
"""What the URL of each image has, and no other URL of a page."""

DRAWN = (
    "wordpress",
    "news",
    "art-direction",
    "next",
    "drupal",
    "shopify",
    "cloudinary",
    "plain",
    "picture",
    "url",
    "empty",
)
"""Blocks of the pages that the choice of a browser is compared on."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A page, and where it stands."""

    seed: int
    page: bytes
    base_url: str
    content_type: str = "text/html"


def draw(seed: int) -> Offer:
    """Draw the page of a seed."""
    dice = random.Random(seed)
    kinds = dice.sample([*BLOCKS], dice.randint(6, 12))
    body = "\n".join(_block(dice, kind, f"{seed}-{number}") for number, kind in enumerate(kinds))
    encoding, declared = dice.choice(
        (("utf-8", "utf-8"), ("utf-8", "utf-8"), ("cp1251", "windows-1251"), ("gbk", "gb2312"))
    )
    head = f'<!doctype html><meta charset="{declared}"><link rel="icon" href="data:,"><title>{seed}</title>'
    base = dice.choice(("", "", f"<base href='/b{seed}/'>"))
    page = f"{head}{base}<body>{body}\n</body>".encode(encoding, "xmlcharrefreplace")
    return Offer(seed, page, f"http://page.test/a/{seed}.html")


def _block(dice: random.Random, kind: str, number: str) -> str:
    pen = Place(dice, f"{kind}{MARK}{number}")
    return f"<div>{BLOCKS[kind](pen)}</div>"


class Place(Pen):
    """Writes the parts of one place; URLs have its kind in their names."""

    def blank(self) -> str:
        """Return the URL of a preview: a data URL of nothing, or a file that the page really has."""
        name = self.pick(
            "spacer", "blank", "transparent", "grey", "loading", "none", "photo-transparent", "small"
        )
        pixel = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
        return self.pick(pixel, self.url(f"/{name}/"), self.url(f"/{name}/"))

    def decoy(self) -> str:
        """Return an attribute that names no image."""
        return self.pick(
            "", "", 'data-url="/share/page"', "data-title='/decoy.jpg'", "data-x='{{ url }}'", 'data-src-template="/{width}/decoy.jpg"',
            "alt='decoy.jpg 2x'", "data-page='/wiki/File:Decoy.jpg'", "data-id=decoy", "data-name='decoy.png'", "data-x='decoys/a.png'",
            """data-meta='{"a": "#decoy", "b": 1}'""", "data-video-src='/decoy.mp4'", "usemap='#decoy'", "longdesc='/decoy.jpg'",
        )  # fmt: skip

    def word(self) -> str:
        """Return the query of a URL, in the letters of the page."""
        return self.pick("", "", "?w=1&amp;h=2", "?q=имя", "?q=图片", "?a b", "?a|b")


def _lazy(pen: Place) -> str:
    srcset = pen.pick("data-srcset", "data-lazy-srcset", "data-ezsrcset", "data-opt-srcset")
    src = pen.pick(
        "data-src",
        "data-lazy-src",
        "data-original",
        "data-cfsrc",
        "data-ks-lazyload",
        "real_src",
        "file",
        "data-anything",
        "data-url",
        "data-actualsrc",
    )
    own = pen.pick("", f'srcset="{pen.widths()}" sizes=50vw', f'srcset="{pen.densities()}"')
    return "".join(
        f'<img src="{pen.blank()}" {own if number else ""} {srcset}="{pen.widths()}" {pen.decoy()}> <img src="{pen.blank()}" {src}="{pen.url("/l/")}" {pen.decoy()}>'
        for number in range(2)
    )


def _noscript(pen: Place) -> str:
    url, other = pen.url("/n/"), pen.url("/n/")
    return pen.pick(
        f'<img src="{pen.blank()}" data-src="{url}"><noscript><img src="{url}"></noscript>',
        f'<noscript><img src="{url}" srcset="{pen.widths()}"></noscript><img src="{pen.blank()}" data-src="{url}">',
        f'<p><img src="{pen.blank()}"></p><noscript><img src="{url}"></noscript><img data-src="{url}">',
        f'<img src="{pen.blank()}" data-src="{other}"><noscript><img src="{url}"></noscript>',
        f'<div><img src="{pen.blank()}"><noscript><picture><source srcset="{pen.url()}"><img src="{url}"></picture></noscript></div>',
        f'<noscript><img src="{url}" height=1 width=1 style="display:none"><style>.x{{background:url({pen.url()})}}</style></noscript><i class=x>x</i>',
        f'<noscript><p style="background:url({url})">x</p><img src="{other}"></noscript>',
    )


def _picture_lazy(pen: Place) -> str:
    return (
        f'<picture><source srcset="{pen.widths()}" data-srcset="{pen.widths()}" media="(min-width: 600px)"><source data-srcset="{pen.url()} 1x">'
        f'<img src="{pen.blank()}" data-src="{pen.url()}"></picture>'
    )


def _style(pen: Place) -> str:
    name = f"c{pen.dice.randint(0, 10**9)}"
    image = pen.pick(
        f"background:url({pen.url()})", f"background:url( '{pen.url()}' ) no-repeat, url({pen.url()})", f"background-image:image-set('{pen.url()}' 1x, url({pen.url()}) 2x)",
        f"border:3px solid;border-image:url(\"{pen.url()}\") 30", f"content:url({pen.url()})", f"background:linear-gradient(red,blue),url({pen.url()})",
        f"background:-webkit-image-set(url({pen.url()}) 1x, url({pen.url()}) 2x)", f"background:u\\72l({pen.url()})", f"cursor:url({pen.url()}),auto",
        f"--x:url({pen.url()});background:var(--x)", f"background:url(/d\\65 coys/{pen.url()})",
    )  # fmt: skip
    media = pen.pick("{}", "@media (min-width: 1px) {{{}}}", "@supports (display: grid) {{{}}}")
    return (
        f"<style>/* url(decoy.png) */ @font-face{{font-family:x;src:local(x)}} {media.format(f'.{name}{{{image}}}')}</style><b class={name}>x</b>"
        + pen.pick(
            "",
            f"<i style='background:url({pen.url()})'>x</i>",
            f"<ul style='list-style-image:url({pen.url()})'><li>x</ul>",
        )
    )


def _elements(pen: Place) -> str:
    return pen.pick(
        f'<video poster="{pen.url()}{pen.word()}"></video>', f'<input type=image src="{pen.url()}"><input src="/decoy.png">', f'<table background="{pen.url()}"><tr><td background="{pen.url()}">x</table>',
        f'<svg width=9 height=9><image href="{pen.url()}" width=9 height=9 /><image xlink:href="{pen.url()}" width=9 height=9 /></svg>', f'<image src="{pen.url()}">',
        f'<object type="image/png" data="{pen.url()}"></object><object data="/decoy.html"></object>', f'<embed type="image/png" src="{pen.url()}">', f'<object data="{pen.url()}"><img src="{pen.url()}"></object>',
        f"<svg width=9 height=9><filter id=f><feImage href='{pen.url()}'/></filter><rect filter='url(#f)' width=9 height=9 /></svg>",
    )  # fmt: skip


def _shadow(pen: Place) -> str:
    return (
        f'<x-a><template shadowrootmode={pen.pick("open", "closed")}><style>:host{{display:block;background:url({pen.url()})}}</style><img src="{pen.url()}">'
        f'<slot></slot></template><img src="{pen.url()}"></x-a><template><img src="/decoy.png"></template><p><template shadowrootmode=x><img src="/decoy.png"></template>'
    )


def _frame(pen: Place) -> str:
    return f"<iframe srcdoc='<p style=\"background:url({pen.url()})\">x</p><img src=&quot;{pen.url()}&quot;>'></iframe>"


def _links(pen: Place) -> str:
    thumb = f'<img src="{pen.url()}" {pen.decoy()}>'
    return pen.pick(
        f'<a href="{pen.url()}">{thumb}</a>',
        f'<a href="/wiki/File:Decoy.jpg">{thumb}</a>',
        f'<a href="/decoy.html?a=decoy.jpg">{thumb}</a>',
        f'<a href="#decoy" data-full="{pen.url("/f/")}">{thumb}</a>',
    )


def _head(pen: Place) -> str:
    return pen.pick(
        f'<link rel=preload as=image href="{pen.url()}">',
        f'<link rel=preload as=image imagesrcset="{pen.widths()}" imagesizes=50vw>',
        f'<link rel=preload as=image href="{pen.url()}" type="image/avif" media="(min-width: 600px)">',
        f'<meta property=og:image content="{pen.url()}"><meta name=twitter:card content=decoy><link rel=apple-touch-startup-image href="{pen.url()}"><link rel=preload as=font href="/decoy.woff">',
        f"""<script type="application/ld+json">{{"@graph": [{{"@id": "/#decoy", "@type": "ImageObject", "url": "{pen.url()}"}}, {{"image": {{"@id": "/#decoy"}}, "url": "/decoy"}}]}}</script>""",
        f"""<script type="application/json">{{"a": "/x/{pen.url()}", "b": "/decoy", "c": "decoy.png", "d": "/a/{{w}}/decoy.png"}}</script>""",
    )


def _inert(pen: Place) -> str:
    return f'<!-- <img src="/decoy.png"> --><textarea><img src="/decoy.png"></textarea><img src="{pen.url()}"><template><img src="/decoy.png"></template><img src="{{{{ decoy }}}}" data-src="{pen.url("/t/")}"><img src="#decoy">'


def _addresses(pen: Place) -> str:
    return f'<img src="{pen.url(pen.pick("/é ü/", "//cdn.test/x/", "../", "/a|b/", "/%7e/", "a b/"))}{pen.word()}"><img srcset="{pen.url()}?a|b 1x, {pen.url("/картинки/")} 2x">'


BLOCKS: dict[str, Callable[[Place], str]] = {
    "lazy": _lazy, "noscript": _noscript, "picture-lazy": _picture_lazy, "style": _style, "elements": _elements, "shadow": _shadow, "frame": _frame,
    "links": _links, "head": _head, "inert": _inert, "addresses": _addresses, **{name: ({**SANE, **NASTY})[name] for name in DRAWN},
}  # fmt: skip
