"""What a name says of an image, and names for copies that people will look at."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgfetch.model import Format

if TYPE_CHECKING:
    from imgfetch.model import Digest


def named_format(url: str) -> Format | None:
    """The format whose extension the path of a URL ends in; None where it names none of ours."""
    return _EXTENSIONS.get(_path(url).rpartition(".")[2].lower())


def file_name(url: str, sha256: Digest, image_format: Format) -> str:
    """A readable name for a copy of an image: `harbour-lg_1280-3f2a91c07b5d.webp`.

    Of the URL only letters, digits, `_` and `-` of its last segment are taken, so that nothing in it can
    lead out of a directory, hide a file, or name a device. The digest tells apart what the URL does not;
    the extension is the format's, whatever the URL says.
    """
    last = _path(url).rstrip("/").rpartition("/")[2]
    stem = re.sub(r"[^A-Za-z0-9_]+", "-", last.rpartition(".")[0] or last).strip("-")[:80]
    return "-".join(part for part in (stem, sha256[:12]) if part) + f".{image_format.extension}"


def _path(url: str) -> str:
    return url.partition("#")[0].partition("?")[0]


_EXTENSIONS = {
    "jpg": Format.JPEG,
    "jpeg": Format.JPEG,
    "jfif": Format.JPEG,
    "png": Format.PNG,
    "apng": Format.PNG,
    "gif": Format.GIF,
    "webp": Format.WEBP,
    "avif": Format.AVIF,
}
