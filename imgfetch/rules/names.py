"""Names for copies that people will look at."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgfetch.model import Digest, Format


def file_name(url: str, sha256: Digest, image_format: Format) -> str:
    """A readable name for a copy of an image: `harbour-lg_1280-3f2a91c07b5d.webp`.

    Of the URL only letters, digits, `_` and `-` of its last segment are taken, so that nothing in it can
    lead out of a directory, hide a file, or name a device. The digest tells apart what the URL does not;
    the extension is the format's, whatever the URL says.
    """
    path = url.partition("#")[0].partition("?")[0]
    last = path.rstrip("/").rpartition("/")[2]
    stem = re.sub(r"[^A-Za-z0-9_]+", "-", last.rpartition(".")[0] or last).strip("-")[:80]
    return "-".join(part for part in (stem, sha256[:12]) if part) + f".{image_format.extension}"
