"""Rewriting: the edits that give the images of a page or a style sheet other URLs.

page ─▶ find_page_images: places and URLs ─▶ the spans of these URLs ─▶ Edit
                                       └▶ srcdoc: a page of its own ─▶ Edit, escaped
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.markup import urls
from imgfetch.markup.css.css_images import find_css_images
from imgfetch.markup.page.discovery import find_page_images
from imgfetch.markup.rewriting.edits import Edit
from imgfetch.markup.rewriting.new_urls import Standing, printable
from imgfetch.markup.rewriting.raw_values import RawValue, attributes_at, quoted, tag_at
from imgfetch.markup.rewriting.url_spans import css, json_strings, readings_of
from imgfetch.model.markup import SourceKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from typing import TypeAlias

    from imgfetch.markup.rewriting.url_spans import Reading
    from imgfetch.model.markup import Place, SourceSet

    NewUrl: TypeAlias = Callable[[str], str | None]
    """Gives the new URL of an image, relative to the document; None or empty for one that stays."""

_CARDS = frozenset({SourceKind.META, SourceKind.JSON_LD})
_DEEPEST = 3
"""Pages inside pages (`srcdoc`) that are rewritten: as many as `find_page_images` reads."""
_WITH_CROSSORIGIN = frozenset({"img", "image", "feimage", "input", "link", "amp-img", "amp-anim"})
"""Elements that load their image as `crossorigin` and `integrity` say; those of a video are of the video."""
_ENDS = frozenset(" \t\n\f\r>")


def page_edits(
    page: str, new_url: NewUrl, *, base_url: str, encoding: str, cards: bool = False
) -> Iterator[Edit]:
    """Yield the edits of a page, in any order. Never raise; take time linear in the page.

    The page has no lone surrogates. `encoding` is that of the queries of its URLs. With `cards`, the metadata
    is edited too.
    """
    return _Page(page, new_url, Standing(base_url, base_url), encoding, cards=cards).edits()


def css_edits(text: str, new_url: NewUrl, *, base_url: str) -> Iterator[Edit]:
    """Yield the edits of a style sheet."""
    known = _urls_of(urls.absolute(image, base_url) for image in find_css_images(text))
    return _edits_of(text, (css,), _Meaning(known, new_url, Standing(base_url, base_url), "utf-8"))


class _Meaning(NamedTuple):
    """What the URLs at a place mean, and what is to be written for them."""

    known: Collection[str]
    """The URLs of the images of the document."""
    new_url: NewUrl
    standing: Standing
    encoding: str
    is_card: bool = False

    def absolute(self, url: str) -> str | None:
        """Return the URL of an image that is written so; None if it is not that of an image."""
        found = urls.resolve(url, self.standing.base, encoding=self.encoding)
        return found if found in self.known else None

    def written(self, url: str) -> str | None:
        """Return what to write in place of an image's URL; None if that stays."""
        given = self.new_url(url)
        if not given or given == url:
            return None
        new = printable(given)
        target = urls.resolve(new, self.standing.document)
        if target is None or target == url:
            return None
        return target if self.is_card else self.standing.reference(new)


def _edits_of(value: str, readings: Iterable[Reading], meaning: _Meaning) -> Iterator[Edit]:
    """Yield the edits of a value, by the first reading that finds URLs of images in it."""
    for reading in readings:
        found = [(span, url) for span in reading(value) if (url := meaning.absolute(span.url)) is not None]
        for span, url in found:
            new = meaning.written(url)
            if new is not None:
                yield Edit(span.start, span.end, span.spell(new))
        if found:
            return


def _urls_of(images: Iterable[SourceSet]) -> set[str]:
    return {
        url
        for image in images
        for candidates in (image.candidates, *(source.candidates for source in image.sources))
        for url in (image.placeholder, *(each.url for each in candidates))
    }


class _Page:
    """A page that is being rewritten: the document, or a `srcdoc` inside it."""

    def __init__(
        self, page: str, new_url: NewUrl, standing: Standing, encoding: str, *, cards: bool, depth: int = 0
    ) -> None:
        self._page = page
        self._cards = cards
        self._depth = depth
        found = find_page_images(page, base_url=standing.base, encoding=encoding)
        self._images = [image for image in found if cards or image.kind not in _CARDS]
        self._meaning = _Meaning(_urls_of(self._images), new_url, standing, encoding)

    def edits(self) -> Iterator[Edit]:
        """Yield the edits of all its images."""
        edited: dict[Place, bool] = {}
        tags: set[int] = set()
        for image in self._images:
            meaning = self._meaning._replace(
                standing=Standing(self._meaning.standing.document, image.base_url),
                is_card=image.kind in _CARDS,
            )
            for place in image.places:
                if place not in edited:
                    edits = [*self._edits_at(place, meaning)]
                    edited[place] = bool(edits) and place.attribute not in ("style", "srcdoc", "")
                    yield from edits
            starts = [place.start_tag for place in image.places if edited[place]]
            if starts:
                tags.update((image.position, *starts))  # the sources of a picture are loaded as its img says
        yield from chain.from_iterable(map(self._without_checks, tags))

    def _edits_at(self, place: Place, meaning: _Meaning) -> Iterator[Edit]:
        begin = place.position
        raw = self._page[begin : begin + place.length]
        if not place.attribute:  # the text of a style or a script, which has no character references
            reading = css if place.element == "style" else json_strings
            for edit in _edits_of(raw, (reading,), meaning):
                yield Edit(begin + edit.start, begin + edit.end, edit.text)
            return
        value = RawValue(raw)
        quote = self._page[begin - 1]
        quote = quote if quote in "\"'" else ""
        if place.attribute == "srcdoc":
            edits = self._edits_inside(value.text, meaning)
        else:
            edits = _edits_of(value.text, readings_of(place.attribute), meaning)
        for start, end, text in edits:
            yield Edit(begin + value.offset(start), begin + value.offset(end), quoted(text, quote))

    def _edits_inside(self, page: str, meaning: _Meaning) -> Iterator[Edit]:
        """Yield the edits of a page in a `srcdoc`; its base URL is that of this page (HTML §4.8.5)."""
        if self._depth >= _DEEPEST:
            return iter(())
        _, new_url, standing, encoding, _ = meaning
        return _Page(page, new_url, standing, encoding, cards=self._cards, depth=self._depth + 1).edits()

    def _without_checks(self, start: int) -> Iterator[Edit]:
        """Yield the edits that remove `crossorigin` and `integrity` from a start tag."""
        page = self._page
        if tag_at(page, start) not in _WITH_CROSSORIGIN:
            return
        for name, begin, end in attributes_at(page, start):
            if name in ("crossorigin", "integrity"):
                while page[end : end + 1] in _ENDS and page[begin - 1] in _ENDS:
                    begin -= 1
                yield Edit(begin, end, "")
