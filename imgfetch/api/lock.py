"""Locks: the bytes that sources stood for, to be given again or not at all.

a run with a lock ─▶ outcomes ─▶ pins ─▶ imgfetch.lock ─▶ a locked run: the same URLs, the same bytes
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from imgfetch.api.sources import name_of
from imgfetch.errors import InputError
from imgfetch.frozen import replace
from imgfetch.model import Candidate, Choice, Failed, Reason
from imgfetch.rules.http import urls
from imgfetch.rules.store import lockfile
from imgfetch.system import atomic_files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from imgfetch.api.jobs import Errand
    from imgfetch.model import Served
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
            raise InputError(Reason.BAD_INPUT, "no such file; imgfetch get --lock FILE writes one", str(path))
        try:
            return cls() if text is None else cls(lockfile.parse(text))
        except ValueError as error:
            raise InputError(Reason.BAD_INPUT, f"not a lock file: {error}", str(path)) from error

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
                    Reason.BAD_INPUT,
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

    def take(self, errand: Errand, outcome: Served | Failed) -> None:
        """Note what became of an errand."""
        if isinstance(errand.choice, Failed):
            return
        key = _key(errand, errand.choice)
        again, old = key in self._offered, self._pins.get(key)
        self._offered.add(key)
        if isinstance(outcome, Failed):
            if errand.is_a_url:
                return  # it may be a page, and its images what they were
        else:
            facts, url = outcome.entry.facts, urls.without_userinfo(outcome.url)
            # A page may offer an image twice, and locks it once.
            place = min(errand.place, old.place) if again and old is not None else errand.place
            self._pins[key] = lockfile.Pin(key, place, url, facts.sha256, facts.width)
            self._sources = None
        if not errand.only_first:
            self._given.add((key.source, key.asked))

    def bound(self, errand: Errand) -> list[Errand]:
        """The errands that bring just what is locked; one that has failed where nothing is."""
        if isinstance(errand.choice, Failed):
            return [errand]
        pins = self._of(_key(errand, errand.choice), errand)
        return [_bind(errand, errand.choice, pin) for pin in pins] or [
            replace(errand, choice=self._not_locked(errand.choice, _key(errand, errand.choice)))
        ]

    def _of(self, key: PinKey, errand: Errand) -> list[Pin]:
        if not errand.is_a_url:
            return [self._pins[key]] if key in self._pins else []
        pins = [pin for pin in self._by_source().get(key.source, []) if pin.key.asked == key.asked]
        return [pin for pin in pins if pin.place == 0][:1] if errand.only_first else pins

    def _by_source(self) -> dict[str, list[Pin]]:
        if self._sources is None:
            self._sources = {}
            for pin in sorted(self._pins.values(), key=lambda pin: pin.place):
                self._sources.setdefault(pin.key.source, []).append(pin)
        return self._sources

    def _not_locked(self, choice: Choice, key: PinKey) -> Failed:
        pins = self._by_source().get(key.source, [])
        ways = sorted({pin.key.asked for pin in pins})
        if not pins:
            message = "the source is not in the lock"
        elif key.asked not in ways:
            message = f"not in the lock for {key.asked}, but for {' and '.join(ways[:3])}"
        else:
            message = "the source offers an image that is not in the lock"
        return Failed(Reason.NOT_LOCKED, message, urls.redact(choice.url), hint=_HINT)


_HINT = "run with --lock and without --locked to lock what is there now"


def changed(failed: Failed) -> Failed:
    """A failure of what is locked, with a word on what to do where the bytes are others."""
    return replace(failed, hint=_HINT) if failed.reason is Reason.INTEGRITY else failed


def _key(errand: Errand, choice: Choice) -> PinKey:
    return lockfile.key_of(name_of(errand.given), errand.choosing, choice.source_set)


def _bind(errand: Errand, choice: Choice, pin: Pin) -> Errand:
    if errand.sha256 not in (None, pin.sha256):
        message = f"sha256 is {pin.sha256[:12]}… in the lock, where {str(errand.sha256)[:12]}… was wanted"
        return replace(errand, choice=Failed(Reason.INTEGRITY, message, urls.redact(pin.url), hint=_HINT))
    candidate = Candidate(urls.with_credentials_of(choice.url, pin.url), width=pin.width)
    why = "the lock names it"
    return replace(
        errand, choice=replace(choice, candidate=candidate, alternatives=(), why=why), sha256=pin.sha256
    )
