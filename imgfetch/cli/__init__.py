"""The command line: arguments in, one line for each result out, and an exit code.

argv ─▶ fast_path ──a plain `get` of stored, fresh URLs──▶ paths
           └──▶ dispatch ─▶ options ─▶ a command's `run` ─▶ exit code

Every run imports this module and `fast_path`: both import as little as they can.
"""

from __future__ import annotations

import gc
import os
import sys

from imgfetch.cli.fast_path import answer

TYPE_CHECKING = False  # typing's own costs as much as all the rest
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn


def entry() -> NoReturn:
    """Run as a process: the console script, and `python -m imgfetch`.

    Modules stay imported, and the process frees the rest when it ends: searching both for reference cycles
    took a seventh of a short run. Only a program may change the collector's settings, not a library.
    """
    gc.set_threshold(50_000, *gc.get_threshold()[1:])
    try:
        code = _run(sys.argv[1:], as_a_process=True)
        _exit_if_decoding(code)
        sys.exit(code)
    finally:
        gc.freeze()  # the interpreter collects twice as it ends


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; no error reaches the user as a traceback."""
    return _run(sys.argv[1:] if argv is None else list(argv))


def _exit_if_decoding(code: int) -> None:
    """Exit at once if a decode is left that no caller waits for: decoding a frame cannot be interrupted."""
    threads = sys.modules.get("imgfetch.decode.decode_executor")
    if threads is None or not threads.is_decoding():
        return
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            try:
                stream.flush()
            except (OSError, ValueError):  # its reader has gone
                code = code or 1
    os._exit(code)


def _run(arguments: list[str], *, as_a_process: bool = False) -> int:
    try:
        paths = answer(arguments)
        for path in paths or ():
            print(path, flush=True)  # noqa: T201 (what `lines.result` does)
    except (Exception, KeyboardInterrupt) as error:
        from imgfetch.cli import dispatch

        return dispatch.report_error(error)
    if paths is not None:
        return 0
    from imgfetch.cli import dispatch
    from imgfetch.cli.process import signals

    if as_a_process:
        signals.install()
    return dispatch.run(arguments)
