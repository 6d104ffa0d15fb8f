"""Bytes on their way into a store, for tests and for the processes they start."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from imgfetch.errors import CacheError
from imgfetch.model import Digest, Entry, Facts, Filing, Format, Head, Key, Rendition, Scratch, Verified

if TYPE_CHECKING:
    from imgfetch.ports import Store

CAT = Key("https://photos.example/cat.webp")
DOG = Key("https://photos.example/dog.webp")
HEAD = Head("https://cdn.example/cat.webp", 200, (("content-type", "image/webp"), ("etag", '"1"')))


def digest(data: bytes) -> Digest:
    return Digest(hashlib.sha256(data).hexdigest())


def facts(data: bytes, *, verified: tuple[str, ...] = ("length", "structure", "decode")) -> Facts:
    return Facts(Format.WEBP, 480, 320, 1, len(data), digest(data), verified)


def written(store: Store, *chunks: bytes) -> Scratch:
    """A ticket with these bytes behind it."""
    ticket = store.begin()
    for chunk in chunks:
        store.append(ticket, chunk)
    return ticket


def filing(store: Store, key: Key, data: bytes) -> Filing:
    """Bytes in scratch, on their way to `key`."""
    return Filing(Verified(facts(data), written(store, data)), key, HEAD, 10.25, 10.5)


def keep(store: Store, key: Key, data: bytes, head: Head = HEAD) -> Entry:
    """Take bytes all the way into the store."""
    proof = Verified(facts(data), written(store, data))
    return keep_proved(store, proof, key, head, asked_at=10.25, received_at=10.5)


def keep_proved(
    store: Store,
    verified: Verified,
    key: Key,
    head: Head,
    *,
    asked_at: float,
    received_at: float,
    selected: tuple[tuple[str, str], ...] = (),
    bound: float | None = None,
    renditions: tuple[Rendition, ...] = (),
    selector: str = "",
) -> Entry:
    """Keep one rendition. Raises `CacheError`."""
    filing = Filing(verified, key, head, asked_at, received_at, selected, bound, renditions, selector)
    (kept,) = store.keep_all([filing])
    if isinstance(kept, CacheError):
        raise kept
    return kept
