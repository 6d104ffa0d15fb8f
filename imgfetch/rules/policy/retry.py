"""What to do after a failure: wait and ask again, or give up."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from imgfetch.errors import limit_hint
from imgfetch.model.image import VerifyLevel
from imgfetch.model.result import ErrorKind, Failure
from imgfetch.rules.http.urls import redact

if TYPE_CHECKING:
    from imgfetch.errors import ImgfetchError
    from imgfetch.model.image import Defect
    from imgfetch.model.request import Limits
    from imgfetch.model.values import LimitName


def failure(
    reason: ErrorKind, message: str, url: str, *, hint: str | None = None, limit: LimitName | None = None
) -> Failure:
    """Make a failure of what went wrong with `url`, with a word on whether asking again may help."""
    may_pass = reason in _MAY_PASS | DAMAGED
    hint = limit_hint(limit) if hint is None else hint
    return Failure(reason, message, redact(url), retryable=may_pass, hint=hint, limit=limit)


def failure_of(error: ImgfetchError, url: str) -> Failure:
    """Make a failure of an error that was raised while `url` was fetched."""
    return failure(error.kind, error.message, url, hint=error.hint, limit=error.limit)


def failure_of_bytes(defect: Defect, url: str) -> Failure:
    """Make a failure of what is wrong with the bytes that came from `url`."""
    hint = None if defect.kept_at is None else LESS_CHECKING[defect.kept_at]
    return failure(defect.kind, defect.message, url, hint=hint, limit=defect.limit)


LESS_CHECKING = {
    level: f'verify="{level}" would keep it' for level in (VerifyLevel.NONE, VerifyLevel.STRUCTURE)
}
"""Hints for bytes that less checking would keep, by the level that they name."""


def opted_out(said: str, url: str) -> Failure:
    """Make a failure of what the owner says against being asked for it, or against its use."""
    hint = "with its owner's leave, --robots ignore takes it all the same"
    return Failure(ErrorKind.OPTED_OUT, f"the origin does not want it taken: {said}", redact(url), hint=hint)


def may_help(failed: Failure, *, bypassed_caches: bool) -> bool:
    """Return whether another attempt may end better.

    Damaged bytes are requested once more, past every cache (`bypassed_caches`): a cache or a cut may have
    damaged them on the way. If they come damaged again, that is what the origin has.
    """
    return failed.retryable and not (bypassed_caches and failed.kind in DAMAGED)


def wait(failed: Failure, limits: Limits, *, chance: float) -> float:
    """Return the seconds to wait after `failed.attempts` attempts.

    Exponential backoff with full jitter: a wait drawn evenly (`chance`, from 0 to 1) between nothing and
    `backoff_base` × 2^(attempts − 1), at most `backoff_cap`. A Retry-After is waited out in full.
    """
    # 2.0 ** 1024 overflows; no cap is that far away.
    backoff = chance * min(limits.backoff_cap, limits.backoff_base * 2.0 ** min(failed.attempts - 1, 64))
    return max(backoff, failed.retry_after or 0.0)


def give_up(failed: Failure, wait: float, limits: Limits) -> Failure:
    """Return the failure to report after the last attempt.

    Its message names a Retry-After for which there is no time, where attempts are left.
    """
    if failed.attempts > limits.retries or not wait or wait != failed.retry_after:
        return failed
    message = f"{failed.message}: Retry-After of {wait:.7g} s is beyond the time limit"
    hint = limit_hint("total_timeout") if failed.hint is None else failed.hint
    return replace(failed, message=message, hint=hint, limit="total_timeout")


_MAY_PASS = frozenset(
    {ErrorKind.CONNECT, ErrorKind.TIMEOUT, ErrorKind.RESET, ErrorKind.INCOMPLETE, ErrorKind.PROTOCOL}
)
DAMAGED = frozenset({ErrorKind.CORRUPT, ErrorKind.TRUNCATED, ErrorKind.BAD_ENCODING, ErrorKind.INTEGRITY})
"""What may have happened to the bytes on their way."""
