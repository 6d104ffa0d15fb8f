"""File names: the format that a name tells, and names that systems give to files of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.model.image import NAMES_OF_FORMATS, format_of_media_type

if TYPE_CHECKING:
    from imgfetch.model.image import Format


def named_format(url: str) -> Format | None:
    """Return the format of the extension in the path of a URL; None if it is not one of our formats.

    A `data:` URL names its format by its media type.
    """
    if url[:5].lower() == "data:":
        from imgfetch.markup.data_urls import media_type_of

        return format_of_media_type(media_type_of(url))
    extension = _path(url).rpartition("/")[2].rpartition(".")[2].lower()
    return NAMES_OF_FORMATS.get(extension)


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
