"""A row of an input: its images, its columns, and what it says about the fetch of its own images.

members of a record ─▶ the columns with the source ─▶ images │ why there are none
                    └▶ width, name, referer ─▶ the row's own
                    └▶ all of them ─▶ the manifest
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from imgfetch.errors import InputError
from imgfetch.model.result import ErrorKind
from imgfetch.readers.rows.cells import images_of
from imgfetch.redaction import without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SOURCE_COLUMNS = (
    *("srcset", "images", "image", "image_url", "image_urls", "image_src", "image_link", "image_path"),
    *("img", "img_url", "img_src", "photo", "photos", "photo_url", "picture", "pictures", "picture_url"),
    *("base_image", "content_url", "url", "urls", "src", "uri"),
)
"""The names of the column with the source, the best first.

Case, spaces, `_`, `-` and what is in parentheses do not count: `Image Src` is `image_src`. A `srcset` goes
before another column of its row.
"""

OWN_COLUMNS = {
    "width": ("width",),
    "name": ("name", "filename", "file_name"),
    "referer": ("referer", "referrer"),
}
"""The names of the columns with the wanted width in pixels, the name of the copy, and the image's page."""


class SourceColumn(NamedTuple):
    """The column with the source."""

    name: str | None = None
    """Its name; None for the first of `SOURCE_COLUMNS`."""
    is_absolute: bool = False
    """Whether a column of relative URLs is passed over where another has absolute ones."""


class Row(NamedTuple):
    """One row of an input."""

    images: tuple[str, ...]
    """The sources: URLs or srcsets, never the name of a file."""
    columns: Mapping[str, Any] = {}
    """Its columns, without user and password of URLs; empty for a list."""
    width: int | None = None
    """The wanted width in device pixels; None without one."""
    name: str = ""
    referer: str = ""
    """The URL of the page that contains its images."""
    error: InputError | None = None
    """Why it has no images."""


def row_of(members: Mapping[str, Any], where: str, column: SourceColumn) -> Row:
    """Return the row of a record; `where` names it in an error, `column` the column with the source."""
    header = tuple(members)
    names = source_columns(header, column)
    try:
        columns = {name: _plain(value) for name, value in members.items()}
        images = _first_images(members, names, column)
    except RecursionError:
        return unusable(where, "nested too deeply")
    own = {own: members[name] for own, name in _own_columns(header)}
    wanted = " or ".join(names[: 2 if _key(names[0]) == "srcset" else 1]) if names else column.name or "url"
    return Row(
        images,
        columns,
        width=_pixels(own.get("width")),
        name=_text(own.get("name")),
        referer=_web_url(own.get("referer")),
        error=None if images else _error(where, f"no text under {wanted}"),
    )


def row_of_text(text: str, where: str) -> Row:
    """Return the row of a text alone: a line of a list, or an element of an array."""
    images = images_of(text)
    return Row(images) if images else unusable(where, "no URL")


def unusable(where: str, why: str) -> Row:
    """Return the row that cannot be read."""
    return Row((), error=_error(where, why))


@lru_cache(64)
def source_columns(names: Sequence[str], column: SourceColumn) -> tuple[str, ...]:
    """Return those of the names that are columns with a source, in the order in which they are tried."""
    if column.name is not None:
        return (column.name,) if column.name in names else ()
    by_key: dict[str, str] = {}
    for name in names:
        by_key.setdefault(_key(name), name)
    return tuple(by_key[key] for key in map(_key, SOURCE_COLUMNS) if key in by_key)


def _first_images(members: Mapping[str, Any], names: Sequence[str], column: SourceColumn) -> tuple[str, ...]:
    """Return the images under the first of the columns that may have any.

    A column with another thing than text, such as the bytes of an image or a number, is passed over, and so
    is an empty srcset. An empty cell is not: the URL beside it may be that of a page.
    """
    relative: tuple[str, ...] = ()
    for name in names:
        value = members[name]
        images = tuple(_images(value))
        if images and (not column.is_absolute or any(map(_ABSOLUTE.match, images))):
            return images
        relative = relative or images
        if not images and (value is None or isinstance(value, str)) and _key(name) != "srcset":
            break
    return relative


def _key(name: str) -> str:
    return re.sub(r"\([^)]*\)|[\s_-]", "", name.strip().lower())


@lru_cache(64)
def _own_columns(names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return which of the names are those of `OWN_COLUMNS`, the first of each."""
    by_key = {_key(name): name for name in reversed(names)}
    found = {
        own: next((by_key[key] for key in map(_key, known) if key in by_key), None)
        for own, known in OWN_COLUMNS.items()
    }
    return tuple((own, name) for own, name in found.items() if name is not None)


def _images(value: Any) -> Iterator[str]:  # noqa: ANN401 (as read)
    """Yield the images under a column: a text, or the list or the object that a JSON row has there."""
    if isinstance(value, str):
        yield from images_of(value)
    elif isinstance(value, list | tuple):
        for each in value[:_MOST_IMAGES]:
            if isinstance(each, str):
                yield from filter(None, (each.strip(),))
            elif isinstance(each, dict):
                yield from _images(each)
    elif isinstance(value, dict):
        names = source_columns(tuple(map(str, value)), SourceColumn())
        yield from _first_images({str(name): member for name, member in value.items()}, names, SourceColumn())


def _text(value: Any) -> str:  # noqa: ANN401 (as read)
    return value.strip() if isinstance(value, str) else ""


def _pixels(value: Any) -> int | None:  # noqa: ANN401 (as read)
    """Return a width in pixels as tables have it: 800, "800", "800px", 800.0; None for another value."""
    if value is None:
        return None
    found = re.fullmatch(r"\s*([1-9][0-9]{0,8})(?:\.0+)?\s*(?:px)?\s*", str(value))
    return int(found[1]) if found else None


def _web_url(value: Any) -> str:  # noqa: ANN401 (as read)
    return value.strip() if isinstance(value, str) and re.match(r"\s*https?://", value, re.IGNORECASE) else ""


def _plain(value: Any) -> Any:  # noqa: ANN401 (as read)
    """Return a value as JSON has it, without user and password of URLs. Raises `RecursionError`."""
    if type(value) is str:  # nearly all are
        return without_credentials(value) if "@" in value else value
    match value:
        case str():
            return without_credentials(value)
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {str(name): _plain(member) for name, member in value.items()}
        case list() | tuple():
            return [_plain(member) for member in value]
        case bytes() | bytearray() | memoryview():
            return f"{len(value):,} bytes"
        case _:
            return str(value)


def _error(where: str, why: str) -> InputError:
    return InputError(ErrorKind.BAD_INPUT, why, where)


_MOST_IMAGES = 10_000
"""Images of one row at most."""

_ABSOLUTE = re.compile(r"(?:https?:)?//|data:", re.IGNORECASE)
