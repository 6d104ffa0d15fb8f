"""The cache as a thing to look at and look after, apart from any fetch."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import imgfetch
from imgfetch.adapters.clock import SystemClock
from imgfetch.adapters.disk import DiskStore
from imgfetch.errors import CacheError, InputError
from imgfetch.model import Defect, Format, Level, Limits, Reason, Scratch, Settings, Wanted
from imgfetch.rules import freshness, plan, urls
from imgfetch.rules.explain import explain

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from imgfetch.adapters.disk import Checked, Stats
    from imgfetch.model import Entry, Rendition
    from imgfetch.rules.explain import Explanation


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `Cache.verify` found of one file."""

    path: Path
    """Where it lies now: damaged files are moved to quarantine, where that can be written."""
    problem: str | None
    """What is wrong with it, or None."""


class Cache:
    """The cache in a directory. Raises `CacheError` where it is none, or cannot be read.

    `key_ignore` is that of the `Client` which fills it.
    """

    def __init__(self, path: str | Path = "cache", *, key_ignore: Collection[str] = ()) -> None:
        self._store = DiskStore(path)
        self._key_ignore = tuple(key_ignore)

    @property
    def path(self) -> Path:
        """The directory, absolute."""
        return self._store.root

    def entries(self) -> Iterator[Entry]:
        """Every rendition by its URL, in the order kept; the same bytes may stand under several."""
        return self._store.entries()

    def find(self, url: str) -> Entry | None:
        """What is kept for a URL, whole on disk, the latest of several variants; None where nothing is."""
        address = urls.read(url)
        return None if isinstance(address, Defect) else self._store.find(address.key(self._key_ignore), None)

    def explain(self, url: str) -> Explanation:
        """What a `get` of a URL would do now, and why. Raises `InputError` for what is no URL."""
        settings = Settings(user_agent=f"imgfetch/{imgfetch.__version__}", key_ignore=self._key_ignore)
        address = urls.read(url)
        if isinstance(address, Defect):
            raise InputError(Reason.BAD_INPUT, address.message, urls.redact(url))
        key = address.key(self._key_ignore)
        entry = self._store.find(key, plan.fields(address, settings))
        explained = explain(url, entry, settings, now=SystemClock().now())
        other = self._store.find(key, None) if entry is None else None
        if other is None:
            return explained
        vary = ", ".join(freshness.varying(other.head))
        return replace(explained, why=f"what is held is for requests with other fields (Vary: {vary})")

    def renditions(self, url: str) -> tuple[Rendition, ...]:
        """Every URL that is known to be the same image as `url`, that one too, the narrowest first.

        None where none is known. Whether anything is kept under each of them is another question.
        """
        address = urls.read(url)
        return () if isinstance(address, Defect) else self._store.renditions(address.key(self._key_ignore))

    def path_of(self, entry: Entry) -> Path:
        """Where the file of an entry lies."""
        return self._store.path(entry)

    def remove(self, url: str) -> bool:
        """Forget what is kept for a URL; whether there was anything."""
        address = urls.read(url)
        return not isinstance(address, Defect) and self._store.remove(address.key(self._key_ignore))

    def stats(self) -> Stats:
        """How much the cache holds."""
        return self._store.stats()

    def verify(self, *, deep: bool = False) -> Iterator[Verdict]:
        """Check every file against its name and its structure; `deep` decodes every frame too.

        A damaged file is moved to quarantine with the reason, so that it is never handed out again.
        """
        wanted = Wanted(Level.FULL if deep else Level.STRUCTURE)
        for checked in self._store.verify(deep=True):
            problem = checked.problem or _look(checked, wanted)
            yield Verdict(checked.path if problem is None else self._set_aside(checked, problem), problem)

    def close(self) -> None:
        """Let go of the files."""
        self._store.close()

    def _set_aside(self, checked: Checked, problem: str) -> Path:
        """Take a damaged file out of use, and say where it is. What could not be read stays."""
        with suppress(CacheError):  # a cache that cannot be written is reported on all the same
            if checked.actual is not None:
                return self._store.quarantine(checked.path, problem)
            if checked.expected is not None and not checked.path.exists():
                self._store.forget(checked.expected)
        return checked.path


def _look(checked: Checked, wanted: Wanted) -> str | None:
    """What is wrong with a file whose bytes are those that its name promises."""
    from imgfetch.adapters.pillow import PillowDecoder
    from imgfetch.engine.proof import prove

    assert checked.actual is not None  # noqa: S101 (it was hashed, or there is a problem)
    if checked.path.suffix == f".{Format.OTHER.extension}":
        return None  # nobody has ever said what it is
    proved = prove(
        checked.path.read_bytes(),
        checked.actual,
        Scratch(""),
        length=None,
        wanted=wanted,
        limits=_UNBOUNDED,
        decoder=PillowDecoder(),
    )
    return proved.message if isinstance(proved, Defect) else None


_UNBOUNDED = Limits(max_pixels=2**40, max_frames=2**30)
"""What was kept under other limits is not damaged."""
