"""The text of a document, and places in it: for readers.

bytes ─▶ text_of ─▶ a parser ─▶ problems with a position ─▶ located: line and column
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.markup.srcset import excerpt
from imgfetch.model.markup import Problem, SourceSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imgfetch.markup.positions import Lines
    from imgfetch.model.document import Document


def text_of(document: Document) -> str:
    """Return the text of a document, decoded as a browser does (HTML §13.2.3.2)."""
    return text_and_encoding(document)[0]


def text_and_encoding(document: Document) -> tuple[str, str]:
    """Return the text of a document, and the encoding of the queries of its URLs."""
    from imgfetch.markup.encoding import read_text

    return read_text(document.data, document.content_type)


def located(found: Iterable[SourceSet], text: str) -> Iterator[SourceSet]:
    """Yield the images with a line and a column for each problem, by its position in `text`."""
    lines: Lines | None = None
    for each in found:
        if each.problems:
            if lines is None:
                from imgfetch.markup.positions import Lines

                lines = Lines(text)
            yield each._replace(problems=tuple(map(lines.locate, each.problems)))
        else:
            yield each


def unread(reason: str, found: str = "", position: int = 0, *, line: int = 0, column: int = 0) -> SourceSet:
    """Return the source set without candidates that says what part of a document could not be read."""
    problem = Problem(position, excerpt(found), reason, line, column)
    return SourceSet((), problems=(problem,), position=position)


def charset_of(content_type: str) -> str | None:
    """Return the charset of a Content-Type; None if it has none (RFC 9110 §8.3.2)."""
    _, said, label = content_type.lower().partition("charset=")
    return label.partition(";")[0].strip(" \t\"'") or None if said else None


def placed(image: SourceSet, position: int) -> SourceSet:
    """Return an image of a document inside another, at its `position` in the outer one.

    Its problems are there too, without a line: `located` finds that of the outer document.
    """
    problems = tuple(each._replace(position=position, line=0, column=0) for each in image.problems)
    return image._replace(position=position, problems=problems)
