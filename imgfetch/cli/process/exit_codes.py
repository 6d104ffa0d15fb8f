"""The exit codes, documented in docs/errors.md and stable."""

from __future__ import annotations

from enum import IntEnum

from imgfetch.model.result import ErrorKind

INPUT_KINDS = frozenset({ErrorKind.BAD_INPUT, ErrorKind.BAD_URL, ErrorKind.NO_IMAGE})
"""Failures that the caller must correct; a run with no other outcome exits with `USAGE`."""


class Terminated(BaseException):
    """A SIGTERM was received. It is not an `Exception`, so that no handler of errors catches it."""


class Exit(IntEnum):
    """The exit code of a command."""

    OK = 0
    """Every wanted image is available."""
    FAILED = 1
    """A fetch failed, or a requirement is missing."""
    USAGE = 2
    """An argument or an input cannot be used."""
    CACHE = 3
    """The cache cannot be used."""
    DAMAGE = 4
    """`cache verify` found damage."""
    INTERRUPTED = 130
    TERMINATED = 143
