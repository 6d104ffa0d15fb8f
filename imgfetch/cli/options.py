"""The words of the command line, their types and where their defaults come from.

A flag goes before an `IMGFETCH_…` variable, that before the user's own configuration, that before
`[tool.imgfetch]` in `imgfetch.toml` or `pyproject.toml` of the current directory, that before the default.
"""

from __future__ import annotations

import argparse
import os
import re
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import imgfetch
from imgfetch.api.normalize import spelled
from imgfetch.cli import config
from imgfetch.cli.config import Configured, variable_of
from imgfetch.cli.config_file import FOLDER_FILES
from imgfetch.errors import InputError, printable
from imgfetch.model.image import Defect, Format, VerifyLevel
from imgfetch.model.markup import Policy, ReferrerPolicy, RowFormat, Viewport
from imgfetch.model.request import Limits
from imgfetch.model.result import ErrorKind
from imgfetch.rules.http.urls import read_origin, redact
from imgfetch.rules.store.check_age import CHECK_AGE
from imgfetch.rules.store.eviction import IN_USE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read a command line. Raises `InputError`; exits by itself only for --help and --version.

    `notices` of what is returned are the lines that a user should be told.
    """
    chosen = next((word for word in arguments if not word.startswith("-")), "")
    parser, chosen_ones = _build(chosen, alone=arguments[:1] == [chosen] and chosen in _COMMANDS)
    configured, notices = config.read(_known) if chosen_ones else ({}, [])
    set_by: dict[str, str] = {}
    for command in chosen_ones:
        set_by |= _configure(command, configured)
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        # argparse would refer to the help of the whole program, which has no options.
        words = ("imgfetch", options.command, *filter(None, [getattr(options, "action", None)]))
        what = f"unrecognized arguments: {' '.join(unknown)}; see {' '.join(words)} --help"
        raise InputError(ErrorKind.BAD_INPUT, what)
    is_given = any(word.partition("=")[0] == "--base" for word in arguments)
    options.base_of_folder = set_by.get("base") in FOLDER_FILES and not is_given
    options.notices = [*notices, *_unknown_variables()]
    return options


def _unknown_variables() -> list[str]:
    """Return what to say of variables that look like ours, and are not."""
    given = [name for name in os.environ if name.startswith(config.PREFIX)]
    if not given or given == ["IMGFETCH_CACHE"]:  # as it nearly always is
        return []
    known = {variable_of(name) for name in _known()} | {"IMGFETCH_DEBUG"}
    return config.unknown_variables(given, known)


class Setting(NamedTuple):
    """What an option is where the command line does not say."""

    option: str
    value: str
    """As it may be shown: no secrets."""
    meant: Any
    where: str
    """The variable or the file that says so, or `default`."""


def in_force() -> list[Setting]:
    """What the options of `get` are in these surroundings, if no flag says otherwise. Raises `InputError`."""
    _, (command,) = _build("get", alone=True)
    set_by = _configure(command, config.read(_known).options)
    return [
        Setting(
            action.option_strings[-1],
            _shown(action),
            action.default,
            set_by.get(action.dest, "default"),
        )
        for action in command._actions
        if action.option_strings and argparse.SUPPRESS not in (action.dest, action.default)
    ]


def _shown(action: argparse.Action) -> str:
    """The default of an option, as a person would write it, and without what may be a secret."""
    match action.dest, action.default:
        case _, None | [] | "":
            return "not set"
        case "header", [*headers]:
            return ", ".join(f"{name}: …" for name, _ in headers)
        case "header_for", [*headers]:
            return ", ".join(f"{origin} {name}: …" for origin, name, _ in headers)
        case "robots", bool(respected):
            return "respect" if respected else "ignore"
        case "fail_under", (part, whole):
            return f"{part / whole:g}"
        case _, Viewport(width, height, dpr):
            return f"{width}x{height}@{dpr:g}"
        case _, bool(flag):
            return "yes" if flag else "no"
        case _, int(number):
            return f"{number:,}"
        case _, float(number):
            return f"{number:g} s"
        case _, frozenset() | list() as several:
            return ", ".join(sorted(several))
        case "base" | "contact" | "proxy" | "referer", url:
            return redact(url)
        case _, text:
            return str(text)


class _Engine(StrEnum):
    LOCAL = "local"


class _HeaderFor(argparse.Action):
    """An option of two words, an origin and a header; elsewhere they are one text, parted by a space."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,  # noqa: ANN401 (as argparse has it)
        _: str | None = None,
    ) -> None:
        try:
            found = self.read(" ".join(values))
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentError(self, str(error)) from error
        setattr(namespace, self.dest, [*getattr(namespace, self.dest), found])

    @staticmethod
    def read(text: str) -> tuple[str, str, str]:
        """Read `https://host NAME: VALUE`."""
        origin, _, header = text.partition(" ")
        known = read_origin(spelled(origin))
        if isinstance(known, Defect):
            raise argparse.ArgumentTypeError(f"{redact(origin)!r} is not an origin such as https://host:8443")
        return known, *_header(header)


