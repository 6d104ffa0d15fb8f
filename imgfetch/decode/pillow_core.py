"""Pillow's decoders in C, which are given their data piece by piece."""

from __future__ import annotations

from typing import Any

from PIL import Image

CORE: Any = Image.core  # type: ignore[attr-defined] # Pillow's documents name it, its types do not


def feed(codec: Any, data: memoryview | bytes) -> int:  # noqa: ANN401 (Pillow gives it no name)
    """Decode `data`; return how many bytes were consumed, negative once the image is complete.

    Raises `OSError` where the decoder reports an error.
    """
    consumed: int
    consumed, error = codec.decode(data)
    if error < 0:
        raise OSError(CORE.getcodecstatus(error))
    return consumed


def unread_bytes(number: int) -> str:
    """Return the message for data that a decoder does not need, though an encoder wrote them."""
    return f"image data is lost or changed: its last {number} bytes are never read"
