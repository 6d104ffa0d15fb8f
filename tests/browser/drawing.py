"""Pages drawn at random: the sane ones that publishing systems write, and nasty ones feature by feature.

    seed ─▶ a kind of page ─▶ its blocks, no URL twice ─▶ Case(page, base_url, environment)

One number draws the whole case, always the same: a disagreement is told by its seed. No URL comes twice
on a page, because Chromium prefers an image that it has already, and when it has it is a race.
"""

# ruff: noqa: E501 (markup, as it stands in pages)

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from showing import Environment

if TYPE_CHECKING:
    from collections.abc import Callable

HEIGHTS = {
    320: 568,
    360: 740,
    412: 915,
    768: 1024,
    1024: 768,
    1280: 720,
    1366: 768,
    1440: 900,
    1920: 1080,
    2560: 1440,
}
DPRS = (1.0, 1.0, 1.25, 1.5, 2.0, 2.0, 2.625, 3.0)


@dataclass(frozen=True, slots=True)
class Case:
    """A page, where it stands, and the screen it is shown on."""

    seed: int
    feature: str
    page: str | bytes
    base_url: str
    environment: Environment
    content_type: str = "text/html"


def draw(seed: int) -> Case:
    """The case of a seed."""
    dice = random.Random(seed)
    width = dice.choice([*HEIGHTS])
    environment = Environment(
        width, HEIGHTS[width], dice.choice(DPRS), dice.choice(("light", "light", "dark"))
    )
    feature = dice.choice([*SANE] * 2 + [*NASTY] * 2 + ["encoding", "base", "preload"])
    path = dice.choice(("/", "/a/", "/a/b/")) + f"{seed}.html"
    base_url = f"http://{dice.choice(('page', 'www.site', 't'))}.test{path}"
    pen = Pen(dice, f"i{seed}")
    if feature == "preload":
        links = "\n".join(_preload(pen) for _ in range(dice.randint(2, 8)))
        return Case(seed, feature, f"{HEAD}<title>{seed}</title>\n{links}\n<body>", base_url, environment)
    if feature == "encoding":
        return _in_an_encoding(seed, pen, base_url, environment)
    blocks = SANE.get(feature) or NASTY.get(feature) or NASTY["srcset"]
    body = "\n".join(blocks(pen) for _ in range(dice.randint(6, 14)))
    base = pen.base() if feature == "base" else ""
    return Case(seed, feature, f"{HEAD}{base}<title>{seed}</title>\n<body>\n{body}\n", base_url, environment)


HEAD = '<!doctype html>\n<meta charset="utf-8"><link rel="icon" href="data:,">'


class Pen:
    """Writes the parts that pages are made of."""

    def __init__(self, dice: random.Random, name: str) -> None:
        self.dice = dice
        self._name = name
        self._count = 0

    def url(self, folder: str = "") -> str:
        self._count += 1
        return f"{folder}{self._name}-{self._count}.png"

    def widths(self, folder: str = "", *, least: int = 2, most: int = 8) -> str:
        """Width descriptors, rising."""
        found = sorted(self.dice.sample(range(80, 5200), self.dice.randint(least, most)))
        return ", ".join(f"{self.url(folder)} {width}w" for width in found)

    def ladder(self) -> str:
        """So many widths that the choice tells the source size."""
        width, rungs = 90, []
        while width < 8000:
            rungs.append(f"{self.url()} {width + self.dice.randint(-8, 8)}w")
            width = int(width * 1.17) + 1
        return ", ".join(rungs)

    def densities(self) -> str:
        found = self.dice.sample(
            ("1x", "1.5x", "2x", "3x", "0.5x", "1.25x", "2.625x", "4x", ""), self.dice.randint(1, 4)
        )
        return ", ".join(f"{self.url()} {density}".strip() for density in found)

    def base(self) -> str:
        href = self.pick(
            "/static/", "static", "", "../up/", "?q", "#f", "//cdn.test/x/", "http://cdn.test/a/b", "about:blank",
            "data:text/plain,x", "javascript:1", "http://x:99999/", "http://[", "\\\\cdn.test\\b\\", " /spaced/ ", "/%zz/",
            "http://bücher.test/", "HTTP://CDN.TEST:80/../p/./", "mailto:x", "blob:x", "foo:bar/baz", "foo://h/p/q",
        )  # fmt: skip
        form = self.pick('<base href="{}">', '<base><base href="{}">', '<base href="{}"><base href="/second/">',
            "<base target=_blank><BASE HREF='{}'>", '<template><base href="/t/"></template><base href="{}">',
            '<noscript><base href="/n/"></noscript><base href="{}">', '</head><body><base href="{}">')  # fmt: skip
        return form.format(href)

    def pick(self, *choices: str) -> str:
        return self.dice.choice(choices)

    def soup(self, *pieces: str, least: int = 1, most: int = 6, glue: str = "") -> str:
        return glue.join(self.dice.choice(pieces) for _ in range(self.dice.randint(least, most)))

    def pixels(self) -> int:
        return self.dice.choice(
            (320, 360, 412, 480, 600, 640, 768, 900, 1024, 1200, 1366, 1440, 1920, 2560)
        ) + self.dice.choice((0, 0, -1, 1))


