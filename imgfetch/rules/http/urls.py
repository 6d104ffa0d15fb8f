"""Absolute URLs: the origin and the target of a request, and the key under which the response is stored.

    Location ─▶ resolve_location ─▶ read: Address ─▶ key, origin, target, shown

`markup.urls.resolve` alone resolves: by the URL standard, as browsers do, with ada.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from imgfetch.errors import printable
from imgfetch.model.image import Defect
from imgfetch.model.result import ErrorKind
from imgfetch.model.values import Key
from imgfetch.redaction import without_credentials
from imgfetch.rules.http.signed_urls import unsigned

LONGEST = 16 * 1024
"""Characters of a URL at most: origins need not accept a longer one."""


class BlockedPort(Defect):
    """A URL names a port that browsers block."""

    __slots__ = ()


class Address(NamedTuple):
    """The parts of an http(s) URL that can be fetched."""

    scheme: str
    host: str
    """Lower case; an IPv6 address without its brackets."""
    port: int
    authority: str
    """The value of the Host field: host and port, without the default port of the scheme."""
    origin: str
    """Scheme and authority (RFC 6454 §6.2)."""
    target: str
    """Path and query as they are sent: printable ASCII without spaces."""
    userinfo: str
    """`user:password` as written in the URL: for this origin only, never shown, never in a key."""
    url: str
    """The URL of the request: without credentials and fragment."""
    identity: tuple[Key, str]
    """Key and resource, if no parameter is ignored."""

    def key(self, ignoring: tuple[str, ...] = (), *, signed: bool = False) -> Key:
        """Return the key: equal for URLs that RFC 3986 §6.2.2 and RFC 9110 §4.2.3 equate.

        The key has neither a signature (see `signed_urls`) nor the parameters that `ignoring` names. A
        `signed` key has its signature.
        """
        return self._identity(ignoring, signed=signed)[0]

    def resource(self, ignoring: tuple[str, ...] = (), *, signed: bool = False) -> str:
        """Return the URL without its signature: validators and ranges belong to it, and it may be stored."""
        return self._identity(ignoring, signed=signed)[1]

    def _identity(self, ignoring: tuple[str, ...], *, signed: bool) -> tuple[Key, str]:
        if ignoring or signed:
            return _cached_identity(self.origin, self.target, ignoring, signed=signed)
        return self.identity

    @property
    def shown(self) -> str:
        """The URL as it may be printed: without credentials and query values that may be secrets."""
        return _shown(self.url)


_MAX_SHOWN = 8 * 1024
"""Characters of an invalid URL that are searched for secrets before its beginning is shown."""

_LONGEST_DATA = 100
"""Characters of a `data:` URL that is shown whole."""
_FIRST_OF_DATA = 24

_CACHED = 512
"""URLs or hosts in a cache: several steps of a fetch parse the same URL."""


def read(url: str) -> Address | Defect:
    """Parse an absolute http(s) URL; return the defect of any other string."""
    if len(url) > LONGEST:  # not remembered: a `data:` URL may have megabytes
        return _bad(f"{len(url):,} characters are too long for a URL; the limit is {LONGEST:,}")
    return _read(url)


@lru_cache(_CACHED)
def _read(url: str) -> Address | Defect:
    match = _URL.fullmatch(url)
    if match is None:
        return _bad(_why_not(url))
    scheme, userinfo, host, port, target, odd = match.groups(default="")
    server = _server(scheme, host, port)
    if isinstance(server, Defect):
        return server
    origin = server[-1]
    target = target if target[:1] == "/" else "/" + target
    if odd or "/." in target or "/%2" in target:  # %2e stands for a dot
        target = (_resolved(origin + target) or "")[len(origin) :] or target
    return Address(*server, target, userinfo[:-1], origin + target, _identity(origin, target))


def key(url: str, ignoring: tuple[str, ...] = ()) -> Key | None:
    """Return the key of a URL, as `Address.key` does; None for any other string."""
    return _key(url, ignoring) if len(url) <= LONGEST else None


@lru_cache(_CACHED)
def _key(url: str, ignoring: tuple[str, ...]) -> Key | None:
    address = _read(url)
    return address.key(ignoring) if isinstance(address, Address) else None


def is_plain(url: str) -> bool:
    """Return True if a browser requests a URL as it is written, without escaping a character."""
    return url.isascii() and not _ODD.search(url)


def is_relative(url: str) -> bool:
    """Return True if a string has no scheme."""
    return _SCHEME.match(url) is None


def resolve_location(location: str, base: str) -> str:
    """Resolve a Location or Content-Location field against the URL that sent it, as browsers do.

    See RFC 9110 §10.2.2 and URL §4.4. A value that is not a URL is returned as it is: `read` says why.
    """
    # The bytes of a field beyond ASCII are decoded as Latin-1; they become the escapes that browsers send.
    escaped = _BEYOND_ASCII.sub(lambda byte: f"%{ord(byte[0]):02X}", location)
    return _resolved(escaped, base) or location


def origin(url: str) -> str:
    """Return scheme, host and port of a URL; an empty string for any other string."""
    address = read(url)
    return address.origin if isinstance(address, Address) else ""


def read_origin(url: str) -> str | Defect:
    """Parse an origin as people write it, `https://host:port`; return the defect of any other string."""
    address = read(url)
    if isinstance(address, Defect):
        return address
    if address.userinfo or address.url != f"{address.origin}/" or "#" in url:
        return _bad("an origin has a scheme, a host and a port, and no other part")
    return address.origin


def without_userinfo(url: str) -> str:
    """Return a URL or a relative reference without user and password, otherwise unchanged."""
    return re.sub(_USERINFO, r"\1", url, count=1) if "@" in url else url


def source_without_userinfo(source: str) -> str:
    """Return a source as a caller gave it, a URL or a text of several, without user and password."""
    return without_userinfo(source) if len(source.split(None, 1)) == 1 else without_credentials(source)


def without_signature(url: str) -> str:
    """Return a URL or a relative reference without user, password and signature."""
    reference, hash_mark, fragment = url.partition("#")
    path, mark, query = reference.partition("?")
    left = unsigned(query)
    return without_userinfo(path) + (mark if left == query or left else "") + left + hash_mark + fragment


def with_credentials_of(other: str, url: str) -> str:
    """Return `url` with user and password of another URL, if both have the same origin."""
    here, there = read(url), read(other)
    if not (isinstance(here, Address) and isinstance(there, Address)):
        return url
    if here.userinfo or not there.userinfo or here.origin != there.origin:
        return url
    return url.replace("//", f"//{there.userinfo}@", 1)


def blocked_port(port: int) -> BlockedPort | None:
    """Return the defect of a port that browsers block (Fetch §2.9): it belongs to another protocol."""
    if port not in BLOCKED_PORTS:
        return None
    message = f"port {port} is blocked, as browsers block it: it belongs to another protocol than HTTP"
    return BlockedPort(ErrorKind.BAD_URL, message)


def brief(url: str) -> str:
    """Return a URL or a relative reference without user and password; of a `data:` URL its beginning."""
    return _shortened(url) if url[:5].lower() == "data:" else without_userinfo(url)


def _shortened(url: str) -> str:
    head, comma, data = url[:_MAX_SHOWN].partition(",")
    whole = len(url) <= _LONGEST_DATA
    return printable(url if whole else f"{head[:_LONGEST_DATA]}{comma}{data[:_FIRST_OF_DATA]}…")


def redact(url: str) -> str:
    """Return any URL, valid or not, as it may be printed."""
    if url[:5].lower() == "data:":
        return _shortened(url)
    address = read(url)
    if isinstance(address, Address):
        return address.shown
    shown = without_credentials(without_userinfo(url[:_MAX_SHOWN])).partition("?")[0]
    return printable(shown)[:120]


BLOCKED_PORTS = frozenset(
    {
        0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101,
        102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427,
        465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990,
        993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667,
        6668, 6669, 6679, 6697, 10080,
    }
)  # fmt: skip
"""The bad ports of the Fetch standard, §2.9 port blocking."""

_PORTS = {"http": 80, "https": 443}

# `odd` begins with the first character that the URL parser may write otherwise: " ' < > \ ^ ` { | }
# re.IGNORECASE would take \u017f for an s, and \u212a for a k.
_URL = re.compile(
    r"(?P<scheme>[Hh][Tt][Tt][Pp][Ss]?)://(?P<userinfo>[!-.0-;=A-Z\[\]_a-z~]*@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::(?P<port>[0-9]{0,5}))?"
    r"(?P<target>[/?][!$%&(-;=?-\[\]_a-z~]*+(?P<odd>[!-\"$-~]*+))?(?:#.*)?",
    re.DOTALL,
)

# A value is shown if it is a small number, such as a width or a quality; any other may be a signature.
_QUERY_VALUE = re.compile(r"=(?![0-9]{1,5}(?:&|$))[^&]*")

_USERINFO = r"(?i)\A([\x00-\x20]*(?:https?:[\\/]*|[a-z][a-z0-9+.-]*:[\\/]{2,}|[\\/]{2,}))[^\\/?#]*@"
"""Compiled at its first use: few URLs have an @."""
_ODD = re.compile(r"""[\x00-\x20"<>\\^`{|}\x7f]|\A[^?#]*+\?[^#']*+'""")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_BEYOND_ASCII = re.compile("[\x80-\xff]")
_PLAIN_HOST = re.compile(
    r"(?:(?!xn--)[a-z0-9_-]+\.)*+(?!xn--)[a-z_-][a-z0-9_-]*"  # the last label is not a number
    r"|(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.(?!\Z)|\Z)){4}"
)
"""A host that the URL parser leaves as it is: a name in ASCII, or an IPv4 address in its usual form."""
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