class _Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one line."""

    def __init__(self, **keywords: Any) -> None:  # noqa: ANN401 (those of ArgumentParser)
        # Each option is tried with a formatter, which asks how wide the terminal is and loads what asks that.
        super().__init__(**keywords, formatter_class=partial(argparse.HelpFormatter, width=80))

    def format_help(self) -> str:
        self.formatter_class = argparse.HelpFormatter
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        raise InputError(ErrorKind.BAD_INPUT, f"{message}; see {self.prog} --help")


def _build(
    chosen: str | None = None, *, alone: bool = False
) -> tuple[argparse.ArgumentParser, list[argparse.ArgumentParser]]:
    """The parser, and those of its commands that have options: of the `chosen` one, or of all.

    The others are known by name only; making their options would take longer than all else there is to read.
    Where a line begins with its command, so that nothing is said of them, even that is saved: it is `alone`.
    """
    parser = _Parser(
        prog="imgfetch", description="The right rendition of a web image, verified, on your disk, once."
    )
    parser.add_argument("--version", action="version", version=f"imgfetch {imgfetch.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    with_options = []
    for name in [chosen] if alone and chosen else _COMMANDS:
        summary, add_all = _COMMANDS[name]
        command = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        command.set_defaults(command=name)
        if chosen in (None, name):
            with_options += add_all(command)
    return parser, with_options


def _known() -> set[str]:
    """Every option there is."""
    _, commands = _build()
    return {
        _option(action)
        for command in commands
        for action in command._actions
        if action.option_strings and action.dest != "help"
    }


def _get(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    _add_sources(parser)
    _add_choosing(parser)
    _add_one_by_one(parser)
    _add_bringing(parser)
    return [parser]


def _retry(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    parser.add_argument("input", metavar="REPORT", help="what --report of an earlier run has written")
    parser.add_argument(
        "--all", dest="rest", action="store_true", help="try the others too, which asking again may not mend"
    )
    _add_files(parser, "the sources of REPORT")
    parser.add_argument("--base", metavar="URL", help="what relative URLs are relative to")
    _add_how(parser)
    # What is not given here is as it was then, whatever a configuration says now.
    for option in parser._actions:
        if option.dest in ("rest", "base", *HOW):
            option.default = argparse.SUPPRESS
    _add_one_by_one(parser)
    _add_bringing(parser)
    return [parser]


def _batch(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    _add_rows(parser)
    _add_choosing(parser)
    _add_bringing(parser)
    parser.set_defaults(robots=True)
    return [parser]


def _pick(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    _add_sources(parser)
    _add_choosing(parser)
    _add_offline(parser)
    _add_network(parser)
    _add_output(parser)
    return [parser]


def _explain(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    parser.add_argument("urls", metavar="URL", nargs="+", help="what was, or would be, asked for")
    _add_cache(parser)
    _add_keys(parser)
    _add_headers(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    return [parser]


def _cache(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    actions = parser.add_subparsers(metavar="ACTION", required=True, dest="action")
    described = {}
    for name, summary in (
        ("info", "Say where the cache is and what is in it."),
        ("ls", "List what is in it, one rendition a line."),
        ("verify", "Check every file against its name, structure and row; exit with 4 if one is damaged."),
        ("prune", "Evict what was not used for longest, and clear away what no longer serves."),
        ("pin", "Never evict what is kept for a URL."),
        ("unpin", "Let what is kept for a URL be evicted again."),
        ("rm", "Forget a URL, and delete its image if no other URL stands for it."),
    ):
        action = actions.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        _add_cache(action)
        action.add_argument("--json", action="store_true", help="print one JSON object a line")
        described[name] = action
    for name in ("pin", "unpin", "rm"):
        described[name].add_argument("urls", metavar="URL", nargs="+", help="what was asked for")
        _add_keys(described[name])
    for name in ("info", "ls", "prune"):
        described[name].set_defaults(key_ignore=[])
    _add_verifying(described["verify"])
    _add_pruning(described["prune"])
    return [*described.values()]


def _doctor(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    _add_cache(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    return [parser]


def _demo(_: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    return []


_COMMANDS = {
    "get": ("Read, choose, fetch, verify and keep; print one path a line.", _get),
    "retry": ("Try again what failed and may succeed, as a report has it.", _retry),
    "batch": ("Fetch many into a folder; a second run goes on with the first.", _batch),
    "pick": ("Say what would be chosen, and why; fetch pages, but no image.", _pick),
    "explain": ("Say why a URL is fresh or stale, and what would be sent.", _explain),
    "cache": ("Look at the cache, and check it.", _cache),
    "demo": ("Run the main job against an origin of our own on the loopback interface.", _demo),
    "doctor": ("Say what is installed, set and offered here, and what is missing.", _doctor),
}
"""What each command is for, and what gives its parser its options and says which parsers have some."""


def _add_bringing(parser: argparse.ArgumentParser) -> None:
    """Everything but the sources, and how to choose from them."""
    _add_cache(parser)
    _add_keys(parser)
    _add_bounds(parser)
    _add_check_age(parser)
    _add_getting(parser)
    _add_offline(parser)
    _add_network(parser)
    _add_output(parser)
    _add_summing(parser)


def _add_sources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sources",
        metavar="SOURCE",
        nargs="*",
        help="a URL, a file with a text or a srcset in it, - for standard input, or a srcset itself",
    )
    parser.add_argument(
        "-i", "--input-file", metavar="FILE", help="read sources from FILE (or -), one a line"
    )
    _add_files(parser, "the lines of --input-file")
    parser.add_argument("--base", metavar="URL", default="", help="what relative URLs are relative to")


def _add_files(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--files", action="store_true", help=f"let {what} name files, as arguments of get do")


HOW = ("width", "viewport", "policy", "formats")
"""The options that pick a rendition."""


def _add_choosing(parser: argparse.ArgumentParser) -> None:
    _add_how(parser)
    parser.add_argument("--all", action="store_true", help="take every rendition of every image")


def _add_how(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-w", "--width", metavar="PX", type=_count, help="how wide the image is wanted, in device pixels"
    )
    parser.add_argument(
        "--viewport",
        metavar="WxH@DPR",
        type=_viewport,
        help="choose for a screen of this size, as 1280x720@2",
    )
    parser.add_argument(
        "--policy",
        type=_one_of(Policy),
        metavar="NAME",
        default=Policy.COVER,
        help=f"{_names(Policy)} (cover)",
    )
    parser.add_argument(
        "--formats",
        metavar="LIST",
        type=_formats,
        help="take only these, as webp,jpeg: jpeg, png, gif, webp, avif",
    )


def _add_cache(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cache", metavar="DIR", default="cache", help="where images are kept (./cache)")


def _add_keys(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--key-ignore",
        metavar="PATTERN",
        action="append",
        default=[],
        help="query parameters that do not tell one image from another, as 'utm_*'; may be repeated",
    )


def _add_bounds(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--max-cache", metavar="SIZE", type=_size, help="how much may be kept: the least recently used goes"
    )
    parser.add_argument(
        "--max-age", metavar="TIME", type=_duration, help="how long an image may be kept unused"
    )


def _add_check_age(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--check-age",
        metavar="TIME",
        type=_duration_or_none,
        default=CHECK_AGE,
        help="hash a file at its next use that has not been hashed for this time (7d); 0 for always",
    )


def _add_verifying(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--deep", action="store_true", help="decode every frame of every image too")
    parser.add_argument("--repair", action="store_true", help="fetch again what is damaged")
    _add_sandbox(parser)
    _add_keys(parser)
    parser.set_defaults(offline=False)
    _add_network(parser)


def _add_pruning(parser: argparse.ArgumentParser) -> None:
    _add_bounds(parser)
    parser.add_argument(
        "--grace",
        metavar="TIME",
        type=_duration_or_none,
        default=float(IN_USE),
        help="spare what was last used, as far as is on record, within this time (70m)",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would go")


def _add_one_by_one(parser: argparse.ArgumentParser) -> None:
    """What there is no place for in a run of a million."""
    parser.add_argument(
        "-d", "--directory", metavar="DIR", help="also place copies with readable names there"
    )
    parser.add_argument("--sha256", metavar="HEX", help="the digest that the one image must have")
    _add_lock(parser)


def _add_rows(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", metavar="INPUT", help="a file of sources, one a row (.gz too), or -")
    parser.add_argument(
        "--to", dest="directory", metavar="DEST", help="the folder for the images and manifest.jsonl"
    )
    parser.add_argument(
        "--input-format",
        type=_one_of(RowFormat),
        metavar="NAME",
        help=f"{_names(RowFormat)} (by the name of INPUT)",
    )
    parser.add_argument("--column", metavar="NAME", help="where the sources are (srcset, else url)")
    parser.add_argument("--base", metavar="URL", default="", help="what relative URLs are relative to")
    parser.add_argument(
        "--engine", type=_one_of(_Engine), metavar="NAME", default=_Engine.LOCAL, help="local"
    )


def _add_getting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--refresh", action="store_true", help="ask the origin even for what is in the cache")
    parser.add_argument(
        "--reuse",
        action="store_true",
        help="take a wider rendition of the same source set that is in the cache for the one cover chooses",
    )
    parser.add_argument(
        "--no-reuse",
        dest="reuse",
        action="store_false",
        default=argparse.SUPPRESS,
        help="fetch what cover chooses (the default)",
    )
    parser.add_argument(
        "--expect-width", metavar="PX", type=_count, help="the width to expect, whatever a descriptor says"
    )
    parser.add_argument(
        "--strict-width", action="store_true", help="refuse an image that is not as wide as expected"
    )
    parser.add_argument(
        "--reject-fakes", action="store_true", help="refuse a picture that stands in for another"
    )
    _add_sandbox(parser)
    parser.add_argument(
        "--verify",
        type=_one_of(VerifyLevel),
        metavar="LEVEL",
        default=VerifyLevel.FULL,
        help=f"{_names(VerifyLevel)} (full)",
    )


def _add_sandbox(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sandbox", action="store_true", help="decode images in processes of their own, with limits"
    )


def _add_offline(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--offline", action="store_true", help="make no request: the cache or nothing")


def _add_network(parser: argparse.ArgumentParser) -> None:
    limits = Limits()
    numbers: tuple[tuple[str, str, Callable[[str], Any], Any, str], ...] = (
        ("-j", "--jobs", _count, limits.jobs, "requests in flight at once"),
        ("", "--per-host", _count, limits.per_host, "requests in flight at once to one host"),
        (
            "",
            "--per-address",
            _count,
            limits.per_address,
            "connections at once to one address, whatever names lead there",
        ),
        ("-R", "--retries", _count_or_none, limits.retries, "how often to ask again after a passing failure"),
        ("", "--backoff-base", _duration, limits.backoff_base, "the first wait before asking again, at most"),
        ("", "--connect-timeout", _duration, limits.connect_timeout, "for a connection"),
        ("", "--read-timeout", _duration, limits.read_timeout, "for the next bytes"),
        ("", "--total-timeout", _duration, limits.total_timeout, "for an image, with all it takes"),
        ("", "--lowest-speed", _size, limits.lowest_speed, "bytes a second, over 20 s, to go on waiting for"),
        ("", "--max-bytes", _size, limits.max_bytes, "the largest file to take"),
        ("", "--max-pixels", _size, limits.max_pixels, "the most pixels to take in a frame"),
        ("", "--max-images", _count, limits.max_images, "the most images to take from a page of the network"),
        ("", "--max-total-pixels", _size, limits.max_total_pixels, "the most pixels to take in all frames"),
        ("", "--max-frames", _count, limits.max_frames, "the most frames to take"),
        ("", "--decode-memory", _size, limits.decode_memory, "the memory for all decodes at once"),
        ("", "--max-redirects", _count_or_none, limits.max_redirects, "the longest chain to follow"),
    )
    for short, long, kind, default, what in numbers:
        names = [name for name in (short, long) if name]
        metavar = {"_duration": "TIME", "_size": "SIZE"}.get(kind.__name__, "N")
        parser.add_argument(*names, metavar=metavar, type=kind, default=default, help=f"{what} ({default:,})")
    parser.add_argument(
        "--allow-host",
        metavar="HOST",
        action="append",
        type=_host,
        default=[],
        help="an internal host, address or network that may be contacted; may be repeated",
    )
    _add_headers(parser)
    parser.add_argument(
        "--allow-downgrade", action="store_true", help="follow redirects from https: to http:, too"
    )
    parser.add_argument("--user-agent", metavar="TEXT", help="call ourselves this")
    parser.add_argument("--contact", metavar="URL", help="a page or a mail address, for the User-Agent")
    parser.add_argument(
        "--robots",
        type=_respect,
        metavar="respect|ignore",
        default=False,
        help="what robots.txt, X-Robots-Tag and TDM-Reservation ask (batch: respect, else: ignore)",
    )
    parser.add_argument("--referer", metavar="URL", default="", help="the page all images are said to be on")
    parser.add_argument(
        "--referrer-policy",
        type=_one_of(ReferrerPolicy),
        metavar="NAME",
        default=ReferrerPolicy.STRICT_ORIGIN,
        help=f"{_names(ReferrerPolicy)} (strict-origin)",
    )
    parser.add_argument("--proxy", metavar="URL", help="let this proxy make every connection")
    parser.add_argument("--ca-bundle", metavar="FILE", help="trust the certificate authorities in FILE")


def _add_headers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-H",
        "--header",
        metavar="'NAME: VALUE'",
        action="append",
        type=_header,
        default=[],
        help="send this to the origin of the SOURCE, and to no other; may be repeated",
    )
    parser.add_argument(
        "--header-for",
        metavar=("ORIGIN", "'NAME: VALUE'"),
        action=_HeaderFor,
        nargs=2,
        default=[],
        help="send this to ORIGIN, as https://host, also where a page names it; may be repeated",
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but results and errors")
    parser.add_argument("-v", "--verbose", action="store_true", help="say what happens on the way")


def _add_lock(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lock", metavar="FILE", help="write down which URL and which bytes each image was")
    parser.add_argument(
        "--locked",
        action="store_true",
        help="give just what the lock has (--lock, or ./imgfetch.lock), or fail",
    )


def _add_summing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--report", metavar="FILE", help="write every failure to FILE, with all it takes to try it again"
    )
    parser.add_argument(
        "--fail-under",
        metavar="SHARE",
        type=_share,
        help="succeed if at least this share of the images is there, as 0.95 (1)",
    )


# ---------------------------------------------------------------------------------------------------
# Types of values


def _count_or_none(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise argparse.ArgumentTypeError(f"{printable(text)!r} is not a whole number")
    return int(text)


def _count(text: str) -> int:
    number = _count_or_none(text)
    if number == 0:
        raise argparse.ArgumentTypeError("0 is too few; at least 1 is needed")
    return number


def _size(text: str) -> int:
    """Read `500k` or `2M`, in powers of ten."""
    match = re.fullmatch(r"([0-9]{1,12})([kMG]?)B?", text)
    if match is None or int(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{printable(text)!r} is not a size such as 500k or 2M")
    return int(match[1]) * {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}[match[2]]


def _duration(text: str) -> float:
    """Read `30s`, `1.5`, `2m`, `1h` or `1d`, in seconds."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|[smhd]?)", text)
    if match is None or float(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{printable(text)!r} is not a duration such as 30s or 1d")
    return float(match[1]) * {"": 1, "ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]


def _share(text: str) -> tuple[int, int]:
    """Read `0.95` as 95 of 100: a share that is counted must not be rounded."""
    match = re.fullmatch(r"([0-9]?)(?:\.([0-9]{1,9}))?", text)
    digits = "" if match is None else match[1] + (match[2] or "")
    whole = 1 if match is None else 10 ** len(match[2] or "")
    if not digits or int(digits) > whole:
        raise argparse.ArgumentTypeError(f"{printable(text)!r} is not a share from 0 to 1, such as 0.95")
    return int(digits), whole


def _duration_or_none(text: str) -> float:
    return 0.0 if re.fullmatch(r"0(?:ms|[smhd]?)", text) else _duration(text)


def _viewport(text: str) -> Viewport:
    match = re.fullmatch(r"([0-9]{1,6})x([0-9]{1,6})(?:@([0-9]{1,3}(?:\.[0-9]{1,6})?))?", text)
    if match is None or not (int(match[1]) and int(match[2]) and float(match[3] or 1)):
        raise argparse.ArgumentTypeError(f"{printable(text)!r} is not a viewport such as 1280x720@2")
    return Viewport(int(match[1]), int(match[2]), float(match[3] or 1))


def _formats(text: str) -> frozenset[Format]:
    return frozenset(_one_of(Format)("jpeg" if name == "jpg" else name) for name in text.lower().split(","))


def _host(text: str) -> str:
    """Read the name of a host, an address, or a network."""
    bare = text.strip("[]")
    if not re.fullmatch(r"[\w.-]+", bare):
        from ipaddress import ip_interface

        try:
            ip_interface(bare)
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"{printable(text)!r} is no host, address or network; it takes neither scheme nor port"
            ) from None
    return text


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not (colon and re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) and value.isprintable()):
        raise argparse.ArgumentTypeError("a header has the form 'NAME: VALUE'")  # its value may be a secret
    return name, value.strip()