# ---------------------------------------------------------------------------------------------------
# Sane pages


def _wordpress(pen: Pen) -> str:
    width = pen.dice.choice((1024, 768, 800, 2048))
    return (
        f'<figure class="wp-block-image size-large"><img decoding="async" width="{width}" height="{width * 2 // 3}" '
        f'src="{pen.url("/wp-content/uploads/")}" alt="" class="wp-image-7" srcset="{pen.widths("/wp-content/uploads/")}" '
        f'sizes="(max-width: {width}px) 100vw, {width}px" {pen.pick("", "loading=lazy", "fetchpriority=high")} /></figure>'
    )


def _wordpress_auto(pen: Pen) -> str:
    width = pen.dice.choice((300, 600, 1024))
    return (
        f'<img loading="lazy" width="{width}" height="{width}" src="{pen.url()}" srcset="{pen.ladder()}" '
        f'sizes="auto, (max-width: {width}px) 100vw, {width}px">'
    )


def _news(pen: Pen) -> str:
    sources = "".join(
        f'<source media="(min-width: {least}px)" srcset="{pen.widths("//cdn.test/n/")}" '
        f'sizes="(min-width: 1440px) {pen.dice.randint(300, 900)}px, {pen.dice.choice((33, 50, 66, 100))}vw">'
        for least in sorted(pen.dice.sample((480, 660, 740, 980, 1140, 1300), 3), reverse=True)
    )
    return f'<picture>{sources}<img alt="" src="{pen.url("//cdn.test/n/")}"></picture>'


def _art_direction(pen: Pen) -> str:
    sources = "".join(
        f'<source media="{media}" type="{pen.pick("image/avif", "image/webp", "image/jpeg")}" srcset="{pen.url()} 1x, {pen.url()} 2x">'
        for media in (
            "(prefers-color-scheme: dark)",
            "(orientation: portrait) and (max-width: 800px)",
            f"(min-width: {pen.dice.randint(30, 90)}em)",
        )
    )
    return f'<picture>{sources}<img src="{pen.url()}" srcset="{pen.url()} 2x"></picture>'


def _next(pen: Pen) -> str:
    def optimised(width: int) -> str:
        return f"/_next/image?url=%2F{pen.url()}&amp;w={width}&amp;q=75"

    if pen.dice.random() < 0.5:
        return f'<img data-nimg="1" width="400" srcset="{optimised(640)} 1x, {optimised(828)} 2x" src="{optimised(828)}" style="color:transparent">'
    ladder = ", ".join(
        f"{optimised(width)} {width}w" for width in (640, 750, 828, 1080, 1200, 1920, 2048, 3840)
    )
    sizes = pen.pick(
        "100vw", "(max-width: 768px) 100vw, (max-width: 1200px) 50vw, 33vw", "(min-width: 808px) 50vw, 100vw"
    )
    return f'<img data-nimg="fill" sizes="{sizes}" srcset="{ladder}" src="{optimised(3840)}" {pen.pick("", "loading=lazy")}>'


def _drupal(pen: Pen) -> str:
    sources = "".join(
        f'<source srcset="/sites/default/files/{pen.url()}?itok=A 1x, /sites/default/files/{pen.url()}?itok=B 2x" media="{media}" type="{pen.pick("image/avif", "image/webp", "image/jpeg")}" width="620" height="348"/>\n'
        for media in (
            "all and (min-width: 1245px)",
            "all and (min-width: 860px) and (max-width: 1244px)",
            "(max-width: 559px)",
        )
    )
    return f'<picture>\n{sources}<img {pen.pick("loading=eager", "loading=lazy", "")} src="{pen.url()}" width="400" height="225" alt=""></picture>'


def _shopify(pen: Pen) -> str:
    folder = "//shop.test/cdn/shop/files/"
    half = pen.dice.choice((50, 33))
    return (
        f'<img src="{pen.url(folder)}?v=17&amp;width=1500" srcset="{pen.widths(folder)}" '
        f'sizes="(min-width: 1200px) calc((1200px - 10rem) / 2), (min-width: 750px) calc(({half * 2}vw - 11.5rem) / 2), calc(100vw - 4rem)">'
    )


def _cloudinary(pen: Pen) -> str:
    ladder = ", ".join(
        f"https://res.test/image/upload/w_{w},c_fill,q_auto/{pen.url()} {w}w"
        for w in (320, 640, 960, 1280, 1920)
    )
    return f'<img srcset="{ladder}" src="https://res.test/w_320,q_auto/{pen.url()}" sizes="(max-width: {pen.pixels()}px) 90vw, {pen.dice.randint(300, 800)}px">'


