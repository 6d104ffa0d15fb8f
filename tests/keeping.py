"""Bytes on their way into a store, for tests and for the processes they start."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Protocol

from imgfetch.errors import CacheError
from imgfetch.model.image import Entry, Facts, Format, PendingEntry, Verified
from imgfetch.model.request import Head
from imgfetch.model.values import Digest, Key, StagingId
from imgfetch.ports import Leases, Staging, Store
from imgfetch.rules.policy.stored_response import fresh_until

if TYPE_CHECKING:
    from imgfetch.model.markup import Rendition

CAT = Key("https://photos.example/cat.webp")
DOG = Key("https://photos.example/dog.webp")
HEAD = Head("https://cdn.example/cat.webp", 200, (("content-type", "image/webp"), ("etag", '"1"')))


class Cache(Store, Leases, Protocol):
    """All three ports of one cache."""

    @property
    def staging(self) -> Staging:
        """The bodies under way."""

    def close(self) -> None:
        """Release files and leases, and suspend what is not committed."""


def digest(data: bytes) -> Digest:
    return Digest(hashlib.sha256(data).hexdigest())


def facts(data: bytes, *, verified: tuple[str, ...] = ("length", "structure", "decode")) -> Facts:
    return Facts(Format.WEBP, 480, 320, 1, len(data), digest(data), verified)


def written(store: Cache, *chunks: bytes) -> StagingId:
    """A ticket with these bytes behind it."""
    ticket = store.staging.open()
    for chunk in chunks:
        store.staging.write(ticket, chunk)
    return ticket


def pending_entry(store: Cache, key: Key, data: bytes) -> PendingEntry:
    """Bytes in scratch, on their way to `key`."""
    verified = Verified(facts(data), written(store, data))
    return with_freshness(PendingEntry(verified, key, HEAD, 10.25, 10.5))


def with_freshness(pending: PendingEntry) -> PendingEntry:
    """The same with the time that the engine computes."""
    return pending._replace(fresh_until=fresh_until(pending.entry))


def keep(store: Cache, key: Key, data: bytes, head: Head = HEAD) -> Entry:
    """Take bytes all the way into the store."""
    proof = Verified(facts(data), written(store, data))
    return keep_proved(store, proof, key, head, request_time=10.25, response_time=10.5)


def keep_proved(
    store: Cache,
    verified: Verified,
    key: Key,
    head: Head,
    *,
    request_time: float,
    response_time: float,
    selected: tuple[tuple[str, str], ...] = (),
    bound: float | None = None,
    renditions: tuple[Rendition, ...] = (),
    selector: str = "",
) -> Entry:
    """Keep one rendition. Raises `CacheError`."""
    pending_entry = PendingEntry(
        verified, key, head, request_time, response_time, selected, bound, renditions, selector
    )
    (kept,) = store.commit([with_freshness(pending_entry)])
    if isinstance(kept, CacheError):
        raise kept
    return kept
