"""The number of cores that this process may use, by its affinity and by the quota of its container.

    sched_getaffinity ─┐
    cgroup: cpu.max, or cpu.cfs_quota_us ─┴▶ the smallest, and at least 1

`os.cpu_count` counts the cores of the machine: a container of one core on a machine of 64 would start 64
decoders.
"""

from __future__ import annotations

import os
from functools import cache
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@cache
def usable_cores() -> int:
    """Return the number of cores to decode on, looked up once for the process."""
    return cores(_affinity(), Path("/"))


def cores(affinity: int, root: Path) -> int:
    """Return the smaller of the number of cores in `affinity` and the quotas found under `root`."""
    quotas = [ceil(quota) for quota in _quotas(root)]
    return max(1, min([affinity, *quotas]))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(root: Path) -> Iterator[float]:
    """Yield the quota in cores of each control group of this process, and of the groups that contain it."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if number == "0" and not controllers:
            for folder in _around(root / "sys/fs/cgroup", group):
                yield from _quota(*_read(folder / "cpu.max").split())
        elif "cpu" in controllers.split(","):
            for mount in (controllers, "cpu"):
                for folder in _around(root / "sys/fs/cgroup" / mount, group):
                    quota, period = (_read(folder / f"cpu.cfs_{each}_us") for each in ("quota", "period"))
                    yield from _quota(quota, period)


def _around(mount: Path, group: str) -> Iterator[Path]:
    """Yield the folders of a group and of the groups that contain it. A container sees its own as root."""
    parts = [part for part in group.split("/") if part not in ("", "..")]
    for length in range(len(parts), -1, -1):
        yield mount.joinpath(*parts[:length])


def _quota(*words: str) -> Iterator[float]:
    """Yield the quota in cores; nothing without a quota: `max`, or -1."""
    try:
        quota, period = map(int, words)
    except ValueError:
        return
    if quota > 0 and period > 0:
        yield quota / period


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""
