"""The nouns of imgfetch: frozen values, one for each thing the house speaks of.

    text ─▶ SourceSet ─▶ Choice ─▶ Ask ─▶ Head ─▶ Facts ─▶ Verified ─▶ Entry ─▶ Served | Failed

Nothing here does anything: properties are derived from fields, and every value can be pickled and
sent to another machine. Those that every image needs, and that no caller sees, are tuples: they are made,
and hashed, in half the time.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, NewType, TypeAlias

from imgfetch.frozen import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from mmap import mmap
    from pathlib import Path

Key = NewType("Key", str)
"""What was asked: a URL without its signature, in one spelling for all that name the same resource."""

Digest = NewType("Digest", str)
"""What bytes are: their SHA-256 in 64 lower-case hexadecimal digits."""

Scratch = NewType("Scratch", str)
"""A store's ticket for bytes not yet proved. Opaque: never a path, of no use to any other store."""

Buffer: TypeAlias = "bytes | bytearray | memoryview | mmap"
"""Bytes one can look into without copying them."""


# ---------------------------------------------------------------------------------------------------
# What a page offers


@dataclass(frozen=True, slots=True)
class Candidate:
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


class Kind(StrEnum):
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


@dataclass(frozen=True, slots=True)
class Problem:
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


@dataclass(frozen=True, slots=True)
class Source:
    """Renditions that stand for an image where their conditions hold: a `<source>` of a picture."""

    candidates: tuple[Candidate, ...]
    media: str = ""
    type: str = ""
    sizes: str = ""


@dataclass(frozen=True, slots=True)
class SourceSet:
    """One image, as the list of renditions a page offers of it."""

    candidates: tuple[Candidate, ...]
    """Of an `img`: those of its srcset, and its src where none of them has a width."""
    kind: Kind = Kind.TEXT
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


class Form(StrEnum):
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


@dataclass(frozen=True, slots=True)
class Choice:
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


@dataclass(frozen=True, slots=True)
class Rendition:
    """One of the URLs of an image, and how wide the image is promised to be there."""

    key: Key
    width: int
    """In pixels, by its descriptor; 0 where it has none."""


