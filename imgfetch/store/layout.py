"""The names of all parts of a cache, and the paths of its objects (cache/README.md describes them).

objects-v1/ab/abcdef….webp   staging: scratch-v1/   quarantine-v1/   index-v1.sqlite   leases-v1
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from imgfetch.model.image import Format
from imgfetch.model.values import Digest
from imgfetch.store.lookup_sql import EXTENSIONS
from imgfetch.store.lookup_sql import INDEX as INDEX
from imgfetch.store.lookup_sql import OBJECTS as OBJECTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imgfetch.model.image import Facts
    from imgfetch.rules.store.eviction import StoredObject
    from imgfetch.store.index.rows import Object

SCRATCH = "scratch-v1"
QUARANTINE = "quarantine-v1"
LEASES = "leases-v1"

STALE = 3600
"""Seconds after which a file in staging that is not written to is taken for a leftover."""

_ALL_EXTENSIONS = frozenset(EXTENSIONS.values())


class Layout:
    """The paths of the cache in the directory `root`, which is absolute."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.objects = f"{root}/{OBJECTS}"
        self.staging = f"{root}/{SCRATCH}"
        self.quarantine = f"{root}/{QUARANTINE}"
        self.index = f"{root}/{INDEX}"
        self.leases = f"{root}/{LEASES}"

    def object(self, known: Facts | Object | StoredObject) -> str:
        """Return the path of an object."""
        return f"{self.objects}/{known.sha256[:2]}/{known.sha256}.{EXTENSIONS[known.format]}"

    def possible_objects(self, sha256: Digest) -> list[str]:
        """Return the paths that an image with this digest may have, one for each format."""
        extensions = sorted(_ALL_EXTENSIONS - {Format.OTHER.extension})
        return [f"{self.objects}/{sha256[:2]}/{sha256}.{extension}" for extension in extensions]

    def object_files(self) -> Iterator[os.DirEntry[str]]:
        """Yield everything that lies under `objects`, by name."""
        for shard in listing(self.objects):
            if shard.is_dir(follow_symlinks=False):
                yield from listing(shard.path)
            else:
                yield shard

    def unlink(self, known: Object | StoredObject) -> None:
        """Delete the file of an object, if it is there."""
        with suppress(FileNotFoundError):
            os.unlink(self.object(known))


def promised(path: str) -> Digest | None:
    """Return the digest that the bytes at `path` must have by its name and folder; None if it is not one."""
    shard, name = path.rsplit("/", 2)[1:]
    stem, _, extension = name.partition(".")
    if (
        len(stem) != 64
        or set(stem) - set("0123456789abcdef")
        or stem[:2] != shard
        or extension not in _ALL_EXTENSIONS
    ):
        return None
    return Digest(stem)


@lru_cache(maxsize=512)  # there are 256 of them, and a name in one costs half as much as a whole path
def folder_path(path: str) -> Path:
    """Return the `Path` of a folder of objects."""
    return Path(path)


def make_folder(path: str) -> None:
    """Make a folder unless there is one. Raises `OSError`, also if a symbolic link is in its place."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if os.path.islink(path):
            raise NotADirectoryError(
                errno.ENOTDIR, "a symbolic link in the place of a folder", path
            ) from None


def listing(folder: str) -> list[os.DirEntry[str]]:
    """Return what lies in a folder, by name; nothing if the folder does not exist."""
    try:
        with os.scandir(folder) as items:
            return sorted(items, key=lambda item: item.name)
    except FileNotFoundError:
        return []


def sizes(items: Iterable[os.DirEntry[str]]) -> list[int]:
    """Return the sizes of the files that are still there."""
    found = []
    for item in items:
        with suppress(FileNotFoundError):  # another process has just stored or discarded it
            found.append(item.stat(follow_symlinks=False).st_size)
    return found


def last_written(item: os.DirEntry[str]) -> float:
    """Return when a file in staging, or the bytes that a note there describes, were last written to."""
    if item.name.endswith(".json"):
        with suppress(FileNotFoundError):
            described = os.lstat(f"{item.path.removesuffix('.json')}.partial")
            return max(described.st_mtime, item.stat(follow_symlinks=False).st_mtime)
    return item.stat(follow_symlinks=False).st_mtime
