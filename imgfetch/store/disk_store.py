"""A cache in a directory: bytes under the name of their digest, and an index of who asked for them.

    begin ─▶ append … ─▶ contents ─▶ keep:   sync ─▶ rename ─▶ sync the folder ─▶ index
             scratch-v1/                     objects-v1/ab/abcdef….webp           index-v1.sqlite
               │    ▲
          mark, suspend ─▶ resume

1. A name under `objects-v1` is only ever made by a rename of a synced file from `scratch-v1`.
2. The index is written last: a missing row costs a download, a missing object costs a row.
3. Nothing rests on locks. Processes that keep the same bytes make the same name, and either may win.
4. Nothing is written before the first `begin`.

cache/README.md describes the files for other readers.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, TypeVar, TypeVarTuple

from imgfetch.errors import CacheError, CheckDueError
from imgfetch.model.image import Entry, Format, Hit, Lookup, PendingEntry
from imgfetch.model.markup import Rendition
from imgfetch.model.request import Head, Lease, Partial
from imgfetch.model.result import ErrorKind
from imgfetch.model.values import Digest, StagingId
from imgfetch.rules.http.stored_headers import refreshed
from imgfetch.rules.http.vary import matches
from imgfetch.rules.image.filenames import is_left_by_the_system
from imgfetch.rules.image.renditions import identity, substitutes
from imgfetch.rules.store.check_age import AT_ONCE, CHECK_AGE, is_due
from imgfetch.rules.store.eviction import GRACE, IN_USE, Bounds
from imgfetch.store.access_times import AccessTimes
from imgfetch.store.evictor import Evictor
from imgfetch.store.index import Index, entry_of
from imgfetch.store.leases import Leases
from imgfetch.store.lookup_sql import EXTENSIONS as _EXTENSION_OF
from imgfetch.store.lookup_sql import INDEX as INDEX
from imgfetch.store.lookup_sql import OBJECTS as OBJECTS
from imgfetch.store.lookup_sql import is_intact, name_of
from imgfetch.store.staging import Contents, Writer, hash_of, noted, stem_of, write_new
from imgfetch.system.atomic_files import make_folders, open_regular, sync_files, sync_folder, sync_folders
from imgfetch.system.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from imgfetch.model.image import Facts
    from imgfetch.model.values import Key
    from imgfetch.ports import Clock
    from imgfetch.rules.store.eviction import StoredObject
    from imgfetch.store.index import Object
    from imgfetch.store.maintenance import Pruned

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

SCRATCH = "scratch-v1"
QUARANTINE = "quarantine-v1"
LEASES = "leases-v1"

TAG = """\
Signature: 8a477f597d28d172789f06886806bc55
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

STALE = 3600
"""Seconds after which a scratch file that nobody writes to is taken for litter."""

_LINE = 1000
"""Characters of a line of CACHEDIR.TAG that matter."""

_JUST = 1.0
"""Seconds for which scratch is taken to have no other beginnings in it than were seen."""

_SPENT = Writer("")
"""Stands behind a ticket that is spent, or another store's."""

_EXTENSIONS = frozenset(_EXTENSION_OF.values())


class Stats(NamedTuple):
    """What a cache holds."""

    entries: int
    objects: int
    bytes: int
    """Of all objects."""
    scratch_files: int
    scratch_bytes: int
    quarantined: int
    pinned: int = 0
    """Keys, whatever stands behind them."""
    oldest_use: int | None = None
    """When the object that has not been used for longest was last used, to the hour."""


class Checked(NamedTuple):
    """What was found under one name in `objects`."""

    path: Path
    expected: Digest | None
    """The digest its name promises; None where the name is none of ours."""
    actual: Digest | None
    """The digest of the bytes; None where they were not hashed."""
    problem: str | None
    """What is wrong, in a few words; None where nothing is."""
    indexed: bool = True
    """Whether the index knows of it. It may well not, of what was being kept when somebody was killed."""


class _Keeping:
    """Something that is being kept, and how far it has come."""

    def __init__(self, filing: PendingEntry, writer: Writer, path: str) -> None:
        """`path`: where the object is to lie."""
        self.entry = filing.entry
        self.source_set = identity(filing.renditions)
        self.writer = writer
        self.path = path
        self.folder = path.rpartition("/")[0]
        self.mtime_ns = 0
        """Of the object."""
        self.is_new = False
        """Whether the object was not there before."""
        self.error: CacheError | None = None

    @property
    def row(self) -> tuple[Entry, int, str]:
        """What the index is told."""
        return self.entry, self.mtime_ns, self.source_set


class _Translating:
    """A `with` whose `OSError` comes out as the `CacheError` that it means."""

    def __init__(self, translated: Callable[[OSError], CacheError]) -> None:
        self._translated = translated

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            raise self._translated(error) from error