# ---------------------------------------------------------------------------------------------------
# What is asked, and what is heard


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds every fetch is kept within. Seconds, bytes, pixels; none of them means "no limit"."""

    connect_timeout: float = 10.0
    read_timeout: float = 20.0
    total_timeout: float = 120.0
    """For one image: all its requests, waits, candidates and decodes. Not its turns in the queues for a host
    and for a decoder."""
    lowest_speed: int = 1_000
    """Bytes a second below which a body is given up, on an average over `lowest_speed_time`."""
    lowest_speed_time: float = 20.0
    retries: int = 3
    backoff_base: float = 0.5
    backoff_cap: float = 30.0
    max_bytes: int = 50_000_000
    max_pixels: int = 50_000_000
    """Of one frame."""
    max_total_pixels: int = 300_000_000
    """Of all frames of an image together."""
    max_frames: int = 1_000
    max_images: int = 10_000
    """Images that are taken from one page that came from the network."""
    decode_memory: int = 512_000_000
    """Bytes that all images which this process decodes at once may take, by estimate. An image for which no
    memory is left waits; one that would need more than seven eighths of it by itself is refused."""
    max_redirects: int = 10
    jobs: int = 32
    """Requests in flight at once, in all."""
    per_host: int = 6
    """Requests in flight at once to one host and port."""
    per_address: int = 24
    """Connections at once to one address, whatever names lead there; not where a proxy or another transport
    makes them."""


class Level(StrEnum):
    """How much is proved before a rendition is kept; each level includes those before it."""

    NONE = "none"
    STRUCTURE = "structure"
    FULL = "full"
    THOROUGH = "thorough"
    """A WebP is decoded twice: most of what one decode cannot see, two of them do."""

    @property
    def decodes(self) -> bool:
        """Whether every frame is decoded."""
        return self in (Level.FULL, Level.THOROUGH)


class Fake(StrEnum):
    """By what a picture that stands in for another is known; `rules.image.placeholders` defines each."""

    TRACKING_PIXEL = "tracking_pixel"
    BLUR_PLACEHOLDER = "blur_placeholder"
    REMOVED = "removed"
    REPEATED = "repeated"


class Wanted(NamedTuple):
    """What the bytes must be to be kept."""

    level: Level = Level.FULL
    sha256: Digest | None = None
    """The caller's own digest of the file, if it has one."""
    width: int | None = None
    """The width the candidate promises, in pixels."""
    strict_width: bool = False
    """Whether a width other than the promised one is an error rather than a warning."""
    page: bool = False
    """Whether a page of images will do as well as an image."""
    image: bool = True
    """Whether an image will do; where not, an answer that says it is no page is not read."""
    reject_fakes: bool = False
    """Whether a picture that stands in for another is an error rather than a warning."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a caller decides for every image of a run."""

    limits: Limits = Limits()
    level: Level = Level.FULL
    strict_width: bool = False
    expect_width: int | None = None
    """The width that every image must have, in place of what its descriptor promises."""
    reject_fakes: bool = False
    user_agent: str = "imgfetch"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Sent to the origin of the source as the caller wrote it, and to no other."""
    headers_for: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = field(default=(), repr=False)
    """Origins that the caller names, and what is sent to each of them, however a request comes there."""
    allow_downgrade: bool = False
    """Whether a redirect may lead from https: to http:."""
    refresh: bool = False
    """Whether to ask the origin even where the answer is held."""
    offline: bool = False
    """Whether to make no request at all."""
    reuse: bool = False
    """Whether a wider rendition of the same source set that is held will do for the chosen one."""
    key_ignore: tuple[str, ...] = ()
    """Shell patterns for the query parameters that do not tell one image from another."""
    robots: str = ""
    """The name by which origins may turn us away, in robots.txt and elsewhere; empty where we do not look."""
    referer: str = ""
    """The URL of a page that all images are said to stand on; empty where each has its own, or none."""
    referrer_policy: ReferrerPolicy = ReferrerPolicy.STRICT_ORIGIN
    """How much origins are told of the page that an image stands on."""


@dataclass(frozen=True, slots=True)
class SourceOrigin:
    """The origin of a source as the caller wrote it: what the caller gives belongs to it alone."""

    origin: str = ""
    """Scheme, host and port; empty where there is none, or where a request has left it."""
    userinfo: str = field(default="", repr=False)
    """`user:password`, where the source names them."""


NO_SOURCE_ORIGIN = SourceOrigin()


class Secrets(NamedTuple):
    """What a caller gives that selects the stored response: all of its fields but for some preferences."""

    sent: tuple[tuple[str, str], ...] = ()
    """With the request itself."""
    redirected: tuple[tuple[str, str], ...] = ()
    """With the requests that redirects may lead to."""


NO_SECRETS = Secrets()


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to be made. Conditional where `entry` is held and may still be good."""

    key: Key
    """What the answer will be filed under: the URL first asked for, not where redirects led."""
    url: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    entry: Entry | None = None
    hops: int = 0
    """How many redirects led here."""
    bound: float | None = None
    """Seconds for which all of them may be followed unasked; None where there were none."""
    fresh: bool = False
    """Whether it goes past every cache on the way, for what came before was damaged."""
    page: str = ""
    """The URL of the page that it is asked for on behalf of, where that is known."""
    partial: Partial | None = None
    """What has come of it before, to be gone on with if it is still the same."""
    renditions: tuple[Rendition, ...] = ()
    """The list it was chosen from, to be filed with what comes."""
    unsigned: str = ""
    """The URL without its signature; `url` itself where it is empty."""
    source_origin: SourceOrigin = NO_SOURCE_ORIGIN
    """What the source's own origin may be sent, as long as the redirects have not left it."""
    secrets: Secrets = field(default=NO_SECRETS, repr=False)
    """What of the caller's fields selects the response that is stored under `key`."""

    @property
    def resource(self) -> str:
        """What the URL names, however it is signed: what a validator or a beginning belongs to."""
        return self.unsigned or self.url


