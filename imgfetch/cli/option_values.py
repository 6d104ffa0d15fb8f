"""Reads the value of an option, by its kind, and shows it without secrets.

Each reader takes a text and raises `argparse.ArgumentTypeError` for one that it cannot read.
"""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any

from imgfetch.api.normalize import spelled
from imgfetch.errors import printable
from imgfetch.model.image import Defect, Format
from imgfetch.model.markup import Viewport
from imgfetch.model.options import Kind
from imgfetch.rules.http.urls import read_origin, redact

if TYPE_CHECKING:
    from collections.abc import Callable
    from enum import StrEnum

    from imgfetch.model.options import Option
    from imgfetch.rules.image.name_template import NameTemplate


def reader_of(option: Option) -> Callable[[str], Any]:
    """Return the function that reads one value of an option."""
    kind = option.kind
    return _READERS[kind] if isinstance(kind, Kind) else _member_of(kind)


def configured(option: Option, value: object) -> object:
    """Return the value that a variable or a file gives to an option. Raises `ArgumentTypeError`."""
    if option.kind is Kind.REACH:
        return _reach(str(value))
    if option.kind is Kind.FLAG:
        word = str(value).lower()
        if word not in (*_YES, *_NO):
            raise ArgumentTypeError(f"{printable(word)!r} is neither yes nor no")
        return word in _YES
    values = value if isinstance(value, list) else [value]
    if not values and option.several:
        return []
    if not values or not all(isinstance(v, str | int | float) and not isinstance(v, bool) for v in values):
        raise ArgumentTypeError(f"{value!r} is neither a text nor a number")
    read = reader_of(option)
    return [read(str(v)) for v in values] if option.several else read(",".join(map(str, values)))


_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def shown(option: Option, value: Any) -> str:  # noqa: ANN401 (as its reader returns it)
    """Return a value as a user would write it, without what may be a secret."""
    match option.kind, value:
        case _, None | [] | "":
            return "not set"
        case Kind.HEADER, [*headers]:
            return ", ".join(f"{name}: …" for name, _ in headers)
        case Kind.HEADER_FOR, [*headers]:
            return ", ".join(f"{origin} {name}: …" for origin, name, _ in headers)
        case Kind.ROBOTS, respected:
            return "respect" if respected else "ignore"
        case Kind.SHARE, (part, whole):
            return f"{part / whole:g}"
        case Kind.NAME, template:
            return str(template.text)
        case Kind.URL, url:
            return redact(str(url))
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
        case _:
            return str(value)


def names_of(kind: type[StrEnum]) -> str:
    """Return the names that an option of this enumeration takes."""
    return ", ".join(kind)


def _member_of(names: type[StrEnum]) -> Callable[[str], Any]:
    def read(text: str) -> Any:  # noqa: ANN401 (a member of `names`)
        try:
            return names(text)
        except ValueError:
            raise ArgumentTypeError(f"{printable(text)!r} is not one of {names_of(names)}") from None

    return read