@lru_cache(_CACHED)
def _server(scheme: str, host: str, port: str) -> tuple[str, str, int, str, str] | Defect:
    """Return scheme, host, port, authority and origin, or the defect of one of the three arguments."""
    scheme, host = scheme.lower(), host.lower()
    if not _PLAIN_HOST.fullmatch(host):
        resolved = _resolved(f"http://{host}/")
        if resolved is None:
            return _bad(f"not a URL: the host {host[:80]} is neither a name nor an address")
        host = resolved[len("http://") : -1].strip("[]")
    if ":" not in host:
        if not all(0 < len(label) <= 63 for label in host.removesuffix(".").split(".")):
            return _bad(
                f"the host {host[:80]} has a label that is empty or over 63 characters (RFC 1035 §2.3.4)"
            )
        if len(host) > 253:
            return _bad(f"the host {host[:80]}… is over 253 characters (RFC 1035 §2.3.4)")
    number = int(port or _PORTS[scheme])
    if not 0 < number < 65536:
        return _bad(f"port {number} is not between 1 and 65,535")
    blocked = blocked_port(number)
    if blocked is not None:
        return blocked
    authority = f"[{host}]" if ":" in host else host
    if number != _PORTS[scheme]:
        authority += f":{number}"
    return scheme, host, number, authority, f"{scheme}://{authority}"


