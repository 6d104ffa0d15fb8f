"""Whether an answer that is held may be given again: RFC 9111, as a private cache.

    head ─▶ Control (what it says of caching)
      └──▶ standing(head, request_time, response_time, now) ─▶ Standing (how old, how long fresh, and by what)
              └─▶ may_reuse(…) ─▶ Reuse: FRESH, STALE (and may be served so), or NO

Malformed freshness is no freshness: where an origin tried to say how long and failed, what it sent is
stale (RFC 9111 §4.2.1), and nothing is guessed in its place.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from imgfetch.frozen import dataclass
from imgfetch.rules.http import dates

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from imgfetch.model.image import Entry
    from imgfetch.model.request import Head

LONGEST = 2**31
"""Seconds that stand for "as long as can be" (RFC 9111 §1.2.2)."""

DAY = 86_400.0


# ---------------------------------------------------------------------------------------------------
# Cache-Control


@dataclass(frozen=True, slots=True)
class Control:
    """The directives of Cache-Control fields (RFC 9111 §5.2): names in lower case, the first of each name."""

    directives: Mapping[str, str | None]
    """The argument of each without its quotes, None where it has none."""

    def __contains__(self, name: str) -> bool:
        return name in self.directives

    def seconds(self, name: str) -> int | None:
        """A delta-seconds argument (RFC 9111 §1.2.2); None where the directive is absent or has no number."""
        return _delta(self.directives.get(name))

    @property
    def unconditional_no_cache(self) -> bool:
        """Whether nothing may be reused unasked: `no-cache` without names, or with an empty list of them."""
        return "no-cache" in self.directives and not self.private_fields

    @property
    def private_fields(self) -> frozenset[str]:
        """The fields that may not be reused unasked: `no-cache="set-cookie"` (RFC 9111 §5.2.2.4)."""
        names = (self.directives.get("no-cache") or "").lower().split(",")
        return frozenset(name.strip() for name in names) - {""}


NOTHING = Control({})


def control(value: str | None) -> Control:
    """Read the value of Cache-Control. What is no directive is passed over, and says nothing."""
    if not value:
        return NOTHING
    return _remembered(value) if len(value) < 200 else _control(value)


def _control(value: str) -> Control:
    directives: dict[str, str | None] = {}
    for part in _list(value):
        name, equals, argument = part.partition("=")
        # A space before or after the sign is against the grammar; the name is heard, so that what was
        # meant as a restriction is not lost, and the argument is none.
        malformed = name != name.rstrip() or argument != argument.lstrip()
        directives.setdefault(name.strip().lower(), None if malformed or not equals else _unquoted(argument))
    return Control(directives)


_remembered = lru_cache(maxsize=512)(_control)  # most origins have a few values that they always send


def request_control(headers: Iterable[tuple[str, str]]) -> Control:
    """Read what a request says of caching; `Pragma: no-cache` where there is no Cache-Control (§5.4)."""
    fields = [(name.lower(), value) for name, value in headers]
    stated = ", ".join(value for name, value in fields if name == "cache-control")
    if not stated and any(name == "pragma" and "no-cache" in value.lower() for name, value in fields):
        stated = "no-cache"
    return control(stated)


def _list(value: str) -> list[str]:
    """The members of a comma-separated list (RFC 9110 §5.6.1); commas in quoted strings part nothing."""
    if '"' not in value:
        return [part for member in value.split(",") if (part := member.strip(" \t"))]
    members, begin, quoted, escaped = [], 0, False, False
    for index, character in enumerate(value):
        if escaped:
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            members.append(value[begin:index])
            begin = index + 1
    members.append(value[begin:])
    return [part for member in members if (part := member.strip(" \t"))]


def _unquoted(argument: str) -> str:
    if len(argument) > 1 and argument[0] == argument[-1] == '"':
        return argument[1:-1].replace("\\", "")
    return argument


def _delta(argument: str | None) -> int | None:
    if argument is None or not (argument.isascii() and argument.isdigit()):
        return None
    digits = argument.lstrip("0") or "0"
    return min(int(digits), LONGEST) if len(digits) < 11 else LONGEST


# ---------------------------------------------------------------------------------------------------
# How old, and how long fresh


class Basis(StrEnum):
    """What the freshness lifetime of a response rests on."""

    MAX_AGE = "max-age"
    EXPIRES = "Expires"
    HEURISTIC = "heuristic"
    MALFORMED = "malformed"
    REDIRECT = "redirect"
    """The way to it was not as long-lived as what was found at its end."""
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Heuristic:
    """How long to take for fresh what states no lifetime: RFC 9111 §4.2.2 leaves it to the cache.

    A share of the time since Last-Modified, within bounds. `least` also holds where there is no
    Last-Modified, and where it is a second ago.
    """

    share: float = 0.1
    least: float = 0.0
    most: float = 365 * DAY


OF_IMAGES = Heuristic(least=DAY)
"""An image under a URL hardly ever changes, and who gets one twice expects it from the cache, also where a
file server says nothing of caching and the file was written a second ago: at least a day, at most a year."""

OF_ANYTHING = Heuristic()
"""The usual tenth, and nothing for what has no Last-Modified: most of that is made on demand."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How old a response is, and how long it is fresh. Seconds; neither is ever negative."""

    age: float
    lifetime: float
    basis: Basis

    @property
    def fresh(self) -> bool:
        """Whether it is fresh (RFC 9111 §4.2)."""
        return self.lifetime > self.age

    @property
    def staleness(self) -> float:
        """How long it has been stale; 0 while it is fresh."""
        return max(0.0, self.age - self.lifetime)


