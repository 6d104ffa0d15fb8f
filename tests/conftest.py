"""What every test stands on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory: an empty one, and no variable of ours is set."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("IMGFETCH_"):
            monkeypatch.delenv(name)
    return tmp_path
