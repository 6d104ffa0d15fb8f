"""Media queries as a browser window on a screen evaluates them (Media Queries 4, §3).

    text ─▶ queries between commas ─▶ a type, conditions in parentheses ─▶ media_features ─▶ bool or unknown

An unknown feature has an unknown truth, also under `not`. A query with a syntax error matches nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from imgfetch.markup.css.css_tokens import entries, entries_with_offsets, without_space
from imgfetch.markup.media_features import Window
from imgfetch.markup.srcset import excerpt
from imgfetch.model.markup import Problem, Viewport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from imgfetch.markup.css.css_tokens import Token

_BLANK = re.compile(r"(?:[ \t\n\r\f]++|/\*.*?(?:\*/|\Z))*+", re.DOTALL)

_MAX_CACHED = 1_000
"""Characters of a list with a cached result: many elements of a page have the same short queries."""


def matches(condition: str, viewport: Viewport, *, browser: str = "chromium") -> bool:
    """Return True if a media query list matches, such as the `media` of a `<source>`; an empty list does."""
    evaluate = _cached_matches if len(condition) <= _MAX_CACHED else _matches
    return evaluate(condition, viewport, browser)


def is_true(condition: Sequence[Token], viewport: Viewport, *, browser: str = "chromium") -> bool:
    """Return True if tokens without white space are a media condition, and it is true."""
    try:
        return _condition(condition, Window(viewport, browser)) is True
    except _Malformed:
        return False


def media_problems(condition: str) -> tuple[Problem, ...]:
    """Return the media queries of a list that browsers cannot read, or not wholly, with the reasons."""
    find = _cached_problems if len(condition) <= _MAX_CACHED else _problems
    return find(condition)


def why_unreadable(condition: Sequence[Token]) -> str | None:
    """Return the reason why tokens without white space are not a media condition that browsers know."""
    return _fault(condition, _condition, _NOT_A_CONDITION)


def _problems(condition: str) -> tuple[Problem, ...]:
    if _BLANK.fullmatch(condition):
        return ()
    return tuple(
        Problem(start, excerpt(condition[start:end].strip()), reason)
        for query, start, end in entries_with_offsets(condition)
        if (reason := _fault(without_space(query), _truth, _NOT_A_QUERY))
    )


def _fault(
    tokens: Sequence[Token], read: Callable[[Sequence[Token], Window], object], malformed: str
) -> str | None:
    """Return the reason why no screen can read the tokens, or knows all of them; None if one can."""
    window = Window(_ANY_SCREEN, "chromium")
    try:
        read(tokens, window)
    except _Malformed:
        return malformed
    return _NOT_KNOWN if any(_unknown(tokens, window)) else None


def _unknown(tokens: Sequence[Token], window: Window) -> Iterator[Token]:
    """Yield the parentheses, at any depth, that hold neither a known feature nor a condition."""
    for token in tokens:
        inside = without_space(token.parts)
        if token.kind == "function":
            yield token
        elif token.kind == "(" and window.evaluate(inside) is None:
            try:
                _condition(inside, window)
            except _Malformed:
                yield token
            else:
                yield from _unknown(inside, window)


_NOT_A_QUERY = "not a media query such as (min-width: 40em): it matches nothing"
_NOT_A_CONDITION = "not a media condition such as (min-width: 40em): it is never true"
_NOT_KNOWN = "a media feature, or its value, is not known to browsers: it is neither true nor false"
_ANY_SCREEN = Viewport(1000, 1000)
"""An arbitrary screen: a query that one screen can read, every screen can."""


def _matches(condition: str, viewport: Viewport, browser: str) -> bool:
    window = Window(viewport, browser)
    queries = map(without_space, entries(condition))
    return bool(_BLANK.fullmatch(condition)) or any(_query_matches(query, window) for query in queries)


_cached_matches = lru_cache(maxsize=1024)(_matches)
_cached_problems = lru_cache(maxsize=256)(_problems)


class _Malformed(Exception):
    """The tokens are not a media condition."""


def _query_matches(tokens: Sequence[Token], window: Window) -> bool:
    try:
        return _truth(tokens, window) is True
    except _Malformed:
        return False


def _truth(tokens: Sequence[Token], window: Window) -> bool | None:
    """Evaluate `[ not | only ]? <media-type> [ and <condition without or> ]?`, or a condition."""
    restrictor = tokens[0].text if tokens and _is_word(tokens[0], "not", "only") else ""
    typed = tokens[1:] if restrictor else tokens
    if not typed or typed[0].kind != "ident" or _is_word(typed[0], "not", "only", "and", "or", "layer"):
        return _condition(tokens, window)
    truth = _after_type(typed[1:], window)
    if not _is_word(typed[0], "all", "screen"):
        truth = False
    return truth is (restrictor != "not")


def _after_type(tokens: Sequence[Token], window: Window) -> bool | None:
    if not tokens:
        return True
    if not _is_word(tokens[0], "and"):
        raise _Malformed
    return _condition(tokens[1:], window, operators=("and",))


def _condition(
    tokens: Sequence[Token], window: Window, *, operators: Sequence[str] = ("and", "or")
) -> bool | None:
    """Evaluate `not` with one pair of parentheses, or any number of these joined by one of the operators.

    None is the third value of Kleene's logic, unknown.
    """
    if len(tokens) == 2 and _is_word(tokens[0], "not"):
        truth = _in_parens(tokens[1], window)
        return None if truth is None else not truth
    operator = tokens[1].text if len(tokens) > 1 else "and"
    if len(tokens) % 2 == 0 or operator not in operators:
        raise _Malformed
    if not all(_is_word(token, operator) for token in tokens[1::2]):
        raise _Malformed
    truths = {_in_parens(token, window) for token in tokens[::2]}
    decisive = operator == "or"
    if decisive in truths:
        return decisive
    return None if None in truths else not decisive


def _in_parens(token: Token, window: Window) -> bool | None:
    """Evaluate `( <feature> )` or `( <condition> )`; anything else in parentheses is unknown."""
    if token.kind == "(":
        inside = without_space(token.parts)
        truth = window.evaluate(inside)
        if truth is not None:
            return truth
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
    """Return True if a block holds a bad string, a bad URL or an unmatched closing bracket, at any depth."""
    return any(part.kind in ("bad", ")", "]", "}") or _is_broken(part) for part in token.parts)


def _is_word(token: Token, *words: str) -> bool:
    return token.kind == "ident" and token.text in words
