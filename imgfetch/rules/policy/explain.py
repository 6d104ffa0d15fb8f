"""Say why a URL would be served from the cache or requested."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imgfetch.model.image import Requirements
from imgfetch.model.request import NO_SOURCE_ORIGIN, Fetch
from imgfetch.rules.http import freshness, urls
from imgfetch.rules.http.cache_control import LONGEST
from imgfetch.rules.http.freshness import DAY, Basis, Reason, Reuse
from imgfetch.rules.policy import fetch_policy

if TYPE_CHECKING:
    from imgfetch.model.image import Entry
    from imgfetch.model.request import Settings, SourceOrigin
    from imgfetch.model.values import Key
    from imgfetch.rules.http.freshness import Standing


class Explanation(NamedTuple):
    """The stored response of a URL, its freshness, and what a `get` would do."""

    url: str
    key: Key | None
    """The key of the URL; None if it is not a URL."""
    entry: Entry | None
    standing: Standing | None
    """None without a stored response."""
    fresh: bool
    why: str
    """One sentence."""
    action: str
    """`serve` (the stored response), `ask` (the origin), or `refuse`."""
    sends: tuple[tuple[str, str], ...] = ()
    """The header fields of the request that a `get` would send, with `…` for the values of credentials."""


def explain(
    url: str,
    entry: Entry | None,
    settings: Settings,
    *,
    now: float,
    source_origin: SourceOrigin = NO_SOURCE_ORIGIN,
) -> Explanation:
    """Say what a `get` of `url` would do at `now` with the stored response `entry`, and why."""
    considered: fetch_policy.UseStored | Fetch | fetch_policy.Reject = fetch_policy.fetch_of(
        url, Requirements(settings.level), settings, source_origin=source_origin
    )
    if isinstance(considered, Fetch):
        considered = fetch_policy.before_request(considered, entry, settings, now=now)
    sends: tuple[tuple[str, str], ...] = ()
    action = refusal = ""
    match considered:
        case fetch_policy.UseStored():
            action = "serve"
        case Fetch(request=request, secrets=secrets):
            action = "ask"
            secret = {name for name, _ in secrets.sent}
            sends = tuple((name, "…" if name in secret else value) for name, value in request.headers)
        case fetch_policy.Reject(failed):
            action, refusal = "refuse", failed.message
    key = urls.key(url, settings.key_ignore)
    if entry is None:
        return Explanation(url, key, None, None, False, refusal or "nothing is stored for it", action, sends)
    standing = freshness.standing(entry, now=now)
    reuse, reason = freshness.may_reuse(entry, standing)
    why = refusal or _why(standing, reason)
    if reuse is Reuse.FRESH and action == "ask":
        why = f"it is {why}; but it does not meet the present requirements"
    return Explanation(url, key, entry, standing, reuse is Reuse.FRESH, why, action, sends)


def _why(standing: Standing, reason: Reason) -> str:
    if reason in _ALWAYS:
        return _ALWAYS[reason]
    if standing.age >= LONGEST:
        return "stale: it was stored in the future by its time, so its age is unknown"
    age = f"{duration(standing.age)} old, of {duration(standing.lifetime)} {_BASES[standing.basis]}"
    if reason is Reason.FRESH:
        return f"fresh for another {duration(standing.lifetime - standing.age)}: {age}"
    if reason is Reason.STALE_ALLOWED:
        return f"stale for {duration(standing.staleness)}, which the origin allows: stale-while-revalidate"
    return f"stale for {duration(standing.staleness)}: {age}"


def duration(seconds: float) -> str:
    """Write a length of time in its two largest units: `3 d 4 h`, `59 s`."""
    rest, parts = int(seconds), []
    for unit, size in (("d", int(DAY)), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count:,} {unit}")
    return " ".join(parts[:2]) or "0 s"


_ALWAYS = {
    Reason.NO_STORE: "never reused: the origin says no-store; the file was stored because it was requested",
    Reason.NO_CACHE: "revalidated every time: the origin says no-cache",
    Reason.VARY_ANY: "revalidated every time: the origin says that it varies by anything (Vary: *)",
    Reason.PRAGMA: "revalidated every time: the origin says Pragma: no-cache",
}
"""Words for the reasons that do not depend on the age."""

_BASES = {
    Basis.MAX_AGE: "by max-age",
    Basis.EXPIRES: "by Expires",
    Basis.HEURISTIC: "by our own rule, because it states no lifetime",
    Basis.MALFORMED: "because the lifetime it states cannot be read",
    Basis.REDIRECT: "for which the redirect to it may be followed without a request",
    Basis.NOTHING: "because it states no lifetime, and none may be guessed",
}
