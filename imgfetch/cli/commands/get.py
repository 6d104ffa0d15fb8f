"""`imgfetch get`: the main job.

    sources ─▶ jobs ─▶ stored and fresh? ──yes──▶ a line at once
                          └──no──▶ the event loop, for this job and all that follow

The first job without a usable stored image imports the event loop, the network and the progress display.
"""

from __future__ import annotations

from contextlib import aclosing
from itertools import chain
from typing import TYPE_CHECKING, Any

from imgfetch.api.arguments import parse_digest
from imgfetch.api.jobs import jobs
from imgfetch.cli.client_factory import client_for, release
from imgfetch.cli.inputs import batches_of, choosing_of, sources_of
from imgfetch.cli.progress import watcher_for
from imgfetch.cli.report import Report
from imgfetch.cli.summary import Summary
from imgfetch.errors import InputError
from imgfetch.model.result import ErrorKind
from imgfetch.outputs.results_table import ResultsTable
from imgfetch.system import atomic_files

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator

    from imgfetch.api.client import Client
    from imgfetch.api.jobs import Job
    from imgfetch.api.lock import Lock
    from imgfetch.cli.process.exit_codes import Exit


def run(options: argparse.Namespace) -> Exit:
    """Fetch the images that the sources offer, and print a line for each."""
    choosing = choosing_of(options)

    def jobs_for(client: Client) -> Iterator[Job]:
        if options.sha256 is None:
            return client.scheduler.jobs(batches_of(options), choosing)
        observe = client.scheduler.observe
        return single(jobs(sources_of(options), observe=observe, **choosing), options.sha256)

    def how(_: int) -> dict[str, Any]:
        from imgfetch.rules.store import jsonl  # few runs write a report

        return jsonl.asked(choosing) | ({} if options.sha256 is None else {"sha256": options.sha256})

    with Report(options.report, how) as report, ResultsTable(options.table) as table:
        return fetch(options, jobs_for, Summary(options, report, table))


def fetch(options: argparse.Namespace, jobs_for: Callable[[Client], Iterator[Job]], summary: Summary) -> Exit:
    """Fetch the images of the jobs with the options of `get`, print them, and return the exit code."""
    watcher = watcher_for(options)
    lock = _lock_of(options)
    client = client_for(options, observe=watcher.observe, lock=lock, locked=options.locked)
    try:
        remaining = jobs_for(client)
        for job in remaining:
            outcomes = client.scheduler.try_cached(job)
            if outcomes is None:
                with watcher:
                    _fetch(client, chain([job], remaining), summary)
                break
            for outcome in outcomes:
                summary.take(outcome)
    finally:
        release(client, quiet=options.quiet)
    code = summary.close(watcher.left_out())
    if lock is not None and not options.locked:
        lock.write(options.lock)
    return code


def _lock_of(options: argparse.Namespace) -> Lock | None:
    if options.lock is None and not options.locked:
        return None
    from imgfetch.api.lock import Lock

    if not options.locked:
        atomic_files.expect_to_write(options.lock)
    return Lock.read(options.lock or "imgfetch.lock", missing_ok=not options.locked)


def _fetch(client: Client, todo: Iterable[Job], summary: Summary) -> None:
    from imgfetch.cli.process import run_async

    async def go() -> None:
        async with client, aclosing(client.scheduler.run(todo)) as finished:
            async for outcomes in finished:
                for outcome in outcomes:
                    summary.take(outcome)

    run_async.run(go())


def single(todo: Iterator[Job], sha256: str) -> Iterator[Job]:
    """Yield the only job, with the digest that its image must have. Raises `InputError`."""
    digest = parse_digest(sha256)
    first, second = next(todo, None), next(todo, None)
    if first is None or second is not None:
        offer = "none" if first is None else "more"
        raise InputError(ErrorKind.BAD_INPUT, f"--sha256 goes with one image, and the sources offer {offer}")
    yield first._replace(sha256=digest)
