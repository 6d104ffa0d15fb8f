"""The first question about an image: does the store have a response that answers without a request?

    choice ─▶ Fetch ─▶ Store.lookup ─▶ hit: UseStored
                                   ├─▶ missing: a request
                                   └─▶ neither: Store.find ─▶ fetch_policy.before_request decides

Everything here is synchronous and imports no network code, so that a warm cache answers at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from imgfetch.errors import CheckDueError
from imgfetch.model.image import Format, Requirements
from imgfetch.model.request import NO_SECRETS, NO_SOURCE_ORIGIN
from imgfetch.model.result import Served
from imgfetch.rules.http import credentials, stored_headers, urls
from imgfetch.rules.image import placeholders, renditions
from imgfetch.rules.image.choose import is_page_accepted
from imgfetch.rules.policy import fetch_policy, stored_response
from imgfetch.rules.policy.request_fields import page_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from functools import partial

    from imgfetch.model.image import Entry, Facts, Lookup
    from imgfetch.model.markup import Candidate, Choice
    from imgfetch.model.request import Fetch, Head, Settings, SourceOrigin
    from imgfetch.model.values import Digest, Key
    from imgfetch.ports import Executor, Store

T = TypeVar("T")


def look_up(choices: Iterable[Choice], store: Store, settings: Settings, *, now: float) -> Lookup:
    """Look for all the chosen candidates with one question, which costs little more than looking for one."""
    keys = {
        key
        for choice in choices
        if not choice.is_embedded and (key := urls.key(choice.url, settings.key_ignore)) is not None
    }
    return store.lookup(() if settings.refresh else tuple(keys), now=now)


def is_recent(lookup: Lookup, *, now: float) -> bool:
    """Return whether the answer of a lookup may still be used."""
    return 0 <= now - lookup.at <= RECENT


RECENT = 1.0
"""Seconds for which the answer of a lookup may be used."""


def answers(lookup: Lookup, choice: Choice, settings: Settings) -> bool:
    """Return whether a lookup says of the chosen candidate that it is a hit, or that it is missing.

    An embedded body is not looked up.
    """
    if choice.is_embedded:
        return True
    key = urls.key(choice.url, settings.key_ignore)
    return key in lookup.missing or key in lookup.hits


def serve_stored(
    choice: Choice,
    store: Store,
    settings: Settings,
    *,
    now: float,
    sha256: Digest | None = None,
    lookup: Lookup | None = None,
    source_origin: SourceOrigin = NO_SOURCE_ORIGIN,
    at_once: bool = False,
) -> Served | None:
    """Serve the chosen candidate from the store, or a wider one where `settings.reuse` allows that.

    None where a request is needed, or cannot be made. The outcome does not depend on `lookup`: what it does
    not answer, or was asked too long ago, the store is asked by itself. `at_once` raises `CheckDueError`
    where many bytes are to be hashed first.
    """
    if choice.is_embedded or (settings.refresh and not settings.offline):
        return None
    key = urls.key(choice.url, settings.key_ignore)
    if lookup is None or not is_recent(lookup, now=now):
        lookup = store.lookup(() if key is None else (key,), now=now)
    if key in lookup.missing and not settings.reuse:
        return None
    accepts_page = is_page_accepted(choice, sha256)
    wanted = wanted_of(choice, choice.candidate, settings, sha256, page=accepts_page)
    fetch = fetch_policy.fetch_of(
        choice.url, wanted, settings, page=page_of(choice), source_origin=source_origin
    )
    if isinstance(fetch, fetch_policy.Reject):
        return None
    stored = answer(fetch, store, settings, now=now, seen=lookup, at_once=at_once)
    if stored is not None:
        return _served(choice, choice.candidate, stored, store)
    least = renditions.wanted(choice, settings, sha256)
    if least is None or fetch.secrets != NO_SECRETS:
        return None  # a response to credentials is no substitute for another
    return _serve_substitute(choice, fetch, store, settings, least=least, now=now)


def _serve_substitute(
    choice: Choice, fetch: Fetch, store: Store, settings: Settings, *, least: int, now: float
) -> Served | None:
    """Serve another rendition of the source set that is stored, fresh, verified and `least` pixels wide."""
    offered = renditions.offered(choice, settings)
    for rendition, entry in store.substitutes(offered, fetch.request.headers, chosen=fetch.key, least=least):
        candidate = renditions.candidate_for(rendition, choice, settings)
        other = fetch._replace(wanted=wanted_of(choice, candidate, settings, None))
        sharing = shared(entry.facts, store)
        considered = fetch_policy.before_request(other, entry, settings, now=now, sharing=sharing)
        if isinstance(considered, fetch_policy.UseStored) and fetch_policy.may_substitute(considered):
            return _served(choice, candidate, considered, store)
    return None


def _served(choice: Choice, candidate: Candidate, serve: fetch_policy.UseStored, store: Store) -> Served:
    content = store.content(serve.entry)
    return Served(choice, candidate, serve.entry, content, serve.origin, warnings=serve.warnings)


def consult(
    fetch: Fetch,
    store: Store,
    settings: Settings,
    *,
    now: float,
    seen: Lookup | None = None,
    at_once: bool = False,
) -> fetch_policy.UseStored | Fetch | fetch_policy.Reject:
    """Decide by `fetch_policy.before_request` about the stored response that a request selects.

    A key that the recent lookup `seen` found missing is not looked for again. `at_once` as in `find`.
    """
    missing = seen is not None and is_recent(seen, now=now) and fetch.key in seen.missing
    entry = None if missing else find(fetch, store, settings, at_once=at_once)
    sharing = () if entry is None else shared(entry.facts, store)
    return fetch_policy.before_request(fetch, entry, settings, now=now, sharing=sharing)


def answer(
    fetch: Fetch,
    store: Store,
    settings: Settings,
    *,
    now: float,
    seen: Lookup | None = None,
    at_once: bool = False,
) -> fetch_policy.UseStored | None:
    """Return the stored response that spares a request; None if there is none.

    `seen` is a recent lookup of its key; without one, the key is looked up. `at_once` as in `find`.
    """
    seen = seen or store.lookup((fetch.key,), now=now)
    if fetch.key in seen.missing:
        return None
    hit = seen.hits.get(fetch.key) if fetch.secrets == NO_SECRETS else None
    if hit is not None:
        stored = fetch_policy.before_request_for_bytes(hit.entry, fetch.wanted, settings)
        if stored is not None:
            return stored
    considered = consult(fetch, store, settings, now=now, at_once=at_once)
    return considered if isinstance(considered, fetch_policy.UseStored) else None


def refresh(entry: Entry, head: Head, store: Store, *, request_time: float, response_time: float) -> Entry:
    """Update a stored response with the fields of a 304 (RFC 9111 §3.2). Raise `CacheError`."""
    entry = stored_headers.refreshed(entry, head, request_time=request_time, response_time=response_time)
    store.refresh(entry, fresh_until=stored_response.fresh_until(entry))
    return entry


def shared(facts: Facts, store: Store) -> tuple[Key, ...]:
    """Return the keys that share the bytes of `facts`; none where these are too many for a placeholder."""
    return store.keys_sharing(facts) if facts.bytes <= placeholders.MOST_BYTES else ()


def find(fetch: Fetch, store: Store, settings: Settings, *, at_once: bool = False) -> Entry | None:
    """Return the latest stored response that the fields and the credentials of a request select, else None.

    Offline, `Vary` selects nothing; the caller's credentials do. `at_once` raises `CheckDueError` where many
    bytes are to be hashed first. A response that came without a redirect does not depend on the credentials
    for origins that redirects might lead to. Only the entry tells whether there was one.
    """
    key, secrets = fetch.key, fetch.secrets
    headers = None if settings.offline else fetch.request.headers
    if secrets == NO_SECRETS:
        return store.find(key, headers, at_once=at_once)
    salt = store.salt()
    fields = None if headers is None else credentials.unselecting(headers, secrets)

    def found(*, redirected: bool) -> Entry | None:
        selector = credentials.selector(secrets, salt, redirected=redirected)
        return store.find(key, fields, selector=selector, at_once=at_once)

    latest = found(redirected=True)
    if secrets.redirected:
        direct = found(redirected=False)
        if direct is not None and direct.redirect_lifetime is None:
            return direct if latest is None or latest.response_time <= direct.response_time else latest
    return latest


def selector_of(fetch: Fetch, store: Store, *, redirected: bool = True) -> str:
    """Return the hash that selects the response to a request, or a part of it; empty without credentials.

    Raise `CacheError`.
    """
    if fetch.secrets == NO_SECRETS:
        return ""
    return credentials.selector(fetch.secrets, store.salt(), redirected=redirected)


async def without_blocking(look: partial[T], runner: Executor) -> T:
    """Return what `look(at_once=…)` finds; where it would hash many bytes, look again in a thread."""
    try:
        return look(at_once=True)
    except CheckDueError:
        return await runner.run(look)


def wanted_of(
    choice: Choice, candidate: Candidate, settings: Settings, sha256: Digest | None, *, page: bool = False
) -> Requirements:
    """Return what the bytes of a candidate must be; a `page` may come in its place."""
    return Requirements(
        settings.level,
        sha256,
        width=settings.expect_width or candidate.width,
        strict_width=settings.strict_width,
        page=page,
        reject_fakes=settings.reject_fakes,
        stand_in=choice.is_stand_in(candidate),
        formats=tuple(map(Format, choice.formats)),
        at_least=choice.at_least,
    )
