"""The memory that all decodes of this process share.

take ──enough──▶ True: decode ─▶ give ─▶ every waiting caller is called, and calls take again
  └──too little──▶ False: the caller waits
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import Event, Lock
from typing import TYPE_CHECKING

from imgfetch.rules.image.decode_budget import fits, is_light

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imgfetch.model.image import DecodeLoad


class DecodeMemory:
    """An account of the bytes that decodes use. May be called from any thread.

    Each caller brings its own budget: clients of one process may have different ones.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._used = self._used_by_heavy = 0
        self._waiting: list[Callable[[], None]] = []

    @property
    def used(self) -> int:
        """Bytes in use by estimate."""
        return self._used

    def take(self, load: DecodeLoad, budget: int, retry: Callable[[], None]) -> bool:
        """Take memory and return True; with too little, return False and call `retry` at the next `give`."""
        with self._lock:
            if fits(load, budget, used=self._used, used_by_heavy=self._used_by_heavy):
                self._count(load, budget, 1)
                return True
            self._waiting.append(retry)
            return False

    def give(self, load: DecodeLoad, budget: int) -> None:
        """Give back the memory that was taken with the same `load` and `budget`."""
        with self._lock:
            self._count(load, budget, -1)
            waiting, self._waiting = self._waiting, []
        for retry in waiting:
            retry()

    @contextmanager
    def taken(self, load: DecodeLoad, budget: int) -> Iterator[None]:
        """Block until there is enough memory, and take it for the block."""
        event = Event()
        while not self.take(load, budget, event.set):
            event.wait()
            event.clear()
        try:
            yield
        finally:
            self.give(load, budget)

    def _count(self, load: DecodeLoad, budget: int, sign: int) -> None:
        self._used += sign * load.memory
        if not is_light(load, budget):
            self._used_by_heavy += sign * load.memory


OF_PROCESS = DecodeMemory()
