"""The algorithm of the HTML standard for `srcset`, letter by letter, to compare `markup.srcset` with."""

from __future__ import annotations

import re

from imgfetch.markup.srcset import urls_and_descriptors
from imgfetch.model.markup import Candidate


def check_urls_and_descriptors(text: str) -> None:
    """Assert that the candidates are those of the standard, twice: the second time they are cached."""
    candidates = parse_by_the_letter(text)
    for _ in range(2):
        urls, descriptors = urls_and_descriptors(text)
        assert [*urls] == [candidate.url for candidate in candidates]
        assert descriptors == tuple((candidate.width, candidate.density) for candidate in candidates)


def parse_by_the_letter(text: str) -> tuple[Candidate, ...]:
    """Parse a srcset by the algorithm of the standard, character by character."""
    space, position, candidates = " \t\n\f\r", 0, list[Candidate]()
    while True:
        while position < len(text) and text[position] in space + ",":
            position += 1
        if position >= len(text):
            return tuple(candidates)
        start = position
        while position < len(text) and text[position] not in space:
            position += 1
        url, descriptors = text[start:position], list[str]()
        if url.endswith(","):
            url = url.rstrip(",")
        else:
            position, descriptors = _tokens(text, position)
        candidate = _candidate(url, descriptors)
        if candidate is not None:
            candidates.append(candidate)


def _tokens(text: str, position: int) -> tuple[int, list[str]]:
    descriptors, current, state = list[str](), "", "in descriptor"
    while position < len(text) and text[position] in " \t\n\f\r":
        position += 1
    while True:
        c = text[position] if position < len(text) else ""
        position += 1
        if state == "in descriptor":
            if c and c in " \t\n\f\r":
                if current:
                    descriptors.append(current)
                    current = ""
                    state = "after descriptor"
            elif c in ("", ","):
                return position, [*descriptors, current] if current else descriptors
            else:
                current += c
                state = "in parens" if c == "(" else state
        elif state == "in parens":
            if not c:
                return position, [*descriptors, current]
            current += c
            state = "in descriptor" if c == ")" else state
        elif not c:
            return position, descriptors
        elif c not in " \t\n\f\r":
            state = "in descriptor"
            position -= 1


def _candidate(url: str, descriptors: list[str]) -> Candidate | None:
    width = height = density = None
    for descriptor in descriptors:
        number, unit = descriptor[:-1], descriptor[-1]
        whole = re.fullmatch("[0-9]+", number) is not None and len(number.lstrip("0")) < 12
        real = re.fullmatch(r"-?([0-9]+(\.[0-9]+)?|\.[0-9]+)([eE][-+]?[0-9]+)?", number) is not None
        if unit == "w" and whole and width is None and density is None and 0 < int(number) < 2**31:
            width = int(number)
        elif (
            unit == "x"
            and real
            and width is None
            and density is None
            and height is None
            and float(number) >= 0
        ):
            density = abs(float(number))
            if density == float("inf"):
                return None
        elif unit == "h" and whole and height is None and density is None and 0 < int(number) < 2**31:
            height = int(number)
        else:
            return None
    return Candidate(url, width, height, density) if height is None or width is not None else None
