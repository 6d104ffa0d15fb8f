"""Runs a command: options ─▶ its module's `run` ─▶ exit code."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from imgfetch.cli import output
from imgfetch.cli.options import parse
from imgfetch.cli.process import signals
from imgfetch.cli.process.exit_codes import Exit, Terminated
from imgfetch.errors import CacheError, ImgfetchError, InputError, error_for

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    try:
        return _run(arguments)
    except (KeyboardInterrupt, Terminated) as error:  # raised while another error was reported
        return report_error(error)


def _run(arguments: Sequence[str]) -> int:
    try:
        with signals.in_command():
            options = parse(arguments)
            if not getattr(options, "quiet", False):
                for notice in options.notices:
                    output.say(notice)
            command = import_module(f"imgfetch.cli.commands.{options.command}")
            return int(command.run(options))
    except (Exception, KeyboardInterrupt, Terminated) as error:
        return report_error(error)


def report_error(error: BaseException) -> int:
    """Report in one line the error that ended a command, and return the exit code."""
    match error:
        case ImgfetchError():
            from imgfetch.cli.summary import with_option  # most runs end without one

            output.say(str(error_for(with_option(error.failed()))))
            return _exit_for(error)
        case KeyboardInterrupt():
            output.say(signals.WORDS[signal.SIGINT])
            return Exit.INTERRUPTED
        case Terminated():
            output.say(signals.WORDS[signal.SIGTERM])
            return Exit.TERMINATED
        case BrokenPipeError():
            # The reader has gone. Without a stream, Python's own flush at exit does not fail.
            sys.stdout = None
        case OSError():
            output.say(f"cannot continue: {error.filename or 'standard output'}: {error.strerror or error}")
            if error.filename is None:  # else Python's flush at exit fails too
                sys.stdout = None
        case _:
            if os.environ.get("IMGFETCH_DEBUG"):
                raise error
            what = f"{type(error).__name__}: {error}"
            output.say(f"internal error: {what}; IMGFETCH_DEBUG=1 shows where, for a report")
    return Exit.FAILED


def _exit_for(error: ImgfetchError) -> Exit:
    match error:
        case InputError():
            return Exit.USAGE
        case CacheError():
            return Exit.CACHE
        case _:
            return Exit.FAILED
