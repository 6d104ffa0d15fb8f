"""The images in a value of a row: a text, the bytes of an image, or a list or an object of these.

    "a.jpg, b.png" · {"src": "a.jpg"} · '[{"src": "a.jpg"}]' · {"bytes": …, "path": "a.jpg"} ─▶ a source each

The bytes of an image, as they are or in base64, become a `data:` URL (RFC 2397): no request is needed.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from typing import TYPE_CHECKING, Any, NamedTuple

from imgfetch.readers.rows.cells import images_of
from imgfetch.readers.rows.columns import Wanted, key_of, source_columns
from imgfetch.readers.strings import data_url_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Found(NamedTuple):
    """What the columns of a record have."""

    images: tuple[str, ...]
    """Sources, each once."""
    passed_over: str = ""
    """The first column with another thing than an image, such as a number; empty without one."""


def images_in_columns(members: Mapping[str, Any], wanted: Wanted) -> Found:
    """Return the images of a record: of its first columns that may have any, and of the further ones.

    A column with another thing than an image is passed over, and so is an empty srcset. An empty cell is not:
    the URL beside it may be that of a page. Raise `RecursionError` for a value that is nested deeply.
    """
    columns = source_columns(tuple(members), wanted)
    relative: tuple[str, ...] = ()
    passed_over = ""
    for group in columns.groups:
        images = tuple(image for name in group for image in images_in(members[name]))
        if images and (not wanted.is_absolute or any(map(_ABSOLUTE.match, images))):
            relative = images
            break
        relative = relative or images
        other = next((name for name in group if not images and not is_empty(members[name])), "")
        if not (images or other or key_of(group[0]) == "srcset"):
            break
        passed_over = passed_over or other
    further = (image for name in columns.further for image in images_in(members[name]))
    return Found(tuple(dict.fromkeys((*relative, *further))), passed_over)


def images_in(value: Any) -> Iterator[str]:  # noqa: ANN401 (as read)
    """Yield the images in a value, each as a source. Raise `RecursionError` for one that is nested deeply."""
    match value:
        case str() if value.startswith("http"):  # nearly all texts
            yield from images_of(value)
        case str() if value.strip().lower() not in _EMPTY:
            data = _json(value)
            if data is not None:
                yield from images_in(data)
            elif url := data_url_of(value):
                yield url
            else:
                yield from images_of(value)
        case bytes():
            yield from _data_url(value)
        case list() | tuple():
            for each in value[:_MOST_IMAGES]:
                if isinstance(each, str) and _json(each) is None:
                    yield from filter(None, (each.strip(),))
                else:
                    yield from images_in(each)
        case {"bytes": bytes(data)}:  # an image of a data set, as Hugging Face has it
            yield from _data_url(data)
        case {"bytes": None, "path": str(path)}:
            yield from images_of(path)
        case dict():
            yield from images_in_columns({str(name): each for name, each in value.items()}, Wanted()).images


def name_in(value: Any) -> str:  # noqa: ANN401 (as read)
    """Return the file name that stands beside the bytes of an image; empty without one."""
    if isinstance(value, dict) and isinstance(value.get("bytes"), bytes):
        return re.split(r"[/\\]", str(value.get("path") or ""))[-1]
    return ""


def is_empty(value: Any) -> bool:  # noqa: ANN401 (as read)
    """Return whether a value says that there is no image: null, an empty text or list, or a word for null."""
    match value:
        case None:
            return True
        case str():
            return value.strip().lower() in _EMPTY or not images_of(value)
        case float():
            return value != value  # NaN
        case list() | tuple():
            return all(map(is_empty, value))
        case dict():
            return all(map(is_empty, value.values()))
    return False


def _json(text: str) -> Any:  # noqa: ANN401 (as read)
    """Return the object, or the list of objects, that a text is in JSON; None for any other text."""
    if not _OBJECTS.match(text):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None


def _data_url(data: bytes) -> Iterator[str]:
    from imgfetch.formats import sniff  # few tables have the images themselves

    found = sniff(data)
    if found is not None:
        yield f"data:{found.media_type};base64,{b64encode(data).decode('ascii')}"


_EMPTY = frozenset(
    ("", "{}", "-", "–", "—", "n/a", "#n/a", "na", "<na>", "nan", "null", "none", "nil", "\\n")
)
"""The words for null in tables, in lower case: of spreadsheets, pandas, R, SQL (`\\N`) and people."""

_MOST_IMAGES = 10_000
"""Images of one row at most."""

_OBJECTS = re.compile(r"\s*(?:\[\s*)?\{\s*\"")
_ABSOLUTE = re.compile(r"(?:https?:)?//|data:", re.IGNORECASE)
