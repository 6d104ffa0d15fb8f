"""What an origin asks of its guests, in words and in deeds.

    Standing ─▶ admit ─▶ Go | Stay | Hold | Refuse     before a request
    Standing ─▶ after ─▶ Standing                      after it

How many requests an origin bears at once is found out as TCP finds out what a network bears: one more
after each round that went well, half as many after one that did not. Times are of a clock never set.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.model.result import ErrorKind, Failure
from imgfetch.rules.http import dates

if TYPE_CHECKING:
    from imgfetch.model.request import Head, Limits


class HostState(NamedTuple):
    """How we stand with an origin: scheme, host and port."""

    width: float
    """How many requests it bears at once; a part of one is on its way to be."""
    narrowed_at: float = float("-inf")
    held_until: float = float("-inf")
    """When it may be asked again, by its own Retry-After."""
    turned_away: int = 0
    """How often in a row it has named a time that nobody waits for."""
    missed: int = 0
    """How many rounds of requests in a row have not reached it."""
    missed_at: float = float("-inf")
    failed: Failure | None = None
    """The last reason to leave it alone."""


class Proceed:
    """Ask now."""


class Queue:
    """Wait until another request is back."""


class Delay(NamedTuple):
    """Wait for so many seconds."""

    seconds: float


class FailFast(NamedTuple):
    """Do not ask: the origin wants to be left alone for longer than there is time, or is not there."""

    failed: Failure


def initial_state(limits: Limits) -> HostState:
    """How we stand with an origin that we know nothing of."""
    return HostState(width=limits.per_host)


def admit(
    standing: HostState, *, under_way: int, now: float, left: float
) -> Proceed | Queue | Delay | FailFast:
    """Whether one more request may go out, where `under_way` are not back and its image has `left` seconds.

    An origin that was missed again and again is left alone for a second, then for two, at most for half a
    minute; after each rest one request goes out to look whether it is back.
    """
    held = standing.held_until - now
    if held > 0 and standing.failed is not None:
        if held >= left:
            return FailFast(_left_alone(standing.failed, held))
        return Delay(held)
    if standing.missed >= _DEAD and standing.failed is not None:
        if standing.missed_at + _rest(standing) > now:
            return FailFast(_left_alone(standing.failed))
        return Queue() if under_way else Proceed()
    return Proceed() if under_way < max(1, int(standing.width)) else Queue()


def after(
    standing: HostState, failed: Failure | None, *, reached: bool, began: float, now: float, limits: Limits
) -> HostState:
    """How we stand after a request that `began` then has ended: in a failure, or well.

    `reached` is whether a connection was made. What fails of one burst counts once: its requests were on
    their way before the first of them could tell.
    """
    if failed is None or failed.kind not in _OF_THE_ORIGIN:
        wider = min(float(limits.per_host), standing.width + 1 / standing.width)
        if wider == standing.width and not (standing.turned_away or standing.missed):
            return standing  # as it is nearly always
        return standing._replace(width=wider, turned_away=0, missed=0)
    if not reached:
        if began < standing.missed_at:
            return standing
        return standing._replace(missed=standing.missed + 1, missed_at=now, failed=failed)
    standing = standing._replace(missed=0)
    if began >= standing.narrowed_at:
        standing = standing._replace(width=max(1.0, standing.width / 2), narrowed_at=now)
    if failed.retry_after is None:
        return standing
    # A time beyond the limit is said of one file as often as of the host: thrice in a row it is the host's.
    turned_away = 0 if failed.retry_after < limits.total_timeout else standing.turned_away + 1
    standing = standing._replace(turned_away=turned_away, failed=failed)
    if 0 < turned_away < _TURNED_AWAY:
        return standing
    return standing._replace(held_until=max(standing.held_until, now + failed.retry_after))


def is_forgettable(standing: HostState, *, now: float, limits: Limits) -> bool:
    """Whether we stand with an origin as with one that we know nothing of."""
    quiet = not (standing.missed or standing.turned_away) and standing.held_until <= now
    return quiet and standing.width >= limits.per_host


def _rest(standing: HostState) -> float:
    return min(30.0, 2.0 ** min(standing.missed - _DEAD, 5))


def _left_alone(failed: Failure, seconds: float | None = None) -> Failure:
    return replace(failed, message=f"not asked, after {failed.message}", retry_after=seconds)


_DEAD = 4
"""Rounds that did not reach an origin after which it is taken to be dead: more than one image makes."""
_TURNED_AWAY = 3
_OF_THE_ORIGIN = frozenset({ErrorKind.RATE_LIMITED, ErrorKind.TIMEOUT, ErrorKind.CONNECT, ErrorKind.DNS})
"""Failures that tell of the origin, and not of what it was asked for."""


def retry_after(head: Head, *, now: float) -> float | None:
    """Seconds to wait by a Retry-After field (RFC 9110 §10.2.3), not negative; None where there is none.

    A field that is neither a number of seconds nor an HTTP-date is as good as none.
    """
    value = (head.get("retry-after") or "").strip()
    if value.isascii() and value.isdigit():
        # A number too long for a wait is too long for int(), which refuses more than 4,300 digits.
        return float(value) if len(value) < 300 else float("inf")
    date = dates.read(value)
    return None if date is None else max(0.0, date - now)
