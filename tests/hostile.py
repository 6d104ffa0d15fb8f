"""Images that are within every limit and cost as much as they can, and what a run of many of them takes.

    python tests/hostile.py              64 of them at once: peak memory, and the time from SIGINT to the exit
    python tests/hostile.py --cores 16   the same, as on a machine of 16 cores
    python tests/hostile.py --whole      to the end instead

Cores are simulated by a patch of `system.cores` in the process under test; there is no option for it.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import struct
import subprocess
import sys
import time
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from zlib import compressobj, crc32

from PIL import Image

from origin import Origin, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RUN = """
import sys
from imgfetch.system import cores
number = int(sys.argv.pop(1))
if number:
    cores.usable_cores = lambda: number
from imgfetch.__main__ import entry
entry()
"""


def apng(side: int, frames: int) -> bytes:
    """An animation whose frames each cover the canvas: a few KB that are decoded to gigabytes."""
    packed = compressobj(9)
    row = b"\0" + bytes(4 * side)
    pixels = b"".join(packed.compress(row) for _ in range(side)) + packed.flush()
    parts = [b"\x89PNG\r\n\x1a\n", _chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0))]
    parts.append(_chunk(b"acTL", struct.pack(">II", frames, 0)))
    for frame in range(frames):
        number = max(0, 2 * frame - 1)
        control = struct.pack(">IIIIIHHBB", number, side, side, 0, 0, 1, 10, frame % 2, 1)
        parts.append(_chunk(b"fcTL", control))
        body = struct.pack(">I", number + 1) + pixels
        parts.append(_chunk(b"fdAT", body) if frame else _chunk(b"IDAT", pixels))
    return b"".join([*parts, _chunk(b"IEND", b"")])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))


def progressive(width: int, height: int) -> bytes:
    """A progressive JPEG, all of whose coefficients have to be kept."""
    return _saved(_noise(width, height), "jpeg", progressive=True, quality=60)


def animation(form: str, side: int, frames: int, *, colours: int = 0, **options: object) -> bytes:
    """An animation in another format."""
    picture = _noise(side, side)
    if colours:
        picture = picture.quantize(colours)
    others = [picture.rotate(90 * turn) for turn in range(1, frames)]
    return _saved(picture, form, save_all=True, append_images=others, duration=50, **options)


def _noise(width: int, height: int) -> Image.Image:
    tile = Image.frombytes("RGB", (64, 64), random.Random(width).randbytes(64 * 64 * 3))
    return tile.resize((width, height))


def _saved(picture: Image.Image, form: str, **options: object) -> bytes:
    file = BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


BODIES: dict[str, Callable[[], bytes]] = {
    "apng": lambda: apng(4_000, 18),
    "apng of many frames": lambda: apng(540, 1_000),
    "jpeg": lambda: progressive(10_000, 5_000),
    "webp": lambda: animation("webp", 3_000, 12, quality=20, method=0),
    "avif": lambda: animation("avif", 2_500, 8, speed=10, quality=30),
    "gif": lambda: animation("gif", 3_000, 12, colours=4),
}


def bodies() -> list[tuple[str, bytes]]:
    """Return each kind by its name, made once: that takes longer than to decode it."""
    kept = Path("build/hostile")
    kept.mkdir(parents=True, exist_ok=True)
    for name, make in BODIES.items():
        if not (kept / name).exists():
            (kept / name).write_bytes(make())
    return [(name, (kept / name).read_bytes()) for name in BODIES]


def routes(origin: Origin, number: int) -> Iterator[str]:
    """Serve so many hostile images, each under a URL of its own."""
    made = bodies()
    for each in range(number):
        name, body = made[each % len(made)]
        yield origin.route(f"/{each}.{name.partition(' ')[0]}", whole(body))


def memory(process: int, field: str) -> int:
    """Bytes of memory of a process: `VmHWM`, the peak, or `VmRSS`, now."""
    with suppress(OSError):
        found = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
        if found:
            return int(found[1]) * 1024
    return 0


def measure(cores: int, number: int, *, to_the_end: bool, seconds: float) -> None:
    """Run, and print what it took."""
    with TemporaryDirectory() as folder, Origin() as origin:
        Path(folder, "list").write_text("\n".join(routes(origin, number)))
        command = [sys.executable, "-c", RUN, str(cores), "get", "-q", "-i", "list", "--per-host", "64"]
        command += ["-j", "64", "--allow-host", "127.0.0.1", "-R", "0"]
        began = time.monotonic()
        with subprocess.Popen(
            command,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        ) as process:
            peak, ended = 0, 0.0
            while process.poll() is None:
                peak = max(peak, memory(process.pid, "VmHWM"))
                if not to_the_end and not ended and time.monotonic() - began > seconds:
                    process.send_signal(signal.SIGINT)
                    ended = time.monotonic()
                time.sleep(0.01)
            over = time.monotonic()
            assert process.stderr is not None
            said = process.stderr.read().splitlines()
        told = f"{cores or 'real'} cores, {number} images: peak {peak / 1e6:,.0f} MB"
        if ended:
            told += f"; exit {process.returncode} in {over - ended:.2f} s after SIGINT, {len(said)} lines"
        else:
            told += f"; exit {process.returncode} after {over - began:.1f} s, {len(said)} lines"
        print(told)
        for line in said[:4]:
            print("   ", line)


def main() -> None:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cores", type=int, default=0, help="simulate so many (those that are there)")
    parser.add_argument("--number", type=int, default=64, help="images at once (64)")
    parser.add_argument("--seconds", type=float, default=8, help="until SIGINT (8)")
    parser.add_argument("--whole", action="store_true", help="run to the end")
    options = parser.parse_args()
    measure(options.cores, options.number, to_the_end=options.whole, seconds=options.seconds)


if __name__ == "__main__":
    main()
