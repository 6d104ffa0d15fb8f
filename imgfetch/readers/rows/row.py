"""A row of an input: its images, its columns, and what it says about the fetch of its own images.

members of a record ─▶ the columns with the source ─▶ images │ none │ why they cannot be used
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
from imgfetch.readers.rows.columns import key_of
from imgfetch.readers.rows.values import images_in, images_in_columns, name_in
from imgfetch.readers.strings import is_image_url
from imgfetch.redaction import without_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imgfetch.readers.rows.columns import Wanted

OWN_COLUMNS = {
    "width": ("width",),
    "name": ("name", "filename", "file_name"),
    "referer": ("referer", "referrer"),
}
"""The names of the columns with the wanted width in pixels, the name of the copy, and the image's page."""


class Row(NamedTuple):
    """One row of an input."""

    images: tuple[str, ...]
    """The sources: URLs, also `data:` URLs, or srcsets; never the name of a file."""
    columns: Mapping[str, Any] = {}
    """Its columns, without user and password of URLs; empty for a list."""
    width: int | None = None
    """The wanted width in device pixels; None without one."""
    name: str = ""
    referer: str = ""
    """The URL of the page that contains its images."""
    error: InputError | None = None
    """Why it cannot be used. A row without images and without an error says nothing of images."""


def row_of(members: Mapping[str, Any], where: str, wanted: Wanted) -> Row:
    """Return the row of a record; `where` names it in an error, `wanted` the columns with the source.

    Empty columns make a row without images and without an error; other values than images make an error.
    """
    try:
        columns = {name: _plain(value) for name, value in members.items()}
        found = images_in_columns(members, wanted)
    except RecursionError:
        return unusable(where, "nested too deeply")
    own = {own: members[name] for own, name in _own_columns(tuple(members))}
    is_unusable = not found.images and found.passed_over
    return Row(
        found.images,
        columns,
        width=_pixels(own.get("width")),
        name=_text(own.get("name")) or next(filter(None, map(name_in, members.values())), ""),
        referer=_web_url(own.get("referer")),
        error=_error(where, f"no image under {found.passed_over}") if is_unusable else None,
    )


def row_of_text(text: str, where: str) -> Row:
    """Return the row of a text alone: a line of a list, or an element of an array."""
    images = images_of(text)
    return Row(images) if images else unusable(where, "no URL")


def other_columns(row: Row) -> tuple[str, ...]:
    """Return the columns of a row that have URLs of images which are not among its own."""
    taken = frozenset(row.images)
    found = ((name, frozenset(images_in(value))) for name, value in row.columns.items())
    return tuple(
        name
        for name, images in found
        if not images <= taken and all(is_image_url(image, name) for image in images)
    )


def unusable(where: str, why: str) -> Row:
    """Return the row that cannot be read."""
    return Row((), error=_error(where, why))


@lru_cache(64)
def _own_columns(names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return which of the names are those of `OWN_COLUMNS`, the first of each."""
    by_key = {key_of(name): name for name in reversed(names)}
    found = {
        own: next((by_key[key] for key in map(key_of, known) if key in by_key), None)
        for own, known in OWN_COLUMNS.items()
    }
    return tuple((own, name) for own, name in found.items() if name is not None)


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
