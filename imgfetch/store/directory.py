"""The directory of a cache: recognized before anything is changed, and made when the first bytes come."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

from imgfetch.rules.image.filenames import is_left_by_the_system
from imgfetch.store.layout import INDEX, OBJECTS, QUARANTINE, SCRATCH, STALE, last_written, make_folder
from imgfetch.store.os_errors import not_a_cache
from imgfetch.store.staged_body import StagedBody
from imgfetch.system.atomic_files import make_folders, open_regular, sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.store.index import Index
    from imgfetch.store.layout import Layout
    from imgfetch.store.leases import Leases

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55"
TAG = f"""\
{_SIGNATURE}
# This directory is a cache of imgfetch: verified images, each named by its SHA-256.
# It may be deleted at any time; what is needed will be downloaded again.
# For cache directory tags, see https://bford.info/cachedir/
"""
IGNORED = """\
*
!.gitignore
!CACHEDIR.TAG
!README.md
"""

_LONGEST_LINE = 1000
"""Characters of a line of CACHEDIR.TAG that are read."""


class CacheDirectory:
    """The directory that `layout` describes; raises `OSError`, and `CacheError` if it cannot be a cache."""

    def __init__(self, layout: Layout, index: Index, leases: Leases) -> None:
        self._layout = layout
        self._index = index
        self._leases = leases
        self._lock = Lock()
        """Held while the directory is made."""
        self._is_prepared = False
        """Whether the directory has been prepared for writing."""
        self._is_swept = False
        self._is_recognized = False
        """Whether the directory has been looked at, and is a cache."""

    def prepare(self) -> None:
        """Make the directory ready for writing, once."""
        if not self._is_prepared:
            with self._lock:
                if not self._is_prepared:
                    self._make()

    def with_staging(self, work: Callable[[*Ts], T], *args: *Ts) -> T:
        """Run `work`; if the staging folder is gone, make it again and retry once."""
        try:
            return work(*args)
        except FileNotFoundError as error:
            if error.filename is None:  # the file is open, and some of the bytes may be in it
                raise
            with self._lock:  # the cache was deleted under us
                self._make()
            return work(*args)

    def recognize(self) -> None:
        """Raise if there could not be a cache here; look only until there is one."""
        self._is_recognized = self._is_recognized or self.exists()

    def exists(self) -> bool:
        """Return whether there is a cache; False if there could be one. Raises if there could not."""
        root = self._layout.root
        try:
            status = os.stat(root)
        except FileNotFoundError:
            if os.path.islink(root):
                raise not_a_cache(root, "is a symbolic link that leads nowhere") from None
            return False
        except NotADirectoryError:
            raise not_a_cache(root, "cannot be: a part of its path is a file") from None
        if not stat.S_ISDIR(status.st_mode):
            raise not_a_cache(root, "is a file, not a directory")
        with os.scandir(root) as listing:
            items = [item for item in listing if not is_left_by_the_system(item.name)]
        if not items:
            return False
        for item in items:
            if item.name in (OBJECTS, SCRATCH, QUARANTINE) and item.is_symlink():
                # The files behind it are not ours to delete.
                raise not_a_cache(root, f"has a symbolic link in the place of its folder {item.name}")
        if not any(os.path.lexists(f"{root}/{name}") for name in (OBJECTS, SCRATCH, INDEX)):
            self._check_tag()
        return True

    def _check_tag(self) -> None:
        root = self._layout.root
        try:
            descriptor = open_regular(f"{root}/CACHEDIR.TAG")
            with open(descriptor, encoding="utf-8", errors="replace") as file:
                first, second = file.readline(_LONGEST_LINE), file.readline(_LONGEST_LINE)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EINVAL, errno.ENXIO):
                raise
            first = second = ""
        if not (first.startswith(_SIGNATURE) and "imgfetch" in second):
            raise not_a_cache(root, "is a directory with other things in it, and not a cache of imgfetch")

    def _make(self) -> None:
        """Make what is missing of the cache; change nothing if something else stands in its place."""
        layout = self._layout
        self.exists()
        self._index.check()
        make_folders(layout.root, 0o700)
        make_folder(layout.objects)  # first: a cache half made must be recognized as one
        make_folder(layout.staging)
        self._index.prepare()
        for name, text in (("CACHEDIR.TAG", TAG), (".gitignore", IGNORED)):
            self._write_missing(f"{layout.root}/{name}", text)
        with suppress(OSError):  # without leases every process fetches
            self._leases.make()
        sync_folder(layout.root)
        self._is_prepared = self._is_recognized = True
        if not self._is_swept:
            self._is_swept = True
            self._sweep(older_than=_now_at(layout.staging) - STALE)

    def _write_missing(self, path: str, text: str) -> None:
        """Write a small file whole, unless there is one."""
        if not os.path.lexists(path):
            body = StagedBody(f"{self._layout.staging}/{os.urandom(16).hex()}.part")
            try:
                body.write(text.encode())
                body.flush()
                body.move(path)
            finally:
                body.drop()

    def _sweep(self, *, older_than: float) -> None:
        with os.scandir(self._layout.staging) as listing:
            for item in listing:
                with suppress(OSError):  # another process sweeps too, and a leftover is no reason to fail
                    if last_written(item) < older_than:
                        os.unlink(item.path)


def _now_at(folder: str) -> float:
    """Return the time by the clock that dates the files of a folder, which may be another machine's."""
    os.utime(folder)
    return os.stat(folder).st_mtime
