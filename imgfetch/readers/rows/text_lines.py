"""The lines of an input as text, in the encodings and with the line ends that people's programs write.

    file ─▶ its beginning: byte order mark, line end ─▶ lines, each of bounded length

UTF-8 and UTF-16 are told by a byte order mark. Without one, a line is UTF-8, and windows-1252 where it is not
valid UTF-8. Lines end with LF or CRLF, or with CR alone, as old Macs wrote them.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, cast

from imgfetch.charsets import decode_as
from imgfetch.readers.lines import LONGEST, bounded_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO


def peekable(file: BinaryIO) -> BinaryIO:
    """Return a file that has `peek`: the same, or a buffer around it."""
    return file if hasattr(file, "peek") else cast("BinaryIO", io.BufferedReader(cast("io.RawIOBase", file)))


def beginning_of(file: BinaryIO) -> bytes:
    """Return the bytes at the beginning of a `peekable` file, which stay to be read; wait for some."""
    return bytes(cast("io.BufferedReader", file).peek(_BEGINNING))


def text_lines(file: BinaryIO) -> Iterator[str | None]:
    """Yield the lines of a file that is `peekable`, each with its end; None for one that is too long."""
    head = beginning_of(file)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        yield from _wrapped(file, "utf-16")
    elif b"\r" in head[:-1] and b"\n" not in head:
        yield from _wrapped(file, "utf-8-sig" if _is_utf_8(head) else "cp1252")
    else:
        for number, line in enumerate(bounded_lines(file)):
            text = None if line is None else _decoded(line)
            yield text if number or text is None else text.removeprefix("\ufeff")


def _wrapped(file: BinaryIO, encoding: str) -> Iterator[str | None]:
    """Yield the lines of a file in another encoding, or with other line ends; LF ends each."""
    text = io.TextIOWrapper(file, encoding, errors="replace")
    try:
        while line := text.readline(LONGEST + 1):
            if len(line) <= LONGEST:
                yield line
                continue
            yield None
            while line and not line.endswith("\n"):
                line = text.readline(LONGEST)
    finally:
        text.detach()


def _decoded(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return decode_as("windows-1252", line)


def _is_utf_8(head: bytes) -> bool:
    try:
        head[:-4].decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return True


_BEGINNING = 65_536
