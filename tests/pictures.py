"""Real images of many encoders, modes and kinds, made with Pillow: small, the same every time, made once.

`photo` looks like a photograph to an encoder, `flat`, `banded` and `striped` like what photographs are
not; `encoded` is the file of a photo, and `samples` gives one of each kind there is.
"""

from __future__ import annotations

import io
import random
import struct
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from PIL import Image, ImageChops, ImageDraw

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


Options: TypeAlias = "Mapping[str, object]"


class Sample(NamedTuple):
    """A valid image file, and what is true of it."""

    name: str
    format: str
    data: bytes
    width: int
    height: int
    frames: int = 1


@cache
def photo(width: int, height: int, seed: int = 0) -> Image.Image:
    """An RGB picture of soft colours, edges and grain; to be copied before it is changed."""
    chance = random.Random(seed)
    picture = Image.new("RGB", (width, height), _colour(chance))
    weight, across = 0.5, 3
    while across < max(width, height):
        down = max(1, across * height // width)
        grain = Image.frombytes("RGB", (across, down), chance.randbytes(3 * across * down))
        picture = Image.blend(picture, grain.resize((width, height), Image.Resampling.BICUBIC), weight)
        weight, across = 0.3, across * 3
    draw = ImageDraw.Draw(picture)
    for _ in range(5):
        left, top = chance.randrange(width), chance.randrange(height)
        box = (left, top, left + width // 5, top + height // 5)
        draw.ellipse(box, fill=_colour(chance))
    return picture


def flat(width: int, height: int, colour: str = "white") -> Image.Image:
    """One colour."""
    return Image.new("RGB", (width, height), colour)


def banded(width: int, height: int, seed: int = 0) -> Image.Image:
    """A photo below a white band three times its height."""
    picture = flat(width, height)
    picture.paste(photo(width, max(1, height // 4), seed), (0, height - max(1, height // 4)))
    return picture


def striped(width: int, height: int) -> Image.Image:
    """Black lines on white."""
    picture = flat(width, height)
    draw = ImageDraw.Draw(picture)
    for y in range(0, height, height // 9 + 1):
        draw.line((0, y, width, y), fill="black")
    return picture


@cache
def encoded(
    form: str, width: int = 64, height: int = 48, *, seed: int = 0, mode: str = "RGB", **options: object
) -> bytes:
    """The file of a photo, as `form` ("webp", "jpeg", "png", "gif", "avif") with Pillow's options."""
    return save(in_mode(photo(width, height, seed), mode), form, **options)


@cache
def animation(
    form: str, width: int = 32, height: int = 24, frames: int = 3, *, seed: int = 0, **options: object
) -> bytes:
    """The file of an animation of photos that differ."""
    pictures = [photo(width, height, number) for number in range(seed, seed + frames)]
    return save(pictures[0], form, save_all=True, append_images=pictures[1:], duration=80, **options)


def save(picture: Image.Image, form: str, **options: object) -> bytes:
    """The file of a picture."""
    if form == "avif":
        options = {"speed": 10, "max_threads": 1, **options}
    file = io.BytesIO()
    picture.save(file, form.upper(), **options)
    return file.getvalue()


def in_mode(picture: Image.Image, mode: str) -> Image.Image:
    """The picture in another mode of Pillow's, with an alpha channel that says something."""
    if mode in ("LA", "RGBA", "PA"):
        picture = picture.copy()
        picture.putalpha(ImageChops.offset(picture.getchannel(0), 3, 1))
    if mode == "I;16":
        grey = picture.convert("L")
        return Image.frombytes(
            "I;16", grey.size, b"".join(struct.pack("<H", 257 * v) for v in grey.tobytes())
        )
    if mode == "PA":
        return picture.convert("RGB").quantize(64)
    return picture.convert(mode)


def _colour(chance: random.Random) -> tuple[int, int, int]:
    return chance.randrange(256), chance.randrange(256), chance.randrange(256)


EXIF = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>" + bytes(400)
ICC = bytes(range(256)) * 12
"""No profile at all: readers must not mind."""


def samples(
    sizes: tuple[tuple[int, int], ...] = ((64, 48),), seeds: tuple[int, ...] = (0,)
) -> Iterator[Sample]:
    """Every kind of image, in every size, of every seed."""
    for width, height in sizes:
        for seed in seeds:
            yield from _stills(width, height, seed)
            yield from _animations(width, height)
            yield from _plain(width, height, seed)


_STILLS: dict[str, list[Options]] = {
    "jpeg": [
        *({"mode": mode, "quality": 80} for mode in ("L", "RGB", "CMYK")),
        *({"quality": quality} for quality in (1, 30, 95, 100)),
        {"progressive": True},
        {"progressive": True, "mode": "L"},
        {"progressive": True, "mode": "CMYK"},
        {"optimize": True},
        {"subsampling": 0},
        {"subsampling": 1},
        {"subsampling": 0, "optimize": True, "progressive": True},
        {"restart_marker_rows": 1},
        {"restart_marker_blocks": 1},
        {"restart_marker_blocks": 3, "progressive": True},
        {"restart_marker_blocks": 2, "mode": "L"},
        {"keep_rgb": True},
        {"exif": EXIF, "icc_profile": ICC, "comment": b"a comment"},
        {"xmp": XMP},
    ],
    "png": [
        *({"mode": mode} for mode in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "I;16")),
        {"compress_level": 0},
        {"optimize": True},
        {"mode": "P", "bits": 4},
        {"mode": "P", "bits": 1},
        {"exif": EXIF, "icc_profile": ICC},
        {"mode": "P", "transparency": 3},
    ],
    "gif": [
        {"mode": "P"},
        {"mode": "L"},
        {"mode": "1"},
        {"mode": "P", "interlace": 0},
        {"mode": "P", "transparency": 0, "comment": b"a comment"},
    ],
    "webp": [
        *({"mode": mode, "quality": 80} for mode in ("L", "RGB", "RGBA")),
        *({"quality": quality, "method": method} for quality in (0, 40, 100) for method in (0, 4)),
        {"lossless": True},
        {"lossless": True, "mode": "RGBA", "quality": 20},
        {"lossless": True, "mode": "RGBA", "exact": True},
        {"mode": "RGBA", "alpha_quality": 20},
        {"exif": EXIF, "icc_profile": ICC, "xmp": XMP},
        {"mode": "RGBA", "lossless": True, "exif": EXIF},
    ],
    "avif": [
        *({"mode": mode, "quality": 60} for mode in ("L", "RGB", "RGBA")),
        {"quality": 0},
        {"quality": 100, "subsampling": "4:4:4"},
        {"subsampling": "4:2:2", "range": "limited"},
        {"exif": EXIF[6:], "xmp": XMP, "icc_profile": ICC},
        {"tile_rows": 1, "tile_cols": 1},
    ],
}


def _stills(width: int, height: int, seed: int) -> Iterator[Sample]:
    for form, kinds in _STILLS.items():
        for options in kinds:
            name = f"{form} {width}x{height} of {seed} {_spelled(options)}"
            yield Sample(name, form, encoded(form, width, height, seed=seed, **options), width, height)


def _animations(width: int, height: int) -> Iterator[Sample]:
    kinds: list[tuple[str, Options]] = [
        ("gif", {}),
        ("gif", {"loop": 0, "disposal": 2}),
        ("gif", {"optimize": True, "disposal": 3}),
        ("png", {}),
        ("png", {"default_image": True}),
        ("png", {"disposal": 1, "blend": 1}),
        ("webp", {}),
        ("webp", {"lossless": True, "loop": 2}),
        ("webp", {"allow_mixed": True, "kmin": 1, "kmax": 2}),
        ("avif", {}),
    ]
    for form, options in kinds:
        name = f"{form} {width}x{height} animation {_spelled(options)}"
        frames = 2 if options.get("default_image") else 3
        yield Sample(name, form, animation(form, width, height, **options), width, height, frames)


def _plain(width: int, height: int, seed: int) -> Iterator[Sample]:
    pictures = {
        "flat": flat(width, height),
        "banded": banded(width, height, seed),
        "striped": striped(width, height),
    }
    kinds: list[tuple[str, Options]] = [
        ("jpeg", {"quality": 1, "optimize": True, "subsampling": 0}),
        ("jpeg", {"quality": 90, "optimize": True}),
        ("jpeg", {"progressive": True}),
        ("png", {}),
        ("gif", {}),
        ("webp", {"quality": 100, "method": 0}),
        ("webp", {"quality": 75}),
        ("webp", {"lossless": True}),
        ("avif", {"quality": 60}),
    ]
    for what, picture in pictures.items():
        for form, options in kinds:
            name = f"{form} {width}x{height} {what} of {seed} {_spelled(options)}"
            yield Sample(name, form, save(picture, form, **options), width, height)


def _spelled(options: Options) -> str:
    return " ".join(f"{key}={str(value)[:12]}" for key, value in options.items())
