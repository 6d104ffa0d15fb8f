"""The `srcset` attribute: "parse a srcset attribute" of the HTML standard (§4.8.4.2.2), whole.

    text ─▶ a match for each URL ─▶ its fields, or why it is dropped ─▶ Candidate | Problem

One regular expression matches each URL with its descriptors. All its repeats are possessive, so that no
character is read twice and the time is linear in the text. Step numbers are those of the standard.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import starmap
from typing import TYPE_CHECKING

from imgfetch.model.markup import Candidate, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import TypeAlias

    from imgfetch.model.markup import Descriptors

    Matches: TypeAlias = Iterable[tuple[str, str, str, str]]
    Fields: TypeAlias = tuple[str, int | None, int | None, float | None]
    """The fields of a `Candidate`: URL, width, height, density."""

_SPACE = r" \t\n\f\r"
"""ASCII whitespace (Infra §4.6): a vertical tab or a no-break space is part of a URL."""

_CANDIDATE = re.compile(
    rf"""
    [{_SPACE},]*+                                   # 4: the splitting loop
    ([^{_SPACE}]++)                                 # 6: the URL
    (?: (?<=,)                                      # 8: a comma at its end leaves no descriptors;
      | [{_SPACE}]++                                #    one usual descriptor is read at once;
        (?: ([1-9][0-9]{{0,8}}+) w | ([0-9]{{1,9}}+ (?:\.[0-9]{{1,9}}+)?) x )
        [{_SPACE}]*+ (?: , | \Z )
      | ((?: [^,(]++ | \( [^)]*+ \)? )*+) ,?        #    otherwise up to a comma outside parentheses,
    )                                               #    which do not nest and may be left open
  | [{_SPACE},]++                                   # 5: only separators are left, taken at once: a search
                                                    #    that began again at each would not be linear
    """,
    re.VERBOSE,
)

_DESCRIPTOR = re.compile(rf"(?: [^{_SPACE}(]++ | \( [^)]*+ \)? )++", re.VERBOSE)

_VALID = re.compile(
    r"""
    0*+ ([1-9][0-9]{0,9}+) ([wh])                   # a valid non-negative integer, except zero
  | (-? (?: [0-9]++ (?:\.[0-9]++)? | \.[0-9]++ )    # a valid floating-point number
        (?: [eE][+-]?[0-9]++ )? ) x
    """,
    re.VERBOSE,
)

_BEGINS_WITH_ZERO = re.compile(rf"(?:\A|[{_SPACE}])0[0-9]*+[wh](?:[{_SPACE}]|\Z)")
"""A width or a height such as `0640w`, which is none in Firefox."""

_WIDEST = 2**31 - 1
"""Pixels of the largest width or height: Chromium, Firefox and WebKit drop a larger one."""


def parse_srcset(text: str) -> tuple[Candidate, ...]:
    """Return the image candidates of a `srcset` that browsers accept, in order, with URLs as written."""
    return tuple(starmap(Candidate, _accepted(_CANDIDATE.findall(text))))


def read_srcset(text: str) -> tuple[tuple[Candidate, ...], tuple[Problem, ...]]:
    """Return the image candidates of a `srcset` that browsers accept, and those they drop, with reasons."""
    found = _CANDIDATE.findall(text)
    accepted = _accepted(found)
    # Only the last match can consist of separators; only a dropped candidate costs a second pass.
    dropped = len(accepted) < len(found) - (bool(found) and not found[-1][0])
    problems = (item for item in walk(text) if isinstance(item, Problem)) if dropped else ()
    return tuple(starmap(Candidate, accepted)), tuple(problems)


def urls_and_descriptors(text: str, *, browser: str = "chromium") -> tuple[Sequence[str], Descriptors]:
    """Return the URLs of the candidates that `parse_srcset` returns, and their descriptors.

    Firefox drops candidates with a width or a height that begins with a zero.
    """
    found = _CANDIDATE.findall(text)
    if browser == "firefox":
        found = [each for each in found if not _BEGINS_WITH_ZERO.search(each[3])]
    if 0 < len(found) <= _MAX_CACHED:
        urls, widths, densities, _ = zip(*found, strict=True)
        usual = _usual_descriptors(widths, densities)
        if usual is not None:
            return urls, usual
    accepted = _accepted(found)
    return [url for url, *_ in accepted], tuple((width, density) for _, width, _, density in accepted)


_MAX_CACHED = 64
"""Candidates of a list with cached descriptors: the lists of a page differ mostly in their URLs."""


@lru_cache(maxsize=512)
def _usual_descriptors(widths: tuple[str, ...], densities: tuple[str, ...]) -> Descriptors | None:
    """Return the descriptors if each candidate has one usual width or density; else None."""
    pairs = tuple(zip(widths, densities, strict=True))
    if any(width == density for width, density in pairs):
        return None
    return tuple((int(width), None) if width else (None, float(density)) for width, density in pairs)


def walk(text: str) -> Iterator[Candidate | Problem]:
    """Yield each candidate of a `srcset`, or the reason why it is dropped, in order, each at its turn."""
    for match in _CANDIDATE.finditer(text):  # 4 to 6, and 16
        fields = _fields(*match.groups())
        if not isinstance(fields, str):
            yield Candidate(*fields)
        elif fields:
            found = text[match.start(1) : match.end()].rstrip(" \t\n\f\r,")
            yield Problem(match.start(1), excerpt(found), fields)


def url_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the URL of each candidate that `parse_srcset` returns begins and ends."""
    for match in _CANDIDATE.finditer(text):
        fields = _fields(*match.groups())
        if isinstance(fields, tuple):
            yield match.start(1), match.start(1) + len(fields[0])


def excerpt(text: str, *, limit: int = 120) -> str:
    """Return the text, cut to `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _accepted(found: Matches) -> list[Fields]:
    """Return the fields of the candidates that are not dropped."""
    accepted: list[Fields] = []
    for url, width, density, rest in found:
        if width:  # nearly all have one, and a call would double the time
            accepted.append((url, int(width), None, None))
        else:
            fields = _fields(url, width, density, rest)
            if isinstance(fields, tuple):
                accepted.append(fields)
    return accepted


def _fields(url: str | None, width: str | None, density: str | None, rest: str | None) -> Fields | str:
    """Return the fields of a candidate, or the reason why it is dropped; an empty one if there is none."""
    if not url:
        return ""
    if width:
        return url, int(width), None, None
    if density:
        return url, None, None, float(density)
    if not rest:
        return url.rstrip(","), None, None, None  # 8
    descriptors = _read_descriptors(rest)
    return descriptors if isinstance(descriptors, str) else (url, *descriptors)


def _read_descriptors(text: str) -> tuple[int | None, int | None, float | None] | str:
    """Return width, height and density, or the reason why the candidate is dropped (steps 9 to 15)."""
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
