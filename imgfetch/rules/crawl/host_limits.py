"""Decide when a host gets a request, by its answers to earlier ones.

    HostState ─▶ admit ─▶ Proceed | Queue | Delay | FailFast     before a request
    HostState ─▶ after ─▶ HostState                              after it

The limit of concurrent requests follows TCP's congestion control: one more after each round without a
failure, half as many after a round with one. Times are in seconds of a monotonic clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imgfetch.model.result import ErrorKind, Failure
from imgfetch.rules.http import dates

if TYPE_CHECKING:
    from imgfetch.model.request import Head, Limits


class HostState(NamedTuple):
    """The state of an origin: scheme, host and port."""

    concurrency: float
    """Requests at once; the fraction grows to a further one."""
    halved_at: float = float("-inf")
    """When `concurrency` was last halved."""
    delayed_until: float = float("-inf")
    """When a request may be sent again, by the origin's Retry-After."""
    too_long_delays: int = 0
    """Consecutive Retry-After values beyond `total_timeout`."""
    unreached: int = 0
    """Consecutive rounds of requests that did not reach the origin."""
    unreached_at: float = float("-inf")
    """When the last of these rounds ended."""
    failed: Failure | None = None
    """The last reason for a delay or for failing fast."""


class Proceed:
    """Send the request now."""


class Queue:
    """Wait until another request has ended."""


class Delay(NamedTuple):
    """Wait for a number of seconds."""

    seconds: float


class FailFast(NamedTuple):
    """Fail without a request: Retry-After exceeds the time budget, or the host is considered down."""

    failed: Failure


def initial_state(limits: Limits) -> HostState:
    """Return the state of an unknown origin."""
    return HostState(concurrency=limits.per_host)


def admit(state: HostState, *, under_way: int, now: float, left: float) -> Proceed | Queue | Delay | FailFast:
    """Decide whether to send one more request while `under_way` are in progress.

    `left` is the time budget of its image, in seconds. An origin that is considered down gets no request for
    a second, then for two, and so on, at most for half a minute. After each pause one request probes it.
    """
    delay = state.delayed_until - now
    if delay > 0 and state.failed is not None:
        if delay >= left:
            return FailFast(_without_request(state.failed, delay))
        return Delay(delay)
    if state.unreached >= _DOWN and state.failed is not None:
        if state.unreached_at + _pause(state) > now:
            return FailFast(_without_request(state.failed))
        return Queue() if under_way else Proceed()
    return Proceed() if under_way < max(1, int(state.concurrency)) else Queue()


def after(
    state: HostState, failed: Failure | None, *, reached: bool, began: float, now: float, limits: Limits
) -> HostState:
    """Return the state after a request that started at `began` and ended at `now`.

    `reached` tells whether it got a connection. Failures of one burst count once: its requests were sent
    before the first of them failed.
    """
    if failed is None or failed.kind not in _OF_THE_ORIGIN:
        concurrency = min(float(limits.per_host), state.concurrency + 1 / state.concurrency)
        if concurrency == state.concurrency and not (state.too_long_delays or state.unreached):
            return state  # the usual case
        return state._replace(concurrency=concurrency, too_long_delays=0, unreached=0)
    if not reached:
        if began < state.unreached_at:
            return state
        return state._replace(unreached=state.unreached + 1, unreached_at=now, failed=failed)
    state = state._replace(unreached=0)
    if began >= state.halved_at:
        state = state._replace(concurrency=max(1.0, state.concurrency / 2), halved_at=now)
    if failed.retry_after is None:
        return state
    # A delay beyond the time limit may concern one file only. After three in a row it concerns the host.
    too_long_delays = 0 if failed.retry_after < limits.total_timeout else state.too_long_delays + 1
    state = state._replace(too_long_delays=too_long_delays, failed=failed)
    if 0 < too_long_delays < _MOST_TOO_LONG_DELAYS:
        return state
    return state._replace(delayed_until=max(state.delayed_until, now + failed.retry_after))


def pause(sent: float, delay: float, *, now: float) -> float:
    """Return the seconds until the next request to a host may be sent, `delay` after the one `sent` last."""
    return max(0.0, sent + delay - now)


def is_forgettable(state: HostState, *, now: float, limits: Limits) -> bool:
    """Return True if the state equals that of an unknown origin, so that it can be dropped."""
    quiet = not (state.unreached or state.too_long_delays) and state.delayed_until <= now
    return quiet and state.concurrency >= limits.per_host


def _pause(state: HostState) -> float:
    """Return the seconds without a request to an origin that is down: 1, 2, 4, 8, 16, 30."""
    return min(30.0, 2.0 ** min(state.unreached - _DOWN, 5))


def _without_request(failed: Failure, seconds: float | None = None) -> Failure:
    return failed._replace(message=f"not requested, after {failed.message}", retry_after=seconds)


_DOWN = 4
"""Rounds in a row that did not reach an origin, until it is considered down: more than one image makes."""
_MOST_TOO_LONG_DELAYS = 3
_OF_THE_ORIGIN = frozenset({ErrorKind.RATE_LIMITED, ErrorKind.TIMEOUT, ErrorKind.CONNECT, ErrorKind.DNS})
"""Failures that concern the origin, not the requested file."""


def retry_after(head: Head, *, now: float) -> float | None:
    """Return the seconds of a Retry-After field (RFC 9110 §10.2.3), at least 0; None if absent or malformed.

    It is a number of seconds or an HTTP-date.
    """
    value = (head.get("retry-after") or "").strip()
    if value.isascii() and value.isdigit():
        # int() refuses more than 4,300 digits, which are too long a wait anyway.
        return float(value) if len(value) < 300 else float("inf")
    date = dates.read(value)
    return None if date is None else max(0.0, date - now)
