"""The process in the sandbox: it decodes the image in one file, and can do little else.

    standard input ─▶ length, format, limits ─▶ decode ─▶ standard output: an empty line │ word and message

The word is the reason why the image is refused, or `warning`.

The process has its standard streams and the file, and ends with its parent. `sandbox` starts it.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from mmap import ACCESS_COPY, mmap
from typing import TYPE_CHECKING, Protocol

from imgfetch.decode.pillow import PillowDecoder, load_plugins
from imgfetch.model.image import Defect, Format
from imgfetch.model.request import Limits
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.model.values import Buffer
    from imgfetch.ports import Warn

MEMORY = 3
"""The descriptor of the file that holds the image."""


def main() -> None:
    """Decode with Pillow."""
    serve(PillowDecoder().decode, load_plugins)


class Decode(Protocol):
    """Decodes one image in this process."""

    def __call__(
        self, data: Buffer, form: Format, limits: Limits, /, *, thorough: bool, warn: Warn
    ) -> Defect | None:
        """Decode every frame; return what was wrong, or None."""


def serve(decode: Decode, load: Callable[[], None], *, has_threads: bool = False) -> None:
    """Respond to each request line until the input ends; `load` imports what `decode` needs."""
    descriptor, memory, seconds, parent = map(int, sys.argv[1:])
    _confine(descriptor, memory, parent, load, has_threads=has_threads)
    os.write(1, b"ready\n")
    for line in sys.stdin:
        spent = resource.getrusage(resource.RUSAGE_SELF)
        most = int(spent.ru_utime + spent.ru_stime) + 1 + seconds
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (_lower(most, hard), hard))
        warnings: list[str] = []
        defect = _decode(decode, *line.split(), warn=warnings.append)
        response = f"{defect.kind} {defect.message}" if defect else ""
        if warnings and not defect:
            response = f"warning {warnings[0]}"
        os.write(1, response.encode() + b"\n")


def _decode(
    decode: Decode,
    length: str,
    form: str,
    max_pixels: str,
    max_total_pixels: str,
    max_frames: str,
    thorough: str,
    *,
    warn: Warn,
) -> Defect | None:
    limits = Limits(
        max_pixels=int(max_pixels), max_total_pixels=int(max_total_pixels), max_frames=int(max_frames)
    )
    try:
        with mmap(MEMORY, int(length), access=ACCESS_COPY) as data:
            return decode(data, Format(form), limits, thorough=thorough == "1", warn=warn)
    except MemoryError:
        return Defect(ErrorKind.TOO_MANY_PIXELS, "not enough memory to decode it")


def _confine(
    descriptor: int, memory: int, parent: int, load: Callable[[], None], *, has_threads: bool
) -> None:
    """Give up every right that decoding does not need."""
    _die_with(parent)
    load()  # no file can be opened later
    if descriptor != MEMORY:
        os.dup2(descriptor, MEMORY)
        os.close(descriptor)
    for limit, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_NOFILE, MEMORY + 2),  # one to map the file
        (resource.RLIMIT_FSIZE, 0),
        *(() if has_threads else ((resource.RLIMIT_NPROC, 0),)),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(limit)
        resource.setrlimit(limit, (_lower(most, hard),) * 2)


def _lower(most: int, hard: int) -> int:
    """Return the lower of two limits: a process may not raise its hard limit."""
    return most if hard == resource.RLIM_INFINITY else min(most, hard)


def _die_with(parent: int) -> None:
    """On Linux, end as soon as the parent has ended, in the middle of an image too.

    Elsewhere the image is decoded to its end, and then there is no more input.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)  # no network either, if the system permits it
    if os.getppid() != parent:
        sys.exit()


_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000

if __name__ == "__main__":
    main()
