"""Media queries as a browser window on a screen answers them (Media Queries 4, §3).

    text ─▶ queries between commas ─▶ a type, conditions in parentheses ─▶ media_features ─▶ bool or unknown

What is no known feature is unknown, and stays so under `not`; what is no condition at all makes its query
match nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from imgfetch.markup.css_tokens import entries, entries_with_offsets, without_space
from imgfetch.markup.media_features import Window
from imgfetch.markup.srcset import excerpt
from imgfetch.model import Problem, Viewport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from imgfetch.markup.css_tokens import Token

_NOTHING = re.compile(r"(?:[ \t\n\r\f]++|/\*.*?(?:\*/|\Z))*+", re.DOTALL)

_LONGEST_REMEMBERED = 1_000
"""Characters; a page asks the same short questions of many elements."""


def matches(condition: str, viewport: Viewport, *, browser: str = "chromium") -> bool:
    """Whether a media query list, such as the `media` of a `<source>`, matches; an empty list does."""
    answer = _remembered if len(condition) <= _LONGEST_REMEMBERED else _matches
    return answer(condition, viewport, browser)


def holds(condition: Sequence[Token], viewport: Viewport, *, browser: str = "chromium") -> bool:
    """Whether tokens, none of them white space, are a media condition, and a true one."""
    try:
        return _condition(condition, Window(viewport, browser)) is True
    except _Malformed:
        return False


def unread_media(condition: str) -> tuple[Problem, ...]:
    """The media queries of a list that a browser cannot read, or not wholly, and why."""
    answer = _remembered_unread if len(condition) <= _LONGEST_REMEMBERED else _unread
    return answer(condition)


def why_never(condition: Sequence[Token]) -> str | None:
    """Why tokens, none of them white space, are no media condition that is known on any screen."""
    return _fault(condition, _condition, _NO_CONDITION)


def _unread(condition: str) -> tuple[Problem, ...]:
    if _NOTHING.fullmatch(condition):
        return ()
    return tuple(
        Problem(start, excerpt(condition[start:end].strip()), reason)
        for query, start, end in entries_with_offsets(condition)
        if (reason := _fault(without_space(query), _verdict, _NO_QUERY))
    )


def _fault(
    tokens: Sequence[Token], read: Callable[[Sequence[Token], Window], object], malformed: str
) -> str | None:
    """Why tokens cannot be read, or mean something unknown, whatever the screen."""
    window = Window(_ANY_SCREEN, "chromium")
    try:
        read(tokens, window)
    except _Malformed:
        return malformed
    return _NOT_KNOWN if any(_unknown(tokens, window)) else None


def _unknown(tokens: Sequence[Token], window: Window) -> Iterator[Token]:
    """What stands in parentheses, at whatever depth, and is neither a known feature nor a condition."""
    for token in tokens:
        inside = without_space(token.parts)
        if token.kind == "function":
            yield token
        elif token.kind == "(" and window.answer(inside) is None:
            try:
                _condition(inside, window)
            except _Malformed:
                yield token
            else:
                yield from _unknown(inside, window)


_NO_QUERY = "not a media query such as (min-width: 40em): it matches nothing"
_NO_CONDITION = "not a media condition such as (min-width: 40em): it never holds"
_NOT_KNOWN = "a media feature, or the value of one, is not known to browsers: it neither holds nor fails"
_ANY_SCREEN = Viewport(1000, 1000)
"""What can be read can be read on every screen."""


def _matches(condition: str, viewport: Viewport, browser: str) -> bool:
    window = Window(viewport, browser)
    queries = map(without_space, entries(condition))
    return bool(_NOTHING.fullmatch(condition)) or any(_query(query, window) for query in queries)


_remembered = lru_cache(maxsize=1024)(_matches)
_remembered_unread = lru_cache(maxsize=256)(_unread)


class _Malformed(Exception):
    """What was read is no media condition."""


def _query(tokens: Sequence[Token], window: Window) -> bool:
    try:
        return _verdict(tokens, window) is True
    except _Malformed:
        return False


def _verdict(tokens: Sequence[Token], window: Window) -> bool | None:
    """`[ not | only ]? <media-type> [ and <condition without or> ]?`, or a condition."""
    restrictor = tokens[0].text if tokens and _is_word(tokens[0], "not", "only") else ""
    typed = tokens[1:] if restrictor else tokens
    if not typed or typed[0].kind != "ident" or _is_word(typed[0], "not", "only", "and", "or", "layer"):
        return _condition(tokens, window)
    verdict = _after_type(typed[1:], window)
    if not _is_word(typed[0], "all", "screen"):
        verdict = False
    return verdict is (restrictor != "not")


def _after_type(tokens: Sequence[Token], window: Window) -> bool | None:
    if not tokens:
        return True
    if not _is_word(tokens[0], "and"):
        raise _Malformed
    return _condition(tokens[1:], window, operators=("and",))


def _condition(
    tokens: Sequence[Token], window: Window, *, operators: Sequence[str] = ("and", "or")
) -> bool | None:
    """`not` and one thing in parentheses, or any number of them joined by one of the operators.

    None is the third value of Kleene's logic, unknown.
    """
    if len(tokens) == 2 and _is_word(tokens[0], "not"):
        verdict = _in_parens(tokens[1], window)
        return None if verdict is None else not verdict
    operator = tokens[1].text if len(tokens) > 1 else "and"
    if len(tokens) % 2 == 0 or operator not in operators:
        raise _Malformed
    if not all(_is_word(token, operator) for token in tokens[1::2]):
        raise _Malformed
    verdicts = {_in_parens(token, window) for token in tokens[::2]}
    decisive = operator == "or"
    if decisive in verdicts:
        return decisive
    return None if None in verdicts else not decisive


def _in_parens(token: Token, window: Window) -> bool | None:
    """`( <feature> )`, `( <condition> )`, or something else in parentheses, whose truth is unknown."""
    if token.kind == "(":
        inside = without_space(token.parts)
        verdict = window.answer(inside)
        if verdict is not None:
            return verdict
        try:
            return _condition(inside, window)
        except _Malformed:
            pass
    elif token.kind != "function":
        raise _Malformed
    if _is_broken(token):
        raise _Malformed
    return None


def _is_broken(token: Token) -> bool:
    """Whether a block has what no block may have: a bad string or URL, or a bracket that closes nothing."""
    return any(part.kind in ("bad", ")", "]", "}") or _is_broken(part) for part in token.parts)


def _is_word(token: Token, *words: str) -> bool:
    return token.kind == "ident" and token.text in words
