"""The images of a document that are wanted: all that it offers, less what the rules leave out.

    each_image(document) ─▶ kinds ─▶ every image, or the main image ─▶ SourceSet
                               └──▶ DocumentRead: how many are left out, and why

`rules.image.kinds` and `rules.image.main_image` decide. Images come in the order of the document; social
cards come last.
"""

from __future__ import annotations

from collections import Counter
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.api.images import may_have_format
from imgfetch.api.normalize import is_one_url
from imgfetch.api.sources import EVERY_KIND
from imgfetch.engine.events import DocumentRead
from imgfetch.errors import InputError
from imgfetch.model.document import DocumentType
from imgfetch.model.markup import SourceKind
from imgfetch.model.result import ErrorKind
from imgfetch.rules.image.icons import icons_as_one
from imgfetch.rules.image.kinds import LeftOut, Sieve, counted, is_by_kind, kinds_of
from imgfetch.rules.image.saved_copies import has_copies, without_copies
from imgfetch.rules.image.url_patterns import wanted_part

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from typing import TypeAlias

    from imgfetch.api.sources import Offer
    from imgfetch.engine.events import Event
    from imgfetch.model.image import Format
    from imgfetch.model.markup import SourceSet
    from imgfetch.rules.image.url_patterns import Patterns

    Observe: TypeAlias = Callable[[Event], None]


class Wanted(NamedTuple):
    """What is wanted of the images of a document."""

    kinds: str | Collection[str] = "content"
    patterns: Patterns | None = None
    """Patterns of the URLs of candidates."""
    formats: frozenset[Format] | None = None
    """The formats that are wanted; None for any."""
    only_main: bool = False
    """Whether only the main image is wanted."""


def select(
    found: Iterable[SourceSet], offer: Offer, name: str, wanted: Wanted, observe: Observe | None
) -> Iterator[SourceSet]:
    """Yield the wanted images of the document of `offer`, called `name`; report its end to `observe`.

    Raise `InputError` (`no_image`) at the end if all are left out.
    """
    left_out: Counter[str] = Counter()
    document = offer.document
    if document is not None and is_file_name(document.name):
        found = _of_the_web(found, document.name, left_out)
    if wanted.patterns is not None:
        found = _by_urls(found, wanted.patterns, left_out)
    if wanted.formats is not None:
        found = _in_formats(found, wanted.formats, left_out)
    kinds = wanted.kinds
    if kinds == "content" and offer.type is DocumentType.WEB_MANIFEST:
        kinds = "content+icon"  # the icons of an app are what its manifest is about
    judged = icons_as_one(_counted(Sieve(kinds_of(kinds)).judge_all(found), left_out))
    taken = 0
    if wanted.only_main:
        from imgfetch.rules.image.main_image import main_image

        main = main_image(judged)
        judged = iter([] if main is None else [(main, None)])
    for image, reason in judged:
        if reason is None:
            taken += 1
            yield image
    if observe is not None:
        observe(DocumentRead(name, offer.what, taken=taken, left_out=dict(left_out)))
    if left_out and not taken:
        why = f"no image is wanted; left out: {counted(left_out)}"
        hint = EVERY_KIND if any(map(is_by_kind, left_out)) else None
        raise InputError(ErrorKind.NO_IMAGE, why, name, hint=hint)


def is_file_name(name: str) -> bool:
    """Return whether a document is called by a file: a page of the network by its URL, a text by nothing."""
    return bool(name) and not is_one_url(name)


def _counted(
    judged: Iterable[tuple[SourceSet, LeftOut | None]], left_out: Counter[str]
) -> Iterator[tuple[SourceSet, LeftOut | None]]:
    for image, reason in judged:
        if reason is not None:
            left_out[reason] += 1
        yield image, reason


def _of_the_web(found: Iterable[SourceSet], file: str, left_out: Counter[str]) -> Iterator[SourceSet]:
    """Yield the images without the copies that a browser saved beside the page in `file`."""
    stem = PurePath(file).stem
    for image in found:
        if not has_copies(image, stem):
            yield image
            continue
        rest = without_copies(image, stem)
        if rest.candidates or rest.sources:
            yield rest
        else:
            left_out[LeftOut.BESIDE] += 1


def _in_formats(
    found: Iterable[SourceSet], formats: frozenset[Format], left_out: Counter[str]
) -> Iterator[SourceSet]:
    """Yield the images that may be in one of the formats; a list of candidates in a text as it is."""
    for image in found:
        has_any = image.candidates or image.sources
        if image.kind is SourceKind.TEXT or not has_any or may_have_format(image, formats):
            yield image
        else:
            left_out[LeftOut.FORMAT] += 1


def _by_urls(found: Iterable[SourceSet], patterns: Patterns, left_out: Counter[str]) -> Iterator[SourceSet]:
    """Yield the images with the candidates that the patterns take."""
    for image in found:
        rest = wanted_part(image, patterns)
        if rest.candidates or rest.sources or not (image.candidates or image.sources):
            yield rest
        else:
            left_out[LeftOut.EXCLUDED] += 1
