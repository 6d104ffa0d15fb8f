"""`imgfetch batch`: fetches the sources of a file into a folder, and writes a line about each image.

    INPUT ─▶ rows ─▶ in the manifest? ──yes──▶ skipped
                        └──no──▶ jobs ─▶ as `get` ─▶ files, and lines of DEST/manifest.jsonl

Rows are read as they are needed, those of a file in batches: memory does not grow with INPUT.
"""

from __future__ import annotations

from contextlib import aclosing
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from imgfetch.api.jobs import Job, jobs_of
from imgfetch.api.normalize import spelled
from imgfetch.cli import output
from imgfetch.cli.client_factory import client_for, release
from imgfetch.cli.inputs import Rows, batch_size_of, choosing_of
from imgfetch.cli.process import run_async
from imgfetch.cli.progress import watcher_for
from imgfetch.cli.report import Report
from imgfetch.cli.summary import Summary
from imgfetch.errors import InputError, one_line
from imgfetch.model.markup import Choice
from imgfetch.model.options import OPTIONS, Group
from imgfetch.model.result import ErrorKind, Failure
from imgfetch.outputs.manifest_file import NAME, Manifest
from imgfetch.rules.http.urls import without_userinfo
from imgfetch.rules.image.filenames import named_format
from imgfetch.rules.image.name_template import FIELDS
from imgfetch.rules.image.safe_names import readable, without_extension
from imgfetch.rules.store import jsonl
from imgfetch.rules.store import manifest as rule

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Sequence

    from imgfetch.api.client import Client
    from imgfetch.api.results import Image
    from imgfetch.cli.process.exit_codes import Exit
    from imgfetch.readers.rows.row import Row


def run(options: argparse.Namespace) -> Exit:
    """Fetch the images of the rows of an input that are not in the folder yet."""
    if options.directory is None:
        raise InputError(ErrorKind.BAD_INPUT, "no --to DEST was given; see imgfetch batch --help")
    rows = Rows(options)
    numbered = iter(rows)
    first = next(numbered)  # nothing is made for an input that cannot be read
    _check_columns(options, first[1])
    if not (options.contact or options.user_agent or options.quiet or options.offline):
        output.say("no --contact given: site owners cannot reach you")
    how = jsonl.asked(choosing_of(options))
    manifest_file = Manifest(options.directory, under=_terms_of(options), again=options.retry_all)
    of_rows: dict[int, dict[str, Any]] = {}
    in_report = Report(options.report, lambda row: of_rows.get(row, how), again=_AGAIN)
    with manifest_file as manifest, in_report as report:
        batch = _Batch(options, chain((first,), numbered), manifest, Summary(options, report), of_rows)
        with watcher_for(options) as watcher:
            client = client_for(options, observe=watcher.observe)
            try:
                run_async.run(batch.go(client))
            finally:
                release(client, quiet=options.quiet)
        return batch.close(chain(rows.left_out(), watcher.left_out()))


_AGAIN = "the same batch again asks for these alone"
"""What fetches failures into the folder and its manifest, which a retry does not know."""


def _terms_of(options: argparse.Namespace) -> str:
    """Return what an origin may send, and what is sent to it, by the options, as a short text."""
    groups = (Group.LIMITS, Group.NETWORK, Group.HEADERS)
    names = [option.attribute for group in groups for option in OPTIONS[group]]
    names = [name for name in names if name.startswith("max_") or name in _SENT]
    names += [option.attribute for group in (Group.VERIFY, Group.GETTING) for option in OPTIONS[group]]
    chosen = {name: getattr(options, name) for name in names if name not in _OF_A_RUN}
    fields = sorted(name for name, _ in options.header), sorted(each[:2] for each in options.header_for)
    return rule.terms(chosen | {"headers": fields})


_SENT = frozenset(
    {
        *("allow_downgrade", "user_agent", "contact", "robots", "referer", "referrer_policy"),
        *("cookies", "netrc", "netrc_file"),
    }
)
_OF_A_RUN = frozenset({"refresh", "reuse"})


