"""`imgfetch retry`: fetches again the failures of a report that may succeed now.

    REPORT ─▶ records ─▶ jobs, with the choice of that run ─▶ as `get` ─▶ failures ─▶ REPORT

Failures that are not retried stay in the report unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from imgfetch.api.arguments import parse_digest
from imgfetch.api.jobs import jobs_of
from imgfetch.api.normalize import spelled
from imgfetch.cli.commands import get
from imgfetch.cli.inputs import source_of
from imgfetch.cli.report import Report
from imgfetch.cli.summary import Summary
from imgfetch.errors import ImgfetchError, InputError
from imgfetch.model.markup import Choice
from imgfetch.model.options import OPTIONS, Group
from imgfetch.model.request import SourceOrigin
from imgfetch.model.result import ErrorKind
from imgfetch.outputs.results_table import ResultsTable
from imgfetch.rules.http import credentials
from imgfetch.rules.store import jsonl
from imgfetch.system import atomic_files

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from imgfetch.api.jobs import Job
    from imgfetch.api.sources import Source
    from imgfetch.cli.process.exit_codes import Exit
    from imgfetch.model.markup import SourceSet
    from imgfetch.model.values import Digest


def run(options: argparse.Namespace) -> Exit:
    """Retry the failures of a report, and write those that fail again to it."""
    records = _read(options.input)
    rest = hasattr(options, "rest")
    names = [option.attribute for option in OPTIONS[Group.RENDITION]]
    own = {name: getattr(options, name) for name in names if hasattr(options, name)}
    if hasattr(options, "base"):
        own["base_url"] = options.base
    records = [record.with_own(own) for record in records] if own else records
    in_report = Report(options.report or options.input, lambda index: records[index].how)
    with in_report as report, ResultsTable(options.table) as table:
        for record in records:
            if not (record.is_retryable or rest):
                report.copy(record.line)
        todo: Iterator[Job] = (
            job
            for index, record in enumerate(records)
            if record.is_retryable or rest
            for job in record.jobs(index, files=options.files)
        )
        if options.sha256 is not None:
            todo = get.single(todo, options.sha256)
        return get.fetch(options, lambda _: todo, Summary(options, report, table))


class _Record(NamedTuple):
    """A line of a report: a failed job, and all that a retry needs."""

    line: str
    is_retryable: bool
    """Whether a retry may succeed."""
    name: str
    place: int
    document: str
    """The document that names the image, as `Failure.page` has it."""
    given: str
    offered: SourceSet | None
    """The source set; None if the source could not be read."""
    choosing: dict[str, Any]
    sha256: Digest | None
    source_origin: SourceOrigin
    """The origin for the caller's headers, and the host of the source: its site receives the cookies."""
    page: str
    """The URL of the page that offers the image; empty if that is not known."""

    @property
    def how(self) -> dict[str, Any]:
        """The members of the report that say how the image was chosen."""
        return jsonl.asked(self.choosing) | ({} if self.sha256 is None else {"sha256": self.sha256})

    def with_own(self, own: dict[str, Any]) -> _Record:
        """Return the record with options of this run in place of its own."""
        offered, source_origin = self.offered, self.source_origin
        if offered is not None and own.get("base_url"):
            from imgfetch.markup.urls import absolute

            offered = absolute(offered, own["base_url"])
            if not source_origin.origin:
                source_origin = credentials.source_origin_of(spelled(own["base_url"]))
        choosing = {**self.choosing, **own}
        if "base_url" in own:
            choosing["base_of_folder"] = False
        return self._replace(choosing=choosing, offered=offered, source_origin=source_origin)

    def jobs(self, index: int, *, files: bool) -> Iterator[Job]:
        """Yield the jobs, under the name of their source; with `files` a source may name a file."""
        source: Source = self.given if self.offered is None else self.offered
        if files and isinstance(source, str):
            source = source_of(source, self.choosing.get("base_url", ""))
        for job in jobs_of(source, index, **self.choosing):
            choice = job.choice
            if self.offered is not None and isinstance(choice, Choice) and not choice.page:
                choice = choice._replace(page=self.page)
            yield job._replace(
                choice=choice,
                source=self.name,
                given=self.given,
                position=self.place,
                page=self.document,
                sha256=self.sha256,
                only_first=not job.is_a_url,  # not the other images of a text or a page
                source_origin=job.source_origin if self.offered is None else self.source_origin,
            )


def _offered(ask: dict[str, Any]) -> SourceSet:
    """Return the source set in a report. Raises `ValueError`."""
    found = jsonl.source_set_of(jsonl.member(ask, "offered", dict))
    return found._replace(alt=jsonl.member(ask, "alt", str, ""))


def _read(path: str) -> list[_Record]:
    """Return the records of a report. Raises `InputError`, which names the line that cannot be used."""
    text = atomic_files.read(path, may_be_pipe=True)
    if text is None:
        raise InputError(ErrorKind.BAD_INPUT, "no such file; get --report FILE writes one", path)
    *whole, rest = text.split("\n")
    if rest and not _is_whole(rest):
        rest = ""  # a killed run left half a line
    return [
        _record(line, f"{path}: line {number}")
        for number, line in enumerate([*whole, rest], 1)
        if line.strip()
    ]


def _is_whole(line: str) -> bool:
    try:
        jsonl.members_of(line)
    except ValueError:
        return False
    return True


def _record(line: str, where: str) -> _Record:
    try:
        members = jsonl.members_of(line)
        ask = jsonl.member(members, "ask", dict)
        error = jsonl.member(members, "error", dict)
        offered = ask.get("offered")
        return _Record(
            line + "\n",
            is_retryable=jsonl.member(error, "retryable", bool),
            name=jsonl.member(members, "source", str),
            place=jsonl.member(members, "place", int, 0),
            document=jsonl.member(members, "page", str, ""),
            given=jsonl.member(ask, "source", str, ""),
            offered=None if offered is None else _offered(ask),
            choosing=jsonl.choosing_of(ask) | {"base_of_folder": True},  # the report does not say
            sha256=parse_digest(jsonl.member(ask, "sha256", str) if "sha256" in ask else None),
            source_origin=SourceOrigin(
                jsonl.member(ask, "origin", str, ""), host=jsonl.member(ask, "host", str, "")
            ),
            page=jsonl.member(ask, "page", str, ""),
        )
    except (ValueError, ImgfetchError) as why:
        raise InputError(ErrorKind.BAD_INPUT, f"not a line of a report: {why}", where) from why