@dataclass(frozen=True, slots=True)
class Head:
    """The status line and fields of a response, and the URL that gave it."""

    url: str
    status: int
    headers: tuple[tuple[str, str], ...] = ()
    """In the order received; names in lower case."""

    def get(self, name: str) -> str | None:
        """The values of a field joined by commas (RFC 9110 §5.3), or None. `name` in lower case."""
        found = None
        for field_name, value in self.headers:
            if field_name == name:
                found = value if found is None else f"{found}, {value}"
        return found


@dataclass(frozen=True, slots=True)
class Partial:
    """The beginning of a body that broke off, claimed by whoever holds it."""

    scratch: Scratch
    length: int
    """Bytes that have come."""
    head: Head
    """Of the response that began it: it has the length of the whole, and the entity tag."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Who is fetching something, of all that share a store."""

    ours: bool
    holder: str = ""
    """Opaque; of one that died and of who takes over from it the same."""
    ticket: str = ""
    """Of ours: the store's own."""


# ---------------------------------------------------------------------------------------------------
# What the bytes are


class Format(StrEnum):
    """The image formats that are recognised by their bytes and can be proved whole."""

    JPEG = "jpeg"
    PNG = "png"
    GIF = "gif"
    WEBP = "webp"
    AVIF = "avif"
    OTHER = "other"
    """None of them: bytes that a caller of `CachingTransport` wants kept unproved."""

    @property
    def extension(self) -> str:
        """The file name extension, without a dot."""
        return "jpg" if self is Format.JPEG else "bin" if self is Format.OTHER else str(self)

    @property
    def media_type(self) -> str:
        """The IANA media type."""
        return "application/octet-stream" if self is Format.OTHER else f"image/{self}"


class Structure(NamedTuple):
    """What a walk over the bytes saw without decoding one pixel."""

    format: Format | None
    """None where the bytes are none of our formats; `defect` then says what they look like."""
    width: int = 0
    height: int = 0
    frames: int = 0
    defect: Defect | None = None
    """The first thing wrong, or None where the structure is whole to its end."""
    tail: int = 0
    """Bytes behind the end of the image, which every reader of the format passes over."""
    most_pixels: int = 0
    """The pixels of the largest frame or part that a decoder must hold, where that is more than the image."""
    notes: tuple[str, ...] = ()
    """Damage to bytes that no pixel depends on: the warnings to give of it."""
    plane_bytes: float = 0.0
    """Of an AVIF, the bytes a pixel of what is decoded, before it is made RGB."""


class DecodeLoad(NamedTuple):
    """What a decode takes, estimated from the header."""

    memory: int
    """Bytes at most, besides those of the file."""
    pixels: int
    """Of all frames."""


@dataclass(frozen=True, slots=True)
class Defect:
    """What is wrong with some bytes: a reason one can act on, and a sentence one can read."""

    reason: Reason
    message: str
    kept_at: Level | None = None
    """The level of checking at which the bytes would be kept all the same; None where there is none."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was seen of an image: what it is, and how far it has been checked."""

    format: Format
    width: int
    """Pixels, as encoded: orientation metadata is not applied."""
    height: int
    frames: int
    bytes: int
    sha256: Digest
    verified: tuple[str, ...]
    """What was checked, in order: `length`, `structure`, `decode`, `thorough`, the fields of digests that the
    origin offered (`repr-digest`, …), `sha256`."""


