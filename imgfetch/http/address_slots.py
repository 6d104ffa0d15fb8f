"""The limit of connections to one address, whatever names lead there.

    Slot.take ─▶ a slot is free ─▶ the connection ─▶ Slot.release ─▶ the next that waits is called
             ├▶ an idle connection holds one ─▶ it is closed, and its slot taken over
             └▶ neither ─▶ `AddressBusy`: the engine gives its turn back, waits, and tries again

An address is known only when a connection is made: after the host's turn has come, and after its name was
looked up. Waiting here would hold that turn, and spend the time budget of the image.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from typing import TYPE_CHECKING

from imgfetch.ports import AddressBusy
from imgfetch.rules.crawl.address_table import canonical

if TYPE_CHECKING:
    from collections.abc import Callable


class AddressSlots:
    """The slots of all addresses that one transport connects to."""

    def __init__(self, limit: int, idle: Callable[[str], Slot | None]) -> None:
        """`idle` returns the slot of an idle connection to an address, or None."""
        self.limit = limit
        self.idle = idle
        self.used: Counter[str] = Counter()
        self.waiting: dict[str, deque[asyncio.Future[None]]] = {}

    def slot(self) -> Slot:
        """Return a slot for a connection that is about to be made; it does not count yet."""
        return Slot(self)

    def call(self, address: str) -> None:
        """Let the first caller that waits for an address try again."""
        waiting = self.waiting.get(address)
        while waiting:
            first = waiting.popleft()
            if not first.done():
                first.set_result(None)
                break
        if waiting is not None and not waiting:
            del self.waiting[address]

    def has_free_slot(self, address: str) -> bool:
        """Return whether a connection to an address may be made now."""
        return self.used[address] < self.limit or self.idle(address) is not None


class Slot:
    """The part of one connection in the limit of its address."""

    def __init__(self, slots: AddressSlots) -> None:
        self._slots = slots
        self.address = ""
        """The address that the connection counts for; empty if it does not count."""
        self.close: Callable[[], asyncio.Future[None]]
        """Closes the connection, once there is one; returns a future that is done when it is closed."""

    async def take(self, address: str) -> bool:
        """Count for an address from now on; return False if it has as many connections as it may have."""
        address = canonical(address)
        slots = self._slots
        if slots.used[address] < slots.limit:
            slots.used[address] += 1
            self.address = address
            return True
        other = slots.idle(address)
        if other is None:
            return False
        other.address, self.address = "", address
        await asyncio.wait([other.close()])  # a caller that is cancelled must not cancel the closing
        return True

    def release(self) -> None:
        """Stop counting for the address."""
        address, self.address = self.address, ""
        if not address:
            return
        self._slots.used[address] -= 1
        if not self._slots.used[address]:
            del self._slots.used[address]
        self._slots.call(address)

    def offer(self) -> None:
        """Let a caller that waits for this address close the connection for its own."""
        if self._slots.waiting:
            self._slots.call(self.address)

    def busy(self, address: str) -> AddressBusy:
        """Return the exception for an address at its limit."""
        return _Busy(self._slots, canonical(address))


class _Busy(AddressBusy):
    def __init__(self, slots: AddressSlots, address: str) -> None:
        super().__init__(f"{address} has {slots.limit} connections, which is the limit")
        self._slots = slots
        self._address = address

    async def wait(self) -> None:
        if self._slots.has_free_slot(self._address):
            return  # a slot came free meanwhile
        called = asyncio.get_running_loop().create_future()
        self._slots.waiting.setdefault(self._address, deque()).append(called)
        try:
            await called
        except asyncio.CancelledError:
            if called.done() and not called.cancelled():
                self.pass_on()
            raise

    def pass_on(self) -> None:
        if self._address in self._slots.waiting and self._slots.has_free_slot(self._address):
            self._slots.call(self._address)