def _plain(pen: Pen) -> str:
    return f'<p>words <img src="{pen.url()}" width=80 alt="a &quot;b&quot; <c>"> <img srcset="{pen.densities()}" src="{pen.url()}"></p>'


SANE: dict[str, Callable[[Pen], str]] = {
    "wordpress": _wordpress, "wordpress-auto": _wordpress_auto, "news": _news, "art-direction": _art_direction,
    "next": _next, "drupal": _drupal, "shopify": _shopify, "cloudinary": _cloudinary, "plain": _plain,
}  # fmt: skip


# ---------------------------------------------------------------------------------------------------
# Nasty pages

# Units of the font's own measures (ex, ch, cap, ic, lh) are left out: they tell which fonts are installed.
LENGTHS = (
    "0", "0px", "+0", "1px", "50vw", "33.3vw", "100vw", "120vw", "40vh", "30vmin", "30vmax", "20em", "25rem", "300px", "3e2px",
    "+250.5px", "-5px", ".5vw", "50VW", "2in", "9cm", "90mm", "300q", "150pt", "20pc", "40svw", "40lvw", "40dvw", "30svh", "30vi", "30vb", "50cqw", "50%", "300", "300 px", "1e400px", "0.0001px", "auto", "min-content", "1fr", "30deg", "2x",
    "40svmin", "40dvmax",
)  # fmt: skip
MATHS = (
    "calc(100vw - {p}px)", "calc(50vw + 2rem)", "calc((100vw - 4rem) / 3)", "min({p}px, 100vw)", "max(200px, 30vw)", "clamp(200px, 50vw, {p}px)",
    "calc(2 * 20em)", "calc(100vw-20px)", "calc(1px)", "calc(5)", "calc(50%)", "min(50vw)", "min()", "clamp(1px, 2px)", "max(10vw, calc(20vw + 5px), 30px)",
    "calc(-50px)", "calc(100vw / 0)", "calc(10px * 2vw)", "calc((((50vw))))", "calc(50vw", "CALC(50VW)", "calc(50vw /* c */ + 1px)", "abs(-300px)", "round(333px, 50px)",
    "mod(500px, 300px)", "sqrt(4) * 1px", "pow(2, 8)", "calc(pow(2,8) * 1px)", "calc(pi * 100px)", "calc(e * 100px)", "hypot(300px, 400px)", "sign(1px)", "calc(1px * infinity)", "calc(NaN * 1px)",
    "env(x, 300px)", "var(--x, 300px)", "clamp(none, 50vw, 300px)", "clamp({p}px, 30vw, none)", "calc(sin(30deg) * 400px)", "min(1px, 2)", "calc(1.5 * (10vw + 5px) - 3px)", "calc( 50vw )", "-webkit-calc(50vw)",
    "rem(500px, 300px)", "exp(1)", "calc-size(auto, 300px)", "max(1vw, 1rem, 1in)", "calc(10px + )", "calc(+ 10px)", "calc(3 * -20px * -5)", "calc(100vw - (2 * 16px))",
    "progress(1px, 0px, 3px)", "calc(1px + 2px 3px)", "attr(width px, 300px)", "calc(300px+20px)", "calc(300px -20px)", "calc(300px - -20px)", "calc(1e3px / 3)", "log(10)",
)  # fmt: skip
FEATURES = (
    "(min-width: {p}px)", "(max-width: {p}px)", "(width: {p}px)", "(width)", "(min-height: 700px)", "(max-height: {p}px)", "(orientation: portrait)", "(orientation: landscape)", "(orientation)",
    "(prefers-color-scheme: dark)", "(prefers-color-scheme: light)", "(prefers-color-scheme)", "(min-resolution: 2dppx)", "(max-resolution: 1.5x)", "(resolution: 96dpi)", "(min-resolution: 192dpi)", "(resolution >= 1.25x)",
    "(-webkit-min-device-pixel-ratio: 2)", "(-webkit-max-device-pixel-ratio: 1.5)", "(-webkit-device-pixel-ratio: 1)", "(min-aspect-ratio: 16/9)", "(aspect-ratio: 1)", "(max-aspect-ratio: 3 / 4)", "(aspect-ratio > 1.5)", "(aspect-ratio: 1/0)",
    "(hover: hover)", "(hover)", "(hover: none)", "(any-hover: hover)", "(pointer: fine)", "(pointer: coarse)", "(any-pointer: fine)", "(update: fast)", "(scripting: enabled)", "(scripting)", "(color)", "(min-color: 8)", "(color: 0)", "(color-gamut: srgb)", "(color-gamut: p3)",
    "(monochrome)", "(monochrome: 0)", "(grid)", "(grid: 0)", "(prefers-reduced-motion: reduce)", "(prefers-reduced-motion: no-preference)", "(prefers-contrast: no-preference)", "(prefers-contrast)", "(forced-colors: none)", "(forced-colors)", "(inverted-colors: none)", "(display-mode: browser)", "(display-mode: standalone)",
    "(dynamic-range: standard)", "(dynamic-range: high)", "(video-dynamic-range: standard)", "(overflow-block: scroll)", "(overflow-inline: scroll)", "(device-width: {p}px)", "(min-device-width: {p}px)", "(max-device-height: {p}px)", "(device-aspect-ratio: 16/9)", "(min-device-aspect-ratio: 1/1)", "(color-index: 0)", "(prefers-reduced-data: reduce)", "(prefers-reduced-transparency: no-preference)", "(scan: progressive)",
    "(width > {p}px)", "(width >= {p}px)", "({p}px <= width)", "(400px < width < {p}px)", "(400px <= width <= {p}px)", "({p}px > width > 300px)", "(width = {p}px)", "({p}px = width)", "(width < {p}px > 3px)", "(400px < width > 300px)", "(min-width > 3px)", "(width>={p}px)", "(width > = {p}px)",
    "(min-width: 50em)", "(min-width: 40rem)", "(min-width: 10in)", "(min-width: calc({p}px + 1em))", "(min-width: 50vw)", "(max-width: 100vw)", "(min-width: 0)", "(min-width: -1px)", "(min-width: {p})", "(min-width {p}px)", "(min-width:{p}px)", "(MIN-WIDTH:{p}PX)", "( min-width : {p}px )", "(min-width: {p}px;)", "(min-width)", "(max-width: min({p}px, 100em))", "(width: calc(50%))",
    "(foo)", "(foo: bar)", "(unknown-feature: 3px)", "(width: foo)", "foo(bar)", "(foo bar baz)", "()", "(())", "((min-width: {p}px))", "(not (width < {p}px))", "(((color)))", "(nav-controls: back)", "(device-posture: continuous)", "(horizontal-viewport-segments: 1)", "(transform-3d)", "(-webkit-transform-3d)", "(-webkit-transform-3d: 1)", "(-moz-device-pixel-ratio: 1)", "(shape: rect)", "(environment-blending: opaque)", "(overflow-block: paged)", "(display-mode)",
)  # fmt: skip
TYPES = (
    "all",
    "screen",
    "print",
    "only screen",
    "not screen",
    "not print",
    "not all",
    "speech",
    "tv",
    "foo",
    "only foo",
    "only all",
    "SCREEN",
    "not foo",
    "and",
    "or",
    "not",
    "only",
    "layer",
)
MIMES = (
    "image/jpeg", "image/jpg", "image/webp", "image/avif", "image/png", "image/gif", "image/svg+xml", "image/jxl", "image/heic", "image/tiff", "image/jp2", "image/bmp", "image/x-icon", "image/apng",
    "IMAGE/WEBP", " image/webp ", "image/webp;q=1", 'image/jpeg; codecs=&quot;x&quot;', "image/foo", "text/html", "image/", "image", "webp", "*/*", "image/*", "", ";", "image/png,image/webp", "video/mp4", "application/xml", "image/pjpeg", "image/x-png", "image/vnd.microsoft.icon",
)  # fmt: skip