class DiskStore:
    """The `Store` in the directory `root`, which is made when something is first begun."""

    def __init__(
        self,
        root: Path | str,
        *,
        busy_timeout: float = 10.0,
        bounds: Bounds | None = None,
        clock: Clock | None = None,
        check_age: float = CHECK_AGE,
    ) -> None:
        """`busy_timeout`: seconds to wait for another process that is writing to the index.

        `bounds` are held to while something is kept: what was not used for longest goes, in the background.
        An object that has not been hashed for `check_age` seconds is hashed at its next use.
        """
        self._root = os.path.abspath(root)
        self._translating = _Translating(self._translated)
        self._objects = f"{self._root}/{OBJECTS}"
        self._scratch = f"{self._root}/{SCRATCH}"
        self._clock = clock or SystemClock()
        self._index = Index(
            f"{self._root}/{INDEX}",
            building=self._scratch,
            busy_timeout=busy_timeout,
            elapsed=self._clock.elapsed,
        )
        self._usage = AccessTimes(self._index, self._clock)
        self._check_age = check_age
        self._evictor = Evictor(
            self._index, self._usage, bounds or Bounds(), self._unlink_unused, self._clock.elapsed
        )
        self._writers: dict[StagingId, Writer] = {}
        self._new_folders: set[str] = set()
        """Of objects; their names may not be durable yet, whatever has become of those they were made for."""
        self._leases = Leases(f"{self._root}/{LEASES}")
        self._begun: set[str] = set()
        """By the stems of their names, what was begun and left when scratch was last looked through."""
        self._looked_through = -_JUST
        self._starting = Lock()
        self._ready = False
        """Whether the directory has been prepared for writing."""
        self._swept = False
        self._ours = False
        """Whether the directory has been looked at, and is a cache."""

    @property
    def root(self) -> Path:
        """The directory, absolute."""
        return Path(self._root)

    @property
    def notices(self) -> list[str]:
        """What the user should hear of, in one line each; whoever shows them clears the list."""
        return self._index.notices

    # ------------------------------------------------------------------------------------------------
    # Finding

    def salt(self) -> bytes:
        """Return 32 random bytes that are this cache's own, for hashes of credentials."""
        with self._translating:
            return self._index.salt()

    def find(
        self,
        key: Key,
        headers: tuple[tuple[str, str], ...] | None = (),
        *,
        selector: str | None = "",
        at_once: bool = False,
    ) -> Entry | None:
        """What is kept under `key`; None where nothing is, or where the bytes are gone or changed.

        Only entries of that `selector` count; where it is None, those of every selector. Of several variants
        the latest that fields such as `headers` would select (RFC 9111 §4.1); where `headers` is None, the
        latest.

        An object whose size and time are those the index remembers is taken for whole, if it was hashed not
        long ago; any other is hashed. `at_once` raises `CheckDueError` where that would take long.
        """
        try:
            variants = self._index.find(key, selector)
            if not variants:
                self._ours = self._ours or self._is_ours()
                return None
            found = next((v for v in variants if headers is None or matches(v.entry, headers)), None)
            if found is None:
                return None
            entry, mtime_ns, used_at, checked_at = found
            path = self._place(entry.facts)
            with self._usage.lock:
                status = os.lstat(path)
                self._usage.note({entry.facts.sha256: used_at})
            if status.st_size != entry.facts.bytes:
                return None
            if self._is_taken_for_whole(entry.facts.sha256, status, mtime_ns, checked_at):
                return entry
            if at_once and status.st_size > AT_ONCE:
                raise CheckDueError(key)
            return entry if self._is_found_whole(path, entry.facts) else None
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._translated(error) from error

    def lookup(self, keys: Sequence[Key], *, now: float) -> Lookup:
        """Return what is stored under `keys` and answers at `now` for any request, and the missing keys.

        Small files under many keys are no hits, nor files of another size or modification time than the
        index has, nor files that are due to be hashed. Of a hit `find` returns the same entry, and None of a
        missing key.
        """
        hits: dict[Key, Hit] = {}
        accessed: dict[Digest, int] = {}
        with self._translating:
            checked = self._clock.now() - self._check_age, self._clock.now() + self._check_age
            rows, missing = self._index.lookup(keys, now=now, checked=checked)
            if missing:
                self._ours = self._ours or self._is_ours()
            with self._usage.lock:
                for row in rows:
                    key, sha256, _, size, mtime_ns, used_at = row[:6]
                    shard, name = name_of(row)
                    folder = f"{self._objects}/{shard}"
                    if is_intact(f"{folder}/{name}", size, mtime_ns):
                        accessed[sha256] = used_at
                        hits[key] = Hit(_folder(folder) / name, row, entry_of)
                self._usage.note(accessed)
        return Lookup(hits, missing, now)

    def keys_sharing(self, facts: Facts) -> tuple[Key, ...]:
        """The keys under which the bytes with these facts are kept, in no order, and 100 of them at most."""
        if not os.access(self._place(facts), os.F_OK):  # of most bytes the index need not be asked
            return ()
        with self._translating:
            return self._index.sharing(facts.sha256)

    def substitutes(
        self,
        offered: tuple[Rendition, ...],
        headers: tuple[tuple[str, str], ...],
        *,
        chosen: Key,
        least: int,
    ) -> Iterator[tuple[Rendition, Entry]]:
        """Yield what is kept of the source set that is `offered`, and may stand for the `chosen` one.

        Only what was fetched for this very source set, and of the same origin: at least so many pixels wide,
        as promised and in fact, the narrowest first.
        """
        may = substitutes(offered, chosen=chosen, least=least)
        source_set = identity(offered)
        if not (may and source_set):
            return
        with self._translating:
            kept = self._index.offered_in(source_set, [rendition.key for rendition in may])
        for rendition in may:
            entry = self.find(rendition.key, headers) if rendition.key in kept else None
            if entry is not None and entry.facts.width >= least:
                yield rendition, entry

    def renditions(self, key: Key) -> tuple[Rendition, ...]:
        """Return what is kept of the source set of `key`, with real widths, the narrowest first."""
        with self._translating:
            kept = self._index.renditions(key)
        return tuple(Rendition(*each) for each in sorted(kept, key=lambda each: each[1]))

    def path(self, entry: Entry) -> Path:
        """Where the bytes of an entry found or kept by this store lie."""
        sha256, extension = entry.facts.sha256, _EXTENSION_OF[entry.facts.format]
        return _folder(f"{self._objects}/{sha256[:2]}") / f"{sha256}.{extension}"

    def holding(self, sha256: Digest, *, at_once: bool = False) -> tuple[Path, Entry | None] | None:
        """Where these bytes lie, whole, and the latest entry that tells of them; None where they do not.

        There is no entry where every URL they were kept under has come to stand for others. `at_once` raises
        `CheckDueError` where many bytes are to be hashed first.
        """
        with self._translating:
            for extension in sorted(_EXTENSIONS - {Format.OTHER.extension}):
                path = f"{self._objects}/{sha256[:2]}/{sha256}.{extension}"
                if not os.path.isfile(path) or not self._is_whole(path, sha256, at_once=at_once):
                    continue
                found = self._index.about(sha256)
                with self._usage.lock:
                    if found is not None:
                        self._usage.note({sha256: found.used_at})
                    if os.path.isfile(path):
                        return Path(path), found.entry if found is not None else None
        return None

    def _place(self, facts: Facts | Object | StoredObject) -> str:
        return f"{self._objects}/{facts.sha256[:2]}/{facts.sha256}.{_EXTENSION_OF[facts.format]}"

    # ------------------------------------------------------------------------------------------------
    # Hashing what lies there

    def _is_taken_for_whole(
        self, sha256: Digest, status: os.stat_result, mtime_ns: int, checked_at: float
    ) -> bool:
        """Return whether the size and the time of a file suffice: it was hashed not long ago."""
        mtime_ns, checked_at = self._usage.last_check(sha256) or (mtime_ns, checked_at)
        is_due_now = is_due(checked_at, now=self._clock.now(), age=self._check_age)
        return status.st_mtime_ns == mtime_ns and not is_due_now

    def _is_whole(self, path: str, sha256: Digest, *, at_once: bool) -> bool:
        """Return whether a file holds the bytes of that digest; it is hashed unless it was not long ago."""
        known = self._index.known(sha256)
        status = os.lstat(path)
        if known is not None and status.st_size == known.bytes:
            if self._is_taken_for_whole(sha256, status, known.mtime_ns, known.checked_at):
                return True
            if at_once and status.st_size > AT_ONCE:
                raise CheckDueError(path)
            return self._is_found_whole(path, known)
        if at_once and status.st_size > AT_ONCE:
            raise CheckDueError(path)
        return self._checked(path, deep=True).problem is None

    def _is_found_whole(self, path: str, known: Facts | Object) -> bool:
        """Hash a file; what is damaged is moved to quarantine, so that it is fetched again.

        Its rows stay: they serve again as soon as the bytes are kept again, under whichever key.
        """
        with _opened(path) as descriptor:
            status = os.fstat(descriptor)  # before hashing, so that a change in the meantime shows
            actual = hash_of(descriptor).hexdigest()
            if actual == known.sha256 and status.st_size == known.bytes:
                self._usage.record_check(known.sha256, status.st_mtime_ns)
                return True
            if os.path.samestat(status, os.lstat(path)):
                self._quarantine_damaged(path, Digest(actual))
        return False

    def _quarantine_damaged(self, path: str, actual: Digest) -> None:
        with suppress(CacheError, OSError):  # where it cannot be moved it is not used all the same
            aside = self._move_to_quarantine(path, f"the bytes are not those it is named after: {actual}")
            self.notices.append(
                f"{path} was damaged on the disk: moved to {aside}; it is fetched again when it is wanted"
            )

    # ------------------------------------------------------------------------------------------------
    # Writing

    def open(self) -> StagingId:
        """A ticket for new bytes, private to the caller."""
        if not self._ready:
            with self._translating:
                self._get_ready()
        ticket = self._new_ticket()
        self._writers[ticket] = Writer(f"{self._scratch}/{ticket}.part")
        return ticket

    def write(self, scratch: StagingId, chunk: bytes) -> int:
        """Add bytes behind a ticket, and say how many there are now. A failure spends the ticket."""
        writer = self._writer(scratch)
        try:
            self._in_place(writer.write, chunk)
        except OSError as error:
            self.discard(scratch)
            raise self._translated(error, needed=writer.length + len(chunk)) from error
        except CacheError:
            self.discard(scratch)
            raise
        return writer.length

    def read(self, scratch: StagingId) -> Contents:
        """All bytes behind a ticket, in memory no second time, and their digest."""
        with self._translating:
            return self._writer(scratch).contents()

    def commit(self, filings: Sequence[PendingEntry]) -> list[Entry | CacheError]:
        """Make bytes visible under their digests, durably, then index them, or say why some are not kept.

        Spends all tickets. An entry that depends on no field of the request takes the place of every variant
        under its key. They share what is dear: the syncing of files and folders, and the transaction.
        """
        # Spent now, so that nobody else closes a file while we sync.
        writers = [self._writers.pop(filing.verified.staging_id, _SPENT) for filing in filings]
        paths = [self._place(filing.verified.facts) for filing in filings]
        keepings = [_Keeping(*each) for each in zip(filings, writers, paths, strict=True)]
        try:
            self._each(keepings, self._check)
            self._publish(keepings)
            self._file(keepings)
        except (OSError, CacheError) as error:
            for each in keepings:
                each.error = each.error or self._failure(error, each)
        finally:
            for writer in writers:
                writer.drop()
        self._evictor.nudge()
        return [each.error or each.entry for each in keepings]

    def _each(self, keepings: Iterable[_Keeping], step: Callable[[_Keeping], None]) -> None:
        """Take a step with each that has not failed; what goes wrong with one is its failure alone."""
        for each in keepings:
            if each.error is None:
                try:
                    step(each)
                except (OSError, CacheError) as error:
                    each.error = self._failure(error, each)

    def _failure(self, error: OSError | CacheError, keeping: _Keeping) -> CacheError:
        if isinstance(error, CacheError):
            return error
        failure = self._translated(error, keeping.entry.facts.bytes)
        failure.__cause__ = error
        return failure

    def _check(self, keeping: _Keeping) -> None:
        """See that what is to be kept is what was verified."""
        writer, facts = keeping.writer, keeping.entry.facts
        if writer is _SPENT:
            raise self._spent()
        if (writer.digest(), writer.length) != (facts.sha256, facts.bytes):
            raise CacheError(ErrorKind.IO, f"{self._root}: what is to be kept is not what was verified")

    def _publish(self, keepings: Sequence[_Keeping]) -> None:
        """See to it that every object is there, whole and durable, and note when it was last changed."""
        self._each(keepings, self._settle)
        new = [each for each in _sound(keepings) if each.is_new]
        sync_files([each.writer.settle() for each in new], self._scratch)
        self._each(new, self._move)
        folders = {each.folder for each in _sound(keepings)}
        new_folders = set(self._new_folders)
        if folders:
            sync_folders(folders | {self._objects} if new_folders else folders)
            self._new_folders -= new_folders

    def _settle(self, keeping: _Keeping) -> None:
        """Find the object whole where it is to lie, or have its bytes in a file."""
        mtime_ns = _whole(keeping.path, keeping.entry.facts)
        if mtime_ns is None:
            self._in_place(keeping.writer.settle)
            keeping.is_new = True
        else:
            keeping.mtime_ns = mtime_ns

    def _move(self, keeping: _Keeping) -> None:
        """Give a file its place."""
        try:
            keeping.writer.move(keeping.path)
        except FileNotFoundError:
            self._make_folder_of_objects(keeping.folder)
            keeping.writer.move(keeping.path)
        keeping.mtime_ns = os.fstat(keeping.writer.settle()).st_mtime_ns

    def _make_folder_of_objects(self, folder: str) -> None:
        try:
            _make_folder(folder)
        except FileNotFoundError:  # all objects were deleted under us
            _make_folder(self._objects)
            sync_folder(self._root)
            _make_folder(folder)
        self._new_folders.add(folder)

    def _file(self, keepings: Sequence[_Keeping]) -> None:
        """Have the index know of them, and of no object that is gone."""
        sound = _sound(keepings)
        if not sound:
            return
        self._index.put([each.row for each in sound], self._usage.time(), checked_at=self._clock.now())
        gone = [each for each in sound if not each.is_new and not os.path.lexists(each.path)]
        if gone:
            # They had been kept before, and were evicted between our look and our row. Now they are in use.
            self._publish(gone)
            self._file(gone)

    def refresh(self, entry: Entry, head: Head, *, request_time: float, response_time: float) -> Entry:
        """Take the fields of a 304 into a kept entry (RFC 9111 §3.2)."""
        fresh = refreshed(entry, head, request_time=request_time, response_time=response_time)
        with self._translating:
            self._index.refresh(fresh)
        return fresh

    def make_resumable(self, scratch: StagingId, key: Key, head: Head) -> None:
        """Note of what the bytes behind a ticket are the beginning, so that they can be gone on with."""
        writer = self._writer(scratch)
        if not writer.is_marked:
            writer.mark(key, head)

    def suspend(self, scratch: StagingId) -> None:
        """Let go of a ticket: of bytes that are marked for another time, of others for good."""
        writer = self._writers.pop(scratch, None)
        if writer is not None:
            self._looked_through = -_JUST
            writer.leave()

    def resume(self, key: Key) -> Partial | None:
        """Claim what was begun of `key` and suspended, or left by a writer that died; the longest first.

        What others leave is seen a second later.
        """
        if self._clock.elapsed() - self._looked_through >= _JUST:
            self._look_through()
        if not self._begun or (stem := stem_of(key)) not in self._begun:
            return None
        for left in self._left_of(stem):
            # It is not, or no longer, to be had; or the cache is of no use, which `begin` will say.
            with suppress(OSError, ValueError, TypeError, LookupError, CacheError):
                return self._claim(left, key)
        return None

    def _look_through(self) -> None:
        """See of what there are beginnings: every key is asked about, and of hardly any there are."""
        self._looked_through = self._clock.elapsed()
        self._begun.clear()
        with suppress(OSError):
            names = os.listdir(self._scratch)
            self._begun.update(name.partition("-")[0] for name in names if name.endswith(".partial"))

    def _left_of(self, stem: str) -> list[str]:
        """Paths, without their extensions, of what was begun under a stem."""
        with suppress(OSError), os.scandir(self._scratch) as listing:
            left = [
                (item.stat().st_size, item.path.removesuffix(".partial"))
                for item in listing
                if item.name.startswith(stem) and item.name.endswith(".partial")
            ]
            return [path for _, path in sorted(left, reverse=True)]
        return []

    def _claim(self, left: str, key: Key) -> Partial:
        """Take over what another writer has left. Raises where it lives, was quicker, or left no sense."""
        descriptor = os.open(f"{left}.partial", os.O_RDWR | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # its writer, if it lives, holds the lock
            head = noted(f"{left}.json", key)
            self._get_ready()
            os.utime(f"{left}.json")  # first: while it has another name than its bytes, it may be swept away
            ticket = self._new_ticket()
            path = f"{self._scratch}/{stem_of(key)}-{ticket}"
            # Of two who come this far, one finds no such name.
            os.rename(f"{left}.partial", f"{path}.partial")
            os.rename(f"{left}.json", f"{path}.json")
            os.utime(descriptor)
            writer = Writer.going_on(path, descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._writers[ticket] = writer
        return Partial(ticket, writer.length, head)

    def discard(self, scratch: StagingId) -> None:
        """Forget a ticket and its bytes. A spent or unknown ticket is no error."""
        writer = self._writers.pop(scratch, None)
        if writer is not None:
            writer.drop()

    def acquire(self, key: Key, headers: tuple[tuple[str, str], ...]) -> Lease:
        """Be the one that fetches `key` with such fields, or hear who is, in this process or another.

        Where there is no cache yet, or no lock to be had, everybody leads.
        """
        try:
            return self._leases.take("\n".join([key, *map(": ".join, headers)]))
        except OSError:
            return Lease(ours=True)

    def release(self, lease: Lease) -> None:
        """Let go of a lease. Another's, or one let go of already, is no error."""
        self._leases.release(lease)

    def close(self) -> None:
        """Let go of files and leases; tickets not kept are suspended."""
        self._leases.close()
        for scratch in tuple(self._writers):
            self.suspend(scratch)
        self._evictor.finish()
        self._usage.close()
        self._index.close()

    def cut_short(self) -> None:
        """Leave what is still to be evicted to another run: somebody is in a hurry."""
        self._evictor.finish(early=True)

    def _new_ticket(self) -> StagingId:
        """One that no store has given before: not in a process that this one was forked from, either."""
        return StagingId(os.urandom(16).hex())

    def _writer(self, scratch: StagingId) -> Writer:
        writer = self._writers.get(scratch)
        if writer is None:
            raise self._spent()
        return writer

    def _spent(self) -> CacheError:
        return CacheError(ErrorKind.IO, f"{self._root}: a ticket that is spent, or another store's")

    def _in_place(self, work: Callable[[*Ts], T], *args: *Ts) -> T:
        """What comes of what may make a file in scratch, which is made anew where it is missing."""
        try:
            return work(*args)
        except FileNotFoundError as error:
            if error.filename is None:  # of a file that is open, and may have got a part of it
                raise
            with self._starting:  # the cache was deleted under us
                self._prepare()
            return work(*args)

    # ------------------------------------------------------------------------------------------------
    # The directory

    def _get_ready(self) -> None:
        with self._starting:
            if not self._ready:
                self._prepare()

    def _prepare(self) -> None:
        """Make what is missing of the cache, and touch nothing where something else stands in its place."""
        self._is_ours()
        self._index.check()
        make_folders(self._root, 0o700)
        _make_folder(self._objects)  # first: whoever comes upon a cache half made shall see whose it is
        _make_folder(self._scratch)
        self._index.prepare()
        for name, text in (("CACHEDIR.TAG", TAG), (".gitignore", IGNORED)):
            self._introduce(f"{self._root}/{name}", text)
        with suppress(OSError):  # without leases everybody leads
            self._leases.make()
        sync_folder(self._root)
        self._ready = self._ours = True
        if not self._swept:
            self._swept = True
            self._sweep(older_than=_time_at(self._scratch) - STALE)

    def exists(self) -> bool:
        """Whether anything was ever kept here. Raises `CacheError` where nothing could be."""
        with self._translating:
            return self._is_ours()

    def _is_ours(self) -> bool:
        """Whether there is a cache; False where there could be one. Raises where there could not."""
        try:
            status = os.stat(self._root)
        except FileNotFoundError:
            if os.path.islink(self._root):
                raise self._not_a_cache("is a symbolic link that leads nowhere") from None
            return False
        except NotADirectoryError:
            raise self._not_a_cache("cannot be: a part of its path is a file") from None
        if not stat.S_ISDIR(status.st_mode):
            raise self._not_a_cache("is a file, not a directory")
        with os.scandir(self._root) as listing:
            items = [item for item in listing if not is_left_by_the_system(item.name)]
        if not items:
            return False
        for item in items:
            if item.name in (OBJECTS, SCRATCH, QUARANTINE) and item.is_symlink():
                # What lies behind it is not ours to delete.
                raise self._not_a_cache(f"has a symbolic link in the place of its folder {item.name}")
        if not any(os.path.lexists(f"{self._root}/{name}") for name in (OBJECTS, SCRATCH, INDEX)):
            self._look_for_tag()
        return True

    def _look_for_tag(self) -> None:
        try:
            descriptor = open_regular(f"{self._root}/CACHEDIR.TAG")
            with open(descriptor, encoding="utf-8", errors="replace") as file:
                first, second = file.readline(_LINE), file.readline(_LINE)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EINVAL, errno.ENXIO):
                raise
            first = second = ""
        if not (first.startswith("Signature: 8a477f597d28d172789f06886806bc55") and "imgfetch" in second):
            raise self._not_a_cache("is a directory with other things in it, and not a cache of imgfetch")

    def _not_a_cache(self, why: str) -> CacheError:
        return CacheError(
            ErrorKind.NOT_A_CACHE,
            f"{self._root} {why}",
            hint="name a new or an empty directory for the cache",
        )

    def _introduce(self, path: str, text: str) -> None:
        """Write a small file whole, unless there is one."""
        if not os.path.lexists(path):
            writer = Writer(f"{self._scratch}/{self._new_ticket()}.part")
            try:
                writer.write(text.encode())
                writer.settle()
                writer.move(path)
            finally:
                writer.drop()

    def _sweep(self, *, older_than: float) -> None:
        with os.scandir(self._scratch) as listing:
            for item in listing:
                with suppress(OSError):  # another process sweeps too, and litter is no reason to fail
                    if last_written(item) < older_than:
                        os.unlink(item.path)

    # ------------------------------------------------------------------------------------------------
    # Looking after it

    def entries(self) -> Iterator[Entry]:
        """Every entry of the index, in the order they were kept; whether the bytes are there is not asked."""
        with self._translating:
            self._is_ours()
            yield from self._index.entries()

    def stats(self) -> Stats:
        """What the cache holds. Objects, scratch and quarantine are counted on disk."""
        with self._translating:
            self._is_ours()
            objects = _sizes(self._object_files())
            scratch = _sizes(listing(self._scratch))
            quarantine = [item for item in listing(f"{self._root}/{QUARANTINE}") if item.name[-4:] != ".txt"]
            entries = self._index.count()
            pins, oldest = len(self._index.pins()), self._index.oldest_use()
        counted = (entries, len(objects), sum(objects), len(scratch), sum(scratch), len(quarantine))
        return Stats(*counted, pins, oldest)

    def verify(self, *, deep: bool) -> Iterator[Checked]:
        """Look at everything under `objects`, then for every object that the index believes to be there.

        `deep` hashes them all; else those are taken for whole whose size and time the index remembers.
        """
        with self._translating:
            self._is_ours()
            for item in self._object_files():
                yield self._checked(item.path, deep=deep)
            for known in self._index.objects():
                path = self._place(known)
                if not os.path.lexists(path):
                    yield Checked(Path(path), known.sha256, None, "missing, though the index has it")

    def quarantine(self, path: Path, reason: str) -> Path:
        """Move an object out of the way, with the reason beside it (`.txt`), and forget it. Its new place."""
        with self._translating:
            aside = self._move_to_quarantine(str(path), reason)
            sha256 = promised(str(path))
            if sha256 is not None:
                self.forget(sha256)
        return Path(aside)

    def _move_to_quarantine(self, path: str, reason: str) -> str:
        folder = f"{self._root}/{QUARANTINE}"
        _make_folder(folder)
        aside = f"{folder}/{path.rpartition('/')[2]}"
        os.rename(path, aside)
        with suppress(FileNotFoundError):
            os.unlink(f"{aside}.txt")
        write_new(f"{aside}.txt", f"{reason}\n".encode(errors="backslashreplace"))
        return aside

    def forget(self, sha256: Digest) -> None:
        """Forget what the index knows of an object that is gone, and every key that stood for it."""
        with self._translating:
            if self._index.known(sha256) is not None:
                self._index.forget(sha256)

    def remove(self, key: Key) -> bool:
        """Forget `key`, and delete its bytes where no other key stands for them. Whether it was known."""
        with self._translating:
            self._is_ours()
            if not self._index.find(key):
                return False
            self._index.remove(key, self._unlink)
        return True

    def pin(self, key: Key) -> bool:
        """Have what `key` stands for, now and later, not evicted; False where it stands for nothing."""
        with self._translating:
            self._is_ours()
            return self._index.pin(key)

    def unpin(self, key: Key) -> bool:
        """Let `key` be evicted again; whether it was pinned."""
        with self._translating:
            self._is_ours()
            return self._index.unpin(key)

    def pins(self) -> frozenset[Key]:
        """Every key that is pinned."""
        with self._translating:
            self._is_ours()
            return self._index.pins()

    def keys_of(self, sha256: Digest) -> list[Key]:
        """Every key that stands for an object."""
        with self._translating:
            return self._index.keys_of(sha256)

    def prune(
        self,
        bounds: Bounds,
        *,
        grace: float = IN_USE,
        dry_run: bool = False,
    ) -> Pruned:
        """Evict what `bounds` leave no room for, and clear away what no longer serves: `store.maintenance`.

        What was last used, on record, within `grace` seconds is spared.
        """
        from imgfetch.store.maintenance import Pruning

        with self._translating:
            if not self._is_ours():
                return Pruning.NOTHING
            self._usage.flush()
            now = self._usage.time()
            pruning = Pruning(self._root, self._index, self._evictor, self._place, self._unlink, self._clock)
            return pruning.prune(bounds, spared=now - grace, now=now, dry_run=dry_run)

    def _unlink(self, known: Object | StoredObject) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._place(known))

    def _unlink_unused(self, held: StoredObject) -> bool:
        """Delete an object, unless it is just being used by us, or kept anew by anybody."""
        path = self._place(held)
        with self._usage.lock:
            if self._usage.is_noted(held.sha256):
                return False
            with suppress(FileNotFoundError):
                status = os.lstat(path)
                changed = (status.st_size, status.st_mtime_ns) != (held.bytes, held.mtime_ns)
                if changed and abs(self._clock.now() - status.st_mtime) < GRACE:
                    return False  # its row is about to be written
                os.unlink(path)
            return True

    def _object_files(self) -> Iterator[os.DirEntry[str]]:
        """Everything that lies under `objects`, by name."""
        for shard in listing(self._objects):
            if shard.is_dir(follow_symlinks=False):
                yield from listing(shard.path)
            else:
                yield shard

    def _checked(self, path: str, *, deep: bool) -> Checked:
        expected = promised(path)
        if expected is None:
            return Checked(Path(path), None, None, "not the name of an object", indexed=False)
        try:
            status = os.lstat(path)
            if not stat.S_ISREG(status.st_mode):
                return Checked(Path(path), expected, None, "not a file")
            known = self._index.known(expected)
            mtime_ns, _ = self._usage.last_check(expected) or (known and known.mtime_ns, 0)
            if not deep and known and (known.bytes, mtime_ns) == (status.st_size, status.st_mtime_ns):
                return Checked(Path(path), expected, None, None)
            actual = _hash(path)
            if actual == expected:
                self._usage.record_check(expected, status.st_mtime_ns)
        except OSError as error:
            return Checked(Path(path), expected, None, f"cannot be read: {error.strerror}")
        return Checked(
            Path(path),
            expected,
            actual,
            _difference(path, status.st_size, known, expected, actual),
            indexed=known is not None,
        )

    # ------------------------------------------------------------------------------------------------
    # Errors

    def _translated(self, error: OSError, needed: int | None = None) -> CacheError:
        where, what = error.filename or self._root, error.strerror
        match error.errno:
            case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
                wanted = "" if needed is None else f": needed {needed:,} bytes"
                return CacheError(
                    ErrorKind.DISK_FULL, f"no space left on {self._root}{wanted} ({what})", hint="make room"
                )
            case errno.EACCES | errno.EPERM | errno.EROFS:
                return CacheError(ErrorKind.PERMISSION, f"{where}: {what}", hint="name another directory")
            case errno.ELOOP:
                return self._not_a_cache("is a symbolic link that leads round in a circle")
            case _:
                return CacheError(ErrorKind.IO, f"{where}: {what}")


