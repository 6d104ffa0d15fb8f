"""Why a URL would be answered from the cache, or why it would be asked for, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.frozen import dataclass
from imgfetch.model.image import Requirements
from imgfetch.model.request import NO_SOURCE_ORIGIN, Request
from imgfetch.rules.http import freshness, urls
from imgfetch.rules.http.freshness import DAY, Basis, Reuse
from imgfetch.rules.policy import fetch_policy

if TYPE_CHECKING:
    from imgfetch.model.image import Entry
    from imgfetch.model.request import Settings, SourceOrigin
    from imgfetch.model.values import Key
    from imgfetch.rules.http.freshness import Standing


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is held of a URL, how it stands, and what a `get` would do."""

    url: str
    key: Key | None
    """Under what it is filed; None where it is no URL."""
    entry: Entry | None
    standing: Standing | None
    """None where nothing is held."""
    fresh: bool
    why: str
    """One sentence."""
    action: str
    """What a `get` would do: `serve`, `ask`, or `refuse`."""
    sends: tuple[tuple[str, str], ...] = ()
    """The fields of the request it would make; of credentials only that they are there."""


def explain(
    url: str,
    entry: Entry | None,
    settings: Settings,
    *,
    now: float,
    source_origin: SourceOrigin = NO_SOURCE_ORIGIN,
) -> Explanation:
    """Say what a `get` of `url` would do at `now`, where `entry` is held, and why."""
    wanted = Requirements(settings.level)
    considered = fetch_policy.before_request(
        url, entry, wanted, settings, now=now, source_origin=source_origin
    )
    sends: tuple[tuple[str, str], ...] = ()
    action = refusal = ""
    match considered:
        case fetch_policy.UseStored():
            action = "serve"
        case Request(headers=headers, secrets=secrets):
            action = "ask"
            secret = {name for name, _ in secrets.sent}
            sends = tuple((name, "…" if name in secret else value) for name, value in headers)
        case fetch_policy.Reject(failed):
            action, refusal = "refuse", failed.message
    key = urls.key(url, settings.key_ignore)
    if entry is None:
        return Explanation(url, key, None, None, False, refusal or "nothing is held of it", action, sends)
    standing = freshness.standing(entry, now=now)
    reuse = freshness.may_reuse(entry, standing)
    why = refusal or _why(entry, standing, reuse)
    if reuse is Reuse.FRESH and action == "ask":
        why = f"it is {why}; but it is not proved as far as is wanted now"
    return Explanation(url, key, entry, standing, reuse is Reuse.FRESH, why, action, sends)


def _why(entry: Entry, standing: Standing, reuse: Reuse) -> str:
    stated = freshness.control(entry.head.get("cache-control"))
    if "no-store" in stated:
        return "never reused: the origin says no-store; the file was kept because it was asked for"
    if stated.unconditional_no_cache:
        return "asked about every time: the origin says no-cache"
    if "*" in freshness.varying(entry.head):
        return "asked about every time: the origin says it varies by anything (Vary: *)"
    age = f"{duration(standing.age)} old, of {duration(standing.lifetime)} {_BASES[standing.basis]}"
    if standing.age >= freshness.LONGEST:
        return "stale: it came at a time that is yet to come, so its age cannot be known"
    if standing.fresh and reuse is Reuse.FRESH:
        return f"fresh for another {duration(standing.lifetime - standing.age)}: {age}"
    if reuse is Reuse.STALE:
        return f"stale for {duration(standing.staleness)}, which the origin allows: stale-while-revalidate"
    if standing.fresh:
        return "asked about every time: the origin says Pragma: no-cache"
    return f"stale for {duration(standing.staleness)}: {age}"


def duration(seconds: float) -> str:
    """A length of time in its two largest units: `3 d 4 h`, `59 s`."""
    rest, parts = int(seconds), []
    for unit, size in (("d", int(DAY)), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count:,} {unit}")
    return " ".join(parts[:2]) or "0 s"


_BASES = {
    Basis.MAX_AGE: "by max-age",
    Basis.EXPIRES: "by Expires",
    Basis.HEURISTIC: "by our own rule, for what states no lifetime",
    Basis.MALFORMED: "because the lifetime it states cannot be read",
    Basis.REDIRECT: "for which the redirect that led to it may be followed unasked",
    Basis.NOTHING: "because it states no lifetime, and none may be guessed",
}
