"""The CSS of attributes: a comma-separated list of component values (CSS Syntax §4, §5.3.10), entry by entry.

    text ─▶ token after token ─▶ blocks and functions take in what they enclose ─▶ the entries between commas

A library would be the right thing to stand on, but tinycss2 is not: 10 MB of `(` cost it half a minute and
2.6 GB, it cannot stop after the entry that decides, and a number of 4,301 digits makes it raise.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DEEPEST = 32
"""How many blocks may enclose one another: as many as CSS asks of a calculation (CSS Values 4 §10)."""

LONGEST = 100_000
"""How many tokens an entry may have."""


class Token(NamedTuple):
    """A component value. Names and units are in lower case, with escapes undone; comments are gone."""

    kind: str
    """`ident`, `function`, `number`, `dimension`, `percentage`, `space`, `bad`, or `other` for what is valid
    but means nothing here; a block has its opening bracket, every other token its own characters."""
    text: str = ""
    """The name of an ident or a function, the unit of a dimension."""
    number: float = 0.0
    whole: bool = False
    """Whether the number was written as an integer."""
    parts: Sequence[Token] = ()
    """What a block or a function encloses, its closing bracket left out."""


BAD = Token("bad")
_OTHER = Token("other")
_SPACE_TOKEN = Token("space")

_SPACE = r"[ \t\n\r\f]"
_ESCAPE = rf"\\(?:[0-9a-fA-F]{{1,6}}+(?:\r\n|{_SPACE})?+|[^\n\r\f0-9a-fA-F]|\Z)"
_NO_LETTER = r"\x01-,./:-@\[-^`{-\x7f"
"""All of ASCII that begins no name and stands in none, but for - and the digits, which stand in names."""
_INSIDE = rf"(?:[^{_NO_LETTER}]|{_ESCAPE})"
_NAME = rf"(?:--|-?(?:[^{_NO_LETTER}0-9-]|{_ESCAPE})){_INSIDE}*+"
_STRING = "|".join(rf"{quote}(?:[^{quote}\\\n\r\f]|\\(?:\r\n|.|\Z))*+(?:{quote}|\Z)" for quote in "\"'")
_BAD_STRING = r"[\"'](?:[^\\\n\r\f]|\\(?:\r\n|.))*+"
_UNQUOTED = rf"[uU][rR][lL]\({_SPACE}*+(?![\"'])"
_URL = rf"{_UNQUOTED}(?:[^\"'()\\\x00-\x20\x7f]|{_ESCAPE})*+{_SPACE}*+(?:\)|\Z)"
_BAD_URL = rf"{_UNQUOTED}(?:[^)\\]|\\.|\\)*+\)?"

_TOKEN = re.compile(
    rf"""
    (?P<open> [(\[{{] )
  | (?P<close> [)\]}}] )
  | (?P<space> {_SPACE}++ )
  | (?P<comment> /\*.*?(?:\*/|\Z) )
  | (?P<number> [+-]?(?:[0-9]++(?:\.[0-9]++)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)? )
        (?: (?P<unit> {_NAME} ) | (?P<percent> % ) )?
  | (?P<other> {_STRING} | {_URL} | <!-- | --> | @{_NAME} | \#{_INSIDE}++ )
  | (?P<bad> {_BAD_STRING} | {_BAD_URL} )
  | (?P<name> {_NAME} ) (?P<call> \( )?
  | (?P<comma> ,(?:{_SPACE}*+,)*+ )
  | (?P<mark> [<>]= | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(rf"\\(?:([0-9a-fA-F]{{1,6}}+)(?:\r\n|{_SPACE})?|(.?))", re.DOTALL)
_CLOSING = {"(": ")", "[": "]", "{": "}", "function": ")"}


def entries(text: str) -> Iterator[Sequence[Token]]:
    """The entries of a comma-separated list, each not read before it is asked for.

    Commas with nothing between them count as one. An entry too deep or too long to be read is BAD alone.
    """
    return (tokens for tokens, _, _ in placed_entries(text))


def placed_entries(text: str) -> Iterator[tuple[Sequence[Token], int, int]]:
    """The same, each with the offsets in the text where it begins and ends."""
    entry = _Entry()
    position = start = 0
    while match := _TOKEN.match(text, position):
        position = match.end()
        kind = match.lastgroup
        if kind == "comma" and not entry.closing:
            yield entry.tokens, start, match.start()
            entry = _Entry()
            start = position
        elif kind == "close" and entry.closing and match[0] == entry.closing[-1]:
            entry.close()
        elif kind == "comma":
            for _ in range(match[0].count(",")):
                entry.add(Token(","))
        elif kind != "comment":
            entry.add(_token(match))
    yield entry.tokens, start, position


def without_space(parts: Sequence[Token]) -> list[Token]:
    """The tokens that are not white space."""
    return [token for token in parts if token.kind != "space"]


class _Entry:
    """An entry in the making: its tokens, and which blocks are open."""

    __slots__ = ("_blocks", "_room", "closing", "tokens")

    def __init__(self) -> None:
        self.tokens: list[Token] = []
        self.closing: list[str] = []
        """The brackets that will close what is open, innermost last."""
        self._blocks = [self.tokens]
        self._room = LONGEST

    def add(self, token: Token) -> None:
        closing = _CLOSING.get(token.kind)
        if closing:
            self.closing.append(closing)
        if not self._room:
            return
        self._room -= 1
        if not self._room or len(self.closing) > DEEPEST:
            self.tokens, self._room = [BAD], 0
        elif closing:
            parts: list[Token] = []
            token = Token(token.kind, token.text, parts=parts)
            self._blocks[-1].append(token)
            self._blocks.append(parts)
        else:
            self._blocks[-1].append(token)

    def close(self) -> None:
        self.closing.pop()
        if self._room:
            self._blocks.pop()


def _token(match: re.Match[str]) -> Token:
    match match.lastgroup:
        case "space":
            return _SPACE_TOKEN
        case "name":
            return Token("ident", _name(match["name"]))
        case "call":
            return Token("function", _name(match["name"]))
        case "unit":
            return Token("dimension", _name(match["unit"]), float(match["number"]))
        case "number":
            return Token("number", "", float(match["number"]), whole=match["number"].lstrip("+-").isdigit())
        case "percent":
            return Token("percentage", "", float(match["number"]))
        case "other":
            return _OTHER
        case "bad":
            return BAD
        case _:
            return Token(match[0])


def _name(written: str) -> str:
    name = _ESCAPED.sub(_character, written) if "\\" in written else written
    return name.lower() if name.isascii() else name  # only ASCII letters have a lower case in CSS


def _character(escaped: re.Match[str]) -> str:
    digits, character = escaped.groups()
    if digits is None:
        return character or "\ufffd"
    number = int(digits, 16)
    return "\ufffd" if number == 0 or 0xD800 <= number < 0xE000 or number > 0x10FFFF else chr(number)
