"""The end of a statement that does not end by itself, or that a signal is to end."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INSTRUCTIONS = 100_000
"""Instructions of SQLite's virtual machine between two calls of `tick`: a few milliseconds."""
LONGEST = 2.0
"""Seconds after which a statement is ended if it has made `_MOST_TICKS` too: a disk that hangs makes none."""
_MOST_TICKS = 500


class StatementLimit:
    """Ends a statement that takes too long, or that a signal handler interrupts.

    SQLite calls `tick` after every `INSTRUCTIONS`, and drops what it raises. A signal handler may raise (the
    command line's does). So its exception is caught within the generator, which is inside its `try` whenever
    Python may call a handler, and raised when the statement is over.
    """

    def __init__(self, elapsed: Callable[[], float], *, is_limited: bool) -> None:
        self.ticks = 0
        """Calls since the statement began; to be set to 0 before each."""
        self.is_limited = is_limited
        self._elapsed = elapsed
        self._start = 0.0
        self._caught: BaseException | None = None
        self.tick: Callable[[], bool] = self._decide().__next__

    def raise_caught(self) -> None:
        """Raise the exception of a signal handler, if one ended a statement."""
        caught, self._caught = self._caught, None
        if caught is not None:
            raise caught

    def _decide(self) -> Iterator[bool]:
        stop = False
        while True:
            try:
                yield stop
                stop = self._is_too_long()
            except GeneratorExit:
                return
            except BaseException as error:
                self._caught, stop = error, True

    def _is_too_long(self) -> bool:
        self.ticks += 1
        if self.ticks == 1:
            self._start = self._elapsed()
        is_long = self.ticks > _MOST_TICKS and self._elapsed() - self._start > LONGEST
        return self.is_limited and is_long
