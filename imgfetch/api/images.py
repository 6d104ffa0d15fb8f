"""The images that a text offers, and the candidate to take of each, by `markup` and `rules.image.choose`.

text ─▶ page │ style sheet │ srcset lists ─▶ SourceSet ─▶ the part of it that holds ─▶ Choice
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.api.normalize import all_spelled, markup_of
from imgfetch.errors import InputError, wanted_formats
from imgfetch.model.image import DECODABLE, Format, format_of_media_type
from imgfetch.model.markup import Policy, SourceSet
from imgfetch.model.result import ErrorKind
from imgfetch.rules.image import choose as rule
from imgfetch.rules.image.browser import can_show, density
from imgfetch.rules.image.filenames import named_format

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from imgfetch.model.document import Document
    from imgfetch.model.markup import Candidate, Choice, Source, Viewport
    from imgfetch.model.values import Buffer


def find_images(
    markup: str | Buffer,
    *,
    base_url: str = "",
    media_type: str | None = None,
    link_headers: Iterable[str] = (),
) -> tuple[SourceSet, ...]:
    """Return every image that a document offers, in its order: an HTML page, a CSS file, a text of srcsets.

    Without a `media_type` (`text/html`, `text/css`, …) the document itself decides. Bytes are decoded as a
    browser does. URLs are spelled as a browser spells them, and absolute where `base_url` is given. The
    images of the response's `Link` fields come before those of a page. Never raise on a text or bytes; take
    time linear in the document.
    """
    from imgfetch.model.document import Document  # a URL as the source needs none

    document = Document(
        markup_of(markup), content_type=media_type or "", base_url=base_url, link_headers=tuple(link_headers)
    )
    return tuple(each_image(document))


def each_image(document: Document) -> Iterator[SourceSet]:
    """Yield the images of `find_images` one by one: a page may offer a million."""
    from imgfetch.readers import documents

    found = documents.each_image(document)
    return found if documents.is_page(document) else map(all_spelled, found)


def choose(
    source_set: SourceSet,
    *,
    width: int | None = None,
    viewport: Viewport | None = None,
    policy: Policy | str = Policy.COVER,
    formats: Collection[Format | str] | str | None = None,
) -> Choice:
    """Choose one candidate of an image, and the order in which to fall through to the others.

    `width` is in device pixels. Without it, a `viewport` and the image's `sizes` give the device pixels that
    the image fills. The policies are `cover` (the smallest that is at least as wide, else the
    largest), `nearest`, `largest`, `smallest`, and `browser`, which needs a viewport; `rules.image.choose`
    defines each. `formats` leaves out all others; without them, and but for the policy `browser`, a format
    that cannot be decoded here is chosen only where there is no other.

    The candidates of a picture are those of the first `<source>` that holds in the viewport and has a type
    of `formats`, or, without `formats`, one that imgfetch can decode. Without a viewport, a source with a
    media condition is taken only where there is no other.

    Raise `InputError` (`no_image`) where the source set has no candidate.
    """
    if not isinstance(source_set, SourceSet):
        raise InputError(ErrorKind.BAD_INPUT, f"a {type(source_set).__name__}: not a SourceSet")
    formats = wanted_formats(formats)
    as_shown = width is None
    if viewport is None and not source_set.sources:
        return rule.choose(source_set, width=width, policy=policy, formats=formats, is_decodable=is_decodable)
    parts = weigh(source_set, viewport=viewport, policy=policy, formats=formats)
    part = chosen_part(parts)
    size = dpr = None
    if viewport is not None:
        dpr, size = viewport.dpr, source_size_of(part, viewport)
        width = math.ceil(size * dpr) if width is None else width
    originals = () if part is parts[-1] else (c for c in source_set.candidates if c.is_original)
    choice = rule.choose(
        source_set._replace(candidates=(*part.candidates, *originals)),
        width=width,
        dpr=dpr,
        source_size=size,
        policy=policy,
        formats=formats,
        is_decodable=is_decodable,
        as_shown=as_shown,
    )
    why = f"{part.name}: {choice.why}" if source_set.sources else choice.why
    return choice._replace(
        source_set=source_set, why=why, alternatives=choice.alternatives + _fallbacks(part, parts, choice)
    )


def _fallbacks(part: Weighed, parts: tuple[Weighed, ...], choice: Choice) -> tuple[Candidate, ...]:
    """Return candidates of later parts of a picture, where the chosen one cannot be decoded here.

    The policy `browser` chooses such a one: the browser can decode it.
    """
    if choice.policy is not Policy.BROWSER or not _is_undecodable(part, choice.url):
        return ()
    later = parts[parts.index(part) + 1 :]
    return tuple(
        candidate
        for other in later
        if not other.against
        for candidate in other.candidates
        if not _is_undecodable(other, candidate.url)
    )


class Weighed(NamedTuple):
    """One part of a source set, and the reason against it."""

    candidates: tuple[Candidate, ...]
    sizes: str
    name: str
    """`img`, or a `<source>` with its conditions."""
    against: str = ""
    """Why its candidates are not taken; empty where nothing speaks against them."""
    type: str = ""
    """The media type that it names."""


def weigh(
    source_set: SourceSet,
    *,
    viewport: Viewport | None = None,
    policy: Policy | str = Policy.COVER,
    formats: Collection[Format | str] | str | None = None,
) -> tuple[Weighed, ...]:
    """Return the `<source>` elements of a picture in order, then its `img`, each with the reason against it.

    A browser takes the first without such a reason (HTML §4.8.4.3.8). Types are those of `formats`; without
    them, those that imgfetch can verify, or under the policy `browser` those that a browser takes.
    """
    as_a_browser = formats is None and policy == Policy.BROWSER
    wanted = wanted_formats(formats)
    takes = can_show if as_a_browser else _takes(wanted)
    sources = (
        Weighed(
            source.candidates,
            source.sizes,
            _name(source),
            _against(source, viewport, takes, wanted),
            source.type,
        )
        for source in source_set.sources
    )
    against = _without_candidate(source_set.candidates, wanted, as_a_browser)
    return (*sources, Weighed(source_set.candidates, source_set.sizes, "img", against))


def chosen_part(parts: tuple[Weighed, ...]) -> Weighed:
    """Return the part with the candidates of the image."""
    first = next((part for part in parts if not part.against), None)
    # A caller that names no screen is better served by any part than by none.
    return first or next((part for part in parts if part.candidates), parts[-1])


def source_size_of(part: Weighed, viewport: Viewport) -> float:
    """Return the width of an image in a viewport in CSS pixels, by the `sizes` of its part."""
    from imgfetch.markup.sizes import source_size  # only a viewport asks for it

    return source_size(part.sizes, viewport)


class Explanation(NamedTuple):
    """Why a candidate was chosen, and what would have been chosen otherwise."""

    parts: tuple[Weighed, ...]
    """The sources of a picture and its `img`, each with the reason against it."""
    source_size: float | None
    """CSS pixels that the image fills, by `sizes`; None without a viewport."""
    densities: tuple[tuple[Candidate, float], ...]
    """Candidates of the chosen part, each with its density; empty without a viewport."""
    policies: tuple[tuple[Policy, Candidate], ...]
    """Policies, each with the candidate that it would choose."""


def explain(
    choice: Choice, *, viewport: Viewport | None = None, formats: Collection[Format | str] | str | None = None
) -> Explanation:
    """Explain a choice that was made with these arguments."""
    image = choice.source_set
    parts = weigh(image, viewport=viewport, policy=choice.policy, formats=formats)
    part = chosen_part(parts)
    size = None if viewport is None else source_size_of(part, viewport)
    return Explanation(
        parts=parts,
        source_size=size,
        densities=()
        if size is None
        else tuple((c, density(c.width, c.density, size)) for c in part.candidates if not c.is_original),
        policies=tuple(
            (
                policy,
                choose(
                    image, width=choice.width, viewport=viewport, policy=policy, formats=formats
                ).candidate,
            )
            for policy in Policy
            if viewport is not None or policy is not Policy.BROWSER
        ),
    )


def _against(
    source: Source,
    viewport: Viewport | None,
    takes: Callable[[str], bool],
    formats: frozenset[Format] | None,
) -> str:
    if source.candidates and source.type and not takes(source.type):
        return f"its type is {source.type}"
    against = _without_candidate(source.candidates, formats, takes is can_show)
    if against:
        return against
    if not source.media:
        return ""
    if viewport is None:
        return "no viewport was given to hold its media condition against"
    return "" if _holds(source.media, viewport) else "its media condition does not hold"


def _without_candidate(
    candidates: tuple[Candidate, ...], formats: frozenset[Format] | None, as_a_browser: bool
) -> str:
    """Return why no candidate is taken, by the formats that their URLs name; empty if one is."""
    if not candidates:
        return "it has no candidate"
    if as_a_browser:
        return ""
    if formats is None:
        some = any(rule.may_be_decoded(candidate.url, is_decodable) for candidate in candidates)
        return "" if some else "its candidates are in formats that cannot be decoded here"
    some = any(rule.may_be(candidate.url, formats) for candidate in candidates)
    return "" if some else "its candidates are in other formats"


def is_decodable(form: Format) -> bool:
    """Return True if this installation can decode a format."""
    if form in DECODABLE or form is Format.SVG:
        return form is not Format.SVG
    from imgfetch.decode.extras import is_installed

    return is_installed(form)


def may_have_format(source_set: SourceSet, formats: frozenset[Format]) -> bool:
    """Return whether a candidate of the image may be in one of the formats, by what the markup names."""
    takes = _takes(formats)
    offered = (
        (source_set.candidates, ""),
        *((source.candidates, source.type) for source in source_set.sources),
    )
    return any(
        not (media_type and not takes(media_type))
        and any(rule.may_be(candidate.url, formats) for candidate in candidates)
        for candidates, media_type in offered
    )


def _takes(formats: frozenset[Format] | None) -> Callable[[str], bool]:
    """Return a function that takes the media types of some formats, or of those that can be decoded here."""

    def takes(media_type: str) -> bool:
        form = format_of_media_type(media_type)
        return form is not None and (is_decodable(form) if formats is None else form in formats)

    return takes


def _is_undecodable(part: Weighed, url: str) -> bool:
    form = format_of_media_type(part.type) or named_format(url)
    return form is not None and not is_decodable(form)


def _holds(condition: str, viewport: Viewport) -> bool:
    from imgfetch.markup.media import matches

    return matches(condition, viewport)


def _name(source: Source) -> str:
    attributes = (("media", source.media), ("type", source.type))
    return "<source" + "".join(f" {name}={value!r}" for name, value in attributes if value) + ">"
