"""What a caller is handed: an image that was served, or the failure that stands in its place."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imgfetch.api.sources import label
from imgfetch.model.markup import Candidate
from imgfetch.model.result import CacheStatus, Served

if TYPE_CHECKING:
    from collections.abc import Callable

    import PIL.Image

    from imgfetch.model.image import Entry, Hit
    from imgfetch.model.markup import Choice


class Likeness:
    """What images have in common that were asked for by their URLs alone, and in one way."""

    __slots__ = ("choice", "told")

    def __init__(self, choice: Choice, told: Callable[[tuple[object, ...]], Entry]) -> None:
        """`choice` is that of one such URL, `told` is `ports.Store.told`."""
        self.choice = choice
        self.told = told


class _Sighted(Served):
    """What was seen of an image in the cache, of which the rest is made when it is asked for.

    Hits are many, and of most of them little more than the path is wanted; to make all their values takes
    several times as long as to find them.
    """

    __slots__ = ("_likeness", "_record", "_url")

    if not TYPE_CHECKING:  # it would vouch for any name

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (asked for where a slot is empty)
            make = _MAKE.get(name)
            if make is None:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            value = make(self)
            object.__setattr__(self, name, value)
            return value


class Image(_Sighted):
    """A whole, verified rendition on disk."""

    __slots__ = ()

    def open(self) -> PIL.Image.Image:
        """Open the file with Pillow, as the format it was verified to be."""
        from imgfetch.decode.pillow import open_image

        return open_image(self.path, self.format)

    @classmethod
    def of(cls, served: Served, *, source: str, index: int, place: int) -> Image:
        """The same, with a door to Pillow and the name of the source it belongs to."""
        return cls(
            served.choice,
            served.candidate,
            served.entry,
            served.path,
            served.origin,
            served.attempts,
            served.tried,
            served.warnings,
            source,
            index,
            place,
        )

    @staticmethod
    def sighted(sight: Hit, url: str, index: int, likeness: Likeness) -> Image:
        """What a store saw under `url`, the source of that index."""
        image = object.__new__(Image)
        path, record = sight
        _set_path(image, path)
        _set_index(image, index)
        _set_url(image, url)
        _set_record(image, record)
        _set_likeness(image, likeness)
        return image


_set_path, _set_index = (vars(Served)[name].__set__ for name in ("path", "index"))
_set_url, _set_record, _set_likeness = (
    vars(_Sighted)[name].__set__ for name in ("_url", "_record", "_likeness")
)


def _choice(image: Any) -> Choice:  # noqa: ANN401 (an `Image`; mypy does not see its slots)
    choice: Choice = image._likeness.choice
    candidate: Candidate = image.candidate
    source_set = replace(choice.source_set, candidates=(candidate,))
    return replace(choice, candidate=candidate, source_set=source_set)


_MAKE: dict[str, Callable[[Any], object]] = {
    "choice": _choice,
    "candidate": lambda image: Candidate(image._url),
    "entry": lambda image: image._likeness.told(image._record),
    "origin": lambda _: CacheStatus.CACHED,
    "attempts": lambda _: 0,
    "tried": lambda _: (),
    "warnings": lambda _: (),
    "source": lambda image: label(image._url),
    "position": lambda _: 0,
}
"""What a field of a sighted image is made by."""
