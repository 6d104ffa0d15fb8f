"""Configurations for tests to write."""

from __future__ import annotations

import os
from pathlib import Path


def of_user(text: str) -> Path:
    """Write the user's own configuration, and return its path; the fixture `home` says where that is."""
    file = Path(os.environ["XDG_CONFIG_HOME"], "imgfetch", "config.toml")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file
