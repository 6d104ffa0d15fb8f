"""Decide which images of a document are taken, by their kinds: the rule behind `--kinds`.

    "content-poster" ─▶ Kinds ─┐
    SourceSet, in the order of the document ─▶ taken │ held until the end │ left out, with the reason

A reader would call `content` the pictures of a page. docs/images.md states the rule.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.errors import InputError, printable
from imgfetch.model.markup import SourceKind
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from imgfetch.model.markup import SourceSet


class LeftOut(StrEnum):
    """A reason for which an image of a document is not taken; the words count several such images."""

    ICON = "icons"
    SCRIPT = "named in scripts"
    PIXEL = "tracking pixels"
    CARD = "social cards and preloads that repeat an image"
    KIND = "of other kinds"
    EXCLUDED = "not wanted by their URLs"
    FORMAT = "in other formats"
    BESIDE = "saved beside their page"


class Kinds(NamedTuple):
    """The kinds of images that are wanted."""

    every: frozenset[SourceKind] = frozenset()
    """Kinds of which every image is taken."""
    content: frozenset[SourceKind] = frozenset()
    """Kinds of which those are taken that belong to the content of the page."""


CARDS = frozenset({SourceKind.META, SourceKind.JSON_LD, SourceKind.PRELOAD})
"""Kinds that name a picture beside the content: most often one that the content shows too."""

MOST_CARDS = 1_000
"""Cards of a document that are held to its end: a page has a few, and a hostile one a million."""

_GIVEN = frozenset({SourceKind.URL, SourceKind.TEXT})
"""Kinds that callers write themselves: never left out by their kind."""

_CONTENT = frozenset(SourceKind) - {SourceKind.ICON, SourceKind.SCRIPT}

CONTENT = Kinds(content=_CONTENT)
"""What is taken where the caller does not say."""

ALL = Kinds(every=frozenset(SourceKind))

GROUPS = {"content": CONTENT, "all": ALL}


def kinds_of(text: str | Collection[str]) -> Kinds:
    """Read kinds and groups: `img,picture`, `content+icon`, `all-script`.

    `+script` and `-poster` begin with `content`. A comma before a sign adds nothing. Raise `InputError`
    (`bad_input`).
    """
    if not isinstance(text, str):
        text = ",".join(text)
    if text == "content":  # the usual case
        return CONTENT
    if re.fullmatch(_LIST, text) is None:
        known = "a list of kinds such as img,picture or +icon-poster"
        raise InputError(ErrorKind.BAD_INPUT, f"{printable(text)!r} is not {known}")
    terms = re.findall(_TERM, text.lower())
    kinds = CONTENT if terms[0][0] in ("+", "-") else Kinds()
    for sign, name in terms:
        if name not in GROUPS and name not in _NAMES:
            known = ", ".join((*GROUPS, *SourceKind))
            raise InputError(ErrorKind.BAD_INPUT, f"{name!r} is not a kind of image; known are {known}")
        every, content = GROUPS.get(name) or Kinds(frozenset({SourceKind(name)}))
        if sign == "-":
            gone = every | content
            kinds = Kinds(kinds.every - gone, kinds.content - gone)
        else:
            kinds = Kinds(kinds.every | every, kinds.content | content)
    return kinds


_NAME = "[a-z]+(?:-ld(?![a-z]))?"
_TERM = rf"([-+]?)\s*({_NAME})"
_LIST = rf"(?i)\s*[-+]?\s*{_NAME}\s*(?:(?:,\s*[-+]?|[-+])\s*{_NAME}\s*)*,?\s*"
_NAMES = frozenset(SourceKind)


def counted(left_out: Mapping[str, int]) -> str:
    """Return the numbers of images that are left out, with the reasons."""
    ranked = sorted(left_out.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(
        f"{count:,} {_ONE.get(reason, reason) if count == 1 else reason}" for reason, count in ranked
    )


def taking(left_out: Collection[str]) -> str:
    """Return the kinds that would take the images that were left out for these reasons.

    Empty where all are left out for other reasons than their kinds.
    """
    reasons = sorted(reason for reason in left_out if is_by_kind(reason))
    names = [_TAKEN_BY.get(reason, "") for reason in reasons]
    return "".join(names) if all(names) else "all"


def is_by_kind(reason: str) -> bool:
    """Return whether an image was left out for its kind, so that `--kinds` takes it."""
    return reason not in (LeftOut.EXCLUDED, LeftOut.FORMAT, LeftOut.BESIDE)


_ONE: dict[str, str] = {
    LeftOut.ICON: "icon",
    LeftOut.PIXEL: "tracking pixel",
    LeftOut.CARD: "social card or preload that repeats an image",
    LeftOut.KIND: "of another kind",
    LeftOut.EXCLUDED: "not wanted by its URL",
    LeftOut.FORMAT: "in another format",
    LeftOut.BESIDE: "saved beside its page",
}
_TAKEN_BY: dict[str, str] = {
    LeftOut.ICON: "+icon",
    LeftOut.SCRIPT: "+script",
    LeftOut.CARD: "+meta+json-ld+preload",
}


class Sieve:
    """Decides about the images of one document, one by one, in its order.

    An image that repeats one of the content can be known as such only at the end of the document: cards are
    held until then, and come last. What is remembered of an image is a short name of it. Of more than
    `MOST_CARDS` cards, the rest is compared with what came before.
    """

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        self._held: list[SourceSet] = []
        self._names: set[str] = set()

    def judge_all(self, found: Iterable[SourceSet]) -> Iterator[tuple[SourceSet, LeftOut | None]]:
        """Yield the images of a document, each with the reason where it is left out; cards come last."""
        for image in found:
            if image.kind not in CARDS or image.kind in self._kinds.every:
                yield image, self._judge(image)
            elif len(self._held) < MOST_CARDS:
                self._held.append(image)
            else:
                yield image, self._judge_card(image)
        for image in self._held:
            yield image, self._judge_card(image)

    def _judge_card(self, image: SourceSet) -> LeftOut | None:
        if image.kind not in self._kinds.content:
            return LeftOut.KIND
        names = picture_names(image)
        repeats = not names.isdisjoint(self._names)
        self._names |= names
        return LeftOut.CARD if repeats else None

    def _judge(self, image: SourceSet) -> LeftOut | None:
        kind = image.kind
        if kind in _GIVEN:
            return None
        if kind not in self._kinds.every:
            if kind not in self._kinds.content:
                return _BY_KIND.get(kind, LeftOut.KIND)
            if is_pixel(image):
                return LeftOut.PIXEL
        self._names |= picture_names(image)
        return None


_BY_KIND = {SourceKind.ICON: LeftOut.ICON, SourceKind.SCRIPT: LeftOut.SCRIPT}


def is_pixel(image: SourceSet) -> bool:
    """Return whether the markup of an image says that it is not to be seen.

    It is one pixel by its attributes or its style, or it is hidden by its style inside a `noscript`, where
    no script can show it. Only an `img` with one URL can be such an image.
    """
    if image.kind not in _MAY_BE_PIXELS or image.sources or len(image.candidates) != 1:
        return False
    if image.candidates[0].width is not None:
        return False
    if image.layout.is_one_pixel:
        return True
    return image.layout.is_hidden and image.kind is SourceKind.NOSCRIPT


_MAY_BE_PIXELS = frozenset({SourceKind.IMG, SourceKind.NOSCRIPT, SourceKind.LAZY})


def picture_names(image: SourceSet) -> set[str]:
    """Return the names of a picture: that of the first candidate of each list.

    Also that of the last, if it is in another folder.
    """
    from imgfetch.markup.same_picture import picture_name  # large expressions, which only pages need

    names = set()
    for candidates in (image.candidates, *(source.candidates for source in image.sources)):
        if candidates:
            names.add(picture_name(candidates[0].url))
            last = candidates[-1].url
            if last.rpartition("/")[0] != candidates[0].url.rpartition("/")[0]:
                names.add(picture_name(last))
    names.discard("")
    return names
