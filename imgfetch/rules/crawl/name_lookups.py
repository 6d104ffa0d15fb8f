"""Which look-up of a name may start: a few at once, fewer for one parent domain, not counting stuck ones.

hosts that wait, Running… ─▶ next_to_start ─▶ the place of a host in the queue, or None
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

AT_WORK = 8
"""Look-ups at work at once. A stuck one no longer counts: another takes its place."""
AT_WORK_FOR_PARENT = 2
"""Look-ups at work at once for names of one parent domain."""
MOST = 64
"""Look-ups that run at once, stuck ones included."""
MOST_FOR_PARENT = 8
"""The same for names of one parent domain: whoever owns it cannot use up all of `MOST`."""
STUCK = 1.0
"""Seconds after which a look-up is stuck. So the last of 64 starts after 7 s: before its caller gives up."""


class Running(NamedTuple):
    """A look-up under way."""

    parent: str
    stuck: bool


def parent(host: str) -> str:
    """Return the last two labels of a host name."""
    return ".".join(host.lower().removesuffix(".").rsplit(".", 2)[-2:])


def next_to_start(waiting: Iterable[str], running: Collection[Running]) -> int | None:
    """Return the place of the first host among those `waiting` that may be looked up now."""
    at_work = Counter(one.parent for one in running if not one.stuck)
    if len(running) >= MOST or at_work.total() >= AT_WORK:
        return None
    all_running = Counter(one.parent for one in running)
    for place, host in enumerate(waiting):
        of = parent(host)
        if at_work[of] < AT_WORK_FOR_PARENT and all_running[of] < MOST_FOR_PARENT:
            return place
    return None
