"""The configuration files: one of the user, and one of the current directory."""

from __future__ import annotations

import os
import stat

FOLDER_FILES = ("imgfetch.toml", "pyproject.toml")
"""The files of the current directory that may have settings; the second is read without the first."""

LARGEST = 1_000_000
"""Bytes of a configuration. One byte more of a larger file is read, to detect it."""


def of_user() -> tuple[str, bytes] | None:
    """Return the name and the contents of the user's configuration; None without one."""
    name = user_file()
    return None if name is None else _read(name)


def user_file() -> str | None:
    """Return the path of the user's configuration (XDG Base Directory); None without a home directory."""
    folder = os.environ.get("XDG_CONFIG_HOME", "")
    if not folder.startswith("/"):  # the standard ignores a relative path
        folder = os.path.expanduser("~/.config")  # noqa: PTH111 (pathlib is slow to import)
    return f"{folder}/imgfetch/config.toml" if folder.startswith("/") else None


def of_folder() -> tuple[str, bytes] | None:
    """Return the name and the contents of the current directory's file with settings; None without one."""
    found = _read(FOLDER_FILES[0])
    if found is not None:
        return found
    found = _read(FOLDER_FILES[1])
    return found if found is not None and b"tool.imgfetch" in found[1] else None


def _read(name: str) -> tuple[str, bytes] | None:
    """Return the name and the first bytes of a regular file; a pipe in its place does not block."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK)
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return name, os.read(descriptor, LARGEST + 1)
    except OSError:
        return None
    finally:
        os.close(descriptor)
