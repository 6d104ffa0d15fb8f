"""The way from staged bytes to objects that the index knows.

    check ─▶ write each to a file ─▶ sync the files ─▶ rename ─▶ sync the folders ─▶ index ─▶ still there?
               └ or find the object, whole                (an object that was evicted: once more) ┘

1. A name under `objects` appears only by the rename of a synced file.
2. The index is written last: a missing row costs a download, a missing object costs a row.
3. Nothing rests on locks. Processes that store the same bytes make the same name, and either may win.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from imgfetch.errors import CacheError
from imgfetch.model.result import ErrorKind
from imgfetch.rules.image.renditions import identity
from imgfetch.store.index.entries import NewEntry
from imgfetch.store.layout import make_folder
from imgfetch.store.object_checks import mtime_if_whole
from imgfetch.store.staged_body import StagedBody
from imgfetch.system.atomic_files import sync_files, sync_folder, sync_folders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from imgfetch.model.image import Entry, PendingEntry
    from imgfetch.ports import Clock
    from imgfetch.store.access_times import AccessTimes
    from imgfetch.store.directory import CacheDirectory
    from imgfetch.store.index import Index
    from imgfetch.store.layout import Layout
    from imgfetch.store.os_errors import TranslateErrors
    from imgfetch.store.staging import Staging

_NOT_STAGED = StagedBody("")
"""The body of an identifier that is not, or no longer, one of this store."""


class _Publication:
    """A body that becomes an object, and how far it has come."""

    def __init__(self, pending: PendingEntry, body: StagedBody, path: str) -> None:
        """`path`: where the object will lie."""
        self.entry = pending.entry
        self.fresh_until = pending.fresh_until
        self.source_set = identity(pending.renditions)
        self.body = body
        self.path = path
        self.folder = path.rpartition("/")[0]
        self.mtime_ns = 0
        """Time of the last change of the object."""
        self.is_new = False
        """Whether the object was not there before."""
        self.error: CacheError | None = None


class Publisher:
    """Makes objects and entries of the bodies in `staging`."""

    def __init__(
        self,
        layout: Layout,
        directory: CacheDirectory,
        staging: Staging,
        index: Index,
        access_times: AccessTimes,
        clock: Clock,
        translate_errors: TranslateErrors,
    ) -> None:
        self._layout = layout
        self._directory = directory
        self._staging = staging
        self._index = index
        self._access_times = access_times
        self._clock = clock
        self._translate_errors = translate_errors
        self._unsynced_folders: set[str] = set()
        """New folders of objects, with names that may not be durable yet, even if their objects failed."""

    def commit(self, pending: Sequence[PendingEntry]) -> list[Entry | CacheError]:
        """Publish bodies and index them; return for each its entry, or the error that prevented it.

        All of them leave staging. They share what is expensive: the syncing of files and folders, and the
        transaction.
        """
        # Taken first, so that no other thread closes a file while we sync.
        bodies = [self._staging.take(each.verified.staging_id) or _NOT_STAGED for each in pending]
        paths = [self._layout.object(each.verified.facts) for each in pending]
        publications = [_Publication(*each) for each in zip(pending, bodies, paths, strict=True)]
        try:
            self._for_each(publications, self._check)
            self._publish(publications)
            self._index_all(publications)
        except (OSError, CacheError) as error:
            for each in publications:
                each.error = each.error or self._translated(error, each)
        finally:
            for body in bodies:
                body.drop()
        return [each.error or each.entry for each in publications]

    def _for_each(self, publications: Iterable[_Publication], step: Callable[[_Publication], None]) -> None:
        """Take a step with each that has not failed; an error in one leaves the others alone."""
        for each in publications:
            if each.error is None:
                try:
                    step(each)
                except (OSError, CacheError) as error:
                    each.error = self._translated(error, each)

    def _translated(self, error: OSError | CacheError, publication: _Publication) -> CacheError:
        if isinstance(error, CacheError):
            return error
        translated = self._translate_errors.translated(error, publication.entry.facts.bytes)
        translated.__cause__ = error
        return translated

    def _check(self, publication: _Publication) -> None:
        """Raise if the staged bytes are not those that were verified."""
        body, facts = publication.body, publication.entry.facts
        if body is _NOT_STAGED:
            raise self._staging.unknown()
        if (body.digest(), body.length) != (facts.sha256, facts.bytes):
            raise CacheError(
                ErrorKind.IO, f"{self._layout.root}: the staged bytes are not those that were verified"
            )

    def _publish(self, publications: Sequence[_Publication]) -> None:
        """Make every object whole and durable, and read when it was last changed."""
        self._for_each(publications, self._find_or_write)
        new = [each for each in _without_errors(publications) if each.is_new]
        sync_files([each.body.flush() for each in new], self._layout.staging)
        self._for_each(new, self._move)
        folders = {each.folder for each in _without_errors(publications)}
        unsynced = set(self._unsynced_folders)
        if folders:
            sync_folders(folders | {self._layout.objects} if unsynced else folders)
            self._unsynced_folders -= unsynced

    def _find_or_write(self, publication: _Publication) -> None:
        """Find the object, whole, or write its bytes to a file in staging."""
        mtime_ns = mtime_if_whole(publication.path, publication.entry.facts)
        if mtime_ns is None:
            self._directory.with_staging(publication.body.flush)
            publication.is_new = True
        else:
            publication.mtime_ns = mtime_ns

    def _move(self, publication: _Publication) -> None:
        """Rename a file from staging to its place among the objects."""
        try:
            publication.body.move(publication.path)
        except FileNotFoundError:
            self._make_folder(publication.folder)
            publication.body.move(publication.path)
        publication.mtime_ns = os.fstat(publication.body.flush()).st_mtime_ns

    def _make_folder(self, folder: str) -> None:
        try:
            make_folder(folder)
        except FileNotFoundError:  # all objects were deleted under us
            make_folder(self._layout.objects)
            sync_folder(self._layout.root)
            make_folder(folder)
        self._unsynced_folders.add(folder)

    def _index_all(self, publications: Sequence[_Publication]) -> None:
        """Write all rows; publish again the objects that are gone by then."""
        sound = _without_errors(publications)
        if not sound:
            return
        rows = [NewEntry(each.entry, each.fresh_until, each.mtime_ns, each.source_set) for each in sound]
        self._index.entries.put(rows, self._access_times.time(), checked_at=self._clock.now())
        gone = [each for each in sound if not each.is_new and not os.path.lexists(each.path)]
        if gone:
            # They were found, and evicted before their rows were written. Now they count as in use.
            self._publish(gone)
            self._index_all(gone)


def _without_errors(publications: Iterable[_Publication]) -> list[_Publication]:
    return [each for each in publications if each.error is None]
