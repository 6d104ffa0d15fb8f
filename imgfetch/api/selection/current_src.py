"""The images that a browser would show of a page: `currentSrc` of each, and the load of each preload.

    page ─▶ elements ─▶ the source that matches ─▶ its source set, normalised ─▶ the image that is shown

This is "update the source set" (HTML §4.8.4.3.8) and "select an image source" (§4.8.4.3.6): `markup` parses
the page, `rules.image.browser` chooses.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from imgfetch.api.normalize import markup_of
from imgfetch.errors import member
from imgfetch.markup import media, urls
from imgfetch.markup.encoding import read_text
from imgfetch.markup.page import links
from imgfetch.markup.page.html import read_page
from imgfetch.markup.sizes import allows_auto, layout_width, may_contain_auto, source_size
from imgfetch.markup.srcset import urls_and_descriptors
from imgfetch.model.markup import Browser
from imgfetch.rules.image import browser as rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imgfetch.markup.page.html import Attr, Image, Link
    from imgfetch.model.markup import Descriptors, Viewport
    from imgfetch.model.values import Buffer

_HTML_SPACE = " \t\n\f\r"


def current_sources(
    html: str | Buffer,
    *,
    base_url: str,
    viewport: Viewport,
    browser: Browser | str = Browser.CHROMIUM,
    scripting: bool = True,
    content_type: str | None = None,
    memory_cache: bool = False,
) -> tuple[str | None, ...]:
    """Return the `currentSrc` of each `img` in that browser, in document order.

    None is an image that is not requested. Without `scripting` the content of `noscript` is
    elements too. Bytes are decoded as a browser does, `content_type` being the response's field. With
    `memory_cache`, a denser candidate that an earlier image of the page has loaded is taken, as Chromium does
    if its memory cache has it at the time. Raises `InputError` for an unknown `browser`.
    """
    browser = member(Browser, browser)
    text, page_encoding = read_text(markup_of(html), content_type)
    page = read_page(text, scripting=scripting)
    loaded: set[str] | None = set() if memory_cache else None
    base = urls.base_url(page.base, base_url, browser=browser)
    before_base = _Screen(viewport, browser, base_url, page_encoding, document=base_url, loaded=loaded)
    screen = _Screen(viewport, browser, base, page_encoding, document=base_url, loaded=loaded)
    return tuple(
        (screen if _is_moved_by_base(image, browser) else before_base).show(image) for image in page.images
    )


def preload_sources(
    html: str | Buffer,
    *,
    base_url: str,
    viewport: Viewport,
    link_headers: Iterable[str] = (),
    browser: Browser | str = Browser.CHROMIUM,
    content_type: str | None = None,
) -> tuple[str | None, ...]:
    """Return the load of each image preload, those of the `Link` fields first; None for no load."""
    browser = member(Browser, browser)
    text, page_encoding = read_text(markup_of(html), content_type)
    page = read_page(text)
    base = urls.base_url(page.base, base_url, browser=browser)
    in_header = _Screen(viewport, browser, base_url, "utf-8", document=base_url)
    in_page = _Screen(viewport, browser, base, page_encoding, document=base_url)
    header_links = (link for value in link_headers for link in links.parse_link_header(value))
    loads = [in_header.preload(link) for link in header_links if _is_image_preload(link)]
    loads += [in_page.preload(link) for link in page.links if _is_image_preload(link)]
    return tuple(loads)


def source_set(
    srcset: str, *, sizes: str = "", src: str = "", viewport: Viewport
) -> tuple[tuple[str, float], ...]:
    """Return the normalised source set of an `img`: each URL as written, with a density of its own."""
    return rule.normalise(
        *urls_and_descriptors(srcset), source_size(sizes, viewport), src=src.strip(_HTML_SPACE)
    )


def _is_moved_by_base(image: Image, browser: str) -> bool:
    """Return False for an image that was resolved before its `<base>` was read.

    Chromium resolves a lazy image later.
    """
    return image.after_base or (browser == "chromium" and _is_lazy(image.attr))


def _is_lazy(attr: Attr) -> bool:
    return (attr("loading") or "").lower() == "lazy"


def _is_image_preload(link: Link) -> bool:
    return (link.as_ or "").lower() == "image" and "preload" in (link.rel or "").lower().split()


@dataclass(slots=True)
class _MatchingSource:
    """A `<source>` that matches for the images after it in its picture, parsed once for all of them."""

    position: int
    """Position among the sources of the picture."""
    attr: Attr
    candidates: tuple[Sequence[str], Descriptors]
    size: float
    """The source size of images that do not allow `auto`."""
    is_auto: bool
    """Whether the source size of the others is the width at which they are laid out."""
    ranked: dict[float, _Ranked] = field(default_factory=dict)
    """Ranked candidates by source size, where there are few."""
    by_density: tuple[list[int], ...] = ()
    """Positions of the candidates by density, where there are many."""
    decisive: set[int] = field(default_factory=set)
    """Positions of the candidates that may decide at any size, at the time of `loaded`."""
    loaded: int = -1
    """Number of URLs that had been loaded."""


@dataclass(slots=True)
class _Ranked:
    """Candidates of a `<source>` at one size, and the one chosen when `loaded` URLs had been loaded."""

    urls: list[str]
    loaded: int = -1
    chosen: str | None = None


_MOST_RANKED = 64
"""Candidates of a source that are ranked as a whole for each size at which its images are laid out."""


class _Screen:
    """One page in one viewport, and what has been loaded of it so far."""

    def __init__(
        self,
        viewport: Viewport,
        browser: str,
        base: str | None,
        encoding: str,
        *,
        document: str,
        loaded: set[str] | None = None,
    ) -> None:
        """Resolve relative URLs against `base`; add what the page loads to `loaded`, the memory cache."""
        if browser == "firefox":
            viewport = viewport._replace(dpr=_dpr_of_firefox(viewport.dpr))
        self._viewport = viewport
        self._browser = browser
        self._base = base
        self._encoding = encoding
        self._has_memory_cache = loaded is not None
        self._loaded: set[str] = set() if loaded is None else loaded
        self._is_secure = document[:6].lower() == "https:"
        self._double = browser == "firefox"
        # Elements of a page repeat conditions, so each screen caches its answers; a cache that outlasts it
        # would have to hash the whole viewport.
        self._size = lru_cache(maxsize=256)(self._source_size)
        self._matches = lru_cache(maxsize=256)(partial(media.matches, viewport=viewport, browser=browser))
        self._matching: dict[int, _MatchingSource | None] = {}

    def show(self, image: Image) -> str | None:
        """Return the URL that is shown of an image, and take it for loaded."""
        attr = image.attr
        lazy = _is_lazy(attr)
        sizes = attr("sizes") or ""
        matching = self._matching_source(image) if image.before else None
        if matching is not None:
            auto = lazy and self._is_auto_for(matching, sizes)
            size = self._layout_width(attr, matching.attr) if auto else matching.size
            return self._load(self._chosen_of(matching, size), lazy=lazy)
        auto = lazy and (allows_auto(sizes, "firefox") if self._double else may_contain_auto(sizes))
        width = self._layout_width(attr, None) if auto else None
        src = self._default(attr("src") or "")
        steps = urls_and_descriptors(attr("srcset") or "", browser=self._browser)
        chosen = self._select(self._ranked(steps, sizes, auto_width=width, src=src))
        may_upgrade = not image.in_picture and attr("srcset") is None
        return self._load(chosen, lazy=lazy, may_upgrade=may_upgrade)

    def preload(self, link: Link) -> str | None:
        if not (rule.can_show(link.type, self._browser) and self._holds(link.media)):
            return None
        steps = urls_and_descriptors(link.imagesrcset or "", browser=self._browser)
        chosen = self._select(self._ranked(steps, link.imagesizes or "", src=link.href or ""))
        if chosen is None and self._browser == "firefox":
            chosen = link.href  # an empty one is the URL of the page
        return self._load(chosen, may_upgrade=True)

    def _ranked(
        self,
        steps: tuple[Sequence[str], Descriptors],
        sizes: str,
        *,
        auto_width: float | None = None,
        src: str = "",
    ) -> list[str]:
        size = self._size(sizes, auto_width=auto_width)
        return rule.rank(*steps, size, self._viewport.dpr, src=src, double=self._double)

    def _matching_source(self, image: Image) -> _MatchingSource | None:
        """Return the source that matches in the picture of an image, if it comes before the image.

        Found once for a picture, however many images it has.
        """
        key = id(image.sources)
        if key not in self._matching:
            self._matching[key] = self._find_matching(image.sources)
        matching = self._matching[key]
        return None if matching is None or matching.position >= image.before else matching

    def _find_matching(self, sources: Sequence[Attr]) -> _MatchingSource | None:
        for position, attr in enumerate(sources):
            if not (rule.can_show(attr("type"), self._browser) and self._holds(attr("media"))):
                continue
            urls, descriptors = urls_and_descriptors(attr("srcset") or "", browser=self._browser)
            if urls:
                sizes = attr("sizes") or ""
                size = self._size(sizes, auto_width=None)
                return _MatchingSource(position, attr, (urls, descriptors), size, self._is_auto(sizes))
        return None

    def _source_size(self, sizes: str, *, auto_width: float | None) -> float:
        size = source_size(sizes, self._viewport, auto_width=auto_width, browser=self._browser)
        return _in_app_units(size) if self._double else size

    def _layout_width(self, image: Attr, source: Attr | None) -> float:
        return layout_width(image, source, self._viewport)

    def _is_auto_for(self, matching: _MatchingSource, sizes: str) -> bool:
        """Return whether a lazy image with these `sizes` takes its layout width for a source.

        In Firefox the image alone decides; in Chromium its `sizes` count where the source has none.
        """
        if self._double or matching.attr("sizes") is None:
            return allows_auto(sizes, self._browser)
        return matching.is_auto

    def _is_auto(self, sizes: str) -> bool:
        """Return whether `auto` decides where it is allowed: no other length is negative."""
        return may_contain_auto(sizes) and self._size(sizes, auto_width=-1.0) < 0

    def _chosen_of(self, matching: _MatchingSource, size: float) -> str | None:
        """Return the choice from a source: the same for all images of a size until a URL is loaded."""
        if len(matching.candidates[0]) > _MOST_RANKED:
            return self._select(self._decisive(matching, size))
        ranked = matching.ranked.get(size)
        if ranked is None:
            ranked = _Ranked(rule.rank(*matching.candidates, size, self._viewport.dpr, double=self._double))
            matching.ranked[size] = ranked
        if ranked.loaded != len(self._loaded):
            ranked.loaded, ranked.chosen = len(self._loaded), self._select(ranked.urls)
        return ranked.chosen

    def _decisive(self, matching: _MatchingSource, size: float) -> list[str]:
        """Return the ranked candidates of a long source set that may decide the choice.

        These are the lowest that covers, the densest that is loaded, and the first, which all others equal
        where the size is 0. To rank all for each size would take the square of the page's length. The choice
        is the same, unless widths and densities are mixed and a loaded candidate equals another in density.
        """
        urls, descriptors = matching.candidates
        matching.by_density = matching.by_density or rule.rungs(descriptors, double=self._double)
        if matching.loaded != len(self._loaded):
            matching.loaded = len(self._loaded)
            densest_loaded = (self._densest_loaded(positions, urls) for positions in matching.by_density)
            matching.decisive = {*map(min, matching.by_density), *densest_loaded}
        lowest = (
            rule.lowest(positions, descriptors, size, self._viewport.dpr, double=self._double)
            for positions in matching.by_density
        )
        few = sorted(matching.decisive.union(lowest))
        chosen_from = tuple(descriptors[position] for position in few)
        few_urls = [urls[position] for position in few]
        return rule.rank(few_urls, chosen_from, size, self._viewport.dpr, double=self._double)

    def _densest_loaded(self, positions: list[int], urls: Sequence[str]) -> int:
        """Return the position of the densest loaded candidate; without one, that of the sparsest."""
        if self._browser != "chromium":
            return positions[0]
        return next(
            (position for position in reversed(positions) if self._is_loaded(urls[position])), positions[0]
        )

    def _load(self, chosen: str | None, *, lazy: bool = False, may_upgrade: bool = False) -> str | None:
        shown = None if chosen is None else self._shown(chosen)
        if may_upgrade and shown is not None and self._is_secure and self._browser == "chromium":
            shown = _upgraded(shown)
        if self._has_memory_cache and shown is not None and not lazy:
            self._loaded.add(_without_fragment(shown))
        return shown

    def _default(self, src: str) -> str:
        """Return the `src` that may join a source set: Firefox takes only one that it can parse."""
        return "" if self._browser == "firefox" and self._shown(src) is None else src

    def _holds(self, condition: str | None) -> bool:
        return condition is None or self._matches(condition)

    def _select(self, urls: list[str]) -> str | None:
        """Return the one of ranked URLs that is shown."""
        if not urls:
            return None
        if self._browser == "chromium":
            for denser in urls[:-1]:
                if self._is_loaded(denser):
                    return denser
        return urls[-1]

    def _is_loaded(self, url: str) -> bool:
        """Return whether Chromium need not load it: a data URL, or loaded by an earlier image."""
        if url[:5].lower() == "data:":
            return True
        return bool(self._loaded) and _without_fragment(self._shown(url) or "") in self._loaded

    def _shown(self, url: str) -> str | None:
        plain = None if self._base is None else urls.resolve_plain(url, self._base)
        if plain is not None:  # no browser does anything else with it
            return plain
        return urls.current_src(url, self._base, encoding=self._encoding, browser=self._browser)


def _upgraded(url: str) -> str:
    """Return the secure URL that Chromium loads in an https page in place of an http one.

    Images of `srcset` and `picture` stay as they are, as do addresses and this machine (Mixed Content §4.1).
    """
    found = _UPGRADABLE.match(url)
    return url if found is None else "https" + url[4:]


_UPGRADABLE = re.compile(
    r"http://(?!\[|(?:[\w-]++\.)*+localhost(?:[:/]|\Z)|[0-9.]++(?:[:/]|\Z))[^/?#@]*+(?:[/?#]|\Z)"
)


def _dpr_of_firefox(dpr: float) -> float:
    """Return the pixel ratio of Firefox, where a pixel of the screen is a whole number of app units."""
    return _APP_UNITS / max(1, math.floor(_APP_UNITS / dpr + 0.5))


def _in_app_units(size: float) -> float:
    """Round a length in CSS pixels to app units."""
    return math.floor(size * _APP_UNITS + 0.5) / _APP_UNITS


_APP_UNITS = 60
"""App units of a CSS pixel: Firefox counts lengths in them."""


def _without_fragment(url: str) -> str:
    return url.partition("#")[0] if "#" in url else url
