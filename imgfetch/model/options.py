"""The options of the command line, and what each of them sets: the one table of them.

    OPTIONS ─┬▶ cli.options: the parser of each command      ─┬▶ cli.config: variables, files, defaults
             ├▶ cli.client_factory: keywords of Client, Limits └▶ cli.commands.doctor: the settings in force
             └▶ cli.summary: the option that sets the limit a failure has hit

The texts of `--help` are in `cli.help_texts`, the functions that read values in `cli.option_values`.
"""

from enum import Enum, StrEnum, auto
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from imgfetch.model.image import VerifyLevel
from imgfetch.model.markup import Policy, ReferrerPolicy, RowFormat
from imgfetch.model.request import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.model.values import LimitName


class Kind(Enum):
    """The form of a value. An enumeration is a kind too: one of its members."""

    FLAG = auto()
    TEXT = auto()
    URL = auto()
    """Shown without credentials."""
    COUNT = auto()
    COUNT_OR_ZERO = auto()
    SIZE = auto()
    """`500k`, `2M`: powers of ten."""
    TIME = auto()
    """`30s`, `1d`: seconds as a float."""
    TIME_OR_ZERO = auto()
    SHARE = auto()
    """`0.95`: the pair (95, 100)."""
    VIEWPORT = auto()
    FORMATS = auto()
    KINDS = auto()
    """`content+icon`, `all-script`: as `rules.image.kinds` reads them."""
    REACH = auto()
    """A flag that may have a value: a number of pixels, instead of the requested width."""
    HOST = auto()
    HEADER = auto()
    """`NAME: VALUE`: may be a secret, and is shown without the value."""
    HEADER_FOR = auto()
    """`ORIGIN` and `NAME: VALUE`: two words on the command line, one text elsewhere."""
    PATH = auto()
    """A file or a folder of this machine."""
    NAME = auto()
    """`{page}-{index:03}`: a template of file names."""
    ROBOTS = auto()
    """`respect` or `ignore`: whether to respect."""


class Option(NamedTuple):
    """An option; a flag, an `IMGFETCH_…` variable or a configuration file may set it."""

    name: str
    """Without dashes: `max-bytes`, set by `--max-bytes`, `IMGFETCH_MAX_BYTES` and `max-bytes = …`."""
    kind: Kind | type[StrEnum] = Kind.TEXT
    default: Any = None
    metavar: str | tuple[str, ...] = "N"
    short: str = ""
    """One letter, without a dash."""
    keyword: str = ""
    """The keyword of `Client` that takes the value; empty where none takes it as it is."""
    is_limit: bool = False
    """True if it sets the field of `Limits` that has its name."""
    several: bool = False
    """True if it may be repeated; its value is then a list."""
    in_folder: bool = False
    """True if the configuration of the current directory may set it: it only chooses among images."""
    negates: str = ""
    """The flag that it switches off; then neither a variable nor a file sets it."""
    dest: str = ""
    """The attribute of the parsed options, where it is not the name."""

    @property
    def attribute(self) -> str:
        """The attribute of the parsed options that has the value."""
        return self.dest or (self.negates or self.name).replace("-", "_")

    @property
    def is_configurable(self) -> bool:
        """Return whether variables and files may set it."""
        return not self.negates


class Group(Enum):
    """A group of options: a command has all or none of them."""

    SOURCES = auto()
    BASE = auto()
    ROWS = auto()
    REPORT = auto()
    FILES = auto()
    RENDITION = auto()
    ALL = auto()
    NAMES = auto()
    SINGLE = auto()
    """Meant for runs of a few images."""
    CACHE = auto()
    KEYS = auto()
    BOUNDS = auto()
    CHECK_AGE = auto()
    GETTING = auto()
    SANDBOX = auto()
    VERIFY = auto()
    OFFLINE = auto()
    LIMITS = auto()
    HOSTS = auto()
    HEADERS = auto()
    NETWORK = auto()
    JSON = auto()
    OUTPUT = auto()
    TABLE = auto()
    SUMMARY = auto()
    CHECKING = auto()
    PRUNING = auto()


def _flag(name: str, keyword: str = "") -> Option:
    return Option(name, Kind.FLAG, default=False, keyword=keyword)


def _limit(name: "LimitName | str", kind: Kind, *, short: str = "") -> Option:
    metavar = {Kind.SIZE: "SIZE", Kind.TIME: "TIME"}.get(kind, "N")
    default = getattr(_LIMITS, name)
    return Option(name.replace("_", "-"), kind, default, metavar, short=short, is_limit=True)


_LIMITS = Limits()

