"""The `Decoder` on Pillow: decode every frame of an image only to find out whether that is possible.

    bytes ─▶ JPEG: `jpeg_decoder` │ GIF: `gif_decoder` │ ICO: `ico_decoder` │ WebP: `webp_decoder`
                │ PNG, AVIF, BMP, TIFF: `pillow_plugins`
                └─▶ None │ Defect

The class of a plugin is used, not `Image.open`, so that no other plugin is imported or asked. The settings of
the host program do not change the result, and are not changed: `MAX_IMAGE_PIXELS` and its warnings belong to
`Image.open` (our own limits are checked here), and `LOAD_TRUNCATED_IMAGES` is ignored.
"""

from __future__ import annotations

from contextlib import closing
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image

from imgfetch.decode.extras import EXTRAS, is_installed, missing, open_extra
from imgfetch.decode.gif_decoder import decode_gif
from imgfetch.decode.jpeg_decoder import decode_jpeg
from imgfetch.decode.native.libjpeg import WarningCounter
from imgfetch.decode.native.libwebp import Libwebp
from imgfetch.decode.pillow_plugins import decode_frames, open_with_plugin
from imgfetch.decode.webp_decoder import decode_webp, find_unread_data
from imgfetch.errors import CacheError, PolicyError, printable
from imgfetch.formats.walker import FormatError
from imgfetch.model.image import Defect, Format
from imgfetch.model.result import ErrorKind
from imgfetch.ports import DecodingStopped, ignore_warning, never_stop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from imgfetch.model.request import Limits
    from imgfetch.model.values import Buffer
    from imgfetch.ports import Checkpoint, Warn


class PillowDecoder:
    """A `Decoder`. Has no state, and may be called from any thread.

    A WebP bitstream that looks as if data had been lost from it is decoded a second time without its last
    bytes, which must fail. With `thorough` every WebP is: that detects 95 of 100 single bits changed in lossy
    images, where one decode detects 3 (of large images) to 40 (of small), and takes twice as long.
    """

    def decode(
        self,
        data: Buffer,
        format: Format,  # noqa: A002 (the port's word)
        limits: Limits,
        *,
        thorough: bool = False,
        checkpoint: Checkpoint = never_stop,
        warn: Warn = ignore_warning,
    ) -> Defect | None:
        """Decode every frame as `format`; return what was wrong, or None."""
        with memoryview(data) as view:
            try:
                match format:
                    case Format.JPEG:
                        return decode_jpeg(view, limits, checkpoint, warn)
                    case Format.WEBP:
                        defect = decode_webp(data, limits, checkpoint)
                        return defect or find_unread_data(view, checkpoint, thorough=thorough)
                    case Format.GIF:
                        return decode_gif(view, limits, checkpoint)
                    case Format.JXL | Format.HEIC:
                        from imgfetch.decode.extra_decoder import decode_extra

                        return decode_extra(view, format, limits, checkpoint, warn)
                    case Format.ICO:
                        from imgfetch.decode.ico_decoder import decode_ico

                        return decode_ico(view, limits, checkpoint)
                    case _:
                        with closing(open_with_plugin(view, format)) as image:
                            return decode_frames(image, format, limits, checkpoint)
            except DecodingStopped:
                raise
            except CacheError:
                raise
            except FormatError as error:
                return error.defect
            except MemoryError:
                return Defect(ErrorKind.TOO_MANY_PIXELS, "not enough memory to decode it")
            except Image.DecompressionBombError as error:  # of WebP and GIF, whatever our own limit
                return Defect(ErrorKind.TOO_MANY_PIXELS, _one_line(error))
            except Exception as error:  # plugins raise what their parsers do: TypeError, zlib.error, …
                return _defect_of(error)

    def lack(self, form: Format) -> Defect | None:
        """Return the defect of every image of a format that needs an extra; None if it can be decoded."""
        return missing(form) if form in EXTRAS and not is_installed(form) else None


def load_plugins() -> None:
    """Load every plugin and library, and limit each to one thread: for a process that cannot do it later.

    The Tiff plugin reads the Exif data of other formats too.
    """
    names = ("Avif", "Bmp", "Jpeg", "Png", "Tiff", "WebP")
    avif, *_ = (import_module(f"PIL.{name}ImagePlugin") for name in names)
    vars(avif)["DEFAULT_MAX_THREADS"] = 1
    Libwebp.of_pillow()
    WarningCounter.of_pillow()


def libraries() -> dict[str, str | None]:
    """Return the versions of the libraries that Pillow decodes with; None for those that it lacks."""
    from PIL import features

    def version(of: Callable[[str], str | None], name: str) -> str | None:
        try:
            return of(name)
        except ValueError:  # a feature that this Pillow does not know
            return None

    turbo = version(features.version_feature, "libjpeg_turbo")
    ng = version(features.version_feature, "zlib_ng")
    return {
        "libwebp": version(features.version_module, "webp"),
        "libjpeg-turbo" if turbo else "libjpeg": turbo or version(features.version_codec, "jpg"),
        "zlib-ng" if ng else "zlib": ng or version(features.version_codec, "zlib"),
        "libavif": version(features.version_module, "avif"),
    }


def open_image(content: Path | bytes, form: Format) -> Image.Image:
    """Open a verified file, or its bytes, as `form` and nothing else; the caller's settings of Pillow hold.

    Raise `PolicyError` for a format of an extra that is not installed.
    """
    if form in EXTRAS:
        if not is_installed(form):
            defect = missing(form)
            where = "" if isinstance(content, bytes) else str(content)
            raise PolicyError(defect.kind, defect.message, where)
        return open_extra(content, form)
    file = BytesIO(content) if isinstance(content, bytes) else content
    return Image.open(file, formats=["ICO", "CUR"] if form is Format.ICO else [form.name])


def _defect_of(error: Exception) -> Defect:
    message = _one_line(error)
    cut = isinstance(error, EOFError) or "truncated" in message.lower()
    if message.startswith(("Unsupported ", "unknown pixel mode")):  # a variant that the plugin does not read
        return Defect(ErrorKind.UNSUPPORTED_FORMAT, f"it cannot be decoded here: {message}")
    return Defect(ErrorKind.TRUNCATED if cut else ErrorKind.CORRUPT, f"cannot be decoded: {message}")


def _one_line(error: Exception) -> str:
    return printable(" ".join(str(error).split()) or type(error).__name__)[:200]