def _resolved(url: str, base: str = "") -> str | None:
    """Resolve and normalise a URL; return None for any other string."""
    from imgfetch.markup.urls import resolve  # loaded late: most runs have plain URLs only

    return resolve(url, base)


def _why_not(url: str) -> str:
    scheme = url.partition(":")[0]
    if not _SCHEME.match(url):
        return "not a URL: it does not begin with http:// or https://"
    if scheme.lower() in _PARTS:
        return _PARTS[scheme.lower()]
    if scheme.lower() not in _PORTS:
        return f"the scheme {scheme[:20].lower()}: is not fetched, only http: and https: are"
    return "not a URL: the host is missing, or a character has no place in a URL"


_PARTS = {
    "cid": "no part of a mail with this Content-ID is at hand",  # RFC 2392
    "mail": "the mail has no such part",
    "epub": "the book has no such file",
    "attachment": "the notebook has no such attachment",
}
"""What is wrong with a URL that names a part of its own document, which the document lacks."""


def _bad(message: str) -> Defect:
    return Defect(ErrorKind.BAD_URL, message)


def _identity(
    origin: str, target: str, ignoring: tuple[str, ...] = (), *, signed: bool = False
) -> tuple[Key, str]:
    """Return key and resource, without a question mark if the remaining query is empty."""
    path, mark, query = target.partition("?")
    if query:
        query = unsigned(query, ignoring, signatures=not signed)
        mark = mark if query else ""
    resource = origin + path + mark + query
    return Key(normal_escapes(resource)), resource


_cached_identity = lru_cache(_CACHED)(_identity)


@lru_cache(_CACHED)
def _shown(url: str) -> str:
    before, mark, query = url.partition("?")
    return printable(before + mark + _QUERY_VALUE.sub("=…", query))


def normal_escapes(text: str) -> str:
    """Return the text with escapes in upper case, and without needless ones (RFC 3986 §6.2.2.1, §6.2.2.2)."""
    return _ESCAPE.sub(_normal_escape, text) if "%" in text else text


def _normal_escape(match: re.Match[str]) -> str:
    character = chr(int(match[0][1:], 16))
    return character if character in _UNRESERVED else match[0].upper()
