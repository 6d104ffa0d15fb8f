"""`imgfetch batch`: a manifest of many in, a folder of images out, and a line about each.

    INPUT ─▶ rows ─▶ done before? ──yes──▶ passed over
                        └──no──▶ errands ─▶ as `get` ─▶ files, and lines of DEST/manifest.jsonl

It draws rows as they are needed, those of a file some at a time, and holds few more than are under way.
"""

from __future__ import annotations

from contextlib import aclosing
from itertools import count
from typing import TYPE_CHECKING

from imgfetch.api.jobs import Job, jobs_of
from imgfetch.cli import output, run_async
from imgfetch.cli.client_factory import client_for, release
from imgfetch.cli.inputs import choosing_of, lot_of, rows_of
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
    from collections.abc import Iterator, Sequence

    from imgfetch.api.client import Client
    from imgfetch.api.results import Image
    from imgfetch.cli.exit_codes import Exit
    from imgfetch.model.result import Failure


def run(options: argparse.Namespace) -> Exit:
    """Fetch what the rows of an input offer into a folder, but for what is there."""
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
        return batch.close()


class _Batch:
    """One run over an input."""

    def __init__(self, options: argparse.Namespace, manifest: Manifest, tally: Summary) -> None:
        self._options = options
        self._choosing = choosing_of(options)
        self._how = jsonl.asked(self._choosing)
        self._manifest = manifest
        self._tally = tally

    async def go(self, client: Client) -> None:
        """Bring what is not there."""
        lot = lot_of(self._options.input)
        async with client, aclosing(client.scheduler.run_together(self._todo(), batch=lot)) as brought:
            async for jobs, outcomes in brought:
                self._take(jobs[0], outcomes)

    def close(self) -> Exit:
        """Say what it came to."""
        if self._tally.passed_over and not self._options.quiet:
            output.say(f"{self._tally.passed_over} done before, as {self._options.directory}/{NAME} says")
        return self._tally.close()

    def _todo(self) -> Iterator[Sequence[Job]]:
        """The errands of each row that is not done."""
        for index, row in zip(count(), rows_of(self._options)):
            if isinstance(row, InputError):
                yield (Job(row.failed(), row.url, index, {}),)
            elif not self._options.refresh and self._manifest.has(rule.identity(row, self._how)):
                self._tally.passed_over += 1
            else:
                yield tuple(jobs_of(row, index, **self._choosing))

    def _take(self, job: Job, outcomes: Sequence[Image | Failure]) -> None:
        row = rule.identity(str(job.given), self._how)
        written = ""
        for part, outcome in enumerate(outcomes, 1):
            path = self._tally.take(outcome)
            name = None if path is None else path.rpartition("/")[2]
            members = rule.members(row, part, len(outcomes))
            written += jsonl.line(output.fields_of(outcome, name) | members)
        self._manifest.write(written)