def _check_columns(options: argparse.Namespace, first: Row) -> None:
    """Raise `InputError` where `--name` names a column that the first row does not have."""
    wanted = () if options.name is None else options.name.columns
    missing = next((each for each in wanted if each not in first.columns), None)
    if missing is not None and not (first.error and not first.columns):
        has = ", ".join((*FIELDS, *first.columns))
        raise InputError(ErrorKind.BAD_INPUT, f"--name has no field {missing}; it has {one_line('', has)}")


class _Source(NamedTuple):
    """One image of a row."""

    row: Row
    identity: int
    position: int


class _Batch:
    """One run over an input."""

    def __init__(
        self,
        options: argparse.Namespace,
        rows: Iterator[tuple[int, Row]],
        manifest: Manifest,
        summary: Summary,
        of_rows: dict[int, dict[str, Any]],
    ) -> None:
        """`rows` come with their positions.

        `of_rows` gets the members of a report for the rows under way that have a width of their own.
        """
        self._options = options
        self._rows = rows
        self._choosing = choosing_of(options)
        self._how = jsonl.asked(self._choosing)
        self._named = {} if options.name is None else {"name": options.name.text}
        self._under = _terms_of(options)
        self._manifest = manifest
        self._summary = summary
        self._of_rows = of_rows
        self._open: dict[tuple[int, str], _Source] = {}
        """The sources under way, by the index of the row and the source."""

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
        manifest = f"{self._options.directory}/{NAME}"
        if not self._options.quiet:
            if self._summary.skipped:
                output.say(f"{self._summary.skipped} done before, according to {manifest}")
            if self._summary.failed_before:
                count = self._summary.failed_before
                output.say(f"{count} failed for good before, according to {manifest}; --retry-all asks again")
        return self._summary.close(left_out)

    def _jobs(self, client: Client) -> Iterator[Sequence[Job]]:
        """Yield the jobs of each source that is not in the manifest."""
        for index, row in self._rows:
            if row.error is not None:
                self._open[index, ""] = _Source(row, rule.identity("", self._how), 0)
                yield (Job(row.error.failed(), row.error.url, index, {}),)
            how, choosing = self._how, self._choosing
            if row.width is not None and row.images:
                choosing = {**choosing, "width": row.width}
                how = self._of_rows[index] = jsonl.asked(choosing)
            for position, image in enumerate(row.images):
                source = _Source(row, rule.identity(image, how | self._named), position)
                if self._options.refresh or not self._manifest.has(source.identity):
                    self._open[index, image] = source
                    jobs = jobs_of(image, index, observe=client.scheduler.observe, **choosing)
                    yield tuple(_job_of(job, source) for job in jobs)
                elif failed := self._manifest.failed(source.identity):
                    self._summary.failed_before += failed
                else:
                    self._summary.skipped += 1

    def _take(self, job: Job, outcomes: Sequence[Image | Failure]) -> None:
        row, identity, _ = self._open.pop((job.index, str(job.given)))
        own = _fields_of(row)
        written = ""
        for part, outcome in enumerate(outcomes, 1):
            path = self._summary.take(outcome, own)
            name = None if path is None else path.rpartition("/")[2]
            under = self._under if isinstance(outcome, Failure) else ""
            members = rule.members(identity, part, len(outcomes), columns=row.columns, under=under)
            written += jsonl.line(output.fields_of(outcome, name) | members)
        self._manifest.write(written)
        if self._manifest.has(identity):  # it was fetched anew
            self._manifest.supersede(identity)
        if not any((job.index, image) in self._open for image in row.images):
            self._of_rows.pop(job.index, None)


def _job_of(job: Job, source: _Source) -> Job:
    """Return a job with what its row says: its position in the row, and the page of its image."""
    position = source.position + job.position
    page = spelled(source.row.referer) if source.row.referer else ""
    if not page or not isinstance(job.choice, Choice):
        return job._replace(position=position)
    return job._replace(choice=job.choice._replace(page=page), page=without_userinfo(page), position=position)


def _fields_of(row: Row) -> dict[str, str | int]:
    """Return the fields of a name that a row has: its columns, and its own name."""
    if not row.columns:
        return {}
    fields = {name: "" if value is None else str(value) for name, value in row.columns.items()}
    if row.name:
        is_file = named_format(row.name) is not None
        fields["name"] = readable(without_extension(row.name) if is_file else row.name)
    else:
        fields.pop("name", None)
    return {**fields}
