"""A decoder in processes of its own: what an image does to it is done to nobody else.

    decode ─▶ an idle cell ─▶ the image into its memory ─▶ a line there ─▶ a line back ─▶ None │ Defect
                  ▲                                          └▶ dead, late or mad ─▶ Defect, and a new cell

There are two cells for each core, one for a light and one for a heavy image, each started when it is first
needed. A cell has limits of memory, of time
on the processor, of files and of processes, and none of our descriptors but two pipes and a copy of the
image; of what it says nothing is trusted but yes or no. It still has the rights of its user: it is a fence
against what goes wrong in a decoder, and no jail for what has taken one over.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import tempfile
from math import ceil
from queue import Empty, LifoQueue
from subprocess import DEVNULL, PIPE, Popen
from typing import TYPE_CHECKING

from imgfetch.errors import CacheError, printable
from imgfetch.model.image import Defect
from imgfetch.model.result import ErrorKind
from imgfetch.ports import ignore_warning, never_stop
from imgfetch.system.cores import usable_cores

if TYPE_CHECKING:
    from imgfetch.model.image import Format
    from imgfetch.model.request import Limits
    from imgfetch.model.values import Buffer
    from imgfetch.ports import Checkpoint, Warn


class SandboxedDecoder:
    """A `Decoder` whose images are decoded elsewhere. May be called from any thread that outlives its cells.

    `limits` are those of the images to come: a cell has memory for the largest of them. `seconds` is how
    long one may take on the processor, and `budget` how long in all. `cell` is the module that is run.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        seconds: int = 60,
        budget: float = 240,
        cell: str = "imgfetch.decode.sandbox_worker",
    ) -> None:
        self._cells: LifoQueue[_Worker] = LifoQueue()  # the one used last is the one whose memory is warm
        self._number = 2 * usable_cores()
        for _ in range(self._number):
            self._cells.put(_Worker(cell, _memory_for(limits), seconds, budget))

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
        """Decode every frame as `format`; say what was wrong, or None. Raises `CacheError` without a cell.

        Where `checkpoint` raises, the cell is killed, in the middle of a frame too.
        """
        cell = self._idle_cell(checkpoint)
        try:
            words = (
                len(data),
                format,
                limits.max_pixels,
                limits.max_total_pixels,
                limits.max_frames,
                int(thorough),
            )
            answer = cell.decode(data, " ".join(map(str, words)).encode() + b"\n", checkpoint)
        except OSError as error:
            cell.stop()
            raise CacheError(ErrorKind.IO, f"cannot decode in a sandbox: {error}") from error
        except BaseException:
            cell.stop()
            raise
        finally:
            self._cells.put(cell)
        return answer if isinstance(answer, Defect) else _warned(answer, warn)

    def _idle_cell(self, checkpoint: Checkpoint) -> _Worker:
        """Wait for a cell that decodes nothing."""
        while True:
            try:
                return self._cells.get(timeout=_BETWEEN_CHECKS)
            except Empty:
                checkpoint()

    def close(self) -> None:
        """Wait for what is under way, and end every process."""
        for _ in range(self._number):
            self._cells.get().stop()


def _memory_for(limits: Limits) -> int:
    """Bytes of address space: what Python and the decoders take, and the largest image a few times over.

    An animated WebP has two canvases of 4 bytes a pixel and hands out a third; a progressive JPEG and an
    AVIF of many bits come close. No cell gets an image that needs more than the budget for all decodes.
    """
    pixels = min(16 * limits.max_pixels, limits.decode_memory)
    return min(256_000_000 + limits.max_bytes + pixels, 2**62)  # setrlimit takes no more


