"""Which candidate to fetch, why, and in which order to fall through to the others.

candidates ─▶ those in a wanted format ─▶ put in the policy's order ─▶ the first, and the rest
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.errors import InputError
from imgfetch.model import Candidate, Choice, Format, Policy, Reason, SourceSet

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


def choose(
    source_set: SourceSet,
    *,
    width: int | None = None,
    dpr: float | None = None,
    policy: Policy | str = Policy.COVER,
    formats: Collection[Format | str] | None = None,
) -> Choice:
    """Order the candidates of one image by a policy; the first is chosen.

    `width` is in device pixels, and is held against width descriptors. Candidates without one are told
    apart by density, which is held against `dpr` (device pixels to a CSS pixel). The policies:

    - `cover`: the smallest that is at least as large as asked, else the largest;
    - `nearest`: the one that differs least from what was asked, of two equally near the larger;
    - `largest`, `smallest`: whatever was asked.

    Where nothing was asked that the candidates can be held against, `cover` and `nearest` choose the
    largest, which no use can find too small. Of equal candidates the first written comes first.

    `formats` leaves out the candidates whose URL ends in the extension of another format.

    Raises `InputError` (`no_image`) where no candidate is left to choose from.
    """
    policy = Policy(policy)
    candidates = _distinct(c for c in source_set.candidates if formats is None or _may_be(c.url, formats))
    if not candidates:
        wanted = f" in {', '.join(sorted(formats))}" if formats else ""
        raise InputError(Reason.NO_IMAGE, f"the source set has no candidate{wanted}")

    widths, densities = _Scale(policy, width), _Scale(policy, dpr)
    # A set that mixes both is an author's mistake: a density does not say how many pixels there are, so
    # the candidates that do say come first.
    ordered = sorted((c for c in candidates if c.width is not None), key=widths.rank)
    ordered += sorted((c for c in candidates if c.width is None), key=densities.rank)
    scale = densities if ordered[0].width is None else widths
    return Choice(
        candidate=ordered[0],
        alternatives=tuple(ordered[1:]),
        why=scale.explain(ordered[0], len(ordered)),
        policy=policy,
        width=width,
        source_set=source_set,
    )


class _Scale:
    """A policy and the size it is held against: pixels for widths, a ratio for densities."""

    def __init__(self, policy: Policy, asked: float | None) -> None:
        self.undirected = asked is None and policy in (Policy.COVER, Policy.NEAREST)
        self.policy = Policy.LARGEST if self.undirected else policy
        self.asked = asked or 0

    def rank(self, candidate: Candidate) -> tuple[float, ...]:
        """Give the sort key: the candidate to try first has the least."""
        size = _size(candidate)
        match self.policy:
            case Policy.COVER:
                return (0, size) if size >= self.asked else (1, -size)
            case Policy.NEAREST:
                return (abs(size - self.asked), -size)
            case Policy.SMALLEST:
                return (size,)
            case Policy.LARGEST:
                return (-size,)

    def explain(self, chosen: Candidate, count: int) -> str:
        """Say in one sentence by what rule this one was chosen."""
        if count == 1:
            return "it is the only candidate"
        name = f"{_size(chosen):g}x" if chosen.width is None else f"{chosen.width}w"
        asked = f"{self.asked:.10g} device pixels" + (" to a CSS pixel" if chosen.width is None else "")
        if self.undirected:
            return f"{name} is the largest of {count}; nothing was asked that it could be held against"
        match self.policy:
            case Policy.COVER if _size(chosen) < self.asked:
                return f"{name} is the largest of {count}; none covers {asked}"
            case Policy.COVER:
                return f"{name} is the smallest of {count} that covers {asked}"
            case Policy.NEAREST:
                return f"{name} is the nearest of {count} to {asked}"
            case Policy.LARGEST | Policy.SMALLEST:
                return f"{name} is the {self.policy} of {count}"


def _size(candidate: Candidate) -> float:
    if candidate.width is not None:
        return candidate.width
    return 1.0 if candidate.density is None else candidate.density  # HTML §4.8.4.2.1: no descriptor is 1x


def _may_be(url: str, formats: Collection[Format | str]) -> bool:
    path = url.partition("#")[0].partition("?")[0]
    named = _EXTENSIONS.get(path.rpartition(".")[2].lower())
    return named is None or named in formats


def _distinct(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Leave out candidates whose URL an earlier one has: a dead URL is not worth a second try."""
    first: dict[str, Candidate] = {}
    for candidate in candidates:
        first.setdefault(candidate.url, candidate)
    return list(first.values())


_EXTENSIONS = {
    "jpg": Format.JPEG,
    "jpeg": Format.JPEG,
    "jfif": Format.JPEG,
    "png": Format.PNG,
    "apng": Format.PNG,
    "gif": Format.GIF,
    "webp": Format.WEBP,
    "avif": Format.AVIF,
}
