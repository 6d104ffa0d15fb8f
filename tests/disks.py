"""Stores on a disk: the processes that open one, the calls that these make, and the disks that they fill."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from imgfetch.errors import CacheError
from imgfetch.store import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imgfetch.model.result import ErrorKind
    from imgfetch.store.disk_store import DiskStore


ROUNDS = int(os.environ.get("IMGFETCH_CRASH_ROUNDS", "20"))
"""Times that a writer is killed; more make the search for a bad instant longer."""

HERE = Path(__file__).parent


def fails(reason: ErrorKind, work: Callable[[], object], *named: object) -> str:
    """Check that `work` fails for that reason, in one line that names these things."""
    with pytest.raises(CacheError) as caught:
        work()
    text = str(caught.value)
    assert caught.value.kind is reason, text
    assert text.isprintable()
    for thing in named:
        assert str(thing) in text
    return text


def tree(folder: Path) -> dict[str, bytes | None]:
    """Return everything below a folder, with the bytes of its files."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def all_whole(store: DiskStore) -> bool:
    return all(checked.problem is None for checked in store.verify(deep=True))


def open_descriptors() -> set[int]:
    return {int(path.name) for path in Path("/proc/self/fd").iterdir() if path.exists()}


def index_of(root: Path) -> Path:
    return root / layout.INDEX


def overwrite(path: Path, data: bytes, at: int = 0) -> None:
    """Change some bytes of a file, at a later time than it was written by the clock of any file system."""
    before = path.stat().st_mtime_ns
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)
    os.utime(path, ns=(before, before + 1))


_CHILD = """
    import random, sys
    sys.path.insert(0, {tests!r})
    from imgfetch.store.disk_store import DiskStore
    from keeping import *
    store = DiskStore(sys.argv[1])
"""


def child(code: str, *arguments: object, wrapped_in: tuple[str, ...] = ()) -> list[str]:
    """Return the command that runs `code` with `store` open on the cache named first."""
    program = textwrap.dedent(_CHILD).format(tests=str(HERE)) + textwrap.dedent(code)
    return [*wrapped_in, sys.executable, "-B", "-c", program, *map(str, arguments)]


def strace(*options: str) -> tuple[str, ...]:
    """Return how to run a command under strace; skip the test if that is not possible."""
    path = shutil.which("strace")
    works = path and subprocess.run([path, "-o", "/dev/null", "true"], check=False, capture_output=True)
    if not works or works.returncode != 0:
        reason = "install strace (apt-get install strace), and allow it to trace"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return (str(path), "-f", "-qq", *options)


@contextmanager
def mounted(where: Path, *options: str) -> Iterator[None]:
    """Mount a file system for the test; skip the test if that is not permitted."""
    where.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *options, str(where)], check=False, capture_output=True)
    if done.returncode != 0:
        pytest.skip("only root may mount a file system to fill or to write-protect")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True)
