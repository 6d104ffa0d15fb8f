"""Leases of downloads: one of the processes that want an image fetches it, and the others wait.

    slot ─▶ acquire ─▶ ours: look it up once more; on a miss, send the request
                └──▶ held by another process: give the slot back ─▶ wait_for_holder ─▶ look it up ─▶ slot

A lease only saves work; correctness does not rest on it. A process waits once for a download: whatever
the holder does, afterwards it sends the request itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from imgfetch.engine.lookup import selector_of
from imgfetch.errors import CacheError
from imgfetch.model.request import NO_SECRETS
from imgfetch.rules.http import credentials

if TYPE_CHECKING:
    from imgfetch.engine.limits.time_budget import TimeBudget
    from imgfetch.model.request import Fetch, Lease
    from imgfetch.ports import Leases, Store


class DownloadLeases:
    """The leases of one run."""

    def __init__(self, leases: Leases, store: Store, *, refresh: bool) -> None:
        """`refresh`: every request is sent, whatever other processes do."""
        self.leases = leases
        self.store = store
        self._refresh = refresh
        self.waits = True
        """Whether downloads wait for other processes; they do not any more once one has waited in vain."""

    def of(self, fetch: Fetch) -> DownloadLease:
        """Return a lease for one download, which the block releases at its end."""
        return DownloadLease(self, fetch, is_needed=fetch.wanted.image and not self._refresh)


class DownloadLease:
    """The lease of one download, acquired when its slot has come."""

    def __init__(self, run: DownloadLeases, fetch: Fetch, *, is_needed: bool) -> None:
        self.is_needed = is_needed
        """False where no other process can spare us the request: nothing is stored, or it is a refresh."""
        self._run = run
        self._fetch = fetch
        self._lease: Lease | None = None
        self._has_waited = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lease is not None:
            self._run.leases.release(self._lease)

    def acquire(self) -> bool:
        """Acquire the lease; False where another process holds it and is to be waited for."""
        if not self._run.waits:
            return True
        if self._lease is None or not self._lease.ours:
            self._lease = self._acquire()
        return self._lease.ours or self._has_waited

    async def wait_for_holder(self, budget: TimeBudget) -> None:
        """Wait until the holder releases the lease or dies; at most for half of the time that is left.

        A process that takes over from one that has died has the same lease: it is waited for as well.
        """
        self._has_waited = True
        lease = self._lease or self._acquire()
        pause, ends, holder = _PAUSE, budget.remaining / 2, lease.holder
        while not lease.ours and lease.holder == holder:
            if budget.remaining < ends:
                self._run.waits = False
                break
            await budget.sleep(pause)
            pause = min(pause * 1.5, _MAX_PAUSE)
            lease = self._lease = self._acquire()

    def _acquire(self) -> Lease:
        return self._run.leases.acquire(self._fetch.key, _selecting_fields(self._fetch, self._run.store))


def _selecting_fields(fetch: Fetch, store: Store) -> tuple[tuple[str, str], ...]:
    """Return the fields that tell requests for one key apart; a hash stands for credentials."""
    if fetch.secrets == NO_SECRETS:
        return fetch.request.headers
    try:
        selector = selector_of(fetch, store)
    except CacheError:  # the request will meet the same error, and report it
        selector = ""
    fields = credentials.unselecting(fetch.request.headers, fetch.secrets)
    return (*fields, ("", selector)) if selector else fields


_PAUSE, _MAX_PAUSE = 0.02, 0.25
"""Seconds between two attempts to acquire a lease that another process holds: the first, and at most."""
