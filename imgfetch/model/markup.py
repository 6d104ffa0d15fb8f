"""Image candidates and source sets that a page offers, and the choice of one candidate."""

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from imgfetch.model.sizes import ANY_SIZE, AtLeast
from imgfetch.redaction import redacted_repr

if TYPE_CHECKING:
    from collections.abc import Callable

    from imgfetch.model.image import Defect
    from imgfetch.model.values import Key


class Candidate(NamedTuple):
    """An image candidate: a URL and its descriptors, None where absent (HTML §4.8.4.2.1)."""

    url: str
    width: int | None = None
    """The width descriptor, in image pixels (`480w`)."""
    height: int | None = None
    """The height descriptor, in image pixels (`h`): parsed for future compatibility, never used to choose."""
    density: float | None = None
    """The pixel density descriptor (`1.5x`)."""

    @property
    def is_original(self) -> bool:
        """False: see `Original`."""
        return False

    def __repr__(self) -> str:
        return redacted_repr(self, self._fields)


class Original(Candidate):
    """A candidate that is a larger picture, named elsewhere: by the link around the image, for instance.

    A browser never shows it in place. `choose` takes it for `largest`, or for a width that no other reaches.
    """

    __slots__ = ()

    @property
    def is_original(self) -> bool:
        """True for every original."""
        return True


Descriptors: TypeAlias = "tuple[tuple[int | None, float | None], ...]"
"""The width and the density of each candidate: enough to choose one of thousands."""


class SourceKind(StrEnum):
    """The place in a page where a source set was found."""

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
    OBJECT = "object"
    """An `object` or `embed` with the type or the name of an image."""
    ICON = "icon"
    """An icon of the page, a tile, or the picture that an app shows while it starts."""
    SCRIPT = "script"
    """A URL inside the data of a script, from which the script builds the page."""
    FEED = "feed"
    """An element or member of a feed or a sitemap, such as an enclosure."""
    DATA = "data"
    """A string of JSON, or a text or attribute of XML, in a document that is not a page."""
    FILE = "file"
    """An image that a mail, a book or an archive holds, and that no text in it names."""
    TEXT = "text"
    """A list of candidates in a text, or the URL of an image in one that has no list."""
    URL = "url"
    """A URL that the caller gave."""


class Problem(NamedTuple):
    """A part of the input that a parser could not read: its position, its text, and what is wrong with it."""

    position: int
    """Offset in characters: in a text, of what was found; in an HTML page, of the start tag of the element
    (for a picture, its `img`); in a `Link` field, in its value."""
    found: str
    reason: str
    line: int = 0
    """Line of the position, in a page or text given to `find_images`; 1 is the first. 0 in a `Link` field."""
    column: int = 0
    """Column of the position, in characters; 1 is the first."""

    def __repr__(self) -> str:
        return redacted_repr(self, self._fields)


class Source(NamedTuple):
    """Candidates that a picture offers under conditions: a `<source>` element."""

    candidates: tuple[Candidate, ...]
    media: str = ""
    type: str = ""
    sizes: str = ""

    def __repr__(self) -> str:
        return redacted_repr(self, self._fields)


class EmbeddedBody(NamedTuple):
    """The body of a candidate that the source itself holds: a part of a mail, a record of an archive."""

    url: str
    """The URL of the candidate that it is the body of."""
    read: "Callable[[int], bytes | Defect]"
    """Decodes the body, anew at each call and in any thread. Of a body of more than so many bytes it may
    return the first of them, one more at least."""
    content_type: str = ""
    date: float | None = None
    """When an archive recorded it, in seconds since 1970; None where that is not known."""
    headers: tuple[tuple[str, str], ...] = ()
    """The fields of the response that an archive recorded; names in lower case."""


class Layout(NamedTuple):
    """What the markup of an image says about its place on the page."""

    width: int | None = None
    """CSS pixels, by the attribute `width` (HTML §4.8.16); None where it gives no number of pixels."""
    height: int | None = None
    """CSS pixels, by the attribute `height`."""
    is_hidden: bool = False
    """True where its own style hides the image, or moves it off the page."""
    section: str = ""
    """The nearest of the elements `main`, `article`, `nav`, `aside` and `footer` around it, else `header`.

    An `article` inside a `nav`, `aside` or `footer` is a part of that.
    """

    @property
    def is_one_pixel(self) -> bool:
        """True where the markup gives a size of one pixel at most."""
        return self.width is not None and self.height is not None and self.width <= 1 and self.height <= 1


NO_LAYOUT = Layout()


class Place(NamedTuple):
    """The part of a page's text that names candidates of an image."""

    element: str
    attribute: str
    """The name of the attribute; empty for the text inside the element."""
    position: int
    """Offset in characters of the raw value, without quotes, in the decoded text of the page."""
    length: int
    """Characters of the raw value: with its character references, as it is written."""
    start_tag: int = 0
    """Offset in characters of the start tag of the element."""


