"""How a job ended: an image that was served, or a failure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from imgfetch.model.image import Entry, Format, Placeholder
from imgfetch.model.request import NO_SOURCE_ORIGIN, Head, SourceOrigin
from imgfetch.redaction import RedactedRepr

if TYPE_CHECKING:
    from pathlib import Path

    from imgfetch.model.markup import Candidate, Choice
    from imgfetch.model.values import Digest, LimitName


class ErrorKind(StrEnum):
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


class CacheStatus(StrEnum):
    """Where a served rendition came from."""

    FETCHED = "fetched"
    CACHED = "cached"
    REVALIDATED = "revalidated"
    STALE = "stale"
    """Held, no longer fresh, and served all the same: the origin allows it, or could not be reached."""


@dataclass(frozen=True, slots=True, repr=False)
class Failure(RedactedRepr):
    """An expected failure, as a value: one candidate's, or an image's when no candidate was left."""

    kind: ErrorKind
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
    limit: LimitName | None = None
    """The field of `Limits` that was hit; None where no limit was the reason."""
    tried: tuple[Failure, ...] = ()
    """Of an image with several candidates: how each one failed, in the order tried."""
    source: str = ""
    """What the caller gave, shortened, and `index` its position among the sources of a run."""
    index: int = 0
    position: int = 0
    """Of the image among those that its source offers."""
    # What it takes to ask again, secrets and all: for programs, and in no repr that might be logged.
    given: str = field(default="", repr=False)
    """What the caller gave: a URL as it was, the path of a file, a text cut short if it is long."""
    choice: Choice | None = field(default=None, repr=False)
    """What was to be fetched, and what else was offered; None where the source could not be read."""
    source_origin: SourceOrigin = field(default=SourceOrigin(), repr=False)
    """The origin that what the caller gives belongs to."""


@dataclass(frozen=True, slots=True, repr=False)
class Served(RedactedRepr):
    """A whole, verified rendition on disk, and how it got there."""

    choice: Choice
    candidate: Candidate
    """The candidate that was served: the chosen one, or the next that was alive."""
    entry: Entry
    path: Path
    origin: CacheStatus
    attempts: int = 0
    """Requests made for this candidate, counted likewise."""
    tried: tuple[Failure, ...] = ()
    """The candidates that were tried first and failed."""
    warnings: tuple[str, ...] = ()
    source: str = ""
    """What the caller gave, shortened, and `index` its position among the sources of a run."""
    index: int = 0
    position: int = 0
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
    def fakes(self) -> tuple[Placeholder, ...]:
        """By what it may be known to stand in for another picture; each is the first word of a warning."""
        slugs = [warning.partition(":")[0] for warning in self.warnings]
        return tuple(fake for fake in Placeholder if fake in slugs)

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The fields of the response that brought it, names in lower case."""
        return self.entry.head.headers


class Page(NamedTuple):
    """An HTML page that came where an image or a page was wanted. It is kept nowhere."""

    head: Head
    data: bytes
    failed: Failure
    """What it is to one who wanted an image."""
    source_origin: SourceOrigin = NO_SOURCE_ORIGIN
    """What its images on the source's own origin may be sent; nothing where redirects have left that."""


Outcome: TypeAlias = Served | Failure
