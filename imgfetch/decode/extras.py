"""Formats that an extra brings: JPEG XL by imagecodecs (libjxl), HEIC by pi-heif (libheif and libde265).

`extra_decoder` decides where they are decoded: in processes of their own.
"""

from __future__ import annotations

from base64 import b64decode
from functools import cache
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.formats import walk
from imgfetch.model.image import Defect, Format, Structure
from imgfetch.model.request import Limits
from imgfetch.model.result import ErrorKind
from imgfetch.rules.image.verify import check_size

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PIL import Image


class Extra(NamedTuple):
    """A format that an extra of this package brings."""

    name: str
    """The name of the extra."""
    module: str
    """The library that it installs."""
    format_name: str

    @property
    def sample(self) -> bytes:
        """The smallest image, one pixel."""
        return _SAMPLES[self.name]


EXTRAS = {
    Format.JXL: Extra("jxl", "imagecodecs", "JPEG XL"),
    Format.HEIC: Extra("heic", "pi_heif", "HEIC"),
}

_SAMPLES = {
    name: b64decode(written)
    for name, written in {
        "jxl": "/woAEBAUNwIIBAEAGABLGIsVggE=",
        "heic": """
            AAAAHGZ0eXBoZWl4AAAAAG1pZjFoZWl4bWlhZgAAAXZtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAA
            AAAAACJpbG9jAAAAAERAAAEAAQAAAAABmgABAAAAAAAAACAAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAA
            AA5waXRtAAAAAAABAAAA9mlwcnAAAADWaXBjbwAAAHFodmNDAQQIAAAAn/gAAAAAHvAA/Pz4+AAADwNgAAEAF0ABDAH//wQI
            AAADAJ/4AAADAAAeugJAYQABACZCAQEECAAAAwCf+AAAAwAAHsCCBBZbqrprmwIAAAMAMgAAAwACEGIAAQAGRAHBc8GJAAAA
            E2NvbHJuY2x4AAEADQAGgAAAABRpc3BlAAAAAAAAAEAAAABAAAAAKGNsYXAAAAABAAAAAQAAAAEAAAAB////wQAAAAL////B
            AAAAAgAAAA5waXhpAAAAAAEIAAAAGGlwbWEAAAAAAAAAAQABBYECAwWEAAAAKG1kYXQAAAAcKAGuCiQkGcDhnoA/9bdzylCz
            hNKQp7VBQJa1Aw==
        """,
    }.items()
}


@cache
def is_installed(form: Format) -> bool:
    """Return True if the library of a format is there; it is not imported."""
    return form in EXTRAS and find_spec(EXTRAS[form].module) is not None


ENDING: list[Callable[[], None]] = []
"""Functions that end the processes of `extra_decoder`, once it has some."""


def end_processes() -> None:
    """End the processes that decode formats of extras, but those at work; they start again when needed."""
    for end in ENDING:
        end()


def missing(form: Format) -> Defect:
    """Return the defect of an image that only an extra can decode."""
    extra = EXTRAS[form]
    what = f"{extra.format_name} needs the extra: pip install 'imgfetch[{extra.name}]'"
    return Defect(ErrorKind.UNSUPPORTED_FORMAT, f"the body is {form}; to decode {what}")


def decode_here(view: memoryview, form: Format, limits: Limits) -> Defect | None:
    """Decode every frame in this process. Raise what the library raises."""
    if form is Format.HEIC:
        import pi_heif

        image = pi_heif.open_heif(bytes(view), convert_hdr_to_8bit=True)
        primary = image[image.primary_index]
        width, height = primary.size
        defect = check_size(Structure(form, width, height, 1), limits)
        return defect or _check_pixels(len(primary.data), width, height)
    import imagecodecs

    found = imagecodecs.jpegxl_decode(bytes(view), numthreads=1)
    frames = found.shape[0] if _has_frames(view) else 1
    height, width = found.shape[1:3] if frames > 1 else found.shape[:2]
    return check_size(Structure(form, width, height, frames), limits)


def open_extra(content: Path | bytes, form: Format) -> Image.Image:
    """Decode a file, or its bytes, in this process; of an animation the first frame."""
    from PIL import Image

    if form is Format.HEIC:
        import pi_heif

        file = BytesIO(content) if isinstance(content, bytes) else str(content)
        image: Image.Image = pi_heif.open_heif(file, convert_hdr_to_8bit=True).to_pillow()
        return image
    import imagecodecs

    data = content if isinstance(content, bytes) else content.read_bytes()
    found = imagecodecs.jpegxl_decode(data, numthreads=1)
    return Image.fromarray(found[0] if _has_frames(memoryview(data)) else found)


def load() -> None:
    """Load the libraries that are installed, by a picture each: for a process that cannot do it later."""
    for form, extra in EXTRAS.items():
        if is_installed(form):
            decode_here(memoryview(extra.sample), form, Limits())


def _check_pixels(length: int, width: int, height: int) -> Defect | None:
    if length >= width * height:
        return None
    return Defect(ErrorKind.CORRUPT, f"{length:,} bytes were decoded for {width} x {height} pixels")


def _has_frames(view: memoryview) -> bool:
    return any(note.startswith("frames_not_counted") for note in walk(view).notes)
