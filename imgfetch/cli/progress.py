"""Progress of a run: nothing, a line for each event, or a moving display."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Self

from imgfetch.cli.output import say
from imgfetch.rules.http import urls

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from types import TracebackType

    from imgfetch.engine.events import DocumentRead, Event


class Watcher:
    """Shows nothing, and counts images that are left out. A context manager, entered before a request."""

    def __init__(self) -> None:
        self._left_out: Counter[str] = Counter()
        self._unread: Counter[str] = Counter()
        self._unread_links: Counter[str] = Counter()

    def observe(self, event: Event) -> None:
        """Receive an event."""
        from imgfetch.engine.events import DocumentRead, FileLeftOut, LinkedUnread

        if isinstance(event, DocumentRead):
            self._left_out.update(event.left_out)
        elif isinstance(event, FileLeftOut):
            self._unread[event.reason] += 1
        elif isinstance(event, LinkedUnread):
            self._unread_links.update(event.unread)

    def left_out(self) -> Iterator[str]:
        """Yield how many images of documents are left out, how to take them, and how many files."""
        if self._left_out:
            from imgfetch.rules.image.kinds import LeftOut, counted, is_by_kind, taking

            total = self._left_out.total()
            more = f"{total:,} more images" if total != 1 else "1 more image"
            if set(self._left_out) == {LeftOut.SCRIPT}:
                text = f"{more} {'is' if total == 1 else 'are'} {LeftOut.SCRIPT}"
            else:
                text = f"{more}: {counted(self._left_out)}"
            taken = sum(count for reason, count in self._left_out.items() if is_by_kind(reason))
            part = "" if taken == total else f" takes {taken:,} of them"
            yield f"{text}; --kinds {taking(self._left_out)}{part}" if taken else text
        if self._unread:
            ranked = sorted(self._unread.items(), key=lambda item: (-item[1], item[0]))
            parts = ", ".join(f"{count:,} {reason}" for reason, count in ranked)
            yield f"files not taken: {parts}"
        if self._unread_links:
            from imgfetch.readers.linked import in_words

            yield f"not read, and may name more images: {in_words(self._unread_links)}"

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
        super().observe(event)
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
            case events.FileLeftOut(name, reason):
                say(f"{name}: not taken: {reason}")
            case events.DocumentRead():
                say(line_of(event))
            case events.LinkedUnread(name, unread):
                from imgfetch.readers.linked import in_words

                say(f"{name}: {in_words(unread)} not read")
            case events.BytesReceived():
                pass


def line_of(read: DocumentRead) -> str:
    """Return what a document is, and how many of its images are taken."""
    from imgfetch.rules.image.kinds import counted

    left = f", left out: {counted(read.left_out)}" if read.left_out else ""
    images = f"{read.taken:,} images" if read.taken != 1 else "1 image"
    return f"{read.name}: {read.what}; {images}{left}"


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
        super().observe(event)
        from imgfetch.engine import events

        match event:
            case events.RequestSent():
                self._requests += 1
                self._progress.update(self._task, requests=self._requests)
            case events.BytesReceived(size):
                self._progress.advance(self._task, size)
            case _:
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
