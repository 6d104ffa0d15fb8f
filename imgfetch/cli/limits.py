"""Which option sets the limit that a failure ran into; the library, whose name for it is another, cannot say.

TOO_LARGE, "50,000,001 bytes, the limit is 50,000,000" ─▶ --max-bytes
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.api.sources import FILES_ARE_PATHS, NO_FILE
from imgfetch.frozen import replace
from imgfetch.model import Reason
from imgfetch.rules.policy.retry import LESS_CHECKING

if TYPE_CHECKING:
    from imgfetch.api.results import Failure


def with_option(failed: Failure) -> Failure:
    """The same, with the option as its hint where a limit was the reason, and nothing better is known."""
    if failed.hint == FILES_ARE_PATHS:
        return replace(failed, hint=_FILES)
    if failed.hint in _LESS_CHECKING:
        return replace(failed, hint=_LESS_CHECKING[failed.hint])
    if failed.hint is not None:
        return failed
    if failed.reason is Reason.BAD_INPUT and failed.message == NO_FILE:
        return replace(failed, hint="nor is it a URL, which begins with http:// or https://")
    for reason, words, option in _SET_BY:
        if failed.reason is reason and words in failed.message:
            return replace(failed, hint=f"{option} sets the limit")
    return failed


_FILES = "a file is an argument of get; with --files a line of get -i and a report name files too"

_LESS_CHECKING = {hint: f"--verify {level} would keep it" for level, hint in LESS_CHECKING.items()}

_SET_BY = (
    (Reason.TOO_LARGE, "", "--max-bytes"),
    (Reason.TOO_MANY_PIXELS, "of memory to decode", "--decode-memory"),
    (Reason.TOO_MANY_PIXELS, "in all", "--max-total-pixels"),
    (Reason.TOO_MANY_PIXELS, "the limit is", "--max-pixels"),
    (Reason.TOO_MANY_IMAGES, "", "--max-images"),
    (Reason.TOO_MANY_FRAMES, "", "--max-frames"),
    (Reason.TOO_MANY_REDIRECTS, "", "--max-redirects"),
    (Reason.RATE_LIMITED, "beyond the time limit", "--total-timeout"),
    (Reason.TLS, "no TLS handshake within", "--connect-timeout"),
    (Reason.TIMEOUT, "no connection within", "--connect-timeout"),
    (Reason.TIMEOUT, "within the time limit", "--total-timeout"),
    (Reason.TIMEOUT, "too slow", "--lowest-speed"),
    (Reason.TIMEOUT, "", "--read-timeout"),
)
"""Reasons, what their messages say, and options, the first that fits first."""
