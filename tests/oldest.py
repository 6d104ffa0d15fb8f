"""Prints the oldest versions that pyproject.toml allows, as constraints for pip: `python tests/oldest.py`."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def oldest(requirements: list[str]) -> list[str]:
    """The constraint of each requirement: `pillow>=12.3,<14` gives `pillow==12.3`."""
    found = [re.fullmatch(r"([\w-]+)>=([\d.]+)(,<[\d.]+)?", requirement) for requirement in requirements]
    return [f"{match[1]}=={match[2]}" for match in found if match]


def requirements() -> list[str]:
    """What imgfetch needs to run."""
    found: list[str] = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]
    return found


if __name__ == "__main__":
    print("\n".join(oldest(requirements())))