class Verified(NamedTuple):
    """Proof that the bytes behind a ticket may be kept. Only `rules.image.verify.judge` makes one."""

    facts: Facts
    scratch: Scratch
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """What the index knows of a kept rendition: under which key, which bytes, and who gave them."""

    key: Key
    facts: Facts
    head: Head
    asked_at: float
    """When the request was sent, in seconds since the epoch (RFC 9111 §4.2.3, request_time)."""
    received_at: float
    """When the response's head came (RFC 9111 §4.2.3, response_time)."""
    selected: tuple[tuple[str, str], ...] = ()
    """The request's fields that the response depends on by its Vary, normalised (RFC 9111 §4.1)."""
    bound: float | None = None
    """Seconds for which the redirects that led to it may be followed unasked; None where there were none."""
    selector: str = ""
    """A salted hash of the credentials that the caller sent; empty where it sent none."""


class Filing(NamedTuple):
    """A proved rendition on its way into a store: its bytes, and what the index will know of them."""

    verified: Verified
    key: Key
    head: Head
    asked_at: float
    received_at: float
    selected: tuple[tuple[str, str], ...] = ()
    bound: float | None = None
    renditions: tuple[Rendition, ...] = ()
    """The list that offered it."""
    selector: str = ""

    @property
    def entry(self) -> Entry:
        """What the index will know."""
        times = self.asked_at, self.received_at
        return Entry(
            self.key, self.verified.facts, self.head, *times, self.selected, self.bound, self.selector
        )


Sight: TypeAlias = "tuple[Path, tuple[object, ...]]"
"""Where the bytes of what is kept lie, and what `Store.told` makes its entry of: hits are many, and of most
of them nobody asks for more than the path."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of some keys of a store at one look; of a key in neither part nothing is said."""

    answers: Mapping[Key, Sight]
    """What answers for its key, whatever it is asked with."""
    absent: Collection[Key]
    """Keys under which nothing is kept."""
    at: float
    """When that was, in seconds since the epoch."""


# ---------------------------------------------------------------------------------------------------
# How it ended


class Reason(StrEnum):
    """Why something failed: stable slugs, part of the interface, each explained in docs/errors.md."""

    # The network
    DNS = "dns"
    CONNECT = "connect"
    TIMEOUT = "timeout"
    RESET = "reset"
    INCOMPLETE = "incomplete"
    PROTOCOL = "protocol"
    TLS = "tls"
    # What the origin answered
    HTTP_STATUS = "http_status"
    RATE_LIMITED = "rate_limited"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    BAD_REDIRECT = "bad_redirect"
    # What we will not do
    BAD_URL = "bad_url"
    BLOCKED = "blocked"
    OPTED_OUT = "opted_out"
    TOO_LARGE = "too_large"
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_MANY_FRAMES = "too_many_frames"
    TOO_MANY_IMAGES = "too_many_images"
    UNSUPPORTED_FORMAT = "unsupported_format"
    OFFLINE = "offline"
    NOT_LOCKED = "not_locked"
    # What the bytes are
    EMPTY = "empty"
    NOT_IMAGE = "not_image"
    NOT_PAGE = "not_page"
    CORRUPT = "corrupt"
    TRUNCATED = "truncated"
    BAD_ENCODING = "bad_encoding"
    INTEGRITY = "integrity"
    WIDTH_MISMATCH = "width_mismatch"
    PLACEHOLDER = "placeholder"
    # The cache
    DISK_FULL = "disk_full"
    PERMISSION = "permission"
    CACHE_LOCKED = "cache_locked"
    CACHE_CORRUPT = "cache_corrupt"
    CACHE_VERSION = "cache_version"
    NOT_A_CACHE = "not_a_cache"
    IO = "io"
    # The input
    BAD_INPUT = "bad_input"
    NO_IMAGE = "no_image"
    # The user
    CANCELLED = "cancelled"


class Origin(StrEnum):
    """Where a served rendition came from."""

    FETCHED = "fetched"
    CACHED = "cached"
    REVALIDATED = "revalidated"
    STALE = "stale"
    """Held, no longer fresh, and served all the same: the origin allows it, or could not be reached."""


