"""The warnings of libjpeg, read from the error manager inside a JPEG decoder of Pillow.

    a decoder of Pillow ─▶ its context ─▶ jpeg_error_mgr ─▶ Warnings(count, extraneous bytes, marker)

libjpeg repairs damaged data without an error: it counts a warning and goes on. Pillow neither reports these
warnings nor clears the count. A second decode is not needed to learn of them, nor is a function of libjpeg:
the count is two pointers away from the decoder object.

Offsets are not assumed. `WarningCounter.of_pillow` finds them once in a process, in a decoder that has read
a sample: it looks for a structure that points into itself and has a table with libjpeg's messages. It copies
memory through a pipe, so that an address that is not mapped is an error of `write` and not a crash. The
offsets are trusted only if they give the right counts for an undamaged and two damaged samples. Where any of
this fails (PyPy, a later Pillow), no warnings are read, and `imgfetch doctor` says so.

`jpeg_error_mgr` is the same in libjpeg 6b to 9, libjpeg-turbo and mozjpeg (jpeglib.h).
"""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import contextmanager
from ctypes import c_int, c_long, c_size_t, c_ssize_t, c_void_p, sizeof
from functools import cache
from struct import iter_unpack
from typing import TYPE_CHECKING, Any, NamedTuple

from imgfetch.formats.samples import SMALLEST
from imgfetch.model.image import Format

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self


class Warnings(NamedTuple):
    """Warnings of libjpeg."""

    number: int
    """The number of warnings."""
    arguments: tuple[int, ...]
    """The numbers in the text of the last message that has numbers."""

    def extraneous(self, marker: int) -> int:
        """Return how many bytes before `marker` were skipped, if the last message said so."""
        skipped, code = self.arguments
        return skipped if code == marker else 0


class WarningCounter:
    """Finds the error manager of a JPEG decoder of Pillow. May be used from any thread."""

    def __init__(self, context: int, pointer: int, manager: int) -> None:
        """Take the offset of the context's address in the decoder, and two offsets in the context.

        `pointer` is that of `cinfo.err`, and `manager` that of the structure that it points to.
        """
        self._context = context
        self._pointer = pointer
        self._manager = manager

    @classmethod
    def of_pillow(cls) -> Self | None:
        """Return the counter for Pillow's decoders; None if no offsets give the right counts."""
        try:
            return cls._find()
        except OSError:  # too many open files: there may be fewer for the next image
            return None

    @classmethod
    @cache
    def _find(cls) -> Self | None:
        if sys.implementation.name != "cpython":  # `id` is an address there only
            return None
        try:
            with _Memory() as memory, _decoder(_PADDED) as decoder:
                candidates = [cls(*offsets) for offsets in _offsets(decoder, memory)]
            return next((each for each in candidates if each._counts_correctly()), None)
        except OSError:
            raise
        except Exception:  # a later Pillow may change anything
            return None

    def _counts_correctly(self) -> bool:
        """Return whether the counts are right for a whole sample, a padded one and one that is cut."""
        counts = []
        for sample in (_WHOLE, _PADDED, _CUT):
            with _decoder(sample) as decoder:
                counts.append(self.read(decoder))
        whole, padded, cut = counts
        # the eight bytes in libjpeg's bit buffer are not counted
        return whole.number == 0 and cut.number == padded.number == 1 and 32 <= padded.extraneous(0xD9) <= 40

    def read(self, decoder: object) -> Warnings:
        """Return the warnings about what `decoder` has read so far."""
        context = c_void_p.from_address(id(decoder) + self._context).value or 0
        address = context + self._manager
        if c_void_p.from_address(context + self._pointer).value != address:
            return Warnings(0, (0, 0))  # the decoder has read nothing yet
        manager = _Manager.from_address(address)
        return Warnings(manager.warnings, tuple(manager.arguments[:2]))


class _Manager(ctypes.Structure):
    """jpeg_error_mgr (jpeglib.h)."""

    _fields_ = (
        *((name, c_void_p) for name in ("exit", "emit", "output", "format", "reset")),
        ("message", c_int),
        ("arguments", c_int * 20),  # msg_parm, of 80 bytes
        ("trace_level", c_int),
        ("warnings", c_long),
        ("messages", c_void_p),
        ("last_message", c_int),
    )


class _Memory:
    """Reads the memory of this process; an address that is not mapped gives no bytes.

    `write` fails with EFAULT for bytes that this process may not read, on Linux, macOS and the BSDs.
    """

    def __enter__(self) -> Self:
        self._write = ctypes.CDLL(None).write
        self._write.argtypes = [c_int, c_void_p, c_size_t]
        self._write.restype = c_ssize_t
        self._outlet, self._inlet = os.pipe()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._outlet)
        os.close(self._inlet)

    def read(self, address: int, size: int) -> bytes:
        """Return up to `size` bytes, no more than a pipe can hold; none if `address` cannot be read."""
        number = self._write(self._inlet, address, size)
        return os.read(self._outlet, number) if number > 0 else b""

    def pointers(self, address: int, number: int) -> list[int]:
        """Return up to `number` pointers from `address`."""
        found = self.read(address, number * _POINTER)
        return [pointer for (pointer,) in iter_unpack("P", found[: len(found) // _POINTER * _POINTER])]


def _offsets(decoder: object, memory: _Memory) -> Iterator[tuple[int, int, int]]:
    """Yield the offsets of `WarningCounter` for each structure in `decoder` that looks like a context."""
    fields = memory.pointers(id(decoder), type(decoder).__basicsize__ // _POINTER)
    for number, context in enumerate(fields):
        for index, manager in enumerate(memory.pointers(context, _CONTEXT_POINTERS) if context else ()):
            if context < manager < context + _CONTEXT and _is_manager(manager, memory):
                yield number * _POINTER, index * _POINTER, manager - context


def _is_manager(address: int, memory: _Memory) -> bool:
    """Return whether `address` is that of a jpeg_error_mgr, by libjpeg's table of messages."""
    found = memory.read(address, sizeof(_Manager))
    if len(found) < sizeof(_Manager):
        return False
    manager = _Manager.from_buffer_copy(found)
    if not manager.messages or not 0 < manager.last_message <= _MESSAGES:
        return False
    table = memory.pointers(manager.messages, manager.last_message + 1)
    return any(_EXTRANEOUS_DATA in memory.read(message, 80) for message in table if message)


@contextmanager
def _decoder(data: bytes) -> Iterator[object]:
    """Yield a decoder of Pillow that has read the image of one grey pixel in `data`."""
    from PIL import Image

    core: Any = Image.core  # type: ignore[attr-defined] # Pillow's documents name it, its types do not
    decoder = core.jpeg_decoder("L", "L", "")
    decoder.setimage(core.new("L", (1, 1)), (0, 0, 1, 1))
    try:
        decoder.decode(data)
        yield decoder
    finally:
        decoder.cleanup()


_POINTER = sizeof(c_void_p)
_CONTEXT_POINTERS = 32
"""Pointers at the beginning of a context that include `cinfo.err`, after 16 bytes in Pillow 13."""
_CONTEXT = 4096
"""More bytes than a context has: 1,200, of which jmp_buf is 200 (and up to 500 on other processors)."""
_MESSAGES = 500
"""More messages than libjpeg has: 130."""
_EXTRANEOUS_DATA = b"extraneous bytes before marker"
_WHOLE = SMALLEST[Format.JPEG]
_PADDED = _WHOLE[:-2] + bytes(40) + _WHOLE[-2:]
_CUT = _WHOLE[:-3] + _WHOLE[-2:]