class SourceSet(NamedTuple):
    """One image, as the list of candidates that a page offers for it."""

    candidates: tuple[Candidate, ...]
    """Candidates: for an `img` those of its srcset, and its src where none of them has a width."""
    kind: SourceKind = SourceKind.TEXT
    sizes: str = ""
    alt: str = ""
    problems: tuple[Problem, ...] = ()
    position: int = 0
    """Offset in characters of the first candidate in the text that it was read from; in a page, of the start
    tag of its element."""
    sources: tuple[Source, ...] = ()
    """The `<source>` elements of a picture, in order; the first with true conditions is used."""
    placeholder: str = ""
    """The URL of the picture that an image shows until a script has loaded it. As a candidate it is taken
    only where its bytes show no sign of a placeholder."""
    embedded: tuple[EmbeddedBody, ...] = ()
    """Bodies of candidates that need no request, since the source holds them."""
    referrer_policy: "ReferrerPolicy | None" = None
    """What its element, or the page, says about the referrer of its requests; None if they say nothing."""
    page: str = ""
    """The URL of the page that names it, where the source holds several: a saved page, an archive."""
    layout: Layout = NO_LAYOUT
    """The place of the image on its page, for the choice of images (docs/images.md)."""

    places: tuple[Place, ...] = ()
    """Where a page names the candidates: the value of each attribute. What a `Link` field says has none."""
    base_url: str = ""
    """The URL against which its URLs were resolved: of the document, or of the `<base>` of the page."""

    def __repr__(self) -> str:
        return redacted_repr(self, (name for name in self._fields if name not in _NOT_SHOWN))


_NOT_SHOWN = ("embedded", "layout", "places", "base_url")


class Viewport(NamedTuple):
    """The screen that a choice is made for: CSS pixels, and device pixels per CSS pixel (`dpr`)."""

    width: float
    height: float
    dpr: float = 1.0
    font_size: float = 16.0
    color_scheme: str = "light"


class RowFormat(StrEnum):
    """The format of an input of many rows."""

    LINES = "lines"
    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"
    JSON = "json"
    PARQUET = "parquet"
    ARROW = "arrow"


class Policy(StrEnum):
    """The rule by which one candidate is chosen; `rules.image.choose` defines each."""

    COVER = "cover"
    NEAREST = "nearest"
    LARGEST = "largest"
    SMALLEST = "smallest"
    BROWSER = "browser"


class Browser(StrEnum):
    """The browser that is followed where browsers read a page differently; docs/browsers.md lists where."""

    CHROMIUM = "chromium"
    FIREFOX = "firefox"


class ReferrerPolicy(StrEnum):
    """The part of the page's URL that a request for its image reveals (Referrer Policy, §3)."""

    NO_REFERRER = "no-referrer"
    SAME_ORIGIN = "same-origin"
    STRICT_ORIGIN = "strict-origin"
    STRICT_ORIGIN_WHEN_CROSS_ORIGIN = "strict-origin-when-cross-origin"
    NO_REFERRER_WHEN_DOWNGRADE = "no-referrer-when-downgrade"
    ORIGIN = "origin"
    ORIGIN_WHEN_CROSS_ORIGIN = "origin-when-cross-origin"
    UNSAFE_URL = "unsafe-url"


class Choice(NamedTuple):
    """The candidate to fetch, why it was chosen, and the order in which to try the others."""

    candidate: Candidate
    alternatives: tuple[Candidate, ...]
    why: str
    policy: Policy
    width: int | None
    """The requested width in device pixels; None if none was requested."""
    source_set: SourceSet
    formats: tuple[str, ...] = ()
    """The formats that the caller accepts; empty if it accepts any."""
    page: str = ""
    """The URL of the page that offers the image, if that is known."""
    at_least: AtLeast = ANY_SIZE
    """The real size that the caller asks of the image."""

    def __repr__(self) -> str:
        return redacted_repr(self, self._fields)

    @property
    def url(self) -> str:
        """The URL of the chosen candidate."""
        return self.candidate.url

    def is_stand_in(self, candidate: Candidate) -> bool:
        """Return True for what the image shows until a script has loaded it."""
        placeholder = self.source_set.placeholder
        return bool(placeholder) and candidate.url == placeholder

    @property
    def is_embedded(self) -> bool:
        """True if the source itself holds the chosen candidate, so that it needs no request."""
        url = self.candidate.url
        return url[:5].lower() == "data:" or any(body.url == url for body in self.source_set.embedded)


class Rendition(NamedTuple):
    """One of the URLs of an image, and the width that its descriptor promises."""

    key: "Key"
    width: int
    """Pixels, by its descriptor; 0 without one."""
