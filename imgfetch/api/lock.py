"""Locks: the bytes that sources stood for, to be given again or not at all.

a run with a lock ─▶ outcomes ─▶ pins ─▶ imgfetch.lock ─▶ a locked run: the same URLs, the same bytes
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Self

from imgfetch.api.sources import name_of
from imgfetch.errors import InputError
from imgfetch.model.markup import Candidate, Choice
from imgfetch.model.result import ErrorKind, Failure
from imgfetch.rules.http import urls
from imgfetch.rules.store import lockfile
from imgfetch.system import atomic_files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from imgfetch.api.jobs import Job
    from imgfetch.model.result import Served
    from imgfetch.rules.store.lockfile import Pin, PinKey


class Lock:
    """What images were, by source and by what was asked: `Client(lock=…)` fills it, or is held to it.

    A run that fills it puts what it was given in the place of what was there; sources it was not given stay,
    and so does an image that could not be had. Write it when the run is over.
    """

    def __init__(self, pins: Iterable[Pin] = ()) -> None:
        self._pins = {pin.key: pin for pin in pins}
        self._given: set[tuple[str, str]] = set()
        """Of which sources, asked for in which way, all images were offered to this run."""
        self._offered: set[PinKey] = set()
        self._sources: dict[str, list[Pin]] | None = None

    @classmethod
    def read(cls, path: str | Path, *, missing_ok: bool = False) -> Self:
        """The lock in a file; where there is none, an empty one if `missing_ok`. Raises `InputError`."""
        text = atomic_files.read(path)
        if text is None and not missing_ok:
            raise InputError(
                ErrorKind.BAD_INPUT, "no such file; imgfetch get --lock FILE writes one", str(path)
            )
        try:
            return cls() if text is None else cls(lockfile.parse(text))
        except ValueError as error:
            raise InputError(ErrorKind.BAD_INPUT, f"not a lock file: {error}", str(path)) from error

    def write(self, path: str | Path) -> None:
        """Replace a lock file at once; leave an equal one alone. Raises `InputError`.

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
        """One for each image, without those that their sources no longer offer."""
        return tuple(
            pin
            for key, pin in self._pins.items()
            if key in self._offered or (key.source, key.asked) not in self._given
        )

    def take(self, job: Job, outcome: Served | Failure) -> None:
        """Note what became of an errand."""
        if isinstance(job.choice, Failure):
            return
        key = _key(job, job.choice)
        again, old = key in self._offered, self._pins.get(key)
        self._offered.add(key)
        if isinstance(outcome, Failure):
            if job.is_a_url:
                return  # it may be a page, and its images what they were
        else:
            facts, url = outcome.entry.facts, urls.without_userinfo(outcome.url)
            # A page may offer an image twice, and locks it once.
            place = min(job.place, old.place) if again and old is not None else job.place
            self._pins[key] = lockfile.Pin(key, place, url, facts.sha256, facts.width)
            self._sources = None
        if not job.only_first:
            self._given.add((key.source, key.asked))

    def bound(self, job: Job) -> list[Job]:
        """The errands that bring just what is locked; one that has failed where nothing is."""
        if isinstance(job.choice, Failure):
            return [job]
        pins = self._of(_key(job, job.choice), job)
        return [_bind(job, job.choice, pin) for pin in pins] or [
            replace(job, choice=self._not_locked(job.choice, _key(job, job.choice)))
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
        ways = sorted({pin.key.asked for pin in pins})
        if not pins:
            message = "the source is not in the lock"
        elif key.asked not in ways:
            message = f"not in the lock for {key.asked}, but for {' and '.join(ways[:3])}"
        else:
            message = "the source offers an image that is not in the lock"
        return Failure(ErrorKind.NOT_LOCKED, message, urls.redact(choice.url), hint=_HINT)


_HINT = "run with --lock and without --locked to lock what is there now"


def changed(failed: Failure) -> Failure:
    """A failure of what is locked, with a word on what to do where the bytes are others."""
    return replace(failed, hint=_HINT) if failed.kind is ErrorKind.INTEGRITY else failed


def _key(job: Job, choice: Choice) -> PinKey:
    return lockfile.key_of(name_of(job.given), job.choosing, choice.source_set)


def _bind(job: Job, choice: Choice, pin: Pin) -> Job:
    if job.sha256 not in (None, pin.sha256):
        message = f"sha256 is {pin.sha256[:12]}… in the lock, where {str(job.sha256)[:12]}… was wanted"
        return replace(job, choice=Failure(ErrorKind.INTEGRITY, message, urls.redact(pin.url), hint=_HINT))
    candidate = Candidate(urls.with_credentials_of(choice.url, pin.url), width=pin.width)
    why = "the lock names it"
    return replace(
        job, choice=replace(choice, candidate=candidate, alternatives=(), why=why), sha256=pin.sha256
    )
