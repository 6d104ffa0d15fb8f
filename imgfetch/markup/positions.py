"""Positions in a text: from lines and columns, which people read, to offsets, and back."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgfetch.model.markup import Problem

_END = re.compile(r"\r\n|[\r\n]")


class Lines:
    """The lines of a text, ended by CR, LF or both; they are found at the first use."""

    def __init__(self, text: str) -> None:
        self._text = text

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(end.end() for end in _END.finditer(self._text))]

    def offset(self, line: int, column: int) -> int:
        """Return the offset of a line and column, both counted from 1."""
        return self._starts[line - 1] + column - 1

    def locate(self, problem: Problem) -> Problem:
        """Return the problem with the line and column of its position."""
        line = bisect_right(self._starts, problem.position)
        return problem._replace(line=line, column=problem.position - self._starts[line - 1] + 1)
