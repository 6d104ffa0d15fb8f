"""Decide by its URL whether a candidate is wanted: `--include` and `--exclude`.

    patterns, candidates of a SourceSet ─▶ the SourceSet with those that are wanted

A pattern is a part of a URL. `*` in it stands for any characters, and then it is the whole URL: `*.gif`,
`https://ads.*`, `/thumbs/`. Upper and lower case are the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection

    from imgfetch.model.markup import Candidate, SourceSet


class Patterns(NamedTuple):
    """Patterns of which one must match, unless there are none, and patterns of which none may match."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


def patterns_of(include: Collection[str], exclude: Collection[str]) -> Patterns | None:
    """Return the patterns, ready to match; None if there are none."""
    if not include and not exclude:
        return None
    return Patterns(tuple(each.lower() for each in include), tuple(each.lower() for each in exclude))


def wanted_part(image: SourceSet, patterns: Patterns) -> SourceSet:
    """Return the image with the candidates that are wanted; without any, none is."""
    sources = tuple(
        source._replace(candidates=_wanted(source.candidates, patterns)) for source in image.sources
    )
    return image._replace(
        candidates=_wanted(image.candidates, patterns),
        sources=tuple(source for source in sources if source.candidates),
    )


def _wanted(candidates: tuple[Candidate, ...], patterns: Patterns) -> tuple[Candidate, ...]:
    return tuple(candidate for candidate in candidates if is_wanted(candidate.url, patterns))


def is_wanted(url: str, patterns: Patterns) -> bool:
    """Return whether the patterns take a URL."""
    url = url.lower()
    if any(matches(pattern, url) for pattern in patterns.exclude):
        return False
    return not patterns.include or any(matches(pattern, url) for pattern in patterns.include)


def matches(pattern: str, url: str) -> bool:
    """Return whether a pattern matches a URL, both in lower case, in time linear in the URL for each `*`."""
    first, *parts = pattern.split("*")
    if not parts:
        return pattern in url
    *middle, last = parts
    if not url.startswith(first) or len(url) < len(first) + len(last) or not url.endswith(last):
        return False
    position, end = len(first), len(url) - len(last)
    for part in middle:
        found = url.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True
