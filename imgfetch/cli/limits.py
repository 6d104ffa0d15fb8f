"""Which option sets the limit that a failure ran into; the library, whose name for it is another, cannot say.

TOO_LARGE, "50,000,001 bytes, the limit is 50,000,000" ─▶ --max-bytes
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from imgfetch.api.sources import FILES_ARE_PATHS, NO_FILE
from imgfetch.model.result import ErrorKind
from imgfetch.rules.policy.retry import LESS_CHECKING

if TYPE_CHECKING:
    from imgfetch.model.result import Failure


def with_option(failed: Failure) -> Failure:
    """The same, with the option as its hint where a limit was the reason, and nothing better is known."""
    if failed.hint == FILES_ARE_PATHS:
        return replace(failed, hint=_FILES)
    if failed.hint in _LESS_CHECKING:
        return replace(failed, hint=_LESS_CHECKING[failed.hint])
    if failed.hint is not None:
        return failed
    if failed.kind is ErrorKind.BAD_INPUT and failed.message == NO_FILE:
        return replace(failed, hint="nor is it a URL, which begins with http:// or https://")
    for reason, words, option in _SET_BY:
        if failed.kind is reason and words in failed.message:
            return replace(failed, hint=f"{option} sets the limit")
    return failed


_FILES = "a file is an argument of get; with --files a line of get -i and a report name files too"

_LESS_CHECKING = {hint: f"--verify {level} would keep it" for level, hint in LESS_CHECKING.items()}

_SET_BY = (
    (ErrorKind.TOO_LARGE, "", "--max-bytes"),
    (ErrorKind.TOO_MANY_PIXELS, "of memory to decode", "--decode-memory"),
    (ErrorKind.TOO_MANY_PIXELS, "in all", "--max-total-pixels"),
    (ErrorKind.TOO_MANY_PIXELS, "the limit is", "--max-pixels"),
    (ErrorKind.TOO_MANY_IMAGES, "", "--max-images"),
    (ErrorKind.TOO_MANY_FRAMES, "", "--max-frames"),
    (ErrorKind.TOO_MANY_REDIRECTS, "", "--max-redirects"),
    (ErrorKind.RATE_LIMITED, "beyond the time limit", "--total-timeout"),
    (ErrorKind.TLS, "no TLS handshake within", "--connect-timeout"),
    (ErrorKind.TIMEOUT, "no connection within", "--connect-timeout"),
    (ErrorKind.TIMEOUT, "within the time limit", "--total-timeout"),
    (ErrorKind.TIMEOUT, "too slow", "--lowest-speed"),
    (ErrorKind.TIMEOUT, "", "--read-timeout"),
)
"""Reasons, what their messages say, and options, the first that fits first."""
