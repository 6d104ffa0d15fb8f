"""HTTP archives of browsers (HAR 1.2): the images of their pages, and those that they recorded.

text ─▶ each entry by itself ─▶ Record: URL, status, fields; the body is decoded when it is needed

Browsers may export entries without their bodies: then an image is known by its URL and its type.
"""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any

from imgfetch.markup.data_urls import from_base64
from imgfetch.markup.urls import resolve
from imgfetch.model.image import Defect
from imgfetch.model.result import ErrorKind
from imgfetch.readers.containers.records import KEPT, Record, images_of, seconds_of
from imgfetch.readers.decoded import text_of, unread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.model.document import Document, EachImage
    from imgfetch.model.markup import SourceSet


def images(document: Document, each_image: EachImage) -> Iterator[SourceSet]:
    """Yield the images of a HAR archive.

    Never raise. Entries are parsed one by one: behind a damaged one the others cannot be found, which is
    said in a problem.
    """
    text = text_of(document)
    read = _Read()
    yield from images_of(_records(text, read), document, each_image)
    if not read.is_whole:
        what = f"behind entry {read.entries:,}" if read.entries else "before its first entry"
        yield unread(f"the HAR archive is damaged or cut off {what}; the rest is not read")


class _Read:
    """How far an archive was read."""

    entries = 0
    is_whole = False


def _records(text: str, read: _Read) -> Iterator[Record]:
    """Yield the responses of the entries, and note how far the archive was read."""
    found = _ENTRIES.search(text)
    at = found.end() if found else len(text)
    while True:
        before = _BEFORE_ENTRY.match(text, at)
        start = before.end() if before else at
        if text[start : start + 1] != "{":
            read.is_whole = text[start : start + 1] == "]"
            return
        try:
            entry, at = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            return
        read.entries += 1
        record = _record(entry, partial(_body_of, text, start))
        if record is not None:
            yield record


def _record(entry: Any, read: partial[bytes | Defect]) -> Record | None:  # noqa: ANN401 (JSON)
    """Return the response of an entry; None where it says too little."""
    request, response = _member(entry, "request", dict), _member(entry, "response", dict)
    url = _member(request, "url", str)
    if not url or not response:
        return None
    content = _member(response, "content", dict)
    fields = tuple(
        (name, str(each.get("value", "")))
        for each in _member(response, "headers", list)
        if isinstance(each, dict) and (name := str(each.get("name", "")).lower()) in KEPT
    )
    status = _member(response, "status", int)
    target = _member(response, "redirectURL", str) if 300 <= status < 400 else ""
    return Record(
        url,
        status,
        _member(content, "mimeType", str) or dict(fields).get("content-type", ""),
        read,
        seconds_of(_member(entry, "startedDateTime", str)),
        (resolve(target, url) or "") if target else "",
        fields,
        has_body=bool(_member(content, "text", str)),
    )


def _body_of(text: str, start: int, most: int) -> bytes | Defect:
    """Decode the body of the entry at an offset."""
    content = _member(_member(_DECODER.raw_decode(text, start)[0], "response", dict), "content", dict)
    body: str = _member(content, "text", str)
    if _member(content, "encoding", str) != "base64":
        return body[: most + 1].encode("utf-8", "replace")
    data = from_base64(body.encode("ascii", "replace"))
    return Defect(ErrorKind.CORRUPT, "its base64 in the HAR archive is damaged") if data is None else data


def _member(value: Any, name: str, kind: type[Any]) -> Any:  # noqa: ANN401 (JSON)
    """Return a member of an object if it has that type; else the empty value of the type."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, kind) and not isinstance(found, bool) else kind()


_ENTRIES = re.compile(r'(?<!\\)"entries"\s*+:\s*+\[')
_BEFORE_ENTRY = re.compile(r"[\s,]*+")
_DECODER = json.JSONDecoder(parse_int=lambda digits: int(digits[:_DIGITS]), parse_float=lambda _: 0.0)
_DIGITS = 15
"""Digits of a number: Python refuses to read one of thousands."""
