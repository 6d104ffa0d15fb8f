"""Locks: the bytes that sources gave, to be given again or not at all.

a run with a lock ─▶ outcomes ─▶ pins ─▶ imgfetch.lock ─▶ a locked run: the same URLs, the same bytes
"""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Self

from imgfetch.api.sources import name_of
from imgfetch.engine.lookup import wanted_of
from imgfetch.errors import CheckDueError, InputError
from imgfetch.model.image import Defect, Entry
from imgfetch.model.markup import Candidate, Choice
from imgfetch.model.request import Head
from imgfetch.model.result import CacheStatus, ErrorKind, Failure, Served
from imgfetch.model.values import Key
from imgfetch.rules.http import urls
from imgfetch.rules.policy import fetch_policy, retry
from imgfetch.rules.store import lockfile
from imgfetch.system import atomic_files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from imgfetch.api.jobs import Job
    from imgfetch.api.stores import ClientStore
    from imgfetch.model.image import Requirements
    from imgfetch.model.request import Limits, Settings
    from imgfetch.model.values import Digest
    from imgfetch.rules.store.lockfile import Pin, PinKey


class Lock:
    """The images of earlier runs, by source and choice: `Client(lock=…)` fills it, or serves only these.

    A run that fills it replaces the pins of its sources. The pins of other sources stay, and so does that of
    an image that could not be fetched. Write it when the run is over.
    """

    def __init__(self, pins: Iterable[Pin] = ()) -> None:
        self._pins = {pin.key: pin for pin in pins}
        self._given: set[tuple[str, str]] = set()
        """Sources, each with its choice, of which this run has offered all images."""
        self._offered: set[PinKey] = set()
        self._sources: dict[str, list[Pin]] | None = None

    @classmethod
    def read(cls, path: str | Path, *, missing_ok: bool = False) -> Self:
        """Read a lock file; give an empty lock where there is no file, if `missing_ok`.

        Raise `InputError`.
        """
        text = atomic_files.read(path)
        if text is None and not missing_ok:
            raise InputError(ErrorKind.BAD_INPUT, "no such file", str(path), hint=retry.NO_LOCK)
        try:
            return cls() if text is None else cls(lockfile.parse(text))
        except ValueError as error:
            raise InputError(ErrorKind.BAD_INPUT, f"not a lock file: {error}", str(path)) from error

    def write(self, path: str | Path) -> None:
        """Replace a lock file at once; leave an equal one alone. Raise `InputError`.

        A file that is not a lock of this version is not replaced.
        """
        text, there = lockfile.dump(self.pins), atomic_files.read(path)
        if there == text:
            return
        if there is not None:
            try:
                lockfile.check_version(there)
            except ValueError as error:
                raise InputError(
                    ErrorKind.BAD_INPUT,
                    f"not a lock file, and so not replaced: {error}",
                    str(path),
                    hint="name another file, or move this one away",
                ) from error
        atomic_files.replace(path, text)

    @property
    def pins(self) -> tuple[Pin, ...]:
        """Pins, one for each image, without images that their sources no longer offer."""
        return tuple(
            pin
            for key, pin in self._pins.items()
            if key in self._offered or (key.source, key.asked) not in self._given
        )

    def take(self, job: Job, outcome: Served | Failure) -> None:
        """Record the outcome of a job."""
        if isinstance(job.choice, Failure):
            return
        key = _key(job, job.choice)
        again, old = key in self._offered, self._pins.get(key)
        self._offered.add(key)
        if isinstance(outcome, Failure):
            if job.is_a_url:
                return  # it may be a page whose images are as they were
        else:
            facts, url = outcome.entry.facts, urls.without_userinfo(outcome.url)
            if outcome.origin is CacheStatus.EMBEDDED:
                url = outcome.entry.key  # its URL means something within its source alone, or is very long
            # A page may offer an image twice, and locks it once.
            position = min(job.position, old.place) if again and old is not None else job.position
            self._pins[key] = lockfile.Pin(key, position, url, facts.sha256, facts.width)
            self._sources = None
        if not job.only_first:
            self._given.add((key.source, key.asked))

    def bound(self, job: Job) -> list[Job]:
        """Return the jobs that fetch what is locked of `job`; a failed one where nothing is locked."""
        if isinstance(job.choice, Failure):
            return [job]
        pins = self._of(_key(job, job.choice), job)
        return [_bind(job, job.choice, pin) for pin in pins] or [
            job._replace(choice=self._not_locked(job.choice, _key(job, job.choice)))
        ]

    def _of(self, key: PinKey, job: Job) -> list[Pin]:
        if not job.is_a_url:
            return [self._pins[key]] if key in self._pins else []
        pins = [pin for pin in self._by_source().get(key.source, []) if pin.key.asked == key.asked]
        return [pin for pin in pins if pin.place == 0][:1] if job.only_first else pins

    def _by_source(self) -> dict[str, list[Pin]]:
        if self._sources is None:
            self._sources = {}
            for pin in sorted(self._pins.values(), key=lambda pin: pin.place):
                self._sources.setdefault(pin.key.source, []).append(pin)
        return self._sources

    def _not_locked(self, choice: Choice, key: PinKey) -> Failure:
        pins = self._by_source().get(key.source, [])
        if choice.at_least.skips and any(pin.key.asked == key.asked for pin in pins):
            message = "not in the lock: skipped, as when the source was locked"
            return Failure(ErrorKind.TOO_SMALL, message, urls.redact(choice.url))
        ways = sorted({pin.key.asked for pin in pins})
        if not pins:
            message = "the source is not in the lock"
        elif key.asked not in ways:
            message = f"not in the lock for {key.asked}, but for {' and '.join(ways[:3])}"
        else:
            message = "the source offers an image that is not in the lock"
        return Failure(ErrorKind.NOT_LOCKED, message, urls.redact(choice.url), hint=retry.LOCK_ANEW)