def standing(entry: Entry, *, now: float, heuristic: Heuristic = OF_IMAGES) -> Standing:
    """How a held response stands at `now`, in seconds since the epoch by the clock of this machine."""
    stated = control(entry.head.get("cache-control"))
    born, lifetime, basis = _span(entry, stated, heuristic)
    return Standing(born + _residence(entry.response_time, now), lifetime, basis)


def fresh_until(entry: Entry, *, heuristic: Heuristic = OF_IMAGES) -> float | None:
    """Until when a held response may be served without asking, in seconds since the epoch; None if never.

    As long as it is fresh, that is, from the time it was received on; what may be served stale is not in it.
    """
    stated = control(entry.head.get("cache-control"))
    born, lifetime, _ = _span(entry, stated, heuristic)
    if lifetime <= born or _must_ask(entry.head, stated):
        return None
    return entry.response_time + (lifetime - born)


def _span(entry: Entry, stated: Control, heuristic: Heuristic) -> tuple[float, float, Basis]:
    """How old a response was when it came, how old it may grow, and by what."""
    head, response_time = entry.head, entry.response_time
    date = dates.read(head.get("date") or "")
    lifetime, basis = _lifetime(head, stated, date, response_time, heuristic)
    born = _age_when_received(head, date, entry.request_time, response_time)
    if entry.redirect_lifetime is not None and entry.redirect_lifetime < lifetime - born:
        lifetime, basis = born + entry.redirect_lifetime, Basis.REDIRECT
    return born, lifetime, basis


def redirect_lifetime_of(head: Head, bound: float | None, *, response_time: float) -> float:
    """How long a redirect may be followed unasked, in seconds: the least of `bound` and what `head` says.

    A temporary redirect that states no lifetime must not be reused at all by the letter of RFC 9111 §3.
    Here it is held to for a day, as an image that states none: it is only part of the way to one.
    """
    stated = control(head.get("cache-control"))
    if "no-store" in stated or stated.unconditional_no_cache:
        return 0.0
    date = dates.read(head.get("date") or "")
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
    """RFC 9111 §4.2.1, without s-maxage: that is for shared caches."""
    if "max-age" in stated:
        seconds = stated.seconds("max-age")
        return (0.0, Basis.MALFORMED) if seconds is None else (float(seconds), Basis.MAX_AGE)
    expires = head.get("expires")
    if expires is not None:
        until = dates.read(expires)
        if until is None:  # "especially the value 0" is a time in the past (RFC 9111 §5.3)
            return 0.0, Basis.MALFORMED
        since = response_time if date is None else date
        return min(max(0.0, until - since), float(LONGEST)), Basis.EXPIRES
    if head.status not in _HEURISTIC_STATUSES and "public" not in stated:
        return 0.0, Basis.NOTHING
    modified = dates.read(head.get("last-modified") or "")
    if modified is None and not heuristic.least:
        return 0.0, Basis.NOTHING
    since = response_time if date is None else date
    share = 0.0 if modified is None else heuristic.share * (since - modified)
    return min(max(share, heuristic.least), heuristic.most), Basis.HEURISTIC


