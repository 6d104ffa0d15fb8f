"""Requests, the limits and settings that they are made with, and the response head."""

from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.model.image import Entry, Requirements, VerifyLevel
from imgfetch.redaction import redacted_repr

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imgfetch.model.markup import ReferrerPolicy, Rendition
    from imgfetch.model.values import Key, StagingId


class Limits(NamedTuple):
    """The limits of every fetch, in seconds, bytes and pixels; no value means "no limit"."""

    connect_timeout: float = 10.0
    read_timeout: float = 20.0
    total_timeout: float = 120.0
    """Seconds for one image: all its requests, waits, candidates and decodes; not the time in the
    queues for a host and for a decoder."""
    lowest_speed: int = 1_000
    """Bytes per second, on an average over `lowest_speed_time`, below which a download is aborted."""
    lowest_speed_time: float = 20.0
    retries: int = 3
    backoff_base: float = 0.5
    backoff_cap: float = 30.0
    max_bytes: int = 50_000_000
    max_pixels: int = 50_000_000
    """Pixels of one frame."""
    max_total_pixels: int = 300_000_000
    """Pixels of all frames of an image together."""
    max_frames: int = 1_000
    max_images: int = 10_000
    """Images that are taken from one page of the network."""
    decode_memory: int = 512_000_000
    """Bytes that all decodes of this process may take at once, by estimate. An image for which no memory is
    left waits; an image that needs more than seven eighths of it by itself is refused."""
    max_redirects: int = 10
    jobs: int = 32
    """Requests at once, in all."""
    per_host: int = 6
    """Requests at once to one host and port."""
    per_address: int = 24
    """Connections at once to one address, by all host names together; not where a proxy or another transport
    connects."""


class Cookie(NamedTuple):
    """A cookie of the caller (RFC 6265 §5.3)."""

    domain: str
    """A host, or a domain with all hosts in it; in lower case, without a dot before it."""
    path: str
    name: str
    value: str
    is_host_only: bool = True
    """True if it goes to the host `domain` alone."""
    is_secure: bool = False
    """True if it goes over https: alone."""
    expires: float | None = None
    """Seconds since the epoch; None for a cookie that does not expire."""

    def __repr__(self) -> str:
        return redacted_repr(self, (name for name in self._fields if name != "value"))


class Settings(NamedTuple):
    """The caller's decisions for every image of a run."""

    limits: Limits = Limits()
    level: VerifyLevel = VerifyLevel.FULL
    strict_width: bool = False
    expect_width: int | None = None
    """The width in pixels that every image must have, instead of that of its descriptor."""
    reject_fakes: bool = False
    user_agent: str = "imgfetch"
    headers: tuple[tuple[str, str], ...] = ()
    """Fields for the origin of the source as the caller wrote it, and for no other."""
    headers_for: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    """Origins that the caller names, and the fields for each of them, also for redirects to it."""
    cookies: "Mapping[str, tuple[Cookie, ...]]" = MappingProxyType({})
    """Cookies by the site of their domain; those of the source's site are sent."""
    netrc: "Mapping[str, str]" = MappingProxyType({})
    """`user:password` by the name of a host, for the origin of the source; an empty name stands for any."""
    allow_downgrade: bool = False
    """True if a redirect may lead from https: to http:."""
    refresh: bool = False
    """True to revalidate fresh stored responses too."""
    offline: bool = False
    """True to send no request."""
    reuse: bool = False
    """True if a stored, wider rendition of the same source set may serve instead of the chosen one."""
    key_ignore: tuple[str, ...] = ()
    """Shell patterns for the query parameters that keys leave out."""
    robots: str = ""
    """The user agent that robots.txt and other opt-outs are read for; empty to ignore them."""
    referer: str = ""
    """The URL of the page to name as referrer for all images; empty to use the page of each image."""
    referrer_policy: "ReferrerPolicy | None" = None
    """The part of the page's URL that requests reveal; None to follow the page."""
    follow: bool = True
    """True to read the style sheets, the manifest or the sitemaps that a document loads."""
    delay: float = 0.0
    """Seconds between two requests to one host, at least."""

    def __repr__(self) -> str:
        secret = ("headers", "headers_for", "cookies", "netrc")
        return redacted_repr(self, (name for name in self._fields if name not in secret))


