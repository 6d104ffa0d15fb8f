"""imgfetch as a process of its own, which a test may interrupt and never leaves behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`imgfetch …` under way, killed at the end of the block if it still is."""
    process = subprocess.Popen(
        [sys.executable, "-m", "imgfetch", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in the background has them, and all they start, ignore SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with process:
        try:
            yield process
        finally:
            process.kill()
