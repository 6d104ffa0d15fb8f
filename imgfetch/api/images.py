"""What a text offers, and which of it to take: the doors to `markup` and `rules.image.choose`.

text ─▶ page │ style sheet │ srcset lists ─▶ SourceSet ─▶ the source that stands for it ─▶ Choice
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.api.normalize import all_spelled
from imgfetch.errors import member
from imgfetch.model.image import Format
from imgfetch.model.markup import Policy
from imgfetch.rules.image import choose as rule
from imgfetch.rules.image.browser import can_show

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from imgfetch.model.markup import Candidate, Choice, Source, SourceSet, Viewport


def find_images(
    markup: str, *, base_url: str = "", media_type: str | None = None, link_headers: Iterable[str] = ()
) -> tuple[SourceSet, ...]:
    """Return every image that an HTML page, a CSS file, a bare srcset or a crawled text offers, in its order.

    Without a `media_type` (`text/html`, `text/css`, `text/plain`) the text is looked at. URLs are
    spelled as a browser does, and made absolute where `base_url` is given. What the values of the response's
    `Link` fields offer goes before what a page does. Never raises, and takes time linear in the text.
    """
    found = each_image(markup, base_url=base_url, media_type=media_type, link_headers=link_headers)
    return tuple(found)


def each_image(
    markup: str, *, base_url: str = "", media_type: str | None = None, link_headers: Iterable[str] = ()
) -> Iterator[SourceSet]:
    """Yield what `find_images` returns, each image at its turn: a page may offer a million."""
    match (media_type or "").partition(";")[0].strip().lower() or _looks_like(markup):
        case "text/html" | "application/xhtml+xml":
            from imgfetch.markup.discovery import find_page_images

            return find_page_images(markup, base_url=base_url, link_headers=link_headers)
        case "text/css":
            from imgfetch.markup.css import find_css_images

            return _finished(find_css_images(markup, base_url=base_url), markup)
        case _:
            from imgfetch.markup import plain_text

            return _finished(plain_text.find_source_sets(markup, base_url=base_url), markup)


def choose(
    source_set: SourceSet,
    *,
    width: int | None = None,
    viewport: Viewport | None = None,
    policy: Policy | str = Policy.COVER,
    formats: Collection[Format | str] | None = None,
) -> Choice:
    """Choose one candidate of an image, and the order in which to fall through to the others.

    `width` is in device pixels. Without one, a `viewport` says how many device pixels the image fills
    there, by its `sizes`. The policies are `cover` (the smallest that is at least as wide, else the
    largest), `nearest`, `largest`, `smallest`, and `browser`, which needs a viewport; `rules.image.choose`
    defines each. `formats` leaves out all others.

    Of a picture, the candidates are those of the first `<source>` that holds in the viewport and has a type
    of `formats`, or of one that this house can decode. Without a viewport, a source with a media condition
    is taken only where there is no other.

    Raises `InputError` (`no_image`) where the source set has no candidate.
    """
    formats = (formats,) if isinstance(formats, str) else formats
    if viewport is None and not source_set.sources:
        return rule.choose(source_set, width=width, policy=policy, formats=formats)
    stands = standing(weigh(source_set, viewport=viewport, policy=policy, formats=formats))
    size = dpr = None
    if viewport is not None:
        dpr, size = viewport.dpr, source_size_of(stands, viewport)
        width = math.ceil(size * dpr) if width is None else width
    choice = rule.choose(
        replace(source_set, candidates=stands.candidates),
        width=width,
        dpr=dpr,
        source_size=size,
        policy=policy,
        formats=formats,
    )
    why = f"{stands.name}: {choice.why}" if source_set.sources else choice.why
    return replace(choice, source_set=source_set, why=why)


def _finished(found: Iterable[SourceSet], markup: str) -> Iterator[SourceSet]:
    """The same as discovery has of a page: URLs as browsers spell them, problems with lines and columns."""
    lines: Lines | None = None
    for each in map(all_spelled, found):
        if each.problems:
            if lines is None:
                from imgfetch.markup.positions import Lines

                lines = Lines(markup)
            yield replace(each, problems=tuple(map(lines.locate, each.problems)))
        else:
            yield each


_PAGE = (
    r"(?i)<(?:!doctype\s+html|html|head|body|img|picture|source|link|meta|style|amp-img|figure|noscript|video|svg)"
    r"[\s>/]"
)
"""Compiled when a text is read, which most sources are not."""


def _looks_like(markup: str) -> str:
    return "text/html" if re.search(_PAGE, markup) else "text/plain"


class Weighed(NamedTuple):
    """One part of a source set, and whether it stands for the image."""

    candidates: tuple[Candidate, ...]
    sizes: str
    name: str
    """`img`, or a `<source>` with its conditions."""
    against: str = ""
    """Why it does not stand for the image; the empty string where nothing speaks against it."""


def weigh(
    source_set: SourceSet,
    *,
    viewport: Viewport | None = None,
    policy: Policy | str = Policy.COVER,
    formats: Collection[Format | str] | None = None,
) -> tuple[Weighed, ...]:
    """The `<source>` elements of a picture in order, and last the image itself, each with what is against it.

    The first against which nothing speaks stands for the image (HTML §4.8.4.3.8). Types are those of
    `formats`; if none are named, those that can be proved whole, or under the policy `browser` those that
    a browser takes.
    """
    as_a_browser = formats is None and policy == Policy.BROWSER
    takes = can_show if as_a_browser else _TypesOf(DECODABLE if formats is None else formats)
    sources = (
        Weighed(source.candidates, source.sizes, _name(source), _against(source, viewport, takes))
        for source in source_set.sources
    )
    against = "" if source_set.candidates else "it has no candidate"
    return (*sources, Weighed(source_set.candidates, source_set.sizes, "img", against))


def standing(parts: tuple[Weighed, ...]) -> Weighed:
    """The part that stands for the image."""
    first = next((part for part in parts if not part.against), None)
    # Whoever asks for an image without saying for what screen is better served by any than by none.
    return first or next((part for part in parts if part.candidates), parts[-1])


def source_size_of(part: Weighed, viewport: Viewport) -> float:
    """How many CSS pixels wide the image is in a viewport, by the `sizes` of the part that stands for it."""
    from imgfetch.markup.sizes import source_size  # only a viewport asks for it

    return source_size(part.sizes, viewport)


def _against(source: Source, viewport: Viewport | None, takes: Callable[[str], bool]) -> str:
    if not source.candidates:
        return "it has no candidate"
    if source.type and not takes(source.type):
        return f"its type is {source.type}"
    if not source.media:
        return ""
    if viewport is None:
        return "no viewport was given to hold its media condition against"
    return "" if _holds(source.media, viewport) else "its media condition does not hold"


class _TypesOf:
    """Takes a MIME type if it is one of some formats; parameters are not looked at."""

    def __init__(self, formats: Collection[Format | str]) -> None:
        self._types = {
            name
            for form in (member(Format, form) for form in formats)
            for name in (form.media_type, *_ALIASES.get(form, ()))
        }

    def __call__(self, media_type: str) -> bool:
        return media_type.partition(";")[0].strip().lower() in self._types


def _holds(condition: str, viewport: Viewport) -> bool:
    from imgfetch.markup.media import matches

    return matches(condition, viewport)


def _name(source: Source) -> str:
    attributes = (("media", source.media), ("type", source.type))
    return "<source" + "".join(f" {name}={value!r}" for name, value in attributes if value) + ">"


DECODABLE = (Format.JPEG, Format.PNG, Format.GIF, Format.WEBP, Format.AVIF)
"""The formats taken where the caller names none: those that can be proved whole."""

_ALIASES = {Format.JPEG: ("image/jpg", "image/pjpeg"), Format.PNG: ("image/apng", "image/x-png")}