def changed(failed: Failure) -> Failure:
    """Return a failure of what is locked, with a hint where the bytes are others."""
    return failed._replace(hint=retry.LOCK_ANEW) if failed.kind is ErrorKind.INTEGRITY else failed


def _key(job: Job, choice: Choice) -> PinKey:
    return lockfile.key_of(name_of(job.given), job.choosing, choice.source_set)


def _bind(job: Job, choice: Choice, pin: Pin) -> Job:
    if job.sha256 not in (None, pin.sha256):
        message = f"sha256 is {pin.sha256[:12]}… in the lock, where {str(job.sha256)[:12]}… was wanted"
        return job._replace(
            choice=Failure(ErrorKind.INTEGRITY, message, urls.redact(pin.url), hint=retry.LOCK_ANEW)
        )
    if choice.is_embedded:  # the bytes are at hand, and their digest decides
        return job._replace(sha256=pin.sha256)
    candidate = Candidate(urls.with_credentials_of(choice.url, pin.url), width=pin.width)
    why = "the lock names it"
    return job._replace(
        choice=choice._replace(candidate=candidate, alternatives=(), why=why), sha256=pin.sha256
    )


def serve_locked(
    choice: Choice, sha256: Digest, store: ClientStore, settings: Settings, *, may_block: bool
) -> Served | None:
    """Serve the stored bytes of a digest for a choice, whatever URL they came by; None where they do not do.

    Where it `may_block`, bytes are hashed, and verified once more, if the index does not say enough of them.
    """
    # It is what was locked, though the page may call it a stand-in by now.
    wanted = wanted_of(choice, choice.candidate, settings, sha256)._replace(stand_in=False)
    try:
        found = store.holding(sha256, at_once=not may_block)
    except CheckDueError:
        return None
    if found is None:
        return None
    path, entry = found
    stored = None if entry is None else fetch_policy.before_request_for_bytes(entry, wanted, settings)
    if stored is None and may_block:
        verified = _verified_entry(path, choice.url, sha256, wanted, settings.limits)
        if verified is not None:
            stored = fetch_policy.before_request_for_bytes(verified, wanted, settings)
    if stored is None:
        return None
    return Served(choice, choice.candidate, stored.entry, path, stored.origin, warnings=stored.warnings)


def _verified_entry(
    path: Path, url: str, sha256: Digest, wanted: Requirements, limits: Limits
) -> Entry | None:
    """Return an entry, which no index has, for bytes that are verified within the time limit."""
    from imgfetch.decode.decode_executor import DecodeThread
    from imgfetch.decode.memory import OF_PROCESS
    from imgfetch.decode.pillow import PillowDecoder
    from imgfetch.engine.verification import verify_bytes

    try:
        data = path.read_bytes()
    except OSError:  # deleted in this moment: then it must be fetched
        return None
    memory, decoder = OF_PROCESS.taken, PillowDecoder()
    work = partial(verify_bytes, data, sha256, wanted=wanted, limits=limits, decoder=decoder, memory=memory)
    with closing(DecodeThread()) as thread:
        proved = thread.run(lambda checkpoint: work(checkpoint=checkpoint), seconds=limits.total_timeout)
    return (
        None
        if proved is None or isinstance(proved, Defect)
        else Entry(Key(url), proved.facts, Head(url, 200), 0.0, 0.0)
    )
