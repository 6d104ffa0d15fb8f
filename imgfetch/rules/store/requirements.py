"""Requirements of an installation, compared with what it has.

version, answer of a decoder, cache ─▶ Finding: ok, missing, or optional and absent
"""

from __future__ import annotations

import re
from enum import StrEnum
from itertools import zip_longest
from typing import NamedTuple


class Status(StrEnum):
    """The result of a comparison."""

    OK = "ok"
    MISSING = "missing"
    """Needed: without it images fail, or a known vulnerability stays open."""
    WITHOUT = "without"
    """Optional and absent: everything works without it."""
    TOLD = "told"
    """A fact without a requirement."""


class Finding(NamedTuple):
    """One comparison."""

    topic: str
    name: str
    found: str | None
    """The version or property found; None if there is none."""
    status: Status = Status.TOLD
    needed: str = ""
    """The requirement, in words."""
    hint: str = ""
    """The remedy, if something is missing."""


class Floor(NamedTuple):
    """The versions of a package that are accepted: from `least` on, before `below`, and the reason."""

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
    "markdown-it-py": Floor("3", "5"),
    "publicsuffixlist": Floor("1.0.0.20240620"),
    "tenacity": Floor("9"),
    "rich": Floor("13"),
    "turbohtml": Floor("1.15", "2"),
    "ada-url": Floor("1.15", "5"),
    "webencodings": Floor("0.6"),
    "SQLite": Floor("3.35", why="ON CONFLICT without a target"),
    "libwebp": Floor("1.3.2", why="CVE-2023-4863"),
}
"""The accepted versions: as in pyproject.toml for direct dependencies, and for what these bundle or need."""


def of_version(name: str, found: str | None, *, hint: str = "") -> Finding:
    """Compare a version with the accepted ones; None stands for a package that is absent or broken."""
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
    """Return the numbers that a version begins with: for `3.0.19 27 Jan 2026`, the first three."""
    match = re.match(r"[0-9]{1,9}(?:\.[0-9]{1,9})*", version)
    return [int(number) for number in match[0].split(".")] if match else []
