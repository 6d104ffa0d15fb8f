"""What every test stands on."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from imgfetch.decode import extras
from imgfetch.demo import news
from imgfetch.store.disk_store import DiskStore
from origin import Origin, whole
from pictures import encoded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.model.image import Format


for setting in ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"):
    os.environ.pop(setting, None)  # children run as they do for those who have not set it
os.environ["XDG_CONFIG_HOME"] = "/nonexistent"  # who runs the tests may have a configuration


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
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    return tmp_path


@pytest.fixture
def origin() -> Iterator[Origin]:
    """An origin on the loopback interface that has nothing yet."""
    with Origin() as running:
        yield running


@pytest.fixture
def news_origin(home: Path) -> Iterator[Origin]:
    """The four renditions of the founding text, where it says they are; the text is in `news.txt`."""
    with Origin() as running:
        for width, path in news.PATHS.items():
            running.route(path, whole(encoded("webp", width, width * 9 // 16)))
        Path(home, "news.txt").write_text(news.text(running.url), encoding="utf-8")
        yield running


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A folder for a cache that is not there yet."""
    return tmp_path / "cache"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder for a disk store that is not there yet."""
    return tmp_path / "cache"


@pytest.fixture
def store(root: Path) -> Iterator[DiskStore]:
    """A disk store in `root` that does not wait for other processes."""
    with closing(DiskStore(root, busy_timeout=0.05)) as store:
        yield store


@pytest.fixture
def without_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no library of an extra be installed: JPEG XL and HEIC cannot be decoded."""

    def is_installed(form: Format) -> bool:
        return False

    monkeypatch.setattr(extras, "is_installed", is_installed)
