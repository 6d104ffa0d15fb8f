"""The CSS tokenizer (CSS Syntax §4), and the comma-separated lists of an attribute (§5.3.10).

    text ─▶ tokenize ─▶ a match of TOKEN for each token ─▶ `css`: the images of a style sheet
                                                        └▶ entries: component values ─▶ `sizes`, `media`

tinycss2 does not serve here: 10 MB of `(` cost it half a minute and 2.6 GB, it cannot stop after the entry
that decides, and a number of 4,301 digits makes it raise.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_DEPTH = 32
"""Levels of nested blocks that are read: as many as CSS asks of a calculation (CSS Values 4 §10)."""

MAX_TOKENS = 100_000
"""Tokens of one entry that are read."""

CLOSING = {"(": ")", "[": "]", "{": "}"}
"""The closing bracket of each opening bracket."""

_SPACE = r"[ \t\n\r\f]"
_ESCAPE = rf"\\(?:[0-9a-fA-F]{{1,6}}+(?:\r\n|{_SPACE})?+|[^\n\r\f0-9a-fA-F]|\Z)"
_NOT_IN_NAME = r"\x01-,./:-@\[-^`{-\x7f"
"""The ASCII characters that stand in no name; of the others, - and digits do not begin one."""
_NAME_PART = rf"(?:[^{_NOT_IN_NAME}]|{_ESCAPE})"
_NAME = rf"(?:--|-?(?:[^{_NOT_IN_NAME}0-9-]|{_ESCAPE})){_NAME_PART}*+"
_STRING = "|".join(rf"{quote}(?:[^{quote}\\\n\r\f]|\\(?:\r\n|.|\Z))*+(?:{quote}|\Z)" for quote in "\"'")
_BAD_STRING = r"[\"'](?:[^\\\n\r\f]|\\(?:\r\n|.))*+"


def _letter(lower: str) -> str:
    """Return a pattern for a letter from g to z in either case, plain or escaped."""
    upper = lower.upper()
    return rf"(?:\\?[{upper}{lower}]|\\0{{0,4}}(?i:{ord(upper):x}|{ord(lower):x})(?:\r\n|{_SPACE})?+)"


_UNQUOTED_URL = rf"{''.join(map(_letter, 'url'))}\({_SPACE}*+(?![\"'])"

TOKEN = re.compile(
    rf"""
    (?P<space> {_SPACE}++ )
  | {_UNQUOTED_URL} (?:
        (?P<url> (?:[^\"'()\\\x00-\x20\x7f]|{_ESCAPE})*+ ) {_SPACE}*+ (?: \) | \Z )
      | (?P<bad_url> (?:[^)\\]|\\.|\\)*+ \)? )
    )
  | (?!-->) (?P<name> {_NAME} ) (?P<function> \( )?
  | (?P<open> [(\[{{] )
  | (?P<close> [)\]}}] )
  | (?P<comma> , (?:{_SPACE}*+,)*+ )
  | (?P<number> [+-]?(?:[0-9]++(?:\.[0-9]++)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)? )
        (?: (?P<unit> {_NAME} ) | (?P<percent> % ) )?
  | (?P<string> {_STRING} )
  | (?P<bad_string> {_BAD_STRING} )
  | (?P<comment> /\*.*?(?:\*/|\Z) )
  | @ (?P<at> {_NAME} )
  | (?P<other> <!-- | --> | \#{_NAME_PART}++ )
  | (?P<mark> [<>]= | . )
    """,
    re.VERBOSE | re.DOTALL,
)
"""One token. Its last group names its kind; a run of commas is one token."""

_ESCAPED = re.compile(
    rf"\\(?:(?P<code>[0-9a-fA-F]{{1,6}}+)(?:\r\n|{_SPACE})?|(?P<newline>\r\n|[\n\r\f])|(?P<plain>.?))",
    re.DOTALL,
)


class Token(NamedTuple):
    """A component value. Names and units are in lower case, with escapes undone; comments are left out."""

    kind: str
    """`ident`, `function`, `number`, `dimension`, `percentage`, `space`, `bad`, or `other` for a valid token
    without a meaning here; a block has its opening bracket, every other token its own characters."""
    text: str = ""
    """The name of an ident or a function, the unit of a dimension."""
    number: float = 0.0
    whole: bool = False
    """True if the number was written as an integer."""
    parts: Sequence[Token] = ()
    """The contents of a block or a function, without its closing bracket."""


BAD = Token("bad")
_OTHER = Token("other")
_SPACE_TOKEN = Token("space")


def tokenize(text: str) -> Iterator[re.Match[str]]:
    """Yield the tokens of a text. Never raises; takes time linear in the text."""
    return TOKEN.finditer(text)


def unescaped(text: str) -> str:
    """Return a name, a URL or the inside of a string with its escapes undone (CSS Syntax §4.3.7)."""
    return _ESCAPED.sub(_character, text) if "\\" in text else text


def name_of(written: str) -> str:
    """Return a name or a unit in lower case, with its escapes undone."""
    name = unescaped(written)
    return name.lower() if name.isascii() else name  # only ASCII letters have a lower case in CSS


def entries(text: str) -> Iterator[Sequence[Token]]:
    """Yield the entries of a comma-separated list, each parsed at its turn.

    Commas with nothing between them count as one. An entry too deep or too long to be read is BAD alone.
    """
    return (tokens for tokens, _, _ in entries_with_offsets(text))


def entries_with_offsets(text: str) -> Iterator[tuple[Sequence[Token], int, int]]:
    """Yield the entries of a comma-separated list, each with the offsets of its beginning and end."""
    entry = _Entry()
    start = 0
    for match in TOKEN.finditer(text):
        kind = match.lastgroup
        if kind == "comma" and not entry.closing:
            yield entry.tokens, start, match.start()
            entry = _Entry()
            start = match.end()
        elif kind == "close" and entry.closing and match[0] == entry.closing[-1]:
            entry.close()
        elif kind == "comma":
            for _ in range(match[0].count(",")):
                entry.add(Token(","))
        elif kind != "comment":
            entry.add(_token(match))
    yield entry.tokens, start, len(text)


def without_space(parts: Sequence[Token]) -> list[Token]:
    """Return the tokens that are not white space."""
    return [token for token in parts if token.kind != "space"]


class _Entry:
    """An entry that is being parsed: its tokens, and the blocks that are open."""

    __slots__ = ("_blocks", "_tokens_left", "closing", "tokens")

    def __init__(self) -> None:
        self.tokens: list[Token] = []
        self.closing: list[str] = []
        """The brackets that will close the open blocks, innermost last."""
        self._blocks = [self.tokens]
        self._tokens_left = MAX_TOKENS

    def add(self, token: Token) -> None:
        """Append a token to the innermost block; open a block if it begins one."""
        closing = ")" if token.kind == "function" else CLOSING.get(token.kind)
        if closing:
            self.closing.append(closing)
        if not self._tokens_left:
            return
        self._tokens_left -= 1
        if not self._tokens_left or len(self.closing) > MAX_DEPTH:
            self.tokens, self._tokens_left = [BAD], 0
        elif closing:
            parts: list[Token] = []
            token = Token(token.kind, token.text, parts=parts)
            self._blocks[-1].append(token)
            self._blocks.append(parts)
        else:
            self._blocks[-1].append(token)

    def close(self) -> None:
        """Close the innermost block."""
        self.closing.pop()
        if self._tokens_left:
            self._blocks.pop()


def _token(match: re.Match[str]) -> Token:
    """Make a component value of a token; a block is empty as yet."""
    match match.lastgroup:
        case "space":
            return _SPACE_TOKEN
        case "name":
            return Token("ident", name_of(match["name"]))
        case "function":
            return Token("function", name_of(match["name"]))
        case "unit":
            return Token("dimension", name_of(match["unit"]), float(match["number"]))
        case "number":
            return Token("number", "", float(match["number"]), whole=match["number"].lstrip("+-").isdigit())
        case "percent":
            return Token("percentage", "", float(match["number"]))
        case "string" | "url" | "at" | "other":
            return _OTHER
        case "bad_string" | "bad_url":
            return BAD
        case _:
            return Token(match[0])


def _character(escaped: re.Match[str]) -> str:
    code, newline, plain = escaped.groups()
    if code is None:
        return "" if newline else plain or "\ufffd"
    number = int(code, 16)
    return "\ufffd" if number == 0 or 0xD800 <= number < 0xE000 or number > 0x10FFFF else chr(number)
