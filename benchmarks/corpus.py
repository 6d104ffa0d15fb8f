"""The corpus: pictures like photographs, the same on every machine, in four renditions each.

    number ─▶ octaves of noise, lit by a gradient ─▶ 1920 px ─▶ scaled down ─▶ WebP, quality 80

`python benchmarks/corpus.py FOLDER --count 1000` draws what is not there yet, on all cores.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from random import Random

from PIL import Image, ImageChops, ImageDraw

WIDTHS = (480, 768, 1280, 1920)


def path(folder: Path, number: int, width: int) -> Path:
    """Where a rendition lies."""
    return folder / str(width) / f"{number:04}.webp"


def draw(folder: Path, count: int) -> None:
    """Draw `count` pictures in every width."""
    for width in WIDTHS:
        (folder / str(width)).mkdir(parents=True, exist_ok=True)
    missing = [number for number in range(count) if not path(folder, number, WIDTHS[0]).exists()]
    with ProcessPoolExecutor() as pool:
        for _ in pool.map(partial(_draw_one, folder), missing, chunksize=8):
            pass


def _draw_one(folder: Path, number: int) -> None:
    random = Random(number)
    picture = _picture(random, WIDTHS[-1], WIDTHS[-1] * 2 // 3)
    for width in reversed(WIDTHS):  # the smallest last: where it is, all are
        scaled = (
            picture
            if width == picture.width
            else picture.resize((width, width * 2 // 3), Image.Resampling.LANCZOS)
        )
        half = path(folder, number, width).with_suffix(".part")
        scaled.save(half, "webp", quality=80, method=4)
        half.replace(path(folder, number, width))


def _picture(random: Random, width: int, height: int) -> Image.Image:
    """Texture from coarse to fine, tinted by slow colours, with the edges of things in front of it."""
    texture = _clouds(random, width, height, (4, 14, 50, 150, 420, 900), (110, 70, 50, 36, 34, 34))
    colours = [_clouds(random, width, height, (2, 5, 13), (150, 110, 60)) for _ in range(3)]
    picture = ImageChops.overlay(Image.merge("RGB", colours), Image.merge("RGB", [texture] * 3))
    things = ImageDraw.Draw(picture, "RGBA")
    for _ in range(random.randint(12, 30)):
        x, y, reach = random.randrange(width), random.randrange(height), random.randint(20, 320)
        corners = [(x + random.randint(-reach, reach), y + random.randint(-reach, reach)) for _ in range(5)]
        colour = (*random.choices(range(256), k=3), random.randint(40, 160))
        things.polygon(corners, fill=colour)
    return picture


def _clouds(
    random: Random, width: int, height: int, cells: tuple[int, ...], strengths: tuple[int, ...]
) -> Image.Image:
    total = Image.new("L", (width, height), 128)
    for across, strength in zip(cells, strengths, strict=True):
        across, down = across + 1, across * 2 // 3 + 2
        cloud = Image.frombytes("L", (across, down), random.randbytes(across * down))
        cloud = cloud.resize((width, height), Image.Resampling.BICUBIC)
        scale = strength / 255
        cloud = cloud.point([int(level * scale) for level in range(256)])
        total = ImageChops.add(total, cloud, 1, -strength // 2)
    return total


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=1000)
    options = parser.parse_args()
    draw(options.folder, options.count)
