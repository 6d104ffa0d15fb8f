"""The first question about an image: does the store have a response that answers without a request?

    keys ─▶ Store.lookup ─▶ hit: UseStored
                        ├─▶ missing: a request
                        └─▶ neither: Store.find ─▶ fetch_policy.before_request decides

Everything here is synchronous and imports no network code, so that a warm cache answers at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from imgfetch.errors import CheckDueError
from imgfetch.model.image import Format, Requirements
from imgfetch.model.request import NO_PAGE, NO_SECRETS, NO_SOURCE_ORIGIN
from imgfetch.model.result import Served
from imgfetch.model.sizes import ANY_SIZE, AtLeast
from imgfetch.rules.http import credentials, stored_headers, urls
from imgfetch.rules.image import placeholders, renditions
from imgfetch.rules.image.choose import is_page_accepted
from imgfetch.rules.policy import fetch_policy, stored_response
from imgfetch.rules.policy.request_fields import accept_of, page_of, request_fields

if TYPE_CHECKING:
    from collections.abc import Iterable
    from functools import partial

    from imgfetch.model.image import Entry, Facts, Lookup
    from imgfetch.model.markup import Candidate, Choice, Rendition
    from imgfetch.model.request import Fetch, Head, ReferringPage, Secrets, Settings, SourceOrigin
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
    secrets = _secrets(choice.url, settings, source_origin)
    if key not in lookup.missing:
        wanted = wanted_of(
            choice.candidate,
            settings,
            sha256,
            choice.formats,
            page=is_page_accepted(choice, sha256),
            at_least=choice.at_least,
            stand_in=choice.is_stand_in(choice.candidate),
        )
        stored = _from_lookup(lookup, key, wanted, settings, secrets) or answer(
            choice.url,
            store,
            wanted,
            settings,
            now=now,
            page=page_of(choice),
            source_origin=source_origin,
            at_once=at_once,
        )
        if stored is not None:
            return _served(choice, choice.candidate, stored, store)
    least = renditions.wanted(choice, settings, sha256)
    if least is None or secrets != NO_SECRETS:
        return None  # a response to credentials is no substitute for another
    return _serve_substitute(choice, store, settings, least=least, now=now)


def _from_lookup(
    lookup: Lookup, key: Key | None, wanted: Requirements, settings: Settings, secrets: Secrets
) -> fetch_policy.UseStored | None:
    """Return the hit of `key`, where it meets what is wanted. A request with credentials has no hits."""
    hit = lookup.hits.get(key) if key is not None and secrets == NO_SECRETS else None
    return None if hit is None else fetch_policy.before_request_for_bytes(hit.entry, wanted, settings)


def _serve_substitute(
    choice: Choice, store: Store, settings: Settings, *, least: int, now: float
) -> Served | None:
    """Serve another rendition of the source set that is stored, fresh, verified and `least` pixels wide."""
    address = urls.read(choice.url)
    if not isinstance(address, urls.Address):
        return None
    offered = renditions.offered(choice, settings)
    accept = accept_of(wanted_of(choice.candidate, settings, None, choice.formats))
    fields = request_fields(address, settings, page_of(choice), accept=accept)
    chosen = address.key(settings.key_ignore)
    for rendition, entry in store.substitutes(offered, fields, chosen=chosen, least=least):
        candidate = renditions.candidate_for(rendition, choice, settings)
        wanted = wanted_of(candidate, settings, None, choice.formats, at_least=choice.at_least)
        sharing = shared(entry.facts, store)
        considered = fetch_policy.before_request(
            candidate.url, entry, wanted, settings, now=now, sharing=sharing
        )
        if isinstance(considered, fetch_policy.UseStored) and fetch_policy.may_substitute(considered):
            return _served(choice, candidate, considered, store)
    return None


def _served(choice: Choice, candidate: Candidate, serve: fetch_policy.UseStored, store: Store) -> Served:
    content = store.content(serve.entry)
    return Served(choice, candidate, serve.entry, content, serve.origin, warnings=serve.warnings)


def consult(
    url: str,
    store: Store,
    wanted: Requirements,
    settings: Settings,
    *,
    now: float,
    page: ReferringPage = NO_PAGE,
    offered: tuple[Rendition, ...] = (),
    seen: Lookup | None = None,
    source_origin: SourceOrigin = NO_SOURCE_ORIGIN,
    at_once: bool = False,
) -> fetch_policy.UseStored | Fetch | fetch_policy.Reject:
    """Decide by `fetch_policy.before_request` about the stored response of `url`, requested for `page`.

    A key that the recent lookup `seen` found missing is not looked for again. `at_once` as in `find`.
    """
    key = urls.key(url, settings.key_ignore)
    missing = seen is not None and is_recent(seen, now=now) and key in seen.missing
    entry = None if missing else find(url, store, wanted, settings, page, source_origin, at_once=at_once)
    sharing = () if entry is None else shared(entry.facts, store)
    return fetch_policy.before_request(
        url,
        entry,
        wanted,
        settings,
        now=now,
        sharing=sharing,
        page=page,
        offered=offered,
        source_origin=source_origin,
    )


def answer(
    url: str,
    store: Store,
    wanted: Requirements,
    settings: Settings,
    *,
    now: float,
    page: ReferringPage = NO_PAGE,
    source_origin: SourceOrigin = NO_SOURCE_ORIGIN,
    at_once: bool = False,
) -> fetch_policy.UseStored | None:
    """Return the stored response of `url` if it needs no request, else None. `at_once` as in `find`."""
    entry = find(url, store, wanted, settings, page, source_origin, at_once=at_once)
    return _answer(url, entry, store, wanted, settings, now=now)


def answer_to(
    fetch: Fetch, store: Store, wanted: Requirements, settings: Settings, *, now: float, at_once: bool = False
) -> fetch_policy.UseStored | None:
    """Return what another process may have stored by now, where it answers a request that was to be made."""
    lookup = store.lookup((fetch.key,), now=now)
    if fetch.key in lookup.missing:
        return None
    stored = _from_lookup(lookup, fetch.key, wanted, settings, fetch.secrets)
    if stored is not None:
        return stored
    entry = find_for(fetch, store, settings, at_once=at_once)
    return _answer(fetch.request.url, entry, store, wanted, settings, now=now)


def _answer(
    url: str, entry: Entry | None, store: Store, wanted: Requirements, settings: Settings, *, now: float
) -> fetch_policy.UseStored | None:
    if entry is None:
        return None
    sharing = shared(entry.facts, store)
    considered = fetch_policy.before_request(url, entry, wanted, settings, now=now, sharing=sharing)
    return considered if isinstance(considered, fetch_policy.UseStored) else None


def refresh(entry: Entry, head: Head, store: Store, *, request_time: float, response_time: float) -> Entry:
    """Update a stored response with the fields of a 304 (RFC 9111 §3.2). Raise `CacheError`."""
    entry = stored_headers.refreshed(entry, head, request_time=request_time, response_time=response_time)
    store.refresh(entry, fresh_until=stored_response.fresh_until(entry))
    return entry


def shared(facts: Facts, store: Store) -> tuple[Key, ...]:
    """Return the keys that share the bytes of `facts`; none where these are too many for a placeholder."""
    return store.keys_sharing(facts) if facts.bytes <= placeholders.MOST_BYTES else ()


def find(
    url: str,
    store: Store,
    wanted: Requirements,
    settings: Settings,
    page: ReferringPage = NO_PAGE,
    source_origin: SourceOrigin = NO_SOURCE_ORIGIN,
    *,
    at_once: bool = False,
) -> Entry | None:
    """Return the stored response of `url` that a request with our fields selects, else None.

    Offline, `Vary` selects nothing; the caller's credentials do. `at_once` raises `CheckDueError` where many
    bytes are to be hashed first.
    """
    address = urls.read(url)
    if not isinstance(address, urls.Address):
        return None
    secrets = credentials.secrets(address, settings, source_origin)
    accept = accept_of(wanted)
    fields = request_fields(address, settings, page, source_origin, accept=accept)
    headers = None if settings.offline else fields
    key = address.key(settings.key_ignore)
    return find_selected(key, store, headers, secrets, at_once=at_once)


def find_for(fetch: Fetch, store: Store, settings: Settings, *, at_once: bool = False) -> Entry | None:
    """Return the stored response that a request selects, by all its fields; else None."""
    headers = None if settings.offline else fetch.request.headers
    return find_selected(fetch.key, store, headers, fetch.secrets, at_once=at_once)


def find_selected(
    key: Key,
    store: Store,
    headers: tuple[tuple[str, str], ...] | None,
    secrets: Secrets,
    *,
    at_once: bool = False,
) -> Entry | None:
    """Return the latest response under `key` that `secrets` and, by `Vary`, `headers` select.

    A response that came without a redirect does not depend on the credentials for origins that redirects
    might lead to. Only the entry tells whether there was one.
    """
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


def _secrets(url: str, settings: Settings, source_origin: SourceOrigin) -> Secrets:
    address = urls.read(url)
    if not isinstance(address, urls.Address):
        return NO_SECRETS
    return credentials.secrets(address, settings, source_origin)


async def without_blocking(look: partial[T], runner: Executor) -> T:
    """Return what `look(at_once=…)` finds; where it would hash many bytes, look again in a thread."""
    try:
        return look(at_once=True)
    except CheckDueError:
        return await runner.run(look)


def wanted_of(
    candidate: Candidate,
    settings: Settings,
    sha256: Digest | None,
    formats: tuple[str, ...] = (),
    *,
    page: bool = False,
    at_least: AtLeast = ANY_SIZE,
    stand_in: bool = False,
) -> Requirements:
    """Return what the bytes of a candidate must be; a `page` may come in its place."""
    width = settings.expect_width or candidate.width
    return Requirements(
        settings.level,
        sha256,
        width=width,
        strict_width=settings.strict_width,
        page=page,
        reject_fakes=settings.reject_fakes,
        stand_in=stand_in,
        formats=tuple(map(Format, formats)),
        at_least=at_least,
    )
