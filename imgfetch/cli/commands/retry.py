"""`imgfetch retry`: what failed, and may succeed, once more.

    REPORT ─▶ requests ─▶ errands, as they were asked for then ─▶ as `get` ─▶ what still fails ─▶ REPORT

Whatever is not tried again stays in the report as it was.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from imgfetch.api.jobs import jobs_of, parse_digest
from imgfetch.api.normalize import spelled
from imgfetch.cli.commands import get
from imgfetch.cli.inputs import meant
from imgfetch.cli.report import Report
from imgfetch.cli.summary import Summary
from imgfetch.errors import ImgfetchError, InputError
from imgfetch.model.options import OPTIONS, Group
from imgfetch.model.request import SourceOrigin
from imgfetch.model.result import ErrorKind
from imgfetch.rules.http import credentials
from imgfetch.rules.store import jsonl
from imgfetch.system import atomic_files

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from imgfetch.api.jobs import Job
    from imgfetch.api.sources import Source
    from imgfetch.cli.exit_codes import Exit
    from imgfetch.model.markup import SourceSet
    from imgfetch.model.values import Digest


def run(options: argparse.Namespace) -> Exit:
    """Try again what a report says has failed, and write back what still fails."""
    found = _read(options.input)
    rest = hasattr(options, "rest")
    names = [option.attribute for option in OPTIONS[Group.RENDITION]]
    own = {name: getattr(options, name) for name in names if hasattr(options, name)}
    if hasattr(options, "base"):
        own["base_url"] = options.base
    again = [request if not own else request.with_own(own) for request in found]
    with Report(options.report or options.input, lambda index: again[index].how) as report:
        for request in again:
            if not (request.may_pass or rest):
                report.keep(request.line)
        todo: Iterator[Job] = (
            job
            for index, request in enumerate(again)
            if request.may_pass or rest
            for job in request.jobs(index, files=options.files)
        )
        if options.sha256 is not None:
            todo = get.the_one(todo, options.sha256)
        return get.bring(options, lambda _: todo, Summary(options, report))


class _Request(NamedTuple):
    """What a line of a report has asked for, to be asked for again."""

    line: str
    may_pass: bool
    """Whether asking again may help."""
    name: str
    place: int
    given: str
    offered: SourceSet | None
    """What was to choose from; None where the source could not be read."""
    choosing: dict[str, Any]
    sha256: Digest | None
    origin: str
    """That the caller's headers belong to; empty where there was none."""

    @property
    def how(self) -> dict[str, Any]:
        """The members that say how it is asked for."""
        return jsonl.asked(self.choosing) | ({} if self.sha256 is None else {"sha256": self.sha256})

    def with_own(self, own: dict[str, Any]) -> _Request:
        """The same, asked for in another way."""
        offered, origin = self.offered, self.origin
        if offered is not None and own.get("base_url"):
            from imgfetch.markup.urls import absolute

            offered = absolute(offered, own["base_url"])
            origin = origin or credentials.source_origin_of(spelled(own["base_url"])).origin
        choosing = {**self.choosing, **own}
        if "base_url" in own:
            choosing["base_of_folder"] = False
        return self._replace(choosing=choosing, offered=offered, origin=origin)

    def jobs(self, index: int, *, files: bool) -> Iterator[Job]:
        """Yield what there is to fetch, under the name that its source had; it may be a file if `files`."""
        source: Source = self.given if self.offered is None else self.offered
        if files and isinstance(source, str):
            source = meant(source, self.choosing.get("base_url", ""))
        for job in jobs_of(source, index, **self.choosing):
            yield replace(
                job,
                source=self.name,
                given=self.given,
                place=self.place,
                sha256=self.sha256,
                only_first=not job.is_a_url,  # the other images of a text or a page are not asked for
                source_origin=job.source_origin if self.offered is None else SourceOrigin(self.origin),
            )


def _read(path: str) -> list[_Request]:
    """What a report has. Raises `InputError`, naming the line that cannot be used."""
    text = atomic_files.read(path, may_be_pipe=True)
    if text is None:
        raise InputError(ErrorKind.BAD_INPUT, "no such file; get --report FILE writes one", path)
    *whole, rest = text.split("\n")
    if rest and not _is_whole(rest):
        rest = ""  # the run that wrote it was killed in the middle of a line
    return [
        _request(line, f"{path}: line {number}")
        for number, line in enumerate([*whole, rest], 1)
        if line.strip()
    ]


def _is_whole(line: str) -> bool:
    try:
        jsonl.members_of(line)
    except ValueError:
        return False
    return True


def _request(line: str, where: str) -> _Request:
    try:
        members = jsonl.members_of(line)
        ask = jsonl.member(members, "ask", dict)
        error = jsonl.member(members, "error", dict)
        offered = ask.get("offered")
        return _Request(
            line + "\n",
            may_pass=jsonl.member(error, "retryable", bool),
            name=jsonl.member(members, "source", str),
            place=jsonl.member(members, "place", int, 0),
            given=jsonl.member(ask, "source", str, ""),
            offered=None if offered is None else jsonl.source_set_of(jsonl.member(ask, "offered", dict)),
            choosing=jsonl.choosing_of(ask) | {"base_of_folder": True},  # it may have been
            sha256=parse_digest(jsonl.member(ask, "sha256", str) if "sha256" in ask else None),
            origin=jsonl.member(ask, "origin", str, ""),
        )
    except (ValueError, ImgfetchError) as why:
        raise InputError(ErrorKind.BAD_INPUT, f"not a line of a report: {why}", where) from why
