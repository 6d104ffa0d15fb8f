"""SIGINT and SIGTERM: how they end a command.

    heed ─▶ within a command: KeyboardInterrupt, or Terminated ─▶ one line, and the exit code
              │                └▶ not over after 3 s, or a second signal ─▶ the process ends at once
              └▶ before and after: the process ends at once, in silence

A run that has an event loop is cancelled instead, by `cli.run_async`.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from threading import Thread
from time import sleep
from typing import TYPE_CHECKING, NoReturn

from imgfetch.cli.exit_codes import Terminated

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDING = (signal.SIGINT, signal.SIGTERM)

_PATIENCE = 3.0
"""Seconds for a command to tidy up in."""

WORDS = {
    signal.SIGINT: "interrupted; what was fetched before is kept",
    signal.SIGTERM: "terminated; what was fetched before is kept",
}


class _State:
    """What is known of this process."""

    is_ours = False
    """Whether the process is the command line's, to be ended by it."""
    is_in_command = False
    ends_with: int | None = None
    """The signal that is ending the command."""


def heed() -> None:
    """Let both signals end this process. One that is ignored, as in the background of a shell, stays so."""
    _State.is_ours = True
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _handle)


@contextmanager
def in_command() -> Iterator[None]:
    """Within this, a signal raises an exception in the main thread."""
    _State.is_in_command = True
    try:
        yield
    finally:
        _State.is_in_command = False


def limit(number: int) -> None:
    """See to it that this process ends in time. A second signal ends it at once."""
    if not _State.is_ours:
        return
    if _State.ends_with is not None:
        os._exit(128 + number)
    _State.ends_with = number
    Thread(target=_end_late, args=(number,), name="imgfetch-signal", daemon=True).start()


def exception_for(number: int) -> BaseException:
    """Return what a signal raises."""
    return KeyboardInterrupt() if number == signal.SIGINT else Terminated()


def _handle(number: int, _frame: object) -> None:
    if not _State.is_in_command:
        os._exit(128 + number)
    limit(number)
    raise exception_for(number)


def _end_late(number: int) -> NoReturn:
    sleep(_PATIENCE)
    try:
        print(f"imgfetch: {WORDS[signal.Signals(number)]}", file=sys.stderr, flush=True)  # noqa: T201
    finally:
        os._exit(128 + number)
