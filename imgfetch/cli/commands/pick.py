"""`imgfetch pick`: shows which renditions would be chosen, and why.

sources ─▶ jobs ─▶ the URL of a page? ──yes──▶ its images ─▶ explained
                      └──no────────────────────────────────▶ explained
"""

from __future__ import annotations

from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from imgfetch.api.images import explain
from imgfetch.api.jobs import jobs
from imgfetch.cli import output
from imgfetch.cli.inputs import choosing_of, sources_of
from imgfetch.cli.process.exit_codes import INPUT_KINDS, Exit
from imgfetch.cli.progress import watcher_for
from imgfetch.cli.summary import on_page, with_option
from imgfetch.errors import error_for
from imgfetch.model.markup import SourceKind
from imgfetch.model.result import Failure
from imgfetch.rules.http.urls import brief
from imgfetch.rules.image.filenames import named_format

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from imgfetch.api.images import Explanation
    from imgfetch.api.jobs import Job
    from imgfetch.cli.progress import Watcher
    from imgfetch.model.markup import Candidate, Choice, Problem
    from imgfetch.model.result import ErrorKind


def run(options: argparse.Namespace) -> Exit:
    """Print the URL that would be fetched for each image, with the reason under it."""
    printer = _Printer(options)
    watcher = watcher_for(options)
    todo = jobs(sources_of(options), observe=watcher.observe, **choosing_of(options))
    for job in todo:
        if _may_be_a_page(job) and not options.offline:
            _probe(options, job, todo, printer, watcher)
            break
        printer.print(job)
    if not options.quiet:
        for line in watcher.left_out():
            output.say(line)
    return printer.exit()


def _may_be_a_page(job: Job) -> bool:
    choice = job.choice
    if isinstance(choice, Failure) or choice.is_embedded:
        return False
    return job.may_be_a_page and not named_format(choice.url)


def _probe(
    options: argparse.Namespace, job: Job, others: Iterator[Job], printer: _Printer, watcher: Watcher
) -> None:
    """Print a job and the others; fetch a URL that may be a page into a temporary folder."""
    # Most runs fetch nothing, and need no client.
    from imgfetch.cli.client_factory import client_for, release
    from imgfetch.cli.process import run_async

    async def go() -> None:
        with TemporaryDirectory(prefix="imgfetch-") as scratch, watcher:
            async with client_for(options, cache=scratch, observe=watcher.observe) as client:
                for page in await client.scheduler.probe_page(job):
                    printer.print(page)
                for other in others:
                    for each in (
                        await client.scheduler.probe_page(other) if _may_be_a_page(other) else [other]
                    ):
                        printer.print(each)
                release(client, quiet=options.quiet)

    run_async.run(go())


class _Printer:
    """Prints choices, and counts them for the exit code."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._picked = 0
        self._failures: set[ErrorKind] = set()
        self._has_response = False
        """Whether a failure has a response: then the caller's input was usable."""

    def print(self, job: Job) -> None:
        """Print the choice of a job, or why there is none."""
        self._print_choice(job)
        if self._options.verbose:
            for problem in job.problems:
                output.say(_unread(job.source, problem))

    def _print_choice(self, job: Job) -> None:
        choice = job.choice
        if isinstance(choice, Failure):
            self._failures.add(choice.kind)
            self._has_response |= choice.http_status is not None
            failed = choice._replace(page=job.page, source=job.source)
            output.say(f"{error_for(with_option(failed))}{on_page(failed)}")
            return
        self._picked += 1
        options = self._options
        if options.quiet and not options.json:
            output.result(brief(choice.url))
            return
        explanation = explain(choice, viewport=options.viewport, formats=options.formats)
        if options.json:
            output.result(output.json_of_choice(job, choice, explanation))
        else:
            for line in _lines_of(choice, explanation, verbose=options.verbose):
                output.result(line)

    def exit(self) -> Exit:
        """Return the exit code."""
        if not self._failures:
            return Exit.OK
        is_usage = self._failures <= INPUT_KINDS and not (self._picked or self._has_response)
        return Exit.USAGE if is_usage else Exit.FAILED


def _lines_of(choice: Choice, explanation: Explanation, *, verbose: bool) -> Iterator[str]:
    kind = choice.source_set.kind
    yield brief(choice.url)
    yield f"  {choice.why}" if kind in _PLAIN else f"  {kind}: {choice.why}"
    if len(explanation.parts) > 1:
        yield from (f"  not {part.name}: {part.against}" for part in explanation.parts if part.against)
    offered = (choice.candidate, *choice.alternatives)
    if explanation.source_size is not None and kind in _LAID_OUT and any(c.width for c in offered):
        yield f"  it is {explanation.source_size:g} CSS pixels wide there"
    densities = dict(explanation.densities)
    for number, candidate in enumerate(choice.alternatives):
        word = "else" if number == 0 else "then"
        density = densities.get(candidate)
        shown = f" ({density:.4g}x)" if density is not None and candidate.width is not None else ""
        yield f"  {word} {_named(candidate)}{shown}"
    if verbose:
        for policy, candidate in explanation.policies:
            yield f"  {policy:<8} would choose {_named(candidate)}"


def _unread(source: str, problem: Problem) -> str:
    where = f"{source}: line {problem.line}, column {problem.column}" if problem.line else source
    return f"{where}: {problem.found!r} could not be read: {problem.reason}"


def _named(candidate: Candidate) -> str:
    return f"{_descriptor(candidate)}{brief(candidate.url)}"


def _descriptor(candidate: Candidate) -> str:
    if candidate.width is not None:
        return f"{candidate.width}w "
    return "" if candidate.density is None else f"{candidate.density:g}x "


_PLAIN = frozenset({SourceKind.IMG, SourceKind.PICTURE, SourceKind.TEXT, SourceKind.URL})
"""Kinds that are printed without their place in the page."""

_LAID_OUT = frozenset({*_PLAIN, SourceKind.LAZY, SourceKind.NOSCRIPT, SourceKind.AMP, SourceKind.PRELOAD})
"""Kinds with a `sizes` attribute that gives the width of the image in the layout."""