def _fill(pen: Pen, text: str) -> str:
    return text.replace("{p}", str(pen.pixels()))


def _length(pen: Pen) -> str:
    return _fill(pen, pen.pick(*(LENGTHS if pen.dice.random() < 0.5 else MATHS)))


def _condition(pen: Pen) -> str:
    first = _fill(pen, pen.pick(*FEATURES))
    match pen.dice.randint(0, 9):
        case 0 | 1 | 2 | 3:
            return first
        case 4:
            return f"not {first}"
        case 5:
            return f"{first} {pen.pick('and', 'or', 'AND', 'Or')} {_fill(pen, pen.pick(*FEATURES))}"
        case 6:
            return f"({first} {pen.pick('and', 'or')} {_fill(pen, pen.pick(*FEATURES))}) {pen.pick('and', 'or')} {_fill(pen, pen.pick(*FEATURES))}"
        case 7:
            return f"not ({first} or {_fill(pen, pen.pick(*FEATURES))})"
        case 8:
            return f"{first} and {_fill(pen, pen.pick(*FEATURES))} {pen.pick('and', 'or')} {_fill(pen, pen.pick(*FEATURES))}"
        case _:
            return f"({first}) and (not {_fill(pen, pen.pick(*FEATURES))})"


def _query(pen: Pen) -> str:
    match pen.dice.randint(0, 6):
        case 0 | 1 | 2:
            return _condition(pen)
        case 3:
            return pen.pick(*TYPES)
        case 4:
            return f"{pen.pick(*TYPES)} {pen.pick('and', 'or', 'and not')} {_condition(pen)}"
        case 5:
            return f"{_query(pen)}{pen.pick(', ', ',', ' , ')}{_query(pen)}"
        case _:
            return pen.pick(
                _condition(pen) + pen.pick(" and", " or", ",", " foo", "(", ")", "]", "}", " ;", " /* x */", "\\", "!"),
                pen.pick("(", "/* */ ", ",", ";", "and ", "\t\n", "@media ", ")") + _condition(pen),
                _condition(pen).replace(" ", pen.pick("", "  ", "\n", "/**/")),
                "", " ", ",", ",,", "screen,", ",screen", "{}", "[]",
            )  # fmt: skip


