"""The minimum speed of a body: without it, a body in small pieces could take forever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.model.image import Defect
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    from imgfetch.model.request import Limits


class MinimumSpeed:
    """Checks that a body arrives at `lowest_speed`, in each period of `lowest_speed_time`.

    Times are in seconds of a monotonic clock.
    """

    def __init__(self, limits: Limits, *, now: float) -> None:
        self._lowest = limits.lowest_speed * limits.lowest_speed_time
        self._time = limits.lowest_speed_time
        self._began = now
        self._received = 0

    def feed(self, size: int, *, now: float) -> Defect | None:
        """Count `size` bytes that have come by `now`; return a Defect if the period was too slow."""
        self._received += size
        if now - self._began < self._time:
            return None
        if self._received < self._lowest:
            lowest = self._lowest / self._time
            return Defect(
                ErrorKind.TIMEOUT,
                f"too slow: {self._received:,} bytes in {now - self._began:.3g} s,"
                f" expected {lowest:,.7g} bytes a second",
                "lowest_speed",
            )
        self._began, self._received = now, 0
        return None
