"""Objects compared with their digests: before they are served, and when a cache is verified.

size and time as the index has them, hashed not long ago ─▶ whole
    └ otherwise: hashed ─▶ whole, recorded
                    └────▶ damaged ─▶ quarantine, fetched again
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.errors import CacheError, CheckDueError
from imgfetch.model.values import Digest
from imgfetch.rules.store.check_age import AT_ONCE, is_due
from imgfetch.store.hashing import hash_of
from imgfetch.store.layout import make_folder, promised
from imgfetch.store.staged_body import write_new
from imgfetch.system.atomic_files import open_regular

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.model.image import Facts
    from imgfetch.ports import Clock
    from imgfetch.store.access_times import AccessTimes
    from imgfetch.store.index import Index
    from imgfetch.store.index.rows import Object
    from imgfetch.store.layout import Layout


class Checked(NamedTuple):
    """The state of one file under `objects`."""

    path: Path
    expected: Digest | None
    """The digest that its name promises; None if the name is not an object's."""
    actual: Digest | None
    """The digest of the bytes; None if they were not hashed."""
    problem: str | None
    """The problem, in a few words; None if there is none."""
    indexed: bool = True
    """Whether the index knows the file. It may not, if a process was killed before it wrote the row."""


class ObjectChecks:
    """Checks objects against their digests, and moves damaged ones to quarantine."""

    def __init__(
        self, layout: Layout, index: Index, access_times: AccessTimes, clock: Clock, check_age: float
    ) -> None:
        """`check_age`: seconds after which an object is hashed again at its next use."""
        self._layout = layout
        self._index = index
        self._access_times = access_times
        self._clock = clock
        self._check_age = check_age

    def recent(self) -> tuple[float, float]:
        """Return the times between which a check counts: a later one is by a clock that was wrong."""
        now = self._clock.now()
        return now - self._check_age, now + self._check_age

    def is_whole(
        self,
        path: str,
        known: Facts | Object,
        status: os.stat_result,
        last_check: tuple[int, float],
        *,
        at_once: bool,
    ) -> bool:
        """Return whether a file of the right size is whole, from its `status` or by hashing it.

        `last_check`: the `mtime_ns` of the object and the time of the check, as the index has them. `at_once`
        raises `CheckDueError` if many bytes would have to be hashed.
        """
        mtime_ns, checked_at = self._access_times.last_check(known.sha256) or last_check
        is_due_now = is_due(checked_at, now=self._clock.now(), age=self._check_age)
        if status.st_mtime_ns == mtime_ns and not is_due_now:
            return True
        if at_once and status.st_size > AT_ONCE:
            raise CheckDueError(path)
        return self._hash_and_heal(path, known)

    def has_digest(self, path: str, sha256: Digest, *, at_once: bool) -> bool:
        """Return whether a file, which the index may not know, is whole."""
        known = self._index.objects.find(sha256)
        status = os.lstat(path)
        if known is not None and status.st_size == known.bytes:
            last_check = known.mtime_ns, known.checked_at
            return self.is_whole(path, known, status, last_check, at_once=at_once)
        if at_once and status.st_size > AT_ONCE:
            raise CheckDueError(path)
        return self.check(path, deep=True).problem is None

    def verify(self, *, deep: bool) -> Iterator[Checked]:
        """Check everything under `objects`, then yield every object that the index has and the disk has not.

        `deep` hashes them all; without it, size and time as the index has them suffice.
        """
        for item in self._layout.object_files():
            yield self.check(item.path, deep=deep)
        for known in self._index.objects.all():
            path = self._layout.object(known)
            if not os.path.lexists(path):
                yield Checked(Path(path), known.sha256, None, "missing, though the index has it")

    def check(self, path: str, *, deep: bool) -> Checked:
        """Check one file under `objects`."""
        expected = promised(path)
        if expected is None:
            return Checked(Path(path), None, None, "not the name of an object", indexed=False)
        try:
            status = os.lstat(path)
            if not stat.S_ISREG(status.st_mode):
                return Checked(Path(path), expected, None, "not a file")
            known = self._index.objects.find(expected)
            mtime_ns, _ = self._access_times.last_check(expected) or (known and known.mtime_ns, 0)
            if not deep and known and (known.bytes, mtime_ns) == (status.st_size, status.st_mtime_ns):
                return Checked(Path(path), expected, None, None)
            with _opened(path) as descriptor:
                actual = Digest(hash_of(descriptor).hexdigest())
            if actual == expected:
                self._access_times.record_check(expected, status.st_mtime_ns)
        except OSError as error:
            return Checked(Path(path), expected, None, f"cannot be read: {error.strerror}")
        problem = _problem(path, status.st_size, known, expected, actual)
        return Checked(Path(path), expected, actual, problem, indexed=known is not None)

    def quarantine(self, path: str, reason: str) -> str:
        """Move an object to quarantine, with the reason beside it (`.txt`); return its new path."""
        make_folder(self._layout.quarantine)
        aside = f"{self._layout.quarantine}/{path.rpartition('/')[2]}"
        os.rename(path, aside)
        with suppress(FileNotFoundError):
            os.unlink(f"{aside}.txt")
        write_new(f"{aside}.txt", f"{reason}\n".encode(errors="backslashreplace"))
        return aside

    def _hash_and_heal(self, path: str, known: Facts | Object) -> bool:
        """Hash a file; a damaged one is moved to quarantine, so that it is fetched again.

        Its rows stay: they serve again as soon as the same bytes are stored again, under any key.
        """
        with _opened(path) as descriptor:
            status = os.fstat(descriptor)  # before hashing, so that a change in the meantime shows
            actual = hash_of(descriptor).hexdigest()
            if actual == known.sha256 and status.st_size == known.bytes:
                self._access_times.record_check(known.sha256, status.st_mtime_ns)
                return True
            if os.path.samestat(status, os.lstat(path)):
                self._quarantine_damaged(path, Digest(actual))
        return False

    def _quarantine_damaged(self, path: str, actual: Digest) -> None:
        with suppress(CacheError, OSError):  # it is not used, even if it cannot be moved
            aside = self.quarantine(path, f"the bytes are not those it is named after: {actual}")
            self._index.notices.append(
                f"{path} was damaged on the disk: moved to {aside}; it is fetched again when it is wanted"
            )


def mtime_if_whole(path: str, facts: Facts) -> int | None:
    """Return the `mtime_ns` of a file if its bytes are those of `facts`; None if it cannot be read."""
    if not os.access(path, os.F_OK):  # the usual case: the bytes are new
        return None
    try:
        with _opened(path) as descriptor:
            status = os.fstat(descriptor)  # before hashing, so that a change in the meantime shows
            if status.st_size != facts.bytes:
                return None
            return status.st_mtime_ns if hash_of(descriptor).hexdigest() == facts.sha256 else None
    except OSError:
        return None


def _problem(path: str, size: int, known: Object | None, expected: Digest, actual: Digest) -> str | None:
    """Name the difference between an object and its name or its row; None if there is none."""
    if actual != expected:
        return f"the bytes are not those it is named after: {actual}"
    if known is not None and not path.endswith(f".{known.format.extension}"):
        return f"the index has it as {known.format}"
    if known is not None and size != known.bytes:
        return f"it has {size:,} bytes, and the index says {known.bytes:,}"
    return None


@contextmanager
def _opened(path: str) -> Iterator[int]:
    """Open a regular file of the cache for reading; a symbolic link is not one."""
    descriptor = open_regular(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