OPTIONS: dict[Group, tuple[Option, ...]] = {
    Group.SOURCES: (Option("input-file", metavar="FILE", short="i"),),
    Group.REPORT: (_flag("all")._replace(dest="rest"),),
    Group.FILES: (_flag("files"),),
    Group.ROWS: (
        Option("to", Kind.PATH, metavar="DEST", dest="directory"),
        Option("input-format", RowFormat, metavar="NAME"),
        Option("column", metavar="NAME", several=True),
        _flag("retry-all"),
    ),
    Group.BASE: (Option("base", Kind.URL, "", "URL", in_folder=True),),
    Group.RENDITION: (
        Option("width", Kind.COUNT, metavar="PX", short="w", in_folder=True),
        Option("viewport", Kind.VIEWPORT, metavar="WxH@DPR", in_folder=True),
        Option("policy", Policy, Policy.COVER, "NAME", in_folder=True),
        Option("formats", Kind.FORMATS, metavar="LIST", in_folder=True),
        Option("kinds", Kind.KINDS, "content", "LIST", in_folder=True),
        Option("include", metavar="PATTERN", several=True, in_folder=True),
        Option("exclude", metavar="PATTERN", several=True, in_folder=True),
        Option("min-width", Kind.COUNT, metavar="PX", in_folder=True),
        Option("min-height", Kind.COUNT, metavar="PX", in_folder=True),
        Option("min-bytes", Kind.SIZE, metavar="SIZE", in_folder=True),
        Option("require-width", Kind.REACH, False, "[PX]", in_folder=True),
    ),
    Group.ALL: (_flag("all"),),
    Group.SINGLE: (
        Option("directory", Kind.PATH, metavar="DIR", short="d"),
        Option("sha256", metavar="HEX"),
        Option("lock", Kind.PATH, metavar="FILE"),
        _flag("locked"),
    ),
    Group.NAMES: (Option("name", Kind.NAME, metavar="TEMPLATE"), _flag("link")),
    Group.CACHE: (Option("cache", Kind.PATH, default="cache", metavar="DIR", keyword="cache"),),
    Group.KEYS: (Option("key-ignore", metavar="PATTERN", keyword="key_ignore", several=True),),
    Group.BOUNDS: (
        Option("max-cache", Kind.SIZE, metavar="SIZE", keyword="max_cache"),
        Option("max-age", Kind.TIME, metavar="TIME", keyword="max_age"),
    ),
    Group.CHECK_AGE: (Option("check-age", Kind.TIME_OR_ZERO, 7 * 86_400.0, "TIME", keyword="check_age"),),
    Group.GETTING: (
        _flag("refresh", "refresh"),
        _flag("reuse", "reuse"),
        Option("no-reuse", Kind.FLAG, negates="reuse"),
        Option("expect-width", Kind.COUNT, metavar="PX", keyword="expect_width"),
        _flag("strict-width", "strict_width"),
        _flag("reject-fakes", "reject_fakes"),
    ),
    Group.SANDBOX: (_flag("sandbox", "sandbox"),),
    Group.VERIFY: (Option("verify", VerifyLevel, VerifyLevel.FULL, "LEVEL", keyword="verify"),),
    Group.OFFLINE: (_flag("offline", "offline"),),
    Group.LIMITS: (
        _limit("jobs", Kind.COUNT, short="j"),
        _limit("per_host", Kind.COUNT),
        _limit("per_address", Kind.COUNT),
        _limit("retries", Kind.COUNT_OR_ZERO, short="R"),
        _limit("backoff_base", Kind.TIME),
        _limit("connect_timeout", Kind.TIME),
        _limit("read_timeout", Kind.TIME),
        _limit("total_timeout", Kind.TIME),
        _limit("lowest_speed", Kind.SIZE),
        _limit("max_bytes", Kind.SIZE),
        _limit("max_pixels", Kind.SIZE),
        _limit("max_images", Kind.COUNT),
        _limit("max_total_pixels", Kind.SIZE),
        _limit("max_frames", Kind.COUNT),
        _limit("decode_memory", Kind.SIZE),
        _limit("max_redirects", Kind.COUNT_OR_ZERO),
    ),
    Group.HOSTS: (Option("allow-host", Kind.HOST, metavar="HOST", keyword="allow_hosts", several=True),),
    Group.HEADERS: (
        Option("header", Kind.HEADER, metavar="'NAME: VALUE'", short="H", several=True),
        Option("header-for", Kind.HEADER_FOR, metavar=("ORIGIN", "'NAME: VALUE'"), several=True),
        Option("cookies", metavar="FILE", keyword="cookies"),
        _flag("netrc"),
        Option("netrc-file", metavar="FILE"),
    ),
    Group.NETWORK: (
        _flag("allow-downgrade", "allow_downgrade"),
        Option("user-agent", metavar="TEXT", keyword="user_agent"),
        Option("contact", Kind.URL, metavar="URL", keyword="contact"),
        Option("follow", Kind.FLAG, default=True, keyword="follow"),
        Option("no-follow", Kind.FLAG, negates="follow"),
        Option("delay", Kind.TIME_OR_ZERO, 0.0, "TIME", keyword="delay"),
        Option("robots", Kind.ROBOTS, default=False, metavar="respect|ignore", keyword="robots"),
        Option("referer", Kind.URL, "", "URL", keyword="referer"),
        Option(
            "referrer-policy",
            ReferrerPolicy,
            None,
            "NAME",
            keyword="referrer_policy",
        ),
        Option("proxy", Kind.URL, metavar="URL", keyword="proxy"),
        Option("ca-bundle", metavar="FILE", keyword="ca_bundle"),
    ),
    Group.JSON: (_flag("json"),),
    Group.OUTPUT: (_flag("quiet")._replace(short="q"), _flag("verbose")._replace(short="v")),
    Group.TABLE: (Option("table", Kind.PATH, metavar="FILE"),),
    Group.SUMMARY: (
        Option("report", Kind.PATH, metavar="FILE"),
        Option("fail-under", Kind.SHARE, metavar="SHARE"),
    ),
    Group.CHECKING: (_flag("deep"), _flag("repair")),
    Group.PRUNING: (
        Option("grace", Kind.TIME_OR_ZERO, 4_200.0, "TIME"),
        _flag("dry-run"),
    ),
}

