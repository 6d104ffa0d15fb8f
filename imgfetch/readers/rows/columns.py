"""The columns of a table that name its images, by their names.

    header ─▶ SourceColumns: groups, of which the first with an image is taken; and columns beside it

Columns with names that differ by a number alone, such as `Image 1` and `Image 2`, are a group, and so are two
columns of one name: their images are taken together.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.errors import InputError, one_line
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FURTHER_COLUMNS = (
    *("additional_image", "additional_images", "additional_image_link", "additional_image_links"),
    *("additional_image_url", "additional_image_urls", "variant_image", "variant_image_url"),
    *("other_image", "other_images", "other_image_url", "more_images", "gallery", "gallery_images"),
    *("image_gallery", "media_gallery"),
)
"""The names of columns with further images of a row: not the same picture in another size."""

SOURCE_COLUMNS = (
    *("srcset", "images", "image", "image_url", "image_urls", "image_src", "image_link", "image_path"),
    *("img", "img_url", "img_src", "photo", "photos", "photo_url", "picture", "pictures", "picture_url"),
    *("base_image", "main_image", "main_image_url", "product_image", "product_image_url"),
    *("content_url", *FURTHER_COLUMNS, "url", "urls", "src", "uri"),
)
"""The names of the columns with the source, the best first.

Case, spaces, `_`, `-`, a number of up to two digits and what is in parentheses do not count: `Image Src 2` is
`image_src`. A `srcset` goes before another column of its row.
"""


class Wanted(NamedTuple):
    """The columns that the caller wants as sources."""

    names: tuple[str, ...] = ()
    """Their names; a name may be several, with commas between them. Empty for those of `SOURCE_COLUMNS`."""
    is_absolute: bool = False
    """Whether a column of relative URLs is passed over where another has absolute ones."""


class SourceColumns(NamedTuple):
    """The columns of a table that have sources."""

    groups: tuple[tuple[str, ...], ...]
    """Columns that are taken together; the groups are tried in order, until one has an image."""
    further: tuple[str, ...] = ()
    """Columns with further images, which are taken beside any group."""


@lru_cache(64)
def source_columns(header: Sequence[str], wanted: Wanted) -> SourceColumns:
    """Return the columns of a header that have sources."""
    if wanted.names:
        found = tuple(name for _, name in _asked_for(header, wanted) if name is not None)
        return SourceColumns((found,) if found else ())
    by_key: dict[str, list[str]] = {}
    for name in header:
        by_key.setdefault(key_of(name), []).append(name)
    groups = tuple(tuple(by_key[key]) for key in map(key_of, SOURCE_COLUMNS) if key in by_key)
    return SourceColumns(groups, tuple(name for name in header if key_of(name) in _FURTHER))


def check_columns(header: Sequence[str], wanted: Wanted) -> None:
    """Raise `InputError` where a header lacks a column that is wanted, or has none with a source."""
    missing = next((asked for asked, name in _asked_for(header, wanted) if name is None), None)
    if missing is not None or not source_columns(tuple(header), wanted).groups:
        raise no_column(header, missing)


def no_column(header: Sequence[str], name: str | None = None) -> InputError:
    """Return the error of a table without a column of that name, or without any that has a source."""
    has = one_line("", ", ".join(header), limit=100)
    why = f"no column {name or 'url, srcset or image'}; it has {has or 'none'}"
    return InputError(ErrorKind.BAD_INPUT, why, hint="name the column with --column")


def key_of(name: str) -> str:
    """Return the same text for all spellings of a name."""
    return re.sub(r"\([^)]*\)|[\s_-]|(?<![0-9])[0-9]{1,2}(?![0-9])", "", name.strip().lower())


def _asked_for(header: Sequence[str], wanted: Wanted) -> Iterator[tuple[str, str | None]]:
    """Yield each wanted name with the column that has it, whatever its case; None without one."""
    by_name = {_spelled(name): name for name in reversed(header)} | {name: name for name in header}
    for text in wanted.names:
        is_name = text in by_name or _spelled(text) in by_name or "," not in text
        for name in (text,) if is_name else filter(None, map(str.strip, text.split(","))):
            yield name, by_name.get(name, by_name.get(_spelled(name)))


def _spelled(name: str) -> str:
    return re.sub(r"[\s_-]", "", name.lower())


_FURTHER = frozenset(map(key_of, FURTHER_COLUMNS))
