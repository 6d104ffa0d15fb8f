"""What can befall a file on its way, and which level of checking sees it.

`matrix()` counts; `table()` prints (`python tests/damage.py`). What the tests hold us to, and what they
admit to be out of sight, stands in test_verify.py.
"""

from __future__ import annotations

import random
import re
import struct
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from zlib import crc32

from imgfetch.decode.pillow import PillowDecoder
from imgfetch.formats import walk
from imgfetch.model.request import Limits
from pictures import animation, banded, encoded, save

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imgfetch.model.image import Format

    Damage: TypeAlias = Callable[[bytes, random.Random], bytes]

STILLS = (
    *("webp", "webp lossless", "jpeg", "jpeg restarts", "jpeg progressive", "jpeg progressive restarts"),
    *("png", "gif", "avif"),
)
ANIMATIONS = ("webp animation", "png animation", "gif animation", "avif animation")
FORMS = STILLS + ANIMATIONS


class Count(NamedTuple):
    """Of how many damaged files how many were refused, or warned of, by each level."""

    files: int
    structure: int
    full: int
    thorough: int


@cache
def picture(form: str, seed: int, width: int = 240, height: int = 160) -> bytes:
    """Return a photo as one of FORMS."""
    name, _, kind = form.partition(" ")
    if kind == "animation":
        return animation(name, width // 2, height // 2, seed=seed)
    if kind:
        return encoded(name, width, height, seed=seed, **dict(_OPTIONS[option] for option in kind.split()))
    return encoded(name, width, height, seed=seed, **({"mode": "P"} if name == "gif" else {}))


_OPTIONS = {
    "lossless": ("lossless", True),
    "restarts": ("restart_marker_rows", 1),
    "progressive": ("progressive", True),
}


def cut_last_byte(data: bytes, chance: random.Random) -> bytes:
    return data[:-1]


def cut_last_40(data: bytes, chance: random.Random) -> bytes:
    return data[:-40]


def cut_anywhere(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(1, len(data))]


def cut_and_closed(data: bytes, chance: random.Random) -> bytes:
    """Cut, and given the end that a whole file has."""
    at = chance.randrange(len(data) // 2, len(data) * 9 // 10) & ~1
    cut = bytearray(data[:at])
    if data.startswith(b"RIFF"):
        struct.pack_into("<I", cut, 4, at - 8)
        struct.pack_into("<I", cut, 16, at - 20)
    elif data.startswith(b"\x89PNG"):
        start = data.index(b"IDAT")
        struct.pack_into(">I", cut, start - 4, at - start - 4)
        cut += struct.pack(">I", crc32(cut[start:]))
        cut += data[-12:]
    elif data.startswith(b"\xff\xd8"):
        cut += b"\xff\xd9"
    elif data.startswith(b"GIF"):
        cut = bytearray(_whole_sub_blocks(data, at)) + b"\0;"
    else:
        cut += chance.randbytes(len(data) - at)  # boxes come before the data: only its end can be another
    return bytes(cut)


def zeroed_tail(data: bytes, chance: random.Random) -> bytes:
    """The second half never written."""
    return data[: len(data) // 2] + bytes(len(data) - len(data) // 2)


def zeroed_hole(data: bytes, chance: random.Random) -> bytes:
    """A hole of 4 KiB, or of a third of the file, between its first and its last tenth."""
    size = min(4096, len(data) // 3)
    at = chance.randrange(len(data) // 10, len(data) * 9 // 10 - size)
    return data[:at] + bytes(size) + data[at + size :]


def small_hole(data: bytes, chance: random.Random) -> bytes:
    """A hole of 128 bytes."""
    at = chance.randrange(len(data) // 10, len(data) * 9 // 10 - 128)
    return data[:at] + bytes(128) + data[at + 128 :]


def bit_in_header(data: bytes, chance: random.Random) -> bytes:
    return _flip(data, chance.randrange(32), chance)


def bit_in_data(data: bytes, chance: random.Random) -> bytes:
    return _flip(data, chance.randrange(len(data) // 4, len(data) * 9 // 10), chance)


def bytes_lost(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) // 4, len(data) * 3 // 4)
    return data[:at] + data[at + 16 :]


def bytes_added(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) // 4, len(data) * 3 // 4)
    return data[:at] + chance.randbytes(16) + data[at:]


def packet_lost(data: bytes, chance: random.Random) -> bytes:
    """Drop what one TCP segment holds: 1,460 bytes."""
    at = _middle(data, chance, 1460)
    return data[:at] + data[at + 1460 :]


def packet_repeated(data: bytes, chance: random.Random) -> bytes:
    at = _middle(data, chance, 1460)
    return data[: at + 1460] + data[at:]


def line_ends_changed(data: bytes, chance: random.Random) -> bytes:
    """Turn LF into CRLF from somewhere in the middle, as a transfer as text does."""
    at = _middle(data, chance)
    return data[:at] + (data[at:].replace(b"\n", b"\r\n") if b"\n" in data[at:] else b"\r" + data[at:])


def html_inserted(data: bytes, chance: random.Random) -> bytes:
    """Put the error page of a proxy into the middle."""
    at = _middle(data, chance)
    return data[:at] + b"<html><body><h1>502 Bad Gateway</h1><hr>nginx</body></html>\n" + data[at:]


def lost_between_restarts(data: bytes, chance: random.Random) -> bytes:
    """Drop 600 bytes between two restart markers, or half of what stands there."""
    marks = [mark.start() for mark in re.finditer(rb"\xff[\xd0-\xd7]", data)]
    start, stop = chance.choice([pair for pair in pairwise(marks) if pair[1] - pair[0] > 40])
    size = min(600, (stop - start) // 2)
    at = chance.randrange(start + 2, stop - size)
    return data[:at] + data[at + size :]


def hole_in_last_frame(data: bytes, chance: random.Random) -> bytes:
    """A hole of 200 bytes."""
    at = len(data) - 300 - chance.randrange(100)
    return data[:at] + bytes(200) + data[at + 200 :]


def bytes_appended(data: bytes, chance: random.Random) -> bytes:
    return data + chance.randbytes(100)


def html_appended(data: bytes, chance: random.Random) -> bytes:
    return data + b"<html><body>An error occurred</body></html>"


def doubled(data: bytes, chance: random.Random) -> bytes:
    return data + data


def cut_and_followed(data: bytes, chance: random.Random) -> bytes:
    """Cut, and the whole file behind it."""
    return data[: len(data) * 2 // 3] + data


DAMAGES: tuple[Damage, ...] = (
    cut_last_byte,
    cut_last_40,
    cut_anywhere,
    cut_and_closed,
    zeroed_tail,
    zeroed_hole,
    small_hole,
    bit_in_header,
    bit_in_data,
    bytes_lost,
    bytes_added,
    packet_lost,
    packet_repeated,
    line_ends_changed,
    html_inserted,
    cut_and_followed,
    bytes_appended,
    html_appended,
    doubled,
)


def damages_of(form: str) -> tuple[Damage, ...]:
    """Return the damages that a form can have."""
    if form in ANIMATIONS:
        return (*(damage for damage in DAMAGES if damage is not cut_and_closed), hole_in_last_frame)
    return (*DAMAGES, lost_between_restarts) if "restarts" in form else DAMAGES


def splice(form: str, seed: int) -> bytes:
    """The first half of one version and the second half of another, as a careless resume leaves them."""
    old, new = picture(form, seed), picture(form, seed + 100)
    return old[: len(new) // 2] + new[len(new) // 2 :]


def halves(form: str, seed: int) -> bytes:
    """Join the first half of a file and the second half of another, each by its own length."""
    one, other = picture(form, seed), picture(form, seed + 100)
    return one[: len(one) // 2] + other[len(other) // 2 :]


def matrix(forms: Iterable[str] = FORMS, files: int = 12) -> dict[tuple[str, str], Count]:
    """By damage and form, how many files of each were found out."""
    counts = {}
    for form in forms:
        for damage in damages_of(form):
            damaged = [damage(picture(form, seed), random.Random(seed)) for seed in range(files)]
            counts[damage.__name__, form] = count(damaged)
        counts["splice", form] = count([splice(form, seed) for seed in range(files)])
        counts["halves", form] = count([halves(form, seed) for seed in range(files)])
    return counts


def count(files: list[bytes]) -> Count:
    """How many of these files each level finds fault with."""
    found = [_levels(data) for data in files]
    return Count(len(files), *(sum(level) for level in zip(*found, strict=True)))


def table(counts: dict[tuple[str, str], Count]) -> str:
    """Return a line for each damage and a column for each form.

    A cell has the files refused or warned of by walk / walk and decode / thorough decode.
    """
    forms = list(dict.fromkeys(form for _, form in counts))
    widths = [max(14, len(form)) for form in forms]
    lines = [" | ".join([f"{'damage':21}", *(f"{form:>{w}}" for form, w in zip(forms, widths, strict=True))])]
    for damage in dict.fromkeys(damage for damage, _ in counts):
        cells = [counts.get((damage, form)) for form in forms]
        shown = (f"{c.structure}/{c.full}/{c.thorough} of {c.files}" if c else "" for c in cells)
        line = (f"{cell:>{w}}" for cell, w in zip(shown, widths, strict=True))
        lines.append(" | ".join([f"{damage.replace('_', ' '):21}", *line]))
    return "\n".join(lines)


def _levels(data: bytes) -> tuple[bool, bool, bool]:
    structure = walk(data)
    if structure.format is None or structure.defect or structure.tail:
        return True, True, True
    form = structure.format
    return False, _refuses(data, form, thorough=False), _refuses(data, form, thorough=True)


def _refuses(data: bytes, form: Format, *, thorough: bool) -> bool:
    return PillowDecoder().decode(data, form, Limits(), thorough=thorough) is not None


def _middle(data: bytes, chance: random.Random, size: int = 0) -> int:
    """Choose an offset between the first and the last quarter of a file, `size` bytes before the latter."""
    return chance.randrange(len(data) // 4, max(len(data) // 4 + 1, len(data) * 3 // 4 - size))


def _flip(data: bytes, at: int, chance: random.Random) -> bytes:
    return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]


def _whole_sub_blocks(data: bytes, most: int) -> bytes:
    at = 13 + (3 << (data[10] & 7) + 1)
    at = data.index(b",", at) + 11
    while at + 1 + data[at] < most:
        at += 1 + data[at]
    return data[:at]


if __name__ == "__main__":
    print(table(matrix(STILLS)))
    print(table(matrix(ANIMATIONS)))
    flat = {
        ("banded whole", form): count([save(banded(240, 160, seed), form) for seed in range(12)])
        for form in ("webp", "jpeg", "png", "gif", "avif")
    }
    print(table(flat))