def _respect(text: str) -> bool:
    try:
        return {"respect": True, "ignore": False}[text]
    except KeyError:
        raise argparse.ArgumentTypeError(f"{printable(text)!r} is neither respect nor ignore") from None


def _one_of(names: type[StrEnum]) -> Callable[[str], Any]:
    def read(text: str) -> Any:  # noqa: ANN401 (a member of `names`)
        try:
            return names(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{printable(text)!r} is none of {_names(names)}") from None

    return read


def _names(names: type[StrEnum]) -> str:
    return ", ".join(names)


# ---------------------------------------------------------------------------------------------------
# Defaults from the surroundings


def _configure(parser: argparse.ArgumentParser, configured: dict[str, Configured]) -> dict[str, str]:
    """Let variables and files set the default of every option. Raises `InputError`.

    Return the options that were set, by `dest`, each with the variable or the file that did.
    """
    set_by = {}
    for action in parser._actions:
        if not action.option_strings or argparse.SUPPRESS in (action.dest, action.default):
            continue
        name = _option(action)
        variable = variable_of(name)
        value: Any = os.environ.get(variable) or None
        where = blamed = variable
        if value is None and name in configured:
            value, where = configured[name]
            blamed = f"{where}: {name}"
        if value is not None:
            set_by[action.dest] = where
            try:
                action.default = _default(action, value)
            except argparse.ArgumentTypeError as error:
                raise InputError(ErrorKind.BAD_INPUT, str(error), blamed) from error
    return set_by


def _default(action: argparse.Action, value: object) -> object:
    """What a configured value means to an option. Raises `ArgumentTypeError`."""
    if action.nargs == 0:
        word = str(value).lower()
        if word not in (*_YES, *_NO):
            raise argparse.ArgumentTypeError(f"{printable(word)!r} is neither yes nor no")
        return word in _YES
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(v, str | int | float) and not isinstance(v, bool) for v in values):
        raise argparse.ArgumentTypeError(f"{value!r} is neither a text nor a number")
    read: Callable[[str], Any] = action.type if callable(action.type) else str
    if isinstance(action, _HeaderFor):
        read = action.read
    if isinstance(action.default, list):
        return [read(str(v)) for v in values]
    return read(",".join(map(str, values)))


_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def _option(action: argparse.Action) -> str:
    return action.option_strings[-1].lstrip("-")
