"""What a caller gets: an image, or the failure in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.errors import CacheError, InputError, PolicyError, error_for
from imgfetch.model.image import Format
from imgfetch.model.result import ErrorKind, Failure, Served
from imgfetch.rules.http.urls import redact
from imgfetch.store.hashing import sha256

if TYPE_CHECKING:
    from pathlib import Path

    import PIL.Image


class Image(Served):
    """A whole, verified rendition: a file of the cache or, with `cache=None`, bytes in memory."""

    __slots__ = ()

    @property
    def path(self) -> Path:
        """The file in the cache. Raise `InputError` for an image that was fetched with `cache=None`."""
        if isinstance(self.content, bytes):
            why = "this image was fetched with cache=None; read() gives its bytes"
            raise InputError(ErrorKind.BAD_INPUT, why, redact(self.url))
        return self.content

    def read(self) -> bytes:
        """Return the bytes, with a cache or without.

        Raise `CacheError` where the file is gone (`io`), or is no longer what was verified (`cache_corrupt`).
        """
        if isinstance(self.content, bytes):
            return self.content
        try:
            data = self.content.read_bytes()
        except OSError as error:
            raise CacheError(ErrorKind.IO, error.strerror or str(error), str(self.content)) from error
        if len(data) != self.bytes or sha256(data).hexdigest() != self.sha256:
            why = "the file has changed"
            hint = "fetch the image again"
            raise CacheError(ErrorKind.CACHE_CORRUPT, why, str(self.content), hint=hint)
        return data

    def open(self) -> PIL.Image.Image:
        """Open the image with Pillow, as the format it was verified to be.

        Raise `PolicyError` (`unsupported_format`) for an SVG.
        """
        if self.format is Format.SVG:
            why = "an SVG is a document, which Pillow cannot open; a library such as cairosvg can draw it"
            raise PolicyError(ErrorKind.UNSUPPORTED_FORMAT, why, redact(self.url))
        from imgfetch.decode.pillow import open_image

        return open_image(self.content, self.format)

    @classmethod
    def of(cls, served: Served, *, source: str, index: int, position: int, page: str = "") -> Image:
        """Return the image that was served for a source."""
        return cls(
            served.choice,
            served.candidate,
            served.entry,
            served.content,
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
