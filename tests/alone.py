"""imgfetch on the command line, each command in a process of its own, and what it took.

    commands ─▶ a process that has imported imgfetch ─▶ a copy of it for each ─▶ output, time, memory

A copy costs a tenth of a new interpreter, so every fault of the list can be met alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from importlib import import_module
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, NamedTuple, NoReturn, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import BinaryIO


class Ran(NamedTuple):
    """A command that was run."""

    code: int
    out: str
    err: str
    seconds: float
    """From its beginning to its end; how long Python takes to start is not in it."""
    peak: int
    """Bytes of memory that were resident at most."""


class Alone:
    """A context manager that runs commands one after the other; `anew`, each in a new interpreter."""

    def __init__(self, *, anew: bool = False) -> None:
        self._anew = anew

    def __enter__(self) -> Self:
        command = [sys.executable, __file__, "anew" if self._anew else "copied"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def run(self, *arguments: str) -> Ran:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(arguments) + "\n")
        self._process.stdin.flush()
        return Ran(*json.loads(self._process.stdout.readline()))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._process:  # closes its standard input, and waits
            pass


def _serve() -> None:
    for name in _NEEDED if sys.argv[1] == "copied" else ():
        import_module(f"imgfetch.{name}")
    for line in sys.stdin:
        with TemporaryFile() as out, TemporaryFile() as err:
            began = time.monotonic()
            child = os.fork()
            if child == 0:
                _be(json.loads(line), out, err)
            _, status, usage = os.wait4(child, 0)
            seconds = time.monotonic() - began
            said = [_read(out), _read(err)]
        code = os.waitstatus_to_exitcode(status)
        print(json.dumps([code, *said, seconds, usage.ru_maxrss * 1024]), flush=True)  # KB, on Linux


_NEEDED = (
    "cli.commands.get",
    "cli.process.run_async",
    "api.runtime",
    "http.pool",
    "decode.pillow",
    "engine.concurrency",
)


def _be(arguments: Sequence[str], out: BinaryIO, err: BinaryIO) -> NoReturn:
    code = 70
    try:
        for number, file in ((0, None), (1, out), (2, err)):
            os.dup2(os.open(os.devnull, os.O_RDONLY) if file is None else file.fileno(), number)
        if sys.argv[1] == "anew":
            os.execv(sys.executable, [sys.executable, "-m", "imgfetch", *arguments])
        code = import_module("imgfetch.cli").main(arguments)
        sys.stdout.flush()
    finally:
        os._exit(code)


def _read(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode()


if __name__ == "__main__":
    _serve()
