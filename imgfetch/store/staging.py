"""Staging: bodies on their way into the cache, each behind an identifier, resumable if they were marked.

open ─▶ write … ─▶ read ─▶ (publish)
          │
     make_resumable ─▶ suspend, or the process dies ─▶ resume, by any process
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from imgfetch.errors import CacheError
from imgfetch.model.request import Partial
from imgfetch.model.result import ErrorKind
from imgfetch.model.values import StagingId
from imgfetch.store.staged_body import StagedBody, read_note, stem_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.model.request import Head
    from imgfetch.model.values import Key
    from imgfetch.store.directory import CacheDirectory
    from imgfetch.store.layout import Layout
    from imgfetch.store.os_errors import TranslateErrors
    from imgfetch.store.staged_body import Contents

_RECENT = 1.0
"""Seconds for which the partial bodies found in staging are taken for all that there are."""


class Staging:
    """The bodies that this store is receiving, and the partial ones that any process has left."""

    def __init__(
        self,
        layout: Layout,
        directory: CacheDirectory,
        translate_errors: TranslateErrors,
        elapsed: Callable[[], float],
    ) -> None:
        self._layout = layout
        self._directory = directory
        self._translate_errors = translate_errors
        self._elapsed = elapsed
        self._bodies: dict[StagingId, StagedBody] = {}
        self._partial_stems: set[str] = set()
        """Stems of the names of the partial bodies that were left when staging was last listed."""
        self._listed_at = -_RECENT

    def open(self) -> StagingId:
        """Return an identifier for a new body, private to the caller."""
        try:
            self._directory.prepare()
        except OSError as error:
            raise self._translate_errors.translated(error) from error
        staging_id = _new_id()
        self._bodies[staging_id] = StagedBody(f"{self._layout.staging}/{staging_id}.part")
        return staging_id

    def write(self, staging_id: StagingId, chunk: bytes) -> int:
        """Append bytes to a body, and return its length. After an error the body is discarded."""
        body = self._body(staging_id)
        try:
            self._directory.with_staging(body.write, chunk)
        except OSError as error:
            self.discard(staging_id)
            raise self._translate_errors.translated(error, needed=body.length + len(chunk)) from error
        except CacheError:
            self.discard(staging_id)
            raise
        return body.length

    def read(self, staging_id: StagingId) -> Contents:
        """Return all bytes of a body, mapped rather than copied, and their digest."""
        body = self._body(staging_id)
        try:
            return body.contents()
        except OSError as error:
            raise self._translate_errors.translated(error) from error

    def take(self, staging_id: StagingId) -> StagedBody | None:
        """Remove a body from staging, for the caller to publish and drop; None if there is none."""
        return self._bodies.pop(staging_id, None)

    def discard(self, staging_id: StagingId) -> None:
        """Drop a body. One that is not there is not an error."""
        body = self._bodies.pop(staging_id, None)
        if body is not None:
            body.drop()

    def make_resumable(self, staging_id: StagingId, key: Key, head: Head) -> None:
        """Mark a body as the beginning of the response `head` under `key`, so that it can be resumed."""
        body = self._body(staging_id)
        if not body.is_marked:
            body.mark(key, head)

    def suspend(self, staging_id: StagingId) -> None:
        """Release a body: a marked one stays for another time, others are dropped."""
        body = self._bodies.pop(staging_id, None)
        if body is not None:
            self._listed_at = -_RECENT
            body.suspend()

    def forget(self, key: Key) -> None:
        """Do nothing: what was suspended waits for another run."""

    def suspend_all(self) -> None:
        """Release every body."""
        for staging_id in tuple(self._bodies):
            self.suspend(staging_id)

    def resume(self, key: Key) -> Partial | None:
        """Claim a partial body of `key` that was suspended, or left by a writer that died; the longest first.

        What other processes leave is seen a second later.
        """
        if self._elapsed() - self._listed_at >= _RECENT:
            self._list_partial_stems()
        if not self._partial_stems or (stem := stem_of(key)) not in self._partial_stems:
            return None
        for path in self._partial_paths(stem):
            # The body may be gone or taken; or the cache cannot be used, which `open` will report.
            with suppress(OSError, ValueError, TypeError, LookupError, CacheError):
                return self._claim(path, key)
        return None

    def _list_partial_stems(self) -> None:
        """List the stems of all partial bodies: every key is looked up, and hardly any has one."""
        self._listed_at = self._elapsed()
        self._partial_stems.clear()
        with suppress(OSError):
            names = os.listdir(self._layout.staging)
            self._partial_stems.update(name.partition("-")[0] for name in names if name.endswith(".partial"))

    def _partial_paths(self, stem: str) -> list[str]:
        """Return the paths, without extensions, of the partial bodies with this stem, the longest first."""
        with suppress(OSError), os.scandir(self._layout.staging) as listing:
            found = [
                (item.stat().st_size, item.path.removesuffix(".partial"))
                for item in listing
                if item.name.startswith(stem) and item.name.endswith(".partial")
            ]
            return [path for _, path in sorted(found, reverse=True)]
        return []

    def _claim(self, partial: str, key: Key) -> Partial:
        """Take over a partial body. Raises if its writer lives, another is quicker, or its note is bad."""
        descriptor = os.open(f"{partial}.partial", os.O_RDWR | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # a writer that lives holds the lock
            head = read_note(f"{partial}.json", key)
            self._directory.prepare()
            # First: while the note has another name than its bytes, it may be swept away.
            os.utime(f"{partial}.json")
            staging_id = _new_id()
            path = f"{self._layout.staging}/{stem_of(key)}-{staging_id}"
            # If two processes come this far, one of them finds no such name.
            os.rename(f"{partial}.partial", f"{path}.partial")
            os.rename(f"{partial}.json", f"{path}.json")
            os.utime(descriptor)
            body = StagedBody.resumed(path, descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._bodies[staging_id] = body
        return Partial(staging_id, body.length, head)

    def _body(self, staging_id: StagingId) -> StagedBody:
        body = self._bodies.get(staging_id)
        if body is None:
            raise self.unknown()
        return body

    def unknown(self) -> CacheError:
        """Return the error for an identifier that is not, or no longer, one of this store."""
        return CacheError(
            ErrorKind.IO, f"{self._layout.root}: the body was committed, discarded, or is another store's"
        )


def _new_id() -> StagingId:
    """Return an identifier that no store has given before, nor a process that this one was forked from."""
    return StagingId(os.urandom(16).hex())
