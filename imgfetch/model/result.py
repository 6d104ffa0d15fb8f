"""Results of a job: an image that was served, or a failure."""

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from imgfetch.model.image import Entry, Format, Placeholder
from imgfetch.model.request import NO_SOURCE_ORIGIN, Head, SourceOrigin
from imgfetch.redaction import redacted_repr

if TYPE_CHECKING:
    from pathlib import Path

    from imgfetch.model.markup import Candidate, Choice
    from imgfetch.model.values import Digest, LimitName


class ErrorKind(StrEnum):
    """Reasons of failures: stable slugs, part of the interface, each explained in docs/errors.md."""

    # The network
    DNS = "dns"
    CONNECT = "connect"
    TIMEOUT = "timeout"
    RESET = "reset"
    INCOMPLETE = "incomplete"
    PROTOCOL = "protocol"
    TLS = "tls"
    # The response
    HTTP_STATUS = "http_status"
    RATE_LIMITED = "rate_limited"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    BAD_REDIRECT = "bad_redirect"
    # Our policy
    BAD_URL = "bad_url"
    BLOCKED = "blocked"
    OPTED_OUT = "opted_out"
    TOO_LARGE = "too_large"
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_MANY_FRAMES = "too_many_frames"
    TOO_MANY_IMAGES = "too_many_images"
    TOO_SMALL = "too_small"
    """Not an error: the image is skipped, since the caller wants larger ones."""
    UNSUPPORTED_FORMAT = "unsupported_format"
    OFFLINE = "offline"
    NOT_LOCKED = "not_locked"
    # The bytes
    EMPTY = "empty"
    NOT_IMAGE = "not_image"
    NOT_PAGE = "not_page"
    CORRUPT = "corrupt"
    TRUNCATED = "truncated"
    BAD_ENCODING = "bad_encoding"
    INTEGRITY = "integrity"
    WIDTH_MISMATCH = "width_mismatch"
    TOO_NARROW = "too_narrow"
    FORMAT_MISMATCH = "format_mismatch"
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


class CacheStatus(StrEnum):
    """The source of a served rendition."""

    FETCHED = "fetched"
    CACHED = "cached"
    REVALIDATED = "revalidated"
    STALE = "stale"
    """Stored and no longer fresh, but served: the origin allows it, or could not be reached."""
    EMBEDDED = "embedded"
    """Held by the source itself, a `data:` URL, a mail, a book or an archive: no request was needed."""


class Failure(NamedTuple):
    """An expected failure, as a value: of one candidate, or of an image when no candidate was left."""

    kind: ErrorKind
    message: str
    """One printable line that says what happened, without the URL."""
    url: str
    """The URL without credentials, and without secrets in its query."""
    http_status: int | None = None
    attempts: int = 0
    """Requests sent, not counting redirects and requests on idle connections that the origin closed."""
    retryable: bool = False
    """True if a retry later may help."""
    retry_after: float | None = None
    """Seconds to wait, by the origin's Retry-After (RFC 9110 §10.2.3)."""
    hint: str | None = None
    """One sentence on what to do about it."""
    limit: "LimitName | None" = None
    """The field of `Limits` that was hit; None if no limit was the reason."""
    tried: "tuple[Failure, ...]" = ()
    """Failures of the candidates of an image, in the order tried."""
    source: str = ""
    """The source as the caller gave it, shortened; `index` is its position among the sources of a run."""
    index: int = 0  # type: ignore[assignment] # tuple.index is not used
    position: int = 0
    """Position of the image among those that its source offers."""
    page: str = ""
    """The document that names the image: its URL without credentials, else its file; empty for a URL or a
    list of candidates that the caller gave."""
    # All that a retry needs, with secrets: for programs, and not in the repr, which may be logged.
    given: str = ""
    """The source: a URL unchanged, the path of a file, or a text, shortened if it is long."""
    choice: "Choice | None" = None
    """The choice that failed, with its alternatives; None if the source could not be read."""
    source_origin: SourceOrigin = SourceOrigin()
    """The origin that the caller's headers and userinfo belong to."""

    def __repr__(self) -> str:
        secret = ("given", "choice", "source_origin")
        return redacted_repr(self, (name for name in self._fields if name not in secret))

    @property
    def is_skipped(self) -> bool:
        """True if nothing failed: the image is smaller than the caller wants."""
        return self.kind is ErrorKind.TOO_SMALL

    @property
    def reason(self) -> ErrorKind:
        """The `kind`, by its earlier name."""
        return self.kind

    @property
    def place(self) -> int:
        """The `position`, by its earlier name."""
        return self.position


class Served(NamedTuple):
    """A whole, verified rendition, and how it was got."""

    choice: "Choice"
    candidate: "Candidate"
    """The candidate that was served: the chosen one, or the first alternative that worked."""
    entry: Entry
    content: "Path | bytes"
    """The path of its file in the cache; its bytes where there is no cache."""
    origin: CacheStatus
    attempts: int = 0
    """Requests sent for this candidate, counted as in `Failure`."""
    tried: tuple[Failure, ...] = ()
    """Failures of the candidates that were tried before."""
    warnings: tuple[str, ...] = ()
    source: str = ""
    """The source as the caller gave it, shortened; `index` is its position among the sources of a run."""
    index: int = 0  # type: ignore[assignment] # tuple.index is not used
    position: int = 0
    """Position of the image among those that its source offers."""
    page: str = ""
    """The document that names the image, as in `Failure`."""

    def __repr__(self) -> str:
        return redacted_repr(self, (name for name in self._fields if name != "content" or self.is_in_cache))

    @property
    def is_in_cache(self) -> bool:
        """True if `content` is the path of a file of the cache."""
        return not isinstance(self.content, bytes)

    @property
    def url(self) -> str:
        """The URL of the candidate that was served."""
        return self.candidate.url

    @property
    def place(self) -> int:
        """The `position`, by its earlier name."""
        return self.position

    @property
    def reused(self) -> bool:
        """Return whether a wider, stored rendition was served instead of the chosen one."""
        return not self.tried and self.candidate.url != self.choice.url

    @property
    def sha256(self) -> "Digest":
        """The digest of the bytes."""
        return self.entry.facts.sha256

    @property
    def format(self) -> Format:
        """The format of the bytes; headers and file names do not matter."""
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
        """The number of bytes."""
        return self.entry.facts.bytes

    @property
    def verified(self) -> tuple[str, ...]:
        """The checks that were made before it was stored."""
        return self.entry.facts.verified

    @property
    def fakes(self) -> tuple[Placeholder, ...]:
        """The signs that it is a placeholder; each is the first word of a warning."""
        slugs = [warning.partition(":")[0] for warning in self.warnings]
        return tuple(fake for fake in Placeholder if fake in slugs)

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The fields of the stored response, names in lower case."""
        return self.entry.head.headers


class Page(NamedTuple):
    """A page or another document that an origin sent for a URL. It is not stored."""

    head: Head
    data: bytes
    failed: Failure
    """The failure for a caller that wanted an image."""
    source_origin: SourceOrigin = NO_SOURCE_ORIGIN
    """The origin for the caller's headers, also for images of the page; none after a redirect to another."""


Outcome: TypeAlias = Served | Failure
