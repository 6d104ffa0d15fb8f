"""What an installation needs, held against what it has.

a version, a decoder's word, a cache ─▶ Finding: ok, missing, or a thing that is gone without
"""

from __future__ import annotations

import re
from enum import StrEnum
from itertools import zip_longest
from typing import NamedTuple


class Status(StrEnum):
    """What a finding comes to."""

    OK = "ok"
    MISSING = "missing"
    """It is needed, and images may fail, or harm be done, without it."""
    WITHOUT = "without"
    """It would be of use; all works without it."""
    TOLD = "told"
    """A fact, neither good nor bad."""


class Finding(NamedTuple):
    """One thing that was looked at."""

    topic: str
    name: str
    found: str | None
    """What there is; None where there is nothing."""
    status: Status = Status.TOLD
    needed: str = ""
    """What was held against it."""
    hint: str = ""
    """What to do, where something is missing."""


class Floor(NamedTuple):
    """From which version on a thing will do, before which one, and why."""

    least: str
    below: str = ""
    why: str = ""


FLOORS = {
    "Python": Floor("3.11"),
    "httpx": Floor("0.28", "1"),
    "h11": Floor("0.16", why="CVE-2025-43859"),
    "certifi": Floor("2024.7.4", why="CVE-2024-39689"),
    "idna": Floor("3.7", why="CVE-2024-3651"),
    "Pillow": Floor("12.3", "14", why="CVE-2026-40192"),
    "tenacity": Floor("9"),
    "rich": Floor("13"),
    "turbohtml": Floor("1.15", "2"),
    "ada-url": Floor("1.15", "5"),
    "webencodings": Floor("0.6"),
    "SQLite": Floor("3.35", why="ON CONFLICT without a target"),
    "libwebp": Floor("1.3.2", why="CVE-2023-4863"),
}
"""Of packages, what pyproject.toml asks for; what they bundle or stand on has no other place to ask in."""


def of_version(name: str, found: str | None, *, hint: str = "") -> Finding:
    """Hold the version of a thing against its floor; None is a thing that is not there, or is broken."""
    floor = FLOORS.get(name, Floor("0"))
    met = found is not None and _is_at_least(found, floor.least)
    met = met and not (floor.below and _is_at_least(found or "", floor.below))
    needed = f"{floor.least} or later" + f", before {floor.below}" * bool(floor.below)
    needed += f": {floor.why}" * bool(floor.why)
    status = Status.OK if met else Status.MISSING
    return Finding("versions", name, found, status, needed if name in FLOORS else "", "" if met else hint)


def _is_at_least(version: str, least: str) -> bool:
    pairs = zip_longest(_release(version), _release(least), fillvalue=0)
    return next((here > there for here, there in pairs if here != there), True)


def _release(version: str) -> list[int]:
    """The numbers that a version begins with: of `3.0.19 27 Jan 2026` the first three."""
    match = re.match(r"[0-9]{1,9}(?:\.[0-9]{1,9})*", version)
    return [int(number) for number in match[0].split(".")] if match else []
