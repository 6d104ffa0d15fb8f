"""What a caller gets: an image, or the failure in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.errors import PolicyError, error_for
from imgfetch.model.image import Format
from imgfetch.model.result import ErrorKind, Failure, Served
from imgfetch.rules.http.urls import redact

if TYPE_CHECKING:
    import PIL.Image


class Image(Served):
    """A whole, verified rendition on disk."""

    __slots__ = ()

    def open(self) -> PIL.Image.Image:
        """Open the file with Pillow, as the format it was verified to be.

        Raise `PolicyError` (`unsupported_format`) for an SVG.
        """
        if self.format is Format.SVG:
            why = "an SVG is a document, which Pillow cannot open; a library such as cairosvg can draw it"
            raise PolicyError(ErrorKind.UNSUPPORTED_FORMAT, why, redact(self.url))
        from imgfetch.decode.pillow import open_image

        return open_image(self.path, self.format)

    @classmethod
    def of(cls, served: Served, *, source: str, index: int, position: int, page: str = "") -> Image:
        """Return the image that was served for a source."""
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
            position,
            page,
        )


def image_or_raise(outcome: Image | Failure) -> Image:
    """Return an image; raise the `ImgfetchError` of a failure."""
    if isinstance(outcome, Failure):
        raise error_for(outcome)
    return outcome
