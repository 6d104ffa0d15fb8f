"""Places: where a page names the candidates of an image, as offsets in its text.

element of the parser ─▶ the spans of its start tag and attributes ─▶ Place: the raw value, without quotes
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgfetch.markup.positions import Lines
from imgfetch.model.markup import Place

if TYPE_CHECKING:
    from collections.abc import Iterable

    import turbohtml

    from imgfetch.model.markup import Problem

_BEFORE_VALUE = re.compile(r"[^\s/>][^\s/>=]*+\s*+=\s*+([\"']?)")
"""The name of an attribute, which may begin with `=`, and all before its value (HTML §13.2.5.32 to .37)."""


class PageText:
    """The text of a page, or of a part of it that begins at `start` in the whole."""

    def __init__(self, text: str, start: int = 0) -> None:
        self._text = text
        self._start = start
        # The parser counts CR LF as one character.
        self._lines = Lines(text) if "\r\n" in text else None

    def locate(self, element: turbohtml.Element, names: Iterable[str]) -> tuple[int, list[Place]]:
        """Return the offset of the start tag of an element, and the places of these of its attributes.

        An element without a start tag, which the parser has added, is at the beginning.
        """
        location = _location_of(element)
        if location is None:
            return self._start, []
        spans, tag = location.attrs, element.tag
        start_tag = self._start + self._offsets(location.start_tag)[0]
        places = []
        for name in names:
            if name in spans:
                start, end = self._offsets(spans[name])
                begin = start + len(name) + 2
                if self._text[begin - 2 : begin] == '="':  # nearly always
                    places.append(Place(tag, name, self._start + begin, end - 1 - begin, start_tag))
                else:
                    places.append(self._place(tag, name, start, end)._replace(start_tag=start_tag))
        return start_tag, places

    def _place(self, tag: str, name: str, start: int, end: int) -> Place:
        """Return the place of the value of an attribute between these offsets."""
        found = _BEFORE_VALUE.match(self._text, start, end)
        if found is None:
            return Place(tag, name, self._start + end, 0)
        return Place(tag, name, self._start + found.end(), end - len(found[1]) - found.end())

    def content(self, element: turbohtml.Element) -> Place | None:
        """Return the place of the text inside an element; None for one without a start tag."""
        location = _location_of(element)
        if location is None:
            return None
        start, begin = self._offsets(location.start_tag)
        end = len(self._text) if location.end_tag is None else self._offsets(location.end_tag)[0]
        return Place(element.tag, "", self._start + begin, max(0, end - begin), self._start + start)

    def part(self, place: Place) -> tuple[str, PageText]:
        """Return the text of a place, and the same as a page of its own."""
        start = place.position - self._start
        text = self._text[start : start + place.length]
        return text, PageText(text, place.position)

    def _offsets(self, span: turbohtml.SourceSpan) -> tuple[int, int]:
        if self._lines is None:
            return span.start_offset, span.end_offset
        start = self._lines.offset(span.start_line, span.start_col + 1)
        return start, self._lines.offset(span.end_line, span.end_col + 1)


def at_start_of(element: turbohtml.Element | None, problem: Problem, lines: Lines) -> Problem:
    """Return the problem at the start tag of its element; at the beginning, if the page does not have it."""
    line, column = 1, 1
    if element is not None and element.source_line is not None:
        line, column = element.source_line, (element.source_col or 0) + 1
    return problem._replace(position=lines.offset(line, column), line=line, column=column)


def _location_of(element: turbohtml.Element) -> turbohtml.SourceLocation | None:
    try:
        return element.source_location
    except UnicodeDecodeError:  # the name of an attribute has a lone surrogate
        return None
