"""The lead in a download: of all processes that want the same image, one fetches it, and the others wait.

    in turn ─▶ take ─▶ ours: look once more whether it is held by now; if not, the request
                 └──▶ another's: leave the turn ─▶ follow ─▶ look ─▶ a turn again, and the request

It saves work, and nothing rests on it. Who leads is waited for once: whatever becomes of it, whoever has
waited goes ahead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.engine.lookup import selector_of
from imgfetch.errors import CacheError
from imgfetch.rules.http import credentials

if TYPE_CHECKING:
    from imgfetch.engine.time_budget import TimeBudget
    from imgfetch.model.image import Requirements
    from imgfetch.model.request import Lease, Request
    from imgfetch.ports import Store


class LeaseHolder:
    """Who goes first with one request."""

    def __init__(self, store: Store, ask: Request, *, alone: bool) -> None:
        """`alone`: whatever others do."""
        self._store = store
        self._what = ask.key, _telling_apart(ask, store)
        self._lease: Lease | None = None
        self._alone = alone
        self._waits = True

    def acquire(self) -> bool:
        """Whether to go ahead with the request: nobody else makes it, or it has been waited for."""
        if self._alone:
            return True
        if self._lease is None or not self._lease.ours:
            self._lease = self._store.acquire(*self._what)
        return self._lease.ours or not self._waits

    async def wait_for_holder(self, budget: TimeBudget) -> bool:
        """Wait for who leads to be done, or to die; false where it still leads after half of what is left.

        Whoever takes over from one that has died is waited for as well: it has the same lease.
        """
        self._waits = False
        assert self._lease is not None  # noqa: S101 (it is another's)
        pause, ends, leader = _PAUSE, budget.remaining / 2, self._lease.holder
        while not self._lease.ours and self._lease.holder == leader:
            if budget.remaining < ends:
                return False
            await budget.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
            self._lease = self._store.acquire(*self._what)
        return True

    def release(self) -> None:
        """Let another have it."""
        if self._lease is not None:
            self._store.release(self._lease)


def _telling_apart(ask: Request, store: Store) -> tuple[tuple[str, str], ...]:
    """Return what tells requests for one key apart, without credentials: their hash stands for them."""
    try:
        selector = selector_of(ask, store)
    except CacheError:  # whatever it is, the request will meet it too
        selector = ""
    fields = credentials.unselecting(ask.headers, ask.secrets)
    return (*fields, ("", selector)) if selector else fields


class LeaseHolders:
    """The leads of one run."""

    def __init__(self, store: Store, *, sought: bool) -> None:
        self._store = store
        self._sought = sought
        self._alone = False

    def of(self, ask: Request, wanted: Requirements) -> LeaseHolder | None:
        """A lead in one request, to be released. None where none is sought, or nothing will be kept."""
        return LeaseHolder(self._store, ask, alone=self._alone) if self._sought and wanted.image else None

    def give_up(self) -> None:
        """Wait for nobody any more: who is waited for in vain once is not going to be done with the next."""
        self._alone = True


_PAUSE, _LONGEST_PAUSE = 0.02, 0.25
"""Seconds between two looks at who leads: at first, and at most."""
