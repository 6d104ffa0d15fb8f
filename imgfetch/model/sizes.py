"""The real size that a caller asks of an image."""

from typing import NamedTuple


class AtLeast(NamedTuple):
    """The least size of an image, known when its bytes are proved; 0 asks for nothing."""

    width: int = 0
    """Pixels: a narrower image is skipped."""
    height: int = 0
    """Pixels: a lower image is skipped."""
    bytes: int = 0
    """Bytes of the file: a smaller image is skipped."""
    reach: int = 0
    """Pixels of width that the rendition must have: a narrower one is a failure."""

    @property
    def skips(self) -> bool:
        """Return whether an image may be skipped."""
        return bool(self.width or self.height or self.bytes)


ANY_SIZE = AtLeast()