def _media(pen: Pen) -> str:
    second = f'<source media="{_query(pen)}" srcset="{pen.url()}">' if pen.dice.random() < 0.3 else ""
    return f'<picture><source media="{_query(pen)}" srcset="{pen.url()}">{second}<img src="{pen.url()}"></picture>'


def _sizes_length(pen: Pen) -> str:
    return f'<img srcset="{pen.ladder()}" sizes="{_length(pen)}">'


def _sizes_list(pen: Pen) -> str:
    entries = [
        pen.pick(
            f"{_condition(pen)} {_length(pen)}",
            f"{_condition(pen)} {_length(pen)}",
            _length(pen),
            f"{_query(pen)} {_length(pen)}",
            f"{_condition(pen)}{_length(pen)}",
        )
        for _ in range(pen.dice.randint(1, 4))
    ]
    return (
        f'<img src="{pen.url()}" srcset="{pen.ladder()}" sizes="{pen.pick(", ", ",", " , ").join(entries)}">'
    )


def _sizes_soup(pen: Pen) -> str:
    sizes = pen.soup(
        "(", ")", ",", " ", "50vw", "300px", "(min-width:1px)", "not ", " and ", "/*", "*/", "calc(", "[", "]", "{", "}", "'", "\\", "\\35 0vw", "3\\30 0px", "auto", "!important", ";", "url(x", "url(x)", "#f", "@x", "--x", "-", "+", "0", "\n", "\t",
        most=9,
    )  # fmt: skip
    return f'<img srcset="{pen.ladder()}" sizes="{sizes}">'


def _sizes_auto(pen: Pen) -> str:
    sizes = pen.pick(
        "auto",
        "AUTO",
        "auto, 300px",
        "auto,100vw",
        "auto, (min-width: 1px) 50vw",
        "auto 5px, 80px",
        "50vw, auto",
        "(min-width: 1px) auto, 70vw",
        "auto/**/, 5px",
        "au\\74o",
        "",
    )
    loading = pen.pick(
        "loading=lazy",
        "loading=lazy",
        "loading=LAZY",
        "loading=eager",
        "",
        "loading",
        'loading=" lazy"',
        "loading=auto",
    )
    size = pen.pick(
        "",
        "width=213",
        "width=50%",
        'style="width:30vw"',
        'style="width:177px" width=99',
        "width=0",
        "width=-5",
        "width=abc",
        'width=" 40 "',
        "width=700px",
        "width=33.5",
        "height=90 width=310",
        'style="width:20em"',
        'style="max-width:120px" width=400',
        'style="min-width:444px"',
        'style="WIDTH : 77PX"',
        'style="width:calc(10vw + 10px)"',
    )
    picture = (
        f'<source srcset="{pen.ladder()}" sizes="{sizes}" {pen.pick("", "width=222", "media=print")}>'
        if pen.dice.random() < 0.25
        else ""
    )
    image = f'<img {loading} {size} srcset="{pen.ladder()}" sizes="{sizes}" src="{pen.url()}">'
    return f"<picture>{picture}{image}</picture>" if picture else f"<div>{image}</div>"


def _srcset(pen: Pen) -> str:
    src = f'src="{pen.url()}"' if pen.dice.random() < 0.7 else ""
    sizes = f'sizes="{pen.pick("100vw", "50vw", "300px", "10rem")}"' if pen.dice.random() < 0.6 else ""
    form = pen.dice.randint(0, 5)
    if form == 0:
        text = pen.widths()
    elif form == 1:
        text = pen.densities()
    elif form == 2:
        text = f"{pen.densities()}, {pen.widths()}"
    else:
        text = _srcset_soup(pen)
    return f'<img srcset="{text}" {sizes} {src}>'