def _difference(path: str, size: int, known: Object | None, expected: Digest, actual: Digest) -> str | None:
    """What of an object is not as its name and the index say."""
    if actual != expected:
        return f"the bytes are not those it is named after: {actual}"
    if known is not None and not path.endswith(f".{known.format.extension}"):
        return f"the index has it as {known.format}"
    if known is not None and size != known.bytes:
        return f"it has {size:,} bytes, and the index says {known.bytes:,}"
    return None


def promised(path: str) -> Digest | None:
    """The digest that the bytes at `path` must have by its name and folder; None where it is no object's."""
    shard, name = path.rsplit("/", 2)[1:]
    stem, _, extension = name.partition(".")
    if (
        len(stem) != 64
        or set(stem) - set("0123456789abcdef")
        or stem[:2] != shard
        or extension not in _EXTENSIONS
    ):
        return None
    return Digest(stem)


def _sound(keepings: Iterable[_Keeping]) -> list[_Keeping]:
    """Those that have not failed."""
    return [each for each in keepings if each.error is None]


def _whole(path: str, facts: Facts) -> int | None:
    """The `mtime_ns` of the file if its bytes are those of `facts`, None where they cannot be had."""
    try:
        with _opened(path) as descriptor:
            status = os.fstat(
                descriptor
            )  # before hashing, so that a change in the meantime shows in the time
            if status.st_size != facts.bytes:
                return None
            return status.st_mtime_ns if hash_of(descriptor).hexdigest() == facts.sha256 else None
    except OSError:
        return None