def _age_when_received(head: Head, date: float | None, request_time: float, response_time: float) -> float:
    """RFC 9111 §4.2.3, corrected_initial_age."""
    apparent = 0.0 if date is None else max(0.0, response_time - date)
    delay = max(0.0, response_time - request_time)
    first = ((head.get("age") or "").split(",")[0]).strip()  # the first member of a list (RFC 9111 §5.1)
    return max(apparent, (_delta(first) or 0) + delay)


def _residence(response_time: float, now: float) -> float:
    """RFC 9111 §4.2.3, resident_time, for a clock that may have been set in the meantime.

    One that was set back has lost count: then the response counts as old as can be, since it would
    otherwise stay fresh until the clock has caught up, in ten years maybe.
    """
    return float(LONGEST) if response_time - now > _SET_BACK else max(0.0, now - response_time)


_SET_BACK = 60.0
"""Seconds that a clock may go back, corrected by a time server, without being taken for one that was set."""

_HEURISTIC_STATUSES = frozenset({200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501})
"""Of which a lifetime may be guessed (RFC 9110 §15.1)."""

_FINAL_UNDERSTOOD = frozenset({*range(200, 206), *range(300, 309), *range(400, 418), *range(500, 506)})


# ---------------------------------------------------------------------------------------------------
# What may be done with it


class Reuse(StrEnum):
    """What may be done with a response that is held."""

    FRESH = "fresh"
    STALE = "stale"
    """Stale, and yet it may be served: the origin or the request allows it."""
    NO = "no"


def may_reuse(entry: Entry, standing: Standing, request: Control = NOTHING) -> Reuse:
    """Whether a held response may be served without asking (RFC 9111 §4), by what both sides say."""
    stated = control(entry.head.get("cache-control"))
    if _must_ask(entry.head, stated) or "no-cache" in request or "no-store" in request:
        return Reuse.NO
    if not _young_enough(standing, request, immutable="immutable" in stated):
        return Reuse.NO
    if standing.fresh:
        return Reuse.FRESH
    return Reuse.STALE if _may_be_stale(stated, standing, request) else Reuse.NO


def may_stand_in(
    entry: Entry, standing: Standing, *, answered: int | None, request: Control = NOTHING
) -> bool:
    """Whether a held response may be served where the origin failed to answer, or answered `answered`.

    Out of reach of the origin a stale response may be served unless that is forbidden (RFC 9111 §4.2.4);
    in the place of an error of the server only as stale-if-error allows (RFC 5861 §4).
    """
    stated = control(entry.head.get("cache-control"))
    if _must_ask(entry.head, stated) or not _FORBID_STALE.isdisjoint(stated.directives):
        return False
    if "no-cache" in request or "no-store" in request:
        return False
    if answered is None:
        return True
    windows = (stated.seconds("stale-if-error"), request.seconds("stale-if-error"))
    return answered in _ERRORS and any(w is not None and standing.staleness <= w for w in windows)


