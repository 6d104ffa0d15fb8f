"""What a caller gives to be sent, parted by whom it is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.api.normalize import spelled
from imgfetch.errors import InputError
from imgfetch.model.image import Defect
from imgfetch.model.result import ErrorKind
from imgfetch.rules.http import urls

if TYPE_CHECKING:
    from collections.abc import Mapping


def headers_of(
    headers: Mapping[str, str | Mapping[str, str]],
) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, tuple[tuple[str, str], ...]], ...]]:
    """Part what is given for the source's own origin from what is given by origin. Raises `InputError`."""
    own, for_origins = [], []
    for name, value in headers.items():
        if isinstance(value, str):
            own.append((name, value))
        else:
            for_origins.append((_checked_origin(name), tuple(value.items())))
    return tuple(own), tuple(for_origins)


def _checked_origin(url: str) -> str:
    """Return an origin in its one spelling. Raises `InputError`."""
    origin = urls.read_origin(spelled(url))
    if isinstance(origin, Defect):
        raise InputError(ErrorKind.BAD_INPUT, f"not an origin: {origin.message}", urls.redact(url))
    return origin