def _srcset_soup(pen: Pen) -> str:
    descriptors = (
        "1x", "2x", "1.5x", ".5x", "0x", "-1x", "-0x", "+1x", "1.x", "1e0x", "1E1x", "1e-2x", "1X", "x", "1 x", "2xx", "NaNx", "Infinityx", "1e400x", "0x10x", "1_0x", "01x", "1.00000001x", "2.6250001x", "99999999999x",
        "100w", "640w", "1280w", "0w", "-1w", "+640w", "640.0w", "1e3w", "640W", "w", "640 w", "640wx", "0640w", "2147483647w", "2147483648w", "99999999999999999999w", "६००w",
        "100h", "640w 480h", "480h 640w", "640w 0h", "640w 1x", "1x 2x", "640w 640w", "100h 1x", "640w 100h 100h", "q", "640q", "1", "(1x)", "1x (", "( 640w", "640w (a, b)", "a(b, c)d", "future(1, 2) 640w", "2x future", ")", "1x)", "﻿1x", "1x\u00a0", "\v2x",
    )  # fmt: skip
    items = []
    for _ in range(pen.dice.randint(1, 5)):
        url = pen.url()
        url = pen.pick(
            url,
            url,
            url,
            f"a,{url}",
            f"{url},",
            f"{url},,",
            f",{url}",
            f"({url})",
            f"{url}?a,b=c",
            f"{url}#f,g",
            f"'{url}'",
            f"x(1,2)/{url}",
            f"\f{url}",
        )
        items.append(url + pen.pick(" ", "  ", "\n\t", "\t", "\f") + pen.pick(*descriptors, ""))
    return pen.pick(", ", ",", " , ", ",\n", ",,", " ,, ").join(items) + pen.pick("", "", ",", " ", ", ,")


def _rule(pen: Pen) -> str:
    if pen.dice.random() < 0.5:
        size = pen.dice.choice((100, 200, 333, 640, 1001))
        factors = sorted(pen.dice.uniform(0.3, 4) for _ in range(pen.dice.randint(2, 5)))
        exact = [f"{pen.url()} {round(size * pen.dice.choice(DPRS))}w"] if pen.dice.random() < 0.5 else []
        items = [f"{pen.url()} {max(1, round(size * factor))}w" for factor in factors] + exact
        pen.dice.shuffle(items)
        return f'<img sizes="{size}px" srcset="{", ".join(items)}" src="{pen.url()}">'
    items = [
        f"{pen.url()} {pen.dice.choice((0.5, 0.75, 1, 1.1, 1.25, 1.3, 1.5, 2, 2.1, 2.5, 2.625, 3, 4))}x"
        for _ in range(pen.dice.randint(1, 5))
    ]
    return f'<img srcset="{", ".join(items)}" {pen.pick("", f"src={pen.url()}")}>'


def _type(pen: Pen) -> str:
    sources = "".join(
        f'<source type="{pen.pick(*MIMES)}" srcset="{pen.url()}">' for _ in range(pen.dice.randint(1, 4))
    )
    return f'<picture>{sources}<img src="{pen.url()}"></picture>'


def _picture(pen: Pen) -> str:
    media = pen.pick('media="(min-width: 900px)"', "media=print", "", "media", 'media=""')
    source = f'<source {media} srcset="{pen.url()}">'
    image = f'<img src="{pen.url()}">'
    again = f'<source srcset="{pen.url()}">'
    template = pen.pick(
        "<picture>{s}{i}</picture>", "<picture>{i}{s}</picture>", "<picture>{s}<p>{i}</p></picture>", "<picture><p>{s}</p>{i}</picture>", "<picture><div>{s}{i}</div></picture>",
        "<picture>{s}<picture>{a}{i}</picture></picture>", "<picture>{s}{i}{i2}</picture>", "<picture>text{s}<!-- c -->{i}</picture>", "<video>{s}{i}</video>", "<audio>{s}</audio>{i}", "{s}{i}", "<picture>{s}</picture>{i}",
        "<picture><video>{s}</video>{a}{i}</picture>", "<picture>{s}<a href=#>{i}</a></picture>", "<table><picture>{s}{i}</picture></table>", "<table><tr><picture>{s}<td>{i}</picture></table>", "<picture><table>{s}{i}</table></picture>",
        "<picture>{s}<template>{i}</template></picture>{i2}", "<picture><template>{s}</template>{i}</picture>", "<picture>{s}<noscript>{i}</noscript></picture>{i2}", "<picture><noscript>{s}</noscript>{i}</picture>", "<svg><picture>{s}{i}</picture></svg>",
        "<svg><foreignObject><picture>{s}{i}</picture></foreignObject></svg>", "<math><mtext><picture>{s}{i}</picture></mtext></math>", "<picture><svg>{s}</svg>{i}</picture>", "<select><picture>{s}{i}</picture></select>", "<button><picture>{s}<button>{i}</picture>",
        "<picture>{s}<span>{i}</span></picture>", "<b><picture>{s}</b>{i}</picture>", "<picture><b>{s}</picture>{i}</b>", "<p><picture>{s}<p>{i}</picture>", "<picture/>{s}{i}</picture>", "<picture>{s}</source>{i}</img></picture>", "<PICTURE>{s}{i}</Picture>",
        "<picture><source>{s}{i}</picture>", "<picture><source srcset>{s}{i}</picture>", "<picture><source srcset=', ,'>{s}{i}</picture>", "<picture><source srcset='x 9q'>{s}{i}</picture>", "<picture><source src=no.png>{s}{i}</picture>", "<picture>{s}<img></picture>{i}",
        "<picture>{s}<image src={u}></picture>", "<picture>{s}<script></script><style></style>{i}</picture>", "<li><picture>{s}<li>{i}</picture>", "<form><picture>{s}<form>{i}</picture></form>", "<picture>{s}<frameset>{i}</picture>", "<ruby><picture>{s}<rt>{i}</picture></ruby>",
        "<div><template shadowrootmode=open>{i2}</template>{s}{i}</div>", "<picture><object>{s}</object>{i}</picture>", "<picture>{s}<iframe>{i}</iframe>{i2}</picture>", "<picture>{s}<textarea>{i}</textarea>{i2}</picture>", "<xmp>{i}</xmp>{i2}", "<plaintextx>{i}", "<picture>{s}<!--{i}-->{i2}</picture>", "<![CDATA[{i}]]>{i2}", "<nobr><picture>{s}<nobr>{i}</picture>",
    )  # fmt: skip
    for mark, part in (
        ("{i2}", f'<img src="{pen.url()}">'),
        ("{s}", source),
        ("{i}", image),
        ("{a}", again),
        ("{u}", pen.url()),
    ):
        template = template.replace(mark, part)
    return f"<div>{template}</div>"