def may_keep(head: Head, request: Control = NOTHING) -> bool:
    """Whether a response to GET may be kept (RFC 9111 §3): understood, and not forbidden.

    What says nothing of its freshness and of which none may be guessed is not worth keeping, unless it
    can be asked about by a validator.
    """
    stated = control(head.get("cache-control"))
    if "no-store" in stated or "no-store" in request or head.status in (206, 304) or head.status < 200:
        return False
    if "must-understand" in stated and head.status not in _FINAL_UNDERSTOOD:
        return False
    return (
        "max-age" in stated
        or "public" in stated
        or "private" in stated
        or head.get("expires") is not None
        or head.status in _HEURISTIC_STATUSES
    )


def may_be_confirmed(head: Head) -> bool:
    """Whether a 304 may give back what is held: not what was not to be stored (RFC 9111 §5.2.2.5).

    Such a file was kept because a user asked for one; no later request is answered by it.
    """
    return "no-store" not in control(head.get("cache-control"))


def confirms(held: Head, head: Head) -> bool:
    """Whether a 304 is about what is held: not where it names another by a strong tag (RFC 9111 §4.3.4)."""
    ours, theirs = (of.get("etag") or "" for of in (held, head))
    return theirs[:1] != '"' or ours[:1] != '"' or ours == theirs


_ERRORS = frozenset({500, 502, 503, 504})
"""What counts as an error for stale-if-error (RFC 5861 §4)."""

_FORBID_STALE = frozenset({"must-revalidate", "proxy-revalidate", "no-cache", "s-maxage"})
"""Two of them are said to shared caches; they are heard all the same, since who says them minds."""


def _must_ask(head: Head, stated: Control) -> bool:
    vary = head.get("vary")
    if "no-store" in stated or stated.unconditional_no_cache or (vary and "*" in varying(head)):
        return True
    # Pragma in a response has no meaning by RFC 9111 §5.4; where nothing else is said it can mean one thing.
    return not stated.directives and head.get("expires") is None and "no-cache" in (head.get("pragma") or "")


def _young_enough(standing: Standing, request: Control, *, immutable: bool) -> bool:
    """What a request asks of the age: max-age and min-fresh (RFC 9111 §5.2.1).

    A reload (`max-age=0`) does not make it ask for what cannot have changed (RFC 8246 §2).
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
        return most is None or standing.staleness <= (_delta(most) or 0)
    window = stated.seconds("stale-while-revalidate")
    return window is not None and standing.staleness <= window and "max-age" not in request


# ---------------------------------------------------------------------------------------------------
# Vary


def varying(head: Head) -> tuple[str, ...]:
    """The request's fields that a response depends on, in lower case and in order; `*` is anything."""
    value = head.get("vary")
    return () if value is None else tuple(sorted({part.lower() for part in _list(value)}))


def selecting(head: Head, headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The request's fields by which a response was selected, normalised: what a later one must have too.

    A field the request lacks is not among them (RFC 9111 §4.1: absent must match absent).
    """
    names = varying(head)
    if not names or "*" in names:  # what varies by anything is found, to be asked about; see `_must_ask`
        return ()
    fields = [(name.lower(), value) for name, value in headers]
    chosen = []
    for name in names:
        values = [value for other, value in fields if other == name]
        if values:
            chosen.append((name, _normal(name, ", ".join(values))))
    return tuple(chosen)


def matches(entry: Entry, headers: Iterable[tuple[str, str]]) -> bool:
    """Whether what is held was selected by fields such as these (RFC 9111 §4.1)."""
    return entry.vary_values == selecting(entry.head, headers)


def _normal(name: str, value: str) -> str:
    """One spelling for what means the same: space around commas, and in lists of preferences order and case.

    What is no preference may be a secret (a token, a cookie), and is only compared: its digest will do.
    """
    if name in _PREFERENCES:
        return ",".join(sorted("".join(member.lower().split()) for member in _list(value)))
    from hashlib import sha256  # it loads OpenSSL, and few responses vary

    return "sha256:" + sha256(",".join(_list(value)).encode("utf-8", "surrogatepass")).hexdigest()[:32]


_PREFERENCES = frozenset({"accept", "accept-charset", "accept-encoding", "accept-language"})