class ReferringPage(NamedTuple):
    """A page that shows an image, as the referrer of its requests."""

    url: str = ""
    """The URL of the page; empty if it is not known."""
    policy: "ReferrerPolicy | None" = None
    """What the page, or the element of the image, says about the referrer; None if they say nothing."""

    def __repr__(self) -> str:
        return redacted_repr(self, self._fields)


NO_PAGE = ReferringPage()


class SourceOrigin(NamedTuple):
    """The origin of a source as the caller wrote it: headers and userinfo belong to it alone."""

    origin: str = ""
    """Scheme, host and port; empty without one, and after a redirect to another."""
    userinfo: str = ""
    """`user:password`, if the source has them."""
    host: str = ""
    """The host of the source, also after a redirect to another: the caller's cookies stay within its site."""

    def __repr__(self) -> str:
        return redacted_repr(self, (name for name in self._fields if name != "userinfo"))


NO_SOURCE_ORIGIN = SourceOrigin()


class Secrets(NamedTuple):
    """The caller's fields that select the stored response: all but some preferences."""

    sent: tuple[tuple[str, str], ...] = ()
    """Fields of the request itself."""
    redirected: tuple[tuple[str, str], ...] = ()
    """Fields of the requests that redirects may lead to."""

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
    """A request for one image or page, what its bytes must be, and the engine's bookkeeping for it.

    It is made once for a candidate (`rules.policy.fetch_policy.fetch_of`), and goes from the lookup to the
    wire. Conditional if `entry` is set.
    """

    key: "Key"
    """The key for the response: that of the first URL, before redirects."""
    request: Request
    entry: Entry | None = None
    """The stored response to revalidate."""
    hops: int = 0
    """The number of redirects so far."""
    redirect_lifetime: float | None = None
    """Freshness lifetime of the redirect chain in seconds; None without redirects."""
    bypass_caches: bool = False
    """True to bypass every cache on the way, since an earlier response was damaged."""
    page: ReferringPage = ReferringPage()
    """The page that offers the image, if that is known."""
    accept: str = ""
    """The value of Accept, for other origins that redirects lead to."""
    partial: "Partial | None" = None
    """The beginning of the body, to be resumed if the origin still has the same."""
    renditions: "tuple[Rendition, ...]" = ()
    """The renditions of the source set, to be stored with the response."""
    unsigned: str = ""
    """The URL without its signature; empty if it has none."""
    source_origin: SourceOrigin = NO_SOURCE_ORIGIN
    """The origin for the caller's headers, until a redirect leaves it."""
    secrets: Secrets = NO_SECRETS
    """The caller's fields that select the response under `key`."""
    wanted: Requirements = Requirements()
    """What the bytes must be."""

    def __repr__(self) -> str:
        return redacted_repr(self, (name for name in self._fields if name != "secrets"))

    @property
    def resource(self) -> str:
        """The URL without its signature: a validator, or the beginning of a body, belongs to it."""
        return self.unsigned or self.request.url


class _Head(NamedTuple):
    url: str
    status: int
    headers: tuple[tuple[str, str], ...] = ()
    """Fields in the order received; names in lower case."""


class Head(_Head):
    """The status line and fields of a response, and the URL that gave it."""

    @cached_property
    def fields(self) -> dict[str, str]:
        """Each field by its name, several values joined by commas (RFC 9110 §5.3)."""
        found: dict[str, str] = {}
        for name, value in self.headers:
            found[name] = f"{found[name]}, {value}" if name in found else value
        return found

    def get(self, name: str) -> str | None:
        """Return the value of one field, or None. `name` in lower case."""
        return self.fields.get(name)

    def __repr__(self) -> str:
        return redacted_repr(self, self._fields)


class Partial(NamedTuple):
    """The beginning of a body, claimed for one download that may resume it."""

    staging_id: "StagingId"
    length: int
    """Bytes received."""
    head: Head
    """The head of the first response: it has the length of the whole, and the entity tag."""


class Lease(NamedTuple):
    """The right to download for a key, or the process that has it."""

    ours: bool
    holder: str = ""
    """An opaque name of the download; a process that takes over from one that died has the same."""
    token: str = ""
    """The store's name for our lease; empty for another's."""
