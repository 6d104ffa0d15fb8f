"""Generated pictures with the texture of photographs."""

from __future__ import annotations

from io import BytesIO

from PIL import Image, ImageChops, ImageOps


def renditions(widths: tuple[int, ...]) -> dict[int, bytes]:
    """Draw one landscape, and return it as a WebP of each width, 16 to 9."""
    largest = _landscape(max(widths))
    return {width: _webp(largest.resize((width, width * 9 // 16))) for width in widths}


def _landscape(width: int) -> Image.Image:
    """Draw three ridges of hills under a sky, the nearer the darker, with the grain of film."""
    size = (width, width * 9 // 16)
    scene = ImageOps.colorize(_texture(size, 3, 7), "#7fa6cf", "#f3e9da")
    fall = Image.linear_gradient("L").resize(size)
    for horizon, far, near in _RIDGES:
        ridge = _texture((width, 1), 4, 6).resize(size)  # one height for each column
        below = ImageChops.add(fall, ridge, offset=-horizon).point(lambda v: 255 if v else 0)
        scene.paste(ImageOps.colorize(_texture(size, 5, 9), far, near), mask=below)
    grain = Image.effect_noise(size, 40).convert("RGB")
    return Image.blend(scene, grain, 0.08)


_RIDGES = ((233, "#8fa3ad", "#b5bfb8"), (276, "#5d7a63", "#86a079"), (322, "#2b3d2c", "#5f7048"))
"""The top of each ridge, in 255ths of the height, and its colours, far and near."""


def _texture(size: tuple[int, int], coarse: int, fine: int) -> Image.Image:
    """Draw noise in octaves, from spots of 1/2^coarse of the width to spots of 1/2^fine."""
    texture = Image.new("L", size, 128)
    for octave in range(coarse, fine):
        blots = (2**octave, max(1, 2**octave * size[1] // size[0]))
        layer = Image.effect_noise(blots, 160 / (octave - coarse + 1)).resize(size, Image.Resampling.BICUBIC)
        texture = Image.blend(texture, layer, 0.45)
    return texture


def _webp(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "WEBP", quality=80, method=2)
    return file.getvalue()
