"""The images of a document that are wanted: all that it offers, less what the rules leave out.

    each_image(document) ─▶ kinds ─▶ every image, or the main image ─▶ SourceSet
                               └──▶ DocumentRead: how many are left out, and why

`rules.image.kinds` and `rules.image.main_image` decide. Images come in the order of the document; social
cards come last.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.api.sources import EVERY_KIND
from imgfetch.engine.events import DocumentRead
from imgfetch.errors import InputError
from imgfetch.model.result import ErrorKind
from imgfetch.readers.document_type import recognise
from imgfetch.rules.image.kinds import Sieve, counted, kinds_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from typing import TypeAlias

    from imgfetch.engine.events import Event
    from imgfetch.model.document import Document
    from imgfetch.model.markup import SourceSet
    from imgfetch.rules.image.kinds import LeftOut

    Observe: TypeAlias = Callable[[Event], None]


class Wanted(NamedTuple):
    """What is wanted of the images of a document."""

    kinds: str | Collection[str] = "content"
    only_main: bool = False
    """Whether only the main image is wanted."""


def select(
    found: Iterable[SourceSet], document: Document, name: str, wanted: Wanted, observe: Observe | None
) -> Iterator[SourceSet]:
    """Yield the wanted images of a document that is called `name`; report its end to `observe`.

    Raise `InputError` (`no_image`) at the end if all are left out.
    """
    left_out: Counter[str] = Counter()
    judged = _counted(Sieve(kinds_of(wanted.kinds)).judge_all(found), left_out)
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
        type_, why = recognise(document)
        what = f"{type_}, {why}" if type_ else why
        observe(DocumentRead(name, what, taken=taken, left_out=dict(left_out)))
    if left_out and not taken:
        why = f"no image is wanted; left out: {counted(left_out)}"
        raise InputError(ErrorKind.NO_IMAGE, why, name, hint=EVERY_KIND)


def _counted(
    judged: Iterable[tuple[SourceSet, LeftOut | None]], left_out: Counter[str]
) -> Iterator[tuple[SourceSet, LeftOut | None]]:
    for image, reason in judged:
        if reason is not None:
            left_out[reason] += 1
        yield image, reason
