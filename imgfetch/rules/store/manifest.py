"""The manifest of a batch: which rows are done, by the records that an earlier run has left.

    line ─▶ Record ─▶ the records of a row ─▶ whole, or to be asked for again

A row's records stand together, `part` 1 to `parts`. A line that was cut, or is not ours, is no record.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imgfetch.rules.http.urls import source_without_userinfo
from imgfetch.rules.store import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Record:
    """What one line says: an image of a row, and the file that it became."""

    row: int
    """The identity of what was asked for."""
    index: int
    part: int
    parts: int
    path: str | None
    """Relative to the manifest; None where the image failed."""
    size: int
    """In bytes."""
    line: bytes


def identity(source: str, how: Mapping[str, Any]) -> int:
    """Return a number of 64 bits for a source and the way it is asked for, the same in every run.

    It is not one of the source's user and password: it is written down, and they could be guessed by it.
    """
    asked = json.dumps([source_without_userinfo(source), how], sort_keys=True, ensure_ascii=True)
    return int.from_bytes(hashlib.sha256(asked.encode()).digest()[:8])


def members(row: int, part: int, parts: int) -> dict[str, Any]:
    """What a line of the manifest has beside an outcome's own members."""
    return {"row": f"{row:016x}", "part": part, "parts": parts}


def may_be_manifest(first: bytes) -> bool:
    """Return whether a file that begins with this line may be a manifest.

    It may where the line is a record, where the file is empty, or where it has no more than one line that was
    cut and begins as all of them do.
    """
    return jsonl.may_begin(first, _BEGINNING) or _read(first) is not None


_BEGINNING = b'{"attempts": '
"""Of every line, since `records.line` sorts the members."""


def rows(lines: Iterable[bytes]) -> Iterator[tuple[Record, ...]]:
    """The rows whose records are all there, and all of images that were had."""
    gathered: list[Record] = []
    for record in map(_read, lines):
        if record is None or (gathered and not _follows(gathered[-1], record)):
            gathered.clear()
        if record is None or record.part != len(gathered) + 1:
            continue
        gathered.append(record)
        if record.part == record.parts:
            if all(each.path is not None for each in gathered):
                yield tuple(gathered)
            gathered.clear()


def _follows(before: Record, record: Record) -> bool:
    return (before.row, before.index, before.part + 1) == (record.row, record.index, record.part)


def _read(line: bytes) -> Record | None:
    try:
        found = json.loads(line)
        row, path = int(found["row"], 16), found["path"]
        part, parts, index, size = (int(found[name] or 0) for name in ("part", "parts", "index", "bytes"))
    except (ArithmeticError, ValueError, TypeError, KeyError, RecursionError):
        return None
    if not (line.endswith(b"\n") and 0 <= row < 2**64 and 1 <= part <= parts and _is_name(path)):
        return None
    return Record(row, index, part, parts, path, size, line)


def _is_name(path: Any) -> bool:  # noqa: ANN401 (as read)
    """Whether a path is None, or the name of a file beside the manifest."""
    return path is None or (isinstance(path, str) and path != "" and "/" not in path and "\0" not in path)
