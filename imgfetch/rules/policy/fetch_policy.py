"""Decide whether the stored response is used, or what to request.

    URL ─▶ fetch_of ─▶ Fetch ─▶ before_request ─▶ UseStored | Fetch | Reject

`response_policy` decides what a response head means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imgfetch.errors import KINDS, CacheError, NetworkError
from imgfetch.model.image import Defect, Requirements
from imgfetch.model.request import NO_PAGE, NO_SOURCE_ORIGIN, Fetch, Request, Settings
from imgfetch.model.result import CacheStatus, ErrorKind, Failure
from imgfetch.model.sizes import ANY_SIZE
from imgfetch.rules.http import credentials, freshness, urls
from imgfetch.rules.image.sizes import check_size_asked
from imgfetch.rules.policy import retry, stored_response
from imgfetch.rules.policy.request_fields import accept_of, conditional, request_fields

if TYPE_CHECKING:
    from imgfetch.model.image import Entry
    from imgfetch.model.markup import Rendition
    from imgfetch.model.request import ReferringPage, SourceOrigin
    from imgfetch.model.values import Key


class UseStored(NamedTuple):
    """Use the stored response; no request is needed."""

    entry: Entry
    warnings: tuple[str, ...] = ()
    origin: CacheStatus = CacheStatus.CACHED


class Reject(NamedTuple):
    """Give up this request; `failed` says whether a further one may help."""

    failed: Failure
    must_restart: bool = False
    """Whether the stored part of the body cannot be resumed, so that a retry must start over."""


def fetch_of(
    url: str,
    wanted: Requirements,
    settings: Settings,
    *,
    page: ReferringPage = NO_PAGE,
    offered: tuple[Rendition, ...] = (),
    source_origin: SourceOrigin = NO_SOURCE_ORIGIN,
) -> Fetch | Reject:
    """Return the request for `url`, not conditional yet; all that is derived from the URL is derived here.

    `page` shows the image. `offered` are the renditions among which the URL was chosen. `source_origin` gets
    the caller's credentials.
    """
    address = urls.read(url)
    if isinstance(address, Defect):
        hint = retry.NEEDS_BASE if urls.is_relative(url) else None
        return Reject(Failure(address.kind, address.message, urls.redact(url), hint=hint))
    accept, resource = accept_of(wanted), address.resource(settings.key_ignore)
    fields = request_fields(address, settings, page, source_origin, accept=accept)
    return Fetch(
        address.key(settings.key_ignore),
        Request(address.url, conditional(fields, resource, None)),
        page=page,
        accept=accept,
        renditions=offered,
        unsigned=resource,
        source_origin=credentials.at(address, source_origin, settings),
        secrets=credentials.secrets(address, settings, source_origin),
        wanted=wanted,
    )


def before_request(
    fetch: Fetch, entry: Entry | None, settings: Settings, *, now: float, sharing: tuple[Key, ...] = ()
) -> UseStored | Fetch | Reject:
    """Decide whether the stored response `entry` answers for a request at `now`, or what to request.

    - A stored response that is fresh and meets the requirements is used, unless `settings.refresh` is set.
    - One that is stale is revalidated, or used if its origin allows that (stale-while-revalidate).
    - Offline, any stored response that meets the requirements is used.

    `entry` is what the store has for the key and the fields of the request. `sharing` are other keys with the
    same stored bytes.
    """
    wanted, url = fetch.wanted, fetch.request.url
    accepted = None if entry is None else stored_response.accept(entry, wanted, settings, sharing)
    if entry is not None and accepted is not None:
        reuse, _ = freshness.may_reuse(entry, freshness.standing(entry, now=now))
        if reuse is freshness.Reuse.FRESH and (settings.offline or not settings.refresh):
            return UseStored(entry, accepted.warnings)
        if settings.offline or (reuse is freshness.Reuse.STALE and not settings.refresh):
            return UseStored(entry, accepted.warnings, CacheStatus.STALE)
    refused = _refused_by_size(entry, wanted, settings, now=now, sharing=sharing)
    if refused is not None:
        return Reject(retry.failure_of_bytes(refused, url))
    if settings.offline:
        why = "not in the cache, and offline"
        return Reject(Failure(ErrorKind.OFFLINE, why, urls.redact(url), hint=retry.NEEDS_NETWORK))
    # If the stored response does not meet the requirements, a 304 would not help: request it whole.
    if entry is None or accepted is None or not freshness.may_be_confirmed(entry.head):
        return fetch
    headers = conditional(fetch.request.headers, fetch.resource, entry)
    return fetch._replace(entry=entry, request=fetch.request._replace(headers=headers))


def _refused_by_size(
    entry: Entry | None, wanted: Requirements, settings: Settings, *, now: float, sharing: tuple[Key, ...]
) -> Defect | None:
    """Return why a stored response that would be used is too small; None if that is not so."""
    if entry is None or wanted.at_least == ANY_SIZE or (settings.refresh and not settings.offline):
        return None
    any_size = wanted._replace(at_least=ANY_SIZE)
    if stored_response.accept(entry, any_size, settings, sharing) is None:
        return None
    reuse, _ = freshness.may_reuse(entry, freshness.standing(entry, now=now))
    is_used = settings.offline or reuse is freshness.Reuse.FRESH
    return check_size_asked(entry.facts, wanted.at_least) if is_used else None


def before_request_for_bytes(entry: Entry, wanted: Requirements, settings: Settings) -> UseStored | None:
    """Decide whether stored bytes meet the requirements, whatever their URL and age."""
    accepted = stored_response.accept(entry, wanted, settings)
    return None if accepted is None else UseStored(entry, accepted.warnings)


def may_substitute(serve: UseStored) -> bool:
    """Return True if another rendition may be used in place of the chosen one: if it is fresh."""
    return serve.origin is CacheStatus.CACHED


def stale_if_error(
    failed: Failure,
    entry: Entry | None,
    wanted: Requirements,
    settings: Settings,
    *,
    now: float,
    sharing: tuple[Key, ...] = (),
) -> UseStored | Failure:
    """Return a stale response in place of the failure, if RFC 9111 §4.2.4 or RFC 5861 §4 allows it.

    With `settings.refresh` the failure is returned.
    """
    accepted = stored_response.accept(entry, wanted, settings, sharing)
    if entry is None or accepted is None or settings.refresh or failed.kind not in _OUT_OF_REACH:
        return failed
    standing = freshness.standing(entry, now=now)
    if not freshness.may_stand_in(entry, standing, answered=failed.http_status):
        return failed
    return UseStored(entry, (f"stale: {failed.message}", *accepted.warnings), CacheStatus.STALE)


def may_fall_through(failed: Failure, url: str, other: str) -> bool:
    """Return True if the candidate at `other` is worth a try after `url` failed.

    - A missing, damaged or refused file says nothing about another file.
    - A host that cannot be reached cannot be reached for any of its candidates.
    - No candidate helps if the cache cannot be written.
    - An owner's opt-out for one rendition holds for the image.
    - An image that is smaller than the caller wants is skipped with all its renditions.
    """
    if failed.kind in _OF_THE_WHOLE_HOST:
        return urls.origin(url) != urls.origin(other)
    return failed.kind not in _OF_THE_WHOLE_IMAGE


_OUT_OF_REACH = frozenset({*KINDS[NetworkError], ErrorKind.HTTP_STATUS, ErrorKind.RATE_LIMITED})
"""Failures of the origin: not its opt-outs, and not our own limits or a full disk."""

_OF_THE_WHOLE_HOST = frozenset(
    {
        ErrorKind.DNS,
        ErrorKind.CONNECT,
        ErrorKind.TIMEOUT,
        ErrorKind.TLS,
        ErrorKind.RATE_LIMITED,
        ErrorKind.BLOCKED,
    }
)

_OF_THE_WHOLE_IMAGE = frozenset(
    {*KINDS[CacheError], ErrorKind.CANCELLED, ErrorKind.OPTED_OUT, ErrorKind.TOO_SMALL}
)
