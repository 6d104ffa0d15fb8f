"""`imgfetch get`: the main job.

    sources ─▶ held, by the short way? ──yes──▶ a line at once
                  └──no──▶ errands ─▶ held? ──yes──▶ a line at once
                                        └──no──▶ the event loop, for this one and all that follow

The loop, the network and the progress display are imported at the first image that the cache does not hold.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from imgfetch.api.jobs import jobs, parse_digest
from imgfetch.cli.client_factory import client_for, release
from imgfetch.cli.inputs import choosing_of, lots_of, sources_of
from imgfetch.cli.progress import watcher_for
from imgfetch.cli.report import Report
from imgfetch.cli.summary import Summary
from imgfetch.errors import InputError
from imgfetch.model.result import ErrorKind
from imgfetch.rules.store import jsonl
from imgfetch.system import atomic_files

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator

    from imgfetch.api.client import Client
    from imgfetch.api.jobs import Job
    from imgfetch.api.lock import Lock
    from imgfetch.cli.exit_codes import Exit


def run(options: argparse.Namespace) -> Exit:
    """Fetch what the sources offer, and print a line for each image."""
    choosing = choosing_of(options)

    def todo(client: Client) -> Iterator[Job]:
        if options.sha256 is None:
            return client.scheduler.jobs(lots_of(options), choosing)
        return the_one(jobs(sources_of(options), **choosing), options.sha256)

    how = jsonl.asked(choosing) | ({} if options.sha256 is None else {"sha256": options.sha256})
    with Report(options.report, lambda _: how) as report:
        return bring(options, todo, Summary(options, report))


def bring(options: argparse.Namespace, todo_of: Callable[[Client], Iterator[Job]], tally: Summary) -> Exit:
    """Do what there is to do, with the options of `get`, and give the exit code that it comes to."""
    watcher = watcher_for(options)
    lock = _lock_of(options)
    client = client_for(options, observe=watcher.observe, lock=lock, locked=options.locked)
    try:
        todo = todo_of(client)
        for item in todo:
            outcomes = client.scheduler.try_cached(item)
            if outcomes is None:
                with watcher:
                    _fetch(client, chain([item], todo), tally)
                break
            for outcome in outcomes:
                tally.take(outcome)
    finally:
        release(client, quiet=options.quiet)
    code = tally.close()
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


def _fetch(client: Client, todo: Iterable[Job], tally: Summary) -> None:
    from imgfetch.cli import run_async

    async def go() -> None:
        async with client, aclosing(client.scheduler.run(todo)) as finished:
            async for outcomes in finished:
                for outcome in outcomes:
                    tally.take(outcome)

    run_async.run(go())


def the_one(todo: Iterator[Job], sha256: str) -> Iterator[Job]:
    """The only errand there is, bound to a digest. Raises `InputError`."""
    digest = parse_digest(sha256)
    first, second = next(todo, None), next(todo, None)
    if first is None or second is not None:
        offer = "none" if first is None else "more"
        raise InputError(ErrorKind.BAD_INPUT, f"--sha256 goes with one image, and the sources offer {offer}")
    yield replace(first, sha256=digest)
