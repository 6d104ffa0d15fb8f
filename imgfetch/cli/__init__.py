"""The command line: words in, one line for each result out, and an exit code.

argv ─▶ options ─▶ a command's `run` ─▶ exit code
"""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from imgfetch.cli import lines
from imgfetch.cli.exits import Exit, Terminated
from imgfetch.cli.options import parse
from imgfetch.errors import CacheError, ImgfetchError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence


def entry() -> NoReturn:
    """Run as a process: the console script, and `python -m imgfetch`."""
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(main())


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code; whatever happens, no traceback reaches the user."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        options = parse(arguments)
        command = import_module(f"imgfetch.cli.{options.command}")
        return int(command.run(options))
    except ImgfetchError as error:
        lines.say(str(error))
        return _exit_for(error)
    except KeyboardInterrupt:
        lines.say("interrupted; what was fetched before is kept")
        return Exit.INTERRUPTED
    except Terminated:
        lines.say("terminated; what was fetched before is kept")
        return Exit.TERMINATED
    except BrokenPipeError:
        # The reader has gone: nothing more to say, and Python's own flush at exit must not complain.
        sys.stdout = None
        return Exit.FAILED
    except OSError as error:
        lines.say(f"cannot go on: {error.filename or 'standard output'}: {error.strerror or error}")
        return Exit.FAILED
    except Exception as error:
        if os.environ.get("IMGFETCH_DEBUG"):
            raise
        what = f"{type(error).__name__}: {error}"
        lines.say(f"this should not have happened: {what}; IMGFETCH_DEBUG=1 shows where, for a report")
        return Exit.FAILED


def _terminate(*_: object) -> NoReturn:
    raise Terminated


def _exit_for(error: ImgfetchError) -> Exit:
    match error:
        case InputError():
            return Exit.USAGE
        case CacheError():
            return Exit.CACHE
        case _:
            return Exit.FAILED
