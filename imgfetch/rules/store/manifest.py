"""The manifest of a batch: the rows that an earlier run has finished, by its records.

    line ─▶ Record ─▶ the records of a row ─▶ complete, or to be fetched again

The records of a row stand together, `part` 1 to `parts`. A line that was cut, or is another program's, is
skipped.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imgfetch.model.result import ErrorKind
from imgfetch.rules.http.urls import source_without_userinfo
from imgfetch.rules.store import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Record:
    """One line: an image of a row, and the file that it became."""

    row: int
    """The identity of the source and its options."""
    index: int
    part: int
    parts: int
    path: str | None
    """Path relative to the manifest; None if the image failed or was skipped."""
    size: int
    """Bytes of the file."""
    line: bytes
    is_final: bool = False
    """Whether it failed, and the origin would answer the same again."""
    under: str = ""
    """The `terms` of the run that failed; empty if the failure does not depend on them."""
    is_skipped: bool = False
    """True if the image is smaller than was asked: it is not fetched again."""


def identity(source: str, how: Mapping[str, Any]) -> int:
    """Return a number of 64 bits for a source and its options, the same in every run.

    User and password of the source are left out: the number is written to a file, and could reveal them.
    """
    asked = json.dumps([source_without_userinfo(source), how], sort_keys=True, ensure_ascii=True)
    return int.from_bytes(hashlib.sha256(asked.encode()).digest()[:8])


def members(
    row: int, part: int, parts: int, *, columns: Mapping[str, Any] | None = None, under: str = ""
) -> dict[str, Any]:
    """Return the members of a line that an outcome does not have itself.

    `columns` are those of its row in a table, which stand under one member; a list has none. A failure has
    the `terms` of its run `under`.
    """
    found: dict[str, Any] = {"row": f"{row:016x}", "part": part, "parts": parts}
    return found | {name: value for name, value in (("columns", columns), ("under", under)) if value}


def terms(options: Mapping[str, Any]) -> str:
    """Return a short text for the options of which a failure may depend, the same in every run.

    It must be given no secret: of a header field only the name.
    """
    asked = json.dumps(options, sort_keys=True, default=str)
    return hashlib.sha256(asked.encode()).hexdigest()[:16]


def may_be_manifest(first: bytes) -> bool:
    """Return whether a file that begins with this line may be a manifest.

    It may be one if the line is a record, if the file is empty, or if it has a single line that was cut and
    begins like all of them.
    """
    return jsonl.may_begin(first, _BEGINNING) or _read(first) is not None


_BEGINNING = b'{"attempts": '
"""The first bytes of every line, since `jsonl.line` sorts the members."""


def rows(lines: Iterable[bytes]) -> Iterator[tuple[Record, ...]]:
    """Yield the rows that have all their records, each of an image that needs no further request.

    It was fetched, was skipped, or failed for good.
    """
    gathered: list[Record] = []
    for record in map(_read, lines):
        if record is None or (gathered and not _follows(gathered[-1], record)):
            gathered.clear()
        if record is None or record.part != len(gathered) + 1:
            continue
        gathered.append(record)
        if record.part == record.parts:
            if all(each.path is not None or each.is_final or each.is_skipped for each in gathered):
                yield tuple(gathered)
            gathered.clear()


def _follows(before: Record, record: Record) -> bool:
    return (before.row, before.index, before.part + 1) == (record.row, record.index, record.part)


def _read(line: bytes) -> Record | None:
    try:
        found = jsonl.members_of(line.decode())
        row, path = int(jsonl.member(found, "row", str), 16), found["path"]
        part, parts, index = (jsonl.member(found, name, int) for name in ("part", "parts", "index"))
        size = jsonl.member(found, "bytes", int, 0)
    except (ValueError, KeyError):
        return None
    if not (line.endswith(b"\n") and 0 <= row < 2**64 and 1 <= part <= parts and _is_name(path)):
        return None
    is_final = path is None and _is_final(found)
    under = found.get("under", "?") if is_final and _depends_on_options(found["error"]) else ""
    is_skipped = path is None and found.get("status") == "skipped"
    return Record(row, index, part, parts, path, size, line, is_final, str(under), is_skipped)


def _is_final(found: Mapping[str, Any]) -> bool:
    """Return whether a failure cost a request, and a retry would not help.

    A name that did not resolve, and a failure of this machine, may be over by now.
    """
    error, attempts = found.get("error"), found.get("attempts")
    if not isinstance(error, dict) or not isinstance(attempts, int) or attempts < 1:
        return False
    return error.get("retryable") is False and error.get("kind") in tuple(_FINAL)


def _depends_on_options(error: Mapping[str, Any]) -> bool:
    """Return whether another limit, check or header field might help."""
    if error.get("kind") == ErrorKind.HTTP_STATUS:
        return error.get("http_status") in (401, 403, 407, 451)
    return error.get("kind") not in (ErrorKind.EMPTY, ErrorKind.NOT_IMAGE, ErrorKind.NO_IMAGE)


_FINAL = frozenset(
    {
        ErrorKind.HTTP_STATUS,
        ErrorKind.TOO_MANY_REDIRECTS,
        ErrorKind.BAD_REDIRECT,
        ErrorKind.OPTED_OUT,
        ErrorKind.TOO_LARGE,
        ErrorKind.TOO_MANY_PIXELS,
        ErrorKind.TOO_MANY_FRAMES,
        ErrorKind.UNSUPPORTED_FORMAT,
        ErrorKind.EMPTY,
        ErrorKind.NOT_IMAGE,
        ErrorKind.NO_IMAGE,
        ErrorKind.TOO_MANY_IMAGES,
        ErrorKind.CORRUPT,
        ErrorKind.TRUNCATED,
        ErrorKind.PLACEHOLDER,
        ErrorKind.WIDTH_MISMATCH,
        ErrorKind.TOO_NARROW,
    }
)
"""Kinds of failures that the origin's response has caused."""


def _is_name(path: Any) -> bool:  # noqa: ANN401 (as read)
    """Return whether a path is None, or the name of a file beside the manifest."""
    return path is None or (isinstance(path, str) and path != "" and "/" not in path and "\0" not in path)
