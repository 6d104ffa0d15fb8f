"""Freshness of stored responses: RFC 9111, as a private cache.

    head ─▶ control(Cache-Control)
      └──▶ standing(entry, now) ─▶ Standing (age, freshness lifetime, and its basis)
              └─▶ may_reuse(…) ─▶ Decision: fresh, stale but allowed, or no; and the reason

A freshness lifetime that cannot be read makes the response stale (RFC 9111 §4.2.1). It is not guessed then.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.rules.http import dates
from imgfetch.rules.http.cache_control import LONGEST, NOTHING, control, delta_seconds
from imgfetch.rules.http.vary import varying

if TYPE_CHECKING:
    from imgfetch.model.image import Entry
    from imgfetch.model.request import Head
    from imgfetch.rules.http.cache_control import Control

DAY = 86_400.0


# ---------------------------------------------------------------------------------------------------
# Age and freshness lifetime


class Basis(StrEnum):
    """The source of the freshness lifetime of a response."""

    MAX_AGE = "max-age"
    EXPIRES = "Expires"
    HEURISTIC = "heuristic"
    MALFORMED = "malformed"
    REDIRECT = "redirect"
    """The redirects that led to the response expire before it."""
    NOTHING = "nothing"


class Heuristic(NamedTuple):
    """A freshness lifetime for responses that state none: RFC 9111 §4.2.2 leaves it to the cache.

    A share of the time since Last-Modified, within bounds in seconds. `least` also holds without
    Last-Modified.
    """

    share: float = 0.1
    least: float = 0.0
    most: float = 365 * DAY


OF_IMAGES = Heuristic(least=DAY)
"""At least a day, at most a year: an image under a URL rarely changes, and a second `get` is expected to use
the cache, even if a file server states nothing and the file was written a second ago."""

OF_ANYTHING = Heuristic()
"""The usual tenth, and nothing without Last-Modified: most such responses are made on demand."""


class Standing(NamedTuple):
    """The age and the freshness lifetime of a stored response, in seconds; neither is ever negative."""

    age: float
    lifetime: float
    basis: Basis

    @property
    def fresh(self) -> bool:
        """Whether the response is fresh (RFC 9111 §4.2)."""
        return self.lifetime > self.age

    @property
    def staleness(self) -> float:
        """Seconds since the response became stale; 0 while it is fresh."""
        return max(0.0, self.age - self.lifetime)


def standing(entry: Entry, *, now: float, heuristic: Heuristic = OF_IMAGES) -> Standing:
    """Compute age and lifetime of a stored response at `now`, in seconds since the epoch."""
    stated = control(entry.head.fields.get("cache-control"))
    born, lifetime, basis = _span(entry, stated, heuristic)
    return Standing(born + _residence(entry.response_time, now), lifetime, basis)


def fresh_until(entry: Entry, *, heuristic: Heuristic = OF_IMAGES) -> float | None:
    """Return when a stored response stops being fresh, in seconds since the epoch; None if it never is.

    It is fresh from its `response_time` on. Time in which it may be served stale does not count.
    """
    stated = control(entry.head.fields.get("cache-control"))
    born, lifetime, _ = _span(entry, stated, heuristic)
    if lifetime <= born or _must_revalidate(entry.head, stated):
        return None
    return entry.response_time + (lifetime - born)


def _span(entry: Entry, stated: Control, heuristic: Heuristic) -> tuple[float, float, Basis]:
    """Return the age of a response when it came, its freshness lifetime, and the basis of that."""
    head, response_time = entry.head, entry.response_time
    date = dates.read(head.fields.get("date") or "")
    lifetime, basis = _lifetime(head, stated, date, response_time, heuristic)
    born = _age_when_received(head, date, entry.request_time, response_time)
    if entry.redirect_lifetime is not None and entry.redirect_lifetime < lifetime - born:
        lifetime, basis = born + entry.redirect_lifetime, Basis.REDIRECT
    return born, lifetime, basis


def redirect_lifetime_of(head: Head, bound: float | None, *, response_time: float) -> float:
    """Return for how many seconds a redirect may be followed without a request: at most `bound`.

    By the letter of RFC 9111 §3, a temporary redirect that states no lifetime must not be reused. Here it
    holds for a day, like an image that states none: it is only a step on the way to one.
    """
    stated = control(head.fields.get("cache-control"))
    if "no-store" in stated or stated.unconditional_no_cache:
        return 0.0
    date = dates.read(head.fields.get("date") or "")
    lifetime, basis = _lifetime(head, stated, date, response_time, OF_IMAGES)
    if basis is Basis.NOTHING:
        lifetime = DAY
    elif basis is Basis.HEURISTIC:
        lifetime = OF_IMAGES.most
    left = max(0.0, lifetime - _age_when_received(head, date, response_time, response_time))
    return left if bound is None else min(bound, left)


def _lifetime(
    head: Head, stated: Control, date: float | None, response_time: float, heuristic: Heuristic
) -> tuple[float, Basis]:
    """Compute the freshness lifetime (RFC 9111 §4.2.1), without s-maxage, which is for shared caches."""
    if "max-age" in stated.directives:
        seconds = stated.seconds("max-age")
        return (0.0, Basis.MALFORMED) if seconds is None else (float(seconds), Basis.MAX_AGE)
    expires = head.fields.get("expires")
    if expires is not None:
        until = dates.read(expires)
        if until is None:  # "especially the value 0" is a time in the past (RFC 9111 §5.3)
            return 0.0, Basis.MALFORMED
        since = response_time if date is None else date
        return min(max(0.0, until - since), float(LONGEST)), Basis.EXPIRES
    if head.status not in _HEURISTIC_STATUSES and "public" not in stated:
        return 0.0, Basis.NOTHING
    modified = dates.read(head.fields.get("last-modified") or "")
    if modified is None and not heuristic.least:
        return 0.0, Basis.NOTHING
    since = response_time if date is None else date
    share = 0.0 if modified is None else heuristic.share * (since - modified)
    return min(max(share, heuristic.least), heuristic.most), Basis.HEURISTIC


def _age_when_received(head: Head, date: float | None, request_time: float, response_time: float) -> float:
    """Compute corrected_initial_age (RFC 9111 §4.2.3)."""
    apparent = 0.0 if date is None else max(0.0, response_time - date)
    delay = max(0.0, response_time - request_time)
    first = head.fields.get("age", "").split(",")[0].strip()  # the first member of a list (RFC 9111 §5.1)
    return max(apparent, (delta_seconds(first) or 0) + delay)


def _residence(response_time: float, now: float) -> float:
    """Compute resident_time (RFC 9111 §4.2.3), for a clock that may have been set in the meantime.

    After the clock was set back, the response counts as old as possible. Otherwise it would stay fresh until
    the clock has caught up, perhaps in ten years.
    """
    return float(LONGEST) if response_time - now > _SET_BACK else max(0.0, now - response_time)


_SET_BACK = 60.0
"""Seconds by which a time server may set a clock back."""

_HEURISTIC_STATUSES = frozenset({200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501})
"""Statuses that allow a heuristic lifetime (RFC 9110 §15.1)."""

_FINAL_UNDERSTOOD = frozenset({*range(200, 206), *range(300, 309), *range(400, 418), *range(500, 506)})


# ---------------------------------------------------------------------------------------------------
# Reuse


class Reuse(StrEnum):
    """Whether a stored response may be served without revalidation."""

    FRESH = "fresh"
    STALE = "stale"
    """Stale, but the origin or the request allows to serve it."""
    NO = "no"


class Reason(StrEnum):
    """The reason for a `Decision`."""

    FRESH = "fresh"
    STALE = "stale"
    STALE_ALLOWED = "stale-allowed"
    NO_STORE = "no-store"
    NO_CACHE = "no-cache"
    VARY_ANY = "vary-any"
    """The response varies by anything (`Vary: *`)."""
    PRAGMA = "pragma"
    """The response has `Pragma: no-cache` and states nothing else."""
    REQUEST = "request"
    """The directives of the request forbid the reuse."""


class Decision(NamedTuple):
    """Whether a stored response may be served without revalidation, and why."""

    reuse: Reuse
    reason: Reason


def may_reuse(entry: Entry, standing: Standing, request: Control = NOTHING) -> Decision:
    """Decide by the directives of both sides whether to serve without revalidation (RFC 9111 §4)."""
    stated = control(entry.head.fields.get("cache-control"))
    forbidden = _must_revalidate(entry.head, stated)
    if forbidden is not None:
        return Decision(Reuse.NO, forbidden)
    if "no-cache" in request or "no-store" in request:
        return Decision(Reuse.NO, Reason.REQUEST)
    if not _young_enough(standing, request, immutable="immutable" in stated):
        return Decision(Reuse.NO, Reason.REQUEST)
    if standing.fresh:
        return Decision(Reuse.FRESH, Reason.FRESH)
    if _may_be_stale(stated, standing, request):
        return Decision(Reuse.STALE, Reason.STALE_ALLOWED)
    return Decision(Reuse.NO, Reason.STALE)


def may_stand_in(
    entry: Entry, standing: Standing, *, answered: int | None, request: Control = NOTHING
) -> bool:
    """Return whether to serve a stale response after the origin failed, or answered with status `answered`.

    If the origin cannot be reached, a stale response may be served unless forbidden (RFC 9111 §4.2.4).
    In place of a server error it may be served only as stale-if-error allows (RFC 5861 §4).
    """
    stated = control(entry.head.fields.get("cache-control"))
    if _must_revalidate(entry.head, stated) or not _FORBID_STALE.isdisjoint(stated.directives):
        return False
    if "no-cache" in request or "no-store" in request:
        return False
    if answered is None:
        return True
    windows = (stated.seconds("stale-if-error"), request.seconds("stale-if-error"))
    return answered in _ERRORS and any(w is not None and standing.staleness <= w for w in windows)


def may_keep(head: Head, request: Control = NOTHING) -> bool:
    """Return whether a response to GET may be stored (RFC 9111 §3).

    A response without a freshness lifetime, stated or heuristic, is not worth storing.
    """
    stated = control(head.fields.get("cache-control"))
    if "no-store" in stated or "no-store" in request or head.status in (206, 304) or head.status < 200:
        return False
    if "must-understand" in stated and head.status not in _FINAL_UNDERSTOOD:
        return False
    return (
        "max-age" in stated
        or "public" in stated
        or "private" in stated
        or head.fields.get("expires") is not None
        or head.status in _HEURISTIC_STATUSES
    )


def may_be_confirmed(head: Head) -> bool:
    """Return whether a 304 may validate the stored response: not after no-store (RFC 9111 §5.2.2.5).

    Such a file is on disk because a user asked for a file. It answers no later request.
    """
    return "no-store" not in control(head.fields.get("cache-control"))


def confirms(held: Head, head: Head) -> bool:
    """Return whether a 304 is about the stored response: it has no other strong tag (RFC 9111 §4.3.4)."""
    ours, theirs = (of.get("etag") or "" for of in (held, head))
    return theirs[:1] != '"' or ours[:1] != '"' or ours == theirs


_ERRORS = frozenset({500, 502, 503, 504})
"""Statuses that are errors for stale-if-error (RFC 5861 §4)."""

_FORBID_STALE = frozenset({"must-revalidate", "proxy-revalidate", "no-cache", "s-maxage"})
"""Two of these are for shared caches. They count here too: their sender does not want stale responses."""


def _must_revalidate(head: Head, stated: Control) -> Reason | None:
    """Return why each reuse needs a request, whatever the age; None if it does not."""
    if "no-store" in stated.directives:
        return Reason.NO_STORE
    if "no-cache" in stated.directives and stated.unconditional_no_cache:
        return Reason.NO_CACHE
    if "vary" in head.fields and "*" in varying(head):
        return Reason.VARY_ANY
    # Pragma in a response has no meaning by RFC 9111 §5.4; if nothing else is stated, its intention is clear.
    fields = head.fields
    if not stated.directives and "expires" not in fields and "no-cache" in fields.get("pragma", ""):
        return Reason.PRAGMA
    return None


def _young_enough(standing: Standing, request: Control, *, immutable: bool) -> bool:
    """Return whether the age satisfies the request's max-age and min-fresh (RFC 9111 §5.2.1).

    A reload (`max-age=0`) does not revalidate a fresh immutable response (RFC 8246 §2).
    """
    oldest, spare = request.seconds("max-age"), request.seconds("min-fresh")
    if oldest is not None and standing.age >= oldest and not (immutable and standing.fresh):
        return False
    return spare is None or standing.lifetime - standing.age >= spare


def _may_be_stale(stated: Control, standing: Standing, request: Control) -> bool:
    if not _FORBID_STALE.isdisjoint(stated.directives):
        return False
    if "max-stale" in request:
        most = request.directives["max-stale"]
        return most is None or standing.staleness <= (delta_seconds(most) or 0)
    window = stated.seconds("stale-while-revalidate")
    return window is not None and standing.staleness <= window and "max-age" not in request
