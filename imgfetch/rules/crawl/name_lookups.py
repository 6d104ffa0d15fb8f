"""Decide which name is resolved next: a few at once, fewer of one parent domain, without stuck ones.

waiting hosts, Running… ─▶ next_to_start ─▶ the position of a host in the queue, or None
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

AT_WORK = 8
"""Lookups at once, without stuck ones: when one gets stuck, a further one starts."""
AT_WORK_FOR_PARENT = 2
"""Lookups at once for names of one parent domain, without stuck ones."""
MOST = 64
"""Lookups at once, with stuck ones."""
MOST_FOR_PARENT = 8
"""Lookups at once for names of one parent domain, with stuck ones: its owner cannot use up all of `MOST`."""
STUCK = 1.0
"""Seconds after which a lookup is stuck. So the last of 64 starts after 7 s: before its caller gives up."""


class Running(NamedTuple):
    """A lookup in progress."""

    parent: str
    stuck: bool


def parent(host: str) -> str:
    """Return the last two labels of a host name."""
    return ".".join(host.lower().removesuffix(".").rsplit(".", 2)[-2:])


def next_to_start(waiting: Iterable[str], running: Collection[Running]) -> int | None:
    """Return the position in `waiting` of the first host that may be looked up now."""
    at_work = Counter(one.parent for one in running if not one.stuck)
    if len(running) >= MOST or at_work.total() >= AT_WORK:
        return None
    all_running = Counter(one.parent for one in running)
    for position, host in enumerate(waiting):
        domain = parent(host)
        if at_work[domain] < AT_WORK_FOR_PARENT and all_running[domain] < MOST_FOR_PARENT:
            return position
    return None