def _url_forms(pen: Pen) -> str:
    def odd() -> str:
        url = pen.url()
        return pen.pick(
            url, f"./{url}", f"../{url}", f"/{url}", f"//cdn.test/{url}", f"?{url}", f"../../../../{url}", f"a/./b/../{url}", f"{url}#frag", f"{url}?q#f", f"{url}?é=ü", f"é/{url}", f"%7e/{url}", f"%zz{url}", f"a%2f{url}",
            f"HTTP://CDN.TEST/{url}", f"http:{url}", f"http:/{url}", f"http:\\\\cdn.test\\{url}", f"\\{url}", f"//cdn.test:80/{url}", f"http://cdn.test:8080/{url}", f"http://user:pw@cdn.test/{url}", f"http://bücher.test/{url}", f"http://x:99999/{url}", f"http://[/{url}", f"//[{url}",
            f"a|b/{url}", f"{url}?a|b", f"a^b`{{}}/{url}", f"{url}?a^b`{{}}", f"a:b/{url}", f"./a:b/{url}", f"x-foo:{url}", f"{url}?a=&quot;b&quot;", f"&quot;{url}", f"a&lt;b&gt;{url}", f"{url}?&lt;&gt;'", f"{url}#&lt;&gt;`", f".%2e/{url}", f"%2E/{url}", f"{url};a=b", f"*/{url}", f"~/{url}", f"a//b//{url}", f"http://0x7f.1/{url}", f"http://1.2.3/{url}", f"http://[::1]/{url}", f"𝒜/{url}", f"&#xd800;{url}", f"&amp;{url}&amp;b", f"&copy{url}", f"&notit;{url}", f"{url}?x&lang=1&copy=2", f"http://ＣＤＮ.test/{url}", f"http://cdn.test./{url}", f"http://a_b.test/{url}", f"http://xn--bcher-kva.test/{url}", f"http://-a-.test/{url}",
        )  # fmt: skip

    if pen.dice.random() < 0.4:
        return f'<img src="{pen.pick("", " ", chr(10))}{odd()}{pen.pick("", " ")}">'
    return f'<img src="{odd()}" srcset="{odd()} 2x, {odd()} 1.5x, {odd()} 3x">'


def _empty(pen: Pen) -> str:
    return "<p>" + pen.pick(
        "<img>", "<img src>", "<img src=''>", "<img src=' '>", "<img srcset>", "<img srcset=''>", "<img srcset=' , '>", f"<img srcset=', ' src={pen.url()}>", f"<img srcset='{pen.url()} 9q' src={pen.url()}>", f"<img src='' srcset='{pen.url()} 2x'>",
        f"<img src=' ' srcset='{pen.url()} 2x'>", f"<img src='{pen.url()}' srcset=''>", "<img srcset='#'>", f"<img src='{pen.url()}' src='{pen.url()}'>", f"<IMG SRC={pen.url()} SRCSET={pen.url()}>", f"<img/src={pen.url()}/srcset={pen.url()}>", f"<img src={pen.url()}<img src={pen.url()}>", f"<img srcset='{pen.url()}&#32;2x,&#x20;{pen.url()} 1x'>", f"<img srcset='{pen.url()}&comma; {pen.url()} 2x'>", f"<img sizes srcset='{pen.ladder()}'>", f"<img sizes=' ' srcset='{pen.ladder()}'>", f"<image src={pen.url()}>", f"<img data-src={pen.url()} src={pen.url()}>", f"<img srcset='{pen.url()}\u00a02x'>", f"<img src=\"{pen.url()}\" alt='x' srcset=\"{pen.url()} 1x, {pen.url()} 2x\" crossorigin>",
    )  # fmt: skip


