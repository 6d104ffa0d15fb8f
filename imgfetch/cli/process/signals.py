"""SIGINT and SIGTERM: how they end a command.

    install ─▶ in a command: KeyboardInterrupt or Terminated ─▶ one line and the exit code
               │             └▶ still running after 3 s, or a second signal ─▶ exit at once
               └▶ before and after it: exit at once, without a message

`cli.process.run_async` cancels a run that has an event loop instead.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from threading import Thread
from time import sleep
from typing import TYPE_CHECKING, NoReturn

from imgfetch.cli.process.exit_codes import Terminated

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDING = (signal.SIGINT, signal.SIGTERM)

_CLEANUP_TIME = 3.0
"""Seconds that a command may take to clean up."""

WORDS = {
    signal.SIGINT: "interrupted; images fetched before are stored",
    signal.SIGTERM: "terminated; images fetched before are stored",
}


class _State:
    """The state of this process."""

    is_program = False
    """Whether the process belongs to the command line, which may end it."""
    is_in_command = False
    ends_with: int | None = None
    """The signal that is ending the command."""


def install() -> None:
    """Install the handlers of both signals, but for a signal that is ignored, as in a shell's background."""
    _State.is_program = True
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _handle)


@contextmanager
def in_command() -> Iterator[None]:
    """Let signals raise an exception in the main thread while the block runs."""
    _State.is_in_command = True
    try:
        yield
    finally:
        _State.is_in_command = False


def limit_cleanup(number: int) -> None:
    """Exit after the time for cleaning up, or at once on a second signal."""
    if not _State.is_program:
        return
    if _State.ends_with is not None:
        os._exit(128 + number)
    _State.ends_with = number
    Thread(target=_end_late, args=(number,), name="imgfetch-signal", daemon=True).start()


def exception_for(number: int) -> BaseException:
    """Return the exception that a signal raises."""
    return KeyboardInterrupt() if number == signal.SIGINT else Terminated()


def _handle(number: int, _frame: object) -> None:
    if not _State.is_in_command:
        os._exit(128 + number)
    limit_cleanup(number)
    raise exception_for(number)


def _end_late(number: int) -> NoReturn:
    sleep(_CLEANUP_TIME)
    try:
        print(f"imgfetch: {WORDS[signal.Signals(number)]}", file=sys.stderr, flush=True)  # noqa: T201
    finally:
        os._exit(128 + number)
