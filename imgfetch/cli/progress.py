"""What a user sees while images are on their way: nothing, a line for each event, or a moving display."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self

from imgfetch.cli.output import say
from imgfetch.rules.http import urls

if TYPE_CHECKING:
    import argparse
    from types import TracebackType

    from imgfetch.engine.events import Event


class Watcher:
    """Shows nothing. A context manager, entered when the first request is needed."""

    def observe(self, event: Event) -> None:
        """Take an event of the engine in."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the terminal as it was."""


class EventLog(Watcher):
    """Says each event in a line."""

    def observe(self, event: Event) -> None:
        """Say what happens."""
        from imgfetch.engine import events

        match event:
            case events.RequestSent(url, offset):
                say(f"asking {url}" + (f" from byte {offset:,} on" if offset else ""))
            case events.RetryScheduled(failed, seconds):
                say(f"{failed.url}: {failed.message}; asking again in {seconds:.1f} s")
            case events.FellThrough(failed, to):
                say(f"{failed.url}: {failed.message}; trying {urls.redact(to.url)}")
            case events.WaitingForOtherProcess(url):
                say(f"{url}: another process is fetching it; waiting for it")
            case events.BytesReceived():
                pass


class Display(Watcher):
    """Shows on a terminal how many requests were made, how much has come, and how fast."""

    def __enter__(self) -> Self:
        from rich.console import Console
        from rich.progress import FileSizeColumn, Progress, SpinnerColumn, TextColumn, TransferSpeedColumn

        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.fields[requests]} requests"),
            FileSizeColumn(),
            TransferSpeedColumn(),
            console=Console(stderr=True),
            transient=True,
            # Results must never be drawn into the display: they may go to a pipe that is no terminal.
            redirect_stdout=sys.stdout.isatty(),
        )
        self._task = self._progress.add_task("", total=None, requests=0)
        self._requests = 0
        self._progress.start()
        return self

    def observe(self, event: Event) -> None:
        """Bring the display up to date."""
        from imgfetch.engine import events

        match event:
            case events.RequestSent():
                self._requests += 1
                self._progress.update(self._task, requests=self._requests)
            case events.BytesReceived(size):
                self._progress.advance(self._task, size)
            case events.RetryScheduled() | events.FellThrough() | events.WaitingForOtherProcess():
                pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()


def watcher_for(options: argparse.Namespace) -> Watcher:
    """The watcher that suits the options and the terminal."""
    if options.verbose:
        return EventLog()
    return Watcher() if options.quiet or sys.stderr is None or not sys.stderr.isatty() else Display()
