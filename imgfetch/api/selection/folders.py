"""The documents of a folder, and the files that a pattern names.

    folder, or `pages/**/*.html` ─▶ files in the order of their names ─▶ documents │ counted as left out

Hidden files and folders, files that no reader reads, and the parts that browsers save beside a page are left
out. A symbolic link is followed to a file inside the folder alone.
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from imgfetch.api import sources
from imgfetch.api.sources import Files
from imgfetch.errors import InputError, printable
from imgfetch.model.document import Document, DocumentType
from imgfetch.model.result import ErrorKind
from imgfetch.readers.document_type import recognise
from imgfetch.rules.image.saved_copies import SUFFIXES
from imgfetch.rules.store import results_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeAlias

    from imgfetch.errors import ImgfetchError

    LeaveOut: TypeAlias = Callable[[Path, "Unread"], None]
    """Receives a file that is not read, and the reason."""


class Unread(StrEnum):
    """A reason for which a file of a folder is not read; the words count several such files."""

    HIDDEN = "hidden"
    OTHER = "of other types"
    OWN = "written by imgfetch"
    PART = "saved as parts of pages"
    LINK = "links that are not followed"
    NO_IMAGE = "without images"
    LIST = "with a URL a line (get -i reads them)"
    TABLE = "with a table (batch reads them)"


def reason_without_image(error: ImgfetchError) -> Unread:
    """Return the reason for which a document has no image, by the error (`no_image`) of its reader."""
    match error.hint:
        case sources.LINES_ARE_SOURCES:
            return Unread.LIST
        case sources.CELLS_ARE_SOURCES:
            return Unread.TABLE
        case _:
            return Unread.NO_IMAGE


def documents_in(folder: Path) -> Files:
    """Return the files of a folder. Raise `InputError` where it cannot be read."""
    name = printable(str(folder))
    try:
        return Files(name, sorted(folder.iterdir()), folder.resolve(strict=True))
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise InputError(ErrorKind.BAD_INPUT, f"cannot be read: {why}", name) from error


def documents_of(files: Files, leave_out: LeaveOut) -> Iterator[Path]:
    """Yield the documents among files, also those in folders, sorted by name; tell of the other files."""
    levels = [_Level(files.paths)]
    while levels:
        path = next(levels[-1].paths, None)
        if path is None:
            levels.pop()
        elif (reason := _against(path, levels[-1].names, files.inside)) is not None:
            leave_out(path, reason)
        elif not path.is_dir():
            yield path
        elif (inner := _entries(path)) is None:
            yield path  # it is reported as a document that cannot be read
        else:
            levels.append(_Level(inner))


class _Level:
    """The entries of one folder that are still to be read."""

    def __init__(self, entries: Sequence[Path]) -> None:
        self.paths = iter(entries)
        self.names = {path.name for path in entries}


def _entries(folder: Path) -> list[Path] | None:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return None


def _against(path: Path, names: set[str], inside: Path | None) -> Unread | None:
    """Return why a file or a folder is not read; None if it is.

    `names` are those of its folder, and `inside` is the folder that is read, without it for a pattern.
    """
    if inside is not None:
        if path.name.startswith("."):
            return Unread.HIDDEN
        if path.is_symlink() and not (path.is_file() and path.resolve().is_relative_to(inside)):
            return Unread.LINK
        if path.is_dir():
            if is_companion(path.name, names):
                return Unread.PART
            return Unread.OWN if (path / "CACHEDIR.TAG").exists() else None
    return _against_file(path)


def is_companion(name: str, names: set[str]) -> bool:
    """Return whether a folder is the one that a browser saves beside a page: `page_files` and `page.html`."""
    stems = (name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix))
    return any(f"{stem}.{extension}" in names for stem in stems for extension in ("html", "htm", "xhtml"))


def _against_file(path: Path) -> Unread | None:
    """Return why no reader reads a file, by its name, then by its first bytes."""
    if not path.is_file() or _FOREIGN.search(path.name):
        return Unread.OTHER
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError:
        return None  # its reader says why it cannot be read
    if head.startswith(_OWN):
        return Unread.OWN
    found = recognise(Document(head, name=path.name)).type if head.strip() else None
    return Unread.OTHER if found in (None, DocumentType.SVG) else None


_OWN = (
    *(b'{"ask": {', b'{"attempts": ', b'{"imgfetch-lock": ', b'{"index": '),
    *(results_table.header(delimiter).encode() for delimiter in ",\t"),
)
"""How reports, manifests, locks, results in JSON and tables begin: what they name was taken before."""

_FOREIGN = re.compile(
    r"\.(?:jpe?g|png|gif|webp|avif|svgz?|ico|bmp|tiff?|jxl|heic|jsx?|mjs|cjs|tsx?|map|wasm|woff2?|ttf|otf|eot"
    r"|mp[34]|m4[av]|webm|ogg|mov|pdf|py|sh|sqlite|db)\Z",
    re.IGNORECASE,
)


def files_of(pattern: str) -> Files | None:
    """Return the files that a shell pattern names, in the order of their names; None if there is none.

    `**` stands for any number of folders. No name that begins with a dot is found by a wildcard.
    """
    path = Path(pattern)
    root = Path(path.anchor) if path.is_absolute() else Path()
    wanted = str(path.relative_to(path.anchor)) if path.is_absolute() else pattern
    try:
        found = sorted(each for each in root.glob(wanted) if each.is_file())
    except (ValueError, NotImplementedError, OSError):  # not a pattern, or a folder that cannot be read
        return None
    dotted = {part for part in path.parts if part.startswith(".")}
    shown = tuple(
        each for each in found if not any(part.startswith(".") and part not in dotted for part in each.parts)
    )
    return Files(pattern, shown) if shown else None
