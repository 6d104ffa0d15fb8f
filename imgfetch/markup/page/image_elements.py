"""The image of an `img`: its sources, and what its attributes and the elements around it name.

source, source, img, a ─▶ candidates of scripts, of srcset, src, others, originals ─▶ SourceSet
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.markup.image_urls import is_requested
from imgfetch.markup.page.image_attributes import (
    candidates_of,
    condition_problems,
    first,
    is_blank_by_name,
    located,
    shows_something,
    with_src,
)
from imgfetch.markup.page.lazy import lazy_sizes, named_images, wiki_original
from imgfetch.markup.referrer_policy import of_attribute
from imgfetch.markup.sizes import sizes_problems
from imgfetch.markup.srcset import read_srcset
from imgfetch.model.markup import Candidate, Problem, Source, SourceKind, SourceSet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgfetch.markup.page.image_attributes import Attributes
    from imgfetch.markup.page.lazy import Named

_MOST_OF_A_BLUR = 64
"""Width of a blurred preview in pixels at most: frameworks make them 8 to 64 wide."""


def image_of(
    tag: str,
    attributes: Attributes,
    sources: tuple[Source, ...],
    problems: list[Problem],
    *,
    linked: tuple[Candidate, ...] = (),
    previews: tuple[str, ...] = (),
) -> tuple[SourceSet, tuple[str, ...]]:
    """Return the image of an `img`, `amp-img` or `input`, and the attributes that name its candidates.

    The candidates are those that scripts will show, of `srcset`, `src`, of other attributes, and originals.
    `problems` are those of its sources, and receive its own. `linked` are originals that the link around it
    names, and `previews` the data URLs of its own background.
    """
    own = candidates_of(attributes, "srcset", problems)
    if own:
        own = _written(own, attributes["srcset"])
    src = first(attributes, "src")
    if src and not is_requested(src):
        src = ""
    named = named_images(attributes, problems)
    sizes = (lazy_sizes(attributes) if named.lazy else "") or attributes.get("sizes", "")
    if sizes:
        problems += located("sizes", sizes_problems(sizes))
    by_html = with_src(own, src)
    kind = SourceKind.PICTURE if sources else SourceKind.IMG
    if named.attributes or previews or src[:5] in _DATA or "ata:" in attributes.get("srcset", ""):
        candidates, placeholder, is_lazy = _in_order(by_html, src, named, previews)
        kind = SourceKind.LAZY if is_lazy else kind
    else:  # nearly all are so
        candidates = by_html
        placeholder = src if src and src not in [each.url for each in by_html] else ""
    originals = (*named.originals, *linked, *wiki_original(attributes))
    if originals and candidates:
        candidates = distinct((*candidates, *originals))
    image = SourceSet(
        candidates,
        kind if tag in ("img", "input") else SourceKind.AMP,
        sizes,
        attributes.get("alt", ""),
        tuple(problems),
        sources=sources,
        placeholder=placeholder,
        referrer_policy=of_attribute(attributes.get("referrerpolicy", "")),
    )
    names = [name for name in ("src", "srcset") if attributes.get(name)]
    return image, (*names, *named.attributes)


_DATA = ("data:", "DATA:", "Data:")


def _written(candidates: tuple[Candidate, ...], srcset: str) -> tuple[Candidate, ...]:
    """Return the candidates of a `srcset` without those that name nothing, see `is_requested`."""
    if not any(sign in srcset for sign in ("#", "{", "<", "ata:")):
        return candidates
    return tuple(each for each in candidates if is_requested(each.url))


def _in_order(
    by_html: tuple[Candidate, ...], src: str, named: Named, previews: tuple[str, ...]
) -> tuple[tuple[Candidate, ...], str, bool]:
    """Return the candidates in the order in which to trust them, the placeholder, and whether it is lazy.

    Only a data URL is left out, where it shows nothing or stands before another picture. `src` stays a
    candidate: only its bytes can prove that it is a placeholder.
    """
    own = [each for each in by_html if shows_something(each.url)]
    lazy = [each for each in named.lazy if shows_something(each.url)]
    others = [each for each in named.others if shows_something(each.url)]
    remote = [each for each in own if not _is_inline(each)]
    known = {each.url for each in by_html}
    first_seen = next((url for url in (src, *(each.url for each in by_html), *previews) if url), "")
    if not known.issuperset(each.url for each in lazy) or (
        others and all(is_blank_by_name(each.url) for each in remote)
    ):
        ahead = lazy or others
        candidates = distinct((*ahead, *map(_without_blur, remote), *others))
        is_rendition = any(each.url == src and each.width is not None for each in by_html)
        return candidates, "" if is_rendition or first_seen == ahead[0].url else first_seen, True
    if len(own) > 1:
        own = [each for each in own if not (each.url == src and _is_inline(each))]
    candidates = distinct((*own, *others))
    if others:
        return candidates, src, False
    urls = {each.url for each in candidates}
    in_place = (src, *(each.url for each in by_html), *previews)
    return candidates, next((url for url in in_place if url and url not in urls), ""), False


def _is_inline(candidate: Candidate) -> bool:
    return candidate.url[:5] in _DATA


def _without_blur(candidate: Candidate) -> Candidate:
    """Return the candidate of a lazy image without a width that only a blurred preview has."""
    if candidate.width is not None and candidate.width <= _MOST_OF_A_BLUR:
        return Candidate(candidate.url)
    return candidate


def distinct(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Return the first candidate of each URL, with the descriptors that any of them gives."""
    found: dict[str, Candidate] = {}
    for each in candidates:
        known = found.setdefault(each.url, each)
        if known is not each and known.width is known.density is None:
            found[each.url] = known._replace(width=each.width, density=each.density)
    return tuple(found.values())


def source_of(attributes: Attributes, problems: list[Problem]) -> tuple[Source | None, tuple[str, ...]]:
    """Return the `source` of a picture, if it has candidates, and the attributes that name them."""
    own, unread = read_srcset(attributes.get("srcset", ""))
    unreadable: list[Problem] = list(unread)
    named = named_images(attributes, unreadable)
    problems += located("a source", unreadable)
    candidates = own = _written(own, attributes.get("srcset", ""))
    if named.attributes:
        shown = tuple(each for each in own if shows_something(each.url) and not _is_inline(each))
        candidates = distinct((*named.lazy, *shown, *named.others, *named.originals)) or own
    if not candidates:
        return None, ()
    sizes = (lazy_sizes(attributes) if named.lazy else "") or first(attributes, "sizes")
    problems += located("a source", condition_problems(attributes, sizes))
    names = ("srcset", *named.attributes) if own else named.attributes
    return Source(candidates, attributes.get("media", ""), attributes.get("type", ""), sizes), names
