"""Rows of the index and values of the program: each is made from the other here, and nowhere else."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.model.image import Entry, Facts, Format
from imgfetch.model.request import Head
from imgfetch.model.values import Digest, Key
from imgfetch.rules.store.eviction import StoredObject
from imgfetch.store.lookup_sql import TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imgfetch.store.index.sql import Row

OBJECT_COLUMNS = "sha256, format, bytes, mtime_ns, checked_at"
KEY, VARY = 0, slice(11, 13)
"""Positions of the key, and of selector and variant, in a row of `entry_row`."""


class Object(NamedTuple):
    """The index's record of a file under `objects`."""

    sha256: Digest
    format: Format
    bytes: int
    mtime_ns: int
    checked_at: int = 0


class Found(NamedTuple):
    """An entry, and the index's record of its object."""

    entry: Entry
    mtime_ns: int
    used_at: int
    checked_at: int


# ---------------------------------------------------------------------------------------------------
# From rows

_FORMATS = {known.value: known for known in Format}
_TYPES_OF_OBJECT = (str, str, int, int, int)
_TYPES_OF_USE = (str, str, int, int, int, int)


def entry_of(row: Row) -> Entry:
    """Make the entry of a row that `lookup_sql.is_sound`."""
    return _entry(*row)


def found_in(row: Row) -> Found | None:
    """Make an entry and its object's record of a row; None if the row is not sound."""
    if [*map(type, row)] not in TYPES:
        return None
    try:
        return Found(_entry(*row), *row[4:7])
    except (LookupError, ValueError):
        return None


def _entry(
    key: Key,
    sha256: str,
    format_: str,
    size: int,
    _mtime_ns: int,
    _used_at: int,
    _checked_at: int,
    width: int,
    height: int,
    frames: int,
    verified: str,
    url: str,
    status: int,
    headers: str,
    request_time: float,
    response_time: float,
    redirect_lifetime: float | None,
    variant: str = "",
    selector: str = "",
    *_: object,
) -> Entry:
    facts = Facts(_FORMATS[format_], width, height, frames, size, _digest(sha256), _words(verified))
    head = Head(url, status, _fields(headers))
    vary_values = _fields(variant) if variant else ()
    return Entry(key, facts, head, request_time, response_time, vary_values, redirect_lifetime, selector)


def types_of(row: Row) -> tuple[type, ...]:
    """Return the types of the values in a row: SQLite stores a value of any type in any column."""
    return tuple(map(type, row))


def keys_in(rows: Sequence[Row]) -> list[Key]:
    """Return the keys in rows of one column."""
    return [Key(key) for (key,) in rows if type(key) is str]


def objects_in(rows: Sequence[Row]) -> Iterator[Object]:
    """Make the records of objects of those rows, of `OBJECT_COLUMNS`, that are sound."""
    for row in rows:
        if types_of(row) == _TYPES_OF_OBJECT:
            with suppress(ValueError):
                yield Object(_digest(row[0]), Format(row[1]), *row[2:])


def stored_objects_in(rows: Sequence[Row]) -> Iterator[StoredObject]:
    """Make the objects, as the rules of eviction see them, of those rows that are sound."""
    for row in rows:
        sha256, format_, size, mtime_ns, used_at, is_pinned = row
        with suppress(ValueError):
            if types_of(row) == _TYPES_OF_USE:
                yield StoredObject(
                    _digest(sha256), Format(format_), size, mtime_ns, used_at, pinned=bool(is_pinned)
                )


@lru_cache(maxsize=64)
def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _digest(text: str) -> Digest:
    """Return a digest in a row, if it looks like one: it will become part of a path."""
    if len(text) != 64 or not text.isalnum():
        raise ValueError(text)
    return Digest(text)


# ---------------------------------------------------------------------------------------------------
# To rows


def object_row(facts: Facts, mtime_ns: int, used_at: float, checked_at: float) -> Row:
    """Make the row of an object."""
    return facts.sha256, facts.format, facts.bytes, mtime_ns, int(used_at), int(checked_at)


def entry_row(entry: Entry, fresh_until: float | None, source_set: str) -> Row:
    """Make the row of an entry; `source_set` is the identity of the one that offered it, or empty."""
    facts, head = entry.facts, entry.head
    return (
        entry.key,
        facts.sha256,
        facts.width,
        facts.height,
        facts.frames,
        " ".join(facts.verified),
        head.url,
        head.status,
        lines(head.headers),
        entry.request_time,
        entry.response_time,
        entry.selector,
        lines(entry.vary_values),
        entry.redirect_lifetime,
        fresh_until,
        source_set or None,
    )


def split_at_repeated_keys(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Yield the rows in order, in lists without two of one key: the later row replaces the earlier."""
    some: dict[str, Row] = {}
    for row in rows:
        if row[KEY] in some:
            yield [*some.values()]
            some = {}
        some[row[KEY]] = row
    yield [*some.values()]


# Header fields are stored as `name TAB value LF`, with anything but printable ASCII escaped by a backslash as
# in a Python literal. Reading JSON takes three times as long, and loading its module more time than all the
# rest of a lookup in a cache that has just been opened.


def lines(fields: tuple[tuple[str, str], ...]) -> str:
    """Write header fields as lines."""
    plain = "".join([name + value for name, value in fields])
    if plain.isascii() and plain.isprintable() and "\\" not in plain:
        return "".join([f"{name}\t{value}\n" for name, value in fields])
    return "".join([f"{_escaped(name)}\t{_escaped(value)}\n" for name, value in fields])


def _fields(text: str) -> tuple[tuple[str, str], ...]:
    parts = text.replace("\t", "\n").split("\n")
    if parts.pop():  # after the last LF there is nothing
        raise ValueError(text)
    if "\\" in text:
        parts = [part.encode("ascii").decode("unicode_escape") for part in parts]
    return tuple(zip(parts[::2], parts[1::2], strict=True))


def _escaped(text: str) -> str:
    return text.encode("unicode_escape").decode("ascii")