class _Worker:
    """A process, or the place for one."""

    def __init__(self, module: str, memory: int, seconds: int, budget: float) -> None:
        self._module = module
        self._bounds = (memory, seconds)
        self._patience = budget
        self._process: Popen[bytes] | None = None
        self._memory = -1

    def decode(self, data: Buffer, question: bytes, checkpoint: Checkpoint) -> Defect | str:
        """Put an image into the cell, and the question what is wrong with it; return what it answers."""
        if self._process is None or self._process.poll() is not None:
            self._start()
        assert self._process is not None  # noqa: S101 (it was started)
        assert self._process.stdin is not None  # noqa: S101 (a pipe)
        _write(self._memory, data)
        self._process.stdin.write(question)
        try:
            answer = self._hear(checkpoint)
        except TimeoutError:
            self.stop()
            return Defect(ErrorKind.CORRUPT, f"decoding it took more than {self._patience:g} s")
        if answer is None:
            return Defect(ErrorKind.CORRUPT, self._cause_of_death())
        os.ftruncate(self._memory, 0)
        return answer

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
            self._process = Popen(  # noqa: S603 (it is ourselves)
                [sys.executable, "-B", "-P", "-W", "ignore", "-m", self._module]
                + [str(number) for number in (memory, *self._bounds, os.getpid())],
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                bufsize=0,
                pass_fds=[memory],
                cwd="/",
                env=_environment(),
                start_new_session=True,  # what is typed at the terminal is for us to act on
            )
        except BaseException:
            os.close(memory)
            raise
        self._memory = memory
        if self._hear() != "ready":
            self.stop()
            raise OSError("its process does not start")

    def _hear(self, checkpoint: Checkpoint = never_stop) -> str | None:
        """Read the next line; None where the process ends, or says something else. Raises `TimeoutError`."""
        assert self._process is not None  # noqa: S101 (it was started)
        assert self._process.stdout is not None  # noqa: S101 (a pipe)
        waiting = select.poll()
        waiting.register(self._process.stdout, select.POLLIN)
        for _ in range(ceil(self._patience / _BETWEEN_CHECKS)):
            if waiting.poll(1000 * _BETWEEN_CHECKS):
                break
            checkpoint()
        else:
            raise TimeoutError("its process is silent")
        said = self._process.stdout.read(_LONGEST) or b""  # a pipe does not take so short a line apart
        return said[:-1].decode("utf-8", "replace") if said.endswith(b"\n") else None

    def _cause_of_death(self) -> str:
        """What ended the process, or why we end it."""
        assert self._process is not None  # noqa: S101 (it was asked)
        process = self._process
        self.stop()
        _, seconds = self._bounds
        if process.returncode == -signal.SIGXCPU:
            return f"decoding it took more than {seconds} s on the processor"
        died = -process.returncode
        return f"the decoder crashed ({signal.Signals(died).name if died > 0 else f'exit code {-died}'})"


_BETWEEN_CHECKS = 0.1
"""Seconds of waiting for a cell after which the caller's checkpoint is asked again."""

_LONGEST = 4_096
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(1 << 25), "MALLOC_TRIM_THRESHOLD_": str(1 << 26)}
"""What glibc keeps for the next image: to give a canvas back after each costs a third more of the time."""


def _warned(answer: str, warn: Warn) -> Defect | None:
    """Pass on a warning, and return what a cell says is wrong.

    An image may have taken the cell over, and may say anything.
    """
    if not answer:
        return None
    reason, _, message = answer.partition(" ")
    if reason == "warning":
        warn(printable(message)[:300])
        return None
    known = reason in (
        ErrorKind.CORRUPT,
        ErrorKind.TRUNCATED,
        ErrorKind.TOO_MANY_PIXELS,
        ErrorKind.TOO_MANY_FRAMES,
    )
    return Defect(ErrorKind(reason) if known else ErrorKind.CORRUPT, printable(message)[:300])


def _environment() -> dict[str, str]:
    """Where our modules are, and nothing that a decoder has no need to know."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if name in os.environ}
    path = os.pathsep.join(map(os.path.abspath, sys.path))
    return {**kept, **_MALLOC, "PYTHONPATH": path, "PYTHONUTF8": "1"}


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