def _data(pen: Pen) -> str:
    pixel = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
    drawing = "data:image/svg+xml,%3Csvg%20xmlns='http://www.w3.org/2000/svg'/%3E"
    return pen.pick(
        f'<img src="{pixel}" srcset="{pen.widths()}">', f'<img src="{pixel}" srcset="{pen.url()} 2x">', f'<img srcset="{pen.url()} 1x, {pixel} 3x, {pen.url()} 4x">', f'<img srcset="{drawing} 1x, {pen.url()} 2x">', f'<img srcset="{pen.url()} 100w, {drawing} 5000w, {pixel} 6000w" sizes="50px">',
        f'<picture><source srcset="{pixel}" media="(max-width: 800px)"><img src="{pen.url()}"></picture>', f'<img srcset="DATA:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7 9x, {pen.url()} 1x">', f'<img srcset="data:,bad 2x, {pen.url()} 1x">',
        f"<img src=\"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><path d='M0 0h{pen.dice.randint(1, 9)}' fill='é'/></svg>\">", f'<img src="data:image/svg+xml;utf8,<svg fill= #f{pen.dice.randint(1, 9)}0></svg>">', f'<img src=" data:image/gif;base64,R0lG\nODlh{pen.dice.randint(1, 99)} ">',
    )  # fmt: skip


NASTY: dict[str, Callable[[Pen], str]] = {
    "media": _media, "sizes-length": _sizes_length, "sizes-list": _sizes_list, "sizes-soup": _sizes_soup, "sizes-auto": _sizes_auto,
    "srcset": _srcset, "rule": _rule, "type": _type, "picture": _picture, "url": _url_forms, "empty": _empty, "data": _data,
}  # fmt: skip


def _preload(pen: Pen) -> str:
    rel = pen.pick("preload", "preload", "PRELOAD", "preload foo", "xpreload")
    kind = pen.pick("image", "image", "image", "IMAGE", " image", "img", "")
    media = pen.pick("", "", f'media="{_query(pen)}"')
    mime = pen.pick("", "", f'type="{pen.pick(*MIMES)}"')
    candidates = pen.pick(
        "",
        f'imagesrcset="{pen.densities()}"',
        f'imagesrcset="{pen.ladder()}" imagesizes="{_length(pen)}"',
        "imagesrcset",
        f'imagesrcset="{pen.widths()}"',
    )
    href = pen.pick("", f'href="{pen.url()}"', f'href="{pen.url()}"', "href")
    return f'<link rel="{rel}" as="{kind}" {media} {mime} {candidates} {href}>'


def _in_an_encoding(seed: int, pen: Pen, base_url: str, environment: Environment) -> Case:
    name, declared, header = pen.dice.choice((
        ("windows-1252", '<meta charset="latin1">', "text/html"), ("windows-1252", "<meta http-equiv=content-type content='text/html; charset=iso-8859-1'>", "text/html"), ("shift_jis", "<meta charset=x-sjis>", "text/html"),
        ("utf-8", "<meta charset=windows-1252>", "text/html;charset=utf-8"), ("utf-8", "<meta charset=utf-16>", "text/html"), ("utf-16", "", "text/html"), ("utf-8-sig", "<meta charset=koi8-r>", "text/html; charset=koi8-r"), ("koi8-r", "", 'text/html; charset="koi8-r"'), ("euc-jp", "<meta charset='euc-jp'>", "text/html"), ("gb18030", "<!-- <meta charset=utf-8> --><meta name=x content='charset=utf-8'><meta charset=gbk>", "text/html"),
    ))  # fmt: skip
    letters = {
        "windows-1252": "éü€",
        "shift_jis": "日本ソ",
        "koi8-r": "привет",
        "euc-jp": "日本",
        "gb18030": "中文",
    }.get(name, "é日")
    blocks = "".join(
        f'<p>{letters}<img src="{letters}/{pen.url()}?{letters}#{letters}"><img srcset="{pen.url()}?q={letters}✓ 1x, {letters}{pen.url()} 2x">'
        for _ in range(4)
    )
    page = f'<!doctype html><link rel="icon" href="data:,">{declared}<title>{letters}</title><body>{blocks}'
    return Case(seed, "encoding", page.encode(name, "xmlcharrefreplace"), base_url, environment, header)