def _count_or_zero(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ArgumentTypeError(f"{printable(text)!r} is not a whole number")
    return int(text)


def _count(text: str) -> int:
    number = _count_or_zero(text)
    if number == 0:
        raise ArgumentTypeError("0 is too few; at least 1 is needed")
    return number


def _size(text: str) -> int:
    """Read `500k` or `2M`, in powers of ten."""
    match = re.fullmatch(r"([0-9]{1,12}) ?([kmg]?)b?", text.lower())
    if match is None or int(match[1]) == 0:
        raise ArgumentTypeError(f"{printable(text)!r} is not a size such as 500k or 2M")
    return int(match[1]) * {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}[match[2]]


def _time(text: str) -> float:
    """Read `30s`, `1.5`, `2m`, `1h` or `1d`, in seconds."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|[smhd]?)", text)
    if match is None or float(match[1]) == 0:
        raise ArgumentTypeError(f"{printable(text)!r} is not a duration such as 30s or 1d")
    return float(match[1]) * {"": 1, "ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]


def _time_or_zero(text: str) -> float:
    return 0.0 if re.fullmatch(r"0(?:ms|[smhd]?)", text) else _time(text)


def _share(text: str) -> tuple[int, int]:
    """Read `0.95` as 95 of 100: a share that is counted must not be rounded."""
    match = re.fullmatch(r"([0-9]?)(?:\.([0-9]{1,9}))?", text)
    digits = "" if match is None else match[1] + (match[2] or "")
    whole = 1 if match is None else 10 ** len(match[2] or "")
    if not digits or int(digits) > whole:
        raise ArgumentTypeError(f"{printable(text)!r} is not a share from 0 to 1, such as 0.95")
    return int(digits), whole


def _viewport(text: str) -> Viewport:
    match = re.fullmatch(r"([0-9]{1,6})x([0-9]{1,6})(?:@([0-9]{1,3}(?:\.[0-9]{1,6})?))?", text)
    if match is None or not (int(match[1]) and int(match[2]) and float(match[3] or 1)):
        raise ArgumentTypeError(f"{printable(text)!r} is not a viewport such as 1280x720@2")
    return Viewport(int(match[1]), int(match[2]), float(match[3] or 1))


def _formats(text: str) -> frozenset[Format]:
    read = _member_of(Format)
    return frozenset(read(name) for name in re.split(r"\s*,\s*", text.strip().strip(",")))


def _reach(text: str) -> bool | int:
    """Read a number of pixels, or yes or no: whether the requested width is required."""
    word = text.lower()
    if word in (*_YES, *_NO):
        return word in _YES
    try:
        return _count(text)
    except ArgumentTypeError:
        raise ArgumentTypeError(f"{printable(text)!r} is neither a number of pixels, nor yes or no") from None


def _kinds(text: str) -> str:
    """Check kinds, and return them without spaces."""
    from imgfetch.errors import InputError
    from imgfetch.rules.image.kinds import kinds_of

    try:
        kinds_of(text)
    except InputError as error:
        raise ArgumentTypeError(error.message) from None
    return "".join(text.split())


def _host(text: str) -> str:
    """Check the name of a host, an address, or a network."""
    bare = text.strip("[]")
    if not re.fullmatch(r"[\w.-]+", bare):
        from ipaddress import ip_interface

        try:
            ip_interface(bare)
        except ValueError:
            what = "is not a host, an address or a network; leave out scheme and port"
            raise ArgumentTypeError(f"{printable(text)!r} {what}") from None
    return text


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not (colon and re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) and value.isprintable()):
        raise ArgumentTypeError("a header has the form 'NAME: VALUE'")  # the value may be a secret
    return name, value.strip()


def header_for(text: str) -> tuple[str, str, str]:
    """Read `https://host NAME: VALUE`."""
    origin, _, header = text.partition(" ")
    known = read_origin(spelled(origin))
    if isinstance(known, Defect):
        raise ArgumentTypeError(f"{redact(origin)!r} is not an origin such as https://host:8443")
    return known, *_header(header)


def _respects_robots(text: str) -> bool:
    try:
        return {"respect": True, "ignore": False}[text]
    except KeyError:
        raise ArgumentTypeError(f"{printable(text)!r} is neither respect nor ignore") from None


def _path(text: str) -> str:
    """Read the path of a file or a folder; refuse a URL, for which a folder of that name would be made."""
    scheme, mark, _ = text.partition("://")
    if mark and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        hint = "give the path alone" if scheme.lower() == "file" else "write to a local folder, and copy that"
        raise ArgumentTypeError(f"{redact(text)!r} is not a path of this machine; {hint}")
    return text


def _name_template(text: str) -> NameTemplate:
    from imgfetch.rules.image import name_template

    try:
        return name_template.parse(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{printable(text)!r} is not a template: {error}") from error


_READERS: dict[Kind, Callable[[str], Any]] = {
    Kind.TEXT: str,
    Kind.URL: str,
    Kind.COUNT: _count,
    Kind.COUNT_OR_ZERO: _count_or_zero,
    Kind.SIZE: _size,
    Kind.TIME: _time,
    Kind.TIME_OR_ZERO: _time_or_zero,
    Kind.SHARE: _share,
    Kind.VIEWPORT: _viewport,
    Kind.FORMATS: _formats,
    Kind.KINDS: _kinds,
    Kind.REACH: _reach,
    Kind.HOST: _host,
    Kind.HEADER: _header,
    Kind.HEADER_FOR: header_for,
    Kind.PATH: _path,
    Kind.NAME: _name_template,
    Kind.ROBOTS: _respects_robots,
}
