"""The `srcset` attribute: "parse a srcset attribute" of the HTML standard (§4.8.4.2.2), whole.

    text ─▶ walk ─▶ Candidate | Problem, one for each URL ─▶ parse_srcset, read_srcset

Each URL and its descriptors are cut off by one regular expression whose repeats are all possessive, so
nothing is looked at twice and the time is linear in the text. Step numbers are those of the standard.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgfetch.model import Candidate, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPACE = r" \t\n\f\r"
"""ASCII whitespace (Infra §4.6): a vertical tab or a no-break space is part of a URL."""

_CANDIDATE = re.compile(
    rf"""
    [{_SPACE},]*+                                   # 4: the splitting loop
    ([^{_SPACE}]++)                                 # 6: the URL
    (?: (?<=,)                                      # 8: a comma at its end leaves no descriptors;
      | [{_SPACE}]++                                #    one ordinary descriptor is read on the spot;
        (?: ([1-9][0-9]{{0,8}}+) w | ([0-9]{{1,9}}+ (?:\.[0-9]{{1,9}}+)?) x )
        [{_SPACE}]*+ (?: , | \Z )
      | ((?: [^,(]++ | \( [^)]*+ \)? )*+) ,?        #    otherwise up to a comma outside parentheses,
    )                                               #    which do not nest and may be left open
    """,
    re.VERBOSE,
)

_DESCRIPTOR = re.compile(rf"(?: [^{_SPACE}(]++ | \( [^)]*+ \)? )++", re.VERBOSE)

_VALID = re.compile(
    r"""
    0*+ ([1-9][0-9]{0,9}+) ([wh])                   # a valid non-negative integer, but zero
  | (-? (?: [0-9]++ (?:\.[0-9]++)? | \.[0-9]++ )    # a valid floating-point number
        (?: [eE][+-]?[0-9]++ )? ) x
    """,
    re.VERBOSE,
)

_WIDEST = 2**31 - 1
"""The largest integer of a browser's descriptors: Chromium, Firefox and WebKit drop what is wider."""


def parse_srcset(text: str) -> tuple[Candidate, ...]:
    """The image candidates a browser keeps of a `srcset`, in order, URLs as written."""
    return read_srcset(text)[0]


def read_srcset(text: str) -> tuple[tuple[Candidate, ...], tuple[Problem, ...]]:
    """The image candidates a browser keeps of a `srcset`, and those it drops, with the reason."""
    candidates: list[Candidate] = []
    problems: list[Problem] = []
    for item in walk(text):
        if isinstance(item, Candidate):
            candidates.append(item)
        else:
            problems.append(item)
    return tuple(candidates), tuple(problems)


def walk(text: str) -> Iterator[Candidate | Problem]:
    """Each candidate of a `srcset`, or why it is dropped, in order and not before it is asked for."""
    position = 0
    while match := _CANDIDATE.match(text, position):  # 4 to 6, and 16; no match: 5, only separators are left
        position = match.end()
        url, width, density, rest = match.groups()
        if width is not None:
            yield Candidate(url, int(width))
        elif density is not None:
            yield Candidate(url, density=float(density))
        elif rest is None:
            yield Candidate(url.rstrip(","))  # 8
        else:
            descriptors = _read_descriptors(rest)
            if isinstance(descriptors, str):
                found = text[match.start(1) : match.end()].rstrip(" \t\n\f\r,")
                yield Problem(match.start(1), excerpt(found), descriptors)
            else:
                yield Candidate(url, *descriptors)


def excerpt(text: str, *, limit: int = 120) -> str:
    """The text, or its beginning where it is longer than `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _read_descriptors(text: str) -> tuple[int | None, int | None, float | None] | str:
    """Width, height and density, or the reason why the candidate is dropped (steps 9 to 15)."""
    width = height = density = None
    for descriptor in _DESCRIPTOR.finditer(text):  # 13
        token = descriptor[0]
        match = _VALID.fullmatch(token)
        if match is None:
            return _why_invalid(token)
        digits, unit, number = match.groups()
        if number is not None:
            if not (width is height is density is None):
                return f"{excerpt(token)} stands beside another descriptor"
            density = float(number) + 0.0  # so that -0x is 0
            if not 0 <= density < float("inf"):
                return _why_invalid(token)
            continue
        integer = int(digits)
        if integer > _WIDEST:
            return _why_invalid(token)
        if unit == "w":
            if not (width is density is None):
                return f"{token} stands beside another w or x descriptor"
            width = integer
        else:
            if not (height is density is None):
                return f"{token} stands beside another h or x descriptor"
            height = integer
    if height is not None and width is None:  # 14
        return "an h descriptor needs a w descriptor"
    return width, height, density


def _why_invalid(token: str) -> str:
    nouns = {"w": "width in whole pixels", "h": "height in whole pixels", "x": "pixel density"}
    noun = nouns.get(token[-1], "descriptor such as 480w or 2x")
    return f"{excerpt(token)} is not a {noun}"
