"""The messages of libtiff, which Pillow decodes TIFF with: it writes them to standard error by itself.

The command line tells what is wrong with an image in its own line. So it silences libtiff in its process,
before the first TIFF is decoded; a program that imports imgfetch keeps what it has.
"""

from __future__ import annotations

import ctypes

_wanted = [False]


def silence_messages() -> None:
    """Have libtiff write no messages in this process, once it is loaded."""
    _wanted[0] = True


def apply_silence() -> None:
    """Silence libtiff if that is wanted; do nothing where Pillow's cannot be reached."""
    if not _wanted[0]:
        return
    from imgfetch.decode.pillow_core import CORE

    try:
        libtiff = ctypes.CDLL(CORE.__file__)  # which finds the functions of what it is linked with
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            handler = getattr(libtiff, name)
            handler.argtypes, handler.restype = (ctypes.c_void_p,), ctypes.c_void_p
            handler(None)
    except (OSError, AttributeError):  # a Pillow with libtiff inside, or without it
        pass
    _wanted[0] = False
