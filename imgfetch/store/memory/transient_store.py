"""The store of a client without a cache: it hands on what is committed, and keeps nothing.

    lookup, find ─▶ nothing
    open ─▶ write … ─▶ read ─▶ commit ─▶ HeldEntry, the only owner of the bytes

Callers that want the same image at the same time share one download by `engine.single_flight` alone.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from imgfetch.errors import CacheError
from imgfetch.model.image import Entry, Lookup
from imgfetch.model.request import Lease
from imgfetch.model.result import ErrorKind
from imgfetch.store.memory.transient_staging import TransientStaging

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from imgfetch.model.image import Facts, PendingEntry
    from imgfetch.model.markup import Rendition
    from imgfetch.model.values import Digest, Key


class HeldEntry(Entry):
    """An entry together with its bytes, which live as long as it does."""

    data: bytes = b""
    """The body."""


class TransientStore:
    """A `Store`, with the `Leases` and the `staging` that belong to it. Makes no file and no thread."""

    root = None
    """No directory."""
    is_durable = False

    def __init__(self) -> None:
        self.staging = TransientStaging()
        self.notices: list[str] = []
        """Messages for the user: none, ever."""
        self._salt = os.urandom(32)

    def salt(self) -> bytes:
        """Return 32 random bytes of this object."""
        return self._salt

    def find(
        self,
        key: Key,
        headers: tuple[tuple[str, str], ...] | None = (),
        *,
        selector: str | None = "",
        at_once: bool = False,
    ) -> Entry | None:
        """Return None: nothing is stored."""
        return None

    def lookup(self, keys: Sequence[Key], *, now: float) -> Lookup:
        """Return all keys as missing."""
        return Lookup({}, keys, now)

    def keys_sharing(self, facts: Facts) -> tuple[Key, ...]:
        """Return no key: what other URLs gave is not known."""
        return ()

    def substitutes(
        self,
        offered: tuple[Rendition, ...],
        headers: tuple[tuple[str, str], ...],
        *,
        chosen: Key,
        least: int,
    ) -> Iterator[tuple[Rendition, Entry]]:
        """Yield nothing."""
        return iter(())

    def holding(self, sha256: Digest, *, at_once: bool = False) -> tuple[Path, Entry | None] | None:
        """Return None: no bytes are stored."""
        return None

    def content(self, entry: Entry) -> bytes:
        """Return the bytes of an entry that `commit` has returned."""
        if not isinstance(entry, HeldEntry):
            raise CacheError(ErrorKind.IO, "an entry of another store")
        return entry.data

    def commit(self, pending: Sequence[PendingEntry]) -> list[Entry | CacheError]:
        """Return each body in its entry, if it has the bytes that were verified."""
        return [self._held(each) for each in pending]

    def _held(self, pending: PendingEntry) -> Entry | CacheError:
        facts = pending.verified.facts
        try:
            data, digest = self.staging.take(pending.verified.staging_id)
        except CacheError as error:
            return error
        if (digest, len(data)) != (facts.sha256, facts.bytes):
            return CacheError(ErrorKind.IO, "the bytes are not those that were verified")
        entry = HeldEntry(*pending.entry)
        entry.data = data
        return entry

    def refresh(self, entry: Entry, *, fresh_until: float | None) -> None:
        """Do nothing: there is no stored response."""

    def acquire(self, key: Key, headers: tuple[tuple[str, str], ...]) -> Lease:
        """Grant a lease to every caller: another process could not hand its bytes over."""
        return Lease(ours=True)

    def release(self, lease: Lease) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Drop the bodies under way."""
        self.staging.clear()

    def cut_short(self) -> None:
        """Do nothing: nothing is evicted."""
