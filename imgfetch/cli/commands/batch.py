"""`imgfetch batch`: fetches the sources of a file into a folder, and writes a line about each image.

    INPUT ─▶ rows ─▶ in the manifest? ──yes──▶ skipped
                        └──no──▶ jobs ─▶ as `get` ─▶ files, and lines of DEST/manifest.jsonl

Rows are read as they are needed, those of a file in batches: memory does not grow with INPUT.
"""

from __future__ import annotations

from contextlib import aclosing
from itertools import count
from typing import TYPE_CHECKING

from imgfetch.api.jobs import Job, jobs_of
from imgfetch.cli import output, run_async
from imgfetch.cli.client_factory import client_for, release
from imgfetch.cli.inputs import batch_size_of, choosing_of, rows_of
from imgfetch.cli.progress import watcher_for
from imgfetch.cli.report import Report
from imgfetch.cli.summary import Summary
from imgfetch.errors import InputError
from imgfetch.model.result import ErrorKind
from imgfetch.outputs.manifest_file import NAME, Manifest
from imgfetch.rules.store import jsonl
from imgfetch.rules.store import manifest as rule

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Sequence

    from imgfetch.api.client import Client
    from imgfetch.api.results import Image
    from imgfetch.cli.exit_codes import Exit
    from imgfetch.model.result import Failure


def run(options: argparse.Namespace) -> Exit:
    """Fetch the images of the rows of an input that are not in the folder yet."""
    if options.directory is None:
        raise InputError(ErrorKind.BAD_INPUT, "no --to DEST was given; see imgfetch batch --help")
    if not (options.contact or options.user_agent or options.quiet or options.offline):
        output.say("no --contact given: site owners cannot reach you")
    how = jsonl.asked(choosing_of(options))
    with Manifest(options.directory) as manifest, Report(options.report, lambda _: how) as report:
        batch = _Batch(options, manifest, Summary(options, report))
        with watcher_for(options) as watcher:
            client = client_for(options, observe=watcher.observe)
            try:
                run_async.run(batch.go(client))
            finally:
                release(client, quiet=options.quiet)
        return batch.close(watcher.left_out())


class _Batch:
    """One run over an input."""

    def __init__(self, options: argparse.Namespace, manifest: Manifest, summary: Summary) -> None:
        self._options = options
        self._choosing = choosing_of(options)
        self._how = jsonl.asked(self._choosing)
        self._manifest = manifest
        self._summary = summary

    async def go(self, client: Client) -> None:
        """Fetch the images that are missing."""
        size = batch_size_of(self._options.input)
        async with (
            client,
            aclosing(client.scheduler.run_together(self._jobs(client), batch=size)) as finished,
        ):
            async for jobs, outcomes in finished:
                self._take(jobs[0], outcomes)

    def close(self, left_out: Iterable[str]) -> Exit:
        """Print the summary, and return the exit code."""
        if self._summary.skipped and not self._options.quiet:
            output.say(f"{self._summary.skipped} done before, according to {self._options.directory}/{NAME}")
        return self._summary.close(left_out)

    def _jobs(self, client: Client) -> Iterator[Sequence[Job]]:
        """Yield the jobs of each row that is not in the manifest."""
        for index, row in zip(count(), rows_of(self._options)):
            if isinstance(row, InputError):
                yield (Job(row.failed(), row.url, index, {}),)
            elif not self._options.refresh and self._manifest.has(rule.identity(row, self._how)):
                self._summary.skipped += 1
            else:
                yield tuple(jobs_of(row, index, observe=client.scheduler.observe, **self._choosing))

    def _take(self, job: Job, outcomes: Sequence[Image | Failure]) -> None:
        row = rule.identity(str(job.given), self._how)
        written = ""
        for part, outcome in enumerate(outcomes, 1):
            path = self._summary.take(outcome)
            name = None if path is None else path.rpartition("/")[2]
            members = rule.members(row, part, len(outcomes))
            written += jsonl.line(output.fields_of(outcome, name) | members)
        self._manifest.write(written)
