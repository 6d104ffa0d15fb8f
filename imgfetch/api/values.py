"""What a caller is handed: an image that was served, or the failure that stands in its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from imgfetch.model import Failed, Served

if TYPE_CHECKING:
    import PIL.Image

Failure: TypeAlias = Failed
"""An image that could not be had: `reason` is the stable slug, `message` one printable line."""


@dataclass(frozen=True, slots=True)
class Image(Served):
    """A whole, verified rendition on disk."""

    def open(self) -> PIL.Image.Image:
        """Open the file with Pillow, as the format it was verified to be."""
        from imgfetch.adapters.pillow import open_image

        return open_image(self.path, self.format)

    @classmethod
    def of(cls, served: Served, *, source: str, index: int, place: int) -> Image:
        """The same, with a door to Pillow and the name of the source it belongs to."""
        return cls(
            served.choice,
            served.candidate,
            served.entry,
            served.path,
            served.origin,
            served.attempts,
            served.tried,
            served.warnings,
            source,
            index,
            place,
        )
