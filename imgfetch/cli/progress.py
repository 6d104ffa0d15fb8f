"""Progress of a run: nothing, a line for each event, or a moving display."""

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
    """Shows nothing. A context manager, entered before the first request."""

    def observe(self, event: Event) -> None:
        """Receive an event of the engine."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Restore the terminal."""


class EventLog(Watcher):
    """Prints a line for each event."""

    def observe(self, event: Event) -> None:
        """Print the event."""
        from imgfetch.engine import events

        match event:
            case events.RequestSent(url, offset):
                say(f"requesting {url}" + (f" from byte {offset:,} on" if offset else ""))
            case events.RetryScheduled(failed, seconds):
                say(f"{failed.url}: {failed.message}; retrying in {seconds:.1f} s")
            case events.FellThrough(failed, to):
                say(f"{failed.url}: {failed.message}; trying {urls.redact(to.url)}")
            case events.WaitingForOtherProcess(url):
                say(f"{url}: another process is fetching it; waiting for it")
            case events.BytesReceived():
                pass


class Display(Watcher):
    """Shows on a terminal the number of requests, the bytes received and the speed."""

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
            # Results that go to a pipe must not be drawn into the display.
            redirect_stdout=sys.stdout.isatty(),
        )
        self._task = self._progress.add_task("", total=None, requests=0)
        self._requests = 0
        self._progress.start()
        return self

    def observe(self, event: Event) -> None:
        """Update the display."""
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
    """Return the watcher for the options and the terminal."""
    if options.verbose:
        return EventLog()
    return Watcher() if options.quiet or sys.stderr is None or not sys.stderr.isatty() else Display()
