"""What a browser would show of a page: `currentSrc` of every image, the load of every preload.

    page ─▶ elements ─▶ the source that matches ─▶ its source set, normalised ─▶ the one that is shown

This is "update the source set" (HTML §4.8.4.3.8) and "select an image source" (§4.8.4.3.6), joined from
rooms that do not know each other: `markup` reads what the page says, `rules.image.browser` chooses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from imgfetch.errors import member
from imgfetch.markup import links, media, urls
from imgfetch.markup.encoding import decode, find_encoding, output_encoding
from imgfetch.markup.html import read_page
from imgfetch.markup.sizes import layout_width, may_contain_auto, source_size
from imgfetch.markup.srcset import urls_and_descriptors
from imgfetch.model.markup import Browser
from imgfetch.rules.image import browser as rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imgfetch.markup.html import Attr, Image, Link
    from imgfetch.model.markup import Descriptors, Viewport

_HTML_SPACE = " \t\n\f\r"


def current_sources(
    html: str | bytes,
    *,
    base_url: str,
    viewport: Viewport,
    browser: Browser | str = Browser.CHROMIUM,
    scripting: bool = True,
    content_type: str | None = None,
) -> tuple[str | None, ...]:
    """What `currentSrc` would be in that browser, one for each `img` in document order.

    None is an image for which nothing is asked. Without `scripting` the content of `noscript` is
    elements too. Bytes are decoded as a browser does, `content_type` being the response's field. Raises
    `InputError` for a `browser` that we do not know.
    """
    browser = member(Browser, browser)
    text, page_encoding = _text(html, content_type)
    page = read_page(text, scripting=scripting)
    screen = _Screen(viewport, browser, urls.base_url(page.base, base_url, browser=browser), page_encoding)
    return tuple(screen.show(image) for image in page.images)


def preload_sources(
    html: str | bytes,
    *,
    base_url: str,
    viewport: Viewport,
    link_headers: Iterable[str] = (),
    browser: Browser | str = Browser.CHROMIUM,
    content_type: str | None = None,
) -> tuple[str | None, ...]:
    """What each image preload would load, those of the `Link` fields first; None where nothing."""
    browser = member(Browser, browser)
    text, page_encoding = _text(html, content_type)
    page = read_page(text)
    in_header = _Screen(viewport, browser, base_url, "utf-8")
    in_page = _Screen(viewport, browser, urls.base_url(page.base, base_url, browser=browser), page_encoding)
    said_by_header = (link for value in link_headers for link in links.parse_link_header(value))
    loads = [in_header.preload(link) for link in said_by_header if _is_image_preload(link)]
    loads += [in_page.preload(link) for link in page.links if _is_image_preload(link)]
    return tuple(loads)


def source_set(
    srcset: str, *, sizes: str = "", src: str = "", viewport: Viewport
) -> tuple[tuple[str, float], ...]:
    """The normalised source set of an `img`: each URL as written, with its density; no density twice."""
    return rule.normalise(
        *urls_and_descriptors(srcset), source_size(sizes, viewport), src=src.strip(_HTML_SPACE)
    )


def _text(html: str | bytes, content_type: str | None) -> tuple[str, str]:
    """The page as text, and the encoding that its URLs are written in."""
    if isinstance(html, str):
        return html, "utf-8"
    return decode(html, content_type), output_encoding(find_encoding(html, content_type))


def _is_image_preload(link: Link) -> bool:
    return (link.as_ or "").lower() == "image" and "preload" in (link.rel or "").lower().split()


@dataclass(slots=True)
class _Standing:
    """A `<source>` that stands for the images after it in its picture, read once for all of them."""

    place: int
    """Which source of the picture it is."""
    attr: Attr
    ladder: tuple[Sequence[str], Descriptors]
    size: float
    """The source size of images that do not allow `auto`."""
    is_auto: bool
    """Whether that of all others is the width at which they are laid out."""
    offers: dict[float, _Offer] = field(default_factory=dict)
    """By source size, where the ladder is short."""
    rungs: tuple[list[int], ...] = ()
    """Of a long one."""
    decisive: set[int] = field(default_factory=set)
    """The places of what may decide at any size, when so many URLs had been loaded."""
    loaded: int = -1


@dataclass(slots=True)
class _Offer:
    """What may be shown of a `<source>`, and what was chosen of it when so many URLs had been loaded."""

    urls: list[str]
    loaded: int = -1
    chosen: str | None = None


_MOST_RANKED = 64
"""Candidates of a source that are ranked as a whole for each size at which its images are laid out."""


class _Screen:
    """One page in one viewport, and what has been loaded of it so far."""

    def __init__(self, viewport: Viewport, browser: str, base: str | None, encoding: str) -> None:
        self._viewport = viewport
        self._browser = browser
        self._base = base
        self._encoding = encoding
        self._loaded: set[str] = set()
        # An element of a page asks what others have asked, so that a screen remembers its answers; those
        # that outlast it are found only after the whole viewport has been hashed.
        self._size = lru_cache(maxsize=256)(partial(source_size, viewport=viewport, browser=browser))
        self._matches = lru_cache(maxsize=256)(partial(media.matches, viewport=viewport, browser=browser))
        self._standing: dict[int, _Standing | None] = {}

    def show(self, image: Image) -> str | None:
        attr = image.attr
        lazy = (attr("loading") or "").lower() == "lazy"
        standing = self._standing_for(image) if image.before else None
        if standing is not None:
            auto = lazy and standing.is_auto
            size = layout_width(attr, standing.attr, self._viewport) if auto else standing.size
            return self._load(self._chosen_of(standing, size), lazy=lazy)
        sizes = attr("sizes") or ""
        auto = lazy and may_contain_auto(sizes)
        width = layout_width(attr, None, self._viewport) if auto else None
        src = self._default(attr("src") or "")
        urls = self._ranked(urls_and_descriptors(attr("srcset") or ""), sizes, auto_width=width, src=src)
        return self._load(self._select(urls), lazy=lazy)

    def preload(self, link: Link) -> str | None:
        if not (rule.can_show(link.type, self._browser) and self._holds(link.media)):
            return None
        urls = self._ranked(
            urls_and_descriptors(link.imagesrcset or ""), link.imagesizes or "", src=link.href or ""
        )
        return self._load(self._select(urls))

    def _ranked(
        self,
        steps: tuple[Sequence[str], Descriptors],
        sizes: str,
        *,
        auto_width: float | None = None,
        src: str = "",
    ) -> list[str]:
        size = self._size(sizes, auto_width=auto_width)
        return rule.rank(*steps, size, self._viewport.dpr, src=src)

    def _standing_for(self, image: Image) -> _Standing | None:
        """What stands for the image in its picture, if it comes before it.

        Found once for a picture, however many images stand in it.
        """
        key = id(image.sources)
        if key not in self._standing:
            self._standing[key] = self._may_stand(image.sources)
        standing = self._standing[key]
        return None if standing is None or standing.place >= image.before else standing

    def _may_stand(self, sources: Sequence[Attr]) -> _Standing | None:
        for place, attr in enumerate(sources):
            if not (rule.can_show(attr("type"), self._browser) and self._holds(attr("media"))):
                continue
            urls, descriptors = urls_and_descriptors(attr("srcset") or "")
            if urls:
                sizes = attr("sizes") or ""
                size = self._size(sizes, auto_width=None)
                return _Standing(place, attr, (urls, descriptors), size, self._is_auto(sizes))
        return None

    def _is_auto(self, sizes: str) -> bool:
        """Whether it is `auto` that decides where it is allowed: no other length is negative."""
        return may_contain_auto(sizes) and self._size(sizes, auto_width=-1.0) < 0

    def _chosen_of(self, standing: _Standing, size: float) -> str | None:
        """What is chosen of a source: the same for all images of a size, while nothing more is loaded."""
        if len(standing.ladder[0]) > _MOST_RANKED:
            return self._select(self._decisive(standing, size))
        offer = standing.offers.get(size)
        if offer is None:
            offer = _Offer(rule.rank(*standing.ladder, size, self._viewport.dpr))
            standing.offers[size] = offer
        if offer.loaded != len(self._loaded):
            offer.loaded, offer.chosen = len(self._loaded), self._select(offer.urls)
        return offer.chosen

    def _decisive(self, standing: _Standing, size: float) -> list[str]:
        """What `rank` gives of the candidates of a long ladder on which it depends what is chosen.

        With the lowest that covers and the densest at hand goes the first, whose twins all others are where
        the size is 0. To rank all for each size would take the square of the page's length. The choice is
        the same, but where widths and densities are mixed and one at hand is the twin of one of the others.
        """
        urls, descriptors = standing.ladder
        standing.rungs = standing.rungs or rule.rungs(descriptors)
        if standing.loaded != len(self._loaded):
            standing.loaded = len(self._loaded)
            at_hand = (self._densest_at_hand(rung, urls) for rung in standing.rungs)
            standing.decisive = {*map(min, standing.rungs), *at_hand}
        lowest = (rule.lowest(rung, descriptors, size, self._viewport.dpr) for rung in standing.rungs)
        few = sorted(standing.decisive.union(lowest))
        chosen_from = tuple(descriptors[place] for place in few)
        return rule.rank([urls[place] for place in few], chosen_from, size, self._viewport.dpr)

    def _densest_at_hand(self, rung: list[int], urls: Sequence[str]) -> int:
        """Its place; of a rung where nothing is at hand the sparsest, which is not taken for that."""
        if self._browser != "chromium":
            return rung[0]
        return next((place for place in reversed(rung) if self._is_at_hand(urls[place])), rung[0])

    def _load(self, chosen: str | None, *, lazy: bool = False) -> str | None:
        shown = None if chosen is None else self._shown(chosen)
        if shown is not None and not lazy:
            self._loaded.add(_without_fragment(shown))
        return shown

    def _default(self, src: str) -> str:
        """The `src` that may join a source set: Firefox lets only one join that it can parse."""
        return "" if self._browser == "firefox" and self._shown(src) is None else src

    def _holds(self, condition: str | None) -> bool:
        return condition is None or self._matches(condition)

    def _select(self, urls: list[str]) -> str | None:
        """The one that is shown of what `rank` gives."""
        if not urls:
            return None
        if self._browser == "chromium":
            for denser in urls[:-1]:
                if self._is_at_hand(denser):
                    return denser
        return urls[-1]

    def _is_at_hand(self, url: str) -> bool:
        """Whether it costs Chromium nothing: a data URL, or loaded by an image that came before."""
        if url[:5].lower() == "data:":
            return True
        return bool(self._loaded) and _without_fragment(self._shown(url) or "") in self._loaded

    def _shown(self, url: str) -> str | None:
        plain = None if self._base is None else urls.resolve_plain(url, self._base)
        if plain is not None:  # no browser does anything else with it
            return plain
        return urls.current_src(url, self._base, encoding=self._encoding, browser=self._browser)


def _without_fragment(url: str) -> str:
    return url.partition("#")[0] if "#" in url else url
