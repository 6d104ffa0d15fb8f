"""Choose the candidate to fetch, state the reason, and order the alternatives.

candidates ─▶ those in a wanted format ─▶ sorted by the policy ─▶ the first, and its alternatives
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgfetch.errors import InputError, member, wanted_formats
from imgfetch.model.image import DECODABLE, Format
from imgfetch.model.markup import Choice, Original, Policy, SourceKind
from imgfetch.model.result import ErrorKind
from imgfetch.rules.http.urls import redact
from imgfetch.rules.image.browser import density, single
from imgfetch.rules.image.filenames import named_format

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from imgfetch.model.markup import Candidate, SourceSet
    from imgfetch.model.values import Digest


def choose(
    source_set: SourceSet,
    *,
    width: int | None = None,
    dpr: float | None = None,
    source_size: float | None = None,
    policy: Policy | str = Policy.COVER,
    formats: Collection[Format | str] | str | None = None,
    is_decodable: Callable[[Format], bool] = DECODABLE.__contains__,
    as_shown: bool = False,
) -> Choice:
    """Order the candidates of one image by a policy; the first is chosen.

    `width` is in device pixels, and is compared with width descriptors. Candidates without one are compared
    by density with `dpr` (device pixels per CSS pixel). The policies:

    - `cover`: the smallest that is at least as large as requested, else the largest;
    - `nearest`: the one that differs least from the requested size; of two equally near the larger;
    - `largest`, `smallest`: without regard to the requested size;
    - `browser`: the lowest density that covers `dpr`, else the highest; the density of a candidate with a
      width is the width divided by `source_size`, in CSS pixels.

    If no size is given that the candidates can be compared with, `cover` and `nearest` choose the largest,
    which is never too small. Equal candidates stay in the order written.

    Originals are chosen by `largest`, and by `cover` where no other candidate is
    known to reach the width; `as_shown` leaves that to the others, as `browser` does. What a lazy image shows
    until it is loaded comes after all others.

    `formats` leaves out the candidates that have the extension of another format in their URL. Without it,
    candidates in a format that is not `is_decodable` come after all others, unless the policy is `browser`.

    Raises `InputError` (`no_image`) if no candidate is left, and (`bad_input`) if `width` is not a number of
    at least 1, if a format is unknown, or if `browser` lacks `dpr` or `source_size`.
    """
    policy = member(Policy, policy)
    formats = wanted_formats(formats)
    names = () if formats is None else tuple(sorted(formats))
    if width is not None and not _is_width(width):
        raise InputError(ErrorKind.BAD_INPUT, f"{width!r} is not a width; give a number of at least 1")
    candidates = _distinct(
        source_set.candidates
        if formats is None
        else [c for c in source_set.candidates if may_be(c.url, formats)]
    )
    if not candidates:
        raise InputError(ErrorKind.NO_IMAGE, _nothing_left(source_set, formats))

    if policy is Policy.BROWSER and (dpr is None or source_size is None):
        raise InputError(ErrorKind.BAD_INPUT, "the policy browser needs a viewport")
    if len(candidates) == 1:
        only = "it is the only candidate"
        return Choice(candidates[0], (), only, policy, width, source_set, formats=names)
    shown, originals = _parted(candidates, policy)
    ratio = None if dpr is None else single(dpr)
    per_css_pixel = "{:g} device pixels per CSS pixel"
    densities = _Scale(policy, ratio, "{:.4g}x", per_css_pixel, _density(source_size or 0))
    if policy is Policy.BROWSER:
        widths = densities
        ordered = sorted(shown, key=densities.rank)
    else:
        widths = _Scale(policy, width, "{:.0f}w", "{:.10g} device pixels", _width)
        # A set that mixes both is an author's mistake. A density does not tell the number of pixels, so the
        # candidates with a width come first.
        ordered = sorted((c for c in shown if c.width is not None), key=widths.rank)
        ordered += sorted((c for c in shown if c.width is None), key=densities.rank)
    stand_in = source_set.placeholder if source_set.kind is SourceKind.LAZY else ""
    undecodable = set()
    if formats is None and policy is not Policy.BROWSER and _may_name_others(candidates):
        undecodable = {c.url for c in candidates if not may_be_decoded(c.url, is_decodable)}
    is_original_first = bool(originals) and _is_original_wanted(
        [c for c in ordered if c.url != stand_in], source_set, policy, None if as_shown else width
    )
    line = [*originals, *ordered] if is_original_first else [*ordered, *originals]
    if stand_in or undecodable:
        line.sort(key=lambda each: (each.url == stand_in, each.url in undecodable))
    chosen = line[0]
    if chosen.is_original:
        why = _why_original(policy, width)
    else:
        rivals = ordered
        if stand_in or undecodable:
            is_late = chosen.url in undecodable
            rivals = [c for c in ordered if c.url != stand_in and (c.url in undecodable) == is_late]
        why = _why(chosen, rivals, densities if chosen.width is None else widths)
    if 0 < len(undecodable) < len(candidates) and chosen.url not in undecodable:
        why += f"; {len(undecodable)} more cannot be decoded here"
    return Choice(chosen, tuple(line[1:]), why, policy, width, source_set, formats=names)


def _why(chosen: Candidate, rivals: Sequence[Candidate], scale: _Scale) -> str:
    """State in one sentence why a candidate was chosen among its rivals."""
    if chosen.width is None and len(rivals) == 1:
        return "it is the only candidate in its place"
    if (
        chosen.width is None
        and chosen.density is None
        and all(each.width is None and each.density is None for each in rivals)
    ):
        return f"it is the first of {len(rivals)}; none states its size"
    return scale.explain(chosen, len(rivals))


def _why_original(policy: Policy, width: float | None) -> str:
    if policy is Policy.LARGEST or width is None:
        return "it is the original"
    return f"it is the original; no other is known to cover {width:.10g} device pixels"


def _parted(candidates: list[Candidate], policy: Policy) -> tuple[list[Candidate], list[Candidate]]:
    """Return the candidates that a browser may show, and the originals, the widest first."""
    if Original not in map(type, candidates):
        return candidates, []
    shown = [each for each in candidates if not each.is_original]
    if not shown or len(shown) == len(candidates):
        return candidates, []
    if policy is Policy.BROWSER:
        return shown, []
    originals = [each for each in candidates if each.is_original]
    return shown, sorted(originals, key=lambda each: -(each.width or 0))


def _is_original_wanted(
    ordered: Sequence[Candidate], source_set: SourceSet, policy: Policy, width: float | None
) -> bool:
    """Return True if an original is chosen before the candidates that a browser may show."""
    if policy is Policy.LARGEST:
        return True
    if policy is not Policy.COVER or width is None:
        return False
    shown_at = source_set.layout.width or 0
    return all(_pixels(each, shown_at) < width for each in ordered)


def _pixels(candidate: Candidate, shown_at: int) -> float:
    """Return the width of a candidate as far as it is known: by its descriptor, or by its layout."""
    return candidate.width or (candidate.density or 1) * shown_at


def _is_width(width: object) -> bool:
    return isinstance(width, int | float) and width >= 1


def _nothing_left(source_set: SourceSet, formats: frozenset[Format] | None) -> str:
    if formats is None or not source_set.candidates:
        unread = source_set.problems[0].reason if source_set.problems else ""
        return unread or "the source set has no candidate"
    first, *others = source_set.candidates
    more = f" and {len(others):,} more" if others else ""
    return f"no candidate in {', '.join(sorted(formats))}, but {redact(first.url)}{more}"


class _Scale:
    """A policy, a measure of candidates, and the requested size."""

    def __init__(
        self,
        policy: Policy,
        wanted: float | None,
        size_form: str,
        wanted_form: str,
        measure: Callable[[Candidate], float],
    ) -> None:
        self._without_size = wanted is None and policy in (Policy.COVER, Policy.NEAREST)
        self._policy = Policy.LARGEST if self._without_size else policy
        self._wanted = wanted or 0
        self._size_form = size_form
        self._wanted_form = wanted_form
        self._measure = measure

    def rank(self, candidate: Candidate) -> tuple[float, ...]:
        """Return the sort key of a candidate: the first choice has the lowest."""
        size = self._measure(candidate)
        match self._policy:
            case Policy.COVER | Policy.BROWSER:
                return (0, size) if size >= self._wanted else (1, -size)
            case Policy.NEAREST:
                return (abs(size - self._wanted), -size)
            case Policy.SMALLEST:
                return (size,)
            case Policy.LARGEST:
                return (-size,)

    def explain(self, chosen: Candidate, count: int) -> str:
        """State in one sentence the rule by which this candidate was chosen."""
        size = self._measure(chosen)
        name, wanted = self._size_form.format(size), self._wanted_form.format(self._wanted)
        if self._without_size:
            return f"{name} is the largest of {count}; no size was given to compare it with"
        match self._policy:
            case Policy.COVER | Policy.BROWSER if size < self._wanted:
                return f"{name} is the largest of {count}; none covers {wanted}"
            case Policy.COVER | Policy.BROWSER:
                return f"{name} is the smallest of {count} that covers {wanted}"
            case Policy.NEAREST:
                return f"{name} is the nearest of {count} to {wanted}"
            case Policy.LARGEST | Policy.SMALLEST:
                return f"{name} is the {self._policy} of {count}"


def _width(candidate: Candidate) -> float:
    return candidate.width or 0


def _density(source_size: float) -> Callable[[Candidate], float]:
    """Return a function that measures the density of candidates (HTML §4.8.4.3.9)."""
    return lambda candidate: density(candidate.width, candidate.density, source_size)


def may_be(url: str, formats: Collection[Format]) -> bool:
    """Return True if the extension of a URL is that of one of the formats, or of no known format."""
    named = named_format(url)
    return named is None or named in formats


_OTHERS = re.compile(r"[./](?:svg|jxl|hei[cf]|hif)", re.IGNORECASE)
"""Matches the names of formats that not every installation decodes; one search costs less than all names."""


def _may_name_others(candidates: Sequence[Candidate]) -> bool:
    return _OTHERS.search(" ".join([candidate.url for candidate in candidates])) is not None


def may_be_decoded(url: str, is_decodable: Callable[[Format], bool]) -> bool:
    """Return True if the extension of a URL is that of a decodable format, or of no known format."""
    named = named_format(url)
    return named is None or is_decodable(named)


def is_page_accepted(choice: Choice, sha256: Digest | None) -> bool:
    """Return True if a page may come in place of the image: for a URL as the caller wrote it.

    A caller that knows the digest of a file wants that file, and not what a page offers.
    """
    return choice.source_set.kind is SourceKind.URL and sha256 is None


def _distinct(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Leave out candidates with the URL of an earlier one: a dead URL is not worth a second try."""
    if len(candidates) < 2:
        return [*candidates]
    first: dict[str, Candidate] = {}
    for candidate in candidates:
        first.setdefault(candidate.url, candidate)
    return list(first.values())
