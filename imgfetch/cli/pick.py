"""`imgfetch pick`: what would be chosen, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.api.errands import errands
from imgfetch.cli import lines
from imgfetch.cli.exits import Exit
from imgfetch.cli.inputs import choosing_of, sources_of
from imgfetch.errors import error_for
from imgfetch.model import Failed

if TYPE_CHECKING:
    import argparse

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
        if options.json:
            lines.result(lines.json_of_choice(errand.index, errand.source, errand.choice))
        else:
            _explain(errand.choice, quiet=options.quiet)
        if options.verbose:
            for problem in errand.choice.source_set.problems:
                lines.say(f"{errand.source}: at {problem.position}: {problem.found!r}: {problem.reason}")
    if not failed:
        return Exit.OK
    return Exit.FAILED if picked else Exit.USAGE


def _explain(choice: Choice, *, quiet: bool) -> None:
    lines.result(choice.url)
    if quiet:
        return
    lines.result(f"  {choice.why}")
    for number, candidate in enumerate(choice.alternatives):
        lines.result(f"  {'else' if number == 0 else 'then'} {_descriptor(candidate)}{candidate.url}")


def _descriptor(candidate: Candidate) -> str:
    if candidate.width is not None:
        return f"{candidate.width}w "
    return "" if candidate.density is None else f"{candidate.density:g}x "
