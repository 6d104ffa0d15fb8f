"""The short way to what the cache answers for: many URLs at one look, without an errand for each.

    sources ─▶ the URLs that are keys of what may be served unasked ─▶ sighted images
        └────▶ all others: the long way, by `jobs`

A key is a URL in its one spelling, and what is on file to be served unasked is so whatever it is asked with
(`fetch_policy.fresh_until`). So a source that is a key needs no reading, and what it comes to is what the
long way would come to (tests/test_shortcut.py lets both answer).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imgfetch.api.jobs import jobs_of
from imgfetch.api.results import Image, Likeness
from imgfetch.engine.lookup import JUST
from imgfetch.model.markup import Choice
from imgfetch.model.values import Key
from imgfetch.rules.http import urls
from imgfetch.rules.policy import fetch_policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imgfetch.api.jobs import Choosing
    from imgfetch.api.sources import Source
    from imgfetch.errors import InputError
    from imgfetch.model.image import Lookup
    from imgfetch.model.request import Settings
    from imgfetch.ports import Clock, Store


class Shortcut:
    """The short way for sources that are read, and chosen from, in one way."""

    def __init__(self, store: Store, settings: Settings, choosing: Choosing, *, is_open: bool = True) -> None:
        self._store = store
        self._choosing = choosing
        self._is_open = (
            is_open and fetch_policy.is_usual(settings) and not any(map(choosing.get, _OF_SOURCES))
        )
        self._likeness: Likeness | None = None

    def look(self, sources: Sequence[Source | InputError], first: int, *, now: float) -> Look:
        """Look for all the sources at once; `first` is the index of the first of them.

        Raises `CacheError`.
        """
        if not self._is_open:
            return Look([None] * len(sources))
        keys = _keys(sources)
        seen = self._store.lookup(keys, now=now) if any(keys) else None
        likeness = self._alike() if seen is not None and seen.hits else None
        if seen is None or likeness is None:
            return Look([None] * len(sources), seen)
        get, image = seen.hits.get, Image.sighted
        images = [
            None if (sight := get(key)) is None else image(sight, key, index, likeness)
            for index, key in enumerate(keys, first)
        ]
        return Look(images, seen)

    def _alike(self) -> Likeness | None:
        """What all have in common; None where nothing can be chosen in this way."""
        if self._likeness is None:
            job = next(jobs_of("http://localhost/", 0, **self._choosing))
            if isinstance(job.choice, Choice):
                self._likeness = Likeness(job.choice, self._store.entry_of)
        return self._likeness


class Look(NamedTuple):
    """What a look for some sources has shown."""

    images: list[Image | None]
    """Of each source the image, where it is there."""
    seen: Lookup | None = None
    """What was seen of the keys that the sources may be; None where none of them may be one."""


class Batch:
    """Images that were seen at one look, and are handed out for as long as that was just now."""

    __slots__ = ("_at", "_clock", "_images", "taken")

    def __init__(self, images: Sequence[Image], clock: Clock, at: float) -> None:
        self._images = images
        self._clock = clock
        self._at = at
        self.taken = 0
        """How many were handed out, when no more are."""

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[Image]:
        images, now, earliest, latest = self._images, self._clock.now, self._at, self._at + JUST
        for self.taken, image in enumerate(images):
            if not earliest <= now() <= latest:
                return
            yield image
        self.taken = len(images)


def _keys(sources: Sequence[Source | InputError]) -> list[Key]:
    """Of each source the key that it may be; of what can be none the empty string, which is none either."""
    return [
        Key(source) if type(source) is str and len(source) <= urls.LONGEST and source.isascii() else _NO_KEY
        for source in sources
    ]


_NO_KEY = Key("")

_OF_SOURCES = ("base_url", "every", "formats")
"""Ways to choose that depend on the URL, or make more of it than one choice."""