@lru_cache(maxsize=512)  # there are 256 of them, and a name in one costs half as much as a whole path
def _folder(path: str) -> Path:
    return Path(path)


def _hash(path: str) -> Digest:
    with _opened(path) as descriptor:
        return Digest(hash_of(descriptor).hexdigest())


@contextmanager
def _opened(path: str) -> Iterator[int]:
    """Open a regular file of the cache to read it; a symbolic link is not one."""
    descriptor = open_regular(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def last_written(item: os.DirEntry[str]) -> float:
    """When a file in scratch was last written to; of a note, when the bytes were that it tells of."""
    if item.name.endswith(".json"):
        with suppress(FileNotFoundError):
            noted = os.lstat(f"{item.path.removesuffix('.json')}.partial")
            return max(noted.st_mtime, item.stat(follow_symlinks=False).st_mtime)
    return item.stat(follow_symlinks=False).st_mtime


def _time_at(folder: str) -> float:
    """By the clock of the file system, which files are dated by, and which may be another machine's."""
    os.utime(folder)
    return os.stat(folder).st_mtime


def _make_folder(path: str) -> None:
    """Make a folder unless there is one. Raises `OSError`, also where a symbolic link is in its place."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if os.path.islink(path):
            raise NotADirectoryError(
                errno.ENOTDIR, "a symbolic link in the place of a folder", path
            ) from None


def listing(folder: str) -> list[os.DirEntry[str]]:
    """What lies in a folder, by name; nothing where there is no folder."""
    try:
        with os.scandir(folder) as listing:
            return sorted(listing, key=lambda item: item.name)
    except FileNotFoundError:
        return []


def _sizes(items: Iterable[os.DirEntry[str]]) -> list[int]:
    sizes = []
    for item in items:
        with suppress(FileNotFoundError):  # another process has just kept or discarded it
            sizes.append(item.stat(follow_symlinks=False).st_size)
    return sizes
