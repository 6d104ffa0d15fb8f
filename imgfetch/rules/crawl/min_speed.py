"""Whether a body comes fast enough: a read that never waits long may still never end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.model.image import Defect
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    from imgfetch.model.request import Limits


class MinimumSpeed:
    """Holds a body to `lowest_speed`, in each `lowest_speed_time` anew. Times are of a clock never set."""

    def __init__(self, limits: Limits, *, now: float) -> None:
        self._lowest = limits.lowest_speed * limits.lowest_speed_time
        self._time = limits.lowest_speed_time
        self._began = now
        self._received = 0

    def feed(self, size: int, *, now: float) -> Defect | None:
        """Note that `size` bytes have come by `now`; say so where it goes too slowly."""
        self._received += size
        if now - self._began < self._time:
            return None
        if self._received < self._lowest:
            lowest = self._lowest / self._time
            return Defect(
                ErrorKind.TIMEOUT,
                f"too slow: {self._received:,} bytes in {now - self._began:.3g} s,"
                f" where {lowest:,.7g} bytes a second are the least",
                "lowest_speed",
            )
        self._began, self._received = now, 0
        return None
