"""How much memory a run takes: what it holds of an image, and of a list of any length."""

from __future__ import annotations

import json
import random
import struct
import subprocess
import sys
from contextlib import closing
from time import time
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from imgfetch.model.image import Verified
from imgfetch.model.values import Key
from imgfetch.store.disk_store import DiskStore
from keeping import HEAD, facts, keep_proved, written
from origin import Origin, whole
from pictures import encoded, save

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PEAK = (
    "import re\n"
    "def peak(): return int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) / 1000\n"
)
"""MB, on Linux. Not ru_maxrss: that is handed down from the process that started this one."""


def said(program: str, *arguments: str) -> list[float]:
    """What a program of a process of its own prints to standard error, last."""
    command = [sys.executable, "-c", PEAK + program, *arguments]
    ran = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    found: list[float] = json.loads(ran.stderr.splitlines()[-1])
    return found


# ---------------------------------------------------------------------------------------------------
# A large image

SIDE = 4000


def noise(form: str, side: int, **options: object) -> bytes:
    """Of which no encoder makes less."""
    picture = Image.frombytes("RGB", (side, side), random.Random(side).randbytes(3 * side * side))
    return save(picture, form, **options)


def png(side: int) -> bytes:
    return noise("png", side, compress_level=0)


def jpeg(side: int) -> bytes:
    return noise("jpeg", side, quality=96, subsampling=0)


def webp(side: int) -> bytes:
    """As large, by what is said to be Exif."""
    bitstream, canvas = encoded("webp")[12:], bytes([8, 0, 0, 0, 63, 0, 0, 47, 0, 0])
    size = 3 * side * side
    chunks = b"VP8X" + struct.pack("<I", 10) + canvas + bitstream + b"EXIF" + struct.pack("<I", size)
    return b"RIFF" + struct.pack("<I", 4 + len(chunks) + size) + b"WEBP" + chunks + bytes(size)


@pytest.mark.parametrize(
    ("make", "level", "pixels"),
    [(png, "full", 4 * SIDE**2), (jpeg, "full", (SIDE // 8) ** 2), (webp, "full", 0)],
    ids=("png", "jpeg", "webp"),
)
def test_a_large_file_is_in_memory_once_at_most(
    make: Callable[[int], bytes], level: str, pixels: int, tmp_path: Path
) -> None:
    """Beside it is what it is decoded to; for a JPEG, an eighth of that in each direction."""
    program = "import sys; from imgfetch.cli import main; code = main(sys.argv[1:])\n"
    program += "print(f'\\n[{peak()}, {code}]', file=sys.stderr)"
    peaks, data = [], b""
    with Origin() as origin:
        for side in (8, SIDE):
            data = make(side)
            url = origin.route(f"/{side}", whole(data))
            options = ("--verify", level, "--allow-host", "127.0.0.1", "--cache", str(tmp_path / str(side)))
            peak, code = said(program, "get", "-q", url, *options)
            assert code == 0
            peaks.append(peak * 1e6)
    assert len(data) > 40_000_000
    assert peaks[1] - peaks[0] < 1.4 * len(data) + pixels


# ---------------------------------------------------------------------------------------------------
# A list without end

FEW, MANY = 2_000, 5_000
"""Lines after which all that is remembered up to some number has been filled, and lines in all."""
PER_LINE = 0.3
"""Blocks of memory by which a run may grow with a line: whatever is kept of one takes one at least."""

LIST = """
import gc, io, sys

class List(io.RawIOBase):
    \"\"\"Lines that are made as they are read; counts the blocks in use on the way.\"\"\"

    def __init__(self, lines, *marks):
        self.lines, self.marks, self.number, self.blocks = lines.splitlines(True), marks, 0, []

    def readable(self):
        return True

    def readinto(self, buffer):
        if self.number in self.marks:
            gc.collect()
            self.blocks.append(sys.getallocatedblocks())
        self.number += 1
        line = self.lines[self.number - 1] if self.number <= len(self.lines) else b""
        buffer[: len(line)] = line
        return len(line)

with open("lines", "rb") as file:
    lines = List(file.read(), int(sys.argv[1]), int(sys.argv[2]))
reading = io.BufferedReader(lines)
"""
LIBRARY = """
import asyncio
from imgfetch import Client

async def run():
    async with Client("cache", allow_hosts=["127.0.0.0/8"]) as client:
        async for _ in client.get_many(line.decode().strip() for line in reading):
            pass

asyncio.run(run())
"""
COMMAND = """
from types import SimpleNamespace
from imgfetch.cli import main

sys.stdin = SimpleNamespace(buffer=reading)
assert main([{}, "-q", "--cache", "cache", "--report", "report"]) == 1
"""


@pytest.mark.parametrize(
    "program",
    [LIBRARY, COMMAND.format("'get', '-i', '-'"), COMMAND.format("'batch', '-', '--to', 'out'")],
    ids=("library", "get", "batch"),
)
def test_a_list_of_any_length_takes_no_more_memory(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by the resident size, in which the holes between blocks come and go by megabytes."""
    monkeypatch.chdir(tmp_path)
    keep_fresh(tmp_path / "cache")
    (tmp_path / "lines").write_text("".join(map(line, range(MANY + 1))))
    tell = "print(f'\\n{lines.blocks}', file=sys.stderr)"
    before, after = said(LIST + program + tell, str(FEW), str(MANY))
    assert after - before < PER_LINE * (MANY - FEW)


def line(number: int) -> str:
    """One that is held, a few that may not be asked, and many that cannot be read."""
    if number % 4 == 0:
        return f"https://photos.example/{number % 20}.webp\n"
    if number % 100 == 1:
        return f"http://10.0.0.{number % 7}/{number}.webp\n"
    return f"http://10.0.{number >> 8}.{number & 255}:99999/{number}.webp\n"


def keep_fresh(root: Path) -> None:
    """Keep what answers unasked."""
    head = HEAD._replace(headers=(("content-type", "image/webp"), ("cache-control", "max-age=86400")))
    with closing(DiskStore(root)) as store:
        for number in range(20):
            data = b"%d" % number
            proved = Verified(facts(data), written(store, data))
            key = Key(f"https://photos.example/{number}.webp")
            keep_proved(store, proved, key, head, request_time=time() - 60, response_time=time() - 60)
