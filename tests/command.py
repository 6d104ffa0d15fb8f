"""Runs commands in this process, and the program in another."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from imgfetch.cli import main

if TYPE_CHECKING:
    import pytest

LOCAL = ["--allow-host", "127.0.0.1"]
"""Options that allow requests to the servers of the tests."""


class Ran:
    """A command that was run: its exit code and its output."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> None:
        capsys.readouterr()
        self.code = main(arguments)
        self.out, self.err = capsys.readouterr()
        self.lines = self.out.splitlines()

    @property
    def images(self) -> list[bytes]:
        """The contents of the files whose paths were printed."""
        return [Path(line).read_bytes() for line in self.lines]


def child(*arguments: str, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run the program in a process of its own; `given` is its standard input."""
    command = [sys.executable, "-m", "imgfetch", *arguments]
    return subprocess.run(command, capture_output=True, check=False, input=given)
