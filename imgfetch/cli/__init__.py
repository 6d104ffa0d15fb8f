"""The command line: words in, one line for each result out, and an exit code.

argv ─▶ doorstep ──held, fresh, nothing special asked──▶ paths
           └──▶ program ─▶ options ─▶ a command's `run` ─▶ exit code

What is imported here, or by the doorstep, is paid for by every run: see `tests/test_doorstep.py`.
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

    What is imported stays, and what a run leaves is given back with the process: to search either for
    garbage in circles was a seventh of a short run. It is for a program to say so, and not for a library.
    """
    gc.set_threshold(50_000, *gc.get_threshold()[1:])
    try:
        code = _run(sys.argv[1:], as_a_process=True)
        _leave_decoders(code)
        sys.exit(code)
    finally:
        gc.freeze()  # the interpreter makes two searches of its own as it ends


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code; whatever happens, no traceback reaches the user."""
    return _run(sys.argv[1:] if argv is None else list(argv))


def _leave_decoders(code: int) -> None:
    """End at once where images are being decoded that no caller waits for: no frame can be interrupted."""
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

        return dispatch.ended_by(error)
    if paths is not None:
        return 0
    from imgfetch.cli import dispatch, signals

    if as_a_process:
        signals.heed()
    return dispatch.run(arguments)
