"""`imgfetch pick`: what would be chosen, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.api.errands import errands
from imgfetch.api.explanation import explain
from imgfetch.cli import lines
from imgfetch.cli.exits import Exit
from imgfetch.cli.inputs import choosing_of, sources_of
from imgfetch.errors import error_for
from imgfetch.model import Failed

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from imgfetch.api.explanation import Explanation
    from imgfetch.model import Candidate, Choice


def run(options: argparse.Namespace) -> Exit:
    """Print the URL that would be fetched for each image, with the reason under it."""
    picked = failed = 0
    for errand in errands(sources_of(options), **choosing_of(options)):
        if isinstance(errand.choice, Failed):
            failed += 1
            lines.say(str(error_for(errand.choice)))
            continue
        picked += 1
        choice = errand.choice
        explanation = explain(choice, viewport=options.viewport, formats=options.formats)
        if options.json:
            lines.result(lines.json_of_choice(errand.index, errand.source, choice, explanation))
        elif options.quiet:
            lines.result(choice.url)
        else:
            for line in _told(choice, explanation, verbose=options.verbose):
                lines.result(line)
        if options.verbose:
            for problem in choice.source_set.problems:
                where = f"{errand.source}: at {problem.position}"
                lines.say(f"{where}: {problem.found!r} was left out: {problem.reason}")
    if not failed:
        return Exit.OK
    return Exit.FAILED if picked else Exit.USAGE


def _told(choice: Choice, explanation: Explanation, *, verbose: bool) -> Iterator[str]:
    yield choice.url
    yield f"  {choice.why}"
    if len(explanation.parts) > 1:
        yield from (f"  not {part.name}: {part.against}" for part in explanation.parts if part.against)
    if explanation.source_size is not None:
        yield f"  it is {explanation.source_size:g} CSS pixels wide there"
    densities = dict(explanation.densities)
    for number, candidate in enumerate(choice.alternatives):
        word = "else" if number == 0 else "then"
        density = densities.get(candidate)
        told = f" ({density:.4g}x)" if density is not None and candidate.width is not None else ""
        yield f"  {word} {_descriptor(candidate)}{candidate.url}{told}"
    if verbose:
        for policy, candidate in explanation.policies:
            yield f"  {policy:<8} would choose {_descriptor(candidate)}{candidate.url}"


def _descriptor(candidate: Candidate) -> str:
    if candidate.width is not None:
        return f"{candidate.width}w "
    return "" if candidate.density is None else f"{candidate.density:g}x "
