"""JSON as a sequence of tokens (RFC 8259): no depth is too deep, and damage loses only what it touches.

text ─▶ Token(type, value, position), one for each bracket, name and string, and for numbers

The standard library raises RecursionError on deep nesting, and builds all values at once.
"""

from __future__ import annotations

import json
import re
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class TokenType(Enum):
    """The types of tokens."""

    OPEN_OBJECT = "{"
    OPEN_ARRAY = "["
    CLOSE = "}"
    NAME = ":"
    STRING = '"'
    NUMBER = "0"


class Token(NamedTuple):
    """A token of JSON."""

    type: TokenType
    value: str
    """The text of a name or string without escapes, or a number as written; else empty."""
    position: int


_TOKEN = re.compile(
    r"""
      "( (?: [^"\\]++ | \\. )*+ )"                              # a string,
      ( \s*+ : (?: \s*+ ([0-9]{1,6}+) (?![0-9.eE]) )? )?       # or a name, maybe that of a number
    | ([\[\]{}])
    | "[\s\S]*+                                 # a string that does not end
    """,
    re.VERBOSE | re.DOTALL,
)
_BRACKETS = {
    "{": TokenType.OPEN_OBJECT,
    "[": TokenType.OPEN_ARRAY,
    "}": TokenType.CLOSE,
    "]": TokenType.CLOSE,
}


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of one JSON value, or of several behind one another. Never raise.

    Of numbers, only the whole ones below a million that are members of objects are tokens.
    """
    for found in _TOKEN.finditer(text):
        string, colon, number, bracket = found.groups()
        if bracket is not None:
            yield Token(_BRACKETS[bracket], "", found.start())
        elif string is not None:
            kind = TokenType.STRING if colon is None else TokenType.NAME
            yield Token(kind, _unescaped(string), found.start())
        if number is not None:
            yield Token(TokenType.NUMBER, number, found.start())


def _unescaped(written: str) -> str:
    if "\\" not in written:
        return written
    try:
        return str(json.loads(f'"{written}"', strict=False))
    except ValueError:
        return written.replace("\\/", "/").replace('\\"', '"')
