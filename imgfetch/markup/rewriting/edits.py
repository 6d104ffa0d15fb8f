"""Edits of a text, and the bytes of a document with them made.

edits by offsets in the text ─▶ the same offsets in its bytes ─▶ the bytes around them, unchanged
"""

from __future__ import annotations

import codecs
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Edit(NamedTuple):
    """A part of a text, and what to write in its place."""

    start: int
    """Offset in characters."""
    end: int
    text: str
    """ASCII alone."""


def in_order(edits: Iterable[Edit]) -> list[Edit]:
    """Return the edits by their offsets, without those that overlap an earlier one."""
    found: list[Edit] = []
    for edit in sorted(edits):
        if not found or found[-1].end <= edit.start:
            found.append(edit)
    return found


def edited(data: bytes, text: str, edits: Sequence[Edit], encoding: str) -> bytes:
    """Return the bytes of a text with edits, which are in order.

    `text` is what `data` decodes to in `encoding`, where invalid bytes have become U+FFFD: these stay as
    they are. Take time linear in the data.
    """
    # `decode_as` says why these two have another decoder.
    codec = {"gbk": "gb18030", "windows-1252": "latin-1"}.get(encoding, encoding)
    wanted = [*chain.from_iterable((edit.start, edit.end) for edit in edits)]
    offsets = iter(_byte_offsets(data, text, wanted, codec))
    unit = codec if codec.startswith("utf-16") else "ascii"
    parts, done = [], 0
    for edit in edits:
        start, end = next(offsets), next(offsets)
        parts += [data[done:start], edit.text.encode(unit)]
        done = end
    return b"".join((*parts, data[done:]))


def _byte_offsets(data: bytes, text: str, wanted: Sequence[int], codec: str) -> list[int]:
    """Return the offsets in bytes of offsets in characters, which rise."""
    if len(data) == len(text):  # no character has less than one byte
        return list(wanted)
    try:
        if text.encode(codec) == data:
            return _of_valid(text, wanted, codec)
    except UnicodeEncodeError:
        pass
    return _by_decoding(data, wanted, codec)


def _of_valid(text: str, wanted: Sequence[int], codec: str) -> list[int]:
    found, done, size = [], 0, 0
    for offset in wanted:
        size += len(text[done:offset].encode(codec))
        done = offset
        found.append(size)
    return found


_STEP = 4096
"""Bytes that are decoded at once where no offset is wanted."""


def _by_decoding(data: bytes, wanted: Sequence[int], codec: str) -> list[int]:
    """Decode once more, byte by byte where an offset is near.

    A byte that proves those before it to be invalid gives several characters at once, the last of them
    its own.
    """
    decoder = codecs.getincrementaldecoder(codec)("replace")
    unit = 2 if codec.startswith("utf-16") else 1
    found: list[int] = []
    read = size = 0
    while len(found) < len(wanted) and read < len(data):
        state = decoder.getstate()
        step = len(decoder.decode(data[read : read + _STEP]))
        if size + step < wanted[len(found)]:
            read, size = read + _STEP, size + step
            continue
        decoder.setstate(state)
        for at in range(read, min(read + _STEP, len(data))):
            while len(found) < len(wanted) and size >= wanted[len(found)]:
                found.append(at - unit * (size - wanted[len(found)]))
            size += len(decoder.decode(data[at : at + 1]))
        read += _STEP
    return [*found, *(len(data) for _ in wanted[len(found) :])]