@dataclass(frozen=True, slots=True)
class Failed:
    """An expected failure, as a value: one candidate's, or an image's when no candidate was left."""

    reason: Reason
    message: str
    """What happened, in one printable line without the URL."""
    url: str
    """Redacted: no credentials, no secrets from the query."""
    http_status: int | None = None
    attempts: int = 0
    """Requests made, but for redirects, and for those that met an idle connection as it ended."""
    retryable: bool = False
    """Whether asking again later may help."""
    retry_after: float | None = None
    """Seconds the origin asked us to wait (RFC 9110 §10.2.3)."""
    hint: str | None = None
    """What the reader can do about it."""
    tried: tuple[Failed, ...] = ()
    """Of an image with several candidates: how each one failed, in the order tried."""
    source: str = ""
    """What the caller gave, shortened, and `index` its position among the sources of a run."""
    index: int = 0
    place: int = 0
    """Of the image among those that its source offers."""
    # What it takes to ask again, secrets and all: for programs, and in no repr that might be logged.
    given: str = field(default="", repr=False)
    """What the caller gave: a URL as it was, the path of a file, a text cut short if it is long."""
    choice: Choice | None = field(default=None, repr=False)
    """What was to be fetched, and what else was offered; None where the source could not be read."""
    source_origin: SourceOrigin = field(default=SourceOrigin(), repr=False)
    """The origin that what the caller gives belongs to."""

    @property
    def kind(self) -> Reason:
        """The reason, by the name it has on exceptions and in JSON."""
        return self.reason


@dataclass(frozen=True, slots=True)
class Served:
    """A whole, verified rendition on disk, and how it got there."""

    choice: Choice
    candidate: Candidate
    """The candidate that was served: the chosen one, or the next that was alive."""
    entry: Entry
    path: Path
    origin: Origin
    attempts: int = 0
    """Requests made for this candidate, counted likewise."""
    tried: tuple[Failed, ...] = ()
    """The candidates that were tried first and failed."""
    warnings: tuple[str, ...] = ()
    source: str = ""
    """What the caller gave, shortened, and `index` its position among the sources of a run."""
    index: int = 0
    place: int = 0
    """Of the image among those that its source offers."""

    @property
    def url(self) -> str:
        """The URL of the candidate that was served."""
        return self.candidate.url

    @property
    def reused(self) -> bool:
        """Whether a wider rendition that was held stood in for the chosen one."""
        return not self.tried and self.candidate.url != self.choice.url

    @property
    def sha256(self) -> Digest:
        """The digest of the file's bytes."""
        return self.entry.facts.sha256

    @property
    def format(self) -> Format:
        """What the bytes are, whatever a header or a file name says."""
        return self.entry.facts.format

    @property
    def width(self) -> int:
        """The real width, in pixels."""
        return self.entry.facts.width

    @property
    def height(self) -> int:
        """The real height, in pixels."""
        return self.entry.facts.height

    @property
    def bytes(self) -> int:
        """The size of the file."""
        return self.entry.facts.bytes

    @property
    def verified(self) -> tuple[str, ...]:
        """What was checked before it was kept."""
        return self.entry.facts.verified

    @property
    def fakes(self) -> tuple[Fake, ...]:
        """By what it may be known to stand in for another picture; each is the first word of a warning."""
        slugs = [warning.partition(":")[0] for warning in self.warnings]
        return tuple(fake for fake in Fake if fake in slugs)

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The fields of the response that brought it, names in lower case."""
        return self.entry.head.headers


@dataclass(frozen=True, slots=True)
class Page:
    """An HTML page that came where an image or a page was wanted. It is kept nowhere."""

    head: Head
    data: bytes
    failed: Failed
    """What it is to one who wanted an image."""
    source_origin: SourceOrigin = NO_SOURCE_ORIGIN
    """What its images on the source's own origin may be sent; nothing where redirects have left that."""


Outcome: TypeAlias = Served | Failed
