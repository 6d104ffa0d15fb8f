"""What every test stands on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from origin import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator
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


@pytest.fixture
def origin() -> Iterator[Origin]:
    """An origin on the loopback interface that has nothing yet."""
    with Origin() as running:
        yield running


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A folder for a cache that is not there yet."""
    return tmp_path / "cache"
