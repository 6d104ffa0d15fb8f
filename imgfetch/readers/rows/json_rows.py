"""Rows in JSON: an object on each line, or an array of objects.

    lines ─▶ an object each ─▶ Row
    array, also inside an object ─▶ an element at a time, each of bounded size ─▶ Row

An element may be a text too: a source by itself. The standard library's decoder reads each element. ijson
streams too, but its memory grows with the square of the nesting: 100 KB of `[` end the process.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import TYPE_CHECKING, Any

from imgfetch.errors import InputError
from imgfetch.model.result import ErrorKind
from imgfetch.readers.lines import LONGEST
from imgfetch.readers.rows.row import row_of, row_of_text, unusable
from imgfetch.readers.rows.text_lines import beginning_of, text_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from imgfetch.readers.rows.columns import Wanted
    from imgfetch.readers.rows.row import Row


def rows_of_lines(file: BinaryIO, wanted: Wanted) -> Iterator[Row]:
    """Yield the row of each line; one that cannot be read does not stop the others."""
    for number, line in enumerate(text_lines(file), 1):
        where = f"line {number}"
        if line is None:
            yield unusable(where, f"more than {LONGEST:,} bytes in a line")
        elif line.strip():
            try:
                found = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield unusable(where, f"not JSON: {error}")
            else:
                yield _row(found, where, wanted)


def rows_of_array(file: BinaryIO, wanted: Wanted) -> Iterator[Row]:
    """Yield the row of each element of an array, or of the first array of objects in an object.

    Raises `InputError` where it is not JSON, or ends early.
    """
    text = _Text(file)
    opening = text.next_character()
    if opening not in ("[", "{"):
        raise _not_json(0, _expected("[", opening))
    text.position += 1
    if opening == "{":
        _go_to_rows(text)
    for number, found in _elements(text):
        yield _row(found, f"element {number}", wanted)


def _elements(text: _Text) -> Iterator[tuple[int, Any]]:
    """Yield the elements of an array, with their numbers, from behind its bracket to behind its end."""
    number = 0
    while text.next_character() != "]" or number:
        number += 1
        yield number, text.read_element(number)
        found = text.next_character()
        if found == "]":
            break
        if found != ",":
            raise _not_json(number, _expected(",", found))
        text.position += 1
    text.position += 1


def _go_to_rows(text: _Text) -> None:
    """Read an object, from behind its brace to behind the bracket of its first array of objects."""
    while text.next_character() == '"':
        text.read_element(0)
        if text.next_character() != ":":
            break
        text.position += 1
        if text.next_character() == "[":
            text.position += 1
            if text.next_character() == "{":
                return
            for _ in _elements(text):
                pass
        else:
            text.read_element(0)
        if text.next_character() == ",":
            text.position += 1
    why = "one JSON object; an array of objects, or an object on each line, was expected"
    raise InputError(ErrorKind.BAD_INPUT, why)


def _row(found: Any, where: str, wanted: Wanted) -> Row:  # noqa: ANN401 (as read)
    if isinstance(found, dict):
        return row_of(found, where, wanted)
    if isinstance(found, str) and found.strip():
        return row_of_text(found, where)
    return unusable(where, "not a JSON object")


class _Text:
    """The text of a JSON file, of which a bounded part is in memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        encoding = "utf-16" if beginning_of(file).startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._decode = json.JSONDecoder().raw_decode
        self._text = ""
        self._is_whole = False
        self.position = 0
        """Characters of the text in memory that were read."""

    def next_character(self) -> str:
        """Return the next character that is not white space; nothing at the end."""
        while True:
            found = _NOT_SPACE.search(self._text, self.position)
            if found is not None:
                self.position = found.start()
                return found[0]
            self._text, self.position = "", 0
            if not self._read_on(_PIECE):
                return ""

    def read_element(self, number: int) -> Any:  # noqa: ANN401 (as read)
        """Return the next value. Raises `InputError`, which says behind which element."""
        size = _PIECE
        while True:
            try:
                found, end = self._decode(self._text, self.position)
            except RecursionError as error:
                raise _not_json(number - 1, "nested too deeply") from error
            except ValueError as error:
                # The element may go on behind what was read.
                if self._is_whole:
                    raise _not_json(number - 1, str(error).partition(":")[0]) from error
            else:
                if end < len(self._text) or self._is_whole:
                    self.position = end
                    return found
            if len(self._text) - self.position > LONGEST:
                raise _not_json(number - 1, f"no end of an element within {LONGEST:,} characters")
            self._text, self.position = self._text[self.position :], 0
            self._read_on(size)
            size *= 2  # so that the same characters are decoded a few times at most

    def _read_on(self, size: int) -> bool:
        data = self._file.read(size)
        self._is_whole = not data
        self._text += self._decoder.decode(data, final=self._is_whole)
        return bool(data)


def _expected(wanted: str, found: str) -> str:
    return f"{repr(found) if found else 'the end'} where {wanted!r} was expected"


def _not_json(number: int, why: str) -> InputError:
    return InputError(ErrorKind.BAD_INPUT, f"not JSON behind element {number}: {why}")


_NOT_SPACE = re.compile(r"[^ \t\n\r]")
_PIECE = 65_536
