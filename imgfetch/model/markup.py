"""What a page offers: image candidates, source sets, and the choice of one candidate."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from imgfetch.redaction import RedactedRepr

if TYPE_CHECKING:
    from imgfetch.model.values import Key


@dataclass(frozen=True, slots=True, repr=False)
class Candidate(RedactedRepr):
    """An image candidate: a URL and its descriptors, None where absent (HTML §4.8.4.2.1)."""

    url: str
    width: int | None = None
    """The width descriptor, in image pixels (`480w`)."""
    height: int | None = None
    """The height descriptor, in image pixels (`h`): kept for future compatibility, never used to choose."""
    density: float | None = None
    """The pixel density descriptor (`1.5x`)."""


Descriptors: TypeAlias = "tuple[tuple[int | None, float | None], ...]"
"""The width and the density of each candidate, where thousands are read and one is kept."""


class SourceKind(StrEnum):
    """Where a source set was found."""

    IMG = "img"
    PICTURE = "picture"
    PRELOAD = "preload"
    CSS = "css"
    LAZY = "lazy"
    """An attribute that a script copies to `src` or `srcset` when the image comes into view."""
    NOSCRIPT = "noscript"
    AMP = "amp"
    META = "meta"
    JSON_LD = "json-ld"
    POSTER = "poster"
    """The still of a video."""
    SVG = "svg"
    ICON = "icon"
    TEXT = "text"
    URL = "url"


@dataclass(frozen=True, slots=True, repr=False)
class Problem(RedactedRepr):
    """Something a parser could not read: where, what stood there, and what is wrong with it."""

    position: int
    """Offset in characters in the text given, of what was found; in an HTML page, of the start tag of
    the element that says it (of a picture: its `img`); of a `Link` field, in its value."""
    found: str
    reason: str
    line: int = 0
    """Of the position, in a page or text given to `find_images`; 1 is the first. 0 of a `Link` field."""
    column: int = 0
    """In characters; 1 is the first."""


@dataclass(frozen=True, slots=True, repr=False)
class Source(RedactedRepr):
    """Renditions that stand for an image where their conditions hold: a `<source>` of a picture."""

    candidates: tuple[Candidate, ...]
    media: str = ""
    type: str = ""
    sizes: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class SourceSet(RedactedRepr):
    """One image, as the list of renditions a page offers of it."""

    candidates: tuple[Candidate, ...]
    """Of an `img`: those of its srcset, and its src where none of them has a width."""
    kind: SourceKind = SourceKind.TEXT
    sizes: str = ""
    alt: str = ""
    problems: tuple[Problem, ...] = ()
    position: int = 0
    """Offset in characters of the first candidate in the text it was read from."""
    sources: tuple[Source, ...] = ()
    """What a picture offers before its `img`, in order: the first that holds is taken."""
    placeholder: str = ""
    """The URL of what stands in the place of a lazy image until a script has fetched it."""


@dataclass(frozen=True, slots=True)
class Viewport:
    """The screen a choice is made for: CSS pixels, and device pixels to a CSS pixel (`dpr`)."""

    width: float
    height: float
    dpr: float = 1.0
    font_size: float = 16.0
    color_scheme: str = "light"


class RowFormat(StrEnum):
    """How an input of many rows is written."""

    LINES = "lines"
    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"


class Policy(StrEnum):
    """By which rule one rendition is chosen; `rules.image.choose` defines each."""

    COVER = "cover"
    NEAREST = "nearest"
    LARGEST = "largest"
    SMALLEST = "smallest"
    BROWSER = "browser"


class Browser(StrEnum):
    """Whose reading of a page is followed where browsers differ; docs/browsers.md says where."""

    CHROMIUM = "chromium"
    FIREFOX = "firefox"


class ReferrerPolicy(StrEnum):
    """How much a request tells of the page that an image stands on (Referrer Policy, §3)."""

    NO_REFERRER = "no-referrer"
    SAME_ORIGIN = "same-origin"
    STRICT_ORIGIN = "strict-origin"
    STRICT_ORIGIN_WHEN_CROSS_ORIGIN = "strict-origin-when-cross-origin"
    NO_REFERRER_WHEN_DOWNGRADE = "no-referrer-when-downgrade"
    ORIGIN = "origin"
    ORIGIN_WHEN_CROSS_ORIGIN = "origin-when-cross-origin"
    UNSAFE_URL = "unsafe-url"


@dataclass(frozen=True, slots=True, repr=False)
class Choice(RedactedRepr):
    """The candidate to fetch, why it was chosen, and the order in which to try the others."""

    candidate: Candidate
    alternatives: tuple[Candidate, ...]
    why: str
    policy: Policy
    width: int | None
    """The width asked for, in device pixels; None where none was."""
    source_set: SourceSet
    formats: tuple[str, ...] = ()
    """Those that were wanted; empty where any will do."""
    page: str = ""
    """The URL of the page it was found on, where that is known."""

    @property
    def url(self) -> str:
        """The URL of the chosen candidate."""
        return self.candidate.url


class Rendition(NamedTuple):
    """One of the URLs of an image, and how wide the image is promised to be there."""

    key: Key
    width: int
    """In pixels, by its descriptor; 0 where it has none."""
