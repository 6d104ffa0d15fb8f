"""The exit codes, documented in docs/errors.md and stable."""

from __future__ import annotations

from enum import IntEnum

from imgfetch.model.result import ErrorKind

OF_INPUT = frozenset({ErrorKind.BAD_INPUT, ErrorKind.BAD_URL, ErrorKind.NO_IMAGE})
"""What the caller must mend: where nothing else came of a run, it was of no use."""


class Terminated(BaseException):
    """A SIGTERM came: like a KeyboardInterrupt, nothing on the way out takes it for an error."""


class Exit(IntEnum):
    """How a command ended."""

    OK = 0
    """Every wanted image is there."""
    FAILED = 1
    """Some fetch failed, or something that is needed is missing."""
    USAGE = 2
    """An argument or an input cannot be used."""
    CACHE = 3
    """The cache cannot be used."""
    DAMAGE = 4
    """`cache verify` found damage."""
    INTERRUPTED = 130
    TERMINATED = 143
