"""A decoder in worker processes: an image that crashes its decoder costs that image, and not the run.

    decode ─▶ an idle worker ─▶ the image into its file ─▶ a request line ─▶ a response line ─▶ None │ Defect
                  ▲                                          └▶ dead, late or invalid ─▶ Defect, new process

There are two workers for each core, one for a light and one for a heavy image. Each process starts when it is
first needed. It has limits of memory, processor time, files and processes, and no descriptors but two pipes
and a copy of the image; only the verdict in its responses is used. It still has the rights of its user: the
sandbox contains the failure of a decoder, and not an attack that controls one.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import tempfile
from contextlib import suppress
from math import ceil
from queue import Empty, LifoQueue
from subprocess import DEVNULL, PIPE, Popen
from typing import TYPE_CHECKING

from imgfetch.decode.extras import EXTRAS, is_installed, missing
from imgfetch.errors import CacheError, printable
from imgfetch.model.image import Defect
from imgfetch.model.result import ErrorKind
from imgfetch.ports import ignore_warning, never_stop
from imgfetch.system.cores import usable_cores

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from imgfetch.model.image import Format
    from imgfetch.model.request import Limits
    from imgfetch.model.values import Buffer
    from imgfetch.ports import Checkpoint, Warn

    Elsewhere: TypeAlias = Callable[[Buffer, Format, Limits, Checkpoint, Warn], Defect | None]


class SandboxedDecoder:
    """A `Decoder` in worker processes. May be called from any thread that outlives the workers.

    `limits` bound the images, and so the memory of a worker. `seconds` is the processor time of an image, and
    `budget` its time in all, in seconds. `worker` is the module that a process runs. `elsewhere` decodes the
    formats of extras.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        seconds: int = 60,
        budget: float = 240,
        worker: str = "imgfetch.decode.sandbox_worker",
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self._elsewhere = elsewhere
        self._idle: LifoQueue[_Worker] = LifoQueue()  # the memory of the worker used last is warm
        self._number = 2 * usable_cores()
        for _ in range(self._number):
            self._idle.put(_Worker(worker, _memory_for(limits), seconds, budget))

    def decode(
        self,
        data: Buffer,
        format: Format,  # noqa: A002 (the port's word)
        limits: Limits,
        *,
        thorough: bool = False,
        checkpoint: Checkpoint = never_stop,
        warn: Warn = ignore_warning,
    ) -> Defect | None:
        """Decode every frame as `format`; return what was wrong, or None.

        If `checkpoint` raises, the worker is killed, in the middle of a frame too. Raises `CacheError` if no
        worker can be started.
        """
        if self._elsewhere is not None and format in EXTRAS:
            return self._elsewhere(data, format, limits, checkpoint, warn)
        worker = self._idle_worker(checkpoint)
        try:
            words = (
                len(data),
                format,
                limits.max_pixels,
                limits.max_total_pixels,
                limits.max_frames,
                int(thorough),
            )
            response = worker.decode(data, " ".join(map(str, words)).encode() + b"\n", checkpoint)
        except OSError as error:
            worker.stop()
            raise CacheError(ErrorKind.IO, f"cannot decode in a sandbox: {error}") from error
        except BaseException:
            worker.stop()
            raise
        finally:
            self._idle.put(worker)
        return response if isinstance(response, Defect) else _defect_of(response, warn)

    def _idle_worker(self, checkpoint: Checkpoint) -> _Worker:
        """Wait for a worker that decodes nothing."""
        while True:
            try:
                return self._idle.get(timeout=_BETWEEN_CHECKS)
            except Empty:
                checkpoint()

    def lack(self, form: Format) -> Defect | None:
        """Return the defect of every image of a format that needs an extra; None if it can be decoded."""
        return missing(form) if form in EXTRAS and not is_installed(form) else None

    def end_idle(self) -> None:
        """End every process that decodes nothing now; it starts again when it is needed."""
        idle: list[_Worker] = []
        with suppress(Empty):
            while len(idle) < self._number:
                idle.append(self._idle.get_nowait())
        for worker in idle:
            worker.stop()
            self._idle.put(worker)

    def close(self) -> None:
        """Wait for the running decodes, then end every process."""
        for _ in range(self._number):
            self._idle.get().stop()


def _memory_for(limits: Limits) -> int:
    """Return the address space of a worker in bytes: for Python, the decoders and the largest image.

    An animated WebP has two canvases of 4 bytes a pixel and returns a third; a progressive JPEG and an AVIF
    of many bits come close. No worker gets an image that needs more than the budget for all decodes.
    """
    pixels = min(16 * limits.max_pixels, limits.decode_memory)
    return min(256_000_000 + limits.max_bytes + pixels, 2**62)  # setrlimit takes no more