_REQUESTS = (Group.LIMITS, Group.HOSTS, Group.HEADERS, Group.NETWORK)

_FETCHING = (
    Group.CACHE,
    Group.KEYS,
    Group.BOUNDS,
    Group.CHECK_AGE,
    Group.GETTING,
    Group.SANDBOX,
    Group.VERIFY,
    Group.OFFLINE,
    *_REQUESTS,
    Group.JSON,
    Group.OUTPUT,
    Group.SUMMARY,
)

_SOURCES = (Group.SOURCES, Group.FILES, Group.BASE, Group.RENDITION, Group.ALL)

GROUPS: dict[str, tuple[Group, ...]] = {
    "get": (*_SOURCES, Group.SINGLE, Group.NAMES, Group.TABLE, *_FETCHING),
    "retry": (
        *(Group.REPORT, Group.FILES, Group.BASE, Group.RENDITION, Group.SINGLE, Group.NAMES, Group.TABLE),
        *_FETCHING,
    ),
    "batch": (Group.ROWS, Group.NAMES, Group.BASE, Group.RENDITION, Group.ALL, *_FETCHING),
    "pick": (*_SOURCES, Group.OFFLINE, *_REQUESTS, Group.JSON, Group.OUTPUT),
    "explain": (Group.CACHE, Group.KEYS, Group.HEADERS, Group.JSON),
    "cache info": (Group.CACHE, Group.JSON),
    "cache ls": (Group.CACHE, Group.JSON),
    "cache verify": (Group.CACHE, Group.JSON, Group.CHECKING, Group.SANDBOX, Group.KEYS, *_REQUESTS),
    "cache prune": (Group.CACHE, Group.JSON, Group.BOUNDS, Group.PRUNING),
    "cache pin": (Group.CACHE, Group.JSON, Group.KEYS),
    "cache unpin": (Group.CACHE, Group.JSON, Group.KEYS),
    "cache rm": (Group.CACHE, Group.JSON, Group.KEYS),
    "demo": (),
    "doctor": (Group.CACHE, Group.JSON),
}
"""The groups of each command, in the order of its `--help`."""

FROM_REPORT = frozenset({"rest", "base", *(option.attribute for option in OPTIONS[Group.RENDITION])})
"""Attributes that `retry` takes from its report unless the command line gives the option."""


def every() -> "Iterator[Option]":
    """Return every option; those that two commands read differently come twice."""
    return chain.from_iterable(OPTIONS.values())


def options_of(command: str) -> tuple[Option, ...]:
    """Return the options of a command."""
    return tuple(option for group in GROUPS[command] for option in OPTIONS[group])


def names(*, in_folder: bool = False) -> frozenset[str]:
    """Return the names of all options, or of those that a file in the current directory may set."""
    return frozenset(option.name for option in every() if option.in_folder or not in_folder)
