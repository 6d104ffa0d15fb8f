"""`python -m imgfetch`, and the console script.

Until the program can say in its own words what ended it, SIGINT and SIGTERM end the process at once and in
silence: Python's own handler would print a traceback of whichever import was under way.
"""

from _signal import (  # type: ignore[import-not-found] # what `signal` is made of, without its enumerations
    SIG_DFL,
    SIGINT,
    SIGTERM,
    default_int_handler,
    getsignal,
    signal,
)
from os import _exit


def _end(number: int, _frame: object) -> None:
    _exit(128 + number)


if getsignal(SIGINT) is default_int_handler:
    signal(SIGINT, _end)
if getsignal(SIGTERM) is SIG_DFL:
    signal(SIGTERM, _end)

from imgfetch.cli import entry as entry  # noqa: E402 (a signal may come while it is imported)

if __name__ == "__main__":
    entry()