class _Worker:
    """A worker: its process, if one is running, and its limits."""

    def __init__(self, module: str, memory: int, seconds: int, budget: float) -> None:
        self._module = module
        self._bounds = (memory, seconds)
        self._budget = budget
        self._process: Popen[bytes] | None = None
        self._memory = -1

    def decode(self, data: Buffer, request: bytes, checkpoint: Checkpoint) -> Defect | str:
        """Give the process an image and a request line; return its response, or the defect that ended it."""
        if self._process is None or self._process.poll() is not None:
            self._start()
        assert self._process is not None  # noqa: S101 (it was started)
        assert self._process.stdin is not None  # noqa: S101 (a pipe)
        _write(self._memory, data)
        self._process.stdin.write(request)
        try:
            response = self._read_line(checkpoint)
        except TimeoutError:
            self.stop()
            return Defect(ErrorKind.CORRUPT, f"decoding it took more than {self._budget:g} s")
        if response is None:
            return Defect(ErrorKind.CORRUPT, self._cause_of_death())
        os.ftruncate(self._memory, 0)
        return response

    def stop(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        with process:  # which closes the pipes, and waits
            os.close(self._memory)

    def _start(self) -> None:
        """Start a process, and wait until it can decode. Raises `OSError`."""
        self.stop()
        memory = _anonymous_file()
        try:
            self._process = Popen(  # noqa: S603 (our own module)
                [sys.executable, "-B", "-P", "-W", "ignore", "-m", self._module]
                + [str(number) for number in (memory, *self._bounds, os.getpid())],
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                bufsize=0,
                pass_fds=[memory],
                cwd="/",
                env=_environment(),
                start_new_session=True,  # signals of the terminal are for this process alone
            )
        except BaseException:
            os.close(memory)
            raise
        self._memory = memory
        if self._read_line() != "ready":
            self.stop()
            raise OSError("its process does not start")

    def _read_line(self, checkpoint: Checkpoint = never_stop) -> str | None:
        """Return the next line; None if the process ends or writes something else. Raises `TimeoutError`."""
        assert self._process is not None  # noqa: S101 (it was started)
        assert self._process.stdout is not None  # noqa: S101 (a pipe)
        waiting = select.poll()
        waiting.register(self._process.stdout, select.POLLIN)
        for _ in range(ceil(self._budget / _BETWEEN_CHECKS)):
            if waiting.poll(1000 * _BETWEEN_CHECKS):
                break
            checkpoint()
        else:
            raise TimeoutError("its process does not respond")
        line = self._process.stdout.read(_MAX_LINE) or b""  # a pipe does not split so short a line
        return line[:-1].decode("utf-8", "replace") if line.endswith(b"\n") else None

    def _cause_of_death(self) -> str:
        """Return the reason why the process ended, or is ended."""
        assert self._process is not None  # noqa: S101 (it was asked)
        process = self._process
        self.stop()
        _, seconds = self._bounds
        if process.returncode == -signal.SIGXCPU:
            return f"decoding it took more than {seconds} s on the processor"
        died = -process.returncode
        return f"the decoder crashed ({signal.Signals(died).name if died > 0 else f'exit code {-died}'})"


_BETWEEN_CHECKS = 0.1
"""Seconds between two calls of the caller's checkpoint."""

_MAX_LINE = 4_096
"""Bytes of a response line."""
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(1 << 25), "MALLOC_TRIM_THRESHOLD_": str(1 << 26)}
"""Memory that glibc keeps for the next image: to return a canvas after each takes a third more time."""


def _defect_of(response: str, warn: Warn) -> Defect | None:
    """Return the defect in a response, and pass on a warning.

    An image may control the worker, so the response may be any text.
    """
    if not response:
        return None
    reason, _, message = response.partition(" ")
    if reason == "warning":
        warn(printable(message)[:300])
        return None
    known = reason in (
        ErrorKind.CORRUPT,
        ErrorKind.TRUNCATED,
        ErrorKind.TOO_MANY_PIXELS,
        ErrorKind.TOO_MANY_FRAMES,
        ErrorKind.UNSUPPORTED_FORMAT,
    )
    return Defect(ErrorKind(reason) if known else ErrorKind.CORRUPT, printable(message)[:300])


def _environment() -> dict[str, str]:
    """Return the environment of a worker: the paths of modules and libraries, and no more."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if name in os.environ}
    path = os.pathsep.join(map(os.path.abspath, sys.path))
    return {**kept, **_MALLOC, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": path, "PYTHONUTF8": "1"}


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("imgfetch")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _write(descriptor: int, data: Buffer) -> None:
    with memoryview(data) as view:
        written = 0
        while written < len(view):
            written += os.pwrite(descriptor, view[written:], written)
