"""What is requested, within which limits, and the response head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.model.image import Entry, VerifyLevel
from imgfetch.model.markup import ReferrerPolicy, Rendition
from imgfetch.redaction import redacted_repr

if TYPE_CHECKING:
    from imgfetch.model.values import Key, StagingId


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


class Settings(NamedTuple):
    """What a caller decides for every image of a run."""

    limits: Limits = Limits()
    level: VerifyLevel = VerifyLevel.FULL
    strict_width: bool = False
    expect_width: int | None = None
    """The width that every image must have, in place of what its descriptor promises."""
    reject_fakes: bool = False
    user_agent: str = "imgfetch"
    headers: tuple[tuple[str, str], ...] = ()
    """Sent to the origin of the source as the caller wrote it, and to no other."""
    headers_for: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
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

    def __repr__(self) -> str:
        return redacted_repr(self, (name for name in self._fields if name not in ("headers", "headers_for")))


class SourceOrigin(NamedTuple):
    """The origin of a source as the caller wrote it: what the caller gives belongs to it alone."""

    origin: str = ""
    """Scheme, host and port; empty where there is none, or where a request has left it."""
    userinfo: str = ""
    """`user:password`, where the source names them."""

    def __repr__(self) -> str:
        return redacted_repr(self, (name for name in self._fields if name != "userinfo"))


NO_SOURCE_ORIGIN = SourceOrigin()


class Secrets(NamedTuple):
    """What a caller gives that selects the stored response: all of its fields but for some preferences."""

    sent: tuple[tuple[str, str], ...] = ()
    """With the request itself."""
    redirected: tuple[tuple[str, str], ...] = ()
    """With the requests that redirects may lead to."""

    def __repr__(self) -> str:
        return redacted_repr(self, (name for name in self._fields if name not in ("sent", "redirected")))


NO_SECRETS = Secrets()


class Request(NamedTuple):
    """A request as a transport sends it."""

    url: str
    headers: tuple[tuple[str, str], ...] = ()
    method: str = "GET"

    def __repr__(self) -> str:
        return redacted_repr(self, (name for name in self._fields if name != "headers"))


class Fetch(NamedTuple):
    """A request to be sent, and what the engine needs to know of it. Conditional where `entry` is set."""

    key: Key
    """The key that the response is stored under: of the URL that was requested first, before redirects."""
    request: Request
    entry: Entry | None = None
    """The stored response that is revalidated."""
    hops: int = 0
    """How many redirects led here."""
    redirect_lifetime: float | None = None
    """Seconds for which all of them may be followed unasked; None where there were none."""
    bypass_caches: bool = False
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
    secrets: Secrets = NO_SECRETS
    """What of the caller's fields selects the response that is stored under `key`."""

    def __repr__(self) -> str:
        return redacted_repr(self, (name for name in self._fields if name != "secrets"))

    @property
    def resource(self) -> str:
        """What the URL names, however it is signed: what a validator or a beginning belongs to."""
        return self.unsigned or self.request.url


class Head(NamedTuple):
    """The status line and fields of a response, and the URL that gave it."""

    url: str
    status: int
    headers: tuple[tuple[str, str], ...] = ()
    """In the order received; names in lower case."""

    def __repr__(self) -> str:
        return redacted_repr(self, self._fields)

    def get(self, name: str) -> str | None:
        """The values of a field joined by commas (RFC 9110 §5.3), or None. `name` in lower case."""
        found = None
        for field_name, value in self.headers:
            if field_name == name:
                found = value if found is None else f"{found}, {value}"
        return found


class Partial(NamedTuple):
    """The beginning of a body that broke off, claimed by whoever holds it."""

    staging_id: StagingId
    length: int
    """Bytes that have come."""
    head: Head
    """Of the response that began it: it has the length of the whole, and the entity tag."""


class Lease(NamedTuple):
    """Who is fetching something, of all that share a store."""

    ours: bool
    holder: str = ""
    """Opaque; of one that died and of who takes over from it the same."""
    token: str = ""
    """Of ours: the store's own."""
