"""Decide what to do after a failure: wait and retry, or give up."""

from __future__ import annotations

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
    kind: ErrorKind, message: str, url: str, *, hint: str | None = None, limit: LimitName | None = None
) -> Failure:
    """Make the failure of a request for `url`; its kind decides whether it is retryable."""
    retryable = kind in _TRANSIENT | DAMAGED
    hint = limit_hint(limit) if hint is None else hint
    return Failure(kind, message, redact(url), retryable=retryable, hint=hint, limit=limit)


def failure_of(error: ImgfetchError, url: str) -> Failure:
    """Make the failure of an error that was raised while `url` was fetched."""
    return failure(error.kind, error.message, url, hint=error.hint, limit=error.limit)


def failure_of_bytes(defect: Defect, url: str) -> Failure:
    """Make the failure of the bytes that came from `url`."""
    hint = None if defect.kept_at is None else LESS_CHECKING[defect.kept_at]
    return failure(defect.kind, defect.message, url, hint=hint, limit=defect.limit)


LESS_CHECKING = {
    level: f'verify="{level}" would accept it' for level in (VerifyLevel.NONE, VerifyLevel.STRUCTURE)
}
"""Hints for bytes that a lower level would accept, by that level."""


NEEDS_BASE = "base_url=… gives the URL of the page"
NEEDS_NETWORK = "offline=False sends a request"
NEEDS_PERMISSION = "robots=False ignores that, if you have the owner's permission"
NEEDS_PASSWORD = "netrc=… sends user and password; so does a URL that has them"  # noqa: S105 (a hint)
PASSWORD_REFUSED = "check the user and the password, or the Authorization field, that were sent"  # noqa: S105
NEEDS_COOKIES = "cookies=… sends those of your browser, which it may expect"

NEEDS_AUTHORITY = "ca_bundle=… names the certificate authority to trust"
NEEDS_FILES = "lower Limits(jobs=…), or raise the limit with ulimit -n"
LOCK_ANEW = "lock=… with locked=False locks what is there now"
NO_LOCK = "Lock.write(path) writes one, after a run of Client(lock=…)"
ALLOW_HOST = 'allow it with allow_hosts=["'
"""The beginning of a hint; `allow_host` adds the rest."""

ALLOW_DOWNGRADE = "allow_downgrade=True follows it"


def allow_host(host: str) -> str:
    """Return the hint for a host that is at an internal address."""
    return f'{ALLOW_HOST}{host}"]'


def opted_out(directive: str, url: str) -> Failure:
    """Make the failure of an owner's opt-out; `directive` says in a few words what forbids the use."""
    return Failure(ErrorKind.OPTED_OUT, directive, redact(url), hint=NEEDS_PERMISSION)


def may_help(failed: Failure, *, bypassed_caches: bool) -> bool:
    """Return True if another attempt may succeed.

    Damaged bytes are requested once more, past every cache: they may have been damaged on the way.
    `bypassed_caches` tells that this has been done. If they are damaged again, the origin's own are.
    """
    return failed.retryable and not (bypassed_caches and failed.kind in DAMAGED)


def wait(failed: Failure, limits: Limits, *, chance: float) -> float:
    """Return the seconds to wait after `failed.attempts` attempts.

    Exponential backoff with full jitter: `chance` (0 to 1) times `backoff_base` × 2^(attempts − 1), at most
    `backoff_cap`. A Retry-After is observed in full.
    """
    # 2.0 ** 1024 overflows; caps are far below 2.0 ** 64 seconds.
    backoff = chance * min(limits.backoff_cap, limits.backoff_base * 2.0 ** min(failed.attempts - 1, 64))
    return max(backoff, failed.retry_after or 0.0)


def give_up(failed: Failure, wait: float, limits: Limits) -> Failure:
    """Return the failure to report after the last attempt.

    Its message tells a Retry-After, and whether attempts are left, but not the time for it.
    """
    if not wait or wait != failed.retry_after:
        return failed
    message = f"{failed.message}: Retry-After of {_duration(wait)}"
    if failed.attempts > limits.retries:
        return failed._replace(message=message)
    message += " is beyond the time limit"
    hint = limit_hint("total_timeout") if failed.hint is None else failed.hint
    return failed._replace(message=message, hint=hint, limit="total_timeout")


def _duration(seconds: float) -> str:
    """Return a number of seconds, and the same in the unit in which people think of so many."""
    for unit, size in (("days", 86_400), ("h", 3600), ("min", 60)):
        if 2 * size <= seconds < float("inf"):
            return f"{seconds:.0f} s ({seconds / size:,.0f} {unit})"
    return f"{seconds:.7g} s"


_TRANSIENT = frozenset(
    {ErrorKind.CONNECT, ErrorKind.TIMEOUT, ErrorKind.RESET, ErrorKind.INCOMPLETE, ErrorKind.PROTOCOL}
)
DAMAGED = frozenset({ErrorKind.CORRUPT, ErrorKind.TRUNCATED, ErrorKind.BAD_ENCODING, ErrorKind.INTEGRITY})
"""Kinds of damage that may have happened to the bytes on their way."""
