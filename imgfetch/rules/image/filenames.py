"""File names: the format that a name tells, and readable names for copies of images."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imgfetch.model.image import Format
from imgfetch.rules.http.urls import without_userinfo

if TYPE_CHECKING:
    from imgfetch.model.values import Digest


def named_format(url: str) -> Format | None:
    """Return the format of the extension in the path of a URL; None if it is not one of our formats."""
    return _EXTENSIONS.get(_path(url).rpartition(".")[2].lower())


def file_name(url: str, sha256: Digest, image_format: Format) -> str:
    """Return a readable name for a copy of an image: `harbour-lg_1280-3f2a91c07b5d.webp`.

    The name has only letters, digits, `_` and `-` of the last segment of the URL. So it cannot lead out of a
    directory, hide a file, or name a device. The digest makes it unique. The extension is that of the format,
    whatever the URL says.
    """
    last = _path(without_userinfo(url)).rstrip("/").rpartition("/")[2]
    stem = re.sub(r"[^A-Za-z0-9_]+", "-", last.rpartition(".")[0] or last).strip("-")[:80]
    return "-".join(part for part in (stem, sha256[:12]) if part) + f".{image_format.extension}"


def is_left_by_the_system(name: str) -> bool:
    """Return True if the operating system or a desktop makes files or folders of that name by itself."""
    return name in _SYSTEM_NAMES or name.startswith(_SYSTEM_PREFIXES)


_SYSTEM_NAMES = frozenset(
    {
        # File systems: recovered files (e2fsck(8)), quotas (quotacheck(8)), snapshots (btrfs, ONTAP, ZFS).
        *("lost+found", "aquota.user", "aquota.group", "quota.user", "quota.group"),
        *(".snapshot", ".snapshots", ".zfs"),
        # macOS.
        *(".DS_Store", ".fseventsd", ".Spotlight-V100", ".TemporaryItems", ".Trashes"),
        *(".DocumentRevisions-V100", ".apdisk", ".localized", ".VolumeIcon.icns"),
        # Windows.
        *("$RECYCLE.BIN", "System Volume Information", "Thumbs.db", "desktop.ini"),
        # Desktops (the Trash specification), and network storage.
        *(".Trash", ".directory", "@eaDir", "#recycle", "#snapshot"),
    }
)
_SYSTEM_PREFIXES = (
    ".nfs",  # a file that was deleted while open (nfs(5))
    ".fuse_hidden",  # the same with FUSE
    ".Trash-",
    "._",  # AppleDouble, beside a file on a volume without extended attributes
)


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
